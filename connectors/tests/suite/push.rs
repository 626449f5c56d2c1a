//! Batches, and full replacements that close only when they came whole.

use std::collections::BTreeSet;

use flightline_connectors::{
    Batch, Code, Options, Push, PushConfig, ReplacementClose, Source, format, nycflights13,
};
use flightline_ledger::{Command, FlightCommand, FlightKey};

use crate::support::gz;

fn push(name: &str, bytes: &[u8], batch_items_max: usize) -> Vec<Batch> {
    let connector = format(name).unwrap().connector(&Options::new()).unwrap();
    let config = PushConfig {
        authority: 7,
        batch_items_max,
        replace_flights_max: 3,
        ..PushConfig::new("tester".parse().unwrap())
    };
    let batches: Vec<_> = Push::new(&*connector, Source::new("m", bytes), config).collect();
    for batch in &batches {
        assert!(batch.commands.len() + batch.rejects.len() < batch_items_max + 3);
        for command in &batch.commands {
            let FlightCommand::Provider(event) = &command.command else {
                panic!("a push makes provider events only");
            };
            assert_eq!((event.provider.as_str(), event.authority), ("tester", 7));
        }
    }
    batches
}

#[test]
fn batches_hold_everything_once_in_order_whatever_their_size() {
    let whole = push("nycflights13", nycflights13::JANUARY_CSV_GZ, usize::MAX / 2);
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].records, 27_004);
    assert_eq!(whole[0].commands.len(), 2 * 27_004 + 521);
    for size in [1, 512, 10_000] {
        let parts = push("nycflights13", nycflights13::JANUARY_CSV_GZ, size);
        assert_eq!(parts.iter().map(|b| b.records).sum::<u64>(), 27_004);
        let commands: Vec<_> = parts.into_iter().flat_map(|b| b.commands).collect();
        assert_eq!(commands, whole[0].commands, "batches of {size}");
    }
}

const VERSION: &str = r#""source_version":{"time":"2026-11-22T10:00:00Z"}"#;

fn cancel(key: &str) -> String {
    format!(r#"{{"type":"cancel","flight_key":"{key}",{VERSION}}}"#)
}

fn mark(kind: &str, more: &str) -> String {
    format!(
        r#"{{"type":"replace_{kind}",{VERSION},"carrier":"UA","from":"2027-01-01","to":"2027-01-31"{more}}}"#
    )
}

/// The closes and the codes of rejects for these lines.
fn replaced(lines: &[String]) -> (Vec<ReplacementClose>, Vec<Code>) {
    let mut both = None;
    for size in [1, 2, 100] {
        let batches = push("canonical", lines.join("\n").as_bytes(), size);
        let rejects = batches.iter().flat_map(|b| &b.rejects).map(|r| r.code);
        let closes = batches.iter().filter_map(|b| b.close.clone());
        let now = (closes.collect(), rejects.collect());
        assert_eq!(*both.get_or_insert(now.clone()), now, "batches of {size}");
    }
    both.unwrap()
}

const IN: &str = "UA1.2027-01-05.EWR";
const OUT: &str = "UA1.2027-02-05.EWR";

#[test]
fn a_whole_replacement_closes_with_what_it_named() {
    let (closes, rejects) = replaced(&[
        cancel("UA9.2027-01-05.EWR"),
        mark("begin", ""),
        cancel(IN),
        cancel(IN),
        cancel(OUT),
        // Rejected, but it says which flight it is about.
        r#"{"type":"cancel","flight_key":"UA2.2027-01-05.EWR","oops":1}"#.to_owned(),
        mark("end", r#","events":4"#),
        cancel("UA3.2027-01-05.EWR"),
    ]);
    assert_eq!(rejects, [Code::UnknownField]);
    assert!(
        !closes[0].named.contains(&OUT.parse().unwrap()),
        "out of scope"
    );
    let [close] = &closes[..] else {
        panic!("{closes:?}")
    };
    assert_eq!((close.line, close.authority), (7, 7));
    let named: BTreeSet<String> = close.named.iter().map(FlightKey::to_string).collect();
    assert_eq!(
        named,
        BTreeSet::from([IN.to_owned(), "UA2.2027-01-05.EWR".to_owned()])
    );
    let existing = [IN, OUT, "UA2.2027-01-05.EWR", "UA9.2027-01-05.EWR"];
    let withdrawn: Vec<_> = close
        .withdrawals(existing.map(|key| key.parse().unwrap()))
        .map(|command| command.flight.to_string())
        .collect();
    assert_eq!(withdrawn, ["UA9.2027-01-05.EWR"]);
}

#[test]
fn the_close_comes_behind_the_commands_before_it() {
    let lines = [mark("begin", ""), cancel(IN), mark("end", ""), cancel(OUT)];
    let batches = push("canonical", lines.join("\n").as_bytes(), 100);
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0].commands.len(), 1);
    assert!(batches[0].close.is_some());
    assert_eq!(batches[1].commands.len(), 1);
    assert_eq!(batches.iter().map(|b| b.records).sum::<u64>(), 4);
}

#[test]
fn a_replacement_that_is_not_whole_closes_nothing() {
    let other_scope = mark("end", "").replace("01-31", "01-30");
    let other_version = mark("end", "").replace("10:00:00Z", "10:00:01Z");
    let begin = || mark("begin", "");
    let end = || mark("end", "");
    for (what, lines, codes) in [
        ("no end", vec![begin(), cancel(IN)], vec![Code::BadReplace]),
        ("no begin", vec![cancel(IN), end()], vec![Code::BadReplace]),
        (
            "another scope",
            vec![begin(), other_scope],
            vec![Code::BadReplace],
        ),
        (
            "another version",
            vec![begin(), other_version],
            vec![Code::BadReplace],
        ),
        (
            "a line lost",
            vec![begin(), cancel(IN), mark("end", r#","events":2"#)],
            vec![Code::BadReplace],
        ),
        (
            "a line that may name any flight",
            vec![begin(), "garbage".to_owned(), end()],
            vec![Code::BadJson, Code::BadReplace],
        ),
        (
            "the begin mark is damaged",
            vec![begin().replace("UA", "ua"), cancel(IN), end()],
            vec![Code::BadCode, Code::BadReplace],
        ),
        (
            "begun again before the end",
            vec![begin(), begin(), end()],
            vec![Code::BadReplace, Code::BadReplace],
        ),
        (
            "more flights than allowed",
            vec![
                begin(),
                cancel("UA1.2027-01-05.EWR"),
                cancel("UA2.2027-01-05.EWR"),
                cancel("UA3.2027-01-05.EWR"),
                cancel("UA4.2027-01-05.EWR"),
                end(),
            ],
            vec![Code::BadReplace],
        ),
        (
            "cut in the end mark",
            vec![begin(), cancel(IN), end()[..40].to_owned()],
            vec![Code::Truncated, Code::BadReplace],
        ),
    ] {
        let (closes, rejects) = replaced(&lines);
        assert_eq!(closes, [], "{what}");
        assert_eq!(rejects, codes, "{what}");
    }
}

#[test]
fn flights_out_of_scope_are_taken_with_a_warning() {
    let lines = [mark("begin", ""), cancel(IN), cancel(OUT), mark("end", "")];
    let batches = push("canonical", lines.join("\n").as_bytes(), 100);
    assert_eq!(batches[0].commands.len(), 2);
    let warned: Vec<_> = batches[0]
        .warnings
        .iter()
        .map(|w| (w.line, w.flight))
        .collect();
    assert_eq!(warned, [(3, Some(OUT.parse().unwrap()))]);
}

#[test]
fn an_input_that_broke_off_says_so() {
    let broke_off = |bytes: &[u8]| {
        let batches = push("canonical", bytes, 100);
        batches.into_iter().find_map(|batch| batch.broke_off)
    };
    let lines = [mark("begin", ""), cancel(IN)].join("\n");
    assert_eq!(broke_off(lines.as_bytes()), None);
    let cut = broke_off(&lines.as_bytes()[..lines.len() - 3]);
    assert!(cut.unwrap().contains("is not whole"));
    let cut = broke_off(&gz(lines.as_bytes())[..40]);
    assert!(cut.unwrap().contains("ends too early"));
}

#[test]
fn every_reject_can_be_kept_in_the_stream() {
    let batches = push("canonical", b"garbage\ngarbage\n", 100);
    let provider = "tester".parse().unwrap();
    let [(a, one), (b, two)] = [0, 1].map(|n| batches[0].rejects[n].to_command(provider));
    assert_ne!(a, b, "two lines are two faults");
    let Command::FeedReject(one) = one else {
        panic!("{one:?}")
    };
    assert_eq!(
        (one.line, &*one.code, &one.raw[..]),
        (1, "bad_json", &b"garbage"[..])
    );
    assert_eq!(one.message, "m");
    assert_ne!(Command::FeedReject(one), two);
}

#[test]
fn replacements_follow_each_other() {
    let (closes, rejects) = replaced(&[
        mark("begin", ""),
        "garbage".to_owned(),
        mark("end", ""),
        mark("begin", ""),
        cancel(IN),
        mark("end", ""),
    ]);
    assert_eq!(rejects, [Code::BadJson, Code::BadReplace]);
    assert_eq!(closes.len(), 1);
    assert_eq!(closes[0].named.len(), 1);
}
