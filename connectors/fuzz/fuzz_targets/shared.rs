//! What every format promises of any bytes: no panic, bounded rejects, the same items twice, and every
//! event prints as a canonical line that reads as the same event.

use flightline_connectors::canonical::to_line;
use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Options, Parsed, Source, format};

fn parse(name: &str, options: &Options, bytes: &[u8]) -> Vec<Parsed> {
    let connector = format(name)
        .expect("a known format")
        .connector(options)
        .expect("sound options");
    connector.parse(Source::new("fuzz", bytes)).collect()
}

/// Checks the promises for some bytes, received in December 2026.
pub fn check(name: &str, bytes: &[u8]) {
    let options = Options::new().with("observed_at", "2026-12-01T12:00:00Z");
    let items = parse(name, &options, bytes);
    assert_eq!(parse(name, &options, bytes), items);
    for item in &items {
        match item {
            Parsed::Reject(reject) => {
                assert!(reject.raw.len() <= RAW_BYTES_MAX);
                assert!(reject.reason.len() < 2000);
            }
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
}
