//! What every [`crate::StreamLog`] must do, as a suite that any implementation can be put through,
//! and commands of every kind to put into one.

mod alone;
mod conformance;
mod sample;

pub use alone::Alone;
pub use conformance::{LogUnderTest, conformance};
pub use sample::Sampler;

/// The controller's address in `FLIGHTLINE_TEST_FLUVIO`, for tests that need a Fluvio cluster. When
/// it is not set they are skipped, and this says so where nobody can miss it.
pub fn fluvio_for_tests(what: &str) -> Option<String> {
    let address = std::env::var("FLIGHTLINE_TEST_FLUVIO").ok();
    if address.is_none() {
        use std::io::Write;
        let line = "#".repeat(78);
        let text = format!(
            "\n{line}\n## SKIPPED: {what} was NOT run against Fluvio.\n\
             ## Set FLIGHTLINE_TEST_FLUVIO=HOST:PORT (the controller's) to run it.\n{line}\n"
        );
        // Past the capture of the test runner, which only shows what failing tests print.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    address
}

/// A topic that no other test has.
///
/// # Panics
/// When the controller is not `HOST:PORT`.
pub fn new_topic(controller: &str, purpose: &str) -> crate::FluvioUrl {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish();
    let text = format!("fluvio://{controller}/test-{purpose}-{random:016x}");
    match text.parse() {
        Ok(url) => url,
        Err(e) => panic!("FLIGHTLINE_TEST_FLUVIO: {e}"),
    }
}
