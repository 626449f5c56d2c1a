//! Any bytes as EDIFACT.
//!
//! `cargo +nightly fuzz run paores` in `connectors`.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    shared::check("paores", bytes);
});
