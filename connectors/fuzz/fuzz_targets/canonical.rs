//! Any bytes as canonical events: no panic, bounded rejects, the same items twice, and every event
//! that is read prints as a line that reads as the same event.
//!
//! `cargo +nightly fuzz run canonical` in `connectors`.

#![no_main]

use flightline_connectors::canonical::to_line;
use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Options, Parsed, Push, PushConfig, Source, format};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let connector = format("canonical")
        .and_then(|f| Ok(f.connector(&Options::new())))
        .expect("a known format")
        .expect("no options");
    let parse = |bytes: &[u8]| -> Vec<Parsed> {
        let bytes = bytes.to_vec();
        connector
            .parse(Source::new("fuzz", std::io::Cursor::new(bytes)))
            .collect()
    };
    let items = parse(bytes);
    assert_eq!(parse(bytes), items);
    for item in &items {
        match item {
            Parsed::Reject(reject) => assert!(reject.raw.len() <= RAW_BYTES_MAX),
            Parsed::Event { event, .. } => {
                let again = parse(to_line(event).as_bytes());
                assert!(
                    matches!(again.first(), Some(Parsed::Event { event: same, .. }) if same == event),
                    "{event:?} reads as {again:?}"
                );
            }
            _ => {}
        }
    }
    let config = PushConfig::new("fuzz".parse().expect("a provider"));
    let pushed: usize = Push::new(&*connector, Source::new("fuzz", bytes), config)
        .map(|batch| batch.commands.len())
        .sum();
    let events = items.iter().filter(|i| matches!(i, Parsed::Event { .. })).count();
    assert_eq!(pushed, events);
});
