//! SSM and ASM messages: every action and every line.

use flightline_connectors::canonical::to_line;
use flightline_connectors::{Code, Options, Parsed};
use flightline_ledger::ProviderBody;

use crate::support::{events, parse_with, rejects, warnings};

fn read(text: &str) -> Vec<Parsed> {
    let options = Options::new().with("received", "2027-01-02");
    parse_with("ssm", &options, text.as_bytes())
}

/// What comes of a text, one short line each.
fn shown(items: &[Parsed]) -> Vec<String> {
    let numbered = |item: &&Parsed| !matches!(item, Parsed::Numbered { .. });
    items
        .iter()
        .filter(numbered)
        .map(|item| match item {
            Parsed::Event { event, .. } => match &event.body {
                ProviderBody::Schedule(s) => {
                    let legs: Vec<_> = s
                        .legs
                        .iter()
                        .map(|l| {
                            let seats: Vec<_> = l
                                .cabins
                                .iter()
                                .map(|c| {
                                    format!("{}{}", c.cabin, c.authorised.or(c.seats).unwrap())
                                })
                                .collect();
                            format!(
                                "{}{}-{}{} {}",
                                l.board,
                                clock(l.times.departs_s),
                                l.off,
                                clock(l.times.arrives_s),
                                seats.join(" ")
                            )
                        })
                        .collect();
                    let by = s.operating.map(|k| format!(" by {k}")).unwrap_or_default();
                    format!("{} {}{by}", event.flight, legs.join(", "))
                }
                _ => to_line(event),
            },
            Parsed::Unplaced { event, .. } => format!(
                "{}: {}",
                event.flights,
                match &event.body {
                    ProviderBody::TimeChange(legs) => legs
                        .iter()
                        .map(|l| format!(
                            "{}{}-{}",
                            l.board,
                            clock(l.departs_s),
                            clock(l.arrives_s)
                        ))
                        .collect::<Vec<_>>()
                        .join(", "),
                    ProviderBody::Equipment(e) => format!(
                        "{:?} {} {}",
                        e.board,
                        String::from_utf8_lossy(&e.aircraft),
                        e.cabins
                            .iter()
                            .map(|c| format!("{}{}", c.cabin, c.seats.unwrap()))
                            .collect::<String>()
                    ),
                    other => format!("{other:?}"),
                }
            ),
            Parsed::Reject(r) => format!("{} {}: {}", r.line, r.code, r.reason),
            Parsed::Warning(w) => format!("{} note: {}", w.line, w.text),
            other => format!("{other:?}"),
        })
        .collect()
}

/// `05T0700` in UTC.
fn clock(s: i64) -> String {
    let (_, _, day) = flightline_ledger::Date(s.div_euclid(86_400) as i32).ymd();
    let minute = s.rem_euclid(86_400) / 60;
    format!("{day:02}T{:02}{:02}", minute / 60, minute % 60)
}

const HEAD: &str = "SSM\nLT\n01JAN00052E001/ACME\n";

#[test]
fn new_gives_the_flights_of_its_period() {
    let text =
        format!("{HEAD}NEW\nFL100\n05JAN27 19JAN27 2/W2\nJ 738 CY.C30Y150\nCDG0800 AMS0920\n");
    assert_eq!(
        shown(&read(&text)),
        [
            "FL100.2027-01-05.CDG CDG05T0700-AMS05T0820 C30 Y150",
            "FL100.2027-01-19.CDG CDG19T0700-AMS19T0820 C30 Y150",
        ]
    );
}

#[test]
fn legs_days_and_passenger_times() {
    let text = format!(
        "{HEAD}NEW\nFL100\n05JAN27 05JAN27 1234567\nJ 738 Y.Y150\nCDG2200/2210 LHR2310\nJ 319 Y.Y130\nLHR0030/1 DUB0140/1\nCDGLHR 10/KL2561\nLHRDUB 505/ET\nSI FREE TEXT\n"
    );
    assert_eq!(
        shown(&read(&text)),
        [
            "FL100.2027-01-05.CDG CDG05T2110-LHR05T2310 Y150, LHR06T0030-DUB06T0140 Y130",
            "KL2561.2027-01-05.CDG CDG05T2110-LHR05T2310  by FL100.2027-01-05.CDG",
        ]
    );
    // In UTC, which is what a message is in that says nothing: the flight has its local day.
    let utc = "SSM\n01JAN00052E001\nNEW\nFL7\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nLAX0700 JFK1200\n";
    assert_eq!(
        shown(&read(utc)),
        ["FL7.2027-01-04.LAX LAX05T0700-JFK05T1200 Y150"]
    );
}

#[test]
fn replacing_withdraws_the_flight_from_where_it_began() {
    let text = format!("{HEAD}RPL\nFL100\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nORY0800 AMS0920\n");
    assert_eq!(
        shown(&read(&text)),
        [
            "FL100.2027-01-05.ORY ORY05T0700-AMS05T0820 Y150",
            "FL100 of 2027-01-05 other than from ORY: Withdraw",
        ]
    );
}

#[test]
fn cancellation_and_reinstatement_name_number_and_day() {
    let text = format!("{HEAD}CNL\nFL100\n05JAN27 06JAN27 23\n//\nRIN\nFL100A\n06JAN 06JAN 3\n");
    assert_eq!(
        shown(&read(&text)),
        [
            "FL100 of 2027-01-05: Cancel",
            "FL100 of 2027-01-06: Cancel",
            "FL100A of 2027-01-06: Reinstate",
        ]
    );
    let asm = "ASM\nUTC\n01JAN00053E001\nCNL\nFL100/05JAN27\nFL200/06JAN\n//\nRIN\nFL100/05JAN27\nJ 738 Y.Y150\nCDG050800 AMS050920\n";
    assert_eq!(
        shown(&read(asm)),
        [
            "FL100 of 2027-01-05 (UTC): Cancel",
            "FL200 of 2027-01-06 (UTC): Cancel",
            "FL100.2027-01-05.CDG CDG05T0800-AMS05T0920 Y150",
        ]
    );
}

#[test]
fn times_and_equipment_change() {
    let text = format!(
        "{HEAD}TIM\nFL100\n05JAN27 05JAN27 2\nCDG2330 AMS0050\n//\nEQT\nFL100\n05JAN27 05JAN27 2\nJ 772 CY.C40Y300\n//\nCON XASM\nFL100\n05JAN27 05JAN27 2\nJ 772 CY.C50Y280\nCDG2330 AMS0050/1\n"
    );
    let items = read(&text);
    assert_eq!(
        shown(&items),
        [
            "FL100 of 2027-01-05: CDG05T2230-05T2350",
            "FL100 of 2027-01-05: None 772 C40Y300",
            "FL100 of 2027-01-05: Some(CDG) 772 C50Y280",
        ]
    );
    let asm = "ASM\n01JAN00053E001\nEQT\nFL100/05JAN27 CDG/AMS\nF 319 .Y130\n";
    assert_eq!(
        shown(&read(asm)),
        ["FL100 of 2027-01-05 (UTC): Some(CDG) 319 Y130"]
    );
}

#[test]
fn what_changes_nothing_here_is_told() {
    let text = format!("{HEAD}ADM\nFL100\n05JAN27 05JAN27 2\nCDGAMS 505/ET\n//\nRSD\nANY THING\n");
    assert_eq!(warnings(&read(&text)).len(), 2);
    assert!(events(&read(&text)).is_empty() && rejects(&read(&text)).is_empty());
}

#[test]
fn versions_follow_day_group_number_and_place() {
    let cancel = "CNL\nFL1\n05JAN27 05JAN27 2\n";
    let version = |text: &str| -> Vec<_> {
        read(text)
            .iter()
            .filter_map(|item| match item {
                Parsed::Unplaced { event, .. } => Some((
                    event.version.time_ms,
                    event.version.group,
                    event.version.sequence,
                )),
                Parsed::Numbered { .. } => None,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let two = version(&format!(
        "SSM\n01JAN00052C001\n{cancel}//\n{cancel}//\nSSM\n01JAN00052E002\n{cancel}"
    ));
    // The last second of 1 January 2027.
    assert_eq!(
        two,
        [
            (1_798_847_999_000, 52, 10_001),
            (1_798_847_999_000, 52, 10_002),
            (1_798_847_999_000, 52, 20_001)
        ]
    );
    assert!(version(&format!("SSM\n31DEC00099E001\n{cancel}")) < two[..1].to_vec());
}

/// Each message once, before what it says, and also when none of that can be read.
#[test]
fn messages_are_told_with_their_numbers() {
    let text = "SSM\n01JAN00052C001/ACME\nCNL\nFL100\n05JAN27 05JAN27 2\n//\nCNL\nFL101\n05JAN27 05JAN27 2\n\
                SSM\n01JAN00052E002/ACME\nWHAT\nIS\nTHIS\n\
                ASM\n31DEC00007E001\nCNL\nFL100/05JAN27\n\
                SSM\n01JAN00053X001\nCNL\nFL100\n05JAN27 05JAN27 2\n\
                SSM\n01JAN00053E000\nCNL\nFL100\n05JAN27 05JAN27 2\n";
    let told = |items: &[Parsed]| {
        let each = items.iter().filter_map(|item| match item {
            Parsed::Numbered { line, numbered: n } => Some(format!(
                "{line}: {} {} {} {} {}",
                n.series.name(),
                n.day,
                n.group,
                n.number,
                n.is_last
            )),
            _ => None,
        });
        each.collect::<Vec<_>>()
    };
    let items = read(text);
    assert_eq!(
        told(&items),
        [
            "3: SSM 2027-01-01 52 1 false",
            "12: SSM 2027-01-01 52 2 true",
            "17: ASM 2026-12-31 7 1 true",
        ]
    );
    assert!(matches!(items[0], Parsed::Numbered { .. }));
    // Nobody knows of which year they are.
    let undated = parse_with("ssm", &Options::new(), text.as_bytes());
    assert_eq!(told(&undated), [""; 0]);
}

#[test]
fn pitfall_8_years_are_those_nearest_to_receipt() {
    let text = "SSM\n31DEC00052E001\nCNL\nFL1\n05JAN 05JAN 1234567\n//\nCNL\nFL1\n28DEC 02JAN 1\n";
    assert_eq!(
        shown(&read(text)),
        [
            "FL1 of 2027-01-05 (UTC): Cancel",
            "FL1 of 2026-12-28 (UTC): Cancel"
        ]
    );
    // Without a day of receipt, a day with a year tells it.
    let parse = |text: &str| parse_with("ssm", &Options::new(), text.as_bytes());
    let items = parse("SSM\n31DEC00052E001\nCNL\nFL1\n05JAN27 05JAN27 2\n");
    assert_eq!(shown(&items), ["FL1 of 2027-01-05 (UTC): Cancel"]);
    assert_eq!(rejects(&parse(text))[0].code, Code::BadTime);
}

#[test]
fn envelopes_are_passed_over_and_messages_follow_each_other() {
    let text = "ZCZC ABC\r\nQU MOWRMSU LEDRMFV\r\n.KHIRMPK 250912\r\nSSM\r\n01JAN00052E001/X\r\nCNL\r\nFL1\r\n05JAN27 05JAN27 2\r\nNNNN\r\n\r\nZCZC ABD\r\nASM\r\n01JAN00053E001\r\nCNL\r\nFL2/05JAN27\r\n";
    assert_eq!(
        shown(&read(text)),
        [
            "FL1 of 2027-01-05 (UTC): Cancel",
            "FL2 of 2027-01-05 (UTC): Cancel"
        ]
    );
}

#[test]
fn pitfall_11_a_bad_part_costs_itself_alone() {
    let good = "CNL\nFL9\n05JAN27 05JAN27 2\n";
    for (part, code) in [
        ("FLT\nFL1\n05JAN27 05JAN27 2\nFL2\n", Code::UnknownType),
        ("XYZ\nFL1\n", Code::UnknownType),
        ("CNL\n05JAN27 05JAN27 2\n", Code::MissingField),
        ("CNL\nFL1\n", Code::MissingField),
        ("CNL\nFL1\n05JAN27 05JAN27 1\n", Code::MissingField),
        ("CNL\nFL1\n05JAN27 04JAN27 2\n", Code::BadTime),
        ("CNL\nFL0\n05JAN27 05JAN27 2\n", Code::BadRecord),
        (
            "NEW\nFL1\n05JAN27 05JAN27 2\nJ 738 Y.Y150\n",
            Code::MissingField,
        ),
        (
            "NEW\nFL1\n05JAN27 05JAN27 2\nCDG0800 AMS0920\n",
            Code::MissingField,
        ),
        (
            "NEW\nFL1\n05JAN27 05JAN27 2\nJ 738 Y.Y1500\nCDG0800 AMS0920\n",
            Code::BadCode,
        ),
        (
            "NEW\nFL1\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nCDG0800 AMS2520\n",
            Code::BadRecord,
        ),
        (
            "NEW\nFL1\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nCDG0800 AMS0920\nLHR1000 DUB1100\n",
            Code::Inconsistent,
        ),
        (
            "NEW\nFL1\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nQQQ0800 AMS0920\n",
            Code::UnknownAirport,
        ),
        ("TIM\nFL1\n05JAN27 05JAN27 2\n", Code::MissingField),
        ("EQT\nFL1\n05JAN27 05JAN27 2\n", Code::MissingField),
        ("EQT\nFL1\n05JAN27 05JAN27 2\nJ ZZZ Y\n", Code::MissingField),
        ("CNL\nFL1\n05JAN00 31DEC19 1234567\n", Code::BadTime),
        ("CNL\nFL1\n05JAN27 05JAN27 2\n\u{e9}\n", Code::BadRecord),
    ] {
        let items = read(&format!("{HEAD}{part}//\n{good}"));
        let [reject] = &rejects(&items)[..] else {
            panic!("{part}: {:?}", shown(&items))
        };
        assert_eq!((reject.code, reject.line), (code, 4), "{part}: {reject}");
        assert_eq!(
            shown(&items).last().unwrap(),
            "FL9 of 2027-01-05: Cancel",
            "{part}"
        );
    }
    // Nothing says what came first.
    let items = parse_with("ssm", &Options::new(), format!("SSM\n{good}").as_bytes());
    assert_eq!(rejects(&items)[0].code, Code::MissingField);
    assert_eq!(rejects(&read("HELLO\n"))[0].code, Code::BadRecord);
}

#[test]
fn a_message_that_is_cut_changes_nothing_with_its_last_part() {
    let whole = format!(
        "{HEAD}CNL\nFL8\n05JAN27 05JAN27 2\n//\nNEW\nFL9\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nCDG0800 AMS0920"
    );
    assert_eq!(shown(&read(&whole)).len(), 2);
    let cut = &whole[..whole.len() - 2];
    let codes: Vec<_> = rejects(&read(cut)).iter().map(|r| r.code).collect();
    assert_eq!(codes, [Code::Truncated]);
}

#[test]
fn pitfall_13_a_city_has_no_clock() {
    let new = "NEW\nFL1\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nLON0800 AMS0920\n";
    let items = read(&format!("{HEAD}{new}"));
    assert_eq!(rejects(&items)[0].code, Code::UnknownAirport);
    assert!(rejects(&items)[0].reason.contains("LON"));
}

/// Version and remarks of messages.
fn places(text: &str) -> (Vec<String>, Vec<String>) {
    let items = read(text);
    let places = items.iter().filter_map(|item| {
        let (flight, version) = match item {
            Parsed::Event { event, .. } => (event.flight.number, event.version),
            Parsed::Unplaced { event, .. } => (event.flights.number, event.version),
            _ => return None,
        };
        let (day, minute) = (
            version.time_ms / 86_400_000,
            version.time_ms / 60_000 % 1440,
        );
        Some(format!(
            "{flight}: {} {:02}{:02} {} {}",
            flightline_ledger::Date(day as i32),
            minute / 60,
            minute % 60,
            version.group,
            version.sequence
        ))
    });
    let places = places.collect();
    let remarks = warnings(&items).iter().map(|w| w.text.clone()).collect();
    (places, remarks)
}

#[test]
fn a_message_without_reference_counts_from_its_origin_or_its_receipt() {
    let (versions, remarks) = places(
        "QU HDQRMFL\n.HDQRM1A 011230\nSSM\nLT\nCNL\nFL1\n05JAN27 05JAN27 2\n//\nCNL\nFL2\n05JAN27 05JAN27 2\n//\n\
         ASM\nLT\nCNL\nFL3/05JAN\n",
    );
    assert_eq!(
        versions,
        [
            "1: 2027-01-01 1230 0 10001",
            "2: 2027-01-01 1230 0 10002",
            "3: 2027-01-01 1230 0 20001"
        ]
    );
    // Once a message.
    assert_eq!(remarks.len(), 2, "{remarks:?}");
    assert!(remarks[0].contains("origin line"));
    let (versions, remarks) =
        places("SSM\nCNL\nFL1\n05JAN27 05JAN27 2\nNNNN\nSSM\nCNL\nFL2\n05JAN27 05JAN27 2\n");
    assert_eq!(
        versions,
        ["1: 2027-01-02 2359 0 10001", "2: 2027-01-02 2359 0 20001"]
    );
    assert!(remarks[0].contains("receipt, 2027-01-02"), "{remarks:?}");
    // A reference stands above the origin.
    let (versions, remarks) =
        places(".HDQRM1A 011230\nSSM\n31DEC00052E003\nCNL\nFL1\n05JAN27 05JAN27 2\n");
    assert_eq!(versions, ["1: 2026-12-31 2359 52 30001"]);
    assert!(remarks.is_empty());
}

#[test]
fn a_message_is_not_made_after_its_receipt() {
    // Nearer is the June to come; it was the last one.
    let (versions, _) = places("SSM\n15JUN00052E001\nCNL\nFL1\n05JAN27 05JAN27 2\n");
    assert_eq!(versions, ["1: 2026-06-15 2359 52 10001"]);
    // Clocks differ.
    let (versions, _) = places("SSM\n04JAN00052E001\nCNL\nFL1\n05JAN27 05JAN27 2\n");
    assert_eq!(versions, ["1: 2027-01-04 2359 52 10001"]);
}

#[test]
fn legs_may_be_named_without_times() {
    let part = |lines: &str| {
        let items = read(&format!("{HEAD}EQT\nFL100\n05JAN27 05JAN27 2\n{lines}"));
        shown(&items)
    };
    for legs in ["CDG/AMS", "CDG AMS"] {
        assert_eq!(
            part(&format!("J 319 CY.C20Y110\n{legs}\n")),
            ["FL100 of 2027-01-05: Some(CDG) 319 C20Y110"]
        );
    }
    assert_eq!(
        part("J 319 CY.C20Y110\nCDG/AMS\nJ 772 CY.C40Y300\nAMS/JFK/LAX\n"),
        [
            "FL100 of 2027-01-05: Some(CDG) 319 C20Y110",
            "FL100 of 2027-01-05: Some(AMS) 772 C40Y300",
            "FL100 of 2027-01-05: Some(JFK) 772 C40Y300",
        ]
    );
    let asm = "ASM\nLT\n01JAN00053E001\nEQT\nFL100/05JAN27 CDG/AMS/JFK\nJ 319 .Y130\n//\nCNL\nFL200/05JAN27 CDG/AMS\n";
    assert_eq!(
        shown(&read(asm)),
        [
            "FL100 of 2027-01-05: Some(CDG) 319 Y130",
            "FL100 of 2027-01-05: Some(AMS) 319 Y130",
            "8 note: it names legs, and is taken for the whole flight: where other legs of it fly all the same, send them as RPL",
            "FL200 of 2027-01-05: Cancel",
        ]
    );
    // What stands behind an ASM's flight and is none of these is not passed over.
    let bad = "ASM\nLT\n01JAN00053E001\nCNL\nFL100/05JAN27 FL101/05JAN27\n";
    assert_eq!(rejects(&read(bad))[0].code, Code::BadRecord);
}

#[test]
fn times_and_equipment_may_come_in_one_part() {
    for action in ["TIM/EQT COMM", "EQT/TIM"] {
        let text = format!(
            "ASM\nLT\n01JAN00053E001\n{action}\nFL100/05JAN27\nJ 319 CY.C20Y110\nCDG050830 AMS050950\n"
        );
        assert_eq!(
            shown(&read(&text)),
            [
                "FL100 of 2027-01-05: CDG05T0730-05T0850",
                "FL100 of 2027-01-05: Some(CDG) 319 C20Y110",
            ]
        );
    }
    let cut = "ASM\nLT\n01JAN00053E001\nTIM/EQT\nFL100/05JAN27\nCDG050830 AMS050950\n";
    assert_eq!(rejects(&read(cut))[0].code, Code::MissingField);
    let cut = "ASM\nLT\n01JAN00053E001\nTIM/EQT\nFL100/05JAN27\nJ 319 CY.C20Y110\n";
    assert_eq!(rejects(&read(cut))[0].code, Code::MissingField);
    let unread = "ASM\nLT\n01JAN00053E001\nEQT/RRT\nFL100/05JAN27\nJ 319 CY.C20Y110\n";
    assert_eq!(rejects(&read(unread))[0].code, Code::UnknownType);
}

#[test]
fn seats_of_another_airlines_aircraft_are_not_sold_twice() {
    for (flight, period, aircraft, leg) in [
        ("FL100 2/KL", "", "", ""),
        ("FL100", " 2/KL", "", ""),
        ("FL100", "", " 2/KL", ""),
        ("FL100", "", "", " 2/KL"),
        ("FL100", "", "", "\nCDGAMS 2/KL"),
    ] {
        let text = format!(
            "{HEAD}NEW\n{flight}\n05JAN27 05JAN27 2{period}\nJ 738 CY.C30Y150{aircraft}\nCDG0800 AMS0920{leg}\n"
        );
        assert_eq!(
            shown(&read(&text)),
            ["FL100.2027-01-05.CDG CDG05T0700-AMS05T0820 C0 Y0"],
            "{text}"
        );
    }
    // A leg alone; another airline's crew or a joint service is no other aircraft.
    let text = format!(
        "{HEAD}NEW\nFL100 1/KL 4/KL\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nCDG0800 AMS0920\nAMS1000 LHR1030 2/KL\n"
    );
    assert_eq!(
        shown(&read(&text)),
        ["FL100.2027-01-05.CDG CDG05T0700-AMS05T0820 Y150, AMS05T0900-LHR05T1030 Y0"]
    );
    let text = format!("{HEAD}EQT\nFL100 2/KL\n05JAN27 05JAN27 2\nJ 738 Y.Y150\n");
    let items = read(&text);
    let [_, Parsed::Unplaced { event, .. }] = &items[..] else {
        panic!("{items:?}")
    };
    let ProviderBody::Equipment(equipment) = &event.body else {
        panic!("{event:?}")
    };
    assert_eq!(equipment.cabins[0].authorised, Some(0));
}

#[test]
fn words_telegrams_and_small_letters() {
    let text = "\u{1}HDQRMFL MUCRMLH\r\nFRARMLH\r\n.HDQRM1A 011230\r\n\u{2}Ssm\r\n\r\nlt\r\n01jan00052e001/acme\r\n\
                cnl\r\nfl1\r\n05Jan27 05JAN27 2\r\n//\r\nSI AUTOFEED 12\r\nMORE WORDS\r\n\u{3}\r\n\
                HDQRMFL\r\n.HDQRM1A 011231\r\nASM\r\nLT\r\n01JAN00053E001\r\nCNL\r\nFL2/05\r\n";
    assert_eq!(
        shown(&read(text)),
        ["FL1 of 2027-01-05: Cancel", "FL2 of 2027-01-05: Cancel"]
    );
    // Addresses stand in front of an origin, and nowhere else.
    let lost = "HDQRMFL\nSSM\nLT\n01JAN00052E001\nCNL\nFL1\n05JAN27 05JAN27 2\nHDQRMFL\n";
    let codes: Vec<_> = rejects(&read(lost))
        .iter()
        .map(|r| (r.line, r.code))
        .collect();
    assert_eq!(codes, [(1, Code::BadRecord), (5, Code::BadRecord)]);
}

#[test]
fn days_of_operation_may_stand_apart() {
    for days in ["2 3", "23", ".23....", "0230000", "2 3 6/FL7"] {
        let text = format!("{HEAD}CNL\nFL1\n04JAN27 10JAN27 {days}\n");
        assert_eq!(
            shown(&read(&text)),
            ["FL1 of 2027-01-05: Cancel", "FL1 of 2027-01-06: Cancel"],
            "{days}"
        );
    }
}

/// The schedule of the only flight of a text.
fn schedule(text: &str) -> flightline_ledger::command::Schedule {
    let items = read(text);
    let mut schedules = events(&items)
        .into_iter()
        .filter_map(|event| match event.body {
            ProviderBody::Schedule(schedule) => Some(schedule),
            _ => None,
        });
    let schedule = schedules.next();
    assert_eq!(schedules.count(), 0, "{text}");
    schedule.unwrap_or_else(|| panic!("no schedule of {text}: {:?}", rejects(&items)))
}

/// Cabins of the first leg, each with seats and classes.
fn cabins(text: &str) -> Vec<String> {
    let cabins = schedule(text).legs.swap_remove(0).cabins;
    let shown = cabins.iter().map(|cabin| {
        let classes = cabin.classes.iter().map(|class| class.class.to_string());
        let seats = cabin
            .seats
            .map_or("?".to_owned(), |seats| seats.to_string());
        format!("{}{seats} {}", cabin.cabin, classes.collect::<String>())
    });
    shown.collect()
}

fn flown_by(aircraft: &str, segments: &str) -> String {
    format!("{HEAD}NEW\nFL100\n05JAN27 05JAN27 2\n{aircraft}\nCDG0800 AMS0920\n{segments}")
}

#[test]
fn seats_that_are_written_twice_are_there_once() {
    assert_eq!(cabins(&flown_by("J 320 Y180.Y180", "")), ["Y180 "]);
    assert_eq!(
        cabins(&flown_by("J 320 C8Y168.C8Y168VV17", "")),
        ["C8 ", "Y168 "]
    );
    let both = read(&flown_by("J 320 C8Y168.C8Y160", ""));
    assert_eq!(rejects(&both)[0].code, Code::BadCode);
}

#[test]
fn classes_and_configuration_may_stand_in_data_elements() {
    assert_eq!(
        cabins(&flown_by("J 320 XX.C8Y168", "CDGAMS 106/CDZYBM\n")),
        ["C8 CDZ", "Y168 YBM"]
    );
    assert_eq!(
        cabins(&flown_by("J 320 CY.XX", "QQQQQQ 108/C8Y168VV1\n")),
        ["C8 C", "Y168 Y"]
    );
    // Of another leg; and none at all: no class is called X.
    for segments in ["AMSCDG 106/CDZYBM\n", ""] {
        assert_eq!(
            cabins(&flown_by("J 320 XX.C8Y168", segments)),
            ["C8 ", "Y168 "]
        );
    }
    // What the aircraft says itself counts.
    assert_eq!(
        cabins(&flown_by(
            "J 320 CY.C8Y168",
            "CDGAMS 106/CDZYBM\nCDGAMS 108/Y1\n"
        )),
        ["C8 C", "Y168 Y"]
    );
    let text = format!("{HEAD}EQT\nFL100\n05JAN27 05JAN27 2\nJ 320 XX.C8Y168\nQQQQQQ 106/CDYB\n");
    let items = read(&text);
    let Some(Parsed::Unplaced { event, .. }) = items.last() else {
        panic!("{items:?}")
    };
    let ProviderBody::Equipment(equipment) = &event.body else {
        panic!("{event:?}")
    };
    let classes = equipment.cabins.iter().map(|cabin| cabin.classes.len());
    assert_eq!(classes.collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn restrictions_of_traffic_are_kept() {
    let restricted = |segments: &str| {
        let text = format!(
            "{HEAD}RPL\nFL1\n05JAN27 05JAN27 2\nJ 388 Y.Y341\nSYD1510 SIN2030\nSIN2245 LHR0510/1\n{segments}"
        );
        let pairs = schedule(&text).restricted;
        let shown = pairs.iter().map(|(board, off)| format!("{board}{off}"));
        shown.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(restricted("SYDSIN 8/A\n"), "SYDSIN");
    assert_eq!(restricted("SYDQQQ 8/K\n"), "SYDSIN SYDLHR");
    assert_eq!(restricted("QQQQQQ 8/H\n"), "SYDSIN SYDLHR SINLHR");
    assert_eq!(restricted("SINLHR 8/Z\nSINLHR 170/A\n"), "SINLHR");
    assert_eq!(restricted("SINLHR 8/Z\nSINLHR 172/A\n"), "");
    assert_eq!(restricted("SYDLHR 505/ET\n"), "");
}

#[test]
fn a_departure_that_is_counted_from_the_flights_own_day_leaves_it_its_day() {
    let utc = |part: &str| format!("SSM\nUTC\n01JAN00052E001\n{part}");
    for (leg, want) in [
        (
            "HND2355/M1 JFK1245",
            "FL5.2027-01-10.HND HND09T2355-JFK10T1245 Y150",
        ),
        (
            "LAX0100/1 HNL0700/1",
            "FL5.2027-01-10.LAX LAX11T0100-HNL11T0700 Y150",
        ),
        (
            "LAX0100 HNL0700",
            "FL5.2027-01-09.LAX LAX10T0100-HNL10T0700 Y150",
        ),
    ] {
        let text = utc(&format!(
            "NEW\nFL5\n10JAN27 10JAN27 7\nJ 773 Y.Y150\n{leg}\n"
        ));
        assert_eq!(shown(&read(&text)), [want]);
    }
    // So it is when its times change.
    let text = utc("TIM\nFL5\n10JAN27 10JAN27 7\nHND2340/M1 JFK1230\n");
    assert_eq!(
        shown(&read(&text)),
        ["FL5 of 2027-01-10: HND09T2340-10T1230"]
    );
}

#[test]
fn an_airlines_own_aircraft_is_no_other_airlines() {
    let own = "J 320 Y.Y168 2/FL";
    assert_eq!(
        shown(&read(&flown_by(own, ""))),
        ["FL100.2027-01-05.CDG CDG05T0700-AMS05T0820 Y168"]
    );
    let other = "J 320 Y.Y168 2/KL";
    assert_eq!(
        shown(&read(&flown_by(other, ""))),
        ["FL100.2027-01-05.CDG CDG05T0700-AMS05T0820 Y0"]
    );
}

#[test]
fn envelopes_in_sections_are_passed_over() {
    let head = |kind: &str| {
        format!(
            "=HEADER\nRCV,2026/12/31 11:30\n=PRIORITY\nQU\n=DESTINATION TYPE B\nSTX,LHRXXBA\nSTX,PARXXAF\n=ORIGIN\nMUCSCLH\n=MSGID\n311129\n{kind}=TEXT\n"
        )
    };
    let part = "NEW\nFL100\n05JAN27 05JAN27 2\nJ 738 Y.Y150\nCDG0800 AMS0920\n";
    let want = ["FL100.2027-01-05.CDG CDG05T0700-AMS05T0820 Y150"];
    for text in [
        format!("{}{HEAD}{part}", head("=SMI\nSSM\n")),
        format!("{}{HEAD}{part}", head("")),
        format!("{}LT\n01JAN00052E001\n{part}", head("=SMI\nSSM\n")),
    ] {
        assert_eq!(shown(&read(&text)), want, "{text}");
    }
    // Its time is that of a message without a reference.
    let items = read(&format!("{}SSM\nLT\n{part}", head("")));
    let events = events(&items);
    assert_eq!(events[0].version.time_ms, 1_798_716_540_000);
}
