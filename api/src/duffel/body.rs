//! Bodies of requests: `{"data": {…}}`.

use bytes::Buf;
use futures_util::Stream;
use serde_json::{Map, Value};
use warp::http::header::CONTENT_TYPE;

use crate::http::body::{check_not_encoded, read_bounded};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::printable;
use crate::http::request::Request;

/// The largest body: nine passengers with documents and full metadata stay far below.
pub(crate) const BYTES_MAX: usize = 256 << 10;

/// Reads the object under `data`.
pub(crate) async fn data<S, B>(
    request: &Request,
    body: &mut S,
) -> Result<Map<String, Value>, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    check_not_encoded(&request.headers)?;
    let timeout_ms = request.app.config.body_timeout_ms;
    let bytes = read_bounded(body, &request.headers, timeout_ms, BYTES_MAX).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(missing());
    }
    match request.headers.get(CONTENT_TYPE) {
        None => {
            return Err(ApiError::new(
                &faults::MISSING_CONTENT_TYPE,
                "send the header `Content-Type: application/json` with a body",
            ));
        }
        Some(value) if !is_json(value.as_bytes()) => {
            return Err(ApiError::new(
                &faults::BOOKING_CONTENT_TYPE,
                format!(
                    "the content type is `{}`; send application/json",
                    printable(&String::from_utf8_lossy(value.as_bytes()))
                ),
            ));
        }
        Some(_) => {}
    }
    parse(&bytes)
}

/// Takes the body of a call that has none; what there is must be JSON and says nothing.
pub(crate) async fn none<S, B>(request: &Request, body: &mut S) -> Result<(), ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    check_not_encoded(&request.headers)?;
    let timeout_ms = request.app.config.body_timeout_ms;
    read_bounded(body, &request.headers, timeout_ms, BYTES_MAX).await?;
    Ok(())
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|b| *b == b';').next();
    let essence = essence
        .unwrap_or_default()
        .trim_ascii()
        .to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let body: Value = serde_json::from_slice(bytes).map_err(|error| {
        ApiError::new(
            &faults::BAD_REQUEST,
            format!("the body is not JSON: {error}"),
        )
    })?;
    let Value::Object(mut body) = body else {
        return Err(ApiError::new(
            &faults::MALFORMED_DATA,
            "the body must be an object: {\"data\": {…}}",
        ));
    };
    match body.remove("data") {
        Some(Value::Object(data)) => Ok(data),
        None | Some(Value::Null) => Err(missing()),
        Some(_) => Err(ApiError::new(
            &faults::INVALID_DATA,
            "`data` must be an object: {\"data\": {…}}",
        )),
    }
}

fn missing() -> ApiError {
    ApiError::new(
        &faults::MISSING_DATA,
        "the body must be an object with `data`: {\"data\": {…}}",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapping_is_checked() {
        assert!(
            parse(br#"{"data":{"a":1},"other":2}"#)
                .unwrap()
                .contains_key("a")
        );
        for (body, code) in [
            ("[]", "malformed_data_param"),
            ("{}", "missing_data_param"),
            (r#"{"data":null}"#, "missing_data_param"),
            (r#"{"data":[]}"#, "invalid_data_param"),
            ("{", "bad_request"),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
        for (value, want) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.api+json", true),
            ("text/plain", false),
        ] {
            assert_eq!(is_json(value.as_bytes()), want, "{value}");
        }
    }
}
