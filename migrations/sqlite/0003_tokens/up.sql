-- Tokens of the interface for operators. Only the hash of a token is kept: whoever reads this table can use none.
-- A token that was revoked stays, so that it can be seen who had one.
CREATE TABLE api_tokens (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    business     TEXT,
    hash         TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX api_tokens_by_time ON api_tokens (created_at, id);

-- What the list of calls is asked for, in the order in which it is given out.
DROP INDEX calls_by_time;
CREATE INDEX calls_by_time ON calls (created_at, call_sid);
CREATE INDEX calls_by_business ON calls (business, created_at, call_sid);
CREATE INDEX calls_by_from ON calls (from_party, created_at);
CREATE INDEX calls_by_to ON calls (to_party, created_at);
