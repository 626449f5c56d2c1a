//! Field by field beside another reader of the format: `rustyssim` 0.6.2, a package of PyPI.
//!
//! `python3 -m venv V && V/bin/pip install rustyssim==0.6.2`, then set `FLIGHTLINE_TEST_RUSTYSSIM` to
//! `V/bin/python` and `FLIGHTLINE_TEST_FEEDS` to a folder that has `ssim/*.ssim`. Without them the test says
//! so and passes.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::csv_line;
use crate::ssim::record::{Card, LegRecord};

/// A record's fields as the other reader prints them, by its names.
fn fields(record: &LegRecord) -> Vec<(&'static str, String)> {
    let hhmm = |minutes: i32| format!("{:02}{:02}", minutes / 60, minutes % 60);
    let offset = |minutes: i16| {
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{}", hhmm(i32::from(minutes.abs())))
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let date = |date: Option<flightline_ledger::Date>| match date {
        None => "00XXX00".to_owned(),
        Some(date) => {
            let (year, month, day) = date.ymd();
            let names = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
            let month = month as usize * 3;
            format!("{day:02}{}{:02}", &names[month - 3..month], year % 100)
        }
    };
    let day = |day: Option<i8>| {
        day.map_or(" ".to_owned(), |d| {
            if d < 0 { "A".to_owned() } else { d.to_string() }
        })
    };
    let days = (1..=7).map(|n| {
        if record.days.digits().contains(&n) {
            n.to_string()
        } else {
            " ".to_owned()
        }
    });
    let overflow = record.key.itinerary / 100;
    vec![
        (
            "operational_suffix",
            text(&[record.key.designator.suffix]).replace('\0', ""),
        ),
        (
            "airline_designator",
            record.key.designator.carrier.to_string(),
        ),
        ("flight_number", record.key.designator.number.to_string()),
        (
            "itinerary_variation_identifier",
            format!("{:02}", record.key.itinerary % 100),
        ),
        (
            "itinerary_variation_identifier_overflow",
            if overflow > 0 {
                overflow.to_string()
            } else {
                String::new()
            },
        ),
        ("leg_sequence_number", format!("{:02}", record.key.sequence)),
        ("service_type", text(&[record.service])),
        ("period_of_operation_from", date(Some(record.first))),
        ("period_of_operation_to", date(record.last)),
        ("days_of_operation", days.collect()),
        (
            "frequency_rate",
            if record.every_second_week {
                "2".to_owned()
            } else {
                String::new()
            },
        ),
        ("departure_station", record.board.to_string()),
        (
            "scheduled_time_of_passenger_departure",
            hhmm(record.departs_min),
        ),
        (
            "time_variation_departure",
            offset(record.departs_offset_min.unwrap()),
        ),
        ("arrival_station", record.off.to_string()),
        (
            "scheduled_time_of_passenger_arrival",
            hhmm(record.arrives_min),
        ),
        (
            "time_variation_arrival",
            offset(record.arrives_offset_min.unwrap()),
        ),
        ("aircraft_type", text(&record.aircraft)),
        (
            "passenger_reservations_booking_designator",
            record.classes.clone(),
        ),
        ("operating_airline_disclosure", text(&[record.disclosure])),
        ("traffic_restriction_code", text(&record.restrictions)),
        ("aircraft_configuration", record.configuration.clone()),
        (
            "date_variation",
            day(record.departs_day) + &day(record.arrives_day),
        ),
    ]
}

fn compare(python: &str, file: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let script = "import sys, rustyssim; rustyssim.parse_ssim_to_csv(sys.argv[1], sys.argv[2], condense_segments=True)";
    let run = Command::new(python)
        .args(["-c", script])
        .arg(file)
        .arg(&out)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let csv = std::fs::read_to_string(&out).unwrap();
    let mut lines = csv.lines();
    let mut header = Vec::new();
    csv_line::split(lines.next().unwrap(), &mut header).unwrap();
    let column: HashMap<_, _> = header
        .iter()
        .enumerate()
        .map(|(n, h)| (h.to_string(), n))
        .collect();
    let text = std::fs::read_to_string(file).unwrap();
    let ours: Vec<LegRecord> = text
        .lines()
        .filter(|line| line.starts_with('3'))
        .map(|line| LegRecord::read(&Card::read(line).unwrap(), 0).unwrap())
        .collect();
    let mut theirs = 0;
    let mut row = Vec::new();
    for (line, record) in lines.zip(&ours) {
        csv_line::split(line, &mut row).unwrap();
        for (name, value) in fields(record) {
            assert_eq!(value.trim(), row[column[name]].trim(), "{name} of {line}");
        }
        theirs += 1;
    }
    assert_eq!(theirs, ours.len());
    theirs
}

#[test]
fn every_field_is_what_another_reader_finds() {
    let (Ok(python), Ok(feeds)) = (
        std::env::var("FLIGHTLINE_TEST_RUSTYSSIM"),
        std::env::var("FLIGHTLINE_TEST_FEEDS"),
    ) else {
        eprintln!("SKIPPED: FLIGHTLINE_TEST_RUSTYSSIM and FLIGHTLINE_TEST_FEEDS are not both set");
        return;
    };
    let folder = Path::new(&feeds).join("ssim");
    let large = "large_two_carrier_blocks_local_time.ssim";
    assert_eq!(compare(&python, &folder.join(large)), 514);
}
