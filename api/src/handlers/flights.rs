//! One flight as it stands, and how it came to stand so.

use flightline_ledger::{FlightKey, Reason};
use warp::reply::Response;

use crate::backend::HistoryEntry;
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::{Request, flight_in_path};
use crate::openapi::{FlightPath, PageQuery, ReadHeaders};
use crate::wire::flight::FlightAnswer;
use crate::wire::history::{HistoryAnswer, HistoryItem, PageMeta};

/// A flight as it stands
///
/// Reflects at least every write that this replica has answered.
#[utoipa::path(
    get,
    path = "/flights/{flight_key}",
    tag = "flights",
    params(FlightPath, ReadHeaders),
    responses((status = 200, description = "The flight", body = FlightAnswer<'_>, headers(
        ("flightline-offset" = String, description = "PARTITION:OFFSET of the last record that is reflected"),
    )))
)]
pub(crate) async fn flight(request: &Request, flight: &str) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let flight = flight_in_path(flight)?;
    Query::parse(request.uri.query(), &[])?;
    request.wait_at_least().await?;
    request.wait_answered(&flight).await?;
    let Some(view) = request.app.backend.serving().flight(&flight) else {
        return Err(ApiError::refused(Reason::UnknownFlight));
    };
    let answer = FlightAnswer::of(&view, request.app.backend.partition_of(&flight));
    let mut response = reply::json(200, &answer);
    if let Some((partition, offset)) = answer.position() {
        reply::set_offset(&mut response, partition, offset);
    }
    Ok(response)
}

/// Most items in a page, and how many when none are asked for.
pub(crate) const LIMIT_MAX: u64 = 200;
const LIMIT_DEFAULT: u64 = 50;

/// How a flight came to stand as it does
///
/// Its commands and their outcomes, oldest first, read from the stream itself.
#[utoipa::path(
    get,
    path = "/flights/{flight_key}/history",
    tag = "flights",
    params(FlightPath, PageQuery, ReadHeaders),
    responses((status = 200, description = "A page", body = HistoryAnswer<'_>))
)]
pub(crate) async fn history(request: &Request, flight: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let flight = flight_in_path(flight)?;
    let query = Query::parse(request.uri.query(), &["limit", "after", "before"])?;
    let limit = query
        .number("limit", 1, LIMIT_MAX)?
        .unwrap_or(LIMIT_DEFAULT);
    let page = match (cursor(&query, "after")?, cursor(&query, "before")?) {
        (None, Some(offset)) => Page::Before(offset),
        (after, before) => Page::From(after.unwrap_or(0), before),
    };
    request.wait_at_least().await?;
    let (entries, more_before, more_after) = read(request, flight, page, limit as usize).await?;
    let first = entries.first().map(|entry| entry.decision.offset);
    let last = entries.last().map(|entry| entry.decision.offset);
    let answer = HistoryAnswer {
        data: entries
            .iter()
            .map(|entry| HistoryItem::of(entry, &caller))
            .collect(),
        meta: PageMeta {
            limit,
            after: last
                .filter(|_| more_after)
                .map(|offset| encode(offset.saturating_add(1))),
            // Beyond the end there is nothing to show, but a way back.
            before: first.or(page.start()).filter(|_| more_before).map(encode),
        },
    };
    Ok(reply::json(200, &answer))
}

/// What is asked for of a list.
#[derive(Clone, Copy)]
enum Page {
    /// From an offset on, up to another if one is named.
    From(u64, Option<u64>),
    Before(u64),
}

impl Page {
    fn start(self) -> Option<u64> {
        match self {
            Page::From(offset, _) => Some(offset),
            Page::Before(_) => None,
        }
    }
}

/// Reads a page, and whether there is more before and after it. Refolding a partition is heavy: few
/// are read at once, off the async threads, and the others wait in a line.
async fn read(
    request: &Request,
    flight: FlightKey,
    page: Page,
    limit: usize,
) -> Result<(Vec<HistoryEntry>, bool, bool), ApiError> {
    // Never closed, so never an error.
    let _slot = request.app.histories.acquire().await;
    let backend = std::sync::Arc::clone(&request.app.backend);
    let work = move || match page {
        // One more than is shown tells whether there is more.
        Page::From(offset, until) => {
            let mut entries = backend.history(&flight, offset, limit + 1)?;
            entries.retain(|entry| until.is_none_or(|until| entry.decision.offset < until));
            let more_after = entries.len() > limit;
            entries.truncate(limit);
            // A page that begins at an offset was reached from the one before it.
            Ok((entries, offset > 0, more_after))
        }
        Page::Before(offset) => {
            let mut entries = backend.history_before(&flight, offset, limit + 1)?;
            let more_before = entries.len() > limit;
            entries.drain(..entries.len().saturating_sub(limit));
            // Such a page was reached from the one after it.
            Ok((entries, more_before, true))
        }
    };
    let read: Result<Result<_, String>, _> = tokio::task::spawn_blocking(work).await;
    let (entries, before, after) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(why)) => {
            tracing::error!(%flight, why, "cannot read a flight's history");
            return Err(ApiError::internal());
        }
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(ApiError::internal()),
        },
    };
    if entries.is_empty() && matches!(page, Page::From(0, _)) {
        return Err(ApiError::refused(Reason::UnknownFlight));
    }
    Ok((entries, before, after))
}

/// Cursors are opaque to clients.
fn encode(offset: u64) -> String {
    format!("o{offset:x}")
}

fn cursor(query: &Query<'_>, name: &'static str) -> Result<Option<u64>, ApiError> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let offset = text
        .strip_prefix('o')
        .filter(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .and_then(|hex| u64::from_str_radix(hex, 16).ok());
    offset.map(Some).ok_or_else(|| {
        ApiError::new(
            &faults::VALIDATION_FORMAT,
            format!("parameter `{name}` must be a cursor from the `meta` of an earlier page"),
        )
        .field(name)
    })
}
