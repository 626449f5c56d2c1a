//! Any bytes as Amadeus' XML display.
//!
//! `cargo +nightly fuzz run amadeus_xml` in `connectors`.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    shared::check("amadeus-multiavailability", bytes);
});
