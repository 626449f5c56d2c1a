//! Operations: health, metrics, and the description of the API itself.

use warp::reply::Response;

use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::openapi_json;
use crate::wire::ops::{DigestAnswer, LiveAnswer, PartAnswer, PartitionAnswer, ReadyAnswer};

/// Does the process run?
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "operations",
    security(()),
    responses((status = 200, description = "It does", body = LiveAnswer))
)]
pub(crate) fn live() -> Response {
    reply::json(200, &LiveAnswer { status: "live" })
}

/// Is the replica fit to serve?
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "operations",
    security(()),
    responses(
        (status = 200, description = "It is", body = ReadyAnswer<'_>),
        (status = 503, description = "Not yet, or no longer", body = ReadyAnswer<'_>),
    )
)]
pub(crate) fn ready(request: &Request) -> Response {
    let readiness = request.app.backend.readiness();
    // A replica that is shutting down gets no new work from a balancer.
    let stopping = *request.app.stopping().borrow();
    let ready = readiness.ready && !stopping;
    let mut parts: Vec<_> = readiness
        .parts
        .iter()
        .map(|(name, ready, detail)| PartAnswer {
            name,
            ready: *ready,
            detail,
        })
        .collect();
    if stopping {
        parts.push(PartAnswer {
            name: "http",
            ready: false,
            detail: "shutting down",
        });
    }
    let (status, word) = if ready {
        (200, "ready")
    } else {
        (503, "starting")
    };
    reply::json(
        status,
        &ReadyAnswer {
            status: word,
            parts,
        },
    )
}

/// Metrics in the Prometheus text format
///
/// For operators, and for a scraper on the same machine without a token.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    security((), ("token" = [])),
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"))
)]
pub(crate) fn metrics(request: &Request) -> Result<Response, ApiError> {
    if !request.conn.peer.ip().to_canonical().is_loopback() {
        request.caller(Need::Operate)?;
    }
    let mut text = request.app.metrics.text(&request.app);
    text.push_str(&request.app.backend.metrics());
    if !text.ends_with("# EOF\n") {
        text.push_str("# EOF\n");
    }
    // The older of the two text formats: every scraper reads it, and it forgives more.
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    Ok(reply::bytes(200, TEXT, text))
}

/// What the stream holds
///
/// Folds the stream from its start, which takes its time. Two replicas that were given the same `until` and
/// answer other hashes have folded different records.
#[utoipa::path(
    get,
    path = "/stream/digest",
    tag = "operations",
    params(("until" = Option<String>, Query, description = "Where to end: an offset for each partition, with commas \
        between; absent or beyond the end: at the end", example = "120,118,131,97")),
    responses((status = 200, description = "Hashes by partition", body = DigestAnswer))
)]
pub(crate) async fn digest(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Operate)?;
    let query = Query::parse(request.uri.query(), &["until"])?;
    let until = query.optional::<Offsets>("until")?.map(|until| until.0);
    let partitions = request.app.backend.partitions() as usize;
    if until.as_ref().is_some_and(|u| u.len() != partitions) {
        let what =
            format!("parameter `until` must have {partitions} offsets, one for each partition");
        return Err(ApiError::new(&faults::VALIDATION_FORMAT, what).field("until"));
    }
    // Never closed, so never an error.
    let _slot = request.app.histories.acquire().await;
    let backend = std::sync::Arc::clone(&request.app.backend);
    let work = move || backend.stream_digest(until.as_deref());
    let digests = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(digests)) => digests,
        Ok(Err(why)) => {
            tracing::error!(why, "the stream cannot be compared");
            return Err(ApiError::new(&faults::UNAVAILABLE, why));
        }
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(ApiError::internal()),
        },
    };
    let partitions = digests.iter().map(|digest| PartitionAnswer {
        next_offset: digest.next_offset,
        stream_hash: format!("{:032x}", digest.stream_hash),
        state_hash: format!("{:032x}", digest.state_hash),
    });
    let partitions = partitions.collect();
    Ok(reply::json(200, &DigestAnswer { partitions }))
}

/// Offsets with commas between.
struct Offsets(Vec<u64>);

impl std::str::FromStr for Offsets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let offsets: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
        offsets
            .map(Self)
            .map_err(|_| "is not offsets with commas between, such as 120,118".to_owned())
    }
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(crate) fn openapi() -> Response {
    reply::bytes(200, reply::JSON, openapi_json().as_bytes())
}
