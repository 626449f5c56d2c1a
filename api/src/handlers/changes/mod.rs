//! `GET /changes?view=V`: the changes of a view as server-sent events.
//!
//! - `reset` `{view, rows}`: forget what you have; rows follow in `rows` events, then `ready`.
//! - `rows` `{rows}`: some rows of the view as it is. `ready` `{}` follows the last and has the id.
//! - `changes` `{changes: [{diff, row}]}`: one epoch, its id is the event's.
//! - an event without data only moves the id on, and keeps the connection alive.
//!
//! A client that comes back with `Last-Event-ID` gets what it missed, or a `reset` when that is no
//! longer kept or was of another run of the replica.

mod in_sql;

use std::collections::VecDeque;
use std::pin::Pin;
use std::str::FromStr as _;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flightline_sinks::serving::{Event, EventId, Subscription, View, ViewRows};
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, watch};
use warp::Reply as _;
use warp::http::HeaderValue;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use warp::reply::Response;

use crate::backend::Role;
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::{Query, printable};
use crate::http::request::Request;
use crate::openapi::{ChangesHeaders, ChangesQuery, ReadHeaders};
use crate::server::conn::Busy;
use crate::wire::change::{self, write_rows};

/// Rows in one event of a snapshot.
const ROWS_PER_EVENT: usize = 1000;

/// Follow the changes of a view
///
/// Server-sent events: `reset`, then the `rows` there are and `ready`, then `changes`, an epoch each.
/// A client that comes back with `Last-Event-ID` gets what it missed, or a `reset` when that is no
/// longer kept.
#[utoipa::path(
    get,
    path = "/changes",
    tag = "search",
    params(ChangesQuery, ChangesHeaders, ReadHeaders),
    responses((
        status = 200,
        description = "Events without end",
        body = String,
        content_type = "text/event-stream"
    ))
)]
pub(crate) async fn changes(request: &mut Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse(request.uri.query(), &["view"])?;
    let name: String = query.required("view")?;
    let after = last_event_id(request)?;
    let in_sql = request.app.backend.view_followers();
    if View::from_name(&name).is_none()
        && let Some(follower) = in_sql.and_then(|views| views.follow(&name, after))
    {
        return in_sql::follow(request, &caller, &name, follower);
    }
    let view = View::from_name(&name).ok_or_else(|| {
        let mut names: Vec<String> = View::ALL.iter().map(|v| v.name().to_owned()).collect();
        names.extend(in_sql.map(|views| views.names()).unwrap_or_default());
        ApiError::new(
            &faults::UNKNOWN_VIEW,
            format!(
                "there is no view `{}`; there are {}",
                printable(&name),
                names.join(", ")
            ),
        )
        .field("view")
    })?;
    if !view.has_snapshot() && caller.role != Role::Operator {
        // These name what others asked for.
        return Err(ApiError::new(
            &faults::INSUFFICIENT_PERMISSIONS,
            format!("the view `{name}` is for tokens of the role operator"),
        ));
    }
    let slot = slot(request)?;
    request.wait_at_least().await?;
    let app = &request.app;
    let follower = Follower {
        subscription: app.backend.serving().subscribe(view, after),
        stopping: app.stopping(),
        heartbeat: Duration::from_millis(app.config.heartbeat_ms),
        seen: None,
        ready: VecDeque::new(),
        rows: None,
        _slot: slot,
        _busy: request.busy.take(),
    };
    let events = stream::unfold(follower, Follower::next);
    Ok(event_stream(events))
}

/// The answer that these events are.
fn event_stream(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = warp::reply::stream(Events(Mutex::new(Box::pin(events)))).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold events back.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// A place among those who follow.
fn slot(request: &Request) -> Result<OwnedSemaphorePermit, ApiError> {
    let slot = Arc::clone(&request.app.followers).try_acquire_owned();
    slot.map_err(|_| ApiError::overloaded(5000))
}

fn last_event_id(request: &Request) -> Result<Option<EventId>, ApiError> {
    let Some(value) = request.headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("?").trim();
    if text.is_empty() {
        return Ok(None);
    }
    EventId::from_str(text).map(Some).map_err(|why| {
        ApiError::new(
            &faults::BAD_REQUEST,
            format!("the header Last-Event-ID is `{}`: {why}", printable(text)),
        )
    })
}

/// Rows of a snapshot that are still to be told.
struct Pending {
    rows: ViewRows,
    next: usize,
    id: Option<EventId>,
}

/// One client's place in the changes.
struct Follower {
    subscription: Subscription,
    stopping: watch::Receiver<bool>,
    heartbeat: Duration,
    /// The last epoch, told or without a change of the view, when it was not told yet.
    seen: Option<EventId>,
    ready: VecDeque<Bytes>,
    rows: Option<Pending>,
    _slot: OwnedSemaphorePermit,
    _busy: Option<Busy>,
}

impl Follower {
    /// The next piece of the stream; `None` on shutdown.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some((bytes, self));
            }
            if let Some(bytes) = self.next_rows() {
                return Some((bytes, self));
            }
            let event = tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                event = self.subscription.next() => Some(event),
                () = tokio::time::sleep(self.heartbeat) => None,
            };
            match event {
                Some(event) => self.take(event),
                None => {
                    let bytes = self.beat();
                    self.ready.push_back(bytes);
                }
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Reset { id, rows } => {
                let view = self.subscription.view().name();
                let kept = !matches!(rows, ViewRows::NotKept);
                let data = format!(
                    "event: reset\ndata: {{\"view\":\"{view}\",\"rows_follow\":{kept}}}\n\n"
                );
                self.ready.push_back(data.into());
                self.rows = Some(Pending { rows, next: 0, id });
                self.seen = None;
            }
            Event::Epoch { id, epoch } => {
                match change::write_changes(self.subscription.view(), &epoch) {
                    Some(json) => {
                        self.ready
                            .push_back(event_bytes("changes", Some(id), &json));
                        self.seen = None;
                    }
                    None => self.seen = Some(id),
                }
            }
        }
    }

    /// The next rows of a snapshot, then the mark that they are all.
    fn next_rows(&mut self) -> Option<Bytes> {
        let pending = self.rows.as_mut()?;
        match write_rows(&pending.rows, pending.next, ROWS_PER_EVENT) {
            Some(json) => {
                pending.next += ROWS_PER_EVENT;
                Some(event_bytes("rows", None, &json))
            }
            None => {
                let id = pending.id;
                self.rows = None;
                Some(event_bytes("ready", id, b"{}"))
            }
        }
    }

    fn beat(&mut self) -> Bytes {
        match self.seen.take() {
            Some(id) => format!("id: {id}\n\n").into(),
            None => Bytes::from_static(b":\n\n"),
        }
    }
}

fn event_bytes(name: &str, id: Option<EventId>, json: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(json.len() + 80);
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    // JSON on one line: no line end can stand in it.
    out.extend_from_slice(json);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The body of the response. warp wants bodies that can be shared, though only one task ever polls
/// them: the lock makes it so, and is never taken.
struct Events<S>(Mutex<Pin<Box<S>>>);

impl<S: Stream<Item = Bytes>> Stream for Events<S> {
    type Item = Result<Bytes, std::convert::Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .get_mut()
            .as_mut()
            .poll_next(cx)
            .map(|bytes| bytes.map(Ok))
    }
}
