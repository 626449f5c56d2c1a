//! Personal data of orders: sealed on its way into the stream, opened for those who may read it, and
//! erased by dropping its key.
//!
//! The stream is kept for ever and copied to replicas and backups; the keys are in a file of their
//! own. Whoever loses a key has lost the person everywhere, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use flightline_connectors::vault::{
    FileKeyStore, FileKeyStoreConfig, KeyId, KeyStore, PostgresKeyStore, PostgresKeyStoreConfig,
    Sealed,
};
use flightline_ledger::Command;
use flightline_ledger::order::{OrderAction, OrderId};
use flightline_stream::{Checker, StreamLog};

use crate::checkpoint::{CheckpointError, Checkpoints, newest_part};
use crate::orders::desk::partition_of_order;
use crate::reading::for_each_record_from;

/// Name of the file of keys in the data directory.
const KEYS: &str = "keys";

/// The keys of personal data.
pub(crate) struct People {
    keys: Box<dyn KeyStore>,
}

impl People {
    /// Opens the keys of a data directory. `used_up_to`: the highest key that the stream names.
    pub(crate) fn open(data_dir: &Path, used_up_to: KeyId) -> anyhow::Result<Self> {
        let mut config = FileKeyStoreConfig::new(data_dir.join(KEYS));
        config.used_up_to = used_up_to;
        let keys = FileKeyStore::open(&config).context("opening the keys of personal data")?;
        Ok(Self {
            keys: Box::new(keys),
        })
    }

    /// Keys in a database, for several replicas; `is_away`: it is not asked for now. Blocking.
    pub(crate) fn open_shared(
        connect: tokio_postgres::Config,
        is_away: bool,
    ) -> anyhow::Result<Self> {
        let config = PostgresKeyStoreConfig::new(connect);
        let keys = match is_away {
            true => PostgresKeyStore::later(&config),
            false => PostgresKeyStore::open(&config),
        };
        let keys = keys.context("opening the keys of personal data")?;
        Ok(Self {
            keys: Box::new(keys),
        })
    }

    /// Keys that are kept so.
    #[cfg(feature = "simulation")]
    pub(crate) fn with(keys: Box<dyn KeyStore>) -> Self {
        Self { keys }
    }

    /// Seals the personal data of an order with a key of its own.
    pub(crate) fn seal(&self, order: OrderId, personal: &[u8]) -> Result<String, String> {
        let (id, key) = self.keys.take().map_err(|e| e.to_string())?;
        let sealed = Sealed::seal(personal, &context_of(order), id, &key);
        Ok(sealed.map_err(|e| e.to_string())?.to_text())
    }

    /// Opens what was sealed; `None` when its key was erased.
    pub(crate) fn unseal(&self, order: OrderId, sealed: &str) -> Result<Option<Vec<u8>>, String> {
        let sealed = Sealed::from_text(sealed).map_err(|e| e.to_string())?;
        let Some(key) = self.keys.get(sealed.key_id()).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        let personal = sealed.open(&context_of(order), &key);
        Ok(Some(personal.map_err(|e| e.to_string())?.to_vec()))
    }

    /// Erases the persons of an order. Says how many keys there were to drop; 0 = erased before.
    pub(crate) fn erase(&self, keys: &BTreeSet<KeyId>) -> anyhow::Result<usize> {
        let mut dropped = 0;
        for key in keys {
            dropped += usize::from(self.keys.erase(*key)?);
        }
        Ok(dropped)
    }
}

/// What the sealed data of an order is bound to: it opens as that order's only.
fn context_of(order: OrderId) -> [u8; 16] {
    order.0.to_le_bytes()
}

/// The key that a record names, if it makes an order.
pub(crate) fn key_named(command: &Command) -> Option<KeyId> {
    let Command::Order(_, action) = command else {
        return None;
    };
    let OrderAction::Create(create) = &**action else {
        return None;
    };
    Sealed::from_text(&create.sealed).ok().map(|s| s.key_id())
}

/// Every key that sealed something of an order, of all its attempts, however old; `None` when there
/// never was such an order. Reads the order's partition from its start, or from the newest checkpoint
/// when its start was trimmed away.
pub(crate) fn keys_of(
    log: &dyn StreamLog,
    checkpoints: &Checkpoints,
    until: &[u64],
    order: OrderId,
) -> Result<Option<BTreeSet<KeyId>>, CheckpointError> {
    let partition = partition_of_order(order, log.partitions());
    let mut found = None;
    let mut checker = Checker::new(partition);
    if log.low_water(partition)? > 0 {
        // What was trimmed away stands in checkpoints.
        let (store, stream) = (checkpoints.store(), checkpoints.stream());
        if let Some(part) = newest_part(store, stream, partition)? {
            let sealed = part.sealed().iter().filter(|(id, _)| *id == order);
            for (_, key) in sealed {
                found.get_or_insert_with(BTreeSet::new).insert(*key);
            }
            checker = part.checker().clone();
        }
    }
    for_each_record_from(log, checker, until[partition as usize], |record| {
        if matches!(&record.input.command, Command::Order(id, _) if *id == order)
            && let Some(key) = key_named(&record.input.command)
        {
            found.get_or_insert_with(BTreeSet::new).insert(key);
        }
        true
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_opens_for_his_order_only_and_is_gone_when_erased() {
        let folder = tempfile::tempdir().unwrap();
        let people = People::open(folder.path(), KeyId(0)).unwrap();
        let order = OrderId(7);
        let sealed = people.seal(order, b"Amelia Earhart").unwrap();
        assert!(!sealed.contains("Amelia"));
        let opened = people.unseal(order, &sealed).unwrap();
        assert_eq!(opened.as_deref(), Some(&b"Amelia Earhart"[..]));
        assert!(people.unseal(OrderId(8), &sealed).is_err());
        let keys = BTreeSet::from([Sealed::from_text(&sealed).unwrap().key_id()]);
        assert_eq!(people.erase(&keys).unwrap(), 1);
        assert_eq!(people.erase(&keys).unwrap(), 0);
        assert_eq!(people.unseal(order, &sealed).unwrap(), None);
    }
}
