//! Bytes that were written once and must be read for ever.
//!
//! `tests/golden/stream/v1/` holds one record of every kind, in hexadecimal, as version 1 of the
//! format wrote it, beside what the format promises elsewhere: partitions of keys, running hashes,
//! saved checker states. These files are never changed. A new version gets a folder of its own.
//!
//! `FLIGHTLINE_GOLDEN_WRITE=1` writes the files that are missing, and touches no other.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, FeedCommand, FeedReject, Leg,
    LegTimes, Level, Numbered, Replaced, Reseat, SaleStatus, Schedule, Series, Settings,
    SourceVersion, UnplacedReport,
};
use flightline_ledger::order::{
    CreateOrder, EffectId, EffectResult, FlightChange, FlightNotice, OfferRequestId, OrderAction,
    OrderId, OrderSettings, Payment, QuoteId, RefundTerms, SegmentRequest, Terms,
};
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, Money, ProviderBody, ProviderEvent,
    Reason,
};
use flightline_stream::record::{Draft, Header, Record, Stamp, encode, peek};
use flightline_stream::{Checker, CheckerState, StreamKey};

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/stream/v1"
    ))
}

/// The file's text; it is written first when it is missing and that was asked for.
fn golden(name: &str, now: &str) -> String {
    let path = folder().join(name);
    if !path.exists() && std::env::var_os("FLIGHTLINE_GOLDEN_WRITE").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&path, now).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn to_hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(out, "{byte:02x}").unwrap();
        }
        out.push('\n');
    }
    out
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn code<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap_or_else(|| panic!("{text}"))
}

fn money(minor: i64) -> Money {
    Money {
        minor,
        currency: code("USD"),
        exponent: 2,
    }
}

fn times(board: &str, departs_s: i64) -> LegTimes {
    LegTimes {
        board: code(board),
        departs_s,
        arrives_s: departs_s + 14_400,
        departs_offset_min: -300,
        arrives_offset_min: 60,
    }
}

fn cabins() -> Vec<CabinPlan> {
    vec![
        CabinPlan {
            cabin: code("F"),
            seats: Some(20),
            authorised: None,
            classes: vec![],
        },
        CabinPlan {
            cabin: code("Y"),
            seats: None,
            authorised: Some(160),
            classes: vec![
                ClassPlan {
                    class: code("Y"),
                    limit: None,
                },
                ClassPlan {
                    class: code("Q"),
                    limit: Some(0),
                },
            ],
        },
    ]
}

/// One command of every kind, by the name of its file.
fn commands() -> Vec<(&'static str, Command)> {
    let key: FlightKey = code("UA1545.2027-01-05.EWR");
    let hold = CommandId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
    let flight = |command| Command::Flight(key, command);
    let event = |body| {
        Command::Flight(
            code("9E3538A.2026-12-31.JFK"),
            FlightCommand::Provider(Box::new(ProviderEvent {
                provider: code("air-lines_7"),
                version: SourceVersion {
                    time_ms: 1_798_761_600_123,
                    group: 70_000,
                    sequence: 5,
                },
                authority: 200,
                quality: 0b100_0101,
                body,
            })),
        )
    };
    vec![
        ("tick", Command::Tick),
        ("fence", Command::Fence),
        ("configure", Command::Configure(Settings::default())),
        (
            "feed_reject",
            Command::FeedReject(Box::new(FeedReject {
                provider: code("united"),
                message: "ssim-2027-01.txt".to_owned(),
                line: 4_711,
                code: "bad_time".to_owned(),
                reason: "Zeit «2561» gibt es nicht".to_owned(),
                raw: vec![0, 1, 2, 0xff, b'\n'],
            })),
        ),
        (
            "hold_full",
            flight(FlightCommand::Hold(HoldRequest {
                provider: Some(code("united")),
                cabin: code("Y"),
                class: Some(code("Q")),
                board: Some(code("EWR")),
                off: Some(code("IAH")),
                seats: 300,
                ttl_ms: Some(900_000),
                expected_price: Some(money(12_345)),
                wait_ms: None,
            })),
        ),
        (
            "hold_bare",
            flight(FlightCommand::Hold(HoldRequest {
                provider: None,
                cabin: code("F"),
                class: None,
                board: None,
                off: None,
                seats: 1,
                ttl_ms: None,
                expected_price: None,
                wait_ms: None,
            })),
        ),
        ("confirm", flight(FlightCommand::Confirm { hold })),
        ("release", flight(FlightCommand::Release { hold })),
        ("cancel", flight(FlightCommand::Cancel { hold })),
        (
            "schedule",
            event(ProviderBody::Schedule(Schedule {
                legs: vec![
                    Leg {
                        board: code("JFK"),
                        off: code("ORD"),
                        times: times("JFK", 1_798_770_000),
                        aircraft: *b"73H",
                        service: b'J',
                        cabins: cabins(),
                    },
                    Leg {
                        board: code("ORD"),
                        off: code("SFO"),
                        times: times("ORD", -1),
                        aircraft: [0; 3],
                        service: b'F',
                        cabins: vec![],
                    },
                ],
                restricted: vec![(code("JFK"), code("ORD"))],
                operating: Some(code("BAW12.1999-02-28.LHR")),
            })),
        ),
        (
            "time_change",
            event(ProviderBody::TimeChange(vec![
                times("JFK", 1_798_770_600),
                times("ORD", i64::MIN / 2),
            ])),
        ),
        (
            "equipment",
            event(ProviderBody::Equipment(Equipment {
                board: Some(code("ORD")),
                aircraft: *b"E75",
                cabins: cabins(),
            })),
        ),
        (
            "equipment_all_legs",
            event(ProviderBody::Equipment(Equipment {
                board: None,
                aircraft: [0; 3],
                cabins: vec![],
            })),
        ),
        (
            "availability_segment",
            event(ProviderBody::Availability(Availability {
                level: Level::Segment(code("JFK"), code("SFO")),
                cabin: Some(code("Y")),
                class: Some(code("Q")),
                status: SaleStatus::Open,
                seats: Some(-3),
                is_floor: false,
                counts: Counts::Remaining,
                expires_ms: None,
            })),
        ),
        (
            "availability_leg",
            event(ProviderBody::Availability(Availability {
                level: Level::Leg(code("JFK")),
                cabin: None,
                class: Some(code("Y")),
                status: SaleStatus::WaitlistOpen,
                seats: Some(9),
                is_floor: true,
                counts: Counts::Total,
                expires_ms: None,
            })),
        ),
        (
            "availability_flight",
            event(ProviderBody::Availability(Availability {
                level: Level::Flight,
                cabin: None,
                class: None,
                status: SaleStatus::NotOperating,
                seats: None,
                is_floor: false,
                counts: Counts::Total,
                expires_ms: None,
            })),
        ),
        (
            "fares",
            event(ProviderBody::Fares(vec![
                Fare {
                    segment: Some((code("JFK"), code("ORD"))),
                    cabin: code("Y"),
                    class: Some(code("Q")),
                    price: money(9_900),
                },
                Fare {
                    segment: None,
                    cabin: code("F"),
                    class: None,
                    price: money(0),
                },
            ])),
        ),
        (
            "terms",
            event(ProviderBody::Terms(vec![(code("Y"), 7), (code("F"), 0)])),
        ),
        ("provider_cancel", event(ProviderBody::Cancel)),
        ("provider_reinstate", event(ProviderBody::Reinstate)),
        ("provider_withdraw", event(ProviderBody::Withdraw)),
        (
            "acknowledge",
            event(ProviderBody::Acknowledge(vec![hold, CommandId(0)])),
        ),
    ]
    .into_iter()
    .chain(order_commands(key, hold))
    .collect()
}

/// Commands about orders, which came later.
fn order_commands(flight: FlightKey, hold: CommandId) -> Vec<(&'static str, Command)> {
    let effect = EffectId(0xffee_ddcc_bbaa_9988_7766_5544_3322_1100);
    let order = |action| Command::Order(OrderId(7 << 64 | 11), Box::new(action));
    let done = |result| order(OrderAction::EffectDone { effect, result });
    let notice = |change| {
        order(OrderAction::FlightChanged(FlightNotice {
            flight,
            offset: 300,
            change,
        }))
    };
    let segment = |full: bool| SegmentRequest {
        flight,
        provider: full.then(|| code("united")),
        cabin: code("Y"),
        class: full.then(|| code("Q")),
        board: full.then(|| code("EWR")),
        off: full.then(|| code("IAH")),
        seats: 2,
        price: money(12_345),
        departs_ms: 1_798_770_000_000,
    };
    let create_waiting = |terms, wait_ms, refund, slices| {
        order(OrderAction::Create(Box::new(CreateOrder {
            offer_request: OfferRequestId(1 << 127 | 5),
            offer: "off_é".into(),
            client: "web".into(),
            terms,
            wait_ms,
            slices,
            passengers: 3,
            sealed: "c2VhbGVk".into(),
            total: money(49_380),
            refund,
            metadata: vec![("key".into(), "wért".into()), ("k2".into(), "".into())],
        })))
    };
    let create = |terms, refund, slices| create_waiting(terms, None, refund, slices);
    let mut all = vec![
        ("configure_orders", Command::ConfigureOrders(Box::default())),
        (
            "order_create_instant",
            create(
                Terms::Instant {
                    method: "balance".into(),
                },
                RefundTerms::Penalty(5_000),
                vec![vec![segment(true), segment(false)], vec![segment(true)]],
            ),
        ),
        (
            "order_create_hold",
            create(
                Terms::Hold {
                    pay_by_ms: 86_400_000,
                },
                RefundTerms::Full,
                vec![vec![segment(false)]],
            ),
        ),
        (
            "order_create_empty",
            create(
                Terms::Hold { pay_by_ms: 0 },
                RefundTerms::Nothing,
                vec![vec![]],
            ),
        ),
        (
            "order_pay",
            order(OrderAction::Pay(Payment {
                amount: money(49_380),
                method: "pm_card".into(),
            })),
        ),
        ("order_quote_cancel", order(OrderAction::QuoteCancel)),
        (
            "order_confirm_cancel",
            order(OrderAction::ConfirmCancel { quote: QuoteId(9) }),
        ),
        (
            "order_set_metadata",
            order(OrderAction::SetMetadata(vec![("a".into(), "b".into())])),
        ),
        ("order_accept_changes", order(OrderAction::AcceptChanges)),
        (
            "order_claim",
            order(OrderAction::Claim {
                effect,
                replica: 0x0102_0304_0506_0708,
                until_ms: 1_798_761_660_000,
            }),
        ),
        ("order_flight_cancelled", notice(FlightChange::Cancelled)),
        (
            "order_flight_displaced",
            notice(FlightChange::Displaced { hold }),
        ),
        (
            "order_flight_times",
            notice(FlightChange::Times {
                board: code("EWR"),
                departs_ms: -1,
            }),
        ),
    ];
    let text = |text: &str| text.into();
    let by_balance = Terms::Instant {
        method: "balance".into(),
    };
    let later = Terms::Hold {
        pay_by_ms: 86_400_000,
    };
    all.extend([
        (
            "order_done_held",
            done(EffectResult::Held {
                provider: code("united"),
                deadline_ms: 1_798_762_500_000,
                offset: 128,
            }),
        ),
        ("order_done_confirmed", done(EffectResult::Confirmed)),
        ("order_done_released", done(EffectResult::Released)),
        ("order_done_cancelled", done(EffectResult::Cancelled)),
        (
            "order_done_sold_out",
            done(EffectResult::Refused(Reason::SoldOut { available: 3 })),
        ),
        (
            "order_done_price_changed",
            done(EffectResult::Refused(Reason::PriceChanged {
                now: Some(money(13_000)),
            })),
        ),
        (
            "order_done_price_gone",
            done(EffectResult::Refused(Reason::PriceChanged { now: None })),
        ),
        (
            "order_done_refused",
            done(EffectResult::Refused(Reason::NotOwner)),
        ),
        (
            "order_done_authorised",
            done(EffectResult::Authorised {
                reference: text("pi_1"),
            }),
        ),
        (
            "order_done_declined",
            done(EffectResult::Declined {
                code: text("card_declined"),
            }),
        ),
        ("order_done_captured", done(EffectResult::Captured)),
        ("order_done_voided", done(EffectResult::Voided)),
        ("order_done_refunded", done(EffectResult::Refunded)),
        (
            "order_done_ticketed",
            done(EffectResult::Ticketed {
                number: text("9990000000001"),
            }),
        ),
        (
            "order_done_failed",
            done(EffectResult::Failed {
                code: text("expired"),
            }),
        ),
        ("order_done_unknown", done(EffectResult::Unknown)),
        // Waiting came later still.
        (
            "hold_waiting",
            Command::Flight(
                flight,
                FlightCommand::Hold(HoldRequest {
                    provider: None,
                    cabin: code("Y"),
                    class: None,
                    board: None,
                    off: Some(code("IAH")),
                    seats: 2,
                    ttl_ms: Some(900_000),
                    expected_price: None,
                    wait_ms: Some(86_400_000),
                }),
            ),
        ),
        (
            "order_done_still_waiting",
            done(EffectResult::Refused(Reason::StillWaiting)),
        ),
        // And then orders that wait.
        (
            "order_create_waiting_instant",
            create_waiting(
                by_balance,
                Some(3_600_000),
                RefundTerms::Full,
                vec![vec![segment(false)]],
            ),
        ),
        (
            "order_create_waiting_hold",
            create_waiting(
                later,
                Some(172_800_000),
                RefundTerms::Nothing,
                vec![vec![segment(true)]],
            ),
        ),
        (
            "order_done_waiting",
            done(EffectResult::Waiting {
                deadline_ms: 1_798_766_000_000,
            }),
        ),
        // What concerns a provider's feed as a whole, and what holds for a time only.
        (
            "feed_configure",
            feed(FeedCommand::Configure {
                silence_max_ms: Some(900_000),
            }),
        ),
        (
            "feed_configure_none",
            feed(FeedCommand::Configure {
                silence_max_ms: None,
            }),
        ),
        (
            "feed_heard",
            feed(FeedCommand::Heard {
                at_ms: 1_798_761_600_123,
            }),
        ),
        ("feed_stop", feed(FeedCommand::Stop)),
        ("feed_resume", feed(FeedCommand::Resume)),
        (
            "feed_unplaced",
            feed(FeedCommand::Unplaced(Box::new(UnplacedReport {
                carrier: code("UA"),
                number: 1545,
                suffix: b'D',
                date: code("2027-01-05"),
                utc: true,
                but: Some(code("EWR")),
                event: told(ProviderBody::Cancel),
            }))),
        ),
        (
            "feed_unplaced_bare",
            feed(FeedCommand::Unplaced(Box::new(UnplacedReport {
                carrier: code("BAW"),
                number: 1,
                suffix: 0,
                date: code("1969-12-31"),
                utc: false,
                but: None,
                event: told(ProviderBody::Equipment(Equipment {
                    board: None,
                    aircraft: *b"73H",
                    cabins: cabins(),
                })),
            }))),
        ),
        (
            "feed_replaced",
            feed(FeedCommand::Replaced(Replaced {
                version: told(ProviderBody::Cancel).version,
                carrier: Some(code("UA")),
                from: code("2027-01-01"),
                to: code("2027-01-31"),
            })),
        ),
        (
            "feed_replaced_any",
            feed(FeedCommand::Replaced(Replaced {
                version: told(ProviderBody::Cancel).version,
                carrier: None,
                from: code("2027-01-01"),
                to: code("2027-12-31"),
            })),
        ),
        (
            "availability_expiring",
            Command::Flight(
                flight,
                FlightCommand::Provider(Box::new(told(ProviderBody::Availability(Availability {
                    level: Level::Leg(code("EWR")),
                    cabin: Some(code("Y")),
                    class: None,
                    status: SaleStatus::Open,
                    seats: Some(4),
                    is_floor: false,
                    counts: Counts::Remaining,
                    expires_ms: Some(1_798_766_000_000),
                })))),
            ),
        ),
        (
            "order_done_provider_stopped",
            done(EffectResult::Refused(Reason::ProviderStopped)),
        ),
        (
            "order_done_provider_silent",
            done(EffectResult::Refused(Reason::ProviderSilent)),
        ),
        // And orders that go to providers.
        (
            "configure_orders_outward",
            Command::ConfigureOrders(Box::new(OrderSettings {
                place_within_ms: 60_000,
                outward: vec![code("air-lines_7"), code("united")],
                ..OrderSettings::default()
            })),
        ),
        (
            "reseat",
            Command::Flight(
                flight,
                FlightCommand::Reseat(Reseat {
                    hold,
                    ttl_ms: 900_000,
                    price_max: money(12_345),
                }),
            ),
        ),
        (
            "refuse",
            Command::Flight(
                flight,
                FlightCommand::Provider(Box::new(told(ProviderBody::Refuse(vec![hold])))),
            ),
        ),
        (
            "order_done_placed",
            done(EffectResult::Placed {
                reference: text("ord_00009hthhsUZ8W4LxQgkjo"),
            }),
        ),
        ("order_done_noted", done(EffectResult::Noted)),
        ("order_done_withdrawn", done(EffectResult::Withdrawn)),
        // And messages that their sender numbers.
        (
            "feed_numbered",
            feed(FeedCommand::Numbered(Numbered {
                series: Series::Ssm,
                day: code("2027-01-21"),
                group: 52,
                number: 1,
                is_last: true,
            })),
        ),
        (
            "feed_numbered_more",
            feed(FeedCommand::Numbered(Numbered {
                series: Series::Asm,
                day: code("1969-12-31"),
                group: 99_999,
                number: 999,
                is_last: false,
            })),
        ),
    ]);
    all
}

fn told(body: ProviderBody) -> ProviderEvent {
    ProviderEvent {
        provider: code("air-lines_7"),
        version: SourceVersion {
            time_ms: 1_798_761_600_123,
            group: 70_000,
            sequence: 5,
        },
        authority: 200,
        quality: 0b100_0101,
        body,
    }
}

fn feed(command: FeedCommand) -> Command {
    Command::Feed(code("air-lines_7"), Box::new(command))
}

/// The golden records, in order: each is the next of its producer in one partition.
fn records() -> Vec<(&'static str, Record)> {
    commands()
        .into_iter()
        .enumerate()
        .map(|(n, (name, command))| {
            let record = Record {
                header: Header {
                    stamp: Stamp {
                        producer: 0xfeed_face_cafe_f00d,
                        epoch: 3,
                        sequence: n as u64,
                    },
                    id: CommandId(u128::MAX - n as u128),
                    at_ms: 1_798_761_600_000 + n as i64,
                    kind: 0,
                },
                // Every combination of the two occurs.
                ref_text: (n % 2 == 0).then(|| format!("réf-{n}")),
                actor: (n % 3 == 0).then(|| "web".to_owned()),
                command,
            };
            (name, record)
        })
        .collect()
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    let draft: Draft<'_> = record.draft();
    encode(&mut out, record.header.stamp, &draft).unwrap();
    out
}

#[test]
fn records_of_version_1_decode_for_ever() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, mut record) in records() {
        let bytes = from_hex(&golden(&format!("{name}.hex"), &to_hex(&bytes_of(&record))));
        let header = peek(&bytes).unwrap();
        record.header.kind = header.kind;
        assert_eq!(Record::decode(&bytes), Ok(record.clone()), "{name}");
        assert_eq!(header, record.header, "{name}");
        assert_eq!(
            to_hex(&bytes_of(&record)),
            to_hex(&bytes),
            "{name} is written otherwise now"
        );
        kinds.insert(header.kind);
    }
    // Kinds 1–11, 16–20, 32–42, 48–56.
    assert_eq!(kinds.len(), 37, "a kind has no golden file: {kinds:?}");
    let files = fs::read_dir(folder()).unwrap();
    let files = files.filter(|f| {
        let name = f.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".hex")
    });
    assert_eq!(files.count(), records().len(), "a file that nobody reads");
}

#[test]
fn running_hashes_and_saved_states_stay() {
    let mut checker = Checker::new(5);
    let mut now = String::new();
    // The commands that there were when these files were written.
    let records = records();
    let (first, later) = records.split_at(22);
    let (later, _) = later.split_at(29);
    for (offset, (name, record)) in first.iter().enumerate() {
        checker.check(offset as u64, &bytes_of(record)).unwrap();
        writeln!(now, "{:032x} after {name}", checker.state().hash).unwrap();
    }
    assert_eq!(golden("running_hash.txt", &now), now);
    let mut checker_on = checker.clone();
    let mut on = String::new();
    for (offset, (name, record)) in (22..).zip(later) {
        checker_on.check(offset, &bytes_of(record)).unwrap();
        writeln!(on, "{:032x} after {name}", checker_on.state().hash).unwrap();
    }
    assert_eq!(golden("running_hash_orders.txt", &on), on);
    let state = checker.state().to_bytes();
    let saved = from_hex(&golden("checker_state.txt", &to_hex(&state)));
    assert_eq!(
        CheckerState::from_bytes(&saved).as_ref(),
        Ok(checker.state())
    );
    assert_eq!(saved, state);
}

#[test]
fn keys_stay_in_their_partitions() {
    let mut now = String::new();
    let mut line = |key: StreamKey<'_>| {
        let of = |n| key.partition(n);
        writeln!(now, "{key} {} {} {} {}", of(1), of(7), of(64), of(4096)).unwrap();
    };
    for text in [
        "UA1545.2027-01-05.EWR",
        "9E3538.2027-01-01.JFK",
        "BAW12A.2026-02-28.LHR",
        "W29896.2026-12-31.BUD",
        "AA1.1900-01-01.JFK",
        "AA9999Z.2999-12-31.DFW",
    ] {
        line(StreamKey::Flight(code(text)));
    }
    for number in 1..=40 {
        line(StreamKey::Flight(code(&format!(
            "UA{number}.2027-01-05.EWR"
        ))));
    }
    line(StreamKey::Order("ord_00009hthhsUZ8W4LxQgkjo"));
    line(StreamKey::Order(""));
    line(StreamKey::Feed("united"));
    assert_eq!(
        golden("partitions.txt", &now),
        now,
        "key, partition of 1, of 7, of 64, of 4096"
    );
}
