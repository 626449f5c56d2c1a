//! The beginning of a row as a number, to sort by.
//!
//! Rows are wide and sorting moves them; it is much faster to sort numbers that lead to them. Where
//! two prefixes are equal the rows are compared, so a prefix may be short, but never in another
//! order than its rows.

use flightline_ledger::{Cabin, Date, FlightKey, ProviderCode, Station};

use crate::relational::{Row, RowFault};
use crate::rows::{
    CheapestRow, DriftRow, FareRow, FlightRow, HoldRow, InventoryRow, LegRow, LoadFactorRow,
    OfferRow, OrderRow, OversoldRow, RouteDayRow,
};

/// A row whose order begins with a number: `a.prefix() < b.prefix()` implies `a < b`.
pub(crate) trait Prefix: Ord {
    /// The number.
    fn prefix(&self) -> u128;
}

/// A flight key, and up to three bytes of what comes next in the row.
fn flight(key: FlightKey, next: [u8; 3]) -> u128 {
    let mut bytes = [0; 16];
    bytes[..13].copy_from_slice(&key.to_bytes());
    bytes[13..].copy_from_slice(&next);
    u128::from_be_bytes(bytes)
}

fn start_of(provider: ProviderCode) -> [u8; 3] {
    let bytes = provider.bytes();
    [bytes[0], bytes[1], bytes[2]]
}

fn leg_cabin(leg_no: u8, cabin: Cabin) -> [u8; 3] {
    [leg_no, cabin.letter(), 0]
}

/// Stations and day, and six bytes of what comes next.
fn route(board: Station, off: Station, date: Date, next: [u8; 6]) -> u128 {
    let mut bytes = [0; 16];
    bytes[..3].copy_from_slice(&board.bytes());
    bytes[3..6].copy_from_slice(&off.bytes());
    bytes[6..10].copy_from_slice(&((date.0 as u32) ^ 0x8000_0000).to_be_bytes());
    bytes[10..].copy_from_slice(&next);
    u128::from_be_bytes(bytes)
}

fn cabin_next(cabin: Cabin) -> [u8; 6] {
    [cabin.letter(), 0, 0, 0, 0, 0]
}

impl Prefix for std::sync::Arc<OrderRow> {
    fn prefix(&self) -> u128 {
        self.order.0
    }
}

impl Prefix for Row {
    fn prefix(&self) -> u128 {
        let mut start = [0; 16];
        let len = self.bytes().len().min(16);
        start[..len].copy_from_slice(&self.bytes()[..len]);
        u128::from_be_bytes(start)
    }
}

impl Prefix for RowFault {
    fn prefix(&self) -> u128 {
        u128::from(self.line) << 32 | u128::from(self.column)
    }
}

impl Prefix for FlightRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, [0; 3])
    }
}

impl Prefix for LegRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, [self.leg_no, 0, 0])
    }
}

impl Prefix for InventoryRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, start_of(self.provider))
    }
}

impl Prefix for DriftRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, start_of(self.provider))
    }
}

impl Prefix for FareRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, start_of(self.provider))
    }
}

impl Prefix for LoadFactorRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, leg_cabin(self.leg_no, self.cabin))
    }
}

impl Prefix for OversoldRow {
    fn prefix(&self) -> u128 {
        flight(self.flight, leg_cabin(self.leg_no, self.cabin))
    }
}

impl Prefix for HoldRow {
    fn prefix(&self) -> u128 {
        u128::from(self.partition) << 64 | u128::from(self.offset)
    }
}

impl Prefix for OfferRow {
    fn prefix(&self) -> u128 {
        let mut next = [0; 6];
        next.copy_from_slice(&self.flight.to_bytes()[..6]);
        route(self.board, self.off, self.date, next)
    }
}

impl Prefix for RouteDayRow {
    fn prefix(&self) -> u128 {
        route(self.board, self.off, self.date, cabin_next(self.cabin))
    }
}

impl Prefix for CheapestRow {
    fn prefix(&self) -> u128 {
        route(self.board, self.off, self.date, cabin_next(self.cabin))
    }
}
