//! Talking to a running replica.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// What a running replica leaves in its data directory for the commands of its own machine; only
/// its owner can read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Control {
    /// Address of the replica, `http://HOST:PORT`.
    pub url: String,
    /// A token that lets this machine's commands in.
    pub token: String,
    /// The process.
    pub pid: u32,
}

impl Control {
    /// What the replica of this data directory left, if there is one.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        let bytes = std::fs::read(data_dir.join("control.json")).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// A text as part of a path or query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// An HTTP client for one replica.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// For the replica at `url`, or the one of the data directory, or the default address.
    pub(crate) fn new(
        url: Option<&str>,
        token: Option<String>,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let control = Control::read(data_dir);
        let (base, own_token) = match (url, control) {
            (Some(url), Some(c)) if url.trim_end_matches('/') == c.url => (c.url, Some(c.token)),
            (Some(url), _) => (url.trim_end_matches('/').to_owned(), None),
            (None, Some(c)) => (c.url, Some(c.token)),
            (None, None) => ("http://127.0.0.1:8080".to_owned(), None),
        };
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .context("the HTTP client cannot be set up")?;
        Ok(Self {
            http,
            base,
            token: token
                .or_else(|| std::env::var("FLIGHTLINE_TOKEN").ok())
                .or(own_token),
        })
    }

    /// A request to a path.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads a JSON answer; an error answer becomes its messages.
    pub(crate) async fn json(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<serde_json::Value> {
        let answer = self.answer(request).await?;
        answer.with_context(|| format!("{} answered with nothing", self.base))
    }

    /// Sends a request whose answer, if it was done, is that it was.
    pub(crate) async fn done(&self, request: reqwest::RequestBuilder) -> anyhow::Result<()> {
        self.answer(request).await.map(drop)
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<Option<serde_json::Value>> {
        let response = request.send().await.with_context(|| {
            format!(
                "no answer from {}: is a replica running there? (`flightline serve`, or name another with --url)",
                self.base
            )
        })?;
        let status = response.status();
        let bytes = response.bytes().await.context("the answer broke off")?;
        if status.is_success() && bytes.is_empty() {
            return Ok(None);
        }
        let value: serde_json::Value = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} answered {status} with something that is not JSON",
                self.base
            )
        })?;
        if status.is_success() {
            return Ok(Some(value));
        }
        let mut text = Vec::new();
        for error in value["errors"].as_array().into_iter().flatten() {
            let code = error["code"].as_str().unwrap_or("error");
            let message = error["message"].as_str().unwrap_or("");
            text.push(format!("{code}: {message}"));
        }
        bail!("{} answered {status}: {}", self.base, text.join("; "))
    }
}
