//! A placement for tests: of this module, and of the suite over all ways, which includes this file.

use flightline_ledger::{CommandId, Money};

use super::{Placement, PlacementKey, Traveller};

/// A seat for Amelia O'Earhart on UA1545 from EWR to IAH.
pub(crate) fn placement(key: u128) -> Placement {
    Placement {
        key: PlacementKey(key),
        provider: "acme".parse().unwrap(),
        order: "ord_00000000000000000000000000000001".to_owned(),
        segment: 1,
        booking: "ABC234".to_owned(),
        flight: "UA1545.2027-01-05.EWR".parse().unwrap(),
        board: "EWR".parse().unwrap(),
        off: "IAH".parse().unwrap(),
        date: "2027-01-05".parse().unwrap(),
        departs_ms: 1_799_154_000_000,
        cabin: "Y".parse().unwrap(),
        class: Some("Q".parse().unwrap()),
        seats: 1,
        price: Money {
            minor: 12_000,
            currency: "USD".parse().unwrap(),
            exponent: 2,
        },
        hold: CommandId(7),
        asked_before: 0,
        since_ms: 1_798_761_600_000,
        travellers: vec![traveller("Amelia", "1987-07-24")],
    }
}

/// Somebody of that family.
pub(crate) fn traveller(given_name: &str, born_on: &str) -> Traveller {
    Traveller {
        title: "ms".to_owned(),
        gender: "f".to_owned(),
        given_name: given_name.to_owned(),
        family_name: "O'Earhart".to_owned(),
        born_on: born_on.to_owned(),
        email: "amelia@example.com".to_owned(),
        phone_number: "+442080160509".to_owned(),
        carries: None,
    }
}
