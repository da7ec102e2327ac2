-- Which kinds of factor the wrong answers since the last right one were for, a bit for each.
ALTER TABLE counters ADD COLUMN kinds BIGINT NOT NULL DEFAULT 0;
