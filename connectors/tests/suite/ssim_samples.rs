//! SSIM files that others published: see `feeds`.

use std::collections::BTreeMap;

use flightline_connectors::{Code, Parsed};
use flightline_ledger::ProviderBody;

use crate::feeds::sample;
use crate::ssim_file::in_utc;
use crate::support::{events, parse, rejects, warnings};

const LARGE: &str = "ssim/large_two_carrier_blocks_local_time.ssim";

/// A dated leg: flight number, stations, UTC times, type, seats by cabin.
type Row = (String, String, String, i64, i64, String, String);

/// The dated legs of every flight that is no codeshare, and how many seats they have.
fn rows(items: &[Parsed]) -> (Vec<Row>, u64) {
    let mut rows = Vec::new();
    let mut seats = 0;
    for event in events(items) {
        let ProviderBody::Schedule(schedule) = event.body else {
            panic!("an SSIM file gives schedules only");
        };
        if schedule.operating.is_some() {
            continue;
        }
        let flight = event.flight.to_string();
        let number = flight.split('.').next().unwrap().to_owned();
        for leg in schedule.legs {
            let cabins: Vec<_> = leg
                .cabins
                .iter()
                .map(|c| format!("{}{}", c.cabin, c.seats.unwrap_or(0)))
                .collect();
            seats += leg
                .cabins
                .iter()
                .map(|c| u64::from(c.seats.unwrap_or(0)))
                .sum::<u64>();
            rows.push((
                number.clone(),
                leg.board.to_string(),
                leg.off.to_string(),
                leg.times.departs_s,
                leg.times.arrives_s,
                String::from_utf8(leg.aircraft.to_vec()).unwrap(),
                cabins.concat(),
            ));
        }
    }
    rows.sort();
    (rows, seats)
}

#[test]
fn the_large_sample_expands_to_its_legs_and_seats() {
    let Some(bytes) = sample(LARGE) else { return };
    let items = parse("ssim", &bytes);
    assert_eq!(
        rejects(&items)
            .iter()
            .map(|r| r.to_string())
            .collect::<Vec<_>>(),
        [""; 0]
    );
    let (rows, seats) = rows(&items);
    assert_eq!((rows.len(), seats), (3070, 514_852));
    let ends = items
        .iter()
        .filter(|i| matches!(i, Parsed::ReplaceEnd { .. }));
    assert_eq!(ends.count(), 2, "both blocks came whole");
}

/// Pitfall: the numbers of variations and legs differ between the two forms of one schedule.
#[test]
fn local_time_and_utc_give_the_same_flights() {
    let Some(bytes) = sample(LARGE) else { return };
    let local = String::from_utf8(bytes).unwrap();
    let local_items = parse("ssim", local.as_bytes());
    let utc_items = parse("ssim", in_utc(&local).as_bytes());
    assert_eq!(rows(&local_items), rows(&utc_items));
    let flights = |items: &[Parsed]| {
        let mut flights: Vec<_> = events(items)
            .into_iter()
            .map(|e| (e.flight, e.body))
            .map(|(f, b)| (f, format!("{b:?}")))
            .collect();
        flights.sort();
        flights
    };
    assert_eq!(flights(&local_items), flights(&utc_items));
}

/// Every file of the folder: items by kind.
#[test]
fn every_published_file_is_taken_or_refused_as_the_page_says() {
    let mut table = Vec::new();
    for name in [
        "large_two_carrier_blocks_local_time",
        "small_af_W20_type4",
        "small_type4_codeshare_suffix_overflow",
        "small_with_duplicates",
    ] {
        let Some(bytes) = sample(&format!("ssim/{name}.ssim")) else {
            return;
        };
        let items = parse("ssim", &bytes);
        let mut codes: BTreeMap<Code, usize> = BTreeMap::new();
        for reject in rejects(&items) {
            *codes.entry(reject.code).or_default() += 1;
        }
        let (rows, seats) = rows(&items);
        table.push((
            events(&items).len(),
            rows.len(),
            seats,
            warnings(&items).len(),
            codes,
        ));
    }
    let codes = |all: &[(Code, usize)]| all.iter().copied().collect::<BTreeMap<_, _>>();
    // Events, dated legs of their own aircraft, seats, remarks, rejects.
    assert_eq!(
        table,
        [
            // Two whole blocks. 22 legs do not depart where the leg before them arrives.
            (2568, 3070, 514_852, 22, codes(&[])),
            // No trailer: cut, or made so. Two variations overlap.
            (20, 20, 3300, 1, codes(&[(Code::BadReplace, 1)])),
            // Serial numbers that jump; segment data that belongs to no leg.
            (34, 25, 4405, 8, codes(&[(Code::BadReplace, 1)])),
            // Cut from a longer file: its trailer counts 515 records. Two legs come twice.
            (4, 4, 988, 2, codes(&[(Code::BadReplace, 1)])),
        ]
    );
}
