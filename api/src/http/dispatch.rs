//! The one filter: every request comes in here, and every answer leaves here.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use futures_util::{FutureExt as _, Stream};
use warp::http::{HeaderMap, Method, Uri};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::error::ApiError;
use super::reply::REQUEST_ID;
use super::request::Request;
use super::route::{Route, RouteName, Verb, is_booking};
use crate::app::App;
use crate::duffel;
use crate::handlers::{batch, changes, dataflows, feeds, flights, holds, notices, ops, search};
use crate::server::conn::{Busy, Conn};
use crate::trace::{self, Answered, RequestTrace, TraceContext};

/// What the connection adds to a request.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) conn: Arc<Conn>,
    pub(crate) uri: Uri,
}

/// All calls, as one warp filter.
pub(crate) fn filter(
    app: Arc<App>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::method()
        .and(warp::ext::get::<Arrival>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, arrival, headers, body| {
            handle(Arc::clone(&app), method, arrival, headers, body)
        })
}

/// Surrounds a call with what holds for all: bounds, panics, the request id, metrics and the log.
async fn handle<S, B>(
    app: Arc<App>,
    method: Method,
    arrival: Arrival,
    headers: HeaderMap,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Unpin + 'static,
    B: Buf + Send + 'static,
{
    let started = Instant::now();
    let id = app.request_ids.of(headers.get(REQUEST_ID));
    let Arrival { conn, uri } = arrival;
    let trace = begin_trace(&app, &headers);
    let route = Route::parse(&method, uri.path());
    let name = route.as_ref().map_or(RouteName::None, Route::name);
    let (busy, before) = Busy::new(Arc::clone(&conn));
    let refused = before >= app.config.in_flight_max && !name.is_vital();
    let mut request = Request {
        app,
        id,
        uri: uri.clone(),
        headers,
        conn,
        busy: Some(busy),
    };
    let result = match route {
        _ if refused => Err(ApiError::overloaded(1000)),
        Err(error) => Err(error),
        Ok(route) => {
            let calling = AssertUnwindSafe(call(&mut request, route, body)).catch_unwind();
            let called = match &trace {
                None => calling.await,
                Some(trace) => Box::pin(trace::within(trace.context(), calling)).await,
            };
            called.unwrap_or_else(|panic| {
                request.app.metrics.panics.inc();
                tracing::error!(
                    request_id = request.id.as_str(),
                    %method,
                    path = uri.path(),
                    panic = panic_text(&*panic),
                    "a handler panicked"
                );
                Err(ApiError::internal())
            })
        }
    };
    let mut response = result.unwrap_or_else(|error| error.into_response(request.id.as_str()));
    response
        .headers_mut()
        .insert(REQUEST_ID, request.id.header());
    if is_booking(uri.path()) {
        duffel::add_rate_limit(&request.app, &mut response);
    }
    let took = started.elapsed();
    request
        .app
        .metrics
        .answered(name, response.status().as_u16(), took);
    log(&request, &method, name, &response, took);
    if let Some(trace) = trace {
        trace.end(Answered {
            method: method.as_str(),
            route: name.template(),
            status: response.status().as_u16(),
            request_id: request.id.as_str(),
        });
    }
    response
}

/// Begins to record the request, when traces are collected and this one is chosen.
fn begin_trace(app: &App, headers: &HeaderMap) -> Option<Box<dyn RequestTrace>> {
    let tracing = app.config.tracing.as_ref()?;
    let parent = headers.get("traceparent").and_then(|v| v.to_str().ok());
    tracing.begin(parent.and_then(TraceContext::parse))
}

/// Runs the call. The calls that stream are boxed, so that the future of a hold stays small.
async fn call<S, B>(
    request: &mut Request,
    route: Route<'_>,
    mut body: S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Unpin + 'static,
    B: Buf + Send + 'static,
{
    match route {
        Route::Hold(key) => holds::hold(request, &key, &mut body).await,
        Route::Verb(id, Verb::Confirm) => holds::confirm(request, &id, &mut body).await,
        Route::Verb(id, Verb::Release) => holds::release(request, &id, &mut body).await,
        Route::Verb(id, Verb::Cancel) => holds::cancel(request, &id, &mut body).await,
        Route::HoldNow(id) => holds::look(request, &id).await,
        Route::Search => search::search(request).await,
        Route::Flight(key) => flights::flight(request, &key).await,
        Route::History(key) => Box::pin(flights::history(request, &key)).await,
        Route::Batch => Box::pin(batch::batch(request, body)).await,
        Route::Events(provider) => Box::pin(feeds::events(request, &provider, body)).await,
        Route::Files(provider) => Box::pin(feeds::files(request, &provider, body)).await,
        Route::ProviderStatus(provider) => feeds::status(request, &provider).await,
        Route::ProviderReport(provider) => feeds::reconcile::report(request, &provider).await,
        Route::Reconcile(provider) => {
            Box::pin(feeds::reconcile::reconcile(request, &provider, body)).await
        }
        Route::StopProvider(provider) => feeds::reconcile::stop(request, &provider).await,
        Route::ResumeProvider(provider) => feeds::reconcile::resume(request, &provider).await,
        Route::Changes => changes::changes(request).await,
        Route::Dataflows => dataflows::list(request).await,
        Route::PutDataflow(name) => Box::pin(dataflows::put(request, &name, &mut body)).await,
        Route::DeleteDataflow(name) => Box::pin(dataflows::delete(request, &name)).await,
        Route::StripeNotices => Box::pin(notices::stripe(request, &mut body)).await,
        Route::Live => Ok(ops::live()),
        Route::Ready => Ok(ops::ready(request)),
        Route::Metrics => ops::metrics(request),
        Route::StreamDigest => Box::pin(ops::digest(request)).await,
        Route::OpenApi => Ok(ops::openapi()),
        Route::Booking(call) => Box::pin(duffel::call(request, call, &mut body)).await,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The access log. A refusal is an everyday answer: only what an operator may have to act on is
/// above debug, so that the hot path costs one comparison when debug is off.
fn log(
    request: &Request,
    method: &Method,
    name: RouteName,
    response: &Response,
    took: std::time::Duration,
) {
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                target: "flightline_api::access",
                $level,
                request_id = request.id.as_str(),
                peer = %request.conn.peer,
                %method,
                path = request.uri.path(),
                route = name.template(),
                status = response.status().as_u16(),
                took_us = took.as_micros() as u64,
                "request"
            )
        };
    }
    match response.status().as_u16() {
        500.. => event!(tracing::Level::WARN),
        401 | 403 | 408 | 429 => event!(tracing::Level::INFO),
        _ => event!(tracing::Level::DEBUG),
    }
}
