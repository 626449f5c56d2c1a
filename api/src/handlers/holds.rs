//! Single holds: asking for one, and confirming, releasing or cancelling it.

use bytes::Buf;
use flightline_ledger::{CommandId, FlightCommand, FlightKey, Reason};
use futures_util::Stream;
use warp::reply::Response;

use super::command::{HoldView, ask, state_response, submit};
use crate::app::App;
use crate::backend::{Caller, Role};
use crate::http::access::Need;
use crate::http::body::{check_not_encoded, check_type, read_small};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::ids::new_hold_id;
use crate::http::keys;
use crate::http::reply::JSON;
use crate::http::request::{Request, flight_in_path};
use crate::http::route::Verb;
use crate::openapi::{FlightPath, HoldPath, WriteHeaders};
use crate::wire::codes::is_id;
use crate::wire::hold::{HoldAnswer, HoldBody, StateAnswer, parse_hold};

/// Kind of the text from which the id of a hold is made.
pub(crate) const HOLD_KIND: &str = "hold";

/// Hold seats of a flight
///
/// The seats are off sale until you confirm, release or cancel the hold, or it lapses. The same id
/// asked again gives the same answer.
#[utoipa::path(
    post,
    path = "/flights/{flight_key}/holds",
    tag = "holds",
    params(FlightPath, WriteHeaders),
    request_body(content = HoldBody<'_>, content_type = "application/json"),
    responses((status = 201, description = "Seats are held", body = HoldAnswer<'_>, headers(
        ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn hold<S, B>(
    request: &Request,
    flight: &str,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let caller = request.caller(Need::Sell)?;
    let flight = flight_in_path(flight)?;
    check_type(&request.headers, &[JSON])?;
    check_not_encoded(&request.headers)?;
    let app = &*request.app;
    let key = request.key()?;
    let body = read_small(body, &request.headers, app.config.body_timeout_ms).await?;
    let asked = parse_hold(flight, &body)?;
    let made;
    let text = match (asked.id.as_deref(), key) {
        (Some(id), _) => id,
        (None, Some(key)) => key,
        (None, None) => {
            made = new_hold_id();
            made.as_str()
        }
    };
    let id = (app.config.command_id)(&caller.name, HOLD_KIND, text);
    let command = FlightCommand::Hold(asked.request);
    if let Some(key) = key {
        bind(app, &caller, key, flight, &command, id)?;
    }
    let answer = ask(request, submit(id, flight, command, text, &caller)).await?;
    let view = HoldView {
        id: text,
        flight: &flight,
        answer: &answer,
    };
    Ok(view.response(request.id.as_str()))
}

/// Sell a hold
///
/// A live hold becomes a sale. Sent again it gives the same answer.
#[utoipa::path(
    post,
    path = "/holds/{id}/confirm",
    tag = "holds",
    params(HoldPath, WriteHeaders),
    responses((status = 200, description = "The hold is a sale", body = StateAnswer<'_>, headers(
        ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn confirm<S, B>(
    request: &Request,
    id: &str,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    verb(request, id, Verb::Confirm, body).await
}

/// Give a hold back
///
/// Its seats are on sale again. A sale is cancelled instead.
#[utoipa::path(
    post,
    path = "/holds/{id}/release",
    tag = "holds",
    params(HoldPath, WriteHeaders),
    responses((status = 200, description = "The hold is given back", body = StateAnswer<'_>, headers(
        ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn release<S, B>(
    request: &Request,
    id: &str,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    verb(request, id, Verb::Release, body).await
}

/// Undo a sale, or give a hold back
///
/// Its seats are on sale again.
#[utoipa::path(
    post,
    path = "/holds/{id}/cancel",
    tag = "holds",
    params(HoldPath, WriteHeaders),
    responses((status = 200, description = "The sale is undone", body = StateAnswer<'_>, headers(
        ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
        ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
    )))
)]
pub(crate) async fn cancel<S, B>(
    request: &Request,
    id: &str,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    verb(request, id, Verb::Cancel, body).await
}

async fn verb<S, B>(
    request: &Request,
    id: &str,
    verb: Verb,
    body: &mut S,
) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let caller = request.caller(Need::Sell)?;
    check_not_encoded(&request.headers)?;
    let app = &*request.app;
    let key = request.key()?;
    let body = read_small(body, &request.headers, app.config.body_timeout_ms).await?;
    check_empty(&body)?;
    let (hold, flight) = find(app, &caller, id)?;
    let command = match verb {
        Verb::Confirm => FlightCommand::Confirm { hold },
        Verb::Release => FlightCommand::Release { hold },
        Verb::Cancel => FlightCommand::Cancel { hold },
    };
    let (kind, text) = match key {
        Some(key) => (verb.key_kind(), key),
        // Without a key, what is asked is its name: a double click is a replay.
        None => (verb.name(), id),
    };
    let command_id = (app.config.command_id)(&caller.name, kind, text);
    if let Some(key) = key {
        bind(app, &caller, key, flight, &command, command_id)?;
    }
    let answer = ask(request, submit(command_id, flight, command, text, &caller)).await?;
    Ok(state_response(id, &flight, &answer, request.id.as_str()))
}

/// The hold that an id in an address names, and its flight. Operators may also name a hold of any
/// client by its command id, as histories and tables show it.
fn find(app: &App, caller: &Caller, text: &str) -> Result<(CommandId, FlightKey), ApiError> {
    let unknown = || ApiError::refused(Reason::UnknownHold);
    if !is_id(text.as_bytes()) {
        return Err(unknown());
    }
    let own = (app.config.command_id)(&caller.name, HOLD_KIND, text);
    if let Some(flight) = app.backend.flight_of_hold(own) {
        return Ok((own, flight));
    }
    if caller.role == Role::Operator
        && let Ok(id) = text.parse()
        && let Some(flight) = app.backend.flight_of_hold(id)
    {
        return Ok((id, flight));
    }
    Err(unknown())
}

/// Remembers what a key stands for, or finds that it stands for something else.
fn bind(
    app: &App,
    caller: &Caller,
    key: &str,
    flight: FlightKey,
    command: &FlightCommand,
    id: CommandId,
) -> Result<(), ApiError> {
    let bound = keys::Request::Command(id, flight, command.clone());
    app.keys
        .bind(keys::hash(&caller.name, key.as_bytes()), bound)
}

fn check_empty(body: &[u8]) -> Result<(), ApiError> {
    match body.trim_ascii() {
        b"" | b"{}" | b"null" => Ok(()),
        _ => Err(ApiError::new(
            &faults::UNKNOWN_FIELD,
            "this call takes no body: the address says it all",
        )),
    }
}
