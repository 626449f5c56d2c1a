//! Tables that are only ever appended to.

use flightline_dataflows::rows::{DecisionRow, FeedRejectRow};
use flightline_ledger::CommandId;
use flightline_ledger::order::{OrderDecision, OrderOutcome, OrderReason};
use flightline_ledger::outcome::{Outcome, Reason, Replay};

use super::Table;
use crate::postgres::copy::{Row, Type};

pub(in crate::postgres) static DECISION: Table = Table {
    schema: "flightline",
    name: "decision",
    columns: &[
        ("partition", Type::Int4),
        ("offset", Type::Int8),
        ("command_id", Type::Text),
        ("flight_key", Type::Text),
        ("kind", Type::Text),
        ("outcome", Type::Text),
        ("reason", Type::Text),
        ("at", Type::Timestamp),
        ("replay", Type::Text),
        ("first_offset", Type::Int8),
        ("detail", Type::Text),
        ("ref_text", Type::Text),
        ("actor", Type::Text),
        ("order_id", Type::Text),
    ],
    key: 2,
    fixed: &[],
};

/// The client's own text for a command.
pub(in crate::postgres) fn ref_text(row: &DecisionRow) -> Option<&str> {
    row.note.as_ref()?.ref_text.as_deref()
}

pub(in crate::postgres) fn write_decision(line: &DecisionRow, row: &mut Row<'_>) {
    if let Some(order) = &line.order {
        write_order_decision(line, order, row);
        return;
    }
    let decision = &line.decision;
    row.i32(line.partition as i32);
    row.u64(decision.offset);
    write_id(ref_text(line), decision.id, row);
    if decision.flight.is_none() {
        row.null();
    } else {
        row.flight(&decision.flight);
    }
    row.text(decision.kind.name());
    row.text(decision.outcome.name());
    row.text_or_null(decision.outcome.reason().as_ref().map(Reason::code));
    row.timestamp_ms(decision.at_ms);
    write_replay(decision.replay, row);
    write_detail(&decision.outcome, row);
    row.text_or_null(ref_text(line));
    row.text_or_null(actor(line));
    row.null();
}

fn actor(line: &DecisionRow) -> Option<&str> {
    line.note.as_ref()?.actor.as_deref()
}

fn write_order_decision(line: &DecisionRow, decision: &OrderDecision, row: &mut Row<'_>) {
    row.i32(line.partition as i32);
    row.u64(decision.offset);
    write_id(ref_text(line), decision.id, row);
    row.null();
    row.display(format_args!("order_{}", decision.kind.name()));
    row.text(decision.outcome.name());
    row.text_or_null(decision.outcome.reason().as_ref().map(OrderReason::code));
    row.timestamp_ms(decision.at_ms);
    write_replay(decision.replay, row);
    write_order_detail(&decision.outcome, row);
    row.text_or_null(ref_text(line));
    row.text_or_null(actor(line));
    match decision.order {
        Some(order) => row.display(format_args!("ord_{order}")),
        None => row.null(),
    }
}

fn write_order_detail(outcome: &OrderOutcome, row: &mut Row<'_>) {
    match outcome {
        OrderOutcome::Created { booking } => row.display(format_args!("booking={booking}")),
        OrderOutcome::PaymentStarted { payment } => {
            row.display(format_args!("payment={payment}"));
        }
        OrderOutcome::Quoted { quote, refund, .. } => row.display(format_args!(
            "quote={quote} refund={refund} {}",
            refund.currency
        )),
        OrderOutcome::CancelStarted { refund } => {
            row.display(format_args!("refund={refund} {}", refund.currency));
        }
        OrderOutcome::Refused(OrderReason::Invalid(field)) => {
            row.display(format_args!("field={}", field.name()));
        }
        OrderOutcome::MetadataSet
        | OrderOutcome::ChangesAccepted
        | OrderOutcome::Heard
        | OrderOutcome::AskedAgain { .. }
        | OrderOutcome::Claimed { .. }
        | OrderOutcome::Stale
        | OrderOutcome::Noted
        | OrderOutcome::Refused(_) => row.null(),
    }
}

fn write_replay(replay: Replay, row: &mut Row<'_>) {
    let (replay, first) = match replay {
        Replay::First => (None, None),
        Replay::Same { first_offset } => (Some("same"), Some(first_offset)),
        Replay::Different { first_offset } => (Some("different"), Some(first_offset)),
    };
    row.text_or_null(replay);
    match first {
        Some(first) => row.u64(first),
        None => row.null(),
    }
}

fn write_id(text: Option<&str>, id: CommandId, row: &mut Row<'_>) {
    match text {
        Some(text) => row.text(text),
        None => row.id(id),
    }
}

fn write_detail(outcome: &Outcome, row: &mut Row<'_>) {
    match *outcome {
        Outcome::Confirmed { already: true, .. }
        | Outcome::Released { already: true, .. }
        | Outcome::Cancelled { already: true, .. } => row.text("already"),
        Outcome::Accepted {
            displaced,
            partly_stale,
        } if displaced > 0 || partly_stale => {
            let stale = if partly_stale { " partly_stale" } else { "" };
            row.display(format_args!("displaced={displaced}{stale}"));
        }
        Outcome::Refused(Reason::SoldOut { available }) => {
            row.display(format_args!("available={available}"));
        }
        Outcome::Refused(Reason::PriceChanged { now: Some(now) }) => {
            row.display(format_args!("now={now} {}", now.currency));
        }
        Outcome::Refused(Reason::PriceChanged { now: None }) => row.text("now=none"),
        Outcome::Waiting { ahead, .. } => row.display(format_args!("ahead={ahead}")),
        Outcome::Held { .. }
        | Outcome::Confirmed { .. }
        | Outcome::Released { .. }
        | Outcome::Cancelled { .. }
        | Outcome::Accepted { .. }
        | Outcome::Stale
        | Outcome::Noted
        | Outcome::Refused(_) => row.null(),
    }
}

pub(in crate::postgres) static FEED_REJECT: Table = Table {
    schema: "flightline",
    name: "feed_reject",
    columns: &[
        ("partition", Type::Int4),
        ("offset", Type::Int8),
        ("at", Type::Timestamp),
        ("provider", Type::Text),
        ("message", Type::Text),
        ("line", Type::Int8),
        ("code", Type::Text),
        ("reason", Type::Text),
        ("raw", Type::Bytes),
    ],
    key: 2,
    fixed: &[],
};

pub(in crate::postgres) fn write_reject(line: &FeedRejectRow, row: &mut Row<'_>) {
    row.i32(line.partition as i32);
    row.u64(line.offset);
    row.timestamp_ms(line.at_ms);
    row.text(line.provider.as_str());
    row.text(&line.message);
    row.u64(line.line);
    row.text(&line.code);
    row.text(&line.reason);
    row.bytes(&line.raw);
}
