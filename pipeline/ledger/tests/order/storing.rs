//! The stored form of orders: kept bytes, and bytes that are none.

use std::path::Path;

use flightline_ledger::STATE_FORMAT;
use flightline_ledger::order::{EffectResult, OrderAction, Orders, Step};

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

/// Orders that are booked with a quote, await payment, and are under way.
fn world() -> World {
    let mut world = World::booked(2);
    world.quote();
    world.action(OrderAction::SetMetadata(vec![(text("trip"), text("A7"))]));
    world.create(create(2, 1, on_hold()));
    world.create(create(3, 3, instant()));
    world.tick(500);
    world
}

/// As far as an order comes whose provider has refused one segment and has another.
fn world_of_providers() -> World {
    let mut world = World::outward(3, instant());
    world.well_up_to(Step::Place);
    world.result(Step::Place, placed());
    world.result(Step::Place, failed());
    world.result(Step::Refuse, EffectResult::Noted);
    world
}

#[test]
fn the_stored_form_changes_with_its_version_only() {
    let world = world();
    let mut bytes = Vec::new();
    world.orders.save(&mut bytes);
    let kept = golden("orders", &bytes);
    let read = Orders::load(2, references(), &kept).expect("the kept state can be read");
    read.check_invariants();
    assert_eq!(
        read.hash_state(),
        world.orders.hash_state(),
        "it means something else"
    );
    assert!(
        bytes == kept,
        "the stored form changed: raise STATE_FORMAT, and write the new file with FLIGHTLINE_GOLDEN_WRITE=1"
    );
    assert_eq!(read.orders().count(), 3);
    assert!(read.outstanding().count() > 1);
    let mut bytes = Vec::new();
    world_of_providers().orders.save(&mut bytes);
    assert!(bytes == golden("orders-outward", &bytes));
}

#[test]
fn orders_that_are_cut_off_are_refused_and_no_changed_byte_makes_reading_panic() {
    let mut bytes = Vec::new();
    world().orders.save(&mut bytes);
    for len in 0..bytes.len() {
        let cut = Orders::load(2, references(), &bytes[..len]);
        assert!(cut.is_err(), "cut off after {len}");
    }
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            bytes[at] ^= flip;
            let _ = Orders::load(2, references(), &bytes);
            bytes[at] ^= flip;
        }
    }
}
