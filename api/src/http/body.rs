//! Bodies of requests: small ones as a whole, with a bound on size and time.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use warp::http::HeaderMap;
use warp::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use super::error::ApiError;
use super::faults;
use super::query::printable;

/// The largest body of a single request.
pub(crate) const SMALL_BYTES_MAX: usize = 16 << 10;

/// Reads a small body to its end.
pub(crate) async fn read_small<S, B>(
    body: &mut S,
    headers: &HeaderMap,
    timeout_ms: u64,
) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    read_bounded(body, headers, timeout_ms, SMALL_BYTES_MAX).await
}

/// Reads a body of at most `bytes_max` to its end.
pub(crate) async fn read_bounded<S, B>(
    body: &mut S,
    headers: &HeaderMap,
    timeout_ms: u64,
    bytes_max: usize,
) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    let mut collect = std::pin::pin!(collect(body, bytes_max));
    // A small body nearly always came in one piece with its head: no timer is needed for it.
    if let Some(done) = collect.as_mut().now_or_never() {
        return done;
    }
    tokio::time::timeout(Duration::from_millis(timeout_ms), collect)
        .await
        .unwrap_or_else(|_| Err(stalled()))
}

async fn collect<S, B>(body: &mut S, bytes_max: usize) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let Some(first) = body.next().await else {
        return Ok(Bytes::new());
    };
    let first = piece(first)?;
    let Some(second) = body.next().await else {
        return if first.len() > bytes_max {
            Err(too_large(bytes_max))
        } else {
            Ok(first)
        };
    };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(more) = next {
        whole.extend_from_slice(&piece(more)?);
        if whole.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        next = body.next().await;
    }
    Ok(whole.freeze())
}

/// One piece of a body.
pub(crate) fn piece<B: Buf>(piece: Result<B, warp::Error>) -> Result<Bytes, ApiError> {
    match piece {
        Ok(mut piece) => Ok(piece.copy_to_bytes(piece.remaining())),
        Err(error) => Err(ApiError::new(
            &faults::BAD_REQUEST,
            format!("the body broke off: {error}"),
        )),
    }
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        &faults::BODY_TOO_LARGE,
        format!(
            "the body of this request may have {bytes_max} bytes{}",
            if bytes_max == SMALL_BYTES_MAX {
                "; for many holds use POST /holds/batch"
            } else {
                ""
            }
        ),
    )
}

pub(crate) fn stalled() -> ApiError {
    ApiError::new(
        &faults::REQUEST_TIMEOUT,
        "the body did not arrive in time; send the request again with the same id",
    )
}

/// Refuses a body that says it is something else. None said is taken for what is expected.
pub(crate) fn check_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let given = value.as_bytes();
    let essence = given
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if allowed
        .iter()
        .any(|name| essence.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Ok(());
    }
    Err(ApiError::new(
        &faults::INVALID_CONTENT_TYPE,
        format!(
            "the content type is `{}`; send {}",
            printable(&String::from_utf8_lossy(given)),
            allowed.join(" or ")
        ),
    ))
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

/// The body's content encoding; others than gzip are refused.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let Some(value) = headers.get(CONTENT_ENCODING) else {
        return Ok(Encoding::Identity);
    };
    match value.as_bytes().trim_ascii() {
        name if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
            Ok(Encoding::Gzip)
        }
        name if name.eq_ignore_ascii_case(b"identity") => Ok(Encoding::Identity),
        name => Err(ApiError::new(
            &faults::INVALID_CONTENT_ENCODING,
            format!(
                "the content encoding is `{}`; send gzip or none",
                printable(&String::from_utf8_lossy(name))
            ),
        )),
    }
}

/// As [`encoding`], for calls that take no encoding.
pub(crate) fn check_not_encoded(headers: &HeaderMap) -> Result<(), ApiError> {
    match encoding(headers)? {
        Encoding::Identity => Ok(()),
        Encoding::Gzip => Err(ApiError::new(
            &faults::INVALID_CONTENT_ENCODING,
            "single requests are not taken compressed: send the body as it is",
        )),
    }
}
