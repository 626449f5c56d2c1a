//! Payment services: what an order asks of them, and two services that answer.
//!
//! - [`port`]: [`PaymentService`], the one shape of every service, with its requests and answers.
//! - [`settle`](mod@settle): asking again until an unknown outcome is known.
//! - [`sandbox`]: a service in this process, for demonstrations and tests. It moves no money and
//!   says so.
//! - [`stripe`]: Stripe's PaymentIntents, its refunds, and its signed notices.
//! - [`event`]: what a service tells unasked, as facts that stay true in any order.
//! - [`url`](mod@url): which service a configured address means.
//! - [`secret`]: keys that never reach a log.
//!
//! The rule that shapes all of it: an effect has an id, and asking twice for an effect does it
//! once. So whoever did not hear the answer asks again, for the same effect, until he hears one;
//! nobody concludes from silence that money did or did not move.
//!
//! What is deliberately absent: when to ask, and what follows from an answer. That is the order's
//! business, decided in the stream. Nothing here knows of orders beyond the text that names one.

pub mod event;
pub mod port;
pub mod sandbox;
pub mod secret;
pub mod settle;
pub mod stripe;
pub mod url;

pub use event::{PaymentEvent, PaymentFact};
pub use port::{
    Answer, Asked, AuthoriseRequest, Authorised, Cause, EffectId, Payment, PaymentService,
    PaymentState, Refunded, Refusal, RefusalKind, Unknown,
};
pub use sandbox::Sandbox;
pub use secret::Secret;
pub use settle::{Patience, settle};
pub use stripe::Stripe;
pub use url::PaymentsUrl;
