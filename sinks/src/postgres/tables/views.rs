//! Tables of schema `views`.

use std::hash::Hasher;

use flightline_dataflows::rows::{CheapestRow, LoadFactorRow, OfferRow, OversoldRow, RouteDayRow};
use flightline_ledger::{Cabin, Class, Currency, Date, FlightKey, ProviderCode, Station};

use super::{Keyed, Table, aircraft, hash_flight, hash_segment, letter, local_s, word};
use crate::postgres::copy::{Row, Type};

pub(in crate::postgres) static OFFERS: Table = Table {
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
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_flight(&key.0, hasher);
        hasher.write_u128(u128::from_le_bytes(key.3.bytes()));
        let ([a, b, c], [d, e, f]) = (key.1.bytes(), key.2.bytes());
        let class = letter(key.5).unwrap_or(0);
        hasher.write_u64(u64::from_le_bytes([
            a,
            b,
            c,
            d,
            e,
            f,
            key.4.letter(),
            class,
        ]));
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.flight(&key.0);
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

pub(in crate::postgres) static AVAILABILITY: Table = Table {
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
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_segment(key.0, key.1, key.2, key.3, hasher);
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

pub(in crate::postgres) static CHEAPEST: Table = Table {
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
    type Key = (Station, Station, Date, Cabin, Currency);
    fn key(&self) -> Self::Key {
        let currency = self.price.currency;
        (self.board, self.off, self.date, self.cabin, currency)
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_segment(key.0, key.1, key.2, key.3, hasher);
        let [a, b, c] = key.4.bytes();
        hasher.write_u32(u32::from_le_bytes([a, b, c, 0]));
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
        row.flight(&self.flight);
        row.text(self.provider.as_str());
        row.letter(letter(self.class));
    }
}

pub(in crate::postgres) static LOAD_FACTOR: Table = Table {
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
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_flight(&key.0, hasher);
        hasher.write_u32(word(key.1, key.2.letter(), None));
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.flight(&key.0);
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

pub(in crate::postgres) static OVERSOLD: Table = Table {
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
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hash_flight(&key.0, hasher);
        hasher.write_u128(key.3.map_or(0, |p| u128::from_le_bytes(p.bytes())));
        hasher.write_u32(word(key.1, key.2.letter(), key.4));
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        row.flight(&key.0);
        row.i16(i16::from(key.1));
        row.letter(Some(key.2.letter()));
        row.text(key.3.as_ref().map_or("", ProviderCode::as_str));
        row.letter(letter(key.4));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        row.i32(self.oversold);
    }
}
