-- Events that businesses are told of by webhook. A row is written by the transaction that changes the fact, and only
-- there; whoever sends claims it by setting next_try_at into the future. The unique key keeps an event from being told
-- as two. body_json is empty where the body is made of the one record when it is sent.
-- Times are microseconds since 1970-01-01 UTC.
CREATE TABLE webhook_deliveries (
    id           TEXT   NOT NULL PRIMARY KEY,
    business     TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    body_json    TEXT,
    state        TEXT   NOT NULL,
    tries        BIGINT NOT NULL CHECK (tries >= 0),
    next_try_at  BIGINT NOT NULL,
    first_try_at BIGINT,
    last_status  BIGINT,
    last_error   TEXT,
    created_at   BIGINT NOT NULL,
    settled_at   BIGINT,
    UNIQUE (kind, subject)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_try_at);
CREATE INDEX webhook_deliveries_by_business ON webhook_deliveries (business, created_at, id);

-- What the webhooks of a business are signed with. One that has been replaced is used beside the new one until it
-- expires.
CREATE TABLE webhook_secrets (
    id         TEXT   NOT NULL PRIMARY KEY,
    business   TEXT   NOT NULL,
    secret     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX webhook_secrets_by_business ON webhook_secrets (business, created_at);
