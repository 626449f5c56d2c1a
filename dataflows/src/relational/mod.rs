//! Rows of values, and the differential operators over them that views in SQL are made of.
//!
//! - [`Datum`], [`Decimal`], [`calendar`]: values that behave as PostgreSQL's.
//! - [`Row`]: values as bytes, which compare, sort and hash as they are.
//! - `sources`: the fold's rows as such rows.
//! - `eval`: expressions compiled to closures. `functions`: what they can call.
//! - `render`: plans as operators, in one file each kind: `join`, `aggregate`, `top`, `clock`.
//!
//! What is deliberately absent: SQL. Plans come from [`crate::sql`], resolved and typed.

pub mod calendar;
mod datum;
mod decimal;
pub(crate) mod eval;
mod expr;
pub mod functions;
pub mod plan;
pub(crate) mod recent;
pub(crate) mod render;
mod row;
pub mod sources;

pub use datum::{Datum, Text};
pub use decimal::{DIGITS_MAX, Decimal, TooLarge};
pub use eval::Fault;
pub use expr::{Compare, Expr, Kind, Place, Type};
pub use plan::Plan;
pub use render::RowFault;
pub use row::{Row, RowWriter, Values};
