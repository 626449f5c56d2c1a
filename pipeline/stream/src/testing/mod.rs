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

/// How to speak to that cluster when it asks for TLS: `FLIGHTLINE_TEST_FLUVIO_TLS` names a folder with `ca.crt`,
/// `client.crt` and `client.key`, `FLIGHTLINE_TEST_FLUVIO_DOMAIN` the name in the controller's certificate.
pub fn fluvio_tls_for_tests() -> Option<crate::fluvio::TlsConfig> {
    let folder = std::path::PathBuf::from(std::env::var_os("FLIGHTLINE_TEST_FLUVIO_TLS")?);
    Some(crate::fluvio::TlsConfig {
        ca_file: folder.join("ca.crt"),
        cert_file: Some(folder.join("client.crt")),
        key_file: Some(folder.join("client.key")),
        domain: std::env::var("FLIGHTLINE_TEST_FLUVIO_DOMAIN").ok(),
    })
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
