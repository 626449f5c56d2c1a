//! Events to booking clients: kept until delivered, delivered at least once.
//!
//! - [`event`]: what is told, and the body that is sent.
//! - [`endpoint`]: where a client wants it told. [`address`]: which addresses may be called.
//! - [`port`]: what keeps endpoints, events and deliveries. Whoever derives events from the stream
//!   appends them together with how far the stream was read, so that a crash loses none. [`store`]:
//!   in a folder, for one replica. [`postgres`]: in a database, for several.
//! - [`engine`]: sends what is due. [`backoff`]: when it is due again. [`signature`]: what proves to
//!   the client who sent it.
//! - [`clock`]: the time, as an argument. [`page`]: lists in pages. [`config`]: settings.
//!
//! What is deliberately absent: the routes that clients call, and which events follow from which
//! record. Memory is bounded by the number of endpoints: what waits is in the store.

pub mod address;
pub mod backoff;
pub mod clock;
pub mod config;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod event;
pub mod page;
pub mod port;
pub mod postgres;
pub mod signature;
pub mod store;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{EngineConfig, StoreConfig};
pub use endpoint::{CreatedEndpoint, Endpoint, EndpointPatch, NewEndpoint};
pub use engine::Engine;
pub use error::WebhooksError;
pub use event::{Event, EventKind, NewEvent, OrderPlace};
pub use page::{Page, PageOf};
pub use port::Store;
pub use postgres::{PostgresStore, PostgresStoreConfig};
pub use store::{
    Appended, Delivery, DeliveryFilter, DeliveryState, DeliveryStatus, EventFilter, Progress,
    WebhookStore,
};
