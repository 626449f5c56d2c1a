//! Prices. The dataset has none: these are made up by a formula, in whole US dollars, and every
//! event that holds one is marked `synthetic_fare`.
//!
//! With the distance in statute miles,
//!
//! ```text
//! full  = 99.00 USD + 0.20 USD x miles
//! price = full x carrier % x weekday % x class %, rounded down to a whole dollar, at least 19 USD
//! ```
//!
//! Carrier, weekday and class are the tables below. The weekday is that of the local day of
//! departure after the shift. All in integers: the same row has the same price on any machine.

use flightline_ledger::command::Fare;
use flightline_ledger::{Carrier, Currency, Date, Money};

use super::cabins::{ClassShare, ECONOMY, FIRST, cabin_of, class_of};

/// In cents.
const BASE_CENTS: i64 = 9_900;
/// In cents per statute mile.
const MILE_CENTS: i64 = 20;
/// The lowest price, in cents.
const PRICE_CENTS_MIN: i64 = 1_900;

/// Per cent by carrier; others 100.
const CARRIERS: [(&str, i64); 10] = [
    ("AA", 104),
    ("AS", 98),
    ("B6", 92),
    ("DL", 105),
    ("F9", 84),
    ("FL", 88),
    ("HA", 108),
    ("UA", 104),
    ("VX", 96),
    ("WN", 90),
];

/// Per cent by weekday, Monday first.
const WEEKDAYS: [i64; 7] = [102, 94, 92, 100, 110, 96, 108];

/// Per cent by booking class.
const fn class_per_cent(class: u8) -> i64 {
    match class {
        b'F' => 240,
        b'A' => 180,
        b'Y' => 100,
        b'B' => 82,
        b'M' => 66,
        b'H' => 50,
        _ => 36,
    }
}

/// The fares of a flight: one per booking class, and one for each cabin sold without a class,
/// which is that of its highest class.
pub(super) fn fares(
    carrier: Carrier,
    distance_miles: i64,
    date: Date,
    with_first: bool,
) -> Vec<Fare> {
    let usd: Currency = "USD".parse().expect("a currency");
    let carrier = CARRIERS
        .iter()
        .find(|(code, _)| *code == carrier.as_str())
        .map_or(100, |(_, per_cent)| *per_cent);
    // 1970-01-01 was a Thursday, the fourth day of the week.
    let weekday = WEEKDAYS[(date.0 + 3).rem_euclid(7) as usize];
    let full = BASE_CENTS + MILE_CENTS * distance_miles;
    let price = |class: u8| {
        let cents = full * carrier * weekday * class_per_cent(class) / 1_000_000;
        Money {
            minor: (cents / 100 * 100).max(PRICE_CENTS_MIN),
            currency: usd,
            exponent: 2,
        }
    };
    let mut fares = Vec::with_capacity(9);
    let mut cabin = |cabin: u8, classes: &[ClassShare]| {
        let (highest, _) = classes[0];
        fares.push(Fare {
            segment: None,
            cabin: cabin_of(cabin),
            class: None,
            price: price(highest),
        });
        fares.extend(classes.iter().map(|(class, _)| Fare {
            segment: None,
            cabin: cabin_of(cabin),
            class: Some(class_of(*class)),
            price: price(*class),
        }));
    };
    if with_first {
        cabin(b'F', &FIRST);
    }
    cabin(b'Y', &ECONOMY);
    fares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fares_follow_the_stated_formula() {
        let of = |carrier: &str, miles, date: &str, first| {
            fares(
                carrier.parse().unwrap(),
                miles,
                date.parse().unwrap(),
                first,
            )
            .iter()
            .map(|fare| {
                let class = fare.class.map_or("-".to_owned(), |c| c.to_string());
                format!("{}{class} {}", fare.cabin, fare.price)
            })
            .collect::<Vec<_>>()
        };
        // Tuesday: (99 + 280) x 1.04 x 0.94 = 370.51
        assert_eq!(
            of("UA", 1400, "2013-01-01", true),
            [
                "F- 889.00",
                "FF 889.00",
                "FA 666.00",
                "Y- 370.00",
                "YY 370.00",
                "YB 303.00",
                "YM 244.00",
                "YH 185.00",
                "YQ 133.00"
            ]
        );
        // Friday, a carrier without entry, economy only.
        assert_eq!(of("EV", 94, "2013-01-04", false)[1], "YY 129.00");
        assert_eq!(of("EV", 94, "2013-01-04", false).len(), 6);
        // Weeks apart cost the same.
        assert_eq!(
            of("B6", 500, "2013-01-04", true),
            of("B6", 500, "2026-12-04", true)
        );
    }
}
