-- One row per message with a code that was handed to a sender, or was about to be. Destinations and
-- the blocks of numbers they are in are keyed hashes.
CREATE TABLE sends (
    id          TEXT NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    channel     TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    destination BLOB NOT NULL,
    block       BLOB,
    confirmed   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sends_by_time ON sends (at);
CREATE INDEX sends_by_channel ON sends (channel, at);
CREATE INDEX sends_by_subject ON sends (subject_key, at);
CREATE INDEX sends_by_destination ON sends (destination, at);
CREATE INDEX sends_by_block ON sends (block, at);
