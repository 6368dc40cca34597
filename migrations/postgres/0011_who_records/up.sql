-- Who records a business's calls: off, carrier, own, both; NULL: the service's setting.
ALTER TABLE businesses ADD COLUMN recording TEXT;

-- The carrier is asked once to record a call, by the node that made this row. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE recording_starts (
    call_sid   TEXT   NOT NULL PRIMARY KEY,
    node       TEXT   NOT NULL,
    claimed_at BIGINT NOT NULL
);
