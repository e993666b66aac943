-- The last number given to a row of each kind. Numbers are never given twice, also when the row has gone.
CREATE TABLE id_counters (
    name TEXT   NOT NULL PRIMARY KEY, -- the table the numbers are for
    last BIGINT NOT NULL
);
