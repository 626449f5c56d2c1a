//! What sellers show: flights with times, seats seen to be free, prices. What the connectors for
//! offers and availability displays share, whatever their syntax.
//!
//! - `answers`: what a JSON API answered, record after record.
//! - `config`: when and where it was seen, and which booking classes are in which cabin.
//! - `flight`: a flight as it is shown, and its key.
//! - `clock`: local times, and offsets that lie.
//! - `status`: what a provider's codes mean.
//! - `gather`: what one message says of each flight, put together into events.
//!
//! # Rules
//! - A flight as an offer shows it never outranks a schedule: its version is older than any real one,
//!   and among themselves the newest look counts. It names every cabin with unknown seats, so that it
//!   takes nothing away from what was said before.
//! - Seats seen are what *remains for anyone*, never an allotment. Of several looks at one class in a
//!   message the smallest exact count is taken, and the greatest where all are floors.
//! - Seats are counted on the operating flight only. A number that another airline operates is linked
//!   to it; where only the airline is told, the link is guessed (same stations, same instant of
//!   departure) and marked; where there is nothing to guess from, the flight is set aside.

mod answers;
mod clock;
mod config;
mod flight;
mod gather;
pub(crate) mod scalar;
mod status;

pub(crate) use answers::{Answers, Found, provider_error};
pub(crate) use clock::{Local, day_ddmmyy, instant_ms, local, minutes_hhmm, minutes_of, settle};
pub(crate) use config::{COMMON_OPTIONS, OBSERVED_AT, Terms, observed_at};
pub(crate) use flight::{Number, Operator, Shown, aircraft_code, cabin_named, flight_number};
pub(crate) use gather::{Gather, Look, Seats};
pub(crate) use status::{CODES, CODES_HELP, CodeTable, Meaning, Scope, digit, display};
