//! What stands in PostgreSQL.

use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::harness::{Place, run, stderr, stdout};

/// A connection to the private PostgreSQL of a running replica.
pub(crate) async fn connect(place: &Place) -> Client {
    let output = run(&["database", "url", "--data-dir", &place.data_dir_text()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let url = stdout(&output);
    let (client, connection) = tokio_postgres::connect(url.trim(), NoTls)
        .await
        .expect("PostgreSQL answers");
    tokio::spawn(connection);
    client
}

/// The rows of a query, every column as text.
pub(crate) async fn rows(tables: &Client, query: &str) -> Vec<Vec<Option<String>>> {
    let answer = tables.simple_query(query).await;
    let answer = answer.unwrap_or_else(|e| panic!("{query}: {e}"));
    answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .map(|row| {
            (0..row.len())
                .map(|n| row.get(n).map(str::to_owned))
                .collect()
        })
        .collect()
}

/// Waits until a query finds exactly this: the tables follow the stream.
pub(crate) async fn until(tables: &Client, query: &str, expected: &[&[&str]]) {
    let mut found = Vec::new();
    for _ in 0..1500 {
        found = rows(tables, query).await;
        let equal = found.len() == expected.len()
            && found.iter().zip(expected).all(|(row, wanted)| {
                let row = row.iter().map(|text| text.as_deref().unwrap_or("null"));
                row.eq(wanted.iter().copied())
            });
        if equal {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{query} finds\n{found:?}, and not\n{expected:?}");
}
