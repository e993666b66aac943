-- One row for every admitted request, written before anything is sent upstream. It names keys, models and targets
-- without foreign keys, because it outlives them.
CREATE TABLE usage (
    id             TEXT    NOT NULL PRIMARY KEY, -- UUID version 7 with hyphens: sorts by time
    key_id         BIGINT  NOT NULL,
    model_id       BIGINT  NOT NULL,
    model_name     TEXT    NOT NULL, -- as it was called then
    stream         INTEGER NOT NULL, -- 0, 1
    client         TEXT    NOT NULL, -- address the request came from
    state          TEXT    NOT NULL, -- open, settled, recovered, void; only open ever changes
    source         TEXT,             -- upstream, estimated, recovered; null while open and when void
    prompt_bound   BIGINT  NOT NULL, -- tokens of the prompt as estimated at admission
    reserved       BIGINT  NOT NULL, -- tokens promised at admission, prompt and output
    prompt         BIGINT  NOT NULL, -- tokens charged; zero while open, but for saved progress in completion
    cached         BIGINT  NOT NULL, -- part of prompt
    completion     BIGINT  NOT NULL,
    reasoning      BIGINT  NOT NULL, -- part of completion
    status         INTEGER,          -- HTTP status of the answer; null while open
    error_code     TEXT,
    error_message  TEXT,
    target_id      BIGINT,           -- answered, or was tried last
    target_name    TEXT,             -- what that server called the model then
    backend        TEXT,             -- kind of that server
    attempts       INTEGER NOT NULL, -- how many targets were tried
    attempt_detail TEXT,             -- JSON list with a line for each; null when there is nothing to add
    admitted       BIGINT  NOT NULL, -- unix milliseconds, as the next two
    first_token    BIGINT,
    ended          BIGINT
);

-- Found at start after a crash; small, however large the table grows.
CREATE INDEX usage_open ON usage (key_id) WHERE state = 'open';

CREATE INDEX usage_key ON usage (key_id, id);
