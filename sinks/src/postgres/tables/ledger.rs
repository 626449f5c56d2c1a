//! Tables of schema `flightline` that show the ledger's state.

use std::hash::Hasher;

use flightline_dataflows::rows::{DriftRow, FlightRow, HoldRow, InventoryRow, LegRow};
use flightline_ledger::FlightKey;
use flightline_ledger::command::{Counts, SaleStatus, quality};

use super::{
    Bucket, Keyed, Table, aircraft, hash_bucket, hash_flight, letter, local_s, write_bucket,
};
use crate::postgres::copy::{Row, Type};

pub(in crate::postgres) static FLIGHT: Table = Table {
    schema: "flightline",
    name: "flight",
    columns: &[
        ("flight_key", Type::Text),
        ("carrier", Type::Text),
        ("number", Type::Int4),
        ("suffix", Type::Text),
        ("origin_date", Type::Date),
        ("board", Type::Text),
        ("status", Type::Text),
        ("owner", Type::Text),
        ("operating", Type::Text),
        ("quality", Type::Texts),
    ],
    key: 1,
    fixed: &[],
};

impl Keyed for FlightRow {
    const TABLE: &'static Table = &FLIGHT;
    type Key = FlightKey;
    fn key(&self) -> FlightKey {
        self.flight
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_flight(key, hasher);
    }
    fn write_key(key: &FlightKey, row: &mut Row<'_>) {
        row.flight(key);
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.text(self.flight.carrier.as_str());
        row.i32(i32::from(self.flight.number));
        row.letter(Some(self.flight.suffix));
        row.date(self.flight.origin_date);
        row.text(self.flight.board.as_str());
        row.text(self.status.name());
        row.text(self.owner.as_str());
        match &self.operating {
            Some(operating) => row.flight(operating),
            None => row.null(),
        }
        let marks: Vec<String> = (0..u32::BITS)
            .filter(|bit| self.quality & (1 << bit) != 0)
            .map(|bit| match quality::NAMES.get(bit as usize) {
                Some(name) => (*name).to_owned(),
                None => format!("bit_{bit}"),
            })
            .collect();
        let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
        row.texts(&marks);
    }
}

pub(in crate::postgres) static LEG: Table = Table {
    schema: "flightline",
    name: "leg",
    columns: &[
        ("flight_key", Type::Text),
        ("leg_no", Type::Int2),
        ("board", Type::Text),
        ("off", Type::Text),
        ("departs_at", Type::Timestamp),
        ("arrives_at", Type::Timestamp),
        ("departs_local", Type::Timestamp),
        ("arrives_local", Type::Timestamp),
        ("aircraft", Type::Text),
        ("service", Type::Text),
    ],
    key: 2,
    fixed: &[],
};

impl Keyed for LegRow {
    const TABLE: &'static Table = &LEG;
    type Key = (FlightKey, u8);
    fn key(&self) -> Self::Key {
        (self.flight, self.leg_no)
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_flight(&key.0, hasher);
        hasher.write_u8(key.1);
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.flight(&key.0);
        row.i16(i16::from(key.1));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.text(self.board.as_str());
        row.text(self.off.as_str());
        row.timestamp_s(self.departs_s);
        row.timestamp_s(self.arrives_s);
        row.timestamp_s(local_s(self.departs_s, self.departs_offset_min));
        row.timestamp_s(local_s(self.arrives_s, self.arrives_offset_min));
        row.text(aircraft(&self.aircraft));
        row.letter(Some(self.service));
    }
}

pub(in crate::postgres) static INVENTORY: Table = Table {
    schema: "flightline",
    name: "inventory",
    columns: &[
        ("flight_key", Type::Text),
        ("provider", Type::Text),
        ("leg_no", Type::Int2),
        ("cabin", Type::Text),
        ("class", Type::Text),
        ("board", Type::Text),
        ("off", Type::Text),
        ("authorised", Type::Int4),
        ("held", Type::Int4),
        ("sold", Type::Int4),
        ("available", Type::Int4),
        ("oversold", Type::Int4),
        ("status", Type::Text),
    ],
    key: 5,
    fixed: &[],
};

impl Keyed for InventoryRow {
    const TABLE: &'static Table = &INVENTORY;
    type Key = Bucket;
    fn key(&self) -> Bucket {
        (
            self.flight,
            self.provider,
            self.leg_no,
            self.cabin,
            self.class,
        )
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_bucket(key, hasher);
    }
    fn write_key(key: &Bucket, row: &mut Row<'_>) {
        write_bucket(key, row);
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.text(self.board.as_str());
        row.text(self.off.as_str());
        match self.authorised {
            Some(authorised) => row.i32(authorised),
            None => row.null(),
        }
        row.i32(self.held);
        row.i32(self.sold);
        row.i32(self.available);
        row.i32(self.oversold);
        row.text(match self.status {
            SaleStatus::Open => "open",
            SaleStatus::Request => "request",
            SaleStatus::WaitlistOpen => "waitlist_open",
            SaleStatus::Closed => "closed",
            SaleStatus::NotOperating => "not_operating",
        });
    }
}

pub(in crate::postgres) static HOLD: Table = Table {
    schema: "flightline",
    name: "hold",
    columns: &[
        ("partition", Type::Int4),
        ("offset", Type::Int8),
        ("id", Type::Text),
        ("flight_key", Type::Text),
        ("provider", Type::Text),
        ("cabin", Type::Text),
        ("class", Type::Text),
        ("board", Type::Text),
        ("off", Type::Text),
        ("seats", Type::Int4),
        ("status", Type::Text),
        ("deadline", Type::Timestamp),
        ("price", Type::Numeric),
        ("currency", Type::Text),
        ("created_at", Type::Timestamp),
        ("changed_at", Type::Timestamp),
        ("changed_offset", Type::Int8),
    ],
    key: 2,
    // Known from the decision that made the hold, and from nothing later.
    fixed: &["id"],
};

/// A hold and the text of its id, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::postgres) struct HoldLine {
    pub(in crate::postgres) row: HoldRow,
    pub(in crate::postgres) id: Option<Box<str>>,
}

impl Keyed for HoldLine {
    const TABLE: &'static Table = &HOLD;
    type Key = (u32, u64);
    fn key(&self) -> Self::Key {
        (self.row.partition, self.row.offset)
    }
    fn is(&self, row: &Self) -> bool {
        // The changelog does not tell the text of the id again.
        self.row == row.row
    }
    fn become_row(&mut self, row: &Self) {
        // The id stays what the decision said, which only the first epoch of a hold has.
        self.row.clone_from(&row.row);
        if row.id.is_some() {
            self.id.clone_from(&row.id);
        }
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hasher.write_u32(key.0);
        hasher.write_u64(key.1);
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.i32(key.0 as i32);
        row.u64(key.1);
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        let hold = &self.row;
        match &self.id {
            Some(text) => row.text(text),
            None => row.id(hold.id),
        }
        row.flight(&hold.flight);
        row.text(hold.provider.as_str());
        row.letter(Some(hold.cabin.letter()));
        row.letter(letter(hold.class));
        row.text(hold.board.as_str());
        row.text(hold.off.as_str());
        row.i32(i32::from(hold.seats));
        row.text(hold.status.name());
        row.timestamp_ms(hold.deadline_ms);
        match &hold.price {
            Some(price) => {
                row.numeric(price);
                row.text(price.currency.as_str());
            }
            None => {
                row.null();
                row.null();
            }
        }
        row.timestamp_ms(hold.created_at_ms);
        row.timestamp_ms(hold.changed_at_ms);
        row.u64(hold.changed_offset);
    }
}

pub(in crate::postgres) static DRIFT: Table = Table {
    schema: "flightline",
    name: "inventory_drift",
    columns: &[
        ("flight_key", Type::Text),
        ("provider", Type::Text),
        ("leg_no", Type::Int2),
        ("cabin", Type::Text),
        ("class", Type::Text),
        ("counts", Type::Text),
        ("reported", Type::Int4),
        ("expected", Type::Int4),
        ("drift", Type::Int4),
        ("version_at", Type::Timestamp),
        ("version_group", Type::Int8),
        ("version_sequence", Type::Int8),
        ("offset", Type::Int8),
    ],
    key: 5,
    fixed: &[],
};

impl Keyed for DriftRow {
    const TABLE: &'static Table = &DRIFT;
    type Key = Bucket;
    fn key(&self) -> Bucket {
        (
            self.flight,
            self.provider,
            self.leg_no,
            self.cabin,
            self.class,
        )
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_bucket(key, hasher);
    }
    fn write_key(key: &Bucket, row: &mut Row<'_>) {
        write_bucket(key, row);
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.text(match self.counts {
            Counts::Total => "total",
            Counts::Remaining => "remaining",
        });
        row.i32(self.reported);
        row.i32(self.expected);
        row.i32(self.drift);
        row.timestamp_ms(self.version.time_ms);
        row.i64(i64::from(self.version.group));
        row.i64(i64::from(self.version.sequence));
        row.u64(self.offset);
    }
}
