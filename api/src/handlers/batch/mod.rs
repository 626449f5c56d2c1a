//! `POST /holds/batch`: many holds over one connection, answers in the order of the lines.
//!
//! Lines go to the stream in slabs. One task reads and submits, another awaits the answers and
//! writes them; between them is a short queue, so that one slab is read while others are decided.
//! Nothing grows without bound: when the stream is full the reading task waits, and with it the
//! client; when the client does not read its answers, they are kept up to a bound, then the
//! writing task waits, and behind it the reading task.
//!
//! A line that cannot be read, or whose hold is refused, has an error in its place and stops nothing.

mod answers;
mod lines;
mod slab;

use std::sync::Arc;
use std::time::Duration;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Buf, Bytes};
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;
use tokio_util::io::{ReaderStream, StreamReader};
use warp::Reply as _;
use warp::http::HeaderValue;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

use crate::app::App;
use crate::backend::{Caller, SubmitError};
use crate::http::access::Need;
use crate::http::body::{self, Encoding};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::ids::RequestId;
use crate::http::keys;
use crate::http::reply::{self, JSON, NDJSON};
use crate::http::request::Request;
use crate::openapi::WriteHeaders;
use answers::Output;
use lines::Lines;
use slab::{Slab, Waiting};

/// Slabs of one connection that are being decided at once.
const SLABS_AHEAD: usize = 8;

/// Types a batch may come as.
const TYPES: [&str; 7] = [
    NDJSON,
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
    JSON,
    "text/plain",
    // What `curl --data-binary` says when it is told nothing.
    "application/x-www-form-urlencoded",
];

/// What all slabs of a batch share.
struct Batch {
    app: Arc<App>,
    caller: Caller,
    request_id: RequestId,
    /// The idempotency key: names lines that have no id.
    key: Option<String>,
}

/// A slab that was submitted.
struct Submitted {
    slab: Slab,
    waiting: Waiting,
}

/// What the reading task hands to the writing task.
enum Piece {
    Slab(Submitted),
    /// The body broke off: this is said last.
    Broken(ApiError, u64),
}

/// Hold seats of many flights
///
/// One request for seats a line; blank lines are skipped. The answers come in the order of the
/// lines while you send: each is a `Hold`, or `Errors` whose `meta.line` is the line's number. Read
/// while you write: what you leave unread is kept up to a bound, then you are not read from.
#[utoipa::path(
    post,
    path = "/holds/batch",
    tag = "holds",
    params(WriteHeaders),
    request_body(
        content = String,
        content_type = "application/x-ndjson",
        description = "A `HoldLine` a line, plain or with `Content-Encoding: gzip`",
        example = "{\"flight_key\":\"UA1545.2027-01-05.EWR\",\"id\":\"a-1\",\"cabin\":\"Y\",\"seats\":1}\n"
    ),
    responses((
        status = 200,
        description = "The answers, one a line",
        body = String,
        content_type = "application/x-ndjson",
        headers(("idempotency-replayed" = String, description = "`true`: all of these are answers of an earlier request"))
    ))
)]
pub(crate) async fn batch<S, B>(request: &mut Request, body: S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Unpin + 'static,
    B: Buf + Send + 'static,
{
    let caller = request.caller(Need::Sell)?;
    body::check_type(&request.headers, &TYPES)?;
    let encoding = body::encoding(&request.headers)?;
    let key = batch_key(request, &caller)?;
    let batch = Arc::new(Batch {
        app: Arc::clone(&request.app),
        caller,
        request_id: request.id.clone(),
        key,
    });
    let mut source = Source::new(body, encoding, &batch.app);

    // The first slab is submitted before the answer begins: what is wrong with all of it can still
    // be said with a status of its own.
    let mut slab = Slab::new(1);
    let end = match source.fill(&mut slab, &batch).await {
        End::Broken(error) if slab.is_empty() => return Err(error),
        end => end,
    };
    let waiting = match slab.submit(&batch).await {
        Waiting::Failed(error) => return Err(error.into()),
        waiting => waiting,
    };
    let first = Submitted { slab, waiting };
    if matches!(end, End::Body) {
        return whole(&batch, first).await;
    }
    let (pieces, queue) = mpsc::channel(SLABS_AHEAD);
    let (answers, output) = Output::new(&batch.app, request.busy.take());
    tokio::spawn(read(Arc::clone(&batch), source, first, end, pieces));
    tokio::spawn(answers::write(batch, queue, answers));
    let mut response = warp::reply::stream(output).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(response)
}

/// The answer to a batch that is no longer than a slab.
async fn whole(batch: &Batch, first: Submitted) -> Result<Response, ApiError> {
    let mut out = Vec::new();
    let replayed = first.answer(batch, &mut out).await;
    let mut response = reply::bytes(200, NDJSON, out);
    if replayed {
        reply::set_replayed(&mut response);
    }
    Ok(response)
}

/// The idempotency key of a batch. Lines without an id are named by it and their number.
fn batch_key(request: &Request, caller: &Caller) -> Result<Option<String>, ApiError> {
    /// So that key and number together are an id.
    const KEY_BYTES_MAX: usize = 180;
    let Some(key) = request.key()? else {
        return Ok(None);
    };
    if key.len() > KEY_BYTES_MAX {
        return Err(ApiError::new(
            &faults::INVALID_IDEMPOTENCY_KEY,
            format!("the header Idempotency-Key of a batch may have {KEY_BYTES_MAX} characters"),
        ));
    }
    request.app.keys.bind(
        keys::hash(&caller.name, key.as_bytes()),
        keys::Request::Batch,
    )?;
    Ok(Some(key.to_owned()))
}

/// Reads, parses and submits until the body ends or nobody wants the answers any more.
async fn read(
    batch: Arc<Batch>,
    mut source: Source,
    first: Submitted,
    mut end: End,
    pieces: mpsc::Sender<Piece>,
) {
    let mut line = first.slab.next_line();
    if pieces.send(Piece::Slab(first)).await.is_err() {
        return;
    }
    loop {
        match end {
            End::Slab => {}
            End::Body => return,
            End::Broken(error) => {
                // When the writing task is gone there is nobody to tell.
                let _ = pieces.send(Piece::Broken(error, line)).await;
                return;
            }
        }
        let mut slab = Slab::new(line);
        end = source.fill(&mut slab, &batch).await;
        line = slab.next_line();
        if slab.is_empty() {
            continue;
        }
        let waiting = slab.submit(&batch).await;
        if pieces
            .send(Piece::Slab(Submitted { slab, waiting }))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Why a slab ends where it does.
enum End {
    /// It is full, or the client pauses.
    Slab,
    /// The body is at its end.
    Body,
    /// The body broke off.
    Broken(ApiError),
}

type Pieces = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, ApiError>> + Send>>;

/// The body as lines.
struct Source {
    pieces: Pieces,
    lines: Lines,
    timeout: Duration,
}

impl Source {
    fn new<S, B>(body: S, encoding: Encoding, app: &App) -> Self
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + Unpin + 'static,
        B: Buf + Send + 'static,
    {
        let pieces = body.map(body::piece);
        let pieces: Pieces = match encoding {
            Encoding::Identity => Box::pin(pieces),
            Encoding::Gzip => {
                let raw =
                    StreamReader::new(pieces.map_err(|error| std::io::Error::other(error.text())));
                let mut gzip = GzipDecoder::new(raw);
                gzip.multiple_members(true);
                let plain = ReaderStream::with_capacity(gzip, 64 << 10);
                Box::pin(plain.map_err(|error| {
                    ApiError::new(
                        &faults::BAD_REQUEST,
                        format!("the body cannot be unpacked: {error}"),
                    )
                }))
            }
        };
        Self {
            pieces,
            lines: Lines::default(),
            timeout: Duration::from_millis(app.config.body_timeout_ms),
        }
    }

    /// Fills a slab with what there is, and waits only while there is nothing.
    async fn fill(&mut self, slab: &mut Slab, batch: &Batch) -> End {
        loop {
            while let Some(line) = self.lines.next_line() {
                slab.push(line, batch);
                if slab.is_full() {
                    return End::Slab;
                }
            }
            let next = match self.pieces.next().now_or_never() {
                Some(next) => next,
                None if !slab.is_empty() => return End::Slab,
                None => match tokio::time::timeout(self.timeout, self.pieces.next()).await {
                    Ok(next) => next,
                    Err(_) => return End::Broken(body::stalled()),
                },
            };
            match next {
                Some(Ok(piece)) => self.lines.feed(piece),
                Some(Err(error)) => return End::Broken(error),
                None => {
                    if let Some(line) = self.lines.last_line() {
                        slab.push(line, batch);
                    }
                    return End::Body;
                }
            }
        }
    }
}

/// Overloaded is what a batch waits out; anything else is said.
fn is_overloaded(error: &SubmitError) -> Option<Duration> {
    match error {
        SubmitError::Overloaded { retry_after_ms } => {
            Some(Duration::from_millis((*retry_after_ms).clamp(1, 100)))
        }
        _ => None,
    }
}
