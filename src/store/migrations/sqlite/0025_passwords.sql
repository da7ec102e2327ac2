-- Whether a local user has to choose a new password at the next sign-in.
ALTER TABLE users ADD COLUMN must_change BIGINT NOT NULL DEFAULT 0;

-- Links with which local users choose a new password. A used one is gone.
CREATE TABLE password_links (
    token   BLOB NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX password_links_by_name ON password_links (name);
CREATE INDEX password_links_by_expiry ON password_links (expires);
