-- Keys with their balance. Rows are never removed: a deleted key is revoked.
CREATE TABLE api_keys (
    id             INTEGER NOT NULL PRIMARY KEY, -- from id_counters
    name           TEXT    NOT NULL,
    role           TEXT    NOT NULL, -- user, viewer, admin
    status         TEXT    NOT NULL, -- active, disabled, revoked
    tier           TEXT,
    default_model  TEXT,
    allowed_models TEXT    NOT NULL, -- JSON list; empty = all
    allowed_ips    TEXT    NOT NULL, -- JSON list of addresses and networks; empty = all
    rpm            BIGINT,           -- requests per minute; null = no limit, as for the next four
    burst          BIGINT,           -- requests within one second
    tpm            BIGINT,           -- tokens per minute
    max_parallel   BIGINT,           -- requests at the same time
    quota          BIGINT,           -- tokens per period
    quota_period   TEXT,             -- total, day, week, month; null exactly when quota is
    quota_since    BIGINT  NOT NULL, -- unix milliseconds: since when used is counted
    used           BIGINT  NOT NULL, -- tokens of rows admitted since then, settled or recovered
    reserved       BIGINT  NOT NULL, -- tokens promised to open rows
    expires_at     BIGINT,           -- unix milliseconds; null = never
    last_used_at   BIGINT,           -- unix milliseconds; null = not yet
    created_at     BIGINT  NOT NULL  -- unix milliseconds
);

-- A name is unique among keys that can still be used.
CREATE UNIQUE INDEX api_keys_live_name ON api_keys (name) WHERE status <> 'revoked';
