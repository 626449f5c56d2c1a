//! Good input with its words exchanged, numbers driven to their ends, parts repeated, dropped and cut: what
//! every format promises of any bytes, as the fuzz targets check it, without a nightly compiler.
//!
//! `FLIGHTLINE_TEST_MUTATIONS` says how many of each sample there are, `FLIGHTLINE_TEST_SEED` where they begin.
//! A failure prints the bytes.

use flightline_connectors::canonical::to_line;
use flightline_connectors::reject::{RAW_BYTES_MAX, REASON_BYTES_MAX};
use flightline_connectors::{Options, Parsed};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::{parse, parse_with};
use crate::{conformance, documents, schedules_conform};

/// How many events of one input are printed and read back.
const EVENTS_MAX: usize = 60;

/// What numbers are replaced by.
const NUMBERS: [&str; 14] = [
    "0",
    "00",
    "1",
    "7",
    "31",
    "59",
    "99",
    "999",
    "2400",
    "9999",
    "2147483648",
    "9223372036854775807",
    "99999999999999999999999999",
    "-1",
];

/// What anything is replaced by.
const ODD: [&[u8]; 12] = [
    b"",
    b" ",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u{e9}".as_bytes(),
    b"'",
    b"\"",
    b"null",
    b"//",
];

/// Runs of digits, runs of letters, and everything else byte by byte.
fn words(bytes: &[u8]) -> Vec<&[u8]> {
    let kind = |b: &u8| {
        if b.is_ascii_digit() {
            1
        } else if b.is_ascii_alphabetic() {
            2
        } else {
            0
        }
    };
    bytes
        .chunk_by(|a, b| kind(a) != 0 && kind(a) == kind(b))
        .collect()
}

fn is_number(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_digit)
}

fn mutated(sample: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut words: Vec<Vec<u8>> = words(sample).into_iter().map(<[u8]>::to_vec).collect();
    for _ in 0..rng.random_range(1..=6) {
        if words.is_empty() {
            break;
        }
        let at = rng.random_range(0..words.len());
        let span = at..(at + rng.random_range(1..40)).min(words.len());
        match rng.random_range(0..10) {
            0 => words[at] = ODD[rng.random_range(0..ODD.len())].to_vec(),
            1 => words[at] = vec![rng.random()],
            2 => drop(words.drain(span)),
            3 => {
                let part = words[span].to_vec();
                let times = [1, 2, 30][rng.random_range(0..3)];
                words.splice(at..at, std::iter::repeat_n(part, times).flatten());
            }
            4 => words.truncate(at),
            5 => {
                let other = rng.random_range(0..words.len());
                words.swap(at, other);
            }
            // A number for a number.
            6 | 7 => {
                let numbers: Vec<usize> =
                    (0..words.len()).filter(|n| is_number(&words[*n])).collect();
                if !numbers.is_empty() {
                    let at = numbers[rng.random_range(0..numbers.len())];
                    let other = numbers[rng.random_range(0..numbers.len())];
                    words[at] = match rng.random_range(0..3) {
                        0 => words[other].clone(),
                        1 => {
                            // As long as it was.
                            let len = words[at].len();
                            (0..len).map(|_| rng.random_range(b'0'..=b'9')).collect()
                        }
                        _ => NUMBERS[rng.random_range(0..NUMBERS.len())].into(),
                    };
                }
            }
            // A word for a word.
            _ => {
                let other = rng.random_range(0..words.len());
                words[at] = words[other].clone();
            }
        }
    }
    words.concat()
}

fn check(format: &str, bytes: &[u8]) {
    let options = match format {
        "nycflights13" | "canonical" | "ssim" => Options::new(),
        "ssm" => Options::new().with("received", "2026-12-01"),
        _ => Options::new().with("observed_at", "2026-12-01T12:00:00Z"),
    };
    let items = parse_with(format, &options, bytes);
    assert_eq!(
        parse_with(format, &options, bytes),
        items,
        "the same bytes, other items"
    );
    let mut events = 0;
    for item in &items {
        match item {
            Parsed::Reject(reject) => {
                assert!(reject.raw.len() <= RAW_BYTES_MAX);
                assert!(
                    (1..=REASON_BYTES_MAX).contains(&reject.reason.len()),
                    "{reject}"
                );
            }
            Parsed::Warning(warning) => {
                assert!((1..2000).contains(&warning.text.len()), "{warning:?}")
            }
            Parsed::Event { event, .. } if events < EVENTS_MAX => {
                events += 1;
                let again = parse("canonical", to_line(event).as_bytes());
                assert!(
                    matches!(again.first(), Some(Parsed::Event { event: same, .. }) if same == event),
                    "{event:?} reads as {again:?}"
                );
            }
            _ => {}
        }
    }
}

/// Messages with every action and line that the other samples do not have.
const MORE: [(&str, &str); 3] = [
    (
        "ssm",
        "QU LONSMXS\n.AMSSPKL 101200\nSSM\nUTC\n10JAN00144E003/REF 123/449\nRPL XASM\nKL123A 1/KL 2/KL\n01FEB27 31MAR27 1234567/W2\n\
         J 73H CJDY.C012Y120\nAMS1000 LHR1105 10/1105\nLHR1200 JFK2030/1\nQQQQQQ 10/BA4001/BA4002\nAMSLHR 50/KL 9\n//\nEQT\nKL0123\n\
         01FEB27 10FEB27 15\nJ 744 CY.C30Y350\n//\nCON\nKL0123\n01FEB27 10FEB27 15\nJ 744 CY.C20Y360\n//\nRIN\nKL0124\n01JAN27 31JAN27 135\n//\n\
         ADM\nKL0125\n01JAN27 00XXX00 1\nAMSLHR 10/BA7\nSI TEXT\n",
    ),
    (
        "ssm",
        "ASM\nLT\n24DEC00001E001\nCNL\nKL1/31DEC\nKL1/01JAN27\n//\nTIM\nKL2/28FEB AMS/LHR\nAMS282350 LHR010005\n//\nNEW\nKL3/29FEB28\n\
         J 320 Y.Y180\nAMS292350/0000 LHR010005/0010\n",
    ),
    (
        "paores",
        "UNA:+.? 'UNB+IATB:1+6XPPC+LHPPC+261201:1200+1'UNH+1+PAORES:93:1:IA'MSG+1:45'ODI+LHR+JFK'\
         TVL+030127:1000:030127:1300+LHR+JFK+BA:AA+117+C'APD+74C:0:::6++++++6X'PDI++C:3+Y::3+F:0+J:9+W:A'\
         TVL+030127:2300::0600:1+LHR+JFK+BA+119'PDI++Y:4'UNT+9+1'UNZ+1+1'",
    ),
];

/// What the pages of the formats show as input.
fn shown() -> Vec<(&'static str, Vec<u8>)> {
    let pages = [
        include_str!("../../../docs/formats/amadeus.md"),
        include_str!("../../../docs/formats/avs.md"),
        include_str!("../../../docs/formats/duffel.md"),
        include_str!("../../../docs/formats/ndc.md"),
        include_str!("../../../docs/formats/paores.md"),
        include_str!("../../../docs/formats/ssim.md"),
        include_str!("../../../docs/formats/ssm.md"),
    ];
    let mut found = Vec::new();
    for block in pages.iter().flat_map(|page| page.split("\n```").skip(1)) {
        let (fence, text) = block.split_once('\n').unwrap_or_default();
        let format = match fence.split(' ').collect::<Vec<_>>()[..] {
            ["input", format, ..] => format,
            ["ssim"] => "ssim",
            ["ssm"] => "ssm",
            _ => continue,
        };
        found.push((format, text.into()));
    }
    found
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

#[test]
fn mutated_samples_keep_every_promise() {
    let count = number("FLIGHTLINE_TEST_MUTATIONS", 100);
    let first = number("FLIGHTLINE_TEST_SEED", 1);
    let more = MORE
        .iter()
        .map(|(format, text)| (*format, text.as_bytes().to_vec()));
    let samples = documents::samples()
        .chain(conformance::samples())
        .chain(schedules_conform::samples())
        .chain(shown())
        .chain(more);
    let mut formats = Vec::new();
    for (format, sample) in samples {
        formats.push(format);
        for seed in first..first + count {
            let bytes = mutated(&sample, &mut StdRng::seed_from_u64(seed));
            let checked = std::panic::catch_unwind(|| check(format, &bytes));
            assert!(
                checked.is_ok(),
                "{format}, seed {seed}: {}",
                String::from_utf8_lossy(&bytes).escape_debug()
            );
        }
    }
    assert!(formats.len() >= 23, "{formats:?}");
}
