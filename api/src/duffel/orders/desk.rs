//! Commands about orders: submitted, decided, and waited for until nothing more happens by itself.

use std::sync::Arc;
use std::time::Duration;

use flightline_dataflows::rows::OrderRow;
use flightline_ledger::CommandId;
use flightline_ledger::order::{OrderAction, OrderId};
use rand::RngExt as _;

use crate::backend::{Caller, OrderAnswer, OrderSubmit, Role, Settled};
use crate::duffel::handlers::not_found;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::keys;
use crate::http::request::{Request, not_yet};

/// An id for a command that carries no key: no other request has it.
pub(crate) fn fresh_id() -> CommandId {
    CommandId(rand::rng().random())
}

/// The id of a command: of its key when it has one, so that asking again is the same command.
pub(crate) fn command_id(
    request: &Request,
    caller: &Caller,
    kind: &str,
) -> Result<CommandId, ApiError> {
    Ok(match request.key()? {
        Some(key) => (request.app.config.command_id)(&caller.name, kind, key),
        None => fresh_id(),
    })
}

/// Submits a command and waits for its decision. A key that came with a request of another kind, or about
/// another order, is refused as long as that is remembered.
pub(crate) async fn ask(
    request: &Request,
    caller: &Caller,
    id: CommandId,
    order: OrderId,
    action: OrderAction,
) -> Result<OrderAnswer, ApiError> {
    if let Some(key) = request.key()? {
        let bound = keys::Request::Order(id, order);
        let key = keys::hash(&caller.name, key.as_bytes());
        request.app.keys.bind(key, bound)?;
    }
    let submitted = request.app.backend.submit_order(OrderSubmit {
        id,
        order,
        action,
        actor: Some(caller.name.as_ref().into()),
    });
    let receiver = submitted.map_err(ApiError::from)?;
    let timeout = Duration::from_millis(request.app.config.request_timeout_ms);
    match tokio::time::timeout(timeout, receiver).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(ApiError::new(
            &faults::UNAVAILABLE,
            "the replica stopped before it answered: what was asked may have been done; look at the order, or ask again with the same Idempotency-Key",
        )),
        Err(_) => Err(ApiError::new(
            &faults::TIMEOUT,
            "not decided in time: what was asked may have been done; look at the order, or ask again with the same Idempotency-Key",
        )),
    }
}

/// Waits until nothing more happens to an order by itself, and reads show it.
pub(crate) async fn settled(request: &Request, order: OrderId) -> Result<Settled, ApiError> {
    let settled = request.app.backend.settled(order);
    let timeout = Duration::from_millis(request.app.booking.terms.settle_timeout_ms);
    let Ok(settled) = tokio::time::timeout(timeout, settled).await else {
        return Err(ApiError::new(
            &faults::TIMEOUT,
            format!(
                "order ord_{order} is still being worked on: nothing is lost; look at it later, also with GET /air/orders?offer_id="
            ),
        ));
    };
    let Ok(settled) = settled else {
        return Err(ApiError::new(
            &faults::UNAVAILABLE,
            format!("the replica stopped before order ord_{order} was settled: look at it later"),
        ));
    };
    covered(request, settled.partition, settled.until).await?;
    Ok(settled)
}

/// Waits until reads show what was decided.
pub(crate) async fn shown(request: &Request, answer: &OrderAnswer) -> Result<(), ApiError> {
    covered(request, answer.partition, answer.decision.offset + 1).await
}

async fn covered(request: &Request, partition: u32, until: u64) -> Result<(), ApiError> {
    let Some(last) = until.checked_sub(1) else {
        return Ok(());
    };
    let timeout = Duration::from_millis(request.app.config.at_least_timeout_ms);
    let serving = request.app.backend.serving();
    serving
        .wait_for(partition, last, timeout)
        .await
        .map_err(not_yet)
}

/// An order that the caller may see. Those that never came to be are not there, but for those that
/// waited for seats in vain: their clients were told of them.
pub(crate) fn find(
    request: &Request,
    caller: &Caller,
    order: Option<OrderId>,
) -> Result<Arc<OrderRow>, ApiError> {
    let row = order.and_then(|order| request.app.backend.serving().order(order));
    row.filter(|row| (row.established || row.waited) && may_see(caller, row))
        .ok_or_else(|| not_found("order"))
}

/// Orders are their client's, and operators'.
pub(crate) fn may_see(caller: &Caller, row: &OrderRow) -> bool {
    caller.role == Role::Operator || *row.asked.client == *caller.name
}

/// The order as it is now, with everything that was decided so far.
pub(crate) async fn find_now(
    request: &Request,
    caller: &Caller,
    order: Option<OrderId>,
) -> Result<Arc<OrderRow>, ApiError> {
    request.wait_at_least().await?;
    if let Some(order) = order {
        let backend = &request.app.backend;
        let partition = backend.partition_of_order(order);
        covered(request, partition, backend.answered(partition)).await?;
    }
    find(request, caller, order)
}
