DROP INDEX usage_key;
DROP INDEX usage_open;
DROP TABLE usage;
