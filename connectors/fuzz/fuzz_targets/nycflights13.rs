//! Any bytes as a file of nycflights13: no panic, bounded rejects, the same items twice, and every
//! event prints as a canonical line that reads as the same event.
//!
//! `cargo +nightly fuzz run nycflights13` in `connectors`.

#![no_main]

use flightline_connectors::canonical::to_line;
use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Options, Parsed, Source, format};
use libfuzzer_sys::fuzz_target;

fn parse(name: &str, options: &Options, bytes: &[u8]) -> Vec<Parsed> {
    let connector = format(name)
        .expect("a known format")
        .connector(options)
        .expect("sound options");
    connector.parse(Source::new("fuzz", bytes)).collect()
}

fuzz_target!(|input: (i16, &[u8])| {
    let (shift_days, bytes) = input;
    let options = Options::new().with("shift_days", shift_days.to_string());
    let items = parse("nycflights13", &options, bytes);
    assert_eq!(parse("nycflights13", &options, bytes), items);
    for item in &items {
        match item {
            Parsed::Reject(reject) => assert!(reject.raw.len() <= RAW_BYTES_MAX),
            Parsed::Event { event, .. } => {
                let again = parse("canonical", &Options::new(), to_line(event).as_bytes());
                assert!(
                    matches!(again.first(), Some(Parsed::Event { event: same, .. }) if same == event),
                    "{event:?} reads as {again:?}"
                );
            }
            _ => {}
        }
    }
});
