ALTER TABLE recording_work DROP COLUMN retry_at;
ALTER TABLE recordings DROP COLUMN retry_at;
ALTER TABLE recordings DROP COLUMN tries;
