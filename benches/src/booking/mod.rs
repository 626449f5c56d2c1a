//! Orders and bare holds inside one process: a whole replica without HTTP in front of it.
//!
//! - [`shop`]: clients that ask its backend. [`till`]: the payment service they pay at.
//! - [`stamps`]: what the stream says afterwards.

pub mod shop;
pub mod stamps;
pub mod till;
