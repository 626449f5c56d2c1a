//! What all replicas of a stream must know and the stream must not hold: secrets, and what is wanted for a
//! while only. It is in their common database, in a schema of its own.
//!
//! Bookings never wait for it. What they need of it (the key of offers, the tokens) is read at the start
//! and kept in memory, and a copy of it in the data directory (`known`); what is known stays good while the
//! database is away.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use flightline_api::OfferKey;
use flightline_connectors::database::{DatabaseError, Schema, Session};

use crate::booking;

/// How long one call may take, connecting included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) const SCHEMA: Schema = Schema {
    name: "flightline_shared",
    steps: &[FIRST, VIEWS],
};

const FIRST: &str = "\
CREATE SCHEMA flightline_shared;
REVOKE ALL ON SCHEMA flightline_shared FROM PUBLIC;
COMMENT ON SCHEMA flightline_shared IS 'What the replicas of one stream share besides it. Has secrets: keep it from everyone but flightline.';
CREATE TABLE flightline_shared.secret (
    name       text PRIMARY KEY,
    value      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE flightline_shared.secret IS 'offer-key: what ids of offers are signed with.';
CREATE TABLE flightline_shared.token (
    name      text PRIMARY KEY,
    role      text NOT NULL,
    provider  text,
    hash      bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_s bigint NOT NULL
);
COMMENT ON TABLE flightline_shared.token IS 'Bearer tokens: their hashes only.';
CREATE TABLE flightline_shared.change (
    name   text PRIMARY KEY,
    number bigint NOT NULL
);
INSERT INTO flightline_shared.change VALUES ('token', 0);
COMMENT ON TABLE flightline_shared.change IS 'Counts changes of a table, so that replicas need not read it to see that it is as it was.';
CREATE TABLE flightline_shared.answer (
    key        bytea PRIMARY KEY,
    kind       text NOT NULL,
    asked      bytea NOT NULL,
    answer     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON flightline_shared.answer (created_at);
COMMENT ON TABLE flightline_shared.answer IS 'Answers under idempotency keys that the stream does not remember by itself, for a day.';
CREATE TABLE flightline_shared.digest (
    stream      text NOT NULL,
    replica     text NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    hash        bytea NOT NULL CHECK (octet_length(hash) = 16),
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (stream, replica, partition)
);
COMMENT ON TABLE flightline_shared.digest IS 'How far each replica has folded each partition, and the running hash of all records up to there.';
CREATE TABLE flightline_shared.schema_version (version integer PRIMARY KEY);
COMMENT ON TABLE flightline_shared.schema_version IS 'Versions of these tables.';
";

const VIEWS: &str = "\
CREATE TABLE flightline_shared.view (
    name       text PRIMARY KEY,
    text       text NOT NULL,
    version    bigint NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE flightline_shared.view IS 'Files of the views in SQL that all replicas run. Change them with `flightline dataflow`, not here: replicas look at the count in flightline_shared.change.';
COMMENT ON COLUMN flightline_shared.view.version IS 'The count in flightline_shared.change when it was changed last.';
INSERT INTO flightline_shared.change VALUES ('view', 0);
";

/// Connects to what is shared and makes its tables when they are missing. Blocking.
///
/// # Errors
/// The database cannot be reached, or its tables are of a newer release.
pub(crate) fn open(connect: &tokio_postgres::Config) -> Result<Session, DatabaseError> {
    Session::open(connect.clone(), SCHEMA, CALL_TIMEOUT)
}

/// As [`open`], but the first call connects.
///
/// # Errors
/// Its thread cannot be started.
pub(crate) fn later(connect: &tokio_postgres::Config) -> Result<Session, DatabaseError> {
    later_with(connect, CALL_TIMEOUT)
}

/// As [`later`], with calls that may take so long.
///
/// # Errors
/// As [`later`].
pub(crate) fn later_with(
    connect: &tokio_postgres::Config,
    call_timeout: Duration,
) -> Result<Session, DatabaseError> {
    Session::later(connect.clone(), SCHEMA, call_timeout)
}

/// The key of offers that all replicas use: the first one's. A replica that has another in its folder takes
/// this one, and leaves a copy of it there. Blocking.
pub(crate) fn offer_key(session: &Session, data_dir: &Path) -> anyhow::Result<OfferKey> {
    let own = booking::load_key(data_dir)?;
    let bytes = own.bytes().to_vec();
    let found: Vec<u8> = session
        .call("reading the key of offers", async |client| {
            let insert = "INSERT INTO flightline_shared.secret (name, value) VALUES ('offer-key', $1) ON CONFLICT DO NOTHING";
            client.execute(insert, &[&bytes]).await?;
            let select = "SELECT value FROM flightline_shared.secret WHERE name = 'offer-key'";
            Ok(client.query_one(select, &[]).await?.get(0))
        })
        .context("the key of offers that the replicas share")?;
    let found = <[u8; 32]>::try_from(found.as_slice()).map_err(|_| {
        anyhow::anyhow!(
            "the key of offers in PostgreSQL (flightline_shared.secret) has {} bytes, not 32: restore it, or \
             delete its row to have a new one made, which ends all offers that clients were given",
            found.len()
        )
    })?;
    if found != *own.bytes() {
        booking::keep_key(data_dir, &OfferKey::new(found))?;
        tracing::info!("offers are signed with the key that the replicas share");
    }
    Ok(OfferKey::new(found))
}
