//! A load generator that leaves the cores to what is measured.
//!
//! It shares the machine with the server, so everything it does is taken from it: one thread, no
//! allocation per request, no general HTTP client. Requests go out whole, without pipelining;
//! answers are read as far as is needed to know that they are right.
//!
//! - [`Pool`]: connections that stay open. `response`: heads of answers.
//! - [`closed`]: each connection sends its next request when it has its answer.
//! - [`open`]: requests are due at a steady rate.
//! - [`bulk`]: long bodies in both directions at once.

pub mod bulk;
mod load;
mod pool;
mod response;
mod simple;

pub use load::{Client, Outcome, closed, open};
pub use pool::Pool;
pub use response::Answer;
pub use simple::{Reply, get, post};

use std::io::Write;

/// Appends a request with a JSON body.
pub fn write_post(out: &mut Vec<u8>, path: &str, body: &[u8]) {
    // Writing to a vector does not fail.
    let _ = write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(body);
}
