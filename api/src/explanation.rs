//! Why an order is as it is, as JSON: for the API and the command line.

use flightline_ledger::order::{FlightChange, LogEvent, OrderOutcome};
use flightline_ledger::{InventoryLine, Money, Outcome, Reason, Replay};
use serde_json::{Value, json};

use crate::backend::{FlightStep, HistoryEntry, OrderExplanation, OrderStep};
use crate::duffel::orders::show::placements;
use crate::wire::text;

fn instant(at_ms: i64) -> String {
    text::instant(at_ms).as_str().to_owned()
}

fn amount(money: Money) -> String {
    format!("{} {}", text::amount(&money).as_str(), money.currency)
}

/// The explanation of an order: each decision with its offset, and for those about seats the
/// inventory that the flight saw and the events that led there.
pub fn order_explanation(explanation: &OrderExplanation) -> Value {
    let order = &explanation.order;
    json!({
        "order_id": format!("ord_{}", order.order),
        "booking_reference": order.booking.as_str(),
        "state": order.state.name(),
        "cause": order.ending.as_ref().map(|ending| json!({
            "name": ending.cause,
            "code": ending.code,
            "segment": ending.segment,
            "price_now": ending.price_now.map(amount),
            "offset": format!("{}:{}", order.partition, ending.offset),
        })),
        "placements": placements(order),
        "steps": explanation.steps.iter().map(|s| step(order.partition, s)).collect::<Vec<_>>(),
        "steps_left_out": explanation.dropped,
    })
}

fn step(partition: u32, step: &OrderStep) -> Value {
    let entry = &step.entry;
    let mut out = json!({
        "offset": format!("{partition}:{}", entry.offset),
        "at": instant(entry.at_ms),
        "state": entry.state.name(),
    });
    let more = match &entry.event {
        LogEvent::Command { kind, id, outcome } => json!({
            "what": kind.name(),
            "command_id": id.to_string(),
            "outcome": outcome.name(),
            "reason": outcome.reason().map(|r| r.code()),
            "detail": detail(outcome),
        }),
        LogEvent::Result {
            effect,
            step,
            segment,
            result,
            reason,
        } => json!({
            "what": step.name(),
            "effect_id": effect.to_string(),
            "segment": segment,
            "outcome": result,
            "reason": reason.map(|r| r.code()),
        }),
        LogEvent::Notice(notice) => json!({
            "what": "flight_changed",
            "flight_key": notice.flight.to_string(),
            "flight_offset": notice.offset,
            "outcome": match notice.change {
                FlightChange::Cancelled => "flight_cancelled",
                FlightChange::Displaced { .. } => "displaced",
                FlightChange::Times { .. } => "times_changed",
            },
        }),
        LogEvent::Deadline => json!({"what": "deadline", "outcome": "passed"}),
    };
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
        if let Some(flight) = &step.flight {
            out.insert("flight".to_owned(), flight_step(flight));
        }
    }
    out
}

fn detail(outcome: &OrderOutcome) -> Option<String> {
    match outcome {
        OrderOutcome::Created { booking } => Some(format!("booking reference {booking}")),
        OrderOutcome::PaymentStarted { payment } => Some(format!("payment {payment}")),
        OrderOutcome::Quoted { refund, .. } | OrderOutcome::CancelStarted { refund } => {
            Some(format!("{} come back", amount(*refund)))
        }
        _ => None,
    }
}

fn flight_step(step: &FlightStep) -> Value {
    json!({
        "decision": entry(&step.entry),
        "inventory_before": step.inventory_before.iter().map(line).collect::<Vec<_>>(),
        "led_there": step.led_there.iter().map(entry).collect::<Vec<_>>(),
    })
}

/// A line of a flight's inventory.
pub fn line(line: &InventoryLine) -> Value {
    json!({
        "provider": line.provider.as_str(), "leg_no": line.leg + 1,
        "cabin": line.cabin.to_string(), "class": line.class.map(|c| c.to_string()),
        "authorised": line.authorised, "held": line.held, "sold": line.sold,
        "available": line.available, "oversold": line.oversold,
        "status": format!("{:?}", line.status).to_lowercase(),
    })
}

/// A command of a flight and its decision.
pub fn entry(entry: &HistoryEntry) -> Value {
    let decision = &entry.decision;
    let note = entry.record.note.as_deref();
    let name = note
        .and_then(|n| n.ref_text.as_deref())
        .map_or_else(|| decision.id.to_string(), str::to_owned);
    let (replay, first) = match decision.replay {
        Replay::First => ("first", None),
        Replay::Same { first_offset } => ("same", Some(first_offset)),
        Replay::Different { first_offset } => ("different", Some(first_offset)),
    };
    let available = match decision.outcome {
        Outcome::Refused(Reason::SoldOut { available }) => Some(available),
        _ => None,
    };
    let side_effects: Vec<Value> = entry
        .side_effects
        .iter()
        .map(|(hold, state)| json!({"hold": hold.to_string(), "state": state.name()}))
        .collect();
    json!({
        "offset": format!("{}:{}", entry.record.partition, decision.offset),
        "at": instant(decision.at_ms),
        "flight": decision.flight.to_string(),
        "kind": decision.kind.name(),
        "id": name,
        "actor": note.and_then(|n| n.actor.as_deref()),
        "outcome": decision.outcome.name(),
        "reason": decision.outcome.reason().map(|r| r.code()),
        "available": available,
        "replay": replay,
        "first_offset": first,
        "side_effects": side_effects,
    })
}
