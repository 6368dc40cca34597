-- Campaigns, and whom they call. A campaign that has work is run by the node that holds it until `held_until`; `fence` grows
-- each time that a node takes it, and what a node writes under an older one is not taken. A lead has one job
-- (outbound_calls) from its beginning. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE campaigns (
    id           TEXT    NOT NULL PRIMARY KEY,
    business     TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    from_number  TEXT    NOT NULL,
    concurrency  BIGINT  NOT NULL CHECK (concurrency >= 1),
    spacing_ms   BIGINT  NOT NULL CHECK (spacing_ms >= 0),
    windows_json TEXT    NOT NULL,
    time_zone    TEXT    NOT NULL,
    context_json TEXT    NOT NULL,
    on_machine   TEXT    NOT NULL,
    message      TEXT,
    created_at   BIGINT  NOT NULL,
    started_at   BIGINT,
    ended_at     BIGINT,
    last_dial_at BIGINT,
    has_work     BOOLEAN NOT NULL,
    holder       TEXT,
    fence        BIGINT  NOT NULL,
    held_until   BIGINT  NOT NULL
);
CREATE INDEX campaigns_by_time ON campaigns (created_at, id);
CREATE INDEX campaigns_by_business ON campaigns (business, created_at, id);
CREATE INDEX campaigns_with_work ON campaigns (has_work, held_until);

CREATE TABLE leads (
    campaign       TEXT   NOT NULL,
    position       BIGINT NOT NULL,
    to_number      TEXT   NOT NULL,
    variables_json TEXT   NOT NULL,
    job            TEXT   NOT NULL UNIQUE,
    state          TEXT   NOT NULL,
    attempts       BIGINT NOT NULL CHECK (attempts BETWEEN 0 AND 1),
    call_sid       TEXT,
    outcome        TEXT,
    error          TEXT,
    claimed_by     TEXT,
    dialled_at     BIGINT,
    ended_at       BIGINT,
    PRIMARY KEY (campaign, position),
    UNIQUE (campaign, to_number)
);
CREATE INDEX leads_by_state ON leads (campaign, state, position);
