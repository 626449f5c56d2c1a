//! Where results go.
//!
//! Every sink takes the same changelog ([`flightline_dataflows::changelog`]): per epoch, the row
//! changes of every view and the offsets they cover.
//!
//! - [`followed`]: changes of views in SQL, for followers and in files.
//! - [`serving`]: the in-memory index that search and reads are answered from.
//! - [`postgres`]: tables in PostgreSQL, equal to the fold of the stream up to `sink_progress` after
//!   any crash, and the private server that a replica starts when it is given no database.
//!
//! What is deliberately absent: wire types (the API's business) and any decision. A sink that finds
//! its input broken stops with a message; it never repairs.

pub mod followed;
pub mod postgres;
pub mod serving;
mod size;
