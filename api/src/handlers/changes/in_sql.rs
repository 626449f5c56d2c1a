//! Changes of views in SQL, whose columns are known when the program runs. The events are those of the other views.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use flightline_dataflows::relational::Row;
use flightline_dataflows::sql::{Named, View};
use flightline_sinks::followed::{Follower, ViewEvent};
use flightline_sinks::serving::EventId;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use warp::reply::Response;

use super::{ROWS_PER_EVENT, event_bytes, event_stream, slot};
use crate::backend::{Caller, Role};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::request::Request;
use crate::server::conn::Busy;

/// Follows a view. For operators: a view may show anything that the stream has.
pub(super) fn follow(
    request: &mut Request,
    caller: &Caller,
    name: &str,
    follower: Follower,
) -> Result<Response, ApiError> {
    if caller.role != Role::Operator {
        return Err(ApiError::new(
            &faults::INSUFFICIENT_PERMISSIONS,
            format!("the view `{name}` is for tokens of the role operator"),
        ));
    }
    let teller = Teller {
        follower,
        stopping: request.app.stopping(),
        heartbeat: Duration::from_millis(request.app.config.heartbeat_ms),
        ready: VecDeque::new(),
        _slot: slot(request)?,
        _busy: request.busy.take(),
    };
    Ok(event_stream(stream::unfold(teller, Teller::next)))
}

struct Teller {
    follower: Follower,
    stopping: watch::Receiver<bool>,
    heartbeat: Duration,
    ready: VecDeque<Bytes>,
    _slot: OwnedSemaphorePermit,
    _busy: Option<Busy>,
}

impl Teller {
    /// The next piece of the stream; `None` on shutdown, or when the view is gone.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some((bytes, self));
            }
            let event = tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                event = self.follower.next() => Some(event?),
                () = tokio::time::sleep(self.heartbeat) => None,
            };
            match event {
                None => self.ready.push_back(Bytes::from_static(b":\n\n")),
                Some(ViewEvent::Reset { id, view, rows }) => self.reset(id, &view, &rows),
                Some(ViewEvent::Changes { id, view, changes }) => {
                    let changes: Vec<_> = changes
                        .iter()
                        .map(|(row, diff)| json!({"diff": diff, "row": Named(&view, row)}))
                        .collect();
                    let json = json!({"changes": changes}).to_string();
                    let event = event_bytes("changes", Some(id), json.as_bytes());
                    self.ready.push_back(event);
                }
            }
        }
    }

    fn reset(&mut self, id: EventId, view: &View, rows: &[Row]) {
        let head = json!({"view": view.name, "rows_follow": true}).to_string();
        self.ready
            .push_back(event_bytes("reset", None, head.as_bytes()));
        for rows in rows.chunks(ROWS_PER_EVENT) {
            let rows: Vec<_> = rows.iter().map(|row| json!(Named(view, row))).collect();
            let json = json!({"rows": rows}).to_string();
            self.ready
                .push_back(event_bytes("rows", None, json.as_bytes()));
        }
        self.ready.push_back(event_bytes("ready", Some(id), b"{}"));
    }
}
