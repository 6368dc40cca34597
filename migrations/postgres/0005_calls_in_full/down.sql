DROP TABLE duties;
ALTER TABLE calls DROP COLUMN machine_detection_ms;
ALTER TABLE calls DROP COLUMN answered_by_rank;
ALTER TABLE calls DROP COLUMN answered_by;
