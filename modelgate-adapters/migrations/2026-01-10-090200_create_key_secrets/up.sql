-- What is known of the secrets that people hold: enough to recognise one, nothing to make one.
CREATE TABLE key_secrets (
    digest      TEXT   NOT NULL PRIMARY KEY, -- sha-256, hex; the secret itself is never stored
    key_id      BIGINT NOT NULL REFERENCES api_keys (id),
    prefix      TEXT   NOT NULL, -- first characters, for lists
    last4       TEXT   NOT NULL, -- last characters, for lists
    valid_until BIGINT           -- unix milliseconds; null = no end, which only the newest secret of a key has
);

CREATE INDEX key_secrets_key ON key_secrets (key_id);
