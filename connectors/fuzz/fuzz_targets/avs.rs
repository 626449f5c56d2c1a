//! Any bytes as teletype lines.
//!
//! `cargo +nightly fuzz run avs` in `connectors`.

#![no_main]

mod shared;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    shared::check("avs", bytes);
});
