//! The way to the collector: OTLP, protocol buffers over HTTP, with the HTTP client that the rest of the
//! program uses.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use tokio::runtime::Handle;

use super::TelemetryConfig;

/// The most of an answer that is read: it says why something was refused, at most.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What sends to the collector. Must be called on the async runtime.
pub(super) fn exporter(
    config: &TelemetryConfig,
    failed: Arc<AtomicU64>,
) -> anyhow::Result<SpanExporter> {
    let url: reqwest::Url = config.url.parse().context(
        "it must be the base of a collector's OTLP interface, such as http://127.0.0.1:4318",
    )?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https"),
        "it must begin with http:// or https://"
    );
    let http = reqwest::Client::builder()
        .timeout(config.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("the HTTP client of traces")?;
    let poster = Poster {
        http,
        runtime: Handle::current(),
        failed,
        is_failing: AtomicBool::new(false),
    };
    let endpoint = format!("{}/v1/traces", config.url.trim_end_matches('/'));
    SpanExporter::builder()
        .with_http()
        .with_http_client(poster)
        .with_headers(config.headers.iter().cloned().collect())
        .with_endpoint(endpoint)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(config.timeout)
        .build()
        .context("traces cannot be sent")
}

/// Sends on the async runtime, whichever thread asks.
#[derive(Debug)]
struct Poster {
    http: reqwest::Client,
    runtime: Handle,
    failed: Arc<AtomicU64>,
    is_failing: AtomicBool,
}

impl Poster {
    fn note(&self, error: Option<&HttpError>) {
        let Some(error) = error else {
            if self.is_failing.swap(false, Ordering::Relaxed) {
                tracing::info!("the collector takes traces again");
            }
            return;
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "the collector does not take traces; they are dropped until it does");
        }
    }
}

async fn post(
    http: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request.try_into()?).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        std::mem::swap(headers, answer.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(response.body(body.into())?)
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Poster {
    fn send_bytes<'s, 'a>(&'s self, request: Request<Bytes>) -> Sent<'a>
    where
        's: 'a,
        Self: 'a,
    {
        let sent = self.runtime.spawn(post(self.http.clone(), request));
        Box::pin(async move {
            let answer = match sent.await {
                Ok(answer) => answer,
                Err(error) => Err(error.into()),
            };
            match &answer {
                Ok(answer) if answer.status().is_success() => self.note(None),
                Ok(answer) => {
                    self.note(Some(&format!("it answered {}", answer.status()).into()));
                }
                Err(error) => self.note(Some(error)),
            }
            answer
        })
    }
}
