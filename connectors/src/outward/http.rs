//! Requests to providers: what came back, or why nobody knows.

use std::time::Duration;

use reqwest::{RequestBuilder, Url};
use serde_json::Value;

use super::config::OutwardError;
use crate::transport::reason;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client for one provider.
pub(super) fn client(timeout: Duration) -> Result<reqwest::Client, OutwardError> {
    reqwest::Client::builder()
        .user_agent(concat!("flightline/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        // Passengers' data goes where the configuration says and nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| OutwardError::Client(error.to_string()))
}

/// An address that passengers' data may be sent to.
pub(super) fn address(text: &str) -> Result<Url, OutwardError> {
    crate::webhooks::address::check_url(text, true)
        .map_err(|error| OutwardError::Url(text.to_owned(), error.to_string()))
}

/// What a provider answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Null when the body is empty or no JSON.
    pub(super) body: Value,
}

/// Sends a request. An error is what is known of a request whose fate nobody knows.
pub(super) async fn send(request: RequestBuilder) -> Result<Reply, String> {
    let mut response = request.send().await.map_err(reason)?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reason)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("an answer of more than {ANSWER_BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Ok(Reply { status, body })
}
