DROP TABLE recording_starts;
ALTER TABLE businesses DROP COLUMN recording;
