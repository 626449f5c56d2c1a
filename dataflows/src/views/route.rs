//! What views across flights are keyed by, packed into one number that compares and hashes fast.

use flightline_ledger::view::LegView;
use flightline_ledger::{Cabin, Currency, Date, Station};

/// A segment on a day in a cabin, and a currency where prices are compared. Sorts like the fields.
pub(super) type RouteKey = u128;

/// Local calendar day of a leg's departure.
pub(super) fn local_day(leg: &LegView) -> Date {
    let local = leg.times.departs_s + i64::from(leg.times.departs_offset_min) * 60;
    // The ledger takes no times outside the years 1900 to 2999.
    Date(local.div_euclid(86_400) as i32)
}

/// Packs a key: 3 bytes each of stations, 4 of the day, 1 of the cabin, 3 of the currency.
pub(super) fn pack(
    board: Station,
    off: Station,
    date: Date,
    cabin: Cabin,
    currency: Option<Currency>,
) -> RouteKey {
    let mut bytes = [0; 16];
    bytes[..3].copy_from_slice(&board.bytes());
    bytes[3..6].copy_from_slice(&off.bytes());
    bytes[6..10].copy_from_slice(&((date.0 as u32) ^ 0x8000_0000).to_be_bytes());
    bytes[10] = cabin.letter();
    if let Some(currency) = currency {
        bytes[11..14].copy_from_slice(&currency.bytes());
    }
    u128::from_be_bytes(bytes)
}

/// What [`pack`] put in.
pub(super) struct Route {
    pub(super) board: Station,
    pub(super) off: Station,
    pub(super) date: Date,
    pub(super) cabin: Cabin,
    pub(super) currency: Option<Currency>,
}

/// Unpacks a key that [`pack`] made.
///
/// # Panics
/// When it did not make it.
pub(super) fn unpack(key: RouteKey) -> Route {
    let b = key.to_be_bytes();
    let (Ok(board), Ok(off), Ok(cabin)) = (
        Station::from_bytes([b[0], b[1], b[2]]),
        Station::from_bytes([b[3], b[4], b[5]]),
        Cabin::new(b[10]),
    ) else {
        panic!("{key:x} is no key of a route");
    };
    Route {
        board,
        off,
        date: Date((u32::from_be_bytes([b[6], b[7], b[8], b[9]]) ^ 0x8000_0000) as i32),
        cabin,
        currency: Currency::from_bytes([b[11], b[12], b[13]]).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_sort_by_day() {
        let (board, off) = ("EWR".parse().unwrap(), "IAH".parse().unwrap());
        let cabin = "Y".parse().unwrap();
        let currency: Option<Currency> = Some("USD".parse().unwrap());
        let mut last = 0;
        for day in [-25_567, -1, 0, 1, 20_000] {
            let key = pack(board, off, Date(day), cabin, currency);
            assert!(key > last, "day {day}");
            last = key;
            let back = unpack(key);
            assert_eq!((back.board, back.off, back.date), (board, off, Date(day)));
            assert_eq!((back.cabin, back.currency), (cabin, currency));
        }
        assert_eq!(
            unpack(pack(board, off, Date(3), cabin, None)).currency,
            None
        );
    }
}
