//! Canonical events that the tests push.

use serde_json::{Value, json};

/// A flight far enough in the future that no test meets its departure.
pub(crate) fn flight(number: u32) -> String {
    format!("FL{number}.2035-06-01.JFK")
}

/// A provider's version: higher is newer.
pub(crate) fn version(n: u32) -> Value {
    json!({"time": "2035-01-01T00:00:00Z", "sequence": n})
}

/// One leg JFK–LAX with so many seats in economy, all for sale.
pub(crate) fn schedule(flight: &str, seats: u32, at: u32) -> Value {
    json!({
        "type": "schedule", "flight_key": flight, "source_version": version(at),
        "legs": [{
            "board": "JFK", "off": "LAX",
            "departs": "2035-06-01T08:00:00-04:00", "arrives": "2035-06-01T11:00:00-07:00",
            "aircraft": "738", "service": "J",
            "cabins": [{"cabin": "Y", "seats": seats}],
        }],
    })
}

/// A flight back, four days later.
pub(crate) fn flight_back(number: u32) -> String {
    format!("FL{number}.2035-06-05.LAX")
}

/// One leg LAX–JFK with so many seats in economy, all for sale.
pub(crate) fn schedule_back(flight: &str, seats: u32, at: u32) -> Value {
    let mut schedule = schedule(flight, seats, at);
    let leg = &mut schedule["legs"][0];
    leg["board"] = json!("LAX");
    leg["off"] = json!("JFK");
    leg["departs"] = json!("2035-06-05T12:00:00-07:00");
    leg["arrives"] = json!("2035-06-05T20:30:00-04:00");
    schedule
}

/// A price for every seat.
pub(crate) fn fares(flight: &str, amount: &str, at: u32) -> Value {
    json!({
        "type": "fares", "flight_key": flight, "source_version": version(at),
        "fares": [{"cabin": "Y", "amount": amount, "currency": "USD"}],
    })
}

/// Another configuration: so many seats in economy.
pub(crate) fn equipment(flight: &str, seats: u32, at: u32) -> Value {
    json!({
        "type": "equipment", "flight_key": flight, "source_version": version(at),
        "cabins": [{"cabin": "Y", "seats": seats}],
    })
}

/// The flight will not fly, or will again.
pub(crate) fn status(flight: &str, what: &str, at: u32) -> Value {
    json!({"type": what, "flight_key": flight, "source_version": version(at)})
}
