-- Where a message with a code goes and where it was asked for: the country (ISO 3166) of texts and calls,
-- and a keyed hash of the client's network. Older rows have neither and are gone within a day.
ALTER TABLE sends ADD COLUMN country TEXT;
ALTER TABLE sends ADD COLUMN network BLOB;
CREATE INDEX sends_by_country ON sends (country, at);
CREATE INDEX sends_by_network ON sends (network, at);
