-- When a token was replaced by another one of the same browser; it stands for a moment longer.
ALTER TABLE site_tokens ADD COLUMN replaced BIGINT;
CREATE INDEX site_tokens_by_replacement ON site_tokens (replaced) WHERE replaced IS NOT NULL;
