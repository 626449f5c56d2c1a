//! Whole months of the dataset, against figures worked out by another program.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use flightline_connectors::canonical::CanonicalEvent;
use flightline_connectors::{Options, nycflights13};
use flightline_ledger::command::{Schedule, quality};
use flightline_ledger::{ProviderBody, codes::FlightKey};

use crate::support::{events, ids, parse_with, rejects, warnings};

/// Figures of a month. Those of times come from the same rules written with Python's `zoneinfo`.
struct Month {
    rows: usize,
    cancelled: usize,
    imputed: usize,
    next_day: usize,
    /// Sum of all departures and arrivals, in seconds.
    instants_s: i64,
    block_min: i64,
}

const JANUARY: Month = Month {
    rows: 27_004,
    cancelled: 521,
    imputed: 4_765,
    next_day: 403,
    instants_s: 73_362_636_389_640,
    block_min: 5_021_612,
};

const MARCH: Month = Month {
    rows: 28_834,
    cancelled: 861,
    imputed: 4_832,
    next_day: 565,
    instants_s: 78_628_124_827_680,
    block_min: 5_332_880,
};

fn unpack(gz: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(gz)
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn schedules(events: &[CanonicalEvent]) -> Vec<(&CanonicalEvent, &Schedule)> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            ProviderBody::Schedule(schedule) => Some((event, schedule)),
            _ => None,
        })
        .collect()
}

fn check(gz: &[u8], month: &Month) {
    let text = unpack(gz);
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), month.rows);
    let raw_cancelled = rows
        .iter()
        .filter(|row| row.split(',').nth(3) == Some("NA"))
        .count();
    assert_eq!(raw_cancelled, month.cancelled);

    let items = parse_with("nycflights13", &Options::new(), gz);
    assert_eq!(
        rejects(&items),
        Vec::<&flightline_connectors::Reject>::new()
    );
    assert_eq!(warnings(&items).len(), 0);
    let all = events(&items);
    assert_eq!(items.len(), all.len());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &all {
        *kinds.entry(event.type_name()).or_default() += 1;
    }
    assert_eq!(
        kinds,
        BTreeMap::from([
            ("schedule", month.rows),
            ("fares", month.rows),
            ("cancel", month.cancelled),
        ])
    );

    let schedules = schedules(&all);
    let marked = |bit: u32| {
        schedules
            .iter()
            .filter(|(e, _)| e.quality & bit != 0)
            .count()
    };
    assert_eq!(marked(quality::SEATS_IMPUTED), month.imputed);
    assert_eq!(marked(quality::REPAIRED_ARRIVAL_DAY), month.next_day);
    assert_eq!(marked(quality::OFFSET_MISMATCH), 0);
    let keys: HashSet<FlightKey> = schedules.iter().map(|(e, _)| e.flight).collect();
    assert_eq!(keys.len(), month.rows, "two rows name one flight");
    let times = || schedules.iter().map(|(_, s)| s.legs[0].times);
    let instants_s: i64 = times().map(|t| t.departs_s + t.arrives_s).sum();
    let block_min: i64 = times().map(|t| (t.arrives_s - t.departs_s) / 60).sum();
    assert_eq!((instants_s, block_min), (month.instants_s, month.block_min));
    for (event, schedule) in &schedules {
        let seats: u16 = schedule.legs[0].cabins.iter().filter_map(|c| c.seats).sum();
        assert!(
            (20..=450).contains(&seats),
            "{} has {seats} seats",
            event.flight
        );
    }
    // A row's events follow each other, and a cancellation is newer than its schedule.
    for pair in all.windows(2) {
        if pair[1].body == ProviderBody::Cancel {
            assert_eq!(pair[0].flight, pair[1].flight);
            assert!(pair[1].version > pair[0].version);
        }
    }
}

#[test]
fn january_is_read_whole() {
    check(nycflights13::JANUARY_CSV_GZ, &JANUARY);
}

/// March has the change of clocks. Its file is not bundled.
#[test]
fn march_is_read_whole() {
    let folder = std::env::var("FLIGHTLINE_FEEDS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/feeds").to_owned());
    let path = format!("{folder}/nycflights13/flights-2013-03.csv.gz");
    match std::fs::read(&path) {
        Ok(gz) => check(&gz, &MARCH),
        Err(error) => eprintln!("SKIPPED march_is_read_whole: {path}: {error}"),
    }
}

#[test]
fn a_shift_moves_dates_and_keeps_local_times() {
    // Into July: other offsets nearly everywhere.
    let shift = 182;
    let options = Options::new().with("shift_days", shift.to_string());
    let winter = events(&parse_with(
        "nycflights13",
        &Options::new(),
        nycflights13::JANUARY_CSV_GZ,
    ));
    let summer = events(&parse_with(
        "nycflights13",
        &options,
        nycflights13::JANUARY_CSV_GZ,
    ));
    let winter = schedules(&winter);
    let summer = schedules(&summer);
    assert_eq!(winter.len(), summer.len());
    let mut shifted_by = BTreeMap::new();
    for ((before, old), (after, new)) in winter.iter().zip(&summer) {
        assert_eq!(
            after.flight.origin_date.0 - before.flight.origin_date.0,
            shift
        );
        assert_eq!(before.version, after.version);
        let (old, new) = (old.legs[0].times, new.legs[0].times);
        let local = |s: i64, min: i16| s + i64::from(min) * 60;
        assert_eq!(
            local(old.departs_s, old.departs_offset_min) + i64::from(shift) * 86_400,
            local(new.departs_s, new.departs_offset_min)
        );
        assert_eq!(new.departs_offset_min - old.departs_offset_min, 60);
        *shifted_by
            .entry(new.arrives_offset_min - old.arrives_offset_min)
            .or_insert(0) += 1;
    }
    // Honolulu, Phoenix, San Juan and others keep their clocks all year.
    assert_eq!(shifted_by.keys().copied().collect::<Vec<_>>(), [0, 60]);
    assert!(shifted_by[&60] > 25_000, "{shifted_by:?}");
}

#[test]
fn a_file_pushed_again_in_parts_has_the_same_ids() {
    let whole = ids(&parse_with(
        "nycflights13",
        &Options::new(),
        nycflights13::JANUARY_CSV_GZ,
    ));
    assert_eq!(whole.iter().collect::<HashSet<_>>().len(), whole.len());
    let text = unpack(nycflights13::JANUARY_CSV_GZ);
    let (header, _) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let mut parts = Vec::new();
    for part in rows.chunks(10_000) {
        let file = format!("{header}\r\n{}\r\n", part.join("\r\n"));
        parts.extend(ids(&parse_with(
            "nycflights13",
            &Options::new(),
            file.as_bytes(),
        )));
    }
    assert_eq!(parts, whole);
}

#[test]
fn a_lost_header_is_told_and_another_file_is_refused_line_by_line() {
    let text = unpack(nycflights13::JANUARY_CSV_GZ);
    let rows: Vec<&str> = text.lines().skip(1).take(3).collect();
    let items = parse_with("nycflights13", &Options::new(), rows.join("\n").as_bytes());
    assert_eq!(schedules(&events(&items)).len(), 3);
    assert!(warnings(&items)[0].text.contains("no header"));

    let other = "tailnum,seats\nN1,2\nN2,3\n";
    let items = parse_with("nycflights13", &Options::new(), other.as_bytes());
    let codes: Vec<_> = rejects(&items).iter().map(|r| r.code.name()).collect();
    assert_eq!(codes, ["bad_header", "bad_csv", "bad_csv"]);
    assert!(rejects(&items)[0].reason.contains("sched_dep_time"));
}
