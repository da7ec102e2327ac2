-- What identity sources keep beside a session, and what people see of it in their list.
ALTER TABLE sessions ADD COLUMN source_session TEXT;
ALTER TABLE sessions ADD COLUMN kept BLOB;
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address TEXT;
CREATE INDEX sessions_by_source_session ON sessions (source, source_session) WHERE source_session IS NOT NULL;
