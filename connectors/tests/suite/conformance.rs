//! What holds for every connector. One call of [`conformance`] each.

use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Code, Parsed};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{events, gz, ids, line, parse, parse_bytewise, rejects, warnings};

/// A format with lines that are good.
struct Case {
    format: &'static str,
    header: Option<&'static str>,
    lines: &'static [&'static str],
    /// The longest line taken.
    line_bytes_max: usize,
}

const NYC: Case = Case {
    format: "nycflights13",
    header: Some(
        "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour",
    ),
    lines: &[
        "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z",
        "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z",
        "2013,1,1,2353,2359,-6,425,445,-20,B6,739,N591JB,JFK,PSE,195,1617,23,59,2013-01-02T04:00:00Z",
    ],
    line_bytes_max: flightline_connectors::nycflights13::LINE_BYTES_MAX,
};

const CANONICAL: Case = Case {
    format: "canonical",
    header: None,
    lines: &[
        r#"{"type":"schedule","flight_key":"UA1545.2027-01-05.EWR","source_version":{"time":"2026-11-22T10:00:00Z"},"legs":[{"board":"EWR","off":"IAH","departs":"2027-01-05T05:15:00-05:00","arrives":"2027-01-05T08:19:00-06:00","cabins":[{"cabin":"Y","seats":180}]}]}"#,
        r#"{"type":"availability","flight_key":"UA1545.2027-01-05.EWR","source_version":{"time":"2026-11-22T10:00:00Z","sequence":1},"cabin":"Y","status":"open","seats":9,"seats_is_floor":true,"counts":"remaining"}"#,
        r#"{"type":"cancel","flight_key":"UA1545.2027-01-05.EWR","source_version":{"time":"2026-11-22T10:00:00Z","sequence":2}}"#,
    ],
    line_bytes_max: flightline_connectors::canonical::LINE_BYTES_MAX,
};

const AVS: Case = Case {
    format: "avs",
    header: None,
    lines: &[
        "PK0785Y25DEC26 A4 LHEKHI",
        "PK0786/26DEC26 CN LHEKHI",
        "UT422Y 25APR27 03 UFAAER Y09 B04 V00",
    ],
    line_bytes_max: flightline_connectors::avs::LINE_BYTES_MAX,
};

#[test]
fn avs_conforms() {
    conformance(&AVS);
}

#[test]
fn nycflights13_conforms() {
    conformance(&NYC);
}

#[test]
fn canonical_conforms() {
    conformance(&CANONICAL);
}

impl Case {
    /// The lines with more of them in the middle (behind the first good one), joined.
    fn file(&self, more: &[&[u8]], line_end: &str) -> Vec<u8> {
        let (first, rest) = self.lines.split_first().unwrap();
        let mut lines: Vec<&[u8]> = self.header.iter().map(|h| h.as_bytes()).collect();
        lines.push(first.as_bytes());
        lines.extend(more);
        lines.extend(rest.iter().map(|line| line.as_bytes()));
        let mut file = Vec::new();
        for line in lines {
            file.extend_from_slice(line);
            file.extend_from_slice(line_end.as_bytes());
        }
        file
    }

    /// The number of the line after the first good one.
    fn middle(&self) -> u64 {
        2 + self.header.iter().count() as u64
    }
}

fn conformance(case: &Case) {
    let file = case.file(&[], "\n");
    let good = parse(case.format, &file);
    let wanted = events(&good);
    assert!(wanted.len() >= case.lines.len());
    assert!(rejects(&good).is_empty(), "{:?}", rejects(&good));
    assert!(warnings(&good).is_empty(), "{:?}", warnings(&good));
    order_is_kept(case, &good);

    nothing_comes_of_nothing(case);
    spelling_of_the_file_does_not_matter(case, &file, &good);
    a_bad_line_costs_itself_alone(case, &good);
    a_cut_file_gives_what_was_whole(case, &file, &good);
    ids_are_those_of_the_content(case, &file, &good);
}

fn order_is_kept(case: &Case, good: &[Parsed]) {
    let lines: Vec<_> = good.iter().map(line).collect();
    assert!(lines.is_sorted());
    let first = case.middle() - 1;
    let mut distinct = lines.clone();
    distinct.dedup();
    let expected: Vec<_> = (first..first + case.lines.len() as u64).collect();
    assert_eq!(distinct, expected);
}

fn nothing_comes_of_nothing(case: &Case) {
    for empty in [&b""[..], b"\n", b"\r\n \n\t\n", b"\xef\xbb\xbf", &gz(b"")] {
        assert_eq!(parse(case.format, empty), []);
    }
    if let Some(header) = case.header {
        assert_eq!(parse(case.format, header.as_bytes()), []);
    }
}

fn spelling_of_the_file_does_not_matter(case: &Case, file: &[u8], good: &[Parsed]) {
    let bom = [b"\xef\xbb\xbf", file].concat();
    let half = file.len() / 2;
    let members = [gz(&file[..half]), gz(&file[half..])].concat();
    let no_last_line_end = &file[..file.len() - 1];
    for (what, bytes) in [
        ("CRLF", case.file(&[], "\r\n")),
        ("BOM", bom.clone()),
        ("gzip", gz(file)),
        ("gzip with BOM", gz(&bom)),
        ("gzip in two members", members),
        ("no line end at the end", no_last_line_end.to_vec()),
    ] {
        assert_eq!(parse(case.format, &bytes), good, "{what}");
        assert_eq!(
            parse_bytewise(case.format, &bytes),
            good,
            "{what}, bytewise"
        );
    }
    let blank = parse(case.format, &case.file(&[b"", b"   ", b""], "\n"));
    assert_eq!(events(&blank), events(good));
    assert_eq!(blank.len(), good.len());
}

fn a_bad_line_costs_itself_alone(case: &Case, good: &[Parsed]) {
    let giant = vec![b'x'; case.line_bytes_max + 3];
    let huge = vec![b'"'; 5 * case.line_bytes_max];
    let bad: [(&[u8], Option<Code>); 9] = [
        (b"garbage", None),
        (b"\"", None),
        (b"{\"type\":", None),
        (b"\0\0\0", None),
        (b"a,\"b", None),
        (b"[]", None),
        (b"\xff\xfe\x00", Some(Code::NotUtf8)),
        (&giant, Some(Code::LineTooLong)),
        (&huge, Some(Code::LineTooLong)),
    ];
    let all: Vec<&[u8]> = bad.iter().map(|(line, _)| *line).collect();
    let items = parse(case.format, &case.file(&all, "\n"));
    assert_eq!(events(&items), events(good));
    let rejects = rejects(&items);
    assert_eq!(rejects.len(), bad.len());
    for (n, (reject, (raw, code))) in rejects.iter().zip(bad).enumerate() {
        assert_eq!(reject.line, case.middle() + n as u64);
        assert_eq!(&*reject.message, "test");
        assert_eq!(reject.raw, &raw[..raw.len().min(RAW_BYTES_MAX)]);
        assert!(reject.reason.len() > 20 && reject.reason.len() < 1000);
        assert_ne!(reject.code, Code::Truncated, "{reject}");
        if let Some(code) = code {
            assert_eq!(reject.code, code);
        }
    }
    assert!(items.iter().map(line).is_sorted());
}

fn a_cut_file_gives_what_was_whole(case: &Case, file: &[u8], good: &[Parsed]) {
    let start = case.header.map_or(0, |header| header.len() + 1);
    for cut in start..file.len() {
        let items = parse(case.format, &file[..cut]);
        let whole = events(&items);
        assert_eq!(whole[..], events(good)[..whole.len()], "cut at {cut}");
        // Either the cut falls between two lines or it is told.
        let between = file[cut - usize::from(cut > 0)] == b'\n' || file[cut] == b'\n' || cut == 0;
        let codes: Vec<_> = rejects(&items).iter().map(|r| r.code).collect();
        let wanted = if between {
            vec![]
        } else {
            vec![Code::Truncated]
        };
        assert_eq!(codes, wanted, "cut at {cut}");
    }
    let packed = gz(file);
    for cut in 3..packed.len() {
        let items = parse(case.format, &packed[..cut]);
        let whole = events(&items);
        assert_eq!(whole[..], events(good)[..whole.len()], "cut at {cut}");
        let codes: Vec<_> = rejects(&items).iter().map(|r| r.code).collect();
        assert_eq!(codes, [Code::Truncated], "cut at {cut}");
    }
    // Damage in the middle of the compressed data.
    let mut damaged = packed.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 0xff;
    let items = parse(case.format, &damaged);
    assert_eq!(rejects(&items).len(), 1);
    assert_eq!(rejects(&items)[0].code, Code::Unreadable);
}

fn ids_are_those_of_the_content(case: &Case, file: &[u8], good: &[Parsed]) {
    let wanted = ids(good);
    let mut distinct = wanted.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), wanted.len());
    assert_eq!(ids(&parse(case.format, file)), wanted);
    // In another place of another file.
    let moved = case.file(&[b"garbage", b""], "\r\n");
    assert_eq!(ids(&parse(case.format, &moved)), wanted);
}

/// A good file of each format.
pub(crate) fn samples() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let cases = [&NYC, &CANONICAL, &AVS];
    cases
        .into_iter()
        .map(|case| (case.format, case.file(&[], "\n")))
}

/// Checks what holds of any bytes at all.
pub(crate) fn any_bytes(format: &str, bytes: &[u8]) {
    let items = parse(format, bytes);
    assert!(items.iter().map(line).min().unwrap_or(1) >= 1);
    for reject in rejects(&items) {
        assert!(reject.raw.len() <= RAW_BYTES_MAX);
        assert!(!reject.reason.is_empty());
    }
    assert_eq!(parse(format, bytes), items, "the same bytes, other items");
}

/// A good file with a few bytes changed, added or dropped.
fn damaged(case: &'static Case) -> impl Strategy<Value = Vec<u8>> {
    let file = case.file(&[], "\n");
    let edits = vec(
        (
            0..file.len(),
            prop_oneof![Just(None), any::<u8>().prop_map(Some)],
            any::<bool>(),
        ),
        0..12,
    );
    edits.prop_map(move |edits| {
        let mut bytes = file.clone();
        for (at, byte, insert) in edits {
            let at = at.min(bytes.len().saturating_sub(1));
            match byte {
                None if !bytes.is_empty() => {
                    bytes.remove(at);
                }
                Some(byte) if insert || bytes.is_empty() => bytes.insert(at, byte),
                Some(byte) => bytes[at] = byte,
                None => {}
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nycflights13_takes_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        any_bytes("nycflights13", &bytes);
    }

    #[test]
    fn canonical_takes_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        any_bytes("canonical", &bytes);
    }

    #[test]
    fn avs_takes_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        any_bytes("avs", &bytes);
    }

    #[test]
    fn avs_takes_damaged_files(bytes in damaged(&AVS)) {
        any_bytes("avs", &bytes);
        any_bytes("avs", &gz(&bytes));
    }

    #[test]
    fn nycflights13_takes_damaged_files(bytes in damaged(&NYC)) {
        any_bytes("nycflights13", &bytes);
        any_bytes("nycflights13", &gz(&bytes));
    }

    #[test]
    fn canonical_takes_damaged_files(bytes in damaged(&CANONICAL)) {
        any_bytes("canonical", &bytes);
    }

    /// Any values in the places of a row: either events or one reject.
    #[test]
    fn nycflights13_takes_any_fields(
        fields in vec(prop_oneof![
            "[0-9]{1,10}", "NA", "-?[0-9]{1,20}", "[A-Z]{2,4}",
            "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z", "\\PC{0,6}",
        ], 14),
        year in 0..9999_u32, hhmm in 0..2500_u32,
    ) {
        let header = NYC.header.unwrap();
        let mut row = fields;
        row.splice(0..0, [year.to_string(), "2".into(), "28".into(), hhmm.to_string(), hhmm.to_string()]);
        any_bytes("nycflights13", format!("{header}\n{}\n", row.join(",")).as_bytes());
    }
}
