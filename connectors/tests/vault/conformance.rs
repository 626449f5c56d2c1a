//! What every key store must do.

use std::collections::HashSet;
use std::sync::Mutex;

use flightline_connectors::vault::{Key, KeyId, KeyStore};

/// Runs the suite on a store that nobody else uses. `blocks` of its keys are used up.
pub(crate) fn check(store: &dyn KeyStore, block_keys: u32) {
    takes_are_distinct_and_kept(store, block_keys * 2 + 3);
    erased_is_gone_and_only_that(store);
    what_was_never_made_is_none(store);
    all_at_once(store, block_keys);
}

fn takes_are_distinct_and_kept(store: &dyn KeyStore, count: u32) {
    let taken: Vec<(KeyId, Key)> = (0..count).map(|_| store.take().unwrap()).collect();
    let ids: HashSet<KeyId> = taken.iter().map(|(id, _)| *id).collect();
    let keys: HashSet<[u8; 32]> = taken.iter().map(|(_, key)| *key.as_bytes()).collect();
    assert_eq!(ids.len(), taken.len());
    assert_eq!(keys.len(), taken.len());
    for (id, key) in &taken {
        let got = store.get(*id).unwrap().unwrap();
        assert_eq!(got.as_bytes(), key.as_bytes(), "key {id}");
    }
}

fn erased_is_gone_and_only_that(store: &dyn KeyStore) {
    let [(before, _), (id, _), (after, _)] = [(); 3].map(|()| store.take().unwrap());
    assert!(store.erase(id).unwrap());
    assert!(store.get(id).unwrap().is_none());
    assert!(!store.erase(id).unwrap(), "there is none any more");
    assert!(store.get(id).unwrap().is_none());
    assert!(store.get(before).unwrap().is_some());
    assert!(store.get(after).unwrap().is_some());
}

fn what_was_never_made_is_none(store: &dyn KeyStore) {
    for id in [0, 1 << 40, i64::MAX as u64, u64::MAX].map(KeyId) {
        assert!(store.get(id).unwrap().is_none(), "{id}");
        assert!(!store.erase(id).unwrap(), "{id}");
    }
}

/// Threads that take, read and erase side by side; each checks its own keys.
fn all_at_once(store: &dyn KeyStore, block_keys: u32) {
    let seen = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..block_keys {
                    let (id, key) = store.take().unwrap();
                    assert!(seen.lock().unwrap().insert(id), "{id} was handed out twice");
                    let got = store.get(id).unwrap().unwrap();
                    assert_eq!(got.as_bytes(), key.as_bytes());
                    if round % 7 == 0 {
                        assert!(store.erase(id).unwrap());
                        assert!(store.get(id).unwrap().is_none());
                    }
                }
            });
        }
    });
}

#[test]
fn file() {
    let dir = tempfile::tempdir().unwrap();
    let config = super::file::config(dir.path());
    let store = flightline_connectors::vault::FileKeyStore::open(&config).unwrap();
    check(&store, config.block_keys);
    assert_eq!(store.scan().unwrap().damaged, []);
}

#[test]
fn postgres() {
    let server = super::server::start();
    let config = super::server::config(&server);
    let store = flightline_connectors::vault::PostgresKeyStore::open(&config).unwrap();
    check(&store, config.block_keys);
}
