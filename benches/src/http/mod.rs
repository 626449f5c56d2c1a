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
pub use simple::{Line, Reply, get, post};
