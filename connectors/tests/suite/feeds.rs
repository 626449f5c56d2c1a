//! Files that others published and that may not be copied here. `FLIGHTLINE_TEST_FEEDS` names the
//! folder that has them; without it the tests that need them say so and pass.

use std::path::PathBuf;

/// The bytes of a file of the folder, or `None`, told loudly, when there is no folder.
pub(crate) fn sample(path: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("FLIGHTLINE_TEST_FEEDS") else {
        eprintln!("SKIPPED: FLIGHTLINE_TEST_FEEDS is not set, so that {path} was not read");
        return None;
    };
    let file = PathBuf::from(folder).join(path);
    Some(std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())))
}
