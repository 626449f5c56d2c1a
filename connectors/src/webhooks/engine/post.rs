//! One request to an endpoint, and what its answer means.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;

use crate::transport::reason;
use crate::webhooks::address::{Policy, Resolver, check_url};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::signature::{HEADER, sign};

/// Connections kept to a host for the next delivery.
const IDLE_PER_HOST_MAX: usize = 4;
const REASON_CHARS_MAX: usize = 300;

/// Clients that connect only where they may: one for `https`, one for plain `http`.
pub(super) struct Poster {
    https: reqwest::Client,
    http: reqwest::Client,
    allow_private: bool,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status, if there was an answer.
    pub(super) code: Option<u16>,
    /// Why it does not count as delivered.
    pub(super) error: Option<String>,
}

impl Poster {
    pub(super) fn new(allow_private: bool, timeout: Duration) -> Result<Self, WebhooksError> {
        let client = |scheme| {
            reqwest::Client::builder()
                .user_agent(concat!("flightline/", env!("CARGO_PKG_VERSION")))
                .timeout(timeout)
                .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
                // Where it leads to was never checked, and the body is not for there.
                .redirect(reqwest::redirect::Policy::none())
                // A proxy would resolve the name itself.
                .no_proxy()
                .dns_resolver(Arc::new(Resolver(Policy::of(scheme, allow_private))))
                .build()
                .map_err(WebhooksError::Http)
        };
        Ok(Self {
            https: client("https")?,
            http: client("http")?,
            allow_private,
        })
    }

    pub(super) async fn post(&self, url: &str, secret: &str, body: &str, now_ms: i64) -> Answer {
        let failed = |reason: String| Answer {
            code: None,
            error: Some(reason.chars().take(REASON_CHARS_MAX).collect()),
        };
        // Again: the setting may have changed since the endpoint was made.
        let url = match check_url(url, self.allow_private) {
            Ok(url) => url,
            Err(error) => return failed(error.to_string()),
        };
        let client = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        let signature = sign(secret, now_ms.div_euclid(1_000), body.as_bytes());
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER, signature)
            .body(body.to_owned());
        match request.send().await {
            // The body of the answer is of no interest and is not read.
            Ok(response) => {
                let status = response.status();
                Answer {
                    code: Some(status.as_u16()),
                    error: (!status.is_success()).then(|| format!("answered {}", status.as_u16())),
                }
            }
            Err(error) => failed(reason(error)),
        }
    }
}
