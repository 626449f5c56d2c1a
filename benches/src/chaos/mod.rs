//! The chaos run: a replica under load is killed, paused and cut off from its database, over and over,
//! and in the end everything that anybody was told is compared with what is there.
//!
//! - [`plan`]: what is sold, how fast, and which faults strike when. [`target`]: the replicas and what is
//!   done to them; [`shared`]: what several of them share. [`faults`]: one fault after the other, and how long
//!   nobody was answered. [`watch`]: what replicas count.
//! - [`seats`]: clients that hold, confirm, release and cancel seats. [`trips`]: clients that order and
//!   pay whole trips. Both ask again, under the same id, until they know what became of a request.
//! - [`judge`]: seats, money, answers and tables afterwards. [`table`]: what is printed.
//!
//! It checks the outside only: what clients were told over HTTP, the payment service's books, and
//! `flightline verify`.

pub mod faults;
pub mod judge;
pub mod plan;
pub mod seats;
pub mod shared;
pub mod table;
pub mod target;
pub mod trips;
pub mod watch;
