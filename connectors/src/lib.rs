//! Provider feeds in: what providers send, read record by record and turned into ledger commands.
//!
//! - [`connector`]: the one shape of every connector, and what it yields.
//! - [`canonical`]: our own provider format, newline-delimited JSON.
//! - [`avs`]: availability as teletype lines.
//! - [`duffel`], [`amadeus`]: offers, availability and changes as JSON, and Amadeus' XML display.
//! - [`ndc`]: offers as IATA NDC messages.
//! - [`paores`]: availability as EDIFACT.
//! - [`nycflights13`]: the public schedule of New York's departures in 2013, as CSV.
//! - [`ssim`]: schedules of airlines as files.
//! - [`ssm`]: changes of schedules as teletype messages.
//! - [`unplaced`]: reports that name a flight by number and day alone.
//! - [`late`]: reports that came before what they are about.
//! - [`format`](mod@format): the connectors by name.
//! - [`push`]: a file or request body in, batches of commands and rejects out. What the command
//!   line and the HTTP interface both use.
//! - [`observed`]: until when an observation holds, and for which journey.
//! - [`reject`]: records that were set aside, and the codes that say why.
//! - [`ids`]: identity of commands. Stable for ever.
//! - [`airports`]: airports with their place and time zone.
//! - [`mod@reference`]: names of cities, airlines and types of aircraft.
//! - [`payments`]: payment services, for orders.
//! - [`vault`]: keys for personal data, and data sealed with them.
//! - [`webhooks`]: events to booking clients, kept and delivered.
//! - [`intake`]: watched folders, and feeds that are fetched.
//! - [`database`]: a connection to PostgreSQL for schemas of its own.
//!
//! Unlike the rest, the last five talk to others or keep files.
//!
//! Parsing is pure: it reads no clock, no environment and no network, so that the same bytes give
//! the same commands with the same ids. It streams: memory does not grow with the file. A bad
//! record is set aside with its reason and never costs the rest of the file.
//!
//! What is deliberately absent: sending commands. Who appends them to the stream, and who looks up
//! which flights a full replacement leaves unnamed, is the caller's business.

pub mod airports;
pub mod amadeus;
pub mod avs;
pub mod canonical;
pub mod connector;
mod csv_line;
mod currency;
pub mod database;
mod documents;
pub mod duffel;
mod encoding;
pub mod format;
pub mod ids;
mod input;
pub mod intake;
pub mod late;
mod lines;
mod market;
mod money;
pub mod ndc;
pub mod nycflights13;
pub mod observed;
pub mod outward;
pub mod paores;
pub mod payments;
pub mod push;
pub mod reference;
pub mod reject;
mod replacement;
mod schedule;
mod sections;
pub mod ssim;
pub mod ssm;
mod transport;
pub mod unplaced;
pub mod vault;
pub mod webhooks;
mod xml;

pub use canonical::CanonicalEvent;
pub use connector::{Connector, Parsed, Parser, Source, Warning};
pub use format::{Format, OBSERVED_AT, Options, format};
pub use late::Late;
pub use observed::Observed;
pub use push::{Batch, Push, PushCommand, PushConfig, Tally};
pub use reject::{Code, Reject};
pub use replacement::{Replacement, ReplacementClose, Scope};
pub use unplaced::Unplaced;
