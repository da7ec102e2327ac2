-- Times are whole seconds since 1970. Tokens, codes and ids that grant something are SHA-256 hashes.
-- Columns named `sealed` hold AES-256-GCM envelopes bound to table, column and row (see seal.rs).

CREATE TABLE meta (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
);

CREATE TABLE users (
    name          TEXT NOT NULL PRIMARY KEY,
    display_name  TEXT,
    email         TEXT,
    groups        TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      BIGINT NOT NULL DEFAULT 0,
    created       BIGINT NOT NULL
);

CREATE TABLE people (
    subject_key       TEXT NOT NULL PRIMARY KEY,
    first_seen        BIGINT NOT NULL,
    first_enrolled    BIGINT,
    default_enrolment TEXT
);

CREATE TABLE sessions (
    sid         TEXT NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    source      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    snapshot    TEXT NOT NULL,
    created     BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    ended       BIGINT
);
CREATE INDEX sessions_by_subject ON sessions (subject_key);
CREATE INDEX sessions_by_expiry ON sessions (expires);

CREATE TABLE site_tokens (
    token   BLOB NOT NULL PRIMARY KEY,
    sid     TEXT NOT NULL REFERENCES sessions (sid) ON DELETE CASCADE,
    site    TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX site_tokens_by_session ON site_tokens (sid);

CREATE TABLE journeys (
    id          BLOB NOT NULL PRIMARY KEY,
    site        TEXT NOT NULL,
    method      TEXT NOT NULL,
    target      TEXT NOT NULL,
    subject_key TEXT,
    context     TEXT NOT NULL,
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL
);
CREATE INDEX journeys_by_expiry ON journeys (expires);
CREATE INDEX journeys_by_subject ON journeys (subject_key, created);

CREATE TABLE held_requests (
    journey      BLOB NOT NULL PRIMARY KEY REFERENCES journeys (id) ON DELETE CASCADE,
    subject_key  TEXT NOT NULL,
    binding      BLOB NOT NULL,
    content_type TEXT NOT NULL,
    sealed       BLOB NOT NULL
);

CREATE TABLE hand_offs (
    code    BLOB NOT NULL PRIMARY KEY,
    site    TEXT NOT NULL,
    sid     TEXT,
    sealed  BLOB NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX hand_offs_by_expiry ON hand_offs (expires);

CREATE TABLE grants (
    id      TEXT NOT NULL PRIMARY KEY,
    binding BLOB NOT NULL,
    method  TEXT NOT NULL,
    host    TEXT NOT NULL,
    digest  BLOB NOT NULL,
    level   TEXT NOT NULL,
    expires BIGINT NOT NULL,
    -- Kept after use, so that the same proof earns no second one.
    taken   BIGINT
);
CREATE INDEX grants_by_request ON grants (binding, digest);
CREATE INDEX grants_by_expiry ON grants (expires);

CREATE TABLE invitations (
    token       BLOB NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    used_at     BIGINT,
    used_in     BLOB
);
CREATE INDEX invitations_by_subject ON invitations (subject_key);

CREATE TABLE browsers (
    token       BLOB NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    created     BIGINT NOT NULL,
    last_used   BIGINT NOT NULL
);
CREATE INDEX browsers_by_subject ON browsers (subject_key);

CREATE TABLE enrolments (
    id           TEXT NOT NULL PRIMARY KEY,
    subject_key  TEXT NOT NULL,
    factor       TEXT NOT NULL,
    name         TEXT NOT NULL,
    sealed       BLOB NOT NULL,
    state        BIGINT NOT NULL,
    -- What may be known without the secret, as JSON; and what nobody else may enrol as well.
    about        TEXT NOT NULL,
    handle       TEXT UNIQUE,
    created      BIGINT NOT NULL,
    last_used    BIGINT,
    last_used_by TEXT,
    last_browser BLOB
);
CREATE INDEX enrolments_by_subject ON enrolments (subject_key);

CREATE TABLE pending_enrolments (
    id          TEXT NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    binding     BLOB NOT NULL,
    factor      TEXT NOT NULL,
    name        TEXT NOT NULL,
    sealed      BLOB,
    setup       BLOB,
    state       BIGINT NOT NULL,
    about       TEXT NOT NULL,
    created     BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    answer_mac  BLOB,
    proof       TEXT
);
CREATE INDEX pending_enrolments_by_subject ON pending_enrolments (subject_key, created);

CREATE TABLE challenges (
    id          TEXT NOT NULL PRIMARY KEY,
    subject_key TEXT NOT NULL,
    binding     BLOB NOT NULL,
    journey     TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    accepted    TEXT NOT NULL,
    opened      BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    stage       TEXT NOT NULL,
    answer_mac  BLOB,
    proof       TEXT
);
CREATE INDEX challenges_by_subject ON challenges (subject_key, opened);
CREATE INDEX challenges_by_expiry ON challenges (expires);

-- What was begun for a challenge, or for an enrolment that waits (whose `enrolment` is empty).
CREATE TABLE started (
    question    TEXT NOT NULL,
    enrolment   TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    -- Hash of what another site sends the person back with.
    handle      BLOB UNIQUE,
    at          BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    PRIMARY KEY (question, enrolment)
);
CREATE INDEX started_by_subject ON started (subject_key);
CREATE INDEX started_by_expiry ON started (expires);

-- Sign-in ceremonies that have been used; those not used are only in the browser, sealed.
CREATE TABLE used_ceremonies (
    id      BLOB NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);
CREATE INDEX used_ceremonies_by_expiry ON used_ceremonies (expires);

CREATE TABLE counters (
    subject_key  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    lane         TEXT NOT NULL,
    in_a_row     BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    in_window    BIGINT NOT NULL,
    waits        BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    last_wrong   BIGINT NOT NULL,
    PRIMARY KEY (subject_key, kind, lane)
);

CREATE TABLE revocations (
    n    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    at   BIGINT NOT NULL
);

CREATE TABLE audit (
    n    INTEGER PRIMARY KEY AUTOINCREMENT,
    at   BIGINT NOT NULL,
    what TEXT NOT NULL,
    who  TEXT,
    json TEXT NOT NULL
);
CREATE INDEX audit_by_who ON audit (who, n);
