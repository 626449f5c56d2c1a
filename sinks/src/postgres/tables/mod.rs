//! Every table: its columns, and how a row is written. The order of columns is the one of the
//! migrations; a test compares the two.
//!
//! - `ledger`: what the ledger holds, schema `flightline`; `orders`: what its orders hold. `views`: schema `views`. `append`: what is only
//!   ever appended to.

mod append;
mod ledger;
mod orders;
mod view;
mod views;

use std::hash::Hasher;

use flightline_ledger::{Cabin, Class, Date, FlightKey, ProviderCode, Station};

use super::copy::{Row, Type};

pub(super) use append::{DECISION, FEED_REJECT, write_decision, write_reject};
pub(super) use ledger::{DRIFT, FLIGHT, HOLD, HoldLine, INVENTORY, LEG};
pub(super) use orders::{ORDER_SEGMENT, ORDERS, PAYMENT, PaymentLine, SegmentLine};
pub(super) use view::ViewTable;
pub(super) use views::{AVAILABILITY, CHEAPEST, LOAD_FACTOR, OFFERS, OVERSOLD};

/// What a table looks like.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Type)],
    /// The first so many columns are the key.
    pub(super) key: usize,
    /// Columns that keep what they were first given.
    pub(super) fixed: &'static [&'static str],
}

impl Table {
    /// `"schema"."table"`
    pub(super) fn path(&self) -> String {
        format!("\"{}\".\"{}\"", self.schema, self.name)
    }

    /// Columns, quoted, each with something in front.
    pub(super) fn list(&self, columns: usize, prefix: &str) -> String {
        let names = self.columns[..columns].iter();
        let names: Vec<String> = names
            .map(|(name, _)| format!("{prefix}\"{name}\""))
            .collect();
        names.join(", ")
    }
}

/// A row with a key that comes and goes.
pub(super) trait Keyed: Clone + Eq + std::fmt::Debug {
    /// The table.
    const TABLE: &'static Table;
    /// What tells rows apart.
    type Key: Copy + Ord;
    /// The key.
    fn key(&self) -> Self::Key;
    /// Hashes the key, in few and wide words: this is done for every change.
    fn hash(key: &Self::Key, hasher: &mut impl Hasher);
    /// Is this the row that the changelog means?
    fn is(&self, row: &Self) -> bool {
        self == row
    }
    /// Takes another row's place, which the changelog has told.
    fn become_row(&mut self, row: &Self) {
        self.clone_from(row);
    }
    /// The key's columns.
    fn write_key(key: &Self::Key, row: &mut Row<'_>);
    /// The other columns.
    fn write_rest(&self, row: &mut Row<'_>);
}

type Bucket = (FlightKey, ProviderCode, u8, Cabin, Option<Class>);

fn letter(class: Option<Class>) -> Option<u8> {
    class.map(Class::letter)
}

fn hash_flight(key: &FlightKey, hasher: &mut impl Hasher) {
    let mut wide = [0; 16];
    wide[..13].copy_from_slice(&key.to_bytes());
    hasher.write_u128(u128::from_le_bytes(wide));
}

/// Small parts of a key in one word.
fn word(a: u8, b: u8, class: Option<Class>) -> u32 {
    u32::from_le_bytes([a, b, letter(class).unwrap_or(0), 1])
}

fn hash_bucket(key: &Bucket, hasher: &mut impl Hasher) {
    hash_flight(&key.0, hasher);
    hasher.write_u128(u128::from_le_bytes(key.1.bytes()));
    hasher.write_u32(word(key.2, key.3.letter(), key.4));
}

fn hash_segment(board: Station, off: Station, date: Date, cabin: Cabin, hasher: &mut impl Hasher) {
    let ([a, b, c], [d, e, f]) = (board.bytes(), off.bytes());
    hasher.write_u64(u64::from_le_bytes([a, b, c, d, e, f, cabin.letter(), 0]));
    hasher.write_i32(date.0);
}

fn write_bucket(key: &Bucket, row: &mut Row<'_>) {
    row.flight(&key.0);
    row.text(key.1.as_str());
    row.i16(i16::from(key.2));
    row.letter(Some(key.3.letter()));
    row.letter(letter(key.4));
}

fn local_s(at_s: i64, offset_min: i16) -> i64 {
    at_s.saturating_add(i64::from(offset_min) * 60)
}

fn aircraft(code: &[u8; 3]) -> &str {
    let len = code.iter().position(|byte| *byte == 0).unwrap_or(3);
    std::str::from_utf8(&code[..len]).unwrap_or("?")
}

/// Every table, in the order in which batches write them.
pub(super) static ALL: [&Table; 15] = [
    &FLIGHT,
    &LEG,
    &INVENTORY,
    &HOLD,
    &DRIFT,
    &OFFERS,
    &AVAILABILITY,
    &CHEAPEST,
    &LOAD_FACTOR,
    &OVERSOLD,
    &ORDERS,
    &ORDER_SEGMENT,
    &PAYMENT,
    &DECISION,
    &FEED_REJECT,
];

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATIONS: [&str; 7] = [
        include_str!("../migrations/0001_tables.sql"),
        include_str!("../migrations/0002_views.sql"),
        include_str!("../migrations/0003_orders.sql"),
        include_str!("../migrations/0004_waiting.sql"),
        include_str!("../migrations/0005_waiting_orders.sql"),
        include_str!("../migrations/0006_view_state.sql"),
        include_str!("../migrations/0007_outward.sql"),
    ];

    fn sql_name(ty: Type) -> &'static [&'static str] {
        match ty {
            Type::Bool => &["boolean"],
            Type::Int2 => &["smallint"],
            Type::Int4 => &["integer"],
            Type::Int8 => &["bigint"],
            Type::Text => &["text"],
            Type::Texts => &["text[]"],
            Type::Bytes => &["bytea"],
            Type::Numeric => &["numeric"],
            Type::Date => &["date"],
            Type::Timestamp => &["timestamptz", "timestamp"],
            Type::Interval => &["interval"],
        }
    }

    #[test]
    fn columns_are_those_of_the_migrations() {
        let sql = MIGRATIONS.concat();
        for table in ALL {
            let head = format!("CREATE TABLE {}.{} (\n", table.schema, table.name);
            let (_, body) = sql.split_once(&head).unwrap();
            let (columns, rest) = body.split_once("    PRIMARY KEY (").unwrap();
            let later = format!("ALTER TABLE {}.{} ADD COLUMN ", table.schema, table.name);
            let later = sql.lines().filter_map(|line| line.strip_prefix(&later));
            let mut lines = columns.lines().map(str::trim).chain(later);
            for (name, ty) in table.columns {
                let mut words = lines
                    .next()
                    .unwrap()
                    .trim_end_matches([',', ';'])
                    .split_whitespace();
                assert_eq!(
                    words.next().unwrap().trim_matches('"'),
                    *name,
                    "{}",
                    table.name
                );
                let found = words.next().unwrap();
                assert!(
                    sql_name(*ty).contains(&found),
                    "{}.{name} is {found}",
                    table.name
                );
            }
            assert_eq!(lines.next(), None, "{} has more columns", table.name);
            let key = rest.split_once(')').unwrap().0.replace('"', "");
            let expected: Vec<&str> = table.columns[..table.key].iter().map(|c| c.0).collect();
            assert_eq!(key, expected.join(", "), "key of {}", table.name);
        }
    }
}
