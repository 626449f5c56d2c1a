//! The calls of the booking API, one file per resource.

pub(crate) mod aircraft;
pub(crate) mod airline_changes;
pub(crate) mod airlines;
pub(crate) mod airports;
pub(crate) mod cancellations;
pub(crate) mod extras;
pub(crate) mod offer_requests;
pub(crate) mod offers;
pub(crate) mod ordering;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod places;
pub(crate) mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use super::Booking;
use super::search::Search;
use crate::backend::Backend;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::{Query, printable};
use crate::http::request::Request;

/// Nothing has this id.
pub(crate) fn not_found(what: &str) -> ApiError {
    ApiError::new(
        &faults::NOT_FOUND,
        match what {
            "airport" | "airline" | "aircraft" => format!("there is no {what} of this id"),
            _ => format!("there is no {what} of this id: it was changed, or is another client's"),
        },
    )
}

/// A parameter that is `true` or `false`.
fn flag(query: &Query<'_>, name: &'static str) -> Result<Option<bool>, ApiError> {
    match query.get(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(one_of(name, "true or false", other)),
    }
}

fn one_of(name: &'static str, allowed: &str, given: &str) -> ApiError {
    let given = printable(given);
    ApiError::new(
        &faults::VALIDATION_INCLUSION,
        format!("parameter `{name}` must be {allowed}, not `{given}`"),
    )
    .field(name)
}

/// How long a search may wait for its turn when nobody says, in milliseconds.
const TIMEOUT_MS: u64 = 20_000;

/// What a search on another thread needs of its request.
struct Job {
    booking: Arc<Booking>,
    backend: Arc<dyn Backend>,
    client: Arc<str>,
    now_ms: i64,
}

impl Job {
    fn search<'a>(&'a self, covers: &'a flightline_sinks::serving::Covers) -> Search<'a> {
        Search {
            booking: &self.booking,
            backend: &*self.backend,
            client: &self.client,
            now_ms: self.now_ms,
            covers,
        }
    }
}

/// Runs a search, and what makes its answer, off the async threads. Only so many run at once.
async fn off_thread<T: Send + 'static>(
    request: &Request,
    client: Arc<str>,
    timeout_ms: u64,
    work: impl FnOnce(&Job) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let app = &request.app;
    let searches = Arc::clone(&app.booking.searches);
    let turn = tokio::time::timeout(Duration::from_millis(timeout_ms), searches.acquire_owned());
    let Ok(turn) = turn.await else {
        return Err(ApiError::new(
            &faults::TIMEOUT,
            "too many searches are running: this one did not begin in time; ask again",
        ));
    };
    let job = Job {
        booking: Arc::clone(&app.booking),
        backend: Arc::clone(&app.backend),
        client,
        now_ms: app.config.clock.now_ms(),
    };
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&job)
    });
    match done.await {
        Ok(done) => Ok(done),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ApiError::internal()),
        },
    }
}
