//! Operations: health, metrics, and the description of the API itself.

use warp::reply::Response;

use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::openapi_json;
use crate::wire::ops::{LiveAnswer, PartAnswer, ReadyAnswer};

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
