//! Responses.

use bytes::Bytes;
use serde::Serialize;
use warp::http::header::{CONTENT_TYPE, HeaderName};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::wire::text;

pub(crate) const OFFSET: HeaderName = HeaderName::from_static("flightline-offset");
pub(crate) const AT_LEAST: HeaderName = HeaderName::from_static("flightline-at-least");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// A response with a body of a content type.
pub(crate) fn bytes(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Room for the four headers an answer to a write has, in one allocation.
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *response.headers_mut() = headers;
    response
}

/// A response without a body.
pub(crate) fn empty(status: u16) -> Response {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// A response with a JSON body that is already bytes.
pub(crate) fn json_bytes(status: u16, body: Vec<u8>) -> Response {
    bytes(status, JSON, body)
}

/// A response with a JSON body.
pub(crate) fn json(status: u16, body: &impl Serialize) -> Response {
    json_bytes(status, to_json(body, 256))
}

/// JSON bytes of one of our own wire types.
pub(crate) fn to_json(body: &impl Serialize, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    let written = serde_json::to_writer(&mut out, body);
    assert!(written.is_ok(), "a wire type can be serialised");
    out
}

/// Says where a write landed.
pub(crate) fn set_offset(response: &mut Response, partition: u32, offset: u64) {
    let text = text::position(partition, offset);
    if let Ok(value) = HeaderValue::from_str(text.as_str()) {
        response.headers_mut().insert(OFFSET, value);
    }
}

/// Says that the answer is that of an earlier request.
pub(crate) fn set_replayed(response: &mut Response) {
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
}
