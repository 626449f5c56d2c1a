//! Tables of schema `flightline` that show orders.

use std::hash::Hasher;
use std::sync::Arc;

use flightline_dataflows::rows::{OrderPayment, OrderRow, OrderSegment};
use flightline_ledger::Money;
use flightline_ledger::order::{MoneyState, OrderId, Terms};

use super::{Keyed, Table, letter};
use crate::postgres::copy::{Row, Type};

pub(in crate::postgres) static ORDERS: Table = Table {
    schema: "flightline",
    name: "orders",
    columns: &[
        ("order_id", Type::Text),
        ("booking_reference", Type::Text),
        ("client", Type::Text),
        ("type", Type::Text),
        ("state", Type::Text),
        ("cause", Type::Text),
        ("cause_code", Type::Text),
        ("passengers", Type::Int4),
        ("total", Type::Numeric),
        ("currency", Type::Text),
        ("refund", Type::Numeric),
        ("offer_request", Type::Text),
        ("created_at", Type::Timestamp),
        ("payment_required_by", Type::Timestamp),
        ("paid_at", Type::Timestamp),
        ("ticket", Type::Text),
        ("ticketed_at", Type::Timestamp),
        ("ended_at", Type::Timestamp),
        ("changes_pending", Type::Bool),
        ("attempt", Type::Int4),
        ("revision", Type::Int8),
        ("partition", Type::Int4),
        ("created_offset", Type::Int8),
    ],
    key: 1,
    fixed: &[],
};

impl Keyed for Arc<OrderRow> {
    const TABLE: &'static Table = &ORDERS;
    type Key = OrderId;
    fn key(&self) -> OrderId {
        self.order
    }
    fn hash(key: &OrderId, hasher: &mut impl Hasher) {
        hasher.write_u128(key.0);
    }
    fn write_key(key: &OrderId, row: &mut Row<'_>) {
        write_order(*key, row);
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        let asked = &self.asked;
        row.text(self.booking.as_str());
        row.text(&asked.client);
        row.text(match asked.terms {
            Terms::Instant { .. } => "instant",
            Terms::Hold { .. } => "hold",
        });
        row.text(self.state.name());
        let ending = self.ending.as_ref();
        row.text_or_null(ending.map(|ending| ending.cause));
        row.text_or_null(ending.and_then(|ending| ending.code.as_deref()));
        row.i32(i32::from(asked.passengers));
        row.numeric(&asked.total);
        row.text(asked.total.currency.as_str());
        match ending {
            Some(ending) => row.numeric(&Money {
                minor: ending.refund_minor,
                ..asked.total
            }),
            None => row.null(),
        }
        row.display(format_args!("{}", asked.offer_request));
        row.timestamp_ms(self.created_ms);
        timestamp_or_null(self.payment_required_by_ms, row);
        timestamp_or_null(self.payment.captured_ms, row);
        row.text_or_null(self.ticket.as_deref());
        timestamp_or_null(self.ticketed_ms, row);
        timestamp_or_null(self.ended_ms, row);
        row.bool(self.changes_pending);
        row.i32(i32::try_from(self.attempt).unwrap_or(i32::MAX));
        row.u64(self.revision);
        row.i32(self.partition as i32);
        row.u64(self.created_offset);
    }
}

fn write_order(order: OrderId, row: &mut Row<'_>) {
    row.display(format_args!("ord_{order}"));
}

fn timestamp_or_null(at_ms: Option<i64>, row: &mut Row<'_>) {
    match at_ms {
        Some(at_ms) => row.timestamp_ms(at_ms),
        None => row.null(),
    }
}

pub(in crate::postgres) static ORDER_SEGMENT: Table = Table {
    schema: "flightline",
    name: "order_segment",
    columns: &[
        ("order_id", Type::Text),
        ("segment", Type::Int2),
        ("slice", Type::Int2),
        ("flight_key", Type::Text),
        ("provider", Type::Text),
        ("cabin", Type::Text),
        ("class", Type::Text),
        ("board", Type::Text),
        ("off", Type::Text),
        ("seats", Type::Int4),
        ("price", Type::Numeric),
        ("currency", Type::Text),
        ("departs_at", Type::Timestamp),
        ("state", Type::Text),
        ("hold_id", Type::Text),
        ("held_until", Type::Timestamp),
        ("held_offset", Type::Int8),
        ("outward_state", Type::Text),
        ("outward_reference", Type::Text),
        ("outward_code", Type::Text),
    ],
    key: 2,
    fixed: &[],
};

/// A segment and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::postgres) struct SegmentLine {
    order: OrderId,
    at: u8,
    segment: OrderSegment,
}

impl SegmentLine {
    /// The lines of an order.
    pub(in crate::postgres) fn all(row: &OrderRow) -> impl Iterator<Item = SegmentLine> + '_ {
        row.segments.iter().zip(0..).map(|(segment, at)| Self {
            order: row.order,
            at,
            segment: segment.clone(),
        })
    }
}

impl Keyed for SegmentLine {
    const TABLE: &'static Table = &ORDER_SEGMENT;
    type Key = (OrderId, u8);
    fn key(&self) -> Self::Key {
        (self.order, self.at)
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hasher.write_u128(key.0.0);
        hasher.write_u8(key.1);
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        write_order(key.0, row);
        row.i16(i16::from(key.1));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        let segment = &self.segment;
        row.i16(i16::from(segment.slice));
        row.flight(&segment.flight);
        row.text_or_null(segment.provider.as_ref().map(|p| p.as_str()));
        row.letter(Some(segment.cabin.letter()));
        row.letter(letter(segment.class));
        row.text_or_null(segment.board.as_ref().map(|s| s.as_str()));
        row.text_or_null(segment.off.as_ref().map(|s| s.as_str()));
        row.i32(i32::from(segment.seats));
        row.numeric(&segment.price);
        row.text(segment.price.currency.as_str());
        row.timestamp_ms(segment.departs_ms);
        row.text(segment.seat.name());
        row.id(segment.hold);
        timestamp_or_null(segment.deadline_ms, row);
        match segment.held_offset {
            Some(offset) => row.u64(offset),
            None => row.null(),
        }
        row.text(segment.outward.name());
        row.text_or_null(segment.outward_reference.as_deref());
        row.text_or_null(segment.outward_code.as_deref());
    }
}

pub(in crate::postgres) static PAYMENT: Table = Table {
    schema: "flightline",
    name: "payment",
    columns: &[
        ("order_id", Type::Text),
        ("number", Type::Int8),
        ("state", Type::Text),
        ("method", Type::Text),
        ("amount", Type::Numeric),
        ("currency", Type::Text),
        ("reference", Type::Text),
        ("code", Type::Text),
        ("failures", Type::Int8),
        ("captured_at", Type::Timestamp),
    ],
    key: 2,
    fixed: &[],
};

/// A payment and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::postgres) struct PaymentLine {
    order: OrderId,
    amount: Money,
    payment: OrderPayment,
}

impl PaymentLine {
    /// The line of an order that had a payment.
    pub(in crate::postgres) fn of(row: &OrderRow) -> Option<PaymentLine> {
        (row.payment.state != MoneyState::None).then(|| Self {
            order: row.order,
            amount: row.asked.total,
            payment: row.payment.clone(),
        })
    }
}

impl Keyed for PaymentLine {
    const TABLE: &'static Table = &PAYMENT;
    type Key = (OrderId, u32);
    fn key(&self) -> Self::Key {
        (self.order, self.payment.number)
    }
    fn hash(key: &Self::Key, hasher: &mut impl Hasher) {
        hasher.write_u128(key.0.0);
        hasher.write_u32(key.1);
    }
    fn write_key(key: &Self::Key, row: &mut Row<'_>) {
        write_order(key.0, row);
        row.i64(i64::from(key.1));
    }
    fn write_rest(&self, row: &mut Row<'_>) {
        let payment = &self.payment;
        row.text(payment.state.name());
        row.text(&payment.method);
        row.numeric(&self.amount);
        row.text(self.amount.currency.as_str());
        row.text_or_null(payment.reference.as_deref());
        row.text_or_null(payment.code.as_deref());
        row.i64(i64::from(payment.failures));
        timestamp_or_null(payment.captured_ms, row);
    }
}
