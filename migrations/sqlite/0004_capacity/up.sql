-- How many calls a node may carry at once without asking again: of all calls, of a business's, of those that it places.
-- Times are microseconds since 1970-01-01 UTC, by the database's own clock.
CREATE TABLE capacity_leases (
    scope      TEXT   NOT NULL,
    node       TEXT   NOT NULL,
    slots      BIGINT NOT NULL CHECK (slots >= 0),
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (scope, node)
);
