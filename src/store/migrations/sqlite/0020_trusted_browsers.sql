-- Browsers in which a person asked not to be asked again, each with the proofs it brings back.
CREATE TABLE trusted_browsers (
    id          TEXT NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    browser     BLOB NOT NULL,
    token       BLOB NOT NULL,
    previous    BLOB,
    rotated     BIGINT NOT NULL,
    proofs      TEXT NOT NULL,
    agent       TEXT NOT NULL,
    created     BIGINT NOT NULL,
    last_used   BIGINT NOT NULL,
    expires     BIGINT NOT NULL
);
CREATE UNIQUE INDEX trusted_browsers_by_subject ON trusted_browsers (subject_key, browser);
