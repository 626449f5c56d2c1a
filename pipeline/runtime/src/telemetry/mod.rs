//! Traces: the way of a request from HTTP to the commit of its rows, as OpenTelemetry has them.
//!
//! A request that is recorded has a trace of its own, or its caller's. Its steps follow each other in time:
//!
//! | step | from | to |
//! |---|---|---|
//! | `METHOD /route` | the request came | it was answered |
//! | `queue COMMAND` | the command was queued | its group was begun |
//! | `append COMMAND` | its group was begun | the group was durable, and on a shared stream read back |
//! | `fold COMMAND` | | the epoch with its rows went to the index and the sinks |
//! | `commit COMMAND` | | its rows were committed in PostgreSQL |
//!
//! A command of an order (a hold of its flights, the result of a payment) belongs to the request that is
//! still waiting for the order. What many share, a group and a transaction, has a trace of its own with a
//! link to each of them.
//!
//! - `steps`: what is between two of these moments. `export`: the way to the collector.
//!
//! Made from measured moments and not from `tracing` spans: a command goes over four threads and waits in
//! batches between them, so that there is no scope that a span could stand for. Off, all of it costs a
//! comparison per command. On, what waits is bounded, and what is over is counted and left out.

mod export;
mod steps;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use flightline_api::trace::{Answered, RequestTrace, TraceContext, Tracing, current};
use flightline_ledger::order::OrderId;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingResult, SdkTracer, SdkTracerProvider,
    ShouldSample, Span,
};
use parking_lot::Mutex;

use steps::Steps;
pub(crate) use steps::{Asked, Traced};

/// Orders whose requests wait. More are not followed beyond their first command.
const ORDERS_MAX: usize = 10_000;
/// A request waits no longer than this for its order.
const ORDER_TIME: Duration = Duration::from_secs(120);
/// The most links of one shared step.
const LINKS_MAX: usize = 128;
/// How long a stop waits for what is still to be sent.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Base of the collector's OTLP interface over HTTP, such as `http://127.0.0.1:4318`.
    pub url: String,
    /// Headers of every request to it, for its authorisation.
    pub headers: Vec<(String, String)>,
    /// Share of requests that are recorded, 0 to 1, where their caller does not say.
    pub sample: f64,
    /// `service.name` of everything.
    pub service: String,
    /// How long one request to the collector may take.
    pub timeout: Duration,
}

/// Collects traces and sends them.
pub(crate) struct Telemetry {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    steps: Steps,
    /// The requests that wait for orders.
    orders: Mutex<HashMap<OrderId, (TraceContext, Instant)>>,
    failed_posts: Arc<AtomicU64>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Begins to collect. Must be called on the async runtime, which sends what is collected.
    pub(crate) fn start(
        config: &TelemetryConfig,
        partitions: u32,
        replica: String,
    ) -> anyhow::Result<Self> {
        let failed_posts = Arc::new(AtomicU64::new(0));
        let exporter = export::exporter(config, failed_posts.clone())
            .with_context(|| format!("telemetry.url is '{}'", config.url))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(32_768)
            .with_scheduled_delay(Duration::from_secs(1))
            .build();
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches);
        let resource = Resource::builder_empty()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", replica));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(batches.build())
            .with_sampler(Chosen(Sampler::ParentBased(Box::new(
                Sampler::TraceIdRatioBased(config.sample),
            ))))
            .with_resource(resource.build())
            .build();
        tracing::info!(url = config.url, sample = config.sample, "traces are sent");
        Ok(Self::with_provider(provider, partitions, failed_posts))
    }

    fn with_provider(
        provider: SdkTracerProvider,
        partitions: u32,
        failed_posts: Arc<AtomicU64>,
    ) -> Self {
        Self {
            tracer: provider.tracer("flightline"),
            provider,
            steps: Steps::new(partitions),
            orders: Mutex::default(),
            failed_posts,
        }
    }

    /// What the request that is worked on asked for, if it is recorded.
    pub(crate) fn asked(&self) -> Option<Asked> {
        Some(Asked {
            context: current()?,
            at: SystemTime::now(),
        })
    }

    /// The request that is worked on waits for this order: what happens to it belongs to the request.
    pub(crate) fn follow(&self, order: OrderId) {
        let Some(context) = current() else { return };
        let mut orders = self.orders.lock();
        if orders.len() >= ORDERS_MAX {
            orders.retain(|_, (_, since)| since.elapsed() < ORDER_TIME);
        }
        if orders.len() < ORDERS_MAX {
            orders.insert(order, (context, Instant::now()));
        }
    }

    /// The request that waits for an order.
    fn request_of(&self, order: OrderId) -> Option<TraceContext> {
        let orders = self.orders.lock();
        let (context, since) = orders.get(&order)?;
        (since.elapsed() < ORDER_TIME).then_some(*context)
    }

    /// Sends what is left and ends. Blocking.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(STOP_TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    /// Requests to the collector that failed, and steps that were left out.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let failed = self.failed_posts.load(Ordering::Relaxed);
        (failed, self.steps.dropped())
    }

    /// A step of a request, from one moment to another.
    fn step(
        &self,
        name: String,
        of: TraceContext,
        from: SystemTime,
        to: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        let parent = Context::new().with_remote_span_context(span_context(of));
        let span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(from)
            .with_attributes(attributes);
        let mut span = span.start_with_context(&self.tracer, &parent);
        span.end_with_timestamp(to);
    }

    /// A step that many requests share: a trace of its own, with a link to each.
    fn shared_step(
        &self,
        name: &'static str,
        of: &[TraceContext],
        from: SystemTime,
        to: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        let link = |context: &TraceContext| Link::with_context(span_context(*context));
        let span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(from)
            .with_links(of.iter().take(LINKS_MAX).map(link).collect())
            .with_attributes(attributes);
        let mut span = span.start_with_context(&self.tracer, &Context::new());
        span.end_with_timestamp(to);
    }
}

/// Which traces are recorded: what a caller says, and else a share of them. What requests share is when one of
/// them is: only then it is made, with links.
#[derive(Clone, Debug)]
struct Chosen(Sampler);

impl ShouldSample for Chosen {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = match links.is_empty() {
            true => &self.0,
            false => &Sampler::AlwaysOn,
        };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

fn span_context(context: TraceContext) -> SpanContext {
    let flags = match context.is_sampled {
        true => TraceFlags::SAMPLED,
        false => TraceFlags::NOT_SAMPLED,
    };
    SpanContext::new(
        TraceId::from_bytes(context.trace_id.to_be_bytes()),
        SpanId::from_bytes(context.span_id.to_be_bytes()),
        flags,
        true,
        TraceState::NONE,
    )
}

impl Tracing for Telemetry {
    fn begin(&self, parent: Option<TraceContext>) -> Option<Box<dyn RequestTrace>> {
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(span_context(parent)),
            None => Context::new(),
        };
        let span = self
            .tracer
            .span_builder("HTTP request")
            .with_kind(SpanKind::Server)
            .start_with_context(&self.tracer, &parent);
        span.span_context()
            .is_sampled()
            .then(|| Box::new(Request(span)) as Box<dyn RequestTrace>)
    }
}

/// A request that is recorded.
struct Request(Span);

impl RequestTrace for Request {
    fn context(&self) -> TraceContext {
        let context = self.0.span_context();
        TraceContext {
            trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(context.span_id().to_bytes()),
            is_sampled: context.is_sampled(),
        }
    }

    fn end(mut self: Box<Self>, answered: Answered<'_>) {
        let Answered {
            method,
            route,
            status,
            request_id,
        } = answered;
        self.0.update_name(format!("{method} {route}"));
        self.0.set_attributes([
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("flightline.request_id", request_id.to_owned()),
        ]);
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}
