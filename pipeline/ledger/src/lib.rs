//! The seat ledger: a pure fold over one ordered stream per flight.
//!
//! [`Ledger::apply`] takes one record of a partition and tells an [`Observer`] what was decided and
//! what changed. It reads no clock, no random number and no environment, allocates nothing on the
//! usual path and never does I/O: time, ids and settings arrive as data in the records. The same
//! prefix of records gives the same outcomes and the same state, on any machine.
//!
//! - [`codes`]: the vocabulary (flight key, station, cabin, booking class, provider, money, dates).
//! - [`command`]: what can be asked, by clients, by providers and by the stream itself.
//! - [`outcome`]: every answer there is.
//! - [`Ledger`]: the fold; [`Flight`] and the values of [`view`]: what can be read of its state.
//!
//! The rules are in `docs/ledger.md`, to the letter.
//!
//! What is deliberately absent: orders that span flights (a fold of their own above this one),
//! record formats (the stream's business), and any notion of a user or a token.

pub mod codes;
pub mod command;
pub mod order;
pub mod outcome;
pub mod view;

mod batch;
mod book;
mod check;
mod details;
mod digest;
mod event;
mod expiry;
mod flight;
mod flights;
mod index;
mod kind;
mod ledger;
mod mix;
mod observer;
mod overview;
mod prefetch;
mod read;
mod record;
mod sale;
mod seller;
mod shelf;
mod stock;
mod store;
mod waiting;

pub use codes::{
    Cabin, Carrier, Class, CommandId, Currency, Date, FlightKey, Money, ProviderCode, Station,
};
pub use command::{
    Command, FlightCommand, HoldRequest, Input, ProviderBody, ProviderEvent, Reseat,
};
pub use flight::Flight;
pub use flights::FlightRef;
pub use ledger::Ledger;
pub use observer::{FlightIx, HoldIx, Observer, Silent};
pub use outcome::{Decision, Outcome, Reason, Replay};
pub use store::{BadState, STATE_FORMAT};
pub use view::{
    AircraftLine, BucketView, DriftLine, FareLine, FeedView, FlightStatus, HoldState, HoldView,
    InventoryLine, LegView, OfferLine, ProviderView, Quote, TermsView,
};
