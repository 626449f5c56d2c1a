//! Memory does not grow with the input. Alone in its binary, since it looks at the whole process.

#![cfg(target_os = "linux")]

use std::io::{BufReader, Read};

use flightline_connectors::format::FORMATS;
use flightline_connectors::{Code, Options, Parsed, Source};

/// The most memory the process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const INPUT_BYTES: u64 = 32 << 20;
/// A line, text or segment without end is told by one of these.
const TOO_LONG: [Code; 5] = [
    Code::LineTooLong,
    Code::BadEdifact,
    Code::MessageTooLarge,
    Code::BadJson,
    Code::Truncated,
];
/// Formats in which a line is nothing, so that bad ones cannot be told apart.
const NO_LINES: [&str; 3] = ["amadeus-multiavailability", "ndc", "paores"];
/// Some 230,000 bad lines: their rejects together would not fit into what may be used.
const MANY_BYTES: u64 = 2 << 20;
const GROWTH_KIB_MAX: u64 = 16 << 10;

#[test]
fn memory_does_not_grow_with_the_input() {
    // What is read once for all does not count.
    flightline_connectors::airports::airports();
    for format in FORMATS {
        let connector = format.connector(&Options::new()).unwrap();
        let before = peak_kib();

        // One line without end.
        let reader = BufReader::new(std::io::repeat(b'x').take(INPUT_BYTES));
        let items: Vec<_> = connector.parse(Source::new("giant", reader)).collect();
        assert!(
            matches!(&items[..], [Parsed::Reject(r)] if TOO_LONG.contains(&r.code)),
            "{items:?}"
        );

        // The same, packed to a thousandth.
        let packed = flate2::read::GzEncoder::new(
            std::io::repeat(b'x').take(INPUT_BYTES),
            flate2::Compression::fast(),
        );
        let reader = BufReader::new(packed);
        let items: Vec<_> = connector.parse(Source::new("bomb", reader)).collect();
        assert!(
            matches!(&items[..], [Parsed::Reject(r)] if TOO_LONG.contains(&r.code)),
            "{items:?}"
        );

        // Bad lines without end.
        let reader = BufReader::new(Repeated(b"bad line\n", 0).take(MANY_BYTES));
        let rejects = connector.parse(Source::new("many", reader)).count() as u64;
        let least = if NO_LINES.contains(&format.name) {
            1
        } else {
            MANY_BYTES / 9
        };
        assert!(rejects >= least, "{}: {rejects}", format.name);

        let grown = peak_kib() - before;
        assert!(
            grown < GROWTH_KIB_MAX,
            "{}: grew by {grown} KiB",
            format.name
        );
    }
    good_legs();
}

/// Legs of an SSIM file, without end: each another number, and now and then thousands of one.
struct Legs {
    line: Vec<u8>,
    at: usize,
    count: u32,
}

impl Read for Legs {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.line.len() {
            let n = self.count;
            self.count += 1;
            let number = if n % 20_000 < 8_000 { 1 } else { n % 9_998 + 2 };
            let body = if n == 0 {
                format!("{:<194}", "2LFL      W26 01JAN2731MAR2701DEC26")
            } else {
                let leg = format!(
                    "3 FL {number:>4}{:02}01J05JAN2705JAN271234567 CDG08000800+0100  AMS09200920+0100  738Y",
                    n % 97 + 1
                );
                format!("{leg:<172}Y{:03}{:18}", n % 400, "")
            };
            self.line = format!("{body}{:06}\n", n % 999_998 + 2).into_bytes();
            self.at = 0;
        }
        let length = buf.len().min(self.line.len() - self.at);
        buf[..length].copy_from_slice(&self.line[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Well-formed records, of which an SSIM file gathers those of one number.
fn good_legs() {
    let connector = flightline_connectors::format("ssim")
        .unwrap()
        .connector(&Options::new())
        .unwrap();
    let before = peak_kib();
    let legs = Legs {
        line: Vec::new(),
        at: 0,
        count: 0,
    };
    let reader = BufReader::new(legs.take(60_000 * 201));
    let events = connector
        .parse(Source::new("legs", reader))
        .filter(|item| matches!(item, Parsed::Event { .. }))
        .count();
    assert!(events > 20_000, "{events}");
    let grown = peak_kib() - before;
    assert!(grown < GROWTH_KIB_MAX, "good legs: grew by {grown} KiB");
}

/// A text again and again.
struct Repeated(&'static [u8], usize);

impl Read for Repeated {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        for byte in buf.iter_mut() {
            *byte = self.0[self.1];
            self.1 = (self.1 + 1) % self.0.len();
        }
        Ok(buf.len())
    }
}
