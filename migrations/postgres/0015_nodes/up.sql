-- The nodes that share the limits of calls: when each was heard of last, and since when without a gap. Times are microseconds
-- since 1970-01-01 UTC, by the database's own clock.
CREATE TABLE nodes (
    node          TEXT   NOT NULL PRIMARY KEY,
    beat_at       BIGINT NOT NULL,
    beating_since BIGINT NOT NULL
);
