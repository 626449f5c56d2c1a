//! What every [`crate::StreamLog`] must do, as a suite that any implementation can be put through,
//! and commands of every kind to put into one.

mod conformance;
mod sample;

pub use conformance::{LogUnderTest, conformance};
pub use sample::Sampler;

/// The address in `FLIGHTLINE_TEST_FLUVIO`, for tests that need a Fluvio cluster. When it is not set
/// they are skipped, and this says so where nobody can miss it.
pub fn fluvio_for_tests() -> Option<String> {
    let address = std::env::var("FLIGHTLINE_TEST_FLUVIO").ok();
    if address.is_none() {
        use std::io::Write;
        let text = "\n\
            ######################################################################\n\
            ## SKIPPED: the stream conformance suite was NOT run against Fluvio.##\n\
            ## Set FLIGHTLINE_TEST_FLUVIO=HOST:PORT to run it.                  ##\n\
            ######################################################################\n";
        // Past the capture of the test runner, which only shows what failing tests print.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    address
}
