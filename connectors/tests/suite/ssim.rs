//! SSIM files: every rule of the page, on records that are made here.

use flightline_connectors::{
    CanonicalEvent, Code, Options, Parsed, Push, PushConfig, Source, format,
};
use flightline_ledger::command::{Leg, Schedule, quality};
use flightline_ledger::{FlightKey, ProviderBody};

use crate::ssim_file::{LegRow, carrier, file, in_utc, january, trailer};
use crate::support::{events, parse, parse_with, rejects, warnings};

fn schedule(event: &CanonicalEvent) -> &Schedule {
    match &event.body {
        ProviderBody::Schedule(schedule) => schedule,
        other => panic!("{other:?}"),
    }
}

/// A leg as text: `CDG 2027-01-05T07:00Z AMS 2027-01-05T08:20Z`.
fn leg_text(leg: &Leg) -> String {
    let time = |s: i64| {
        let date = flightline_ledger::Date(s.div_euclid(86_400) as i32);
        let minute = s.rem_euclid(86_400) / 60;
        format!("{date}T{:02}:{:02}Z", minute / 60, minute % 60)
    };
    format!(
        "{} {} {} {}",
        leg.board,
        time(leg.times.departs_s),
        leg.off,
        time(leg.times.arrives_s)
    )
}

/// Flight keys with their legs.
fn flights(items: &[Parsed]) -> Vec<(String, Vec<String>)> {
    let flight = |e: &CanonicalEvent| {
        (
            e.flight.to_string(),
            schedule(e).legs.iter().map(leg_text).collect(),
        )
    };
    events(items).iter().map(flight).collect()
}

fn keys(items: &[Parsed]) -> Vec<String> {
    events(items).iter().map(|e| e.flight.to_string()).collect()
}

fn one(row: LegRow) -> Vec<Parsed> {
    parse("ssim", january(&[row.text()]).as_bytes())
}

fn clean(items: &[Parsed]) {
    assert_eq!(
        rejects(items)
            .iter()
            .map(|r| r.to_string())
            .collect::<Vec<_>>(),
        [""; 0]
    );
    assert_eq!(
        warnings(items).iter().map(|w| &w.text).collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn a_flight_has_everything_that_its_record_says() {
    let items = one(LegRow::default());
    clean(&items);
    assert!(matches!(items[0], Parsed::ReplaceBegin { line: 6, .. }));
    assert!(matches!(items[2], Parsed::ReplaceEnd { line: 8, .. }));
    let event = &events(&items)[0];
    assert_eq!(event.flight.to_string(), "FL100.2027-01-05.CDG");
    assert_eq!(
        event.version.time_ms, 1_796_126_400_000,
        "1 December 2026, 12:00"
    );
    assert_eq!(event.quality, 0);
    let leg = &schedule(event).legs[0];
    assert_eq!(leg_text(leg), "CDG 2027-01-05T07:00Z AMS 2027-01-05T08:20Z");
    assert_eq!(
        (leg.times.departs_offset_min, leg.times.arrives_offset_min),
        (60, 60)
    );
    assert_eq!((&leg.aircraft, leg.service), (b"738", b'J'));
    let cabins: Vec<_> = leg
        .cabins
        .iter()
        .map(|c| (c.cabin.letter(), c.seats, c.authorised, c.classes.len()))
        .collect();
    assert_eq!(
        cabins,
        [(b'C', Some(30), None, 1), (b'Y', Some(150), None, 1)]
    );
}

#[test]
fn pitfall_2_one_aircraft_with_several_numbers_is_counted_once() {
    let row = LegRow::default();
    let items = parse(
        "ssim",
        january(&[
            row.text(),
            row.segment("010", "CDGAMS", "KL 2561/DL 8000A"),
            LegRow {
                number: "200",
                ..row
            }
            .text(),
            LegRow {
                number: "200",
                ..row
            }
            .segment("050", "CDGAMS", "KL 2562"),
            LegRow {
                number: "300",
                disclosure: 'L',
                ..row
            }
            .text(),
        ])
        .as_bytes(),
    );
    clean(&items);
    let seen: Vec<_> = events(&items)
        .iter()
        .map(|e| {
            let s = schedule(e);
            let sold: u16 = s.legs[0]
                .cabins
                .iter()
                .map(|c| c.authorised.or(c.seats).unwrap())
                .sum();
            (
                e.flight.to_string(),
                s.operating.map(|k| k.to_string()).unwrap_or_default(),
                sold,
            )
        })
        .collect();
    let row = |key: &str, operating: &str, sold| {
        (format!("{key}.2027-01-05.CDG"), operating.to_owned(), sold)
    };
    assert_eq!(
        seen,
        [
            row("FL100", "", 180),
            row("KL2561", "FL100.2027-01-05.CDG", 0),
            row("DL8000A", "FL100.2027-01-05.CDG", 0),
            row("FL200", "KL2562.2027-01-05.CDG", 0),
            // Whose number is not told: shown, and not sold.
            row("FL300", "", 0),
        ]
    );
}

#[test]
fn pitfall_3_seats_are_those_before_the_version_and_unknown_ones_are_marked() {
    let of = |configuration, aircraft, classes| {
        let items = one(LegRow {
            configuration,
            aircraft,
            classes,
            ..LegRow::default()
        });
        let event = events(&items)[0].clone();
        let cabins: Vec<_> = schedule(&event).legs[0]
            .cabins
            .iter()
            .map(|c| (c.cabin.letter(), c.seats))
            .collect();
        (cabins, event.quality)
    };
    assert_eq!(
        of("Y189VV738H189", "73H", "Y"),
        (vec![(b'Y', Some(189))], 0)
    );
    assert_eq!(
        of("", "738", "Y"),
        (vec![(b'Y', Some(174))], quality::SEATS_IMPUTED)
    );
    assert_eq!(of("CY", "738", "CY"), (vec![(b'C', None), (b'Y', None)], 0));
    let row = LegRow {
        configuration: "",
        ..LegRow::default()
    };
    let items = parse(
        "ssim",
        january(&[row.text(), row.segment("108", "CDGAMS", "P004J040Y200VV1")]).as_bytes(),
    );
    assert_eq!(schedule(&events(&items)[0]).legs[0].cabins.len(), 3);
}

#[test]
fn pitfall_4_legs_make_one_flight_and_restricted_pairs_are_not_sold() {
    let first = LegRow {
        off: "LHR",
        arrives: "0820",
        arrives_offset: "+0000",
        restrictions: "A A",
        ..LegRow::default()
    };
    let second = LegRow {
        sequence: "02",
        board: "LHR",
        departs: "0920",
        departs_offset: "+0000",
        off: "JFK",
        arrives: "1220",
        arrives_offset: "-0500",
        aircraft: "772",
        ..LegRow::default()
    };
    let third = LegRow {
        sequence: "03",
        board: "JFK",
        departs: "1400",
        departs_offset: "-0500",
        off: "BOS",
        arrives: "1510",
        arrives_offset: "-0500",
        ..LegRow::default()
    };
    let items = parse(
        "ssim",
        january(&[first.text(), second.text(), third.text()]).as_bytes(),
    );
    clean(&items);
    let event = &events(&items)[0];
    assert_eq!(keys(&items), ["FL100.2027-01-05.CDG"]);
    let aircraft: Vec<_> = schedule(event).legs.iter().map(|l| l.aircraft).collect();
    assert_eq!(aircraft, [*b"738", *b"772", *b"738"]);
    let pairs: Vec<_> = schedule(event)
        .restricted
        .iter()
        .map(|(b, o)| format!("{b}{o}"))
        .collect();
    assert_eq!(pairs, ["CDGLHR", "CDGBOS"]);
}

#[test]
fn pitfall_5_the_flight_has_the_day_of_its_first_station() {
    // The second leg departs after midnight, and says so.
    let first = LegRow {
        departs: "2200",
        off: "LHR",
        arrives: "2310",
        arrives_offset: "+0000",
        day_variation: "00",
        ..LegRow::default()
    };
    let second = LegRow {
        sequence: "02",
        from: "06JAN27",
        to: "06JAN27",
        board: "LHR",
        departs: "0030",
        departs_offset: "+0000",
        off: "DUB",
        arrives: "0140",
        arrives_offset: "+0000",
        day_variation: "11",
        ..LegRow::default()
    };
    let items = parse("ssim", january(&[first.text(), second.text()]).as_bytes());
    clean(&items);
    assert_eq!(keys(&items), ["FL100.2027-01-05.CDG"]);
    assert_eq!(schedule(&events(&items)[0]).legs.len(), 2);
    // Without its first leg it still names its flight's day, and is told.
    let items = parse("ssim", january(&[second.text()]).as_bytes());
    assert_eq!(keys(&items), ["FL100.2027-01-05.LHR"]);
    assert_eq!(warnings(&items).len(), 1);
    // In UTC the day of a late departure is another one than at the station.
    let row = LegRow {
        board: "LAX",
        departs: "2300",
        departs_offset: "-0800",
        off: "JFK",
        arrives: "0700",
        arrives_offset: "-0500",
        ..LegRow::default()
    };
    let utc = in_utc(&january(&[row.text()]));
    assert_eq!(flights(&one(row)), flights(&parse("ssim", utc.as_bytes())));
    assert_eq!(keys(&one(row)), ["FL100.2027-01-05.LAX"]);
}

#[test]
fn pitfall_6_a_change_of_clocks_inside_a_period_keeps_the_local_time() {
    // Paris changes on 28 March 2027; the record has winter's offset on both sides.
    let row = LegRow {
        from: "27MAR27",
        to: "29MAR27",
        off: "TUN",
        ..LegRow::default()
    };
    let items = one(row);
    let legs: Vec<_> = flights(&items)
        .into_iter()
        .map(|(_, legs)| legs[0].clone())
        .collect();
    assert_eq!(legs[0], "CDG 2027-03-27T07:00Z TUN 2027-03-27T08:20Z");
    assert_eq!(legs[1], "CDG 2027-03-28T06:00Z TUN 2027-03-28T08:20Z");
    let marks: Vec<_> = events(&items).iter().map(|e| e.quality).collect();
    assert_eq!(
        marks,
        [0, quality::OFFSET_MISMATCH, quality::OFFSET_MISMATCH]
    );
    assert_eq!(
        warnings(&items)
            .iter()
            .filter(|w| w.text.contains("2 days"))
            .count(),
        1
    );
    // An offset that is wrong by more is believed.
    let items = one(LegRow {
        departs_offset: "-0500",
        ..LegRow::default()
    });
    assert_eq!(
        flights(&items)[0].1,
        ["CDG 2027-01-05T13:00Z AMS 2027-01-06T08:20Z"]
    );
}

#[test]
fn pitfall_7_records_that_come_again_are_passed_over_and_later_variations_count() {
    let row = LegRow::default();
    let items = parse("ssim", january(&[row.text(), row.text()]).as_bytes());
    assert_eq!(keys(&items).len(), 1);
    assert_eq!(
        warnings(&items)[0].text,
        "the same record came before: passed over"
    );
    let other = LegRow {
        itinerary: "02",
        departs: "0900",
        arrives: "1020",
        ..row
    };
    let items = parse("ssim", january(&[row.text(), other.text()]).as_bytes());
    assert_eq!(
        flights(&items)[0].1,
        ["CDG 2027-01-05T08:00Z AMS 2027-01-05T09:20Z"]
    );
    assert!(
        warnings(&items)[0]
            .text
            .starts_with("overlaps the leg of line 7 on 2027-01-05")
    );
}

#[test]
fn pitfall_7_a_whole_block_replaces_and_a_broken_one_does_not() {
    let row = LegRow::default().text();
    let whole = january(std::slice::from_ref(&row));
    let lines: Vec<&str> = whole.lines().collect();
    let close = |text: &str| {
        let connector = format("ssim").unwrap().connector(&Options::new()).unwrap();
        let config = PushConfig::new("acme".parse().unwrap());
        let batches: Vec<_> =
            Push::new(&*connector, Source::new("m", text.as_bytes()), config).collect();
        let rejects: Vec<_> = batches
            .iter()
            .flat_map(|b| &b.rejects)
            .map(|r| r.code)
            .collect();
        let named: Option<Vec<FlightKey>> = batches
            .into_iter()
            .find_map(|b| b.close)
            .map(|c| c.named.into_iter().collect());
        (named.map(|n| n.len()), rejects)
    };
    assert_eq!(close(&whole), (Some(1), vec![]));
    let without = |n: usize| {
        let kept = lines
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != n)
            .map(|(_, l)| *l);
        kept.collect::<Vec<_>>().join("\n") + "\n"
    };
    assert_eq!(
        close(&without(7)),
        (None, vec![Code::BadReplace]),
        "no trailer"
    );
    assert_eq!(
        close(&without(6)),
        (None, vec![Code::BadReplace]),
        "a leg is lost"
    );
    assert_eq!(close(&without(0)), (Some(1), vec![]), "no header");
    let cut = &whole[..whole.len() - 150];
    assert_eq!(close(cut), (None, vec![Code::Truncated, Code::BadReplace]));
    let damaged = whole.replace("0800", "08X0");
    assert_eq!(
        close(&damaged),
        (None, vec![Code::BadTime, Code::BadReplace])
    );
    // Its last day is before its first.
    let empty = whole.replace("05JAN2705JAN27", "05JAN2704JAN27");
    let (named, rejects) = close(&empty);
    assert!(
        named.is_none() && rejects.last() == Some(&Code::BadReplace),
        "{empty}: {rejects:?}"
    );
    let other = whole.replace(&trailer("FL ", 3), &trailer("XX ", 3));
    assert_eq!(
        close(&other),
        (None, vec![Code::BadReplace]),
        "another airline's trailer"
    );
    let wrong = whole.replace(&trailer("FL ", 3)[187..], &format!("000515E{:06}", 4));
    assert_eq!(close(&wrong), (None, vec![Code::BadReplace]), "{wrong}");
    let unknown = whole.replace("01DEC26", "       ");
    assert_eq!(close(&unknown), (None, vec![]), "no version");
}

#[test]
fn pitfall_8_the_version_is_the_moment_of_creation() {
    let row = [LegRow::default().text()];
    let version = |created: &str| {
        let text = file(&carrier('L', "FL", "01JAN27", "31JAN27", created), &row);
        events(&parse("ssim", text.as_bytes()))[0].version
    };
    assert!(version("02DEC26") > version("01DEC26"));
    assert_eq!(version("       ").time_ms, 0, "older than everything");
}

#[test]
fn pitfall_11_one_bad_record_costs_the_flights_of_its_itinerary_alone() {
    let row = LegRow {
        to: "06JAN27",
        ..LegRow::default()
    };
    let other = LegRow {
        number: "200",
        ..row
    };
    for (what, broken, code) in [
        ("time", row.text().replace("0800", "0860"), Code::BadTime),
        (
            "offset",
            row.text().replacen("+0100", "01000", 1),
            Code::BadTime,
        ),
        ("station", row.text().replace("CDG", "C1G"), Code::BadCode),
        (
            "airline",
            row.text().replacen("FL ", "?? ", 1),
            Code::BadCode,
        ),
        (
            "number",
            row.text().replacen(" 100", "   0", 1),
            Code::BadFlightKey,
        ),
        (
            "day",
            row.text().replacen("05JAN27", "32JAN27", 1),
            Code::BadTime,
        ),
        (
            "days",
            row.text().replace("1234567", "       "),
            Code::BadTime,
        ),
        (
            "period",
            row.text().replacen("06JAN27", "04JAN27", 1),
            Code::BadTime,
        ),
        (
            "service",
            row.text().replacen("J05JAN", "505JAN", 1),
            Code::BadCode,
        ),
        ("garbage", format!("{:<200}", "hello"), Code::BadRecord),
    ] {
        let items = parse("ssim", january(&[broken, other.text()]).as_bytes());
        assert_eq!(
            keys(&items),
            ["FL200.2027-01-05.CDG", "FL200.2027-01-06.CDG"],
            "{what}"
        );
        assert_eq!(
            rejects(&items)[0].code,
            code,
            "{what}: {}",
            rejects(&items)[0]
        );
        assert_eq!(rejects(&items)[0].line, 7);
    }
    // A flight is not changed to one without its second leg.
    let second = LegRow {
        sequence: "02",
        board: "AMS",
        departs: "1000",
        off: "LHR",
        arrives: "1X00",
        arrives_offset: "+0000",
        ..row
    };
    let items = parse(
        "ssim",
        january(&[row.text(), second.text(), other.text()]).as_bytes(),
    );
    assert_eq!(
        keys(&items),
        ["FL200.2027-01-05.CDG", "FL200.2027-01-06.CDG"]
    );
    let codes: Vec<_> = rejects(&items).iter().map(|r| (r.line, r.code)).collect();
    assert_eq!(
        codes,
        [
            (7, Code::Inconsistent),
            (8, Code::BadTime),
            (6, Code::BadReplace)
        ]
    );
}

#[test]
fn pitfall_11_open_ends_padding_and_lengths() {
    // Until further notice: to the end of what the carrier record is valid for.
    let row = LegRow {
        to: "00XXX00",
        days: "  3",
        ..LegRow::default()
    };
    assert_eq!(keys(&one(row)).len(), 4, "6, 13, 20, 27 January");
    // When that is open too: to the end of the season.
    let open = file(
        &carrier('L', "FL", "01JAN27", "00XXX00", "01DEC26"),
        &[row.text()],
    );
    assert_eq!(
        keys(&parse("ssim", open.as_bytes())).len(),
        12,
        "to 27 March 2027"
    );
    let unknown = open.replace("W26", "   ");
    assert_eq!(
        rejects(&parse("ssim", unknown.as_bytes()))[0].code,
        Code::BadTime
    );
    let good = january(&[LegRow::default().text()]);
    let wanted = events(&parse("ssim", good.as_bytes()));
    for (what, text) in [
        ("blank lines", good.replace('\n', "\n\n")),
        (
            "more padding",
            good.replace("\n5", &format!("\n{}\n5", "0".repeat(200))),
        ),
        (
            "no serial numbers",
            good.lines().map(|l| format!("{}\n", &l[..194])).collect(),
        ),
    ] {
        assert_eq!(
            events(&parse("ssim", text.as_bytes())).len(),
            wanted.len(),
            "{what}"
        );
    }
    let long = good.replace("000003\n", "000003    \n");
    assert_eq!(
        events(&parse("ssim", long.as_bytes()))[0].quality,
        quality::TRUNCATED_LINE
    );
    let too_long = good.replace("000003\n", "000003     \n");
    assert_eq!(
        rejects(&parse("ssim", too_long.as_bytes()))[0].code,
        Code::LineTooLong
    );
}

#[test]
fn a_blank_day_of_arrival_is_the_first_after_the_departure() {
    let row = LegRow {
        departs: "2300",
        arrives: "0020",
        ..LegRow::default()
    };
    let items = one(row);
    clean(&items);
    assert_eq!(
        flights(&items)[0].1,
        ["CDG 2027-01-05T22:00Z AMS 2027-01-05T23:20Z"]
    );
    assert_eq!(events(&items)[0].quality, quality::REPAIRED_ARRIVAL_DAY);
    // Stated: taken, also over more than a day, and over the date line to the day before.
    let stated = LegRow {
        day_variation: "02",
        arrives: "0920",
        ..LegRow::default()
    };
    assert_eq!(
        flights(&one(stated))[0].1,
        ["CDG 2027-01-05T07:00Z AMS 2027-01-07T08:20Z"]
    );
    for letter in ["0A", "0J"] {
        let back = LegRow {
            board: "AKL",
            departs: "0100",
            departs_offset: "+1300",
            off: "HNL",
            arrives: "1000",
            arrives_offset: "-1000",
            day_variation: letter,
            ..LegRow::default()
        };
        assert_eq!(
            flights(&one(back))[0].1,
            ["AKL 2027-01-04T12:00Z HNL 2027-01-04T20:00Z"]
        );
    }
    let wrong = LegRow {
        day_variation: "0A",
        ..LegRow::default()
    };
    let items = one(wrong);
    assert_eq!(
        flights(&items)[0].1,
        ["CDG 2027-01-05T07:00Z AMS 2027-01-05T08:20Z"]
    );
    assert_eq!(warnings(&items).len(), 1);
}

#[test]
fn every_second_week_and_suffixes_and_overflow() {
    let row = LegRow {
        to: "31JAN27",
        days: " 2",
        frequency: '2',
        suffix: 'A',
        overflow: '1',
        ..LegRow::default()
    };
    let items = parse(
        "ssim",
        january(&[row.text(), row.segment("010", "CDGAMS", "KL 1")]).as_bytes(),
    );
    clean(&items);
    assert_eq!(
        keys(&items),
        [
            "FL100A.2027-01-05.CDG",
            "KL1.2027-01-05.CDG",
            "FL100A.2027-01-19.CDG",
            "KL1.2027-01-19.CDG"
        ]
    );
    // The same key without the overflow is another leg.
    let orphan = LegRow {
        overflow: ' ',
        ..row
    }
    .segment("010", "CDGAMS", "KL 2");
    let items = parse("ssim", january(&[row.text(), orphan]).as_bytes());
    assert_eq!(keys(&items).len(), 2);
    assert!(
        warnings(&items)[0]
            .text
            .contains("no leg before it has its key")
    );
}

#[test]
fn services_that_carry_no_passengers_are_shown_and_not_sold() {
    let row = LegRow {
        service: 'F',
        ..LegRow::default()
    };
    let authorised = |items: &[Parsed]| {
        let event = events(items)[0].clone();
        schedule(&event).legs[0]
            .cabins
            .iter()
            .map(|c| (c.seats, c.authorised))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        authorised(&one(row)),
        [(Some(30), Some(0)), (Some(150), Some(0))]
    );
    let options = Options::new().with("sell", "F");
    let sold = parse_with("ssim", &options, january(&[row.text()]).as_bytes());
    assert_eq!(authorised(&sold), [(Some(30), None), (Some(150), None)]);
}

#[test]
fn a_number_that_departs_twice_from_one_station_is_refused_once() {
    let late = LegRow {
        itinerary: "02",
        off: "LHR",
        departs: "2100",
        arrives: "2110",
        arrives_offset: "+0000",
        ..LegRow::default()
    };
    let items = parse(
        "ssim",
        january(&[LegRow::default().text(), late.text()]).as_bytes(),
    );
    assert_eq!(keys(&items).len(), 1);
    assert_eq!(rejects(&items)[0].code, Code::Inconsistent);
    assert_eq!(
        rejects(&items)[0].flight.unwrap().to_string(),
        "FL100.2027-01-05.CDG"
    );
}

#[test]
fn records_out_of_their_place_are_set_aside() {
    let row = LegRow::default().text();
    let lone = format!("{row}\n");
    assert_eq!(
        rejects(&parse("ssim", lone.as_bytes()))[0].code,
        Code::BadRecord
    );
    let end = trailer("FL ", 3) + "\n";
    assert_eq!(
        rejects(&parse("ssim", end.as_bytes()))[0].code,
        Code::BadRecord
    );
    // The clock is not known: no leg of the block is taken.
    let bad_carrier = january(&[row]).replace("2LFL", "2XFL");
    let codes: Vec<_> = rejects(&parse("ssim", bad_carrier.as_bytes()))
        .iter()
        .map(|r| (r.line, r.code))
        .collect();
    assert_eq!(
        codes,
        [
            (6, Code::BadCode),
            (7, Code::BadRecord),
            (8, Code::BadRecord)
        ]
    );
}

#[test]
fn pitfall_13_a_city_is_no_airport_and_is_marked() {
    let row = LegRow {
        off: "LON",
        arrives_offset: "+0000",
        ..LegRow::default()
    };
    let other = LegRow {
        number: "200",
        ..row
    };
    let items = parse("ssim", january(&[row.text(), other.text()]).as_bytes());
    let marks: Vec<_> = events(&items).iter().map(|e| e.quality).collect();
    assert_eq!(marks, [quality::UNKNOWN_CODE; 2]);
    let told: Vec<_> = warnings(&items).iter().map(|w| w.line).collect();
    assert_eq!(told, [7], "once");
}

/// Stamps and a period that cannot be read cost a block what they say, and not its flights.
#[test]
fn a_block_is_read_without_its_stamps() {
    let row = LegRow::default().text();
    let made = |text: &str| {
        let items = parse("ssim", text.as_bytes());
        assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
        let whole = items
            .iter()
            .any(|item| matches!(item, Parsed::ReplaceEnd { .. }));
        let [event] = &events(&items)[..] else {
            panic!("{items:?}")
        };
        let remarks: Vec<_> = warnings(&items).iter().map(|w| w.text.clone()).collect();
        (event.version.time_ms, whole, remarks)
    };
    let good = january(std::slice::from_ref(&row));
    let (noon_ms, whole, remarks) = made(&good);
    assert!(whole && remarks.is_empty());
    // A serial number of more digits reaches into the time.
    let (ms, whole, remarks) = made(&good.replace("1200000002", "8000000002"));
    assert_eq!((noon_ms - ms, whole), (12 * 3_600_000, true));
    assert!(remarks[0].contains("(191-194)"), "{remarks:?}");
    let (ms, whole, remarks) = made(&good.replace("01DEC26", "1DEC26 "));
    assert_eq!((ms, whole), (0, false));
    assert!(remarks[0].contains("(29-35)"), "{remarks:?}");
    for (from, to) in [("01JAN2 ", "31JAN27"), ("01JAN27", "31JAN  ")] {
        let text = file(
            &carrier('L', "FL", from, to, "01DEC26"),
            std::slice::from_ref(&row),
        );
        let (ms, whole, remarks) = made(&text);
        assert_eq!((ms, whole), (noon_ms, false));
        assert!(remarks[0].contains("valid "), "{remarks:?}");
    }
}

#[test]
fn letters_of_one_byte_and_the_end_of_old_files() {
    let row = LegRow::default();
    let text = january(&[row.text(), row.segment("127", "CDGAMS", "A~ROSUD")]);
    let titled = text.replacen("01DEC26   ", "01DEC26A~R", 1);
    let latin: Vec<u8> = titled
        .bytes()
        .map(|b| if b == b'~' { 0xc9 } else { b })
        .chain(*b"\x1a")
        .collect();
    let items = parse("ssim", &latin);
    clean(&items);
    assert_eq!(keys(&items), ["FL100.2027-01-05.CDG"]);
    assert!(
        items
            .iter()
            .any(|item| matches!(item, Parsed::ReplaceEnd { .. }))
    );
    // What has not the length of a record is no text of one byte a letter.
    let damaged = [&latin[..150], b"\n"].concat();
    assert_eq!(rejects(&parse("ssim", &damaged))[0].code, Code::BadRecord);
    assert_eq!(rejects(&parse("ssim", b"3 \xc9\n"))[0].code, Code::NotUtf8);
}

#[test]
fn a_blank_offset_is_that_of_the_zone() {
    let row = LegRow {
        departs_offset: "     ",
        arrives_offset: "     ",
        ..LegRow::default()
    };
    let items = one(row);
    clean(&items);
    assert_eq!(flights(&items), flights(&one(LegRow::default())));
    assert_eq!(events(&items)[0].quality, 0);
    let utc = file(
        &carrier('U', "FL", "01JAN27", "31JAN27", "01DEC26"),
        &[LegRow {
            departs: "2330",
            arrives: "0050",
            ..row
        }
        .text()],
    );
    assert_eq!(
        flights(&parse("ssim", utc.as_bytes())),
        [(
            "FL100.2027-01-06.CDG".to_owned(),
            vec!["CDG 2027-01-05T23:30Z AMS 2027-01-06T00:50Z".to_owned()]
        )]
    );
    // A city has none.
    let items = one(LegRow {
        board: "LON",
        ..row
    });
    assert_eq!(rejects(&items)[0].code, Code::BadTime);
}

#[test]
fn days_with_points_or_zeros_and_freight_alone() {
    for days in [".2.....", "0200000"] {
        let row = LegRow {
            days,
            ..LegRow::default()
        };
        assert_eq!(keys(&one(row)), ["FL100.2027-01-05.CDG"], "{days}");
    }
    let freight = LegRow {
        configuration: "LL12PP8",
        ..LegRow::default()
    };
    let items = one(freight);
    let schedule = schedule(&events(&items)[0]).clone();
    assert!(schedule.legs[0].cabins.is_empty(), "{schedule:?}");
}
