//! What airlines changed of orders: listed, and agreed with.

use flightline_ledger::order::OrderAction;
use flightline_ledger::outcome::Replay;
use warp::reply::Response;

use super::orders::finish;
use crate::duffel::orders::show::Shower;
use crate::duffel::orders::{desk, ids, refused};
use crate::duffel::params::{AirlineChangesQuery, BookingHeaders, IdPath};
use crate::duffel::wire::order::AirlineChange;
use crate::duffel::wire::{All, One};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::{ReadHeaders, WriteHeaders};

/// What the airline changed of an order
///
/// Times that wait to be accepted, or flights that are gone. What was accepted is not in the list any more.
#[utoipa::path(
    get,
    path = "/air/airline_initiated_changes",
    tag = "orders",
    params(BookingHeaders, AirlineChangesQuery, ReadHeaders),
    responses((status = 200, description = "The changes", body = All<AirlineChange>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let id: String = query.required("order_id")?;
    let row = desk::find_now(request, &caller, ids::parse_order(&id)).await?;
    let data = shower(request).airline_changes(&row);
    Ok(reply::json(200, &All { data }))
}

/// Accept the times that the airline changed
///
/// An unpaid order cannot be paid before.
#[utoipa::path(
    post,
    path = "/air/airline_initiated_changes/{id}/actions/accept",
    tag = "orders",
    params(BookingHeaders, IdPath, WriteHeaders),
    responses((status = 200, description = "The change, accepted", body = One<AirlineChange>))
)]
pub(crate) async fn accept(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Sell)?;
    let command = desk::command_id(request, &caller, "accept_changes")?;
    let order = ids::parse_change(id);
    let order = desk::find_now(request, &caller, order).await?.order;
    let answer = desk::ask(request, &caller, command, order, OrderAction::AcceptChanges).await?;
    if let Some(reason) = answer.decision.outcome.reason() {
        return Err(refused::command(reason));
    }
    desk::shown(request, &answer).await?;
    let row = desk::find(request, &caller, Some(order))?;
    let data = shower(request).accepted(&row, answer.decision.at_ms);
    let data = data.ok_or_else(ApiError::internal)?;
    let mut response = reply::json(200, &One { data });
    let is_replay = answer.decision.replay != Replay::First;
    finish(&mut response, &answer, 0, is_replay);
    Ok(response)
}

fn shower(request: &Request) -> Shower<'_> {
    Shower {
        booking: &request.app.booking,
        backend: &*request.app.backend,
        now_ms: request.app.config.clock.now_ms(),
    }
}
