//! Orders: what a client asks for becomes a command about an order, and what the fold says of it
//! becomes an answer.
//!
//! - `ids`: ids of orders, payments, cancellations. `people`: passengers, checked and sealed.
//! - `asked`: the body of a new order. `make`: offer, price and passengers become a command.
//! - `refused`: why not, in the booking API's codes. `show`: orders as clients see them.
//! - `desk`: submitting, waiting until nothing more happens by itself, reading one's own writes.

pub(crate) mod asked;
pub(crate) mod desk;
pub(crate) mod ids;
pub(crate) mod make;
pub(crate) mod people;
pub(crate) mod refused;
pub(crate) mod show;
