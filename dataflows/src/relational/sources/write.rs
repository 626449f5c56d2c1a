//! Rows of the fold as rows of the sources: values in the order of their columns.

use std::fmt::Write;

use flightline_ledger::command::{Counts, SaleStatus};
use flightline_ledger::order::{MoneyState, OrderId, Terms};
use flightline_ledger::{Class, FlightKey, Money};

use crate::reference::{AirlineName, AirportName};
use crate::relational::calendar::SECOND;
use crate::relational::datum::Datum;
use crate::relational::decimal::Decimal;
use crate::relational::row::{Row, RowWriter};
use crate::rows::{
    DecisionRow, DriftRow, FareRow, FlightRow, HoldRow, InventoryRow, LegRow, LoadFactorRow,
    OfferRow, OrderRow,
};

/// Writes rows of sources.
#[derive(Default)]
pub(crate) struct SourceWriter {
    out: RowWriter,
    text: String,
}

fn aircraft(code: &[u8; 3]) -> &str {
    let len = code.iter().position(|byte| *byte == 0).unwrap_or(3);
    std::str::from_utf8(&code[..len]).unwrap_or("?")
}

fn local(at_s: i64, offset_min: i16) -> i64 {
    at_s.saturating_add(i64::from(offset_min) * 60)
}

impl SourceWriter {
    fn null(&mut self) {
        self.out.push(&Datum::Null);
    }

    fn shown(&mut self, value: impl std::fmt::Display) {
        self.text.clear();
        // Writing to memory does not fail.
        let _ = write!(self.text, "{value}");
        self.out.text(&self.text);
    }

    fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.out.text(text),
            None => self.null(),
        }
    }

    fn letter(&mut self, letter: u8) {
        let mut buffer = [0; 4];
        let letter = char::from(letter);
        let is_some = letter != '\0';
        let text: &str = letter.encode_utf8(&mut buffer);
        self.out.text(if is_some { text } else { "" });
    }

    fn class(&mut self, class: Option<Class>) {
        self.letter(class.map_or(0, Class::letter));
    }

    fn u64(&mut self, value: u64) {
        self.out.int(i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn date(&mut self, date: flightline_ledger::Date) {
        self.out.push(&Datum::Date(date.0));
    }

    fn seconds(&mut self, at_s: i64) {
        self.out.instant(at_s.saturating_mul(SECOND));
    }

    fn millis(&mut self, at_ms: i64) {
        self.out.instant(at_ms.saturating_mul(SECOND / 1000));
    }

    fn millis_or_null(&mut self, at_ms: Option<i64>) {
        match at_ms {
            Some(at_ms) => self.millis(at_ms),
            None => self.null(),
        }
    }

    fn amount(&mut self, money: &Money) {
        // An amount has at most 19 digits.
        let value = Decimal::new(money.minor.into(), money.exponent.into());
        match value {
            Ok(value) => self.out.push(&Datum::Decimal(value)),
            Err(_) => self.null(),
        }
    }

    fn price(&mut self, price: Option<&Money>) {
        match price {
            Some(price) => {
                self.amount(price);
                self.out.text(price.currency.as_str());
            }
            None => {
                self.null();
                self.null();
            }
        }
    }

    fn flight(&mut self, key: &FlightKey) {
        self.shown(key);
    }

    pub(crate) fn flights(&mut self, row: &FlightRow) -> Row {
        let key = &row.flight;
        self.flight(key);
        self.out.text(key.carrier.as_str());
        self.out.int(key.number.into());
        self.letter(key.suffix);
        self.date(key.origin_date);
        self.out.text(key.board.as_str());
        self.out.text(row.status.name());
        self.out.text(row.owner.as_str());
        match &row.operating {
            Some(operating) => self.flight(operating),
            None => self.null(),
        }
        self.out.finish()
    }

    pub(crate) fn legs(&mut self, row: &LegRow) -> Row {
        self.flight(&row.flight);
        self.out.int(row.leg_no.into());
        self.out.text(row.board.as_str());
        self.out.text(row.off.as_str());
        self.seconds(row.departs_s);
        self.seconds(row.arrives_s);
        self.seconds(local(row.departs_s, row.departs_offset_min));
        self.seconds(local(row.arrives_s, row.arrives_offset_min));
        self.out.text(aircraft(&row.aircraft));
        self.letter(row.service);
        self.out.finish()
    }

    pub(crate) fn inventory(&mut self, row: &InventoryRow) -> Row {
        self.flight(&row.flight);
        self.out.text(row.provider.as_str());
        self.out.int(row.leg_no.into());
        self.letter(row.cabin.letter());
        self.class(row.class);
        self.out.text(row.board.as_str());
        self.out.text(row.off.as_str());
        match row.authorised {
            Some(authorised) => self.out.int(authorised.into()),
            None => self.null(),
        }
        self.out.int(row.held.into());
        self.out.int(row.sold.into());
        self.out.int(row.available.into());
        self.out.int(row.oversold.into());
        self.out.text(match row.status {
            SaleStatus::Open => "open",
            SaleStatus::Request => "request",
            SaleStatus::WaitlistOpen => "waitlist_open",
            SaleStatus::Closed => "closed",
            SaleStatus::NotOperating => "not_operating",
        });
        self.out.finish()
    }

    pub(crate) fn cabins(&mut self, row: &LoadFactorRow) -> Row {
        self.flight(&row.flight);
        self.out.int(row.leg_no.into());
        self.letter(row.cabin.letter());
        self.out.int(row.capacity.into());
        self.out.int(row.held.into());
        self.out.int(row.sold.into());
        self.out.finish()
    }

    pub(crate) fn offers(&mut self, row: &OfferRow) -> Row {
        self.flight(&row.flight);
        self.out.text(row.board.as_str());
        self.out.text(row.off.as_str());
        self.out.text(row.provider.as_str());
        self.letter(row.cabin.letter());
        self.class(row.class);
        self.date(row.date);
        self.price(Some(&row.price));
        self.out.int(row.seats.into());
        self.out.push(&Datum::Bool(row.seats_is_floor));
        self.seconds(row.departs_s);
        self.seconds(row.arrives_s);
        self.seconds(local(row.departs_s, row.departs_offset_min));
        self.seconds(local(row.arrives_s, row.arrives_offset_min));
        self.out.text(aircraft(&row.aircraft));
        self.out.int(row.legs.into());
        self.out.finish()
    }

    pub(crate) fn fares(&mut self, row: &FareRow) -> Row {
        self.flight(&row.flight);
        self.out.text(row.provider.as_str());
        let (board, off) = row.segment.unzip();
        self.out.text(board.as_ref().map_or("", |s| s.as_str()));
        self.out.text(off.as_ref().map_or("", |s| s.as_str()));
        self.letter(row.cabin.letter());
        self.class(row.class);
        self.price(Some(&row.price));
        self.millis(row.version.time_ms);
        self.out.finish()
    }

    pub(crate) fn airports(&mut self, row: &AirportName<'_>) -> Row {
        self.out.text(row.iata.as_str());
        for text in [row.icao, row.name, row.city] {
            self.out.text(text);
        }
        self.text_or_null(row.area.as_ref().map(|area| area.as_str()));
        self.out.text(row.country);
        self.out.push(&Datum::Decimal(row.latitude));
        self.out.push(&Datum::Decimal(row.longitude));
        self.out.text(row.time_zone);
        self.out.finish()
    }

    pub(crate) fn airlines(&mut self, row: &AirlineName<'_>) -> Row {
        self.out.text(row.iata.as_str());
        self.out.text(row.name);
        self.out.finish()
    }

    pub(crate) fn holds(&mut self, row: &HoldRow) -> Row {
        self.out.int(row.partition.into());
        self.u64(row.offset);
        self.flight(&row.flight);
        self.out.text(row.provider.as_str());
        self.letter(row.cabin.letter());
        self.class(row.class);
        self.out.text(row.board.as_str());
        self.out.text(row.off.as_str());
        self.out.int(row.seats.into());
        self.out.text(row.status.name());
        self.millis(row.deadline_ms);
        self.price(row.price.as_ref());
        self.millis(row.created_at_ms);
        self.millis(row.changed_at_ms);
        self.u64(row.changed_offset);
        self.out.finish()
    }

    pub(crate) fn provider_reports(&mut self, row: &DriftRow) -> Row {
        self.flight(&row.flight);
        self.out.text(row.provider.as_str());
        self.out.int(row.leg_no.into());
        self.letter(row.cabin.letter());
        self.class(row.class);
        self.out.text(match row.counts {
            Counts::Total => "total",
            Counts::Remaining => "remaining",
        });
        self.out.int(row.reported.into());
        self.out.int(row.expected.into());
        self.out.int(row.drift.into());
        self.millis(row.version.time_ms);
        self.out.int(i64::from(row.version.group));
        self.out.int(i64::from(row.version.sequence));
        self.u64(row.offset);
        self.out.finish()
    }

    pub(crate) fn decisions(&mut self, row: &DecisionRow) -> Row {
        self.out.int(row.partition.into());
        self.u64(row.decision.offset);
        match row.ref_text() {
            Some(text) => self.out.text(text),
            None => self.shown(row.id()),
        }
        match row.flight() {
            Some(flight) => self.flight(flight),
            None => self.null(),
        }
        self.shown(row.kind());
        self.out.text(row.outcome());
        self.text_or_null(row.reason());
        self.millis(row.at_ms());
        let (replay, first) = row.replay().unzip();
        self.text_or_null(replay);
        match first {
            Some(first) => self.u64(first),
            None => self.null(),
        }
        match row.detail() {
            Some(detail) => self.shown(detail),
            None => self.null(),
        }
        self.text_or_null(row.ref_text());
        self.text_or_null(row.actor());
        match row.order_id() {
            Some(order) => self.order(order),
            None => self.null(),
        }
        self.out.finish()
    }

    fn order(&mut self, order: OrderId) {
        self.shown(format_args!("ord_{order}"));
    }

    pub(crate) fn orders(&mut self, row: &OrderRow) -> Row {
        let asked = &row.asked;
        let ending = row.ending.as_ref();
        self.order(row.order);
        self.out.text(row.booking.as_str());
        self.out.text(&asked.client);
        self.out.text(match asked.terms {
            Terms::Instant { .. } => "instant",
            Terms::Hold { .. } => "hold",
        });
        self.out.text(row.state.name());
        self.text_or_null(ending.map(|ending| ending.cause));
        self.text_or_null(ending.and_then(|ending| ending.code.as_deref()));
        self.out.int(asked.passengers.into());
        self.price(Some(&asked.total));
        match ending {
            Some(ending) => self.amount(&Money {
                minor: ending.refund_minor,
                ..asked.total
            }),
            None => self.null(),
        }
        self.shown(asked.offer_request);
        self.millis(row.created_ms);
        self.millis_or_null(row.payment_required_by_ms);
        self.millis_or_null(row.payment.captured_ms);
        self.text_or_null(row.ticket.as_deref());
        self.millis_or_null(row.ticketed_ms);
        self.millis_or_null(row.ended_ms);
        self.out.push(&Datum::Bool(row.changes_pending));
        self.out.int(row.attempt.into());
        self.u64(row.revision);
        self.out.int(row.partition.into());
        self.u64(row.created_offset);
        self.out.finish()
    }

    pub(crate) fn order_segments(&mut self, row: &OrderRow) -> Vec<Row> {
        let mut rows = Vec::with_capacity(row.segments.len());
        for (at, segment) in row.segments.iter().enumerate() {
            self.order(row.order);
            self.out.int(at as i64);
            self.out.int(segment.slice.into());
            self.flight(&segment.flight);
            self.text_or_null(segment.provider.as_ref().map(|p| p.as_str()));
            self.letter(segment.cabin.letter());
            self.class(segment.class);
            self.text_or_null(segment.board.as_ref().map(|s| s.as_str()));
            self.text_or_null(segment.off.as_ref().map(|s| s.as_str()));
            self.out.int(segment.seats.into());
            self.price(Some(&segment.price));
            self.millis(segment.departs_ms);
            self.out.text(segment.seat.name());
            self.shown(format_args!("{:032x}", segment.hold.0));
            self.millis_or_null(segment.deadline_ms);
            match segment.held_offset {
                Some(offset) => self.u64(offset),
                None => self.null(),
            }
            self.out.text(segment.outward.name());
            self.text_or_null(segment.outward_reference.as_deref());
            self.text_or_null(segment.outward_code.as_deref());
            rows.push(self.out.finish());
        }
        rows
    }

    pub(crate) fn payments(&mut self, row: &OrderRow) -> Option<Row> {
        let payment = &row.payment;
        if payment.state == MoneyState::None {
            return None;
        }
        self.order(row.order);
        self.out.int(payment.number.into());
        self.out.text(payment.state.name());
        self.out.text(&payment.method);
        self.price(Some(&row.asked.total));
        self.text_or_null(payment.reference.as_deref());
        self.text_or_null(payment.code.as_deref());
        self.out.int(payment.failures.into());
        self.millis_or_null(payment.captured_ms);
        Some(self.out.finish())
    }
}
