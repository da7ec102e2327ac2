-- Browsers that somebody has signed in from, for telling them of the ones they have not. No more than that:
-- a browser in which a proof succeeded is in `browsers`.
CREATE TABLE sign_in_browsers (
    browser     BLOB NOT NULL,
    subject_key TEXT NOT NULL,
    last_used   BIGINT NOT NULL,
    PRIMARY KEY (subject_key, browser)
);
CREATE INDEX sign_in_browsers_by_use ON sign_in_browsers (last_used);
