//! What keeps endpoints, events and deliveries, for the routes, the reader of the stream and the engine.
//!
//! Calls block for a disk or a database: make them off the async threads. What an adapter promises:
//! events and progress are durable together, and what clients change is durable before the call
//! returns; an event that is appended again is left as it is; a delivery that was not written down
//! as made is made again.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use super::clock::Clock;
use super::endpoint::{CreatedEndpoint, Endpoint, EndpointPatch, NewEndpoint};
use super::error::WebhooksError;
use super::event::{Event, NewEvent};
use super::page::{Page, PageOf};
use super::store::{
    Appended, Delivery, DeliveryFilter, Due, EventFilter, Outcome, Progress, WebhookStore, Work,
};

/// A future that ends when there is something to look at.
pub type Changed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A store of webhooks.
pub trait Store: Send + Sync + 'static {
    /// `live_mode` of every event.
    fn live_mode(&self) -> bool;
    /// May endpoints be on this machine and in private networks?
    fn allow_private(&self) -> bool;
    /// The clock that deliveries go by.
    fn clock(&self) -> &Arc<dyn Clock>;

    /// Makes an endpoint. Its secret is in the answer and never shown again.
    ///
    /// # Errors
    /// The url or the events are not allowed, or the client has too many endpoints.
    fn create_endpoint(
        &self,
        client: &str,
        new: &NewEndpoint,
    ) -> Result<CreatedEndpoint, WebhooksError>;
    /// One endpoint.
    ///
    /// # Errors
    /// The client has none of this id.
    fn endpoint(&self, client: &str, id: &str) -> Result<Endpoint, WebhooksError>;
    /// The client's endpoints, newest first.
    ///
    /// # Errors
    /// The page.
    fn endpoints(&self, client: &str, page: &Page) -> Result<PageOf<Endpoint>, WebhooksError>;
    /// Changes an endpoint.
    ///
    /// # Errors
    /// There is none, or the change is not allowed; nothing is changed then.
    fn patch_endpoint(
        &self,
        client: &str,
        id: &str,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, WebhooksError>;
    /// Removes an endpoint with its log and everything that waits for it.
    ///
    /// # Errors
    /// There is none.
    fn delete_endpoint(&self, client: &str, id: &str) -> Result<(), WebhooksError>;
    /// Makes a test event for one endpoint, whatever types it wants. Returns the event's id.
    ///
    /// # Errors
    /// There is no such endpoint, or it is not active.
    fn ping(&self, client: &str, endpoint_id: &str) -> Result<String, WebhooksError>;

    /// One event.
    ///
    /// # Errors
    /// The client has none of this id.
    fn event(&self, client: &str, id: &str) -> Result<Event, WebhooksError>;
    /// The client's events, newest first.
    ///
    /// # Errors
    /// The page.
    fn events(
        &self,
        client: &str,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<PageOf<Event>, WebhooksError>;
    /// The log of attempts to the client's endpoints, newest first.
    ///
    /// # Errors
    /// The page. An endpoint that the client does not have has no entries.
    fn deliveries(
        &self,
        client: &str,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<PageOf<Delivery>, WebhooksError>;
    /// Delivers an event again, now: to one endpoint, or to all that it went to. One that is still
    /// waiting is brought forward. Returns how many deliveries will be made.
    ///
    /// # Errors
    /// The client has no such event or endpoint.
    fn redeliver(
        &self,
        client: &str,
        event_id: &str,
        endpoint_id: Option<&str>,
    ) -> Result<usize, WebhooksError>;

    /// Which of these clients have an endpoint, active or not.
    ///
    /// # Errors
    /// The store cannot be read.
    fn with_endpoints(&self, clients: &BTreeSet<String>)
    -> Result<BTreeSet<String>, WebhooksError>;
    /// Stores events and how far the reader is, both or neither. Each event goes to the endpoints of
    /// its client that are active now and want its type. An event that is kept already is not stored
    /// again. Partitions that `progress` does not name stay as they are, and none goes back where
    /// several readers append.
    ///
    /// # Errors
    /// An event that cannot be kept, or the store. Nothing was stored then.
    fn append(&self, events: &[NewEvent], progress: &Progress) -> Result<Appended, WebhooksError>;
    /// How far the reader was with the last [`append`](Self::append).
    ///
    /// # Errors
    /// The store cannot be read.
    fn progress(&self) -> Result<Progress, WebhooksError>;

    /// Is this process the one that delivers when all is well? Others deliver what it left lying.
    fn set_leading(&self, is_leading: bool);
    /// Ends when [`Self::take_changed`] has something; may end earlier.
    fn wait_changed(&self) -> Changed<'_>;
    /// Endpoints at which the engine has to look.
    fn take_changed(&self) -> BTreeSet<u32>;
    /// Has the engine look at every endpoint.
    fn mark_all_changed(&self);
    /// What is due at an endpoint, up to a number of events.
    ///
    /// # Errors
    /// The store cannot be read.
    fn due(&self, endpoint: u32, now_ms: i64, count: usize) -> Result<Due, WebhooksError>;
    /// What a delivery takes; `None` when it is not due any more, or another process makes it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn begin(&self, endpoint: u32, sequence: u64) -> Result<Option<Work>, WebhooksError>;
    /// Writes down how a delivery went.
    ///
    /// # Errors
    /// The store cannot be written: the delivery will be made again.
    fn finish(
        &self,
        endpoint: u32,
        sequence: u64,
        work: &Work,
        outcome: Outcome,
    ) -> Result<(), WebhooksError>;
    /// Removes events that were kept long enough. One with a delivery that is still to be made
    /// stays, whatever its age. Returns how many were removed.
    ///
    /// # Errors
    /// The store cannot be written.
    fn sweep(&self) -> Result<usize, WebhooksError>;
}

impl Store for WebhookStore {
    fn live_mode(&self) -> bool {
        self.config().live_mode
    }

    fn allow_private(&self) -> bool {
        self.config().allow_private
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        WebhookStore::clock(self)
    }

    fn create_endpoint(
        &self,
        client: &str,
        new: &NewEndpoint,
    ) -> Result<CreatedEndpoint, WebhooksError> {
        WebhookStore::create_endpoint(self, client, new)
    }

    fn endpoint(&self, client: &str, id: &str) -> Result<Endpoint, WebhooksError> {
        WebhookStore::endpoint(self, client, id)
    }

    fn endpoints(&self, client: &str, page: &Page) -> Result<PageOf<Endpoint>, WebhooksError> {
        WebhookStore::endpoints(self, client, page)
    }

    fn patch_endpoint(
        &self,
        client: &str,
        id: &str,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, WebhooksError> {
        WebhookStore::patch_endpoint(self, client, id, patch)
    }

    fn delete_endpoint(&self, client: &str, id: &str) -> Result<(), WebhooksError> {
        WebhookStore::delete_endpoint(self, client, id)
    }

    fn ping(&self, client: &str, endpoint_id: &str) -> Result<String, WebhooksError> {
        WebhookStore::ping(self, client, endpoint_id)
    }

    fn event(&self, client: &str, id: &str) -> Result<Event, WebhooksError> {
        WebhookStore::event(self, client, id)
    }

    fn events(
        &self,
        client: &str,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<PageOf<Event>, WebhooksError> {
        WebhookStore::events(self, client, filter, page)
    }

    fn deliveries(
        &self,
        client: &str,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<PageOf<Delivery>, WebhooksError> {
        WebhookStore::deliveries(self, client, filter, page)
    }

    fn redeliver(
        &self,
        client: &str,
        event_id: &str,
        endpoint_id: Option<&str>,
    ) -> Result<usize, WebhooksError> {
        WebhookStore::redeliver(self, client, event_id, endpoint_id)
    }

    fn with_endpoints(
        &self,
        clients: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, WebhooksError> {
        Ok(WebhookStore::with_endpoints(self, clients))
    }

    fn append(&self, events: &[NewEvent], progress: &Progress) -> Result<Appended, WebhooksError> {
        WebhookStore::append(self, events, progress)
    }

    fn progress(&self) -> Result<Progress, WebhooksError> {
        WebhookStore::progress(self)
    }

    /// A folder is one process's: it always leads.
    fn set_leading(&self, _: bool) {}

    fn wait_changed(&self) -> Changed<'_> {
        Box::pin(WebhookStore::wait_changed(self))
    }

    fn take_changed(&self) -> BTreeSet<u32> {
        WebhookStore::take_changed(self)
    }

    fn mark_all_changed(&self) {
        WebhookStore::mark_all_changed(self);
    }

    fn due(&self, endpoint: u32, now_ms: i64, count: usize) -> Result<Due, WebhooksError> {
        WebhookStore::due(self, endpoint, now_ms, count)
    }

    fn begin(&self, endpoint: u32, sequence: u64) -> Result<Option<Work>, WebhooksError> {
        WebhookStore::begin(self, endpoint, sequence)
    }

    fn finish(
        &self,
        endpoint: u32,
        sequence: u64,
        work: &Work,
        outcome: Outcome,
    ) -> Result<(), WebhooksError> {
        WebhookStore::finish(self, endpoint, sequence, work, outcome)
    }

    fn sweep(&self) -> Result<usize, WebhooksError> {
        WebhookStore::sweep(self)
    }
}
