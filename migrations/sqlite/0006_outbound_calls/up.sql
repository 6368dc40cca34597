-- Calls that we were asked to place: what was asked, and what came of it. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE outbound_calls (
    job             TEXT   NOT NULL PRIMARY KEY,
    business        TEXT   NOT NULL,
    idempotency_key TEXT,
    to_number       TEXT   NOT NULL,
    from_number     TEXT   NOT NULL,
    context_json    TEXT   NOT NULL,
    on_machine      TEXT   NOT NULL,
    message         TEXT,
    state           TEXT   NOT NULL,
    call_sid        TEXT,
    error           TEXT,
    created_at      BIGINT NOT NULL,
    dialled_at      BIGINT
);
CREATE UNIQUE INDEX outbound_calls_by_key ON outbound_calls (business, idempotency_key);
CREATE UNIQUE INDEX outbound_calls_by_call ON outbound_calls (call_sid);
CREATE INDEX outbound_calls_by_state ON outbound_calls (state, dialled_at);
