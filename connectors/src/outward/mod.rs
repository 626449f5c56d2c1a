//! Orders out: what was sold goes to the provider that granted the seats.
//!
//! - [`port`]: what every provider can be asked, and how it answers.
//! - [`webhook`]: signed JSON to an address of the provider's.
//! - [`duffel`]: the order interface of Duffel, which another Flightline has too.
//! - [`teletype`]: lines in the manner of AIRIMP (`SS`, `HK`, `UC`, `XX`), in files.
//! - [`config`]: which of these a provider is reached by.
//!
//! How each looks on the wire: `docs/outward-orders.md`.
//!
//! What is deliberately absent: retries and time. Whoever asks decides when to ask again; every
//! ask names its placement, and asking twice places once.

pub mod config;
pub mod duffel;
mod files;
mod http;
pub mod port;
pub mod teletype;
#[cfg(test)]
mod testing;
pub mod webhook;

pub use config::{OutwardConfig, OutwardError, Secret};
pub use port::{
    Answer, Asked, Kept, OutwardService, Placed, Placement, PlacementKey, Refusal, Traveller,
};
