//! An SSIM file to dated flights, beside reading the same bytes line by line.

use std::hint::black_box;
use std::io::BufRead;

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::report::{Report, Section, Unit};
use flightline_benches::stopwatch::CoreTime;
use flightline_connectors::{Options, Parsed, Push, PushConfig, Source, format};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "an SSIM file to dated flights, one core, beside reading its lines";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "legs",
        value: 200_000,
        smoke: 2_000,
        help: "leg records of the file",
    },
    Extra {
        name: "weeks",
        value: 4,
        smoke: 2,
        help: "weeks of each record's period; it flies on three days of the week",
    },
];

fn main() -> anyhow::Result<()> {
    let args = Args::read("schedules", ABOUT, 5, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    for weeks in [0, args.extra("weeks")] {
        let legs = args.extra("legs") as usize;
        let file = file(legs, weeks as usize);
        let days = if weeks == 0 { 1 } else { weeks as usize * 3 };
        let section = report.section(&format!("{legs} legs, each on {days} days"));
        for turn in 0..args.rounds {
            for part in 0..3 {
                match (part + turn) % 3 {
                    0 => lines(section, &file, legs)?,
                    1 => parse(section, &file, legs, days)?,
                    _ => push(section, &file, legs, days)?,
                }
            }
        }
        section.remark(format!("{:.1} MB", file.len() as f64 / 1e6));
    }
    report.finish()
}

const LINES: &str = "lines alone";

/// What any reader of the format has to do.
fn lines(section: &mut Section, file: &[u8], legs: usize) -> anyhow::Result<()> {
    let start = CoreTime::start();
    let mut reader = std::io::BufReader::new(file);
    let (mut line, mut count) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        count += usize::from(black_box(&line).first() == Some(&b'3'));
        line.clear();
    }
    let elapsed = start.elapsed_s();
    ensure!(count == legs, "{count} legs");
    section.turn(LINES, Unit::PerSecond, count as f64 / elapsed);
    Ok(())
}

fn parse(section: &mut Section, file: &[u8], legs: usize, days: usize) -> anyhow::Result<()> {
    let connector = format("ssim")?.connector(&Options::new())?;
    let start = CoreTime::start();
    let mut events = 0;
    for item in connector.parse(Source::new("bench", file)) {
        match black_box(item) {
            Parsed::Event { .. } => events += 1,
            Parsed::Reject(reject) => anyhow::bail!("{reject}"),
            _ => {}
        }
    }
    let elapsed = start.elapsed_s();
    ensure!(events == legs * days, "{events} events");
    section
        .turn(
            "legs to canonical events, in leg records",
            Unit::PerSecond,
            legs as f64 / elapsed,
        )
        .against(LINES);
    section.turn(
        "the same, in dated flights",
        Unit::PerSecond,
        events as f64 / elapsed,
    );
    Ok(())
}

fn push(section: &mut Section, file: &[u8], legs: usize, days: usize) -> anyhow::Result<()> {
    let connector = format("ssim")?.connector(&Options::new())?;
    let start = CoreTime::start();
    let config = PushConfig::new("bench".parse()?);
    let (mut commands, mut whole) = (0, false);
    for batch in Push::new(&*connector, Source::new("bench", file), config) {
        commands += batch.commands.len();
        whole |= batch.close.is_some();
    }
    let elapsed = start.elapsed_s();
    ensure!(
        commands == legs * days && whole,
        "{commands} commands, whole: {whole}"
    );
    section
        .turn(
            "legs to commands with ids, in leg records",
            Unit::PerSecond,
            legs as f64 / elapsed,
        )
        .against(LINES);
    Ok(())
}

/// A whole file of one airline.
fn file(legs: usize, weeks: usize) -> Vec<u8> {
    const STATIONS: [(&str, &str); 4] = [
        ("CDG", "+0100"),
        ("LHR", "+0000"),
        ("AMS", "+0100"),
        ("MAD", "+0100"),
    ];
    let (days, last) = match weeks {
        0 => ("  3    ", "06JAN27".to_owned()),
        n => ("1 3 5  ", day(2 + 7 * n)),
    };
    let mut out = format!("{:<194}{:06}\n", "1AIRLINE STANDARD SCHEDULE DATA SET", 1);
    let carrier = "2LFL      W26 01JAN2731DEC2701DEC26";
    out.push_str(&format!("{carrier:<190}1200{:06}\n", 2));
    let mut serial = 2;
    for leg in 0..legs {
        serial = if serial == 999_999 { 2 } else { serial + 1 };
        let (board, variation) = STATIONS[leg % 4];
        let (off, off_variation) = STATIONS[(leg / 4 % 3 + leg + 1) % 4];
        let suffix = char::from(b'A' + (leg / 9999 % 26) as u8);
        let number = leg % 9999 + 1;
        let body = format!(
            "3{suffix}FL {number:>4}0101J04JAN27{last}{days} {board}08000800{variation}  {off}11001100{off_variation}  738CY"
        );
        out.push_str(&format!(
            "{body:<172}C030Y150            {:<2}{serial:06}\n",
            ""
        ));
    }
    let before = serial;
    serial = if serial == 999_999 { 2 } else { serial + 1 };
    out.push_str(&format!("{:<187}{before:06}E{serial:06}\n", "5 FL"));
    out.into_bytes()
}

/// The day so many days after 1 January 2027, within half a year.
fn day(mut days: usize) -> String {
    let months = [
        ("JAN", 31),
        ("FEB", 28),
        ("MAR", 31),
        ("APR", 30),
        ("MAY", 31),
        ("JUN", 30),
    ];
    for (name, length) in months {
        if days < length {
            return format!("{:02}{name}27", days + 1);
        }
        days -= length;
    }
    "30JUN27".to_owned()
}
