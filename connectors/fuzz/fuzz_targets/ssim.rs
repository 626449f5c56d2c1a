//! Any bytes as an SSIM file: no panic, bounded rejects, the same items twice, every event prints as a
//! canonical line that reads as the same event, and a block ends only if it began.
//!
//! `cargo +nightly fuzz run ssim` in `connectors`.

#![no_main]

use flightline_connectors::canonical::to_line;
use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Options, Parsed, Source, format};
use libfuzzer_sys::fuzz_target;

fn parse(name: &str, bytes: &[u8]) -> Vec<Parsed> {
    let connector = format(name)
        .expect("a known format")
        .connector(&Options::new())
        .expect("no options");
    connector.parse(Source::new("fuzz", bytes)).take(20_000).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let items = parse("ssim", bytes);
    assert_eq!(parse("ssim", bytes), items);
    let mut open = None;
    for (n, item) in items.iter().enumerate() {
        match item {
            Parsed::Reject(reject) => assert!(reject.raw.len() <= RAW_BYTES_MAX),
            Parsed::ReplaceBegin { replacement, .. } => open = Some(replacement),
            Parsed::ReplaceEnd { replacement, .. } => assert_eq!(open.take(), Some(replacement)),
            // Every flight of a long period would take long.
            Parsed::Event { event, .. } if n < 100 => {
                let again = parse("canonical", to_line(event).as_bytes());
                assert!(
                    matches!(again.first(), Some(Parsed::Event { event: same, .. }) if same == event),
                    "{event:?} reads as {again:?}"
                );
            }
            _ => {}
        }
    }
});
