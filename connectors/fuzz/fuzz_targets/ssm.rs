//! Any bytes as SSM and ASM messages: no panic, bounded rejects, the same items twice, and every event
//! prints as a canonical line that reads as the same event.
//!
//! `cargo +nightly fuzz run ssm` in `connectors`.

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
    connector.parse(Source::new("fuzz", bytes)).take(20_000).collect()
}

fuzz_target!(|input: (bool, &[u8])| {
    let (received, bytes) = input;
    let options = if received {
        Options::new().with("received", "2027-01-02")
    } else {
        Options::new()
    };
    let items = parse("ssm", &options, bytes);
    assert_eq!(parse("ssm", &options, bytes), items);
    for (n, item) in items.iter().enumerate() {
        match item {
            Parsed::Reject(reject) => assert!(reject.raw.len() <= RAW_BYTES_MAX),
            Parsed::Unplaced { event, .. } => assert!(event.to_line().contains(event.flights.carrier.as_str())),
            Parsed::Event { event, .. } if n < 100 => {
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
