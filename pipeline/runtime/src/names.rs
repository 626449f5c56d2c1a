//! Names of airports and airlines, for views in SQL.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use flightline_connectors::airports::airports;
use flightline_connectors::reference::{airlines, cities};
use flightline_dataflows::reference::{AirlineName, AirportName, Reference};
use flightline_dataflows::relational::Decimal;

/// Decimals of a degree: a tenth of a metre.
const SCALE: u32 = 6;

/// The names that come with the program. Read once.
pub(crate) fn reference() -> Reference {
    static NAMES: OnceLock<Reference> = OnceLock::new();
    NAMES.get_or_init(read).clone()
}

/// A list of places has no angle that does not fit.
fn degrees(angle: f64) -> Decimal {
    let digits = (angle * 1e6).round() as i128;
    Decimal::new(digits, SCALE).map_or(Decimal::ZERO, Decimal::normalized)
}

fn read() -> Reference {
    let mut areas = BTreeMap::new();
    for city in cities() {
        areas.extend(city.airports.iter().map(|airport| (*airport, city.iata)));
    }
    let airports = airports().iter().map(|airport| AirportName {
        iata: airport.iata,
        icao: &airport.icao,
        name: &airport.name,
        city: &airport.city,
        area: areas.get(&airport.iata).copied(),
        country: &airport.country,
        latitude: degrees(airport.latitude_deg),
        longitude: degrees(airport.longitude_deg),
        time_zone: airport.zone.name(),
    });
    let airlines = airlines().iter().map(|airline| AirlineName {
        iata: airline.iata,
        name: &airline.name,
    });
    Reference::new(airports, airlines)
}

#[cfg(test)]
mod tests {
    use flightline_dataflows::relational::sources::REFERENCE;

    use super::*;

    #[test]
    fn tables_that_show_names_are_made_anew_when_a_release_has_others() {
        let now = reference().fingerprint();
        assert_eq!(
            now, REFERENCE,
            "the names have changed: set REFERENCE of the dataflows' sources to {now:#x}"
        );
    }
}
