//! From the milestones of orders to events.

use flightline_connectors::webhooks::{EventKind, NewEvent, OrderPlace};
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::order::{Milestone, MilestoneKind};
use serde_json::json;

/// The event of an order's milestone, the `at`th from 0. Ids only: bodies are kept as they are sent.
pub(super) fn event(row: &OrderRow, at: usize, milestone: &Milestone) -> NewEvent {
    let order = format!("ord_{}", row.order);
    let (kind, object_id, mut object) = match milestone.kind {
        MilestoneKind::Created => (
            EventKind::OrderCreated,
            order.clone(),
            json!({"booking_reference": row.booking.as_str(), "offer_id": &*row.asked.offer}),
        ),
        MilestoneKind::CreationFailed { attempt } => (
            EventKind::OrderCreationFailed,
            order.clone(),
            json!({"offer_id": &*row.asked.offer, "attempt": attempt}),
        ),
        MilestoneKind::Paid { payment } => (
            EventKind::PaymentCreated,
            format!("pay_{}{payment:08x}", row.order),
            json!({"status": "succeeded"}),
        ),
        MilestoneKind::CancellationQuoted { quote } => (
            EventKind::CancellationCreated,
            format!("ore_{}{quote}", row.order),
            json!({}),
        ),
        MilestoneKind::CancellationConfirmed { quote } => (
            EventKind::CancellationConfirmed,
            format!("ore_{}{quote}", row.order),
            json!({}),
        ),
        MilestoneKind::AirlineChange { number } => (
            EventKind::AirlineInitiatedChange,
            format!("aic_{}", row.order),
            json!({"number": number}),
        ),
    };
    object["id"] = json!(object_id);
    object["order_id"] = json!(order);
    NewEvent {
        client: row.asked.client.to_string(),
        kind,
        object_id,
        order: OrderPlace {
            order_id: order,
            sequence: at as u64 + 1,
        },
        created_at_ms: milestone.at_ms,
        object,
    }
}
