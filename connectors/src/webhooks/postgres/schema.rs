//! The tables.

use crate::database::Schema;

/// Schema `flightline_webhooks`.
pub(super) const SCHEMA: Schema = Schema {
    name: "flightline_webhooks",
    steps: &[FIRST],
};

const FIRST: &str = "\
CREATE SCHEMA flightline_webhooks;
REVOKE ALL ON SCHEMA flightline_webhooks FROM PUBLIC;
COMMENT ON SCHEMA flightline_webhooks IS 'Webhooks of booking clients, shared by the replicas of one stream. Has their secrets: keep it from everyone but flightline.';
CREATE TABLE flightline_webhooks.endpoint (
    number        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            text NOT NULL UNIQUE,
    client        text NOT NULL,
    url           text NOT NULL,
    events        text[] NOT NULL,
    active        boolean NOT NULL,
    secret        text NOT NULL,
    created_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL
);
CREATE INDEX ON flightline_webhooks.endpoint (client, number);
COMMENT ON TABLE flightline_webhooks.endpoint IS 'Where clients want to be told.';
COMMENT ON COLUMN flightline_webhooks.endpoint.secret IS 'What deliveries are signed with.';
CREATE TABLE flightline_webhooks.event (
    sequence       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             text NOT NULL UNIQUE,
    client         text NOT NULL,
    kind           text NOT NULL,
    object_id      text NOT NULL,
    created_at_ms  bigint NOT NULL,
    appended_at_ms bigint NOT NULL,
    body           text NOT NULL
);
CREATE INDEX ON flightline_webhooks.event (client, sequence);
CREATE INDEX ON flightline_webhooks.event (appended_at_ms);
COMMENT ON TABLE flightline_webhooks.event IS 'Events, each once: its id follows from the stream.';
COMMENT ON COLUMN flightline_webhooks.event.body IS 'As it is sent, byte for byte.';
CREATE TABLE flightline_webhooks.delivery (
    event         bigint NOT NULL REFERENCES flightline_webhooks.event ON DELETE CASCADE,
    endpoint      integer NOT NULL REFERENCES flightline_webhooks.endpoint ON DELETE CASCADE,
    status        smallint NOT NULL,
    attempts      integer NOT NULL,
    first_due_ms  bigint NOT NULL,
    at_ms         bigint NOT NULL,
    asked         integer NOT NULL,
    claim         bigint NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    PRIMARY KEY (event, endpoint)
);
CREATE INDEX ON flightline_webhooks.delivery (endpoint, at_ms, event) WHERE status = 0;
CREATE INDEX ON flightline_webhooks.delivery (at_ms) WHERE status = 0;
COMMENT ON TABLE flightline_webhooks.delivery IS 'How far each event is at each endpoint that it goes to.';
COMMENT ON COLUMN flightline_webhooks.delivery.status IS '0 = to be made, 1 = made, 2 = given up.';
COMMENT ON COLUMN flightline_webhooks.delivery.at_ms IS 'When it is due while it is to be made; otherwise when it ended.';
COMMENT ON COLUMN flightline_webhooks.delivery.asked IS 'How often it was asked for again.';
COMMENT ON COLUMN flightline_webhooks.delivery.claimed_until IS 'Until then one replica makes it; afterwards any may.';
CREATE TABLE flightline_webhooks.attempt (
    entry    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint integer NOT NULL REFERENCES flightline_webhooks.endpoint ON DELETE CASCADE,
    kind     text NOT NULL,
    success  boolean NOT NULL,
    said     text NOT NULL
);
CREATE INDEX ON flightline_webhooks.attempt (endpoint, entry);
COMMENT ON TABLE flightline_webhooks.attempt IS 'The log of attempts, bounded for each endpoint.';
COMMENT ON COLUMN flightline_webhooks.attempt.said IS 'The attempt, as JSON.';
CREATE TABLE flightline_webhooks.progress (
    partition   integer PRIMARY KEY,
    next_offset bigint NOT NULL
);
COMMENT ON TABLE flightline_webhooks.progress IS 'Up to where events were derived from the stream. Never goes back.';
CREATE TABLE flightline_webhooks.schema_version (version integer PRIMARY KEY);
COMMENT ON TABLE flightline_webhooks.schema_version IS 'Versions of these tables.';
";
