//! Single holds: asking for one, and confirming, releasing or cancelling it.

use bytes::Buf;
use flightline_ledger::view::HoldState;
use flightline_ledger::{CommandId, FlightCommand, FlightKey, Outcome, Reason, Replay};
use futures_util::Stream;
use warp::reply::Response;

use super::command::{HoldView, ask, state_response, submit};
use crate::app::App;
use crate::backend::{Answer, Caller, Role};
use crate::http::access::Need;
use crate::http::body::{check_not_encoded, check_type, read_small};
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::ids::new_hold_id;
use crate::http::keys;
use crate::http::query::Query;
use crate::http::reply::{self, JSON};
use crate::http::request::{Request, flight_in_path};
use crate::http::route::Verb;
use crate::openapi::{FlightPath, HoldPath, ReadHeaders, WriteHeaders};
use crate::wire::codes::is_id;
use crate::wire::hold::{
    HoldAnswer, HoldBody, HoldNowAnswer, Price, StateAnswer, WaitingAnswer, parse_hold,
};
use crate::wire::text;

/// Kind of the text from which the id of a hold is made.
pub(crate) const HOLD_KIND: &str = "hold";

/// Hold seats of a flight
///
/// The seats are off sale until you confirm, release or cancel the hold, or it lapses. The same id
/// asked again gives the same answer. With `wait_s` a request that is sold out waits for its turn; look
/// at the hold to see whether it has come.
#[utoipa::path(
    post,
    path = "/flights/{flight_key}/holds",
    tag = "holds",
    params(FlightPath, WriteHeaders),
    request_body(content = HoldBody<'_>, content_type = "application/json"),
    responses(
        (status = 201, description = "Seats are held", body = HoldAnswer<'_>, headers(
            ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
            ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
        )),
        (status = 202, description = "The hold waits for its seats", body = WaitingAnswer<'_>, headers(
            ("flightline-offset" = String, description = "PARTITION:OFFSET of the write"),
            ("idempotency-replayed" = String, description = "`true`: this is the answer of an earlier request"),
        )),
    )
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
        seats: asked.request.seats,
        answer: &answer,
    };
    Ok(view.response(request.id.as_str()))
}

/// A hold as it stands
///
/// Reflects at least everything that this replica has answered.
#[utoipa::path(
    get,
    path = "/holds/{id}",
    tag = "holds",
    params(HoldPath, ReadHeaders),
    responses((status = 200, description = "The hold", body = HoldNowAnswer<'_>))
)]
pub(crate) async fn look(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Sell)?;
    Query::parse(request.uri.query(), &[])?;
    request.wait_at_least().await?;
    let app = &*request.app;
    let (hold, flight) = find(app, &caller, id)?;
    let timeout_ms = app.config.request_timeout_ms;
    let asked = app.backend.hold_now(&flight, hold);
    let now = match request.conn.within(timeout_ms, asked).await {
        Some(Ok(now)) => now,
        Some(Err(_)) => {
            return Err(ApiError::new(
                &faults::UNAVAILABLE,
                "the replica is starting or stopping: ask again",
            ));
        }
        None => {
            return Err(ApiError::new(
                &faults::TIMEOUT,
                "the ledger did not answer in time: ask again",
            ));
        }
    };
    let now = now.ok_or_else(|| ApiError::refused(Reason::UnknownHold))?;
    let view = &now.hold;
    let flight_key = text::flight_key(&flight);
    let deadline = text::instant(view.deadline_ms);
    let changed_at = text::instant(view.changed_at_ms);
    let while_in = |state: HoldState| (view.state == state).then_some(deadline.as_str());
    let answer = HoldNowAnswer {
        id,
        state: view.state.name(),
        flight_key: flight_key.as_str(),
        provider: now.has_had_seats.then_some(view.provider.as_str()),
        cabin: char::from(view.cabin.letter()),
        class: view.class.map(|class| char::from(class.letter())),
        board: view.board.as_str(),
        off: view.off.as_str(),
        seats: view.seats,
        expires_at: while_in(HoldState::Held),
        waits_until: while_in(HoldState::Waiting),
        ahead: now.ahead,
        price: view.price.as_ref().map(Price::of),
        changed_at: changed_at.as_str(),
        partition: now.partition,
        offset: view.offset,
    };
    Ok(reply::json(200, &answer))
}

/// Sell a hold
///
/// A live hold becomes a sale. Sent again it gives the same answer.
#[utoipa::path(
    post,
    path = "/holds/{id}/confirm",
    tag = "holds",
    params(HoldPath, WriteHeaders, ReadHeaders),
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
    params(HoldPath, WriteHeaders, ReadHeaders),
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
    params(HoldPath, WriteHeaders, ReadHeaders),
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
    let (hold, flight) = match find(app, &caller, id) {
        // Made at another replica, perhaps, a moment ago.
        Err(_) => {
            request.wait_at_least().await?;
            find(app, &caller, id)?
        }
        found => found?,
    };
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
    let first = submit(command_id, flight, command.clone(), text, &caller);
    let mut answer = ask(request, first).await?;
    if key.is_none() && was_too_early(&answer) {
        // Asked when the hold still waited, which is remembered. Nobody gave this command a name, so
        // it is asked anew: a hold that was sold meanwhile says so.
        let made = new_hold_id();
        let again = (app.config.command_id)(&caller.name, AGAIN_KIND, made.as_str());
        answer = ask(request, submit(again, flight, command, text, &caller)).await?;
    }
    Ok(state_response(id, &flight, &answer, request.id.as_str()))
}

/// Kind of the made-up text that names a confirmation which is asked anew.
const AGAIN_KIND: &str = "confirm_again";

/// Is it the repeated answer that the hold still waits?
fn was_too_early(answer: &Answer) -> bool {
    let decision = &answer.decision;
    matches!(decision.replay, Replay::Same { .. })
        && decision.outcome == Outcome::Refused(Reason::StillWaiting)
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
