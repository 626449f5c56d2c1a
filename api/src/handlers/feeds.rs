//! Providers: sending feeds, and seeing how they stand.

mod reader;
pub(crate) mod reconcile;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes};
use flightline_ledger::ProviderCode;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use warp::http::HeaderValue;
use warp::reply::Response;

use crate::app::App;
use crate::backend::{FeedError, FeedReport};
use crate::http::access::Need;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::keys::{self, KeyHash};
use crate::http::query::Query;
use crate::http::reply::{self, NDJSON, OFFSET, to_json};
use crate::http::request::{Request, provider_in_path};
use crate::http::shared_keys;
use crate::openapi::{FeedQuery, FileQuery, ProviderPath, ReadHeaders, WriteHeaders};
use crate::wire::provider::{
    DriftAnswer, FeedAnswer, MissingAnswer, SaleAnswer, SequenceAnswer, SourceAnswer, StatusAnswer,
};
use crate::wire::text;
use reader::{BodyReader, Piece, unpack};

/// Pieces of a body between the connection and the thread that reads it; each up to 0.5 MiB.
const PIECES_AHEAD: usize = 4;

/// Types canonical events may come as.
const EVENT_TYPES: [&str; 10] = [
    NDJSON,
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
    "application/json",
    "application/gzip",
    "application/x-gzip",
    "application/octet-stream",
    "text/plain",
    // What `curl --data-binary` says when it is told nothing.
    "application/x-www-form-urlencoded",
];

/// What is said of a feed beside its body.
struct Feed {
    provider: ProviderCode,
    /// Names a connector.
    format: String,
    /// The connector's own.
    options: Vec<(String, String)>,
    /// Names the file or message, for people.
    message: String,
}

impl Feed {
    /// Begins the hash of all that a key stands for; the body follows.
    fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{} {:?}\n", self.format, self.options).as_bytes());
        hasher
    }
}

/// Send canonical events
///
/// One event a line, of any number, plain or gzip. The answer comes when all are durable and
/// decided. Bad lines are set aside with their reason and stop nothing; lines that come again are
/// counted as duplicates.
#[utoipa::path(
    post,
    path = "/providers/{provider}/events",
    tag = "providers",
    params(ProviderPath, FeedQuery, WriteHeaders),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "What became of them", body = FeedAnswer<'_>, headers(
        ("flightline-offset" = String, description = "A list of PARTITION:OFFSET, one for each partition: reads that ask for it reflect the whole feed"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn events<S, B>(
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
    body::check_type(&request.headers, &EVENT_TYPES)?;
    let feed = Feed {
        provider,
        format: "canonical".to_owned(),
        options: query.others(&["message"]),
        message: message(request, &query)?,
    };
    take(request, feed, body).await
}

/// Send a file in the provider's own format
#[utoipa::path(
    post,
    path = "/providers/{provider}/files",
    tag = "providers",
    params(ProviderPath, FileQuery, WriteHeaders),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, description = "What became of it", body = FeedAnswer<'_>, headers(
        ("flightline-offset" = String, description = "A list of PARTITION:OFFSET, one for each partition: reads that ask for it reflect the whole feed"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn files<S, B>(
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
    let feed = Feed {
        provider,
        // Without one, the backend knows the provider's.
        format: query.optional("format")?.unwrap_or_default(),
        options: query.others(&["format", "message"]),
        message: message(request, &query)?,
    };
    take(request, feed, body).await
}

/// The name of the file or message, for people: that of the request when none is given.
fn message(request: &Request, query: &Query<'_>) -> Result<String, ApiError> {
    const MESSAGE_BYTES_MAX: usize = 200;
    match query.get("message") {
        None => Ok(request.id.as_str().to_owned()),
        Some(text) if (1..=MESSAGE_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control) => {
            Ok(text.to_owned())
        }
        Some(_) => Err(ApiError::new(
            &faults::VALIDATION_LENGTH,
            format!("parameter `message` must be 1 to {MESSAGE_BYTES_MAX} bytes without control characters"),
        )
        .field("message")),
    }
}

/// Takes a feed to its end.
async fn take<S, B>(request: &Request, feed: Feed, body: S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Unpin + 'static,
    B: Buf + Send + 'static,
{
    let app = &request.app;
    let encoding = body::encoding(&request.headers)?;
    let timeout = Duration::from_millis(app.config.body_timeout_ms);
    let key = request.key()?.map(|key| {
        let client = format!("feed {}", feed.provider);
        keys::hash(&client, key.as_bytes())
    });
    if let Some(key) = key {
        shared_keys::recall(app, key).await;
    }
    if let Some(key) = key
        && let Some(bound) = app.keys.get(&key)
    {
        return replay(bound, body, timeout, feed.hasher()).await;
    }
    let Ok(slot) = Arc::clone(&app.feeds).try_acquire_owned() else {
        return Err(ApiError::overloaded(1000));
    };
    let hasher = key.map(|_| feed.hasher());
    let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
    let backend = Arc::clone(&app.backend);
    let mut ingest = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let reader = unpack(BodyReader::new(receiver), encoding);
        backend.ingest(
            feed.provider,
            &feed.format,
            &feed.options,
            &feed.message,
            reader,
        )
    });
    let hash = tokio::select! {
        // Only when it needs nothing more of the body, or nothing at all.
        biased;
        ended = &mut ingest => return finish(app, ended, None).await,
        hash = pump(body, pieces, timeout, hasher) => hash,
    };
    let ended = ingest.await;
    finish(app, ended, key.zip(hash)).await
}

/// Moves the body to the reading thread, with back-pressure. Returns the hash of a whole
/// body, if one is wanted.
async fn pump<S, B>(
    mut body: S,
    pieces: mpsc::Sender<Piece>,
    timeout: Duration,
    mut hasher: Option<blake3::Hasher>,
) -> Option<[u8; 32]>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    loop {
        let piece = match tokio::time::timeout(timeout, body.next()).await {
            Err(_) => Piece::Broken("the body did not arrive in time".to_owned()),
            Ok(None) => Piece::End,
            Ok(Some(piece)) => match body::piece(piece) {
                Ok(bytes) => Piece::Bytes(bytes),
                Err(error) => Piece::Broken(error.text().to_owned()),
            },
        };
        let mut whole = None;
        let last = match &piece {
            Piece::Bytes(bytes) => {
                if let Some(hasher) = &mut hasher {
                    hasher.update(bytes);
                }
                false
            }
            Piece::End => {
                whole = hasher.as_ref().map(|hasher| *hasher.finalize().as_bytes());
                true
            }
            Piece::Broken(_) => true,
        };
        if pieces.send(piece).await.is_err() || last {
            return whole;
        }
    }
}

type Ended = Result<Result<FeedReport, FeedError>, tokio::task::JoinError>;

async fn finish(
    app: &App,
    ended: Ended,
    key: Option<(KeyHash, [u8; 32])>,
) -> Result<Response, ApiError> {
    let report = match ended {
        Ok(Ok(report)) => report,
        Ok(Err(FeedError::UnknownFormat(message))) => {
            return Err(ApiError::new(&faults::UNKNOWN_FORMAT, message).field("format"));
        }
        Ok(Err(FeedError::BrokeOff { why, report })) => {
            return Err(ApiError::feed_broke_off(&why, report));
        }
        Ok(Err(FeedError::Submit(error))) => return Err(error.into()),
        Err(failed) => match failed.try_into_panic() {
            // Caught and logged like that of any other handler.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(ApiError::internal()),
        },
    };
    let answer = Bytes::from(to_json(&FeedAnswer::of(&report), 256));
    if let Some((key, body)) = key {
        let feed = keys::Request::Feed {
            body,
            answer: answer.clone(),
        };
        shared_keys::remember(app, key, feed.clone()).await;
        // Another request with the same key may have been quicker: its answer stays.
        let _ = app.keys.bind(key, feed);
    }
    let mut response = reply::bytes(200, reply::JSON, answer);
    set_offsets(&mut response, app);
    Ok(response)
}

/// Says where the stream stood when the feed had been decided: reads that wait for these offsets
/// show all of it.
fn set_offsets(response: &mut Response, app: &App) {
    let mut text = String::new();
    for partition in 0..app.backend.partitions() {
        if let Some(last) = app.backend.answered(partition).checked_sub(1) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(text::position(partition, last).as_str());
        }
    }
    if !text.is_empty()
        && let Ok(value) = HeaderValue::from_str(&text)
    {
        response.headers_mut().insert(OFFSET, value);
    }
}

/// A feed whose key is known: the answer of then, when the body is the same.
async fn replay<S, B>(
    bound: keys::Request,
    body: S,
    timeout: Duration,
    hasher: blake3::Hasher,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let (pieces, mut receiver) = mpsc::channel(PIECES_AHEAD);
    let drain = async { while receiver.recv().await.is_some() {} };
    let (hash, ()) = tokio::join!(pump(body, pieces, timeout, Some(hasher)), drain);
    match bound {
        keys::Request::Feed { body, answer } if hash == Some(body) => {
            let mut response = reply::bytes(200, reply::JSON, answer);
            reply::set_replayed(&mut response);
            Ok(response)
        }
        _ if hash.is_none() => Err(body::stalled()),
        _ => Err(keys::reused()),
    }
}

/// How a feed stands
#[utoipa::path(
    get,
    path = "/providers/{provider}/status",
    tag = "providers",
    params(ProviderPath, ReadHeaders),
    responses((status = 200, description = "Counts, newest event, lag and drift", body = StatusAnswer<'_>))
)]
pub(crate) async fn status(request: &Request, provider: &str) -> Result<Response, ApiError> {
    let provider = provider_in_path(provider)?;
    request.caller(Need::Feed(provider))?;
    Query::parse(request.uri.query(), &[])?;
    request.wait_at_least().await?;
    let Some(status) = request.app.backend.provider_status(provider) else {
        return Err(ApiError::new(
            &faults::NOT_FOUND,
            format!("provider {provider} has never sent anything"),
        ));
    };
    let time = status
        .last_version
        .map(|(time_ms, ..)| text::instant(time_ms));
    let last_event_at = status.last_event_at_ms.map(text::instant);
    let now_ms = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64);
    let answer = StatusAnswer {
        sale: SaleAnswer::of(&status.sale),
        missing: MissingAnswer::all(&status.missing),
        provider: provider.as_str(),
        accepted: status.accepted,
        duplicate: status.duplicate,
        stale: status.stale,
        rejected: status.rejected,
        last_sequence: status.last_version.zip(time.as_ref()).map(
            |((_, group, sequence), time)| SequenceAnswer {
                time: time.as_str(),
                group,
                sequence,
            },
        ),
        last_event_at: last_event_at.as_ref().map(|at| at.as_str()),
        lag_ms: status
            .last_event_at_ms
            .map(|at_ms| now_ms.saturating_sub(at_ms).max(0) as u64),
        drift: DriftAnswer {
            rows: status.drifting,
            seats: status.drift_seats,
        },
        sources: status
            .sources
            .iter()
            .map(|source| SourceAnswer {
                source: &source.source,
                state: source.state,
                taken: source.taken,
                refused: source.refused,
                unchanged: source.unchanged,
                failed: source.failed,
                last_good_at: source
                    .last_good_at_ms
                    .map(|at_ms| text::instant(at_ms).as_str().to_owned()),
                last_error: source.last_error.as_deref(),
            })
            .collect(),
    };
    Ok(reply::json(200, &answer))
}
