//! Tables that are only ever appended to.

use flightline_dataflows::rows::{DecisionRow, FeedRejectRow};

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

pub(in crate::postgres) fn write_decision(line: &DecisionRow, row: &mut Row<'_>) {
    row.i32(line.partition as i32);
    row.u64(line.decision.offset);
    match line.ref_text() {
        Some(text) => row.text(text),
        None => row.id(line.id()),
    }
    match line.flight() {
        Some(flight) => row.flight(flight),
        None => row.null(),
    }
    match &line.order {
        Some(_) => row.display(line.kind()),
        None => row.text(line.decision.kind.name()),
    }
    row.text(line.outcome());
    row.text_or_null(line.reason());
    row.timestamp_ms(line.at_ms());
    let (replay, first) = line.replay().unzip();
    row.text_or_null(replay);
    match first {
        Some(first) => row.u64(first),
        None => row.null(),
    }
    match line.detail() {
        Some(detail) => row.display(detail),
        None => row.null(),
    }
    row.text_or_null(line.ref_text());
    row.text_or_null(line.actor());
    match line.order_id() {
        Some(order) => row.display(format_args!("ord_{order}")),
        None => row.null(),
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
