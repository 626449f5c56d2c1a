//! The HTTP API: warp routes, wire types and the OpenAPI document.
//!
//! [`serve`] runs it over a [`Backend`](backend::Backend), which is all it knows of a replica, and
//! an [`Authenticator`](backend::Authenticator).
//!
//! **One filter, not a chain.** warp tries the filters of an `or` chain one after the other, and
//! every miss builds a rejection on the heap: the last of a chain of twelve routes costs the server
//! about a quarter more per request than a route alone (3 µs; `examples/layer_rate.rs` measures it).
//! So there is one filter that takes method, address, headers and body of any request, and
//! `http::route` splits the path by hand. All that holds for every request (request id, panics,
//! bounds, metrics, logs) happens once, around it, and an unknown address is told from a wrong method.
//!
//! **A connection loop of our own.** warp's server has no time-outs and no bound on its drain. The
//! loop in `server` keeps warp's service and adds both without a timer per request: connections
//! note what they are doing since when, and one task looks at them four times a second.
//!
//! - [`backend`]: the port to a replica.
//! - `http`: routes, errors, bodies, and what surrounds every request.
//! - `handlers`: one file per group of calls.
//! - `duffel`: the booking API, search, offers and orders, in Duffel's conventions; [`mod@reference`]: airports,
//!   cities, airlines and aircraft for it.
//! - `wire`: what stands in bodies.
//! - `server`: connections.
//!
//! What is deliberately absent: TLS and HTTP/2 (a proxy in front does both), CORS, compression of
//! answers, sessions.

mod app;
pub mod backend;
mod config;
mod duffel;
pub mod explanation;
mod handlers;
mod http;
mod metrics;
mod openapi;
mod server;
pub mod trace;
mod wire;

pub use config::{ApiConfig, CommandIdOf};
pub use duffel::reference;
pub use duffel::terms::{BookingTerms, Clock, OfferKey};
pub use openapi::openapi_json;
pub use server::{Drained, serve};
