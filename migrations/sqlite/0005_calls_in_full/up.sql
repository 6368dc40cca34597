-- Who or what answered a call that we placed, the rank of who said so, and how long it took to find out.
ALTER TABLE calls ADD COLUMN answered_by TEXT;
ALTER TABLE calls ADD COLUMN answered_by_rank SMALLINT;
ALTER TABLE calls ADD COLUMN machine_detection_ms BIGINT;

-- What one node at a time does for all: who does it, and until when, in microseconds since 1970-01-01 UTC.
CREATE TABLE duties (
    duty       TEXT   NOT NULL PRIMARY KEY,
    node       TEXT   NOT NULL,
    held_until BIGINT NOT NULL
);
