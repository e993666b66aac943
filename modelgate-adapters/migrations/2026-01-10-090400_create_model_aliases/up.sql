-- Other names of a model.
CREATE TABLE model_aliases (
    name     TEXT    NOT NULL PRIMARY KEY,
    model_id BIGINT  NOT NULL REFERENCES models (id),
    position INTEGER NOT NULL -- order in which they were given
);

CREATE INDEX model_aliases_model ON model_aliases (model_id);
