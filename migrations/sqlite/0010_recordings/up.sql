-- Recordings of calls, by their name: the sid that the carrier gave, or the call's for the one that was made here. Sizes are
-- bytes, times microseconds since 1970-01-01 UTC. read_at: when words were made of it, or found not to be in it.
CREATE TABLE recordings (
    id           TEXT   NOT NULL PRIMARY KEY,
    call_sid     TEXT   NOT NULL,
    business     TEXT,
    made_by      TEXT   NOT NULL,
    url          TEXT,
    state        TEXT   NOT NULL,
    store_key    TEXT,
    content_type TEXT,
    bytes        BIGINT,
    sha256       TEXT,
    length_ms    BIGINT,
    channels     BIGINT,
    error        TEXT,
    created_at   BIGINT NOT NULL,
    fetched_at   BIGINT,
    read_at      BIGINT,
    deleted_at   BIGINT
);
CREATE INDEX recordings_of_call ON recordings (call_sid, created_at, id);
CREATE INDEX recordings_by_state ON recordings (state, fetched_at, id);
CREATE INDEX recordings_by_business ON recordings (business, state, fetched_at);

-- What is to be done about the recordings and the words of a call: one row from the first that is heard of them. A node
-- holds it until lease_until while it tries; fence grows each time that a node takes it, and what is said under an older one is not
-- taken. tries and takeovers count for the present step. settled_at: when nothing was left to do for the first time; told_at: when
-- the business was told of the words.
CREATE TABLE recording_work (
    call_sid    TEXT    NOT NULL PRIMARY KEY,
    business    TEXT,
    state       TEXT    NOT NULL,
    recording   TEXT,
    tries       BIGINT  NOT NULL CHECK (tries >= 0),
    takeovers   BIGINT  NOT NULL CHECK (takeovers >= 0),
    next_at     BIGINT  NOT NULL,
    node        TEXT,
    fence       BIGINT  NOT NULL,
    lease_until BIGINT  NOT NULL,
    is_asked    BOOLEAN NOT NULL,
    reason      TEXT,
    over_at     BIGINT,
    created_at  BIGINT  NOT NULL,
    settled_at  BIGINT,
    told_at     BIGINT
);
CREATE INDEX recording_work_due ON recording_work (state, next_at);

-- The words of a call, once they are settled, and where they come from.
CREATE TABLE transcripts (
    call_sid          TEXT   NOT NULL PRIMARY KEY,
    final_transcript  TEXT   NOT NULL,
    transcript_source TEXT   NOT NULL,
    segments_json     TEXT   NOT NULL,
    model             TEXT,
    decided_at        BIGINT NOT NULL,
    reason            TEXT   NOT NULL,
    transcribed_from  TEXT
);

-- Every decision about those words, and why it fell so.
CREATE TABLE transcript_decisions (
    call_sid TEXT   NOT NULL,
    seq      BIGINT NOT NULL CHECK (seq >= 1),
    at       BIGINT NOT NULL,
    decision TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    PRIMARY KEY (call_sid, seq)
);

CREATE TABLE call_summaries (
    call_sid    TEXT   NOT NULL PRIMARY KEY,
    summary     TEXT,
    fields_json TEXT,
    model       TEXT,
    state       TEXT   NOT NULL,
    error       TEXT,
    at          BIGINT NOT NULL
);
