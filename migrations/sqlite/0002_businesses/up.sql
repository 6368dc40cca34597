-- One row per business. `seeded`: the configuration's file named it first; `edited`: somebody has changed or deleted it
-- since, and the file has no say any more. One that was deleted keeps its row, for calls are stored under its id.
-- Times are microseconds since 1970-01-01 UTC.
CREATE TABLE businesses (
    id              TEXT    NOT NULL PRIMARY KEY,
    version         BIGINT  NOT NULL CHECK (version >= 1),
    name            TEXT    NOT NULL,
    numbers_json    TEXT    NOT NULL,
    greeting        TEXT,
    language        TEXT    NOT NULL,
    voice           TEXT,
    agent           TEXT,
    prompt_inbound  TEXT,
    prompt_outbound TEXT,
    prompt_whatsapp TEXT,
    variables_json  TEXT    NOT NULL,
    max_calls       BIGINT,
    max_outbound    BIGINT,
    time_zone       TEXT    NOT NULL,
    transfer_to     TEXT,
    webhook_url     TEXT,
    seeded          BOOLEAN NOT NULL,
    edited          BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    deleted_at      BIGINT
);

-- Whose a number is: "*" or E.164, each one business's.
CREATE TABLE business_numbers (
    number   TEXT NOT NULL PRIMARY KEY,
    business TEXT NOT NULL REFERENCES businesses (id)
);
CREATE INDEX business_numbers_by_business ON business_numbers (business);

-- What was said under which version, who changed it and when.
CREATE TABLE business_versions (
    business        TEXT   NOT NULL REFERENCES businesses (id),
    version         BIGINT NOT NULL CHECK (version >= 1),
    changed_at      BIGINT NOT NULL,
    changed_by      TEXT   NOT NULL,
    changed_json    TEXT   NOT NULL,
    prompt_inbound  TEXT,
    prompt_outbound TEXT,
    prompt_whatsapp TEXT,
    variables_json  TEXT   NOT NULL,
    PRIMARY KEY (business, version)
);

-- One row, locked by each edit of any business: its number grows, and nodes that see it grow read the businesses again.
CREATE TABLE business_changes (
    one    SMALLINT NOT NULL PRIMARY KEY CHECK (one = 1),
    number BIGINT   NOT NULL
);
INSERT INTO business_changes (one, number) VALUES (1, 0);
