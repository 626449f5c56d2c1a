//! Orders: a second pure fold, over the records of one partition of order streams.
//!
//! An order books seats on several flights, or none of them, and takes money for them, or none. Each
//! flight has a stream of its own, and the payment service a mind of its own, so neither can be part
//! of one step. The order is a saga: [`Orders::apply`] takes a record and tells an [`OrderObserver`]
//! which [`Effect`]s have become due; whoever runs them reports back with
//! [`OrderAction::EffectDone`], which is a record like any other. The fold never sees a flight's
//! stream and never does I/O. Time, results and settings arrive as data.
//!
//! - [`OrderCommand`]: what can be asked.
//! - [`OrderDecision`]: every answer there is.
//! - [`Effect`], [`EffectResult`]: what is asked of flights, payment and ticketing, and what comes back.
//! - [`Orders`]: the fold; [`Order`]: what can be read of one.
//!
//! The rules are in `docs/orders.md`, to the letter.
//!
//! What is deliberately absent: personal data in the clear (it comes sealed), record formats,
//! the running of effects, and prices of anything but whole orders and seats.

mod check;
mod client;
mod command;
mod details;
mod digest;
mod effect;
mod ending;
mod hear;
mod ids;
mod log;
mod memo;
mod milestone;
mod observer;
mod orders;
mod outcome;
mod outward;
mod print;
mod reference;
mod saga;
mod standing;
mod state;
mod store;
mod valid;

pub use command::{
    CreateOrder, FlightChange, FlightNotice, Metadata, OrderAction, OrderCommand, OrderSettings,
    Payment, RefundTerms, SegmentRequest, Terms,
};
pub use effect::{Effect, EffectResult, MoneyAsk, OutwardAsk, OutwardWork, SeatsAsk, Step, Work};
pub use ending::{Cause, Ending};
pub use ids::{EffectId, OfferRequestId, OrderId, QuoteId};
pub use log::{Log, LogEntry, LogEvent};
pub use milestone::{Milestone, MilestoneKind};
pub use observer::{OrderIx, OrderObserver};
pub use orders::{Orders, Outstanding};
pub use outcome::{Field, OrderDecision, OrderKind, OrderOutcome, OrderReason};
pub use reference::{BookingReference, References};
pub use standing::{MoneyState, OrderState, Outward, Seat};
pub use state::{CancelQuote, Charge, Order, Pending, Segment, Wait};
