-- Models as clients name them.
CREATE TABLE models (
    id             INTEGER NOT NULL PRIMARY KEY, -- from id_counters
    name           TEXT    NOT NULL UNIQUE,      -- also apart from every alias
    enabled        INTEGER NOT NULL, -- 0, 1
    tiers          TEXT    NOT NULL, -- JSON list of tiers that may use it; empty = all
    options        TEXT    NOT NULL, -- JSON object of what the operator set
    context_length BIGINT,           -- tokens, where known
    capabilities   TEXT    NOT NULL, -- JSON list
    created_at     BIGINT  NOT NULL  -- unix milliseconds
);
