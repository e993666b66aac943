DROP INDEX model_aliases_model;
DROP TABLE model_aliases;
