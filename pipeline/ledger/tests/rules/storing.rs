//! The stored form of the seats: kept bytes, and bytes that are none.

use std::path::Path;

use flightline_ledger::command::{Counts, SaleStatus};
use flightline_ledger::{BadState, HoldRequest, Ledger, ProviderBody, STATE_FORMAT};

use crate::support::*;

/// The bytes of a kept state; those of the state at hand where `FLIGHTLINE_GOLDEN_WRITE` is set and there
/// are none.
#[expect(
    clippy::disallowed_methods,
    reason = "the kept file is read and written by the test, not by the ledger"
)]
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}-{STATE_FORMAT}.bin"));
    if !path.exists() && std::env::var_os("FLIGHTLINE_GOLDEN_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(&path, bytes).expect("it is written");
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Holds in every state, two providers, limits, fares, acknowledgements, a flight that is over.
fn world() -> World {
    let mut world = World::with(schedule(
        "AAA-BBB-CCC",
        &[
            plan('Y', 10, &[('Y', None), ('Q', Some(4))]),
            plan('C', 4, &[]),
        ],
    ));
    world.event(
        "own",
        11,
        ProviderBody::Fares(vec![fare('Y', None, 12_000), fare('Y', Some('Q'), 9_000)]),
    );
    world.event("own", 12, ProviderBody::Terms(vec![(cabin('Y'), 1)]));
    world.event("other", 10, available(count('Y', Counts::Total, 6)));
    world.available(13, count('Y', Counts::Remaining, 8));
    world.available(14, status('C', SaleStatus::Closed));
    world.held("held", ask(1));
    world.sold("sold", ask(2));
    world.held("part", ask_part(1, "AAA", "BBB"));
    world.held("released", ask(1));
    world.release("released");
    world.sold("cancelled", ask(1));
    world.cancel("cancelled");
    world.hold("refused", ask(900));
    world.hold("class", ask_class(1, 'Q'));
    world.event(
        "own",
        15,
        ProviderBody::Acknowledge(vec![id("sold"), id("nobody's")]),
    );
    world.hold(
        "waits",
        HoldRequest {
            wait_ms: Some(50_000),
            ..ask(8)
        },
    );
    world
}

#[test]
fn the_stored_form_changes_with_its_version_only() {
    let world = world();
    let mut bytes = Vec::new();
    world.ledger.save(&mut bytes);
    let kept = golden("seats", &bytes);
    let read = Ledger::load(&kept).expect("the kept state can be read");
    assert_eq!(
        read.hash_state(),
        world.ledger.hash_state(),
        "it means something else"
    );
    assert!(
        bytes == kept,
        "the stored form changed: raise STATE_FORMAT, and write the new file with FLIGHTLINE_GOLDEN_WRITE=1"
    );
    assert!(read.waiting_holds() == 1 && read.live_holds() >= 3);
}

#[test]
fn a_state_that_is_cut_off_or_of_another_version_is_refused() {
    let mut bytes = Vec::new();
    world().ledger.save(&mut bytes);
    for len in 0..bytes.len() {
        assert!(Ledger::load(&bytes[..len]).is_err(), "cut off after {len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(Ledger::load(&longer).is_err());
    bytes[0] ^= 1;
    let refused: Result<Ledger, BadState> = Ledger::load(&bytes);
    let told = refused.map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("version"), "{told}");
}

/// Checksums find changed bytes; what gets past them is refused or read, and does not panic.
#[test]
fn no_changed_byte_makes_reading_panic() {
    let mut bytes = Vec::new();
    world().ledger.save(&mut bytes);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            bytes[at] ^= flip;
            let _ = Ledger::load(&bytes);
            bytes[at] ^= flip;
        }
    }
}
