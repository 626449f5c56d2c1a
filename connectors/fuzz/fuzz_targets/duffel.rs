//! Any bytes as Duffel's JSON.
//!
//! `cargo +nightly fuzz run duffel` in `connectors`.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    shared::check("duffel", bytes);
});
