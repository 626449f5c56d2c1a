//! The relations that views are made from: what the fold shows, column by column as in the tables of
//! schema `flightline` (and `views`), so that a query over them means the same here and in PostgreSQL.

use std::fmt::Write;

use flightline_ledger::command::{Counts, SaleStatus};
use flightline_ledger::order::{MoneyState, OrderId, Terms};
use flightline_ledger::{Class, FlightKey, Money};

use super::Type::{self, Bool, Date, Int2, Int4, Int8, Numeric, Text, Timestamp, TimestampTz};
use super::calendar::SECOND;
use super::datum::Datum;
use super::decimal::Decimal;
use super::row::{Row, RowWriter};
use crate::rows::{
    DriftRow, FlightRow, HoldRow, InventoryRow, LegRow, LoadFactorRow, OfferRow, OrderRow,
};

/// A column of a source.
#[derive(Debug)]
pub struct SourceColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Can it be NULL?
    pub nullable: bool,
    /// What it says.
    pub help: &'static str,
}

/// A relation that queries can name.
#[derive(Debug)]
pub struct Source {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub help: &'static str,
    /// Its columns; the first ones are the key.
    pub columns: &'static [SourceColumn],
    /// Number of columns of the key.
    pub key: usize,
    /// The table of the same rows in PostgreSQL.
    pub table: &'static str,
}

const fn c(name: &'static str, ty: Type, help: &'static str) -> SourceColumn {
    SourceColumn {
        name,
        ty,
        nullable: false,
        help,
    }
}

const fn n(name: &'static str, ty: Type, help: &'static str) -> SourceColumn {
    SourceColumn {
        name,
        ty,
        nullable: true,
        help,
    }
}

const FLIGHT_KEY: SourceColumn = c(
    "flight_key",
    Text,
    "The flight, such as UA1545.2027-01-05.EWR.",
);
const CABIN: SourceColumn = c("cabin", Text, "Cabin letter.");
const CLASS: SourceColumn = c("class", Text, "Booking class letter; empty for the cabin.");
const LEG_NO: SourceColumn = c("leg_no", Int2, "Place of the leg in the flight, from 1.");
const BOARD: SourceColumn = c("board", Text, "Where the passenger boards.");
const OFF: SourceColumn = c("off", Text, "Where the passenger leaves.");

/// Places of the sources in [`ALL`].
pub(crate) mod id {
    pub(crate) const FLIGHTS: usize = 0;
    pub(crate) const LEGS: usize = 1;
    pub(crate) const INVENTORY: usize = 2;
    pub(crate) const CABINS: usize = 3;
    pub(crate) const OFFERS: usize = 4;
    pub(crate) const HOLDS: usize = 5;
    pub(crate) const PROVIDER_REPORTS: usize = 6;
    pub(crate) const ORDERS: usize = 7;
    pub(crate) const ORDER_SEGMENTS: usize = 8;
    pub(crate) const PAYMENTS: usize = 9;
}

/// Every source.
pub static ALL: [Source; 10] = [
    Source {
        name: "flights",
        help: "A flight as its owner has it.",
        key: 1,
        table: "flightline.flight",
        columns: &[
            FLIGHT_KEY,
            c("carrier", Text, "Code of the airline."),
            c("number", Int4, "Flight number."),
            c("suffix", Text, "Letter after the number; empty as a rule."),
            c(
                "origin_date",
                Date,
                "Local day of departure at the first station.",
            ),
            c("board", Text, "First station."),
            c("status", Text, "active or cancelled."),
            c("owner", Text, "The provider whose schedule it is."),
            n("operating", Text, "The flight behind a codeshare's number."),
        ],
    },
    Source {
        name: "legs",
        help: "One take-off to the next landing of a flight.",
        key: 2,
        table: "flightline.leg",
        columns: &[
            FLIGHT_KEY,
            LEG_NO,
            c("board", Text, "Departure station."),
            c("off", Text, "Arrival station."),
            c("departs_at", TimestampTz, "Departure."),
            c("arrives_at", TimestampTz, "Arrival."),
            c(
                "departs_local",
                Timestamp,
                "Departure on the clocks of board.",
            ),
            c("arrives_local", Timestamp, "Arrival on the clocks of off."),
            c("aircraft", Text, "IATA aircraft type; empty when unknown."),
            c("service", Text, "IATA service type letter."),
        ],
    },
    Source {
        name: "inventory",
        help: "Seats of a provider on a leg, by cabin and class. The row with an empty class is the cabin as a whole; classes are nested in it and must not be added to it.",
        key: 5,
        table: "flightline.inventory",
        columns: &[
            FLIGHT_KEY,
            c("provider", Text, "Whose allotment."),
            LEG_NO,
            CABIN,
            CLASS,
            c("board", Text, "Departure station of the leg."),
            c("off", Text, "Arrival station of the leg."),
            n(
                "authorised",
                Int4,
                "What may be sold; NULL = not stated, no limit.",
            ),
            c("held", Int4, "Seats of live holds."),
            c("sold", Int4, "Seats sold."),
            c("available", Int4, "Seats that can be sold now."),
            c(
                "oversold",
                Int4,
                "Seats held or sold beyond what is authorised.",
            ),
            c(
                "status",
                Text,
                "open, request, waitlist_open, closed or not_operating.",
            ),
        ],
    },
    Source {
        name: "cabins",
        help: "A cabin of a leg over all providers: how many seats the aircraft has, and how many are taken.",
        key: 3,
        table: "views.load_factor",
        columns: &[
            FLIGHT_KEY,
            LEG_NO,
            CABIN,
            c("capacity", Int4, "Seats in the aircraft."),
            c("held", Int4, "Seats of live holds."),
            c("sold", Int4, "Seats sold."),
        ],
    },
    Source {
        name: "offers",
        help: "What can be bought, by segment, provider, cabin and class. One seat may be on offer several times.",
        key: 6,
        table: "views.offers",
        columns: &[
            FLIGHT_KEY,
            BOARD,
            OFF,
            c("provider", Text, "Who sells."),
            CABIN,
            CLASS,
            c("date", Date, "Local day of departure at board."),
            c("price", Numeric, "Price of one seat, taxes included."),
            c("currency", Text, "Currency of the price."),
            c(
                "seats",
                Int4,
                "Seats that can be sold now; 0 when closed, sold out or cancelled.",
            ),
            c(
                "seats_is_floor",
                Bool,
                "The provider's count was a floor: 9 means nine or more.",
            ),
            c("departs_at", TimestampTz, "Departure at board."),
            c("arrives_at", TimestampTz, "Arrival at off."),
            c(
                "departs_local",
                Timestamp,
                "Departure on the clocks of board.",
            ),
            c("arrives_local", Timestamp, "Arrival on the clocks of off."),
            c(
                "aircraft",
                Text,
                "IATA aircraft type of the boarding leg; empty when unknown.",
            ),
            c("legs", Int2, "Legs flown."),
        ],
    },
    Source {
        name: "holds",
        help: "A hold and what became of it. A confirmed hold is a sale.",
        key: 2,
        table: "flightline.hold",
        columns: &[
            c("partition", Int4, "Partition of the flight's stream."),
            c("offset", Int8, "Offset of the record that made the hold."),
            FLIGHT_KEY,
            c("provider", Text, "From whose allotment."),
            CABIN,
            CLASS,
            BOARD,
            OFF,
            c("seats", Int4, "Seats held, sold or waited for."),
            c(
                "status",
                Text,
                "waiting, held, confirmed, released, cancelled, expired or displaced.",
            ),
            c(
                "deadline",
                TimestampTz,
                "When it lapses unless it is confirmed before.",
            ),
            n(
                "price",
                Numeric,
                "Price of one seat; NULL when the provider gave none.",
            ),
            n("currency", Text, "Currency of the price."),
            c("created_at", TimestampTz, "When it was made."),
            c("changed_at", TimestampTz, "When its status changed last."),
            c(
                "changed_offset",
                Int8,
                "Offset of the record that changed it last.",
            ),
        ],
    },
    Source {
        name: "provider_reports",
        help: "The last count each provider gave, beside what the ledger expected when it came.",
        key: 5,
        table: "flightline.inventory_drift",
        columns: &[
            FLIGHT_KEY,
            c("provider", Text, "Who reported."),
            LEG_NO,
            CABIN,
            CLASS,
            c(
                "counts",
                Text,
                "total: what may be sold in all; remaining: what is left.",
            ),
            c("reported", Int4, "What was reported."),
            c(
                "expected",
                Int4,
                "What the ledger expected, in the same terms.",
            ),
            c("drift", Int4, "reported - expected."),
            c(
                "version_at",
                TimestampTz,
                "Version of the report: its time.",
            ),
            c("version_group", Int8, "Its group."),
            c("version_sequence", Int8, "Its number."),
            c("offset", Int8, "Offset of the report."),
        ],
    },
    Source {
        name: "orders",
        help: "An order: seats on the flights of an offer for a party, with its payment.",
        key: 1,
        table: "flightline.orders",
        columns: &[
            c("order_id", Text, "The order."),
            c("booking_reference", Text, "What travellers call it."),
            c("client", Text, "Who asked."),
            c("type", Text, "instant: paid at once; hold: held first."),
            c("state", Text, "Where it stands."),
            n("cause", Text, "Why it is or was undone."),
            n("cause_code", Text, "The reason or code of whoever refused."),
            c("passengers", Int4, "Travellers."),
            c("total", Numeric, "What the client pays in all."),
            c("currency", Text, "Currency of the amounts."),
            n("refund", Numeric, "What goes back, once it is undone."),
            c("offer_request", Text, "The search it came from."),
            c("created_at", TimestampTz, "When it was created."),
            n(
                "payment_required_by",
                TimestampTz,
                "Until when it can be paid.",
            ),
            n("paid_at", TimestampTz, "When the money was taken."),
            n("ticket", Text, "Number of the ticket."),
            n("ticketed_at", TimestampTz, "When it was issued."),
            n("ended_at", TimestampTz, "When everything was undone."),
            c(
                "changes_pending",
                Bool,
                "The airline changed times, and the client has not agreed.",
            ),
            c("attempt", Int4, "Number of the attempt, from 1."),
            c("revision", Int8, "Counts its changes."),
            c("partition", Int4, "Partition of its stream."),
            c(
                "created_offset",
                Int8,
                "Offset of the record that created it.",
            ),
        ],
    },
    Source {
        name: "order_segments",
        help: "Seats of an order on one flight.",
        key: 2,
        table: "flightline.order_segment",
        columns: &[
            c("order_id", Text, "The order."),
            c("segment", Int2, "Place in the order, from 0."),
            c("slice", Int2, "Its slice, from 0."),
            FLIGHT_KEY,
            n("provider", Text, "Whose allotment."),
            CABIN,
            CLASS,
            n(
                "board",
                Text,
                "Where the passenger boards; NULL = the first station.",
            ),
            n(
                "off",
                Text,
                "Where the passenger leaves; NULL = the last station.",
            ),
            c("seats", Int4, "Seats."),
            c("price", Numeric, "Price of one seat."),
            c("currency", Text, "Currency of the price."),
            c(
                "departs_at",
                TimestampTz,
                "Departure as known to the order.",
            ),
            c("state", Text, "Where the seats stand."),
            c("hold_id", Text, "The hold."),
            n(
                "held_until",
                TimestampTz,
                "When the hold lapses, once held.",
            ),
            n("held_offset", Int8, "Offset of the hold, once held."),
        ],
    },
    Source {
        name: "payments",
        help: "The newest payment of an order.",
        key: 2,
        table: "flightline.payment",
        columns: &[
            c("order_id", Text, "The order."),
            c(
                "number",
                Int8,
                "Its number among the order's payments, from 1.",
            ),
            c("state", Text, "Where it stands."),
            c("method", Text, "How it is paid."),
            c("amount", Numeric, "How much."),
            c("currency", Text, "Currency."),
            n("reference", Text, "The payment service's name for it."),
            n("code", Text, "The service's code when it refused last."),
            c("failures", Int8, "How often a void or refund was refused."),
            n("captured_at", TimestampTz, "When the money was taken."),
        ],
    },
];

/// Names that will be sources, and what to use until then.
pub(crate) const NOT_YET: [(&str, &str); 4] = [
    ("fares", "use `offers`, whose rows have the fare in them"),
    (
        "decisions",
        "use the table flightline.decision in PostgreSQL, or `holds`, whose rows show what was decided of each",
    ),
    ("airports", "use the station codes of `legs` and `offers`"),
    ("airlines", "use `flights.carrier`"),
];

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
