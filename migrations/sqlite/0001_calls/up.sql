-- One row per call: the sum of everything that carriers said about it. The *_rank columns hold the rank of the
-- source that set the value beside them. Times are microseconds since 1970-01-01 UTC.
CREATE TABLE calls (
    call_sid        TEXT     NOT NULL PRIMARY KEY,
    status          TEXT     NOT NULL,
    duration_s      BIGINT   NOT NULL CHECK (duration_s >= 0),
    direction       TEXT,
    direction_rank  SMALLINT,
    parent_call_sid TEXT,
    parent_rank     SMALLINT,
    business        TEXT,
    business_rank   SMALLINT,
    from_party      TEXT,
    from_rank       SMALLINT,
    to_party        TEXT,
    to_rank         SMALLINT,
    created_at      BIGINT   NOT NULL,
    answered_at     BIGINT,
    ended_at        BIGINT,
    updated_at      BIGINT   NOT NULL
);
CREATE INDEX calls_by_time ON calls (created_at);
CREATE INDEX calls_by_status ON calls (status, created_at);

-- What was said, once each: the history of the row above.
CREATE TABLE status_events (
    call_sid    TEXT   NOT NULL,
    event_key   TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    source      TEXT   NOT NULL,
    occurred_at BIGINT NOT NULL,
    change_json TEXT   NOT NULL,
    PRIMARY KEY (call_sid, event_key)
);

CREATE TABLE turns (
    call_sid    TEXT    NOT NULL,
    number      BIGINT  NOT NULL CHECK (number >= 1),
    speaker     TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    heard_text  TEXT    NOT NULL,
    confidence  REAL,
    started_ms  BIGINT  NOT NULL,
    ended_ms    BIGINT  NOT NULL,
    interrupted BOOLEAN NOT NULL,
    PRIMARY KEY (call_sid, number)
);

-- The timeline of a call.
CREATE TABLE call_events (
    call_sid TEXT   NOT NULL,
    seq      BIGINT NOT NULL CHECK (seq >= 1),
    at       BIGINT NOT NULL,
    call_ms  BIGINT NOT NULL,
    who      TEXT   NOT NULL,
    what     TEXT   NOT NULL,
    ids_json TEXT   NOT NULL,
    PRIMARY KEY (call_sid, seq)
);

CREATE TABLE call_ends (
    call_sid    TEXT   NOT NULL PRIMARY KEY,
    cause       TEXT   NOT NULL,
    farewell    TEXT   NOT NULL,
    dial_number TEXT,
    stats_json  TEXT   NOT NULL,
    ended_at    BIGINT NOT NULL
);

-- A call's media token is used once, on whichever node.
CREATE TABLE media_claims (
    call_sid   TEXT   NOT NULL PRIMARY KEY,
    node       TEXT   NOT NULL,
    claimed_at BIGINT NOT NULL
);
