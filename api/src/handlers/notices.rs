//! Notices of the payment service. Only the service can sign them, and the signature is all that lets
//! them in: no token is asked for.

use bytes::Buf;
use futures_util::Stream;
use warp::http::HeaderMap;
use warp::reply::Response;

use crate::backend::NoticeFault;
use crate::http::body::{check_not_encoded, read_bounded};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::reply;
use crate::http::request::Request;
use crate::wire::ops::NoticeAnswer;

/// The largest notice: far above what the service sends.
const NOTICE_BYTES_MAX: usize = 256 << 10;

/// The header with the signature.
const SIGNATURE: &str = "stripe-signature";

/// A notice of Stripe's
///
/// For Stripe alone, which signs what it sends. A notice is a hint: what it is about is asked for at
/// once. Sent twice, late or out of order it does no harm.
#[utoipa::path(
    post,
    path = "/payments/stripe/notices",
    tag = "operations",
    security(()),
    params(("Stripe-Signature" = String, Header, description = "`t=SECONDS,v1=SIGNATURE` over time and body", example = "t=1,v1=00")),
    request_body(content = Object, content_type = "application/json", description = "The event, byte for byte as it was signed"),
    responses((status = 200, description = "It is genuine, and heeded", body = NoticeAnswer))
)]
pub(crate) async fn stripe<S, B>(request: &Request, body: &mut S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let app = &*request.app;
    // Before the body is read: who is not expected here sends nothing large.
    app.backend.takes_payment_notices().map_err(refused)?;
    check_not_encoded(&request.headers)?;
    let timeout_ms = app.config.body_timeout_ms;
    let body = read_bounded(body, &request.headers, timeout_ms, NOTICE_BYTES_MAX).await?;
    let signature = signature(&request.headers);
    let taken = app.backend.payment_notice(signature, &body);
    let asked = taken.map_err(refused)?;
    let answer = NoticeAnswer {
        received: true,
        asked: asked as u64,
    };
    Ok(reply::json(200, &answer))
}

/// What is no text fits no signature, and says so when it is checked.
fn signature(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(SIGNATURE)?;
    Some(value.to_str().unwrap_or_default())
}

fn refused(fault: NoticeFault) -> ApiError {
    match fault {
        NoticeFault::Off(why) => ApiError::new(&faults::NOT_FOUND, why),
        NoticeFault::Forged(why) => ApiError::new(&faults::INVALID_SIGNATURE, why),
        NoticeFault::Unreadable(why) => ApiError::new(&faults::BAD_REQUEST, why),
        NoticeFault::Unavailable(why) => ApiError::new(&faults::UNAVAILABLE, why),
    }
}
