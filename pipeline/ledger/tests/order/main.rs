//! Orders: the rules of `docs/orders.md` one by one, in the order of that page, and random histories
//! before an independent model.

#![allow(
    clippy::inconsistent_digit_grouping,
    reason = "amounts of money are grouped as people write them: 100_00 is 100.00"
)]

mod model;
mod outside;
mod outward;
mod rng;
mod support;

mod cancelling;
mod flights;
mod forwards;
mod ids;
mod paying;
mod random;
mod reading;
mod results;
mod storing;
mod time;
mod undoing;
mod validity;
mod waiting;
