//! Views in SQL: from a file to something that the dataflow runs.
//!
//! A file has a name, one SELECT over [sources](crate::relational::sources) and other views, and the table that
//! it fills: see `docs/views.md`. [`compile`] reads files: the query is parsed (grammar of PostgreSQL), its
//! names are found and its types checked, and it becomes a [plan](crate::relational::Plan). Whatever is wrong is
//! told with its place and what to do, and nothing of it runs.
//!
//! - `file`: the YAML. `files`: all of them, which name each other. `resolve`: from the query to a plan. `view`: everything
//!   together.
//! - `explain`: plans for people. `example`: a file's own tests.

mod example;
mod explain;
mod file;
mod files;
mod named;
mod problem;
mod resolve;
mod view;

pub(crate) use example::evaluate;
pub use example::{Outcome, run_examples};
pub use explain::explain;
pub use named::Named;
pub use problem::Problem;
pub use view::{Text, View, ViewColumn, compile, name_of};
