//! Idempotency keys that the stream does not remember by itself, at several replicas: what one of them was
//! asked under a key is known to all.
//!
//! The memory that they share is asked before the answer is made, for a second at most; when it
//! is away, a replica goes by its own memory.

use std::sync::Arc;

use bytes::Bytes;

use super::keys::{KeyHash, Request};
use crate::app::App;
use crate::backend::{Backend, Remembered};

const FEED: &str = "feed";
const SEARCH: &str = "search";

fn written(request: &Request) -> Option<Remembered> {
    let (kind, asked, answer) = match request {
        Request::Feed { body, answer } => (FEED, body, answer.to_vec()),
        Request::Search { body, id } => (SEARCH, body, id.as_bytes().to_vec()),
        // The stream remembers these.
        Request::Command(..) | Request::Order(..) | Request::Told(..) | Request::Batch => {
            return None;
        }
    };
    Some(Remembered {
        kind: kind.into(),
        asked: *asked,
        answer: answer.into(),
    })
}

fn read(found: Remembered) -> Option<Request> {
    let body = found.asked;
    match &*found.kind {
        FEED => Some(Request::Feed {
            body,
            answer: Bytes::from(found.answer.into_vec()),
        }),
        SEARCH => Some(Request::Search {
            body,
            id: String::from_utf8(found.answer.into_vec()).ok()?.into(),
        }),
        // Of a newer release, perhaps.
        _ => None,
    }
}

/// Learns what a key stands for at other replicas.
pub(crate) async fn recall(app: &App, key: KeyHash) {
    if !app.backend.has_shared_memory() || app.keys.get(&key).is_some() {
        return;
    }
    let found = off_thread(app, move |backend| backend.recall(&key)).await;
    if let Some(request) = found.flatten().and_then(read) {
        // One that came here meanwhile stays.
        let _ = app.keys.bind(key, request);
    }
}

/// Tells other replicas what a new key stands for, and learns it when another was first.
pub(crate) async fn remember(app: &App, key: KeyHash, request: Request) {
    if !app.backend.has_shared_memory() || app.keys.get(&key).is_some() {
        return;
    }
    let Some(new) = written(&request) else { return };
    let found = off_thread(app, move |backend| backend.remember(&key, new)).await;
    if let Some(request) = found.and_then(read) {
        let _ = app.keys.bind(key, request);
    }
}

async fn off_thread<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn Backend) -> Result<T, String> + Send + 'static,
) -> Option<T> {
    let backend = Arc::clone(&app.backend);
    match tokio::task::spawn_blocking(move || work(&*backend)).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(why)) => {
            tracing::warn!(
                why,
                "an idempotency key is remembered by this replica alone"
            );
            None
        }
        Err(failed) => match failed.try_into_panic() {
            // Caught and logged like that of any other handler.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
