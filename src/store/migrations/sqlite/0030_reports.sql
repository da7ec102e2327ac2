-- Links in notices by which somebody says "This wasn't me". A used one is gone.
CREATE TABLE report_links (
    token       BLOB NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    what        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    expires     BIGINT NOT NULL
);
CREATE INDEX report_links_by_expiry ON report_links (expires);

-- People who said so: nobody signs in as them until an administrator allows it again.
CREATE TABLE stopped (
    subject_key TEXT NOT NULL PRIMARY KEY,
    since       BIGINT NOT NULL
);
