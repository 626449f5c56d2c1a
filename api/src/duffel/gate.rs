//! What holds for every call of the booking API.

use std::sync::atomic::Ordering;

use warp::http::header::{ACCEPT, HeaderName};
use warp::http::{HeaderMap, HeaderValue};
use warp::reply::Response;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::printable;
use crate::wire::text;

const VERSION: HeaderName = HeaderName::from_static("duffel-version");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Versions that are answered, all in the same way.
const VERSIONS: [&str; 2] = ["v2", "v1"];

/// Checks the version that is asked for, and that the caller takes JSON.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(version) = headers.get(VERSION) else {
        return Err(ApiError::new(
            &faults::MISSING_VERSION,
            "send the header `Duffel-Version: v2`",
        ));
    };
    let Ok(version) = version.to_str() else {
        return Err(ApiError::new(
            &faults::INVALID_VERSION,
            "the header Duffel-Version is not text: send v2",
        ));
    };
    if !VERSIONS.contains(&version.trim()) {
        return Err(ApiError::new(
            &faults::UNSUPPORTED_VERSION,
            format!(
                "version `{}` is not served: send `Duffel-Version: v2`",
                printable(version)
            ),
        ));
    }
    let accept = headers.get_all(ACCEPT);
    let mut accept = accept.iter().filter_map(|value| value.to_str().ok());
    let (mut asked, mut takes) = (false, false);
    for range in accept.by_ref().flat_map(|value| value.split(',')) {
        let essence = range.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        asked |= !essence.is_empty();
        takes |= essence == "*/*" || essence == "application/*" || essence.contains("json");
    }
    if asked && !takes {
        return Err(ApiError::new(
            &faults::UNSUPPORTED_FORMAT,
            "answers are JSON: send `Accept: application/json`",
        ));
    }
    Ok(())
}

/// Says how many more requests would be taken right now. There is no quota by time: the limit is
/// that of requests in flight, and it is free again as soon as those are answered.
pub(crate) fn add_rate_limit(app: &App, response: &mut Response) {
    let headers = response.headers_mut();
    if headers.contains_key(LIMIT) {
        return;
    }
    let limit = app.config.in_flight_max;
    let left = limit.saturating_sub(app.in_flight.load(Ordering::Relaxed));
    let reset = text::http_date(app.config.clock.now_ms().div_euclid(1000) + 1);
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(left));
    if let Ok(reset) = HeaderValue::from_str(reset.as_str()) {
        headers.insert(RESET, reset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_formats_are_checked() {
        let code = |version: Option<&str>, accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(version) = version {
                headers.insert(
                    VERSION,
                    HeaderValue::from_bytes(version.as_bytes()).unwrap(),
                );
            }
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            check(&headers).map_or_else(|error| error.code(), |()| "fine")
        };
        assert_eq!(code(None, None), "missing_version_header");
        assert_eq!(code(Some("v3"), None), "unsupported_version");
        assert_eq!(code(Some("é"), None), "invalid_version_header");
        for version in ["v1", "v2"] {
            assert_eq!(code(Some(version), None), "fine");
        }
        for (accept, want) in [
            ("application/json", "fine"),
            ("text/html, */*;q=0.1", "fine"),
            ("application/vnd.api+json", "fine"),
            ("text/html", "unsupported_format"),
        ] {
            assert_eq!(code(Some("v2"), Some(accept)), want, "{accept}");
        }
    }
}
