//! What a provider's file says, beside what the ledger expects; and stops by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures_util::Stream;
use tokio::sync::mpsc;
use warp::reply::Response;

use super::reader::{BodyReader, unpack};
use super::{PIECES_AHEAD, message, pump};
use crate::backend::FeedError;
use crate::http::access::Need;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::{Request, provider_in_path};
use crate::openapi::{DayQuery, FileQuery, ProviderPath, ReadHeaders, WriteHeaders};
use crate::wire::provider::{DayAnswer, ReconciliationAnswer, SaleAnswer};
use crate::wire::text;

/// Compare a provider's file with the ledger
///
/// Appends nothing. Every count of the file is put beside what the ledger expects the provider to
/// say, with the cause of the difference where it is known.
#[utoipa::path(
    post,
    path = "/providers/{provider}/reconcile",
    tag = "providers",
    params(ProviderPath, FileQuery, WriteHeaders),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, description = "What differs, and why", body = ReconciliationAnswer<'_>))
)]
pub(crate) async fn reconcile<S, B>(
    request: &Request,
    provider: &str,
    body: S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Unpin + 'static,
    B: Buf + Send + 'static,
{
    let provider = provider_in_path(provider)?;
    request.caller(Need::Feed(provider))?;
    let query = Query::parse_any(request.uri.query())?;
    let format: String = query.optional("format")?.unwrap_or_default();
    let options = query.others(&["format", "message"]);
    let message = message(request, &query)?;
    let app = &request.app;
    let encoding = body::encoding(&request.headers)?;
    let timeout = Duration::from_millis(app.config.body_timeout_ms);
    let Ok(slot) = Arc::clone(&app.feeds).try_acquire_owned() else {
        return Err(ApiError::overloaded(1000));
    };
    let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
    let backend = Arc::clone(&app.backend);
    let mut work = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let reader = unpack(BodyReader::new(receiver), encoding);
        backend.reconcile(provider, &format, &options, &message, reader)
    });
    let ended = tokio::select! {
        biased;
        ended = &mut work => ended,
        _ = pump(body, pieces, timeout, None) => work.await,
    };
    match ended {
        Ok(Ok(found)) => {
            let answer = ReconciliationAnswer::of(&provider, &found);
            Ok(reply::json(200, &answer))
        }
        Ok(Err(FeedError::UnknownFormat(message))) => {
            Err(ApiError::new(&faults::UNKNOWN_FORMAT, message).field("format"))
        }
        Ok(Err(FeedError::BrokeOff { why, report })) => Err(ApiError::feed_broke_off(&why, report)),
        Ok(Err(FeedError::Submit(error))) => Err(error.into()),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ApiError::internal()),
        },
    }
}

/// Stop selling a provider's seats
///
/// On every flight, until it is resumed. Holds that are live can be confirmed.
#[utoipa::path(
    post,
    path = "/providers/{provider}/stop",
    tag = "providers",
    params(ProviderPath),
    responses((status = 200, description = "How its sale stands", body = SaleAnswer))
)]
pub(crate) async fn stop(request: &Request, provider: &str) -> Result<Response, ApiError> {
    set_sale(request, provider, false).await
}

/// Sell a provider's seats again
#[utoipa::path(
    post,
    path = "/providers/{provider}/resume",
    tag = "providers",
    params(ProviderPath),
    responses((status = 200, description = "How its sale stands", body = SaleAnswer))
)]
pub(crate) async fn resume(request: &Request, provider: &str) -> Result<Response, ApiError> {
    set_sale(request, provider, true).await
}

async fn set_sale(request: &Request, provider: &str, sells: bool) -> Result<Response, ApiError> {
    let provider = provider_in_path(provider)?;
    let caller = request.caller(Need::Feed(provider))?;
    Query::parse(request.uri.query(), &[])?;
    let backend = Arc::clone(&request.app.backend);
    let actor = caller.name.clone();
    let set = tokio::task::spawn_blocking(move || backend.set_sale(provider, sells, &actor));
    match set.await {
        Ok(state) => Ok(reply::json(200, &SaleAnswer::of(&state?))),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ApiError::internal()),
        },
    }
}

/// What a provider's feed did on a day
#[utoipa::path(
    get,
    path = "/providers/{provider}/report",
    tag = "providers",
    params(ProviderPath, DayQuery, ReadHeaders),
    responses((status = 200, description = "Counts of that day in UTC, and how it stands now", body = DayAnswer<'_>))
)]
pub(crate) async fn report(request: &Request, provider: &str) -> Result<Response, ApiError> {
    let provider = provider_in_path(provider)?;
    request.caller(Need::Feed(provider))?;
    let query = Query::parse(request.uri.query(), &["day"])?;
    request.wait_at_least().await?;
    let Some(day) = query.optional::<flightline_ledger::Date>("day")? else {
        return Err(ApiError::new(
            &faults::VALIDATION_REQUIRED,
            "parameter `day` is needed: a day such as 2027-01-05, in UTC",
        )
        .field("day"));
    };
    let Some(found) = request.app.backend.provider_day(provider, day) else {
        return Err(ApiError::new(
            &faults::NOT_FOUND,
            format!("provider {provider} has never sent anything"),
        ));
    };
    let last = found.last_event_at_ms.map(text::instant);
    let day = day.to_string();
    let answer = DayAnswer::of(&provider, &day, &found, last.as_ref().map(|at| at.as_str()));
    Ok(reply::json(200, &answer))
}
