//! Requests to Stripe, and what their answers prove.
//!
//! The one question here is whether an answer says that the request was carried out, that it was
//! not and will not be, or neither. Only Stripe's own words count: a body that is not an object of
//! Stripe's proves nothing, whatever its status.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire::{ErrorBody, WireError};
use super::{StripeConfig, StripeError};
use crate::payments::port::{Cause, Refusal, Unknown};
use crate::payments::url::is_this_machine;

/// The longest answer that is read: lists of a hundred refunds stay far below.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// The longest pause that we let the service ask for.
const PAUSE_MS_MAX: u64 = 3_600_000;
/// The pause after credentials were not accepted: somebody has to act first.
const CREDENTIALS_PAUSE_MS: u64 = 60_000;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");

/// Why an operation ends without having been done.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Refusal),
    Unknown(Unknown),
}

/// What an answer proves.
#[derive(Debug)]
pub(super) enum Reply {
    /// Carried out. `is_replay`: earlier, and this is the answer as it was then.
    Object { value: Value, is_replay: bool },
    /// Not carried out, and it will not be under this key.
    Refused(WireError),
    /// A fault that Stripe has stored under the key and will repeat as long as it remembers the
    /// key: asking with it again tells nothing new.
    StoredFault(Unknown),
    /// Neither.
    Unknown(Unknown),
}

pub(super) struct Http {
    client: reqwest::Client,
    base: String,
}

impl Http {
    pub(super) fn new(config: &StripeConfig) -> Result<Self, StripeError> {
        let mut headers = HeaderMap::new();
        let mut key = HeaderValue::from_str(&format!("Bearer {}", config.secret.reveal()))
            .map_err(|_| StripeError::Key)?;
        key.set_sensitive(true);
        headers.insert(AUTHORIZATION, key);
        let version =
            HeaderValue::from_str(&config.api_version).map_err(|_| StripeError::Version)?;
        headers.insert(STRIPE_VERSION, version);
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("flightline/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .timeout(Duration::from_millis(config.request_timeout_ms))
            // An answer that sends us elsewhere is no answer, and the key stays here.
            .redirect(reqwest::redirect::Policy::none());
        if is_this_machine(&config.base) {
            client = client.no_proxy();
        }
        Ok(Self {
            client: client.build().map_err(StripeError::Client)?,
            base: config.base.as_str().trim_end_matches('/').to_owned(),
        })
    }

    /// Asks for something to be done, under a key that makes it happen once.
    pub(super) async fn post(&self, path: &str, key: &str, form: &[(&str, &str)]) -> Reply {
        let request = match self.request(Method::POST, path, &[]) {
            Ok(request) => request.header(IDEMPOTENCY_KEY, key).form(form),
            Err(unknown) => return Reply::Unknown(unknown),
        };
        self.send("POST", path, request).await
    }

    /// Asks for what is so.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Stop> {
        let request = self
            .request(Method::GET, path, query)
            .map_err(Stop::Unknown)?;
        match self.send("GET", path, request).await {
            Reply::Object { value, .. } => read(value, path),
            Reply::Refused(error) => Err(Stop::Refused(error.refusal())),
            Reply::StoredFault(unknown) | Reply::Unknown(unknown) => Err(Stop::Unknown(unknown)),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Unknown> {
        let text = format!("{}{path}", self.base);
        let mut url = Url::parse(&text).map_err(|error| {
            Unknown::new(Cause::NotReached, format!("{text} is no address: {error}"))
        })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.client.request(method, url))
    }

    async fn send(&self, method: &str, path: &str, request: RequestBuilder) -> Reply {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Reply::Unknown(lost(method, path, error)),
        };
        let status = response.status().as_u16();
        let notes = Notes::of(response.headers());
        match whole_body(response).await {
            Ok(body) => classify(method, path, status, &notes, &body),
            Err(BodyError::Lost(error)) => Reply::Unknown(lost(method, path, error)),
            Err(BodyError::TooLong) => Reply::Unknown(Unknown::new(
                Cause::Unreadable,
                format!("{method} {path}: an answer of more than {ANSWER_BYTES_MAX} bytes"),
            )),
        }
    }
}

enum BodyError {
    Lost(reqwest::Error),
    TooLong,
}

async fn whole_body(mut response: Response) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Lost)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the headers add to an answer.
#[derive(Debug, Default)]
struct Notes {
    is_replay: bool,
    pause_ms: Option<u64>,
    request: Option<String>,
}

impl Notes {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            is_replay: text(&IDEMPOTENT_REPLAYED) == Some("true"),
            pause_ms: text(&RETRY_AFTER)
                .and_then(|value| value.trim().parse::<u64>().ok())
                .map(|seconds| seconds.saturating_mul(1_000).min(PAUSE_MS_MAX)),
            request: text(&REQUEST_ID)
                .filter(|id| id.len() <= 100)
                .map(str::to_owned),
        }
    }
}

/// What an answer proves, from its status, headers and body alone.
fn classify(method: &str, path: &str, status: u16, notes: &Notes, body: &[u8]) -> Reply {
    let unknown = |cause: Cause, what: &str| {
        let request = notes.request.as_deref().unwrap_or("not named");
        Unknown {
            cause,
            detail: format!("{method} {path}: {status} {what}, request {request}"),
            pause_ms: notes.pause_ms,
        }
    };
    if (200..300).contains(&status) {
        return match serde_json::from_slice::<Value>(body) {
            Ok(value) if value.get("object").is_some_and(Value::is_string) => Reply::Object {
                value,
                is_replay: notes.is_replay,
            },
            _ => Reply::Unknown(unknown(Cause::Unreadable, "and no object of the service's")),
        };
    }
    let error = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) if !body.error.kind.is_empty() => Some(body.error),
        _ => None,
    };
    let message = error
        .as_ref()
        .and_then(|e| e.code.as_deref().or(Some(e.kind.as_str())))
        .unwrap_or("without a readable error")
        .to_owned();
    match (status, error) {
        (500.., _) if notes.is_replay => Reply::StoredFault(unknown(Cause::ServiceFault, &message)),
        (500.., _) | (408 | 424 | 425, _) => Reply::Unknown(unknown(Cause::ServiceFault, &message)),
        (429, _) => Reply::Unknown(unknown(Cause::RateLimited, &message)),
        (401 | 403, _) => {
            let mut unknown = unknown(Cause::Credentials, &message);
            unknown.pause_ms = unknown.pause_ms.or(Some(CREDENTIALS_PAUSE_MS));
            Reply::Unknown(unknown)
        }
        (409, _) => Reply::Unknown(unknown(Cause::Busy, &message)),
        (400..500, Some(error)) if error.kind == "api_error" => {
            Reply::Unknown(unknown(Cause::ServiceFault, &message))
        }
        (400..500, Some(error)) => Reply::Refused(error),
        _ => Reply::Unknown(unknown(Cause::Unreadable, &message)),
    }
}

/// Reads the fields that are needed of an object.
pub(super) fn read<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, Stop> {
    serde_json::from_value(value).map_err(|error| {
        Stop::Unknown(Unknown::new(
            Cause::Unreadable,
            format!("{path}: the service's object lacks what is needed: {error}"),
        ))
    })
}

fn lost(method: &str, path: &str, error: reqwest::Error) -> Unknown {
    let cause = if error.is_connect() {
        Cause::NotReached
    } else if error.is_timeout() {
        Cause::TimedOut
    } else {
        Cause::Dropped
    };
    let chain = crate::transport::chain(error);
    Unknown::new(cause, format!("{method} {path}: {chain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, notes: Notes, body: &str) -> Reply {
        classify("POST", "/v1/x", status, &notes, body.as_bytes())
    }

    fn cause(reply: Reply) -> Option<Cause> {
        match reply {
            Reply::Unknown(unknown) => Some(unknown.cause),
            _ => None,
        }
    }

    const DECLINED: &str = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"No."}}"#;
    const API_ERROR: &str = r#"{"error":{"type":"api_error","message":"Oh."}}"#;

    #[test]
    fn only_the_service_s_own_words_are_final() {
        for (status, body, want) in [
            (200, "", Some(Cause::Unreadable)),
            (200, "{}", Some(Cause::Unreadable)),
            (200, r#"{"object":"paym"#, Some(Cause::Unreadable)),
            (200, "<html>", Some(Cause::Unreadable)),
            (200, r#"{"object":"payment_intent"}"#, None),
            (302, "", Some(Cause::Unreadable)),
            (400, "<html>", Some(Cause::Unreadable)),
            (400, "{\"error\":{}}", Some(Cause::Unreadable)),
            (404, "no such page", Some(Cause::Unreadable)),
            (402, DECLINED, None),
            (400, API_ERROR, Some(Cause::ServiceFault)),
            (401, DECLINED, Some(Cause::Credentials)),
            (403, "", Some(Cause::Credentials)),
            (409, DECLINED, Some(Cause::Busy)),
            (424, DECLINED, Some(Cause::ServiceFault)),
            (429, "", Some(Cause::RateLimited)),
            (500, API_ERROR, Some(Cause::ServiceFault)),
            (502, "<html>", Some(Cause::ServiceFault)),
            (503, DECLINED, Some(Cause::ServiceFault)),
        ] {
            let got = cause(reply(status, Notes::default(), body));
            assert_eq!(got, want, "{status} {body}");
        }
    }

    #[test]
    fn a_fault_that_is_repeated_from_the_key_is_told_apart() {
        let notes = || Notes {
            is_replay: true,
            ..Notes::default()
        };
        assert!(matches!(
            reply(500, notes(), API_ERROR),
            Reply::StoredFault(_)
        ));
        assert!(matches!(reply(402, notes(), DECLINED), Reply::Refused(_)));
    }

    #[test]
    fn pauses_and_request_names_are_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        headers.insert(REQUEST_ID, HeaderValue::from_static("req_1"));
        let Reply::Unknown(unknown) = reply(429, Notes::of(&headers), "") else {
            panic!("a rate limit is unknown");
        };
        assert_eq!(unknown.pause_ms, Some(7_000));
        assert!(unknown.detail.contains("req_1"), "{}", unknown.detail);
        for (text, pause_ms) in [
            ("99999999999", Some(PAUSE_MS_MAX)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("-1", None),
        ] {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(Notes::of(&headers).pause_ms, pause_ms, "{text}");
        }
    }
}
