DROP INDEX key_secrets_key;
DROP TABLE key_secrets;
