//! Every table: its columns, and how a row is written. The order of columns is the one of the
//! migrations; a test compares the two.

use std::hash::Hash;

use flightline_dataflows::rows::{
    CheapestRow, DecisionRow, DriftRow, FeedRejectRow, FlightRow, HoldRow, InventoryRow, LegRow,
    LoadFactorRow, OfferRow, OversoldRow, RouteDayRow,
};
use flightline_ledger::command::{Counts, SaleStatus, quality};
use flightline_ledger::{
    Cabin, Class, CommandId, Date, FlightKey, Outcome, ProviderCode, Reason, Replay, Station,
};

use super::copy::{Row, Type};

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
    type Key: Copy + Ord + Hash;
    /// The key.
    fn key(&self) -> Self::Key;
    /// Is this the row that the changelog means?
    fn is(&self, row: &Self) -> bool {
        self == row
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

fn write_bucket(key: &Bucket, row: &mut Row<'_>) {
    row.display(key.0);
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

pub(super) static FLIGHT: Table = Table {
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
    fn write_key(key: &FlightKey, row: &mut Row<'_>) {
        row.display(key);
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
            Some(operating) => row.display(operating),
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

pub(super) static LEG: Table = Table {
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
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.display(key.0);
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

pub(super) static INVENTORY: Table = Table {
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

pub(super) static HOLD: Table = Table {
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
pub(super) struct HoldLine {
    pub(super) row: HoldRow,
    pub(super) id: Option<Box<str>>,
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
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.i32(key.0 as i32);
        row.u64(key.1);
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        let hold = &self.row;
        match &self.id {
            Some(text) => row.text(text),
            None => row.display(hold.id),
        }
        row.display(hold.flight);
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

pub(super) static DRIFT: Table = Table {
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

pub(super) static OFFERS: Table = Table {
    schema: "views",
    name: "offers",
    columns: &[
        ("flight_key", Type::Text),
        ("board", Type::Text),
        ("off", Type::Text),
        ("provider", Type::Text),
        ("cabin", Type::Text),
        ("class", Type::Text),
        ("date", Type::Date),
        ("price", Type::Numeric),
        ("currency", Type::Text),
        ("seats", Type::Int4),
        ("seats_is_floor", Type::Bool),
        ("departs_at", Type::Timestamp),
        ("arrives_at", Type::Timestamp),
        ("departs_local", Type::Timestamp),
        ("arrives_local", Type::Timestamp),
        ("aircraft", Type::Text),
        ("legs", Type::Int2),
    ],
    key: 6,
    fixed: &[],
};

impl Keyed for OfferRow {
    const TABLE: &'static Table = &OFFERS;
    type Key = (
        FlightKey,
        Station,
        Station,
        ProviderCode,
        Cabin,
        Option<Class>,
    );
    fn key(&self) -> Self::Key {
        let (board, off) = (self.board, self.off);
        (
            self.flight,
            board,
            off,
            self.provider,
            self.cabin,
            self.class,
        )
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.display(key.0);
        row.text(key.1.as_str());
        row.text(key.2.as_str());
        row.text(key.3.as_str());
        row.letter(Some(key.4.letter()));
        row.letter(letter(key.5));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.date(self.date);
        row.numeric(&self.price);
        row.text(self.price.currency.as_str());
        row.i32(i32::from(self.seats));
        row.bool(self.seats_is_floor);
        row.timestamp_s(self.departs_s);
        row.timestamp_s(self.arrives_s);
        row.timestamp_s(local_s(self.departs_s, self.departs_offset_min));
        row.timestamp_s(local_s(self.arrives_s, self.arrives_offset_min));
        row.text(aircraft(&self.aircraft));
        row.i16(i16::from(self.legs));
    }
}

pub(super) static AVAILABILITY: Table = Table {
    schema: "views",
    name: "availability_by_route_day",
    columns: &[
        ("board", Type::Text),
        ("off", Type::Text),
        ("date", Type::Date),
        ("cabin", Type::Text),
        ("flights", Type::Int8),
        ("flights_open", Type::Int8),
        ("seats", Type::Int8),
    ],
    key: 4,
    fixed: &[],
};

impl Keyed for RouteDayRow {
    const TABLE: &'static Table = &AVAILABILITY;
    type Key = (Station, Station, Date, Cabin);
    fn key(&self) -> Self::Key {
        (self.board, self.off, self.date, self.cabin)
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.text(key.0.as_str());
        row.text(key.1.as_str());
        row.date(key.2);
        row.letter(Some(key.3.letter()));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.i64(self.flights);
        row.i64(self.flights_open);
        row.i64(self.seats);
    }
}

pub(super) static CHEAPEST: Table = Table {
    schema: "views",
    name: "cheapest_by_route_day",
    columns: &[
        ("board", Type::Text),
        ("off", Type::Text),
        ("date", Type::Date),
        ("cabin", Type::Text),
        ("currency", Type::Text),
        ("price", Type::Numeric),
        ("flight_key", Type::Text),
        ("provider", Type::Text),
        ("class", Type::Text),
    ],
    key: 5,
    fixed: &[],
};

impl Keyed for CheapestRow {
    const TABLE: &'static Table = &CHEAPEST;
    type Key = (Station, Station, Date, Cabin, flightline_ledger::Currency);
    fn key(&self) -> Self::Key {
        let currency = self.price.currency;
        (self.board, self.off, self.date, self.cabin, currency)
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.text(key.0.as_str());
        row.text(key.1.as_str());
        row.date(key.2);
        row.letter(Some(key.3.letter()));
        row.text(key.4.as_str());
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.numeric(&self.price);
        row.display(self.flight);
        row.text(self.provider.as_str());
        row.letter(letter(self.class));
    }
}

pub(super) static LOAD_FACTOR: Table = Table {
    schema: "views",
    name: "load_factor",
    columns: &[
        ("flight_key", Type::Text),
        ("leg_no", Type::Int2),
        ("cabin", Type::Text),
        ("capacity", Type::Int4),
        ("held", Type::Int4),
        ("sold", Type::Int4),
        ("load_permille", Type::Int4),
    ],
    key: 3,
    fixed: &[],
};

impl Keyed for LoadFactorRow {
    const TABLE: &'static Table = &LOAD_FACTOR;
    type Key = (FlightKey, u8, Cabin);
    fn key(&self) -> Self::Key {
        (self.flight, self.leg_no, self.cabin)
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.display(key.0);
        row.i16(i16::from(key.1));
        row.letter(Some(key.2.letter()));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.i32(self.capacity);
        row.i32(self.held);
        row.i32(self.sold);
        row.i32(self.load_permille);
    }
}

pub(super) static OVERSOLD: Table = Table {
    schema: "views",
    name: "oversold",
    columns: &[
        ("flight_key", Type::Text),
        ("leg_no", Type::Int2),
        ("cabin", Type::Text),
        ("provider", Type::Text),
        ("class", Type::Text),
        ("oversold", Type::Int4),
    ],
    key: 5,
    fixed: &[],
};

impl Keyed for OversoldRow {
    const TABLE: &'static Table = &OVERSOLD;
    type Key = (FlightKey, u8, Cabin, Option<ProviderCode>, Option<Class>);
    fn key(&self) -> Self::Key {
        let (provider, class) = (self.provider, self.class);
        (self.flight, self.leg_no, self.cabin, provider, class)
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.display(key.0);
        row.i16(i16::from(key.1));
        row.letter(Some(key.2.letter()));
        row.text(key.3.as_ref().map_or("", ProviderCode::as_str));
        row.letter(letter(key.4));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.i32(self.oversold);
    }
}

pub(super) static DECISION: Table = Table {
    schema: "flightline",
    name: "decision",
    columns: &[
        ("partition", Type::Int4),
        ("offset", Type::Int8),
        ("command_id", Type::Text),
        ("flight_key", Type::Text),
        ("kind", Type::Text),
        ("outcome", Type::Text),
        ("reason", Type::Text),
        ("at", Type::Timestamp),
        ("replay", Type::Text),
        ("first_offset", Type::Int8),
        ("detail", Type::Text),
        ("ref_text", Type::Text),
        ("actor", Type::Text),
    ],
    key: 2,
    fixed: &[],
};

/// The client's own text for a command.
pub(super) fn ref_text(row: &DecisionRow) -> Option<&str> {
    row.note.as_ref()?.ref_text.as_deref()
}

pub(super) fn write_decision(line: &DecisionRow, row: &mut Row<'_>) {
    let decision = &line.decision;
    row.i32(line.partition as i32);
    row.u64(decision.offset);
    write_id(ref_text(line), decision.id, row);
    if decision.flight.is_none() {
        row.null();
    } else {
        row.display(decision.flight);
    }
    row.text(decision.kind.name());
    row.text(decision.outcome.name());
    row.text_or_null(decision.outcome.reason().as_ref().map(Reason::code));
    row.timestamp_ms(decision.at_ms);
    let (replay, first) = match decision.replay {
        Replay::First => (None, None),
        Replay::Same { first_offset } => (Some("same"), Some(first_offset)),
        Replay::Different { first_offset } => (Some("different"), Some(first_offset)),
    };
    row.text_or_null(replay);
    match first {
        Some(first) => row.u64(first),
        None => row.null(),
    }
    write_detail(&decision.outcome, row);
    row.text_or_null(ref_text(line));
    row.text_or_null(line.note.as_ref().and_then(|note| note.actor.as_deref()));
}

fn write_id(text: Option<&str>, id: CommandId, row: &mut Row<'_>) {
    match text {
        Some(text) => row.text(text),
        None => row.display(id),
    }
}

fn write_detail(outcome: &Outcome, row: &mut Row<'_>) {
    match *outcome {
        Outcome::Confirmed { already: true, .. }
        | Outcome::Released { already: true, .. }
        | Outcome::Cancelled { already: true, .. } => row.text("already"),
        Outcome::Accepted {
            displaced,
            partly_stale,
        } if displaced > 0 || partly_stale => {
            let stale = if partly_stale { " partly_stale" } else { "" };
            row.display(format_args!("displaced={displaced}{stale}"));
        }
        Outcome::Refused(Reason::SoldOut { available }) => {
            row.display(format_args!("available={available}"));
        }
        Outcome::Refused(Reason::PriceChanged { now: Some(now) }) => {
            row.display(format_args!("now={now} {}", now.currency));
        }
        Outcome::Refused(Reason::PriceChanged { now: None }) => row.text("now=none"),
        Outcome::Held { .. }
        | Outcome::Confirmed { .. }
        | Outcome::Released { .. }
        | Outcome::Cancelled { .. }
        | Outcome::Accepted { .. }
        | Outcome::Stale
        | Outcome::Noted
        | Outcome::Refused(_) => row.null(),
    }
}

pub(super) static FEED_REJECT: Table = Table {
    schema: "flightline",
    name: "feed_reject",
    columns: &[
        ("partition", Type::Int4),
        ("offset", Type::Int8),
        ("at", Type::Timestamp),
        ("provider", Type::Text),
        ("message", Type::Text),
        ("line", Type::Int8),
        ("code", Type::Text),
        ("reason", Type::Text),
        ("raw", Type::Bytes),
    ],
    key: 2,
    fixed: &[],
};

pub(super) fn write_reject(line: &FeedRejectRow, row: &mut Row<'_>) {
    row.i32(line.partition as i32);
    row.u64(line.offset);
    row.timestamp_ms(line.at_ms);
    row.text(line.provider.as_str());
    row.text(&line.message);
    row.u64(line.line);
    row.text(&line.code);
    row.text(&line.reason);
    row.bytes(&line.raw);
}

/// Every table, in the order in which batches write them.
pub(super) static ALL: [&Table; 12] = [
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
    &DECISION,
    &FEED_REJECT,
];
