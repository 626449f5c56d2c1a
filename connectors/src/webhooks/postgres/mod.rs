//! Webhooks in a PostgreSQL database, for several replicas.
//!
//! Every replica may append events, answer clients and deliver. What keeps that right without a lock
//! between them: an event's id follows from the stream, so that two who append it have one event;
//! progress never goes back; and a delivery is claimed in its row before it is made, by one replica for
//! as long as [`PostgresStoreConfig::claim`]. Who claims and dies leaves it to the others.
//!
//! One replica leads: it takes what is due at once, the others what has been lying for
//! [`PostgresStoreConfig::grace`]. So each delivery is made once and by one when all is well, and nobody
//! has to agree on who leads.
//!
//! - `schema`: the tables. `endpoints`, `append`, `deliver`, `list`: as in the store of a folder.

mod append;
mod deliver;
mod endpoints;
mod list;
mod schema;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_postgres::Client;

use super::clock::Clock;
use super::config::StoreConfig;
use super::error::WebhooksError;
use super::event::EventKind;
use crate::database::Session;

/// How events are kept in a database.
#[derive(Clone, Debug)]
pub struct PostgresStoreConfig {
    /// Whom to connect to.
    pub connect: tokio_postgres::Config,
    /// How long one call may take, connecting included.
    pub call_timeout: Duration,
    /// How often to look for what others made due.
    pub look_every: Duration,
    /// How long a replica that does not lead leaves what is due to the one that does.
    pub grace: Duration,
    /// For how long a delivery is one replica's. Must be longer than a request and two calls may take.
    pub claim: Duration,
    /// `live_mode` of every event.
    pub live_mode: bool,
    /// See [`StoreConfig::allow_private`].
    pub allow_private: bool,
    /// Endpoints that one client may have.
    pub endpoints_per_client_max: usize,
    /// Entries kept in the log of deliveries of an endpoint.
    pub log_entries_max: u64,
    /// How long an event is kept whose deliveries are all done.
    pub delivered_retention: Duration,
    /// How long an event is kept of which a delivery was given up.
    pub failed_retention: Duration,
}

impl PostgresStoreConfig {
    /// The usual settings; what a folder has too is as there.
    pub fn new(connect: tokio_postgres::Config) -> Self {
        let folder = StoreConfig::new("");
        Self {
            connect,
            call_timeout: Duration::from_secs(10),
            look_every: Duration::from_millis(250),
            grace: Duration::from_secs(3),
            claim: Duration::from_secs(45),
            live_mode: folder.live_mode,
            allow_private: folder.allow_private,
            endpoints_per_client_max: folder.endpoints_per_client_max,
            log_entries_max: folder.log_entries_max,
            delivered_retention: folder.delivered_retention,
            failed_retention: folder.failed_retention,
        }
    }
}

/// The store of one replica among several.
pub struct PostgresStore {
    config: PostgresStoreConfig,
    session: Session,
    /// For deliveries: one that is forgotten is made again.
    deliveries: Session,
    clock: Arc<dyn Clock>,
    seen: Arc<Seen>,
    /// Ends the thread that looks when it is dropped.
    _looking: Sender<()>,
}

/// What the engine waits for.
#[derive(Default)]
struct Seen {
    /// Endpoints at which the engine has to look.
    changed: Mutex<BTreeSet<u32>>,
    notify: Notify,
    is_leading: AtomicBool,
}

impl Seen {
    fn mark(&self, numbers: impl IntoIterator<Item = u32>) {
        let mut changed = self.changed.lock();
        changed.extend(numbers);
        if !changed.is_empty() {
            self.notify.notify_one();
        }
    }
}

const DUE: &str = "\
SELECT DISTINCT endpoint FROM flightline_webhooks.delivery
WHERE status = 0 AND at_ms <= $1 AND (claimed_until IS NULL OR claimed_until < clock_timestamp())";

impl PostgresStore {
    /// Connects and makes the tables when they are missing. Blocking.
    ///
    /// # Errors
    /// The database cannot be reached, or its tables are of a newer release.
    pub fn open(config: PostgresStoreConfig, clock: Arc<dyn Clock>) -> Result<Self, WebhooksError> {
        let (connect, timeout) = (config.connect.clone(), config.call_timeout);
        // The others find the same.
        let session = Session::open(connect, schema::SCHEMA, timeout)?;
        Self::on(session, config, clock)
    }

    /// As [`PostgresStore::open`], but connects when it is first needed: for a start while the database is away.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn later(
        config: PostgresStoreConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhooksError> {
        let (connect, timeout) = (config.connect.clone(), config.call_timeout);
        let session = Session::later(connect, schema::SCHEMA, timeout)?;
        Self::on(session, config, clock)
    }

    fn on(
        session: Session,
        config: PostgresStoreConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhooksError> {
        let (schema, timeout) = (schema::SCHEMA, config.call_timeout);
        let deliveries = Session::later_relaxed(config.connect.clone(), schema, timeout)?;
        let looks = Session::later_relaxed(config.connect.clone(), schema, timeout)?;
        let seen = Arc::new(Seen::default());
        let (looking, stop) = channel();
        let look = Look {
            session: looks,
            clock: clock.clone(),
            grace_ms: millis(config.grace),
            seen: Arc::downgrade(&seen),
        };
        let every = config.look_every;
        std::thread::Builder::new()
            .name("webhooks due".to_owned())
            .spawn(move || {
                let mut was_told = false;
                while stop.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    match look.once() {
                        Ok(()) => was_told = false,
                        Err(error) if !std::mem::replace(&mut was_told, true) => {
                            tracing::warn!(%error, "what webhooks are due cannot be seen; trying again");
                        }
                        Err(_) => {}
                    }
                }
            })
            .map_err(|error| crate::database::DatabaseError::Thread(error.to_string()))?;
        Ok(Self {
            config,
            session,
            deliveries,
            clock,
            seen,
            _looking: looking,
        })
    }

    /// How the store is set up.
    pub fn config(&self) -> &PostgresStoreConfig {
        &self.config
    }

    fn call<T: Send>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error> + Send,
    ) -> Result<T, WebhooksError> {
        Ok(self.session.call(doing, work)?)
    }

    fn delivering<T: Send>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error> + Send,
    ) -> Result<T, WebhooksError> {
        Ok(self.deliveries.call(doing, work)?)
    }

    /// How long others leave what is due to the one that leads, in milliseconds.
    fn grace_ms(&self) -> i64 {
        match self.seen.is_leading.load(Ordering::Relaxed) {
            true => 0,
            false => millis(self.config.grace),
        }
    }
}

/// Looks for what is due, on a connection and a thread of its own.
struct Look {
    session: Session,
    clock: Arc<dyn Clock>,
    grace_ms: i64,
    seen: Weak<Seen>,
}

impl Look {
    fn once(&self) -> Result<(), WebhooksError> {
        let Some(seen) = self.seen.upgrade() else {
            return Ok(());
        };
        let grace_ms = match seen.is_leading.load(Ordering::Relaxed) {
            true => 0,
            false => self.grace_ms,
        };
        let until_ms = self.clock.now_ms() - grace_ms;
        let rows = self
            .session
            .call("looking for what is due", async |client| {
                client.query(DUE, &[&until_ms]).await
            })?;
        seen.mark(rows.iter().map(|row| number_of(row.get(0))));
        Ok(())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An endpoint's number; the table counts from 1.
fn number_of(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn row_of(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A sequence or a place in a list, as the table has it.
fn place_of(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn kind_of(text: &str) -> Result<EventKind, WebhooksError> {
    text.parse()
        .map_err(|_| WebhooksError::BadRow(format!("an event of type {text:?}")))
}
