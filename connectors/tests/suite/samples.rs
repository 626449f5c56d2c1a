//! Real responses of providers, read from a folder that is no part of this repository: what each gives,
//! in one table. `FLIGHTLINE_TEST_FEEDS` names the folder; without it these tests say so and check
//! nothing, and the made-up inputs beside them hold every rule all the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flightline_connectors::{Options, Parsed};
use flightline_ledger::ProviderBody;

use crate::support::{events, parse_with, rejects, warnings};

/// The folder, if there is one.
pub(crate) fn feeds() -> Option<PathBuf> {
    match std::env::var_os("FLIGHTLINE_TEST_FEEDS").map(PathBuf::from) {
        Some(folder) if folder.is_dir() => Some(folder),
        Some(folder) => panic!("FLIGHTLINE_TEST_FEEDS: {} is no folder", folder.display()),
        None => {
            eprintln!("SKIPPED: FLIGHTLINE_TEST_FEEDS does not name the folder with the samples");
            None
        }
    }
}

fn read(file: &str, format: &str, observed_at: &str) -> Option<Vec<Parsed>> {
    let path = feeds()?.join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let options = Options::new().with("observed_at", observed_at);
    Some(parse_with(format, &options, &bytes))
}

/// file, format, received, events by kind in the order of `KINDS`, rejects by code, remarks
type Row = (
    &'static str,
    &'static str,
    &'static str,
    [usize; 6],
    &'static [(&'static str, usize)],
    usize,
);

const KINDS: [&str; 6] = [
    "flights",
    "codeshares",
    "schedule",
    "availability",
    "fares",
    "expiring",
];

const ROWS: &[Row] = &[
    (
        "availability/avs_examples_CONSTRUCTED.txt",
        "avs",
        "2026-11-25T12:00:00Z",
        [6, 0, 0, 15, 0, 0],
        &[],
        0,
    ),
    (
        "availability/Air_MultiAvailabilityReply_1A.xml",
        "amadeus-multiavailability",
        "2014-01-02T12:00:00Z",
        [11, 6, 11, 0, 0, 0],
        &[("unknown_operating", 1)],
        6,
    ),
    (
        "json/amadeus/flight_availabilities_response.json.gz",
        "amadeus-availability",
        "2021-10-01T12:00:00Z",
        [57, 2, 57, 818, 0, 818],
        &[("unknown_operating", 10)],
        2,
    ),
    (
        "json/amadeus/flight_offers_search_v2_get.json",
        "amadeus-offers",
        "2020-07-01T12:00:00Z",
        [2, 0, 2, 2, 0, 2],
        &[],
        0,
    ),
    (
        "json/amadeus/FlightAvailabilitiesSearch_v1.json",
        "amadeus-availability",
        "2021-10-01T12:00:00Z",
        [0, 0, 0, 0, 0, 0],
        &[("unknown_type", 1)],
        0,
    ),
    (
        "json/amadeus/FlightOffersSearch_v2.json",
        "amadeus-offers",
        "2021-10-01T12:00:00Z",
        [0, 0, 0, 0, 0, 0],
        &[("unknown_type", 1)],
        0,
    ),
    (
        "json/amadeus/OnDemandFlightStatus_v2.json",
        "amadeus-offers",
        "2021-10-01T12:00:00Z",
        [0, 0, 0, 0, 0, 0],
        &[("unknown_type", 1)],
        0,
    ),
    (
        "json/duffel/create-offer-request.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [1, 0, 1, 1, 1, 2],
        &[],
        0,
    ),
    (
        "json/duffel/get-offer-by-id.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [1, 0, 1, 1, 1, 2],
        &[],
        0,
    ),
    (
        "json/duffel/get-offer-by-id-with-null-payment-requirements.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [1, 0, 1, 1, 1, 2],
        &[],
        0,
    ),
    (
        "json/duffel/get-offers.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [1, 0, 1, 1, 0, 1],
        &[],
        0,
    ),
    (
        "json/duffel/offers_list_50.json.gz",
        "duffel",
        "2021-12-21T15:11:00Z",
        [30, 2, 30, 37, 0, 37],
        &[],
        6,
    ),
    (
        "json/duffel/get-airlines.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [0, 0, 0, 0, 0, 0],
        &[("unknown_type", 1)],
        0,
    ),
    (
        "json/duffel/get-airline-without-iata-code.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [0, 0, 0, 0, 0, 0],
        &[("unknown_type", 1)],
        0,
    ),
    (
        "json/duffel/get-seat-maps.json",
        "duffel",
        "2020-01-17T10:15:00Z",
        [0, 0, 0, 0, 0, 0],
        &[("unknown_type", 1)],
        0,
    ),
    (
        "ndc/AMA_TravelOfferPriceRS_codeshare_AA-EI.xml",
        "ndc",
        "2024-09-13T11:00:00Z",
        [2, 2, 2, 2, 0, 2],
        &[],
        0,
    ),
];

fn counted(items: &[Parsed]) -> ([usize; 6], BTreeMap<String, usize>, usize) {
    let events = events(items);
    let mut flights: Vec<_> = events.iter().map(|event| event.flight).collect();
    flights.sort_unstable();
    flights.dedup();
    let count = |wanted: &dyn Fn(&ProviderBody) -> bool| {
        events.iter().filter(|event| wanted(&event.body)).count()
    };
    // The last word on each flight counts.
    let linked: BTreeMap<_, _> = events
        .iter()
        .filter_map(|event| match &event.body {
            ProviderBody::Schedule(schedule) => Some((event.flight, schedule.operating)),
            _ => None,
        })
        .collect();
    let expiring = events.iter().filter(|event| {
        event
            .observed
            .as_ref()
            .is_some_and(|o| o.expires_ms.is_some())
    });
    let kinds = [
        flights.len(),
        linked
            .values()
            .filter(|operating| operating.is_some())
            .count(),
        count(&|body| matches!(body, ProviderBody::Schedule(_))),
        count(&|body| matches!(body, ProviderBody::Availability(_))),
        count(&|body| matches!(body, ProviderBody::Fares(_))),
        expiring.count(),
    ];
    let mut codes = BTreeMap::new();
    for reject in rejects(items) {
        *codes.entry(reject.code.name().to_owned()).or_default() += 1;
    }
    (kinds, codes, warnings(items).len())
}

/// A line of the table.
fn row(
    file: &str,
    format: &str,
    kinds: &[usize; 6],
    codes: &BTreeMap<String, usize>,
    remarks: usize,
) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let codes: Vec<_> = codes
        .iter()
        .map(|(code, n)| format!("{n} `{code}`"))
        .collect();
    let refused = match codes.as_slice() {
        [] => "none".to_owned(),
        codes => codes.join(", "),
    };
    format!(
        "| {name} | `{format}` | {} | {refused} | {remarks} |",
        kinds.map(|n| n.to_string()).join(" | ")
    )
}

fn codes_of(codes: &[(&str, usize)]) -> BTreeMap<String, usize> {
    codes
        .iter()
        .map(|(code, n)| ((*code).to_owned(), *n))
        .collect()
}

/// Every file is taken, or refused with the reasons that stand here. Prints the table.
#[test]
fn every_sample_is_taken_or_refused_with_its_reason() {
    let mut wrong = Vec::new();
    eprintln!(
        "| file | format | {} | refused | remarks |",
        KINDS.join(" | ")
    );
    for (file, format, received, kinds, codes, remarks) in ROWS {
        let Some(items) = read(file, format, received) else {
            return;
        };
        let got = counted(&items);
        eprintln!("{}", row(file, format, &got.0, &got.1, got.2));
        if got != (*kinds, codes_of(codes), *remarks) {
            wrong.push(*file);
        }
    }
    assert_eq!(
        wrong, [""; 0],
        "these give something else than the table says"
    );
}

/// The page shows the same table.
#[test]
fn the_page_shows_what_the_samples_give() {
    const PAGE: &str = include_str!("../../../docs/formats/samples.md");
    for (file, format, _, kinds, codes, remarks) in ROWS {
        let row = row(file, format, kinds, &codes_of(codes), *remarks);
        assert!(
            PAGE.lines().any(|line| line == row),
            "not on the page: {row}"
        );
    }
}

/// What other programs read in these files, and what stands in them.
#[test]
fn samples_say_what_is_known_of_them() {
    let Some(items) = read(
        "json/amadeus/flight_availabilities_response.json.gz",
        "amadeus-availability",
        "2021-10-01T12:00:00Z",
    ) else {
        return;
    };
    let all = events(&items);
    let last = |flight: &str, class: &str| {
        all.iter()
            .filter(|event| event.flight == flight.parse().unwrap())
            .filter_map(|event| match &event.body {
                ProviderBody::Availability(a) if a.class == class.parse().ok() => a.seats,
                _ => None,
            })
            .next_back()
    };
    // UA1665 shows 4 in J before UA3611 and 9 before JL7300; UA2344 7 and 6 in D.
    assert_eq!(
        last("UA1665.2021-11-01.ORD", "J").or(last("UA1665.2021-11-01.MIA", "J")),
        Some(4)
    );
    assert_eq!(last("UA2344.2021-11-01.MIA", "D"), Some(6));
    let linked = all.iter().any(|event| {
        matches!(&event.body, ProviderBody::Schedule(s)
            if event.flight.to_string().starts_with("VS3177.")
                && s.operating.is_some_and(|key| key.to_string().starts_with("DL2192.")))
    });
    assert!(linked, "DL2192 and VS3177 are one aircraft");

    let items = read(
        "ndc/AMA_TravelOfferPriceRS_codeshare_AA-EI.xml",
        "ndc",
        "2024-09-13T11:00:00Z",
    )
    .unwrap_or_default();
    let all = events(&items);
    let ProviderBody::Schedule(first) = &all[0].body else {
        panic!("{:?}", all[0]);
    };
    assert_eq!(all[0].flight, "AA8330.2025-02-11.JFK".parse().unwrap());
    assert_eq!(first.operating, "EI104.2025-02-11.JFK".parse().ok());
    let seen = all
        .iter()
        .find_map(|event| event.observed.as_ref())
        .unwrap();
    assert_eq!(seen.total.unwrap().to_string(), "842.80");
    assert_eq!(seen.passengers, Some(2));
}
