-- Calls under way: what is said once a key has been pressed, sealed, until the vendor has asked for it.
CREATE TABLE calls (
    token   BLOB NOT NULL PRIMARY KEY,
    sealed  BLOB NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX calls_by_time ON calls (expires);
