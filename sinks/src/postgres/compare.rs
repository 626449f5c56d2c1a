//! Are the tables what a fold of the stream says they are?
//!
//! Expected rows are put into the form in which PostgreSQL sends them and compared byte by byte with
//! what it sends, table by table in the order of their keys, in one transaction that sees one state.

use bytes::{Buf, Bytes, BytesMut};
use flightline_dataflows::changelog::{Change, Epoch, ViewChanges};
use flightline_dataflows::rows::{DecisionRow, FeedRejectRow, OrderRow, is_recorded};
use flightline_ledger::Replay;
use futures_util::{TryStreamExt, pin_mut};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::PostgresError;
use super::connection::read_progress;
use super::copy::{Chunks, HEADER, Row, Type, fields, show};
use super::tables::{
    self, HoldLine, Keyed, PaymentLine, SegmentLine, Table, ViewTable, write_decision, write_reject,
};

/// What the tables should have.
pub struct Expected<'a> {
    /// The state after the fold up to `state.covers`, every row +1; its decisions and rejects are
    /// not looked at.
    pub state: &'a Epoch,
    /// Every decision up to there, in the order of (partition, offset).
    pub decisions: &'a mut dyn Iterator<Item = DecisionRow>,
    /// Every reject up to there, in the order of (partition, offset).
    pub rejects: &'a mut dyn Iterator<Item = FeedRejectRow>,
}

/// The first row that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The row's key: `column=value`, with commas between.
    pub key: String,
    /// The row as it should be; `None` when it should not be there.
    pub expected: Option<String>,
    /// The row as it is; `None` when it is missing.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |row: &Option<String>| row.clone().unwrap_or_else(|| "no row".to_owned());
        write!(
            f,
            "{} ({}): expected {}, found {}",
            self.table,
            self.key,
            shown(&self.expected),
            shown(&self.found)
        )
    }
}

/// `sink_progress` of a database; `None` when it has no tables of ours. Fold up to this vector and
/// then [`compare`].
///
/// # Errors
/// When the database cannot be read.
pub async fn progress(client: &Client) -> Result<Option<Vec<u64>>, PostgresError> {
    read_progress(client).await
}

/// Compares every table; returns the first difference, if any. The first table looked at is
/// `sink_progress`: tables at another offset cannot be compared.
///
/// # Errors
/// When the database cannot be read.
pub async fn compare(
    client: &mut Client,
    expected: Expected<'_>,
) -> Result<Option<Difference>, PostgresError> {
    let failed = PostgresError::database("comparing: begin");
    let tx = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(failed)?;
    let state = expected.state;
    if let Some(difference) = compare_progress(&tx, &state.covers).await? {
        return Ok(Some(difference));
    }
    // The text of a hold's id is told by its decision only.
    let mut ids: HashMap<(u32, u64), Box<str>> = HashMap::new();
    let mut decisions = expected
        .decisions
        .filter(|line| is_recorded(line.decision.kind));
    let mut decisions = std::iter::from_fn(|| {
        let line = decisions.next()?;
        let made = line.decision.outcome.makes_hold() && line.decision.replay == Replay::First;
        if let Some(text) = line.ref_text().filter(|_| made) {
            ids.insert((line.partition, line.decision.offset), text.into());
        }
        Some(encode(&tables::DECISION, |row| write_decision(&line, row)))
    });
    if let Some(difference) = compare_rows(&tx, &tables::DECISION, &mut decisions).await? {
        return Ok(Some(difference));
    }
    let mut rejects = expected
        .rejects
        .map(|line| encode(&tables::FEED_REJECT, |row| write_reject(&line, row)));
    if let Some(difference) = compare_rows(&tx, &tables::FEED_REJECT, &mut rejects).await? {
        return Ok(Some(difference));
    }
    let mut holds = state.holds.iter().map(|(row, _)| {
        let (row, id) = (row.clone(), ids.remove(&(row.partition, row.offset)));
        encode_keyed(&HoldLine { row, id })
    });
    if let Some(difference) = compare_rows(&tx, &tables::HOLD, &mut holds).await? {
        return Ok(Some(difference));
    }
    macro_rules! keyed {
        ($($rows:expr),*) => {
            $(if let Some(difference) = compare_keyed(&tx, $rows).await? {
                return Ok(Some(difference));
            })*
        };
    }
    keyed!(
        &state.flights,
        &state.legs,
        &state.inventory,
        &state.drift,
        &state.offers,
        &state.availability_by_route_day,
        &state.cheapest_by_route_day,
        &state.load_factor,
        &state.oversold
    );
    for changes in &state.views {
        if let Some(difference) = compare_view(&tx, changes).await? {
            return Ok(Some(difference));
        }
    }
    let lines = |row: &(Arc<OrderRow>, isize)| {
        let lines: Vec<_> = SegmentLine::all(&row.0).map(|line| (line, 1)).collect();
        lines
    };
    let segments: Vec<Change<SegmentLine>> = state.orders.iter().flat_map(lines).collect();
    let payments = state
        .orders
        .iter()
        .filter_map(|(row, _)| PaymentLine::of(row));
    let payments: Vec<Change<PaymentLine>> = payments.map(|line| (line, 1)).collect();
    keyed!(&state.orders, &segments, &payments);
    Ok(None)
}

/// Compares the table of a view in a file, if it is live: one that has failed, or means something else than
/// the file by now, is as it was.
async fn compare_view(
    tx: &Transaction<'_>,
    changes: &ViewChanges,
) -> Result<Option<Difference>, PostgresError> {
    let table = ViewTable::new(Arc::clone(&changes.view));
    let live = "\
SELECT count(*) FROM flightline.view_state
WHERE schema_name = $1 AND table_name = $2 AND fingerprint = $3 AND state = 'live'";
    let failed = PostgresError::database("comparing view_state");
    let fingerprint = changes.view.fingerprint as i64;
    let (schema, name) = (table.table.schema, table.table.name);
    let row = tx.query_one(live, &[&schema, &name, &fingerprint]).await;
    if row.map_err(failed)?.get::<_, i64>(0) == 0 || changes.failed.is_some() {
        return Ok(None);
    }
    // Rows sort as the database sorts their keys.
    let mut rows: Vec<_> = changes.rows.iter().map(|(row, _)| row).collect();
    rows.sort();
    let mut rows = rows
        .into_iter()
        .map(|row| encode(table.table, |out| table.write(row, out)));
    compare_rows(tx, table.table, &mut rows).await
}

async fn compare_progress(
    tx: &Transaction<'_>,
    covers: &[u64],
) -> Result<Option<Difference>, PostgresError> {
    let sql = "SELECT partition, next_offset FROM flightline.sink_progress ORDER BY partition";
    let failed = PostgresError::database("comparing sink_progress");
    let rows = tx.query(sql, &[]).await.map_err(failed)?;
    let found: Vec<(i32, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected: Vec<(i32, i64)> = (0..).zip(covers.iter().map(|c| *c as i64)).collect();
    let longest = found.len().max(expected.len());
    for at in 0..longest {
        let (expected, found) = (expected.get(at), found.get(at));
        if expected != found {
            let show = |row: Option<&(i32, i64)>| {
                row.map(|(p, n)| format!("partition={p}, next_offset={n}"))
            };
            return Ok(Some(Difference {
                table: "flightline.sink_progress".to_owned(),
                key: format!("partition={at}"),
                expected: show(expected),
                found: show(found),
            }));
        }
    }
    Ok(None)
}

fn encode(table: &Table, write: impl FnOnce(&mut Row<'_>)) -> Bytes {
    let mut chunks = Chunks::default();
    chunks.row(table.columns.len(), write);
    let pieces = chunks.into_pieces();
    pieces.into_iter().next().unwrap_or_default()
}

fn encode_keyed<R: Keyed>(row: &R) -> Bytes {
    encode(R::TABLE, |out| {
        R::write_key(&row.key(), out);
        row.write_rest(out);
    })
}

/// Our keys do not sort as their texts do: sort by the columns, as the database does.
async fn compare_keyed<R: Keyed>(
    tx: &Transaction<'_>,
    rows: &[Change<R>],
) -> Result<Option<Difference>, PostgresError> {
    let mut expected: Vec<Bytes> = rows.iter().map(|(row, _)| encode_keyed(row)).collect();
    expected.sort_by(|a, b| by_key(R::TABLE, a, b));
    compare_rows(tx, R::TABLE, &mut expected.into_iter()).await
}

/// Rows by their keys, as PostgreSQL sorts them: integers by value, texts by bytes.
fn by_key(table: &Table, a: &[u8], b: &[u8]) -> Ordering {
    let (Some(a), Some(b)) = (fields(a), fields(b)) else {
        return a.cmp(b);
    };
    for (at, (_, ty)) in table.columns[..table.key].iter().enumerate() {
        let (a, b) = (a.get(at).copied().flatten(), b.get(at).copied().flatten());
        let order = match ty {
            // Two's complement, highest byte first: the sign alone sorts the wrong way round.
            Type::Int2 | Type::Int4 | Type::Int8 | Type::Date | Type::Timestamp => {
                let flip = |field: Option<&[u8]>| {
                    let mut bytes = field.unwrap_or_default().to_vec();
                    if let Some(first) = bytes.first_mut() {
                        *first ^= 0x80;
                    }
                    bytes
                };
                flip(a).cmp(&flip(b))
            }
            _ => a.cmp(&b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Walks both sides in the order of keys.
async fn compare_rows(
    tx: &Transaction<'_>,
    table: &Table,
    expected: &mut dyn Iterator<Item = Bytes>,
) -> Result<Option<Difference>, PostgresError> {
    let failed = || PostgresError::database(format!("comparing {}", table.path()));
    let order: Vec<String> = table.columns[..table.key]
        .iter()
        .map(|(name, ty)| match ty {
            Type::Text => format!("\"{name}\" COLLATE \"C\""),
            _ => format!("\"{name}\""),
        })
        .collect();
    let sql = format!(
        "COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT binary)",
        table.list(table.columns.len(), ""),
        table.path(),
        order.join(", "),
    );
    let stream = tx.copy_out(&sql).await.map_err(failed())?;
    pin_mut!(stream);
    let mut found = Found::default();
    loop {
        // The next row of the table, from as many messages as it takes.
        let row = loop {
            match found.next() {
                Parsed::Row(row) => break Some(row),
                Parsed::End => break None,
                Parsed::More => match stream.try_next().await.map_err(failed())? {
                    Some(bytes) => found.buffer.extend_from_slice(&bytes),
                    None => break None,
                },
            }
        };
        match (expected.next(), row) {
            (None, None) => return Ok(None),
            (Some(expected), Some(row)) if expected == row => {}
            (expected, row) => {
                let order = match (&expected, &row) {
                    (Some(expected), Some(row)) => by_key(table, expected, row),
                    (Some(_), None) => Ordering::Less,
                    _ => Ordering::Greater,
                };
                // When the keys differ, the lower one is missing on the other side.
                let expected = expected.filter(|_| order != Ordering::Greater);
                let row = row.filter(|_| order != Ordering::Less);
                return Ok(Some(difference(table, expected.as_ref(), row.as_ref())));
            }
        }
    }
}

fn difference(table: &Table, expected: Option<&Bytes>, found: Option<&Bytes>) -> Difference {
    let list = |row: &Bytes, columns: usize| -> String {
        let fields = fields(row).unwrap_or_default();
        let columns = table.columns[..columns].iter().zip(fields);
        let shown = columns.map(|((name, ty), field)| format!("{name}={}", show(*ty, field)));
        shown.collect::<Vec<_>>().join(", ")
    };
    let whole = |row: &Bytes| list(row, table.columns.len());
    let key = expected.or(found).map(|row| list(row, table.key));
    Difference {
        table: format!("{}.{}", table.schema, table.name),
        key: key.unwrap_or_default(),
        expected: expected.map(whole),
        found: found.map(whole),
    }
}

/// What came of a table so far.
#[derive(Default)]
struct Found {
    buffer: BytesMut,
    begun: bool,
}

enum Parsed {
    Row(Bytes),
    End,
    More,
}

impl Found {
    fn next(&mut self) -> Parsed {
        if !self.begun {
            if self.buffer.len() < HEADER.len() {
                return Parsed::More;
            }
            self.buffer.advance(HEADER.len());
            self.begun = true;
        }
        let int = |at: usize| -> Option<i32> {
            let bytes = self.buffer.get(at..at + 4)?;
            Some(i32::from_be_bytes(bytes.try_into().ok()?))
        };
        let Some(count) = self.buffer.get(..2) else {
            return Parsed::More;
        };
        let count = i16::from_be_bytes([count[0], count[1]]);
        if count < 0 {
            return Parsed::End;
        }
        let mut at = 2;
        for _ in 0..count {
            let Some(len) = int(at) else {
                return Parsed::More;
            };
            at += 4 + usize::try_from(len).unwrap_or(0);
        }
        if self.buffer.len() < at {
            return Parsed::More;
        }
        Parsed::Row(self.buffer.split_to(at).freeze())
    }
}
