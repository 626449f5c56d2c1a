//! Several replicas on one database, and a server that goes away and comes back.

use std::collections::HashSet;

use flightline_connectors::vault::{KeyStore, PostgresKeyStore, VaultError};
use tokio_postgres::NoTls;

use super::server;

#[test]
fn replicas_share_keys_and_never_hand_out_the_same() {
    let server = server::start();
    let config = server::config(&server);
    // Both at once: one of them makes the schema.
    let stores: Vec<PostgresKeyStore> = std::thread::scope(|scope| {
        let opening = [(); 2].map(|()| scope.spawn(|| PostgresKeyStore::open(&config).unwrap()));
        opening.map(|thread| thread.join().unwrap()).into()
    });
    let mut seen = HashSet::new();
    for round in 0..50 {
        let (here, there) = (&stores[round % 2], &stores[(round + 1) % 2]);
        let (id, key) = here.take().unwrap();
        assert!(seen.insert(id));
        let got = there.get(id).unwrap().unwrap();
        assert_eq!(got.as_bytes(), key.as_bytes());
        if round % 5 == 0 {
            assert!(there.erase(id).unwrap());
            assert!(here.get(id).unwrap().is_none());
        }
    }
}

#[test]
fn an_outage_is_told_and_got_over() {
    let mut server = server::start();
    let config = server::config(&server);
    let store = PostgresKeyStore::open(&config).unwrap();
    let (kept, key) = store.take().unwrap();
    let (gone, _) = store.take().unwrap();
    assert!(store.erase(gone).unwrap());
    server.stop();
    assert!(matches!(store.get(kept), Err(VaultError::Database { .. })));
    // What is in memory is handed out, then the fault is told.
    let mut taken = 2;
    let error = loop {
        match store.take() {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken <= 2 * config.block_keys);
    };
    assert!(matches!(error, VaultError::Database { .. }), "{error}");
    server.run();
    assert_eq!(store.get(kept).unwrap().unwrap().as_bytes(), key.as_bytes());
    assert!(store.get(gone).unwrap().is_none());
    store.take().unwrap();
}

#[test]
fn the_row_of_an_erased_key_is_null_and_its_number_stays() {
    let server = server::start();
    let config = server::config(&server);
    let store = PostgresKeyStore::open(&config).unwrap();
    let (id, _) = store.take().unwrap();
    store.erase(id).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, connection) = config.connect.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql =
            "SELECT key IS NULL AND erased_at IS NOT NULL FROM flightline_keys.key WHERE id = $1";
        let number = i64::try_from(id.0).unwrap();
        let row = client.query_one(sql, &[&number]).await.unwrap();
        assert!(row.get::<_, bool>(0));
        client
            .execute("INSERT INTO flightline_keys.schema_version VALUES (9)", &[])
            .await
            .unwrap();
    });
    // Calling from inside a runtime works, and the newer schema is refused.
    let refused = runtime.block_on(async { PostgresKeyStore::open(&config).err() });
    assert!(matches!(
        refused,
        Some(VaultError::NewerSchema { found: 9, .. })
    ));
}
