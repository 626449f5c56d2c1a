//! The page for providers says what is so.

use flightline_connectors::canonical::{to_line, to_replace_begin_line, to_replace_end_line};
use flightline_connectors::format::FORMATS;
use flightline_connectors::reject::Code;
use flightline_connectors::{Options, Parsed};
use flightline_ledger::command::quality;

use crate::support::{events, parse, parse_with, rejects, warnings};

const PAGE: &str = include_str!("../../../docs/provider.md");

/// The blocks of the page that are fenced as this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    PAGE.split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_example_of_the_page_is_taken() {
    let blocks = blocks("ndjson");
    assert!(blocks.len() >= 8, "{} blocks", blocks.len());
    let mut types = std::collections::BTreeSet::new();
    for block in blocks {
        let items = parse("canonical", block.as_bytes());
        assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
        assert!(warnings(&items).is_empty(), "{:?}", warnings(&items));
        assert_eq!(items.len(), block.lines().count());
        for event in events(&items) {
            types.insert(event.type_name());
            assert_eq!(
                events(&parse("canonical", to_line(&event).as_bytes())),
                [event]
            );
        }
    }
    // Every type but `withdraw`, which a replacement makes by itself.
    assert_eq!(types.len(), 9, "{types:?}");
}

#[test]
fn every_rejected_example_is_rejected_for_the_reason_it_shows() {
    let blocks = blocks("rejected");
    assert!(!blocks.is_empty());
    for block in blocks {
        let (line, shown) = block.trim_end().split_once('\n').unwrap();
        let items = parse("canonical", format!("{line}\n").as_bytes());
        let shown_by = rejects(&items)
            .iter()
            .map(|r| format!("{}: {}", r.code, r.reason))
            .collect::<Vec<_>>();
        assert_eq!(shown_by, [shown]);
    }
}

#[test]
fn every_code_mark_and_format_is_on_the_page() {
    for code in Code::ALL {
        let row = format!("| `{}` |", code.name());
        let line = PAGE.lines().find(|line| line.starts_with(&row));
        let line = line.unwrap_or_else(|| panic!("{code} is not on the page"));
        assert!(line.contains(code.remedy()), "{code}: {}", code.remedy());
    }
    for mark in quality::NAMES {
        assert!(PAGE.contains(&format!("| `{mark}` |")), "{mark}");
    }
    for format in FORMATS {
        assert!(
            PAGE.contains(&format!("`{}`", format.name)),
            "{}",
            format.name
        );
        for (option, _) in format.options {
            let flag = format!("--{}", option.replace('_', "-"));
            let named = format!("--option {option}=");
            assert!(PAGE.contains(&flag) || PAGE.contains(&named), "{option}");
        }
    }
}

/// Examples of the pages of formats: what is fenced as `ssim` and `ssm`, with the lines that come of it.
#[test]
fn every_example_of_the_format_pages_gives_what_it_shows() {
    for (format, options, page) in [
        (
            "ssim",
            Options::new(),
            include_str!("../../../docs/formats/ssim.md"),
        ),
        (
            "ssm",
            Options::new().with("received", "2027-01-02"),
            include_str!("../../../docs/formats/ssm.md"),
        ),
    ] {
        let fence = format!("```{format}\n");
        let mut shown = 0;
        for rest in page.split(fence.as_str()).skip(1) {
            let (input, rest) = rest.split_once("```").unwrap();
            let wanted = rest
                .split_once("```ndjson\n")
                .unwrap()
                .1
                .split_once("```")
                .unwrap()
                .0;
            // The page leaves blanks at the end of a line out.
            let input: String = input
                .lines()
                .map(|line| match format {
                    "ssim" => format!("{line:<200}\n"),
                    _ => format!("{line}\n"),
                })
                .collect();
            let items = parse_with(format, &options, input.as_bytes());
            assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
            let lines: Vec<_> = items
                .iter()
                .filter_map(|item| match item {
                    Parsed::Event { event, .. } => Some(to_line(event)),
                    Parsed::Unplaced { event, .. } => Some(event.to_line()),
                    Parsed::ReplaceBegin { replacement, .. } => {
                        Some(to_replace_begin_line(replacement))
                    }
                    Parsed::ReplaceEnd { replacement, .. } => {
                        Some(to_replace_end_line(replacement, None))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(lines, wanted.lines().collect::<Vec<_>>(), "{format}");
            shown += 1;
        }
        assert!(shown > 0, "{format} has no example");
    }
}
/// The examples of the pages about formats: an input with its format and options, and all that it gives.
/// `UPDATE_GOLDEN=1` writes what they give into the pages.
#[test]
fn every_example_of_a_format_gives_what_its_page_shows() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats");
    let mut seen = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        let mut fresh = String::new();
        let mut rest = page.as_str();
        while let Some((before, after)) = rest.split_once("```input ") {
            let (head, after) = after.split_once('\n').unwrap();
            let (input, after) = after.split_once("```\n").unwrap();
            let (between, after) = after.split_once("```gives\n").unwrap();
            let (_, after) = after.split_once("```").unwrap();
            let mut words = head.split_whitespace();
            let format = words.next().unwrap();
            let options = words.fold(Options::new(), |all, word| {
                let (name, value) = word.split_once('=').unwrap();
                all.with(name, value)
            });
            seen.insert(format.to_owned());
            let given = given(&parse_with(format, &options, input.as_bytes()));
            fresh.push_str(&format!(
                "{before}```input {head}\n{input}```\n{between}```gives\n{given}```"
            ));
            rest = after;
        }
        fresh.push_str(rest);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        } else {
            assert!(
                fresh == page,
                "{}: run with UPDATE_GOLDEN=1",
                path.display()
            );
        }
    }
    let with_page = FORMATS
        .iter()
        .filter(|format| !["canonical", "nycflights13", "ssim", "ssm"].contains(&format.name));
    for format in with_page {
        assert!(seen.contains(format.name), "{} has no example", format.name);
    }
}

fn given(items: &[Parsed]) -> String {
    let mut out = String::new();
    for item in items {
        let line = match item {
            Parsed::Event { event, .. } => to_line(event),
            Parsed::Reject(reject) => {
                format!("{}: {}: {}", reject.line, reject.code, reject.reason)
            }
            Parsed::Warning(warning) => format!("{}: note: {}", warning.line, warning.text),
            other => format!("{other:?}"),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}
