//! One module a subcommand.

pub(crate) mod checkpoint;
pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod dataflow;
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod explain;
pub(crate) mod feed;
mod reconcile;
pub(crate) mod serve;
pub(crate) mod stream;
pub(crate) mod token;
pub(crate) mod verify;

use std::io::Write;

/// Writes a result to stdout. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Writes a line to stderr: progress, notes, rejects. Nobody reading it any more is no failure.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints a line to stdout.
pub(crate) fn print_line(text: &str) -> anyhow::Result<()> {
    print(format!("{text}\n").as_bytes())
}
