//! Seats and type of an aircraft by its registration, from the FAA registry as the dataset has it.
//!
//! Registrations are used again: the registry names light aircraft, helicopters and business jets
//! for numbers that an airliner had in 2013, and has no row at all for many. Fewer than 20 seats on
//! an airline's flight is therefore taken as unknown, and unknown seats are estimated by carrier.

use std::collections::HashMap;
use std::sync::OnceLock;

use flightline_ledger::Carrier;

use crate::csv_line;

/// Below this many, the aircraft is not the one that flew: every carrier of the dataset flies jets
/// of 30 seats and more.
const SEATS_PLAUSIBLE_MIN: u16 = 20;

/// Seats for a carrier that is not in the list: the median over all rows of January 2013 with a
/// plausible count.
const SEATS_ANY_CARRIER: u16 = 149;

/// The seats that a carrier's flights have where they are unknown: the median (the lower of the
/// two middle ones) over the carrier's rows of January 2013 with a plausible count.
///
/// American (AA) and Envoy (MQ) are the exceptions. Of their rows, 26 and 3 in a hundred have a
/// count, and those are the ones whose numbers the registry happens to know: wide-bodies for the
/// first (median 255), another owner's business jets for the second (median 22). They get the
/// round figures of the types that they mostly flew, the Boeing 737-800 and the Embraer 145.
const SEATS_BY_CARRIER: [(&str, u16); 16] = [
    ("9E", 95),
    ("AA", 160),
    ("AS", 149),
    ("B6", 200),
    ("DL", 178),
    ("EV", 55),
    ("F9", 182),
    ("FL", 100),
    ("HA", 377),
    ("MQ", 50),
    ("OO", 55),
    ("UA", 178),
    ("US", 179),
    ("VX", 182),
    ("WN", 140),
    ("YV", 80),
];

/// The aircraft of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aircraft {
    pub(super) seats: u16,
    /// The count is an estimate.
    pub(super) imputed: bool,
    /// IATA type, or zeros when unknown.
    pub(super) iata_type: [u8; 3],
}

/// The aircraft of a registration, for a flight of the carrier.
pub(super) fn aircraft(tail: Option<&str>, carrier: Carrier) -> Aircraft {
    match tail.and_then(|tail| registry().get(tail)) {
        Some((seats, iata_type)) if *seats >= SEATS_PLAUSIBLE_MIN => Aircraft {
            seats: *seats,
            imputed: false,
            iata_type: *iata_type,
        },
        _ => Aircraft {
            seats: SEATS_BY_CARRIER
                .iter()
                .find(|(code, _)| *code == carrier.as_str())
                .map_or(SEATS_ANY_CARRIER, |(_, seats)| *seats),
            imputed: true,
            iata_type: [0; 3],
        },
    }
}

/// Seats and type by registration.
type Registry = HashMap<&'static str, (u16, [u8; 3])>;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| read(include_str!("../../data/nycflights13/planes.csv")))
}

fn read(text: &'static str) -> Registry {
    const HEADER: &str = "tailnum,year,type,manufacturer,model,engines,seats,speed,engine";
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER), "the bundled registry");
    let mut fields = Vec::new();
    lines
        .map(|line| {
            csv_line::split(line, &mut fields).expect("the bundled registry is sound");
            let seats = fields[6].parse().expect("the bundled registry has seats");
            let tail = line.split(',').next().unwrap_or_default();
            (tail, (seats, iata_type(&fields[4])))
        })
        .collect()
}

/// The IATA type code of a model as the registry names it, where the name tells; else zeros.
fn iata_type(model: &str) -> [u8; 3] {
    const TYPES: [(&str, &[u8; 3]); 35] = [
        ("717-2", b"717"),
        ("737-3", b"733"),
        ("737-4", b"734"),
        ("737-5", b"735"),
        ("737-7", b"73G"),
        ("737-8", b"738"),
        ("737-9", b"739"),
        ("747-4", b"744"),
        ("757-2", b"752"),
        ("757-3", b"753"),
        ("767-2", b"762"),
        ("767-3", b"763"),
        ("767-4", b"764"),
        ("777-2", b"772"),
        ("787-8", b"788"),
        ("A319-", b"319"),
        ("A320-", b"320"),
        ("A321-", b"321"),
        ("A330-2", b"332"),
        ("A330-3", b"333"),
        ("A340-3", b"343"),
        ("CL-600-2B19", b"CR2"),
        ("CL-600-2C10", b"CR7"),
        ("CL-600-2D24", b"CR9"),
        ("DC-9-51", b"D95"),
        ("DC-9-82", b"M82"),
        ("DC-9-83", b"M83"),
        ("MD-88", b"M88"),
        ("MD-90", b"M90"),
        ("EMB-135", b"ER3"),
        ("EMB-145", b"ER4"),
        ("ERJ 170", b"E70"),
        ("ERJ 175", b"E75"),
        ("ERJ 190", b"E90"),
        ("ERJ 195", b"E95"),
    ];
    TYPES
        .iter()
        .find(|(start, _)| model.starts_with(start))
        .map_or([0; 3], |(_, code)| **code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    #[test]
    fn aircraft_are_found_by_registration_and_junk_is_not_believed() {
        let of = |tail, carrier: &str| aircraft(tail, carrier.parse().unwrap());
        let known = of(Some("N14228"), "UA");
        assert_eq!(
            (known.seats, known.imputed, &known.iata_type),
            (149, false, b"738")
        );
        for (tail, carrier, seats) in [
            (None, "UA", 178),
            (Some("N0000"), "B6", 200),
            // A "FALCON XP" of two seats.
            (Some("N201AA"), "AA", 160),
            (None, "ZZ", SEATS_ANY_CARRIER),
        ] {
            let estimated = of(tail, carrier);
            assert_eq!(
                (estimated.seats, estimated.imputed, estimated.iata_type),
                (seats, true, [0; 3])
            );
        }
    }

    /// Recomputes the table from the bundled month.
    #[test]
    fn the_table_is_what_the_data_says() {
        let mut text = String::new();
        flate2::read::GzDecoder::new(super::super::JANUARY_CSV_GZ)
            .read_to_string(&mut text)
            .unwrap();
        let mut known: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split(',').collect();
            *rows.entry(fields[9]).or_default() += 1;
            if let Some((seats, _)) = registry().get(fields[11])
                && *seats >= SEATS_PLAUSIBLE_MIN
            {
                known.entry(fields[9]).or_default().push(*seats);
            }
        }
        assert_eq!(rows.len(), SEATS_BY_CARRIER.len());
        let median = |seats: &mut Vec<u16>| {
            seats.sort_unstable();
            seats[(seats.len() - 1) / 2]
        };
        let mut all: Vec<u16> = known.values().flatten().copied().collect();
        assert_eq!(median(&mut all), SEATS_ANY_CARRIER);
        for (carrier, seats) in SEATS_BY_CARRIER {
            let known = known.get_mut(carrier).unwrap();
            let exception = known.len() * 2 < rows[carrier];
            assert_eq!(exception, matches!(carrier, "AA" | "MQ"), "{carrier}");
            if !exception {
                assert_eq!(median(known), seats, "{carrier}");
            }
        }
    }

    #[test]
    fn most_of_the_registry_has_a_type() {
        let typed = registry().values().filter(|(_, t)| *t != [0; 3]).count();
        assert_eq!(registry().len(), 3322);
        assert!(typed > 3200, "{typed}");
    }
}
