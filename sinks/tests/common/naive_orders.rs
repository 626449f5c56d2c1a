//! Tables of orders as they should be, written by code that shares nothing with the sink.

use flightline_dataflows::rows::{DecisionRow, OrderRow, OrderSegment};
use flightline_ledger::order::{MoneyState, OrderDecision, OrderOutcome, OrderReason, Terms};
use flightline_ledger::outcome::Replay;

use super::naive::{Line, class, clean, instant, key, some};

fn order_id(row: &OrderRow) -> Option<String> {
    Some(format!("ord_{:032x}", row.order.0))
}

fn at(ms: Option<i64>) -> Option<String> {
    ms.and_then(|ms| instant(ms, "+00"))
}

pub(super) const ORDERS: &str = "order_id, booking_reference, client, type, state, cause, cause_code, passengers, total, currency, refund, offer_request, created_at, payment_required_by, paid_at, ticket, ticketed_at, ended_at, changes_pending, attempt, revision, partition, created_offset";

pub(super) fn order(r: &OrderRow) -> Line {
    let ending = r.ending.as_ref();
    let refund = ending.map(|ending| {
        let mut money = r.asked.total;
        money.minor = ending.refund_minor;
        money.to_string()
    });
    vec![
        order_id(r),
        some(r.booking),
        clean(&r.asked.client),
        some(if matches!(r.asked.terms, Terms::Hold { .. }) {
            "hold"
        } else {
            "instant"
        }),
        some(r.state.name()),
        ending.map(|ending| ending.cause.to_owned()),
        ending.and_then(|ending| clean(ending.code.as_deref()?)),
        some(r.asked.passengers),
        some(r.asked.total),
        some(r.asked.total.currency),
        refund,
        Some(format!("{:032x}", r.asked.offer_request.0)),
        at(Some(r.created_ms)),
        at(r.payment_required_by_ms),
        at(r.payment.captured_ms),
        r.ticket.as_deref().and_then(clean),
        at(r.ticketed_ms),
        at(r.ended_ms),
        some(if r.changes_pending { "t" } else { "f" }),
        some(r.attempt),
        some(r.revision),
        some(r.partition),
        some(r.created_offset),
    ]
}

pub(super) const SEGMENTS: &str = "order_id, segment, slice, flight_key, provider, cabin, class, board, off, seats, price, currency, departs_at, state, hold_id, held_until, held_offset, outward_state, outward_reference, outward_code";

pub(super) fn segments(r: &OrderRow) -> Vec<Line> {
    let line = |(place, s): (usize, &OrderSegment)| {
        vec![
            order_id(r),
            some(place),
            some(s.slice),
            key(s.flight),
            s.provider.map(|p| p.to_string()),
            some(s.cabin),
            class(s.class),
            s.board.map(|s| s.to_string()),
            s.off.map(|s| s.to_string()),
            some(s.seats),
            some(s.price),
            some(s.price.currency),
            at(Some(s.departs_ms)),
            some(s.seat.name()),
            Some(format!("{:032x}", s.hold.0)),
            at(s.deadline_ms),
            s.held_offset.map(|offset| offset.to_string()),
            some(s.outward.name()),
            s.outward_reference.as_deref().and_then(clean),
            s.outward_code.as_deref().and_then(clean),
        ]
    };
    r.segments.iter().enumerate().map(line).collect()
}

pub(super) const PAYMENTS: &str =
    "order_id, number, state, method, amount, currency, reference, code, failures, captured_at";

pub(super) fn payment(r: &OrderRow) -> Option<Line> {
    let p = &r.payment;
    if p.state == MoneyState::None {
        return None;
    }
    Some(vec![
        order_id(r),
        some(p.number),
        some(p.state.name()),
        clean(&p.method),
        some(r.asked.total),
        some(r.asked.total.currency),
        p.reference.as_deref().and_then(clean),
        p.code.as_deref().and_then(clean),
        some(p.failures),
        at(p.captured_ms),
    ])
}

/// The line of table `decision` of a decision about an order.
pub(super) fn decision(r: &DecisionRow, d: &OrderDecision) -> Line {
    let text = r.note.as_ref().and_then(|n| n.ref_text.as_deref());
    let actor = r.note.as_ref().and_then(|n| n.actor.as_deref());
    let (replay, first) = match d.replay {
        Replay::First => (None, None),
        Replay::Same { first_offset } => (some("same"), some(first_offset)),
        Replay::Different { first_offset } => (some("different"), some(first_offset)),
    };
    let detail = match d.outcome {
        OrderOutcome::Created { booking } => Some(format!("booking={booking}")),
        OrderOutcome::PaymentStarted { payment } => Some(format!("payment={payment}")),
        OrderOutcome::Quoted { quote, refund, .. } => Some(format!(
            "quote={:032x} refund={refund} {}",
            quote.0, refund.currency
        )),
        OrderOutcome::CancelStarted { refund } => {
            Some(format!("refund={refund} {}", refund.currency))
        }
        OrderOutcome::Refused(OrderReason::Invalid(field)) => {
            Some(format!("field={}", field.name()))
        }
        _ => None,
    };
    vec![
        some(r.partition),
        some(d.offset),
        Some(text.map_or_else(
            || format!("{:032x}", d.id.0),
            |t| t.replace('\0', "\u{fffd}"),
        )),
        None,
        Some(format!("order_{}", d.kind.name())),
        some(d.outcome.name()),
        d.outcome.reason().map(|r| r.code().to_owned()),
        instant(d.at_ms, "+00"),
        replay,
        first,
        detail,
        text.and_then(clean),
        actor.and_then(clean),
        d.order.map(|order| format!("ord_{:032x}", order.0)),
    ]
}
