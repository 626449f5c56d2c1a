//! What `conformance` holds every connector to, for formats whose lines make a whole: an SSIM file
//! and SSM messages.

use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Code, Options, Parsed, Push, PushConfig, Source, format};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::ssim_file::{LegRow, january};
use crate::support::{events, gz, ids, line, parse, parse_bytewise, rejects, warnings};

fn ssim() -> String {
    let row = LegRow::default();
    january(&[
        row.text(),
        row.segment("010", "CDGAMS", "KL 2561"),
        LegRow {
            number: "200",
            departs: "2300",
            arrives: "0020",
            ..row
        }
        .text(),
        LegRow {
            number: "300",
            from: "31JAN27",
            to: "31JAN27",
            ..row
        }
        .text(),
    ])
}

const SSM: &str = "SSM\nLT\n01JAN00052E001/ACME\nNEW\nFL100\n05JAN27 06JAN27 23\nJ 738 CY.C30Y150\nCDG0800 AMS0920\n//\nCNL\nFL200\n05JAN27 05JAN27 2\n//\nASM\nUTC\n01JAN00053E001\nTIM\nFL100/05JAN27\nCDG050900 AMS051020\n";

/// A good file of each format.
pub(crate) fn samples() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    [("ssim", ssim().into_bytes()), ("ssm", SSM.into())].into_iter()
}

/// Events and reports that are to be looked up.
fn said(items: &[Parsed]) -> Vec<Parsed> {
    let said = |item: &&Parsed| matches!(item, Parsed::Event { .. } | Parsed::Unplaced { .. });
    items.iter().filter(said).cloned().collect()
}

/// The same, wherever in the file it stood.
fn unlined(items: &[Parsed]) -> Vec<Parsed> {
    let mut said = said(items);
    for item in &mut said {
        match item {
            Parsed::Event { line, .. } | Parsed::Unplaced { line, .. } => *line = 0,
            _ => {}
        }
    }
    said
}

fn spellings(name: &str, file: &str) {
    let good = parse(name, file.as_bytes());
    assert!(said(&good).len() >= 3);
    assert!(
        rejects(&good).is_empty() && warnings(&good).is_empty(),
        "{good:?}"
    );
    assert!(good.iter().map(line).is_sorted());
    let bytes = file.as_bytes();
    let bom = [b"\xef\xbb\xbf", bytes].concat();
    let half = bytes.len() / 2;
    for (what, bytes) in [
        ("CRLF", file.replace('\n', "\r\n").into_bytes()),
        ("gzip", gz(bytes)),
        ("gzip with BOM", gz(&bom)),
        ("BOM", bom),
        (
            "gzip in two members",
            [gz(&bytes[..half]), gz(&bytes[half..])].concat(),
        ),
        ("no line end at the end", bytes[..bytes.len() - 1].to_vec()),
    ] {
        assert_eq!(parse(name, &bytes), good, "{what}");
        assert_eq!(parse_bytewise(name, &bytes), good, "{what}, bytewise");
    }
    for empty in [&b""[..], b"\n", b"\r\n \n\t\n", b"\xef\xbb\xbf", &gz(b"")] {
        assert_eq!(parse(name, empty), []);
    }
    let moved = format!("\n\n{file}");
    assert_eq!(
        ids(&parse(name, moved.as_bytes())),
        ids(&good),
        "ids are those of the content"
    );
}

/// Lines that are none, one at a time at every place: they are told, and cost at most the flights that they stand in.
fn bad_lines(name: &str, file: &str, max: usize) {
    let good = unlined(&parse(name, file.as_bytes()));
    let lines: Vec<&[u8]> = file.lines().map(str::as_bytes).collect();
    let giant = vec![b'x'; max + 3];
    let bad: [(&[u8], Option<Code>); 6] = [
        (b"garbage", None),
        (b"{\"type\":", None),
        (b"\0\0\0", None),
        (b"[]", None),
        (b"\xff\xfe\x00", Some(Code::NotUtf8)),
        (&giant, Some(Code::LineTooLong)),
    ];
    for (raw, code) in bad {
        for at in 0..=lines.len() {
            let mut all = lines.clone();
            all.insert(at, raw);
            let bytes = all.join(&b"\n"[..]);
            let items = parse(name, &[&bytes[..], b"\n"].concat());
            let kept = unlined(&items);
            assert!(kept.iter().all(|item| good.contains(item)), "{name} {at}");
            let rejects = rejects(&items);
            assert!(!rejects.is_empty(), "{name} {at}");
            assert!(
                code.is_none_or(|code| rejects.iter().any(|r| r.code == code)),
                "{name} {at}"
            );
            for reject in rejects {
                assert!(reject.raw.len() <= RAW_BYTES_MAX && reject.reason.len() < 1000);
                assert_ne!(reject.code, Code::Truncated);
            }
            assert!(
                !items
                    .iter()
                    .any(|item| matches!(item, Parsed::ReplaceEnd { .. }))
                    || at <= 5
                    || at >= lines.len()
            );
        }
    }
}

/// Cut anywhere, a file gives nothing that it did not say, and withdraws nothing.
fn cuts(name: &str, file: &[u8], exact: bool) {
    let good = said(&parse(name, file));
    let lines = file.split_inclusive(|b| *b == b'\n').scan(0, |at, l| {
        *at += l.len();
        Some(*at)
    });
    let between: Vec<usize> = lines.flat_map(|end| [end - 1, end]).collect();
    for cut in 0..file.len() - 1 {
        let items = parse(name, &file[..cut]);
        let told = rejects(&items);
        if exact {
            assert!(
                said(&items).iter().all(|item| good.contains(item)),
                "{name} cut at {cut}"
            );
        }
        assert!(
            !items
                .iter()
                .any(|item| matches!(item, Parsed::ReplaceEnd { .. }))
                || cut + 7 >= file.len(),
            "{cut}"
        );
        if exact && cut > 0 && !between.contains(&cut) && cut + 7 < file.len() {
            assert!(!told.is_empty(), "{name} cut at {cut}");
        }
    }
    let packed = gz(file);
    for cut in 3..packed.len() {
        let items = parse(name, &packed[..cut]);
        assert!(
            said(&items).iter().all(|item| good.contains(item)),
            "{name} cut at {cut}"
        );
        assert!(
            rejects(&items).iter().any(|r| r.code == Code::Truncated),
            "{name} cut at {cut}"
        );
        assert!(
            !items
                .iter()
                .any(|item| matches!(item, Parsed::ReplaceEnd { .. }))
        );
    }
}

#[test]
fn ssim_conforms() {
    let file = ssim();
    spellings("ssim", &file);
    bad_lines("ssim", &file, flightline_connectors::ssim::LINE_BYTES_MAX);
    cuts("ssim", file.as_bytes(), true);
}

#[test]
fn ssm_conforms() {
    spellings("ssm", SSM);
    bad_lines("ssm", SSM, flightline_connectors::ssm::LINE_BYTES_MAX);
    cuts("ssm", SSM.as_bytes(), false);
}

#[test]
fn pushed_in_any_batches_everything_comes_once() {
    for (name, file) in [("ssim", ssim()), ("ssm", SSM.to_owned())] {
        let good = parse(name, file.as_bytes());
        let looked_up = good
            .iter()
            .filter(|i| matches!(i, Parsed::Unplaced { .. }))
            .count();
        for batch_items_max in [1, 2, 100] {
            let connector = format(name).unwrap().connector(&Options::new()).unwrap();
            let config = PushConfig {
                batch_items_max,
                ..PushConfig::new("acme".parse().unwrap())
            };
            let batches: Vec<_> =
                Push::new(&*connector, Source::new("m", file.as_bytes()), config).collect();
            assert_eq!(
                batches.iter().map(|b| b.commands.len()).sum::<usize>(),
                events(&good).len()
            );
            assert_eq!(
                batches.iter().map(|b| b.unplaced.len()).sum::<usize>(),
                looked_up
            );
        }
    }
}

fn any_bytes(name: &str, bytes: &[u8]) {
    let items = parse(name, bytes);
    for reject in rejects(&items) {
        assert!(reject.raw.len() <= RAW_BYTES_MAX && !reject.reason.is_empty());
    }
    assert_eq!(parse(name, bytes), items, "the same bytes, other items");
}

fn damaged(file: String) -> impl Strategy<Value = Vec<u8>> {
    let edits = vec(
        (
            0..file.len(),
            prop_oneof![
                Just(b' '),
                Just(b'\n'),
                b'0'..=b'9',
                b'A'..=b'Z',
                any::<u8>()
            ],
        ),
        0..10,
    );
    edits.prop_map(move |edits| {
        let mut bytes = file.clone().into_bytes();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn ssim_takes_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        any_bytes("ssim", &bytes);
    }

    #[test]
    fn ssm_takes_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        any_bytes("ssm", &bytes);
    }

    #[test]
    fn ssim_takes_damaged_files(bytes in damaged(ssim())) {
        any_bytes("ssim", &bytes);
    }

    #[test]
    fn ssm_takes_damaged_files(bytes in damaged(SSM.to_owned())) {
        any_bytes("ssm", &bytes);
    }
}
