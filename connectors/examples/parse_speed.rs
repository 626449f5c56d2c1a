//! How fast the connectors read: `cargo run --release -p flightline-connectors --example parse_speed`.
//!
//! January 2013 in memory, best of five runs each, one thread: unpacked CSV to commands with ids,
//! gzipped CSV, the same events as canonical lines printed and read.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::Read;
use std::time::Instant;

use flightline_connectors::canonical::to_line;
use flightline_connectors::{Options, Parsed, Push, PushConfig, Source, format, nycflights13};

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    println!(
        "{} airports in {:.1} ms, once per process",
        flightline_connectors::airports::airports().len(),
        start.elapsed().as_secs_f64() * 1e3
    );
    let mut csv = Vec::new();
    flate2::read::GzDecoder::new(nycflights13::JANUARY_CSV_GZ).read_to_end(&mut csv)?;
    let options = Options::new();
    let nyc = format("nycflights13")?.connector(&options)?;
    let events: Vec<_> = nyc
        .parse(Source::new("csv", &csv[..]))
        .filter_map(|item| match item {
            Parsed::Event { event, .. } => Some(event),
            _ => None,
        })
        .collect();
    let lines: Vec<String> = events.iter().map(to_line).collect();
    let ndjson = lines.join("\n").into_bytes();

    let push = |name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let connector = format(name)?.connector(&options)?;
        let (mut best_s, mut records, mut commands) = (f64::MAX, 0, 0);
        for _ in 0..5 {
            (records, commands) = (0, 0);
            let start = Instant::now();
            let config = PushConfig::new("speed".parse()?);
            for batch in Push::new(&*connector, Source::new("speed", bytes), config) {
                records += batch.records;
                commands += batch.commands.len();
            }
            best_s = best_s.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{name}, {:.1} MB: {:.0} ms, {:.0} records/s, {:.0} commands/s, {:.0} MB/s",
            bytes.len() as f64 / 1e6,
            best_s * 1e3,
            records as f64 / best_s,
            commands as f64 / best_s,
            bytes.len() as f64 / 1e6 / best_s
        );
        Ok(())
    };
    push("nycflights13", &csv)?;
    push("nycflights13", nycflights13::JANUARY_CSV_GZ)?;
    push("canonical", &ndjson)?;
    let start = Instant::now();
    let printed: usize = events.iter().map(|event| to_line(event).len()).sum();
    let elapsed_s = start.elapsed().as_secs_f64();
    println!(
        "to_line: {:.0} events/s, {:.0} MB/s",
        events.len() as f64 / elapsed_s,
        printed as f64 / 1e6 / elapsed_s
    );
    Ok(())
}
