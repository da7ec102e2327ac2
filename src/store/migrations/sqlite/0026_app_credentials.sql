-- What people are signed in to an app with, sealed: one for each person and route.
CREATE TABLE app_credentials (
    subject_key TEXT NOT NULL,
    route       TEXT NOT NULL,
    credential  BLOB NOT NULL,
    refused     BIGINT,
    created     BIGINT NOT NULL,
    PRIMARY KEY (subject_key, route)
);
