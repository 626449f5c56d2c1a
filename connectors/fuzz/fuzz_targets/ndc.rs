//! Any bytes as NDC.
//!
//! `cargo +nightly fuzz run ndc` in `connectors`.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    shared::check("ndc", bytes);
});
