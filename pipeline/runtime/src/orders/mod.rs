//! Orders: what the fold asks for is done, and what became of it goes back into the stream.
//!
//! - [`OrderDesk`]: hears the fold. Seats are asked for in the flight's stream right away, and the
//!   flight's answer goes straight into the order's stream; who waits for an order is told.
//! - `cashier`: runs what happens outside, at the payment service.
//! - `courier`: takes what was sold to the providers that granted the seats.
//! - `kept`: what the ways to providers keep in files, dropped behind what is settled, and erased.
//! - `hints`: takes the payment service's own notices, which make the cashier ask at once.
//! - `notices`: tells orders what happened to their flights.
//! - `waits`: tells orders what became of holds that waited for seats.
//!
//! Every effect has an id that follows from its order, and every record that reports one is harmless
//! when it comes twice. So a start runs whatever the folded state still waits for, without knowing
//! how far the last run of this replica came.

pub(crate) mod cashier;
pub(crate) mod courier;
pub(crate) mod desk;
pub(crate) mod hints;
pub(crate) mod kept;
pub(crate) mod notices;
pub(crate) mod waits;

pub use desk::OrderDesk;
