//! What stands in PostgreSQL.

use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

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
    let found = try_rows(tables, query).await;
    found.unwrap_or_else(|why| panic!("{query}: {why}"))
}

/// The same, or what PostgreSQL says against it.
async fn try_rows(tables: &Client, query: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    let answer = match tables.simple_query(query).await {
        Ok(answer) => answer,
        Err(error) => {
            return match error.as_db_error() {
                Some(said) => Err(said.to_string()),
                None => panic!("{query}: {error}"),
            };
        }
    };
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let columns = |row: &SimpleQueryRow| {
        (0..row.len())
            .map(|n| row.get(n).map(str::to_owned))
            .collect()
    };
    Ok(rows.map(columns).collect())
}

/// Waits until a query finds exactly this: the tables follow the stream. A table that is not there yet, or still has
/// the columns of the view before it, is waited for, too.
pub(crate) async fn until(tables: &Client, query: &str, expected: &[&[&str]]) {
    let mut found = Ok(Vec::new());
    for _ in 0..1500 {
        found = try_rows(tables, query).await;
        let equal = found.as_ref().is_ok_and(|found| {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(row, wanted)| {
                    let row = row.iter().map(|text| text.as_deref().unwrap_or("null"));
                    row.eq(wanted.iter().copied())
                })
        });
        if equal {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{query} finds\n{found:?}, and not\n{expected:?}");
}
