//! Keys in a PostgreSQL database, for several replicas.
//!
//! The table has a schema of its own, `flightline_keys`, and this adapter a connection of its own:
//! nothing here waits for the tables of reports. Blocks are reserved by one committed `INSERT`,
//! whose rows no other replica sees as its own.

mod link;

use std::sync::Arc;
use std::time::Duration;

use super::error::VaultError;
use super::key::{Key, KeyId};
use super::pool::{Block, Pool};
use super::store::KeyStore;
use link::Link;

/// How the database is used.
#[derive(Clone, Debug)]
pub struct PostgresKeyStoreConfig {
    /// Whom to connect to.
    pub connect: tokio_postgres::Config,
    /// How many keys are reserved at once. A restart leaves at most two blocks unused.
    pub block_keys: u32,
    /// How long one call may take, connecting included.
    pub call_timeout: Duration,
}

impl PostgresKeyStoreConfig {
    /// The usual settings.
    pub fn new(connect: tokio_postgres::Config) -> Self {
        Self {
            connect,
            block_keys: 1024,
            call_timeout: Duration::from_secs(10),
        }
    }
}

/// Keys in a database. A connection that was lost is made again by the next call.
pub struct PostgresKeyStore {
    link: Arc<Link>,
    pool: Pool,
}

const INSERT: &str = "\
INSERT INTO flightline_keys.key (key) SELECT unnest($1::bytea[]) RETURNING id, key";
const SELECT: &str = "SELECT key FROM flightline_keys.key WHERE id = $1";
const ERASE: &str = "\
UPDATE flightline_keys.key SET key = NULL, erased_at = now() WHERE id = $1 AND key IS NOT NULL";

impl PostgresKeyStore {
    /// Connects, makes the table when it is missing, and starts to make the first block.
    ///
    /// # Errors
    /// The database cannot be reached, or its table is of a newer release.
    pub fn open(config: &PostgresKeyStoreConfig) -> Result<Self, VaultError> {
        let store = Self::later(config)?;
        store.link.connect()?;
        Ok(store)
    }

    /// As [`PostgresKeyStore::open`], but a database that is away is no error: there are no keys until it is back.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn later(config: &PostgresKeyStoreConfig) -> Result<Self, VaultError> {
        let failed = |doing: &'static str| {
            move |error: std::io::Error| VaultError::Database {
                doing,
                reason: error.to_string(),
            }
        };
        let link = Link::start(config.connect.clone(), config.call_timeout)
            .map_err(failed("starting its thread"))?;
        let link = Arc::new(link);
        let theirs = Arc::clone(&link);
        let count = config.block_keys.max(1);
        let pool = Pool::start(move || reserve(&theirs, count))
            .map_err(failed("starting the thread for blocks"))?;
        Ok(Self { link, pool })
    }
}

impl KeyStore for PostgresKeyStore {
    fn take(&self) -> Result<(KeyId, Key), VaultError> {
        self.pool.take()
    }

    fn get(&self, id: KeyId) -> Result<Option<Key>, VaultError> {
        let Ok(number) = i64::try_from(id.0) else {
            return Ok(None);
        };
        let rows = self.link.query("reading a key", SELECT, number)?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let bytes: Option<&[u8]> = row.try_get(0).map_err(unreadable)?;
        bytes.map(key_of).transpose()
    }

    fn erase(&self, id: KeyId) -> Result<bool, VaultError> {
        let Ok(number) = i64::try_from(id.0) else {
            return Ok(false);
        };
        Ok(self.link.execute("erasing a key", ERASE, number)? > 0)
    }
}

fn reserve(link: &Link, count: u32) -> Result<Block, VaultError> {
    let keys: Result<Vec<Key>, _> = (0..count).map(|_| Key::random()).collect();
    let keys = keys?;
    let bytes = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    let rows = link.insert("reserving keys", INSERT, bytes)?;
    let mut block = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: i64 = row.try_get(0).map_err(unreadable)?;
        let bytes: &[u8] = row.try_get(1).map_err(unreadable)?;
        block.push((KeyId(id.unsigned_abs()), key_of(bytes)?));
    }
    if block.len() != keys.len() {
        return Err(VaultError::Database {
            doing: "reserving keys",
            reason: format!("{} rows instead of {}", block.len(), keys.len()),
        });
    }
    block.sort_by_key(|(id, _)| *id);
    Ok(block.into())
}

fn key_of(bytes: &[u8]) -> Result<Key, VaultError> {
    match bytes.try_into() {
        Ok(bytes) => Ok(Key::from_bytes(bytes)),
        Err(_) => Err(VaultError::Database {
            doing: "reading a key",
            reason: format!("it has {} bytes, not {}", bytes.len(), Key::BYTES),
        }),
    }
}

fn unreadable(error: tokio_postgres::Error) -> VaultError {
    VaultError::Database {
        doing: "reading its answer",
        reason: error.to_string(),
    }
}
