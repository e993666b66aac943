-- Servers that answer for a model.
CREATE TABLE model_targets (
    id            INTEGER NOT NULL PRIMARY KEY, -- from id_counters
    model_id      BIGINT  NOT NULL REFERENCES models (id),
    kind          TEXT    NOT NULL, -- ollama, vllm, llamacpp, openai, api3, echo
    base_url      TEXT,             -- null for echo
    upstream_name TEXT    NOT NULL, -- what the server calls the model
    credential    TEXT,             -- sealed for the origin of base_url; null = none of its own
    priority      INTEGER NOT NULL, -- lower comes first
    position      INTEGER NOT NULL  -- order among equals
);

CREATE INDEX model_targets_model ON model_targets (model_id);
