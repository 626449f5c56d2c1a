//! Any bytes as Amadeus' JSON.
//!
//! `cargo +nightly fuzz run amadeus` in `connectors`.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    shared::check("amadeus-offers", bytes);
    shared::check("amadeus-availability", bytes);
});
