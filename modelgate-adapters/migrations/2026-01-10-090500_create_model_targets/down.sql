DROP INDEX model_targets_model;
DROP TABLE model_targets;
