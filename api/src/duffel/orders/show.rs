//! Orders as clients see them: the row of the fold, the offer that it was made of, and the persons
//! whose key is still there.

use flightline_dataflows::rows::{OrderQuote, OrderRow};
use flightline_ledger::Money;
use flightline_ledger::order::{MoneyState, OrderState, Outward, Terms};

use super::ids;
use super::people::{Person, Sealed};
use crate::backend::Backend;
use crate::duffel::party::passenger_id;
use crate::duffel::wire::carrier::Airline;
use crate::duffel::wire::order::{
    AirlineChange, Document, Order, OrderCancellation, OrderPassenger, OrderPlacement, OrderSlice,
    OrderSliceConditions, Payment, PaymentStatus,
};
use crate::duffel::wire::text;
use crate::duffel::{Booking, present, token};

/// Reads orders out of rows. May read keys from a disk: use it off the async threads.
pub(crate) struct Shower<'a> {
    pub(crate) booking: &'a Booking,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) now_ms: i64,
}

/// Stands for a name that was erased.
const ERASED: &str = "erased";

impl Shower<'_> {
    /// The order.
    pub(crate) fn order(&self, row: &OrderRow) -> Option<Order> {
        let offer = self.offer(row)?;
        let people = self.people(row);
        let conditions = present::conditions(&row.asked.refund, row.asked.total);
        let slices = self.slices(row, &offer);
        let owner = row.segments.first().map(|s| s.flight.carrier);
        let total = text::amount(row.asked.total);
        let currency = row.asked.total.currency.to_string();
        let passengers = self.passengers(&offer, people.as_deref());
        let ids: Vec<String> = passengers.iter().map(|p| p.id.clone()).collect();
        let cancelled_ms = cancelled_ms(row);
        Some(Order {
            id: ids::order(row.order),
            live_mode: self.booking.terms.is_live,
            created_at: text::instant(row.created_ms),
            kind: match row.asked.terms {
                Terms::Instant { .. } => "instant",
                Terms::Hold { .. } => "hold",
            },
            offer_id: row.asked.offer.to_string(),
            booking_reference: row.booking.to_string(),
            content: "managed",
            owner: Airline::of(&self.booking.reference, owner.unwrap_or_default()),
            base_amount: Some(total.clone()),
            base_currency: Some(currency.clone()),
            total_amount: total,
            total_currency: currency,
            tax_amount: None,
            tax_currency: None,
            passengers,
            airline_initiated_changes: self.changes(row, &slices),
            slices,
            services: Vec::new(),
            documents: row
                .ticket
                .iter()
                .map(|number| Document {
                    kind: "electronic_ticket",
                    unique_identifier: number.to_string(),
                    passenger_ids: ids.clone(),
                })
                .collect(),
            conditions,
            payment_status: payment_status(row),
            available_actions: self.actions(row),
            metadata: row
                .metadata
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            cancelled_at: cancelled_ms.map(text::instant),
            cancellation: self.confirmed(row),
            changes: Vec::new(),
            users: Vec::new(),
            synced_at: text::instant(self.now_ms),
            void_window_ends_at: None,
            state: row.state.name(),
            waits_until: row.waits_until_ms.map(text::instant),
            placements: placements(row),
            revision: row.revision,
        })
    }

    /// The offer, at the times that the order knows now.
    fn offer(&self, row: &OrderRow) -> Option<token::Offer> {
        let mut offer = token::Offer::trusted(&row.asked.offer)?;
        let segments = offer
            .slices
            .iter_mut()
            .flat_map(|slice| &mut slice.segments);
        for (segment, known) in segments.zip(&row.segments) {
            let departs_s = known.departs_ms.div_euclid(1000);
            let moved_s = departs_s.saturating_sub(segment.departs_s);
            segment.departs_s = departs_s;
            segment.arrives_s = segment.arrives_s.saturating_add(moved_s);
        }
        Some(offer)
    }

    /// The passengers; `None` when they were erased, or cannot be read.
    pub(crate) fn people(&self, row: &OrderRow) -> Option<Vec<Person>> {
        let opened = self.backend.unseal(row.order, &row.asked.sealed);
        match opened {
            Ok(Some(sealed)) => match serde_json::from_slice::<Sealed>(&sealed) {
                Ok(sealed) => Some(sealed.passengers),
                Err(error) => {
                    tracing::error!(order = %row.order, %error, "the passengers of an order are not what was sealed");
                    None
                }
            },
            Ok(None) => None,
            Err(why) => {
                tracing::error!(order = %row.order, why, "the passengers of an order cannot be read");
                None
            }
        }
    }

    fn passengers(&self, offer: &token::Offer, people: Option<&[Person]>) -> Vec<OrderPassenger> {
        let all = offer.passengers.iter().enumerate().map(|(at, passenger)| {
            let id = passenger_id(&offer.request, at);
            let person = people.and_then(|people| people.iter().find(|p| p.id == id));
            let text = |of: fn(&Person) -> &String| person.map(|p| of(p).clone());
            OrderPassenger {
                kind: passenger.counts_as().name(),
                title: text(|p| &p.title),
                gender: text(|p| &p.gender),
                given_name: text(|p| &p.given_name).unwrap_or_else(|| ERASED.to_owned()),
                family_name: text(|p| &p.family_name).unwrap_or_else(|| ERASED.to_owned()),
                born_on: text(|p| &p.born_on),
                email: text(|p| &p.email),
                phone_number: text(|p| &p.phone_number),
                infant_passenger_id: person.and_then(|p| p.infant_passenger_id.clone()),
                loyalty_programme_accounts: person.map(Person::loyalty).unwrap_or_default(),
                user_id: person.and_then(|p| p.user_id.clone()),
                id,
            }
        });
        all.collect()
    }

    fn slices(&self, row: &OrderRow, offer: &token::Offer) -> Vec<OrderSlice> {
        let conditions = present::conditions(&row.asked.refund, row.asked.total);
        let commons = present::slices(self.booking, offer, &[]).into_iter();
        commons
            .map(|common| OrderSlice {
                common,
                changeable: false,
                conditions: OrderSliceConditions {
                    change_before_departure: conditions.change_before_departure.clone(),
                },
            })
            .collect()
    }

    fn actions(&self, row: &OrderRow) -> Vec<&'static str> {
        match row.state {
            OrderState::AwaitingPayment | OrderState::Waiting => vec!["cancel", "update"],
            OrderState::Booked => {
                let first = row.segments.iter().map(|s| s.departs_ms).min();
                if first.is_some_and(|first| first > self.now_ms) {
                    vec!["cancel", "update"]
                } else {
                    vec!["update"]
                }
            }
            _ => Vec::new(),
        }
    }

    /// What the airline did to the order.
    pub(crate) fn airline_changes(&self, row: &OrderRow) -> Vec<AirlineChange> {
        let slices = self.offer(row).map(|offer| self.slices(row, &offer));
        self.changes(row, &slices.unwrap_or_default())
    }

    /// The airline's change of times, which the client agreed with.
    pub(crate) fn accepted(&self, row: &OrderRow, at_ms: i64) -> Option<AirlineChange> {
        let accepted = text::instant(at_ms);
        Some(AirlineChange {
            id: ids::change(row.order),
            order_id: ids::order(row.order),
            action_taken: Some("accepted"),
            action_taken_at: Some(accepted.clone()),
            available_actions: Vec::new(),
            created_at: text::instant(self.now_ms),
            updated_at: accepted,
            expires_at: None,
            added: self.slices(row, &self.offer(row)?),
            removed: Vec::new(),
            travel_agent_ticket: None,
        })
    }

    /// What the airline did: times that wait to be accepted, or a flight that is gone.
    fn changes(&self, row: &OrderRow, slices: &[OrderSlice]) -> Vec<AirlineChange> {
        let by_airline = row
            .ending
            .as_ref()
            .filter(|ending| matches!(ending.cause, "flight_cancelled" | "displaced"));
        if by_airline.is_none() && !row.changes_pending {
            return Vec::new();
        }
        let now = text::instant(self.now_ms);
        vec![AirlineChange {
            id: ids::change(row.order),
            order_id: ids::order(row.order),
            action_taken: by_airline.map(|_| "cancelled"),
            action_taken_at: by_airline.map(|ending| text::instant(ending.at_ms)),
            available_actions: match (by_airline, row.state) {
                (None, OrderState::AwaitingPayment | OrderState::Booked) => {
                    vec!["accept", "cancel"]
                }
                _ => Vec::new(),
            },
            created_at: now.clone(),
            updated_at: now,
            expires_at: None,
            added: if by_airline.is_none() {
                slices.to_vec()
            } else {
                Vec::new()
            },
            removed: if by_airline.is_some() {
                slices.to_vec()
            } else {
                Vec::new()
            },
            travel_agent_ticket: None,
        }]
    }

    /// A payment of the order, if it has it.
    pub(crate) fn payment(&self, row: &OrderRow) -> Option<Payment> {
        let payment = &row.payment;
        if payment.number == 0 {
            return None;
        }
        let (status, failed) = match payment.state {
            MoneyState::None | MoneyState::Authorising | MoneyState::Authorised => {
                ("pending", false)
            }
            MoneyState::Capturing => ("pending", false),
            MoneyState::Declined => ("failed", true),
            MoneyState::Voiding | MoneyState::Voided => ("cancelled", false),
            MoneyState::Captured | MoneyState::Refunding | MoneyState::Refunded => {
                ("succeeded", false)
            }
        };
        Some(Payment {
            id: ids::payment(row.order, payment.number),
            live_mode: self.booking.terms.is_live,
            created_at: text::instant(payment.captured_ms.unwrap_or(row.created_ms)),
            kind: self.paid_with(row),
            amount: text::amount(row.asked.total),
            currency: row.asked.total.currency.to_string(),
            order_id: ids::order(row.order),
            status,
            failure_reason: payment
                .code
                .as_deref()
                .filter(|_| failed)
                .map(str::to_owned),
            airline_credit_id: None,
        })
    }

    fn paid_with(&self, row: &OrderRow) -> &'static str {
        if *row.payment.method == *self.booking.terms.balance_of(&row.asked.client) {
            "balance"
        } else {
            "card"
        }
    }

    /// A cancellation of the order by its quote.
    pub(crate) fn cancellation(&self, row: &OrderRow, quote: &OrderQuote) -> OrderCancellation {
        let newest = row.quote.filter(|newest| newest.id == quote.id);
        // Quotes of one stream are all good for as long, so an older one was made so much earlier.
        let life_ms = row
            .quote
            .map_or(0, |q| q.expires_ms.saturating_sub(q.made_ms));
        let made_ms = newest.map_or(quote.expires_ms.saturating_sub(life_ms), |q| q.made_ms);
        let confirmed_ms = newest.and_then(|quote| quote.confirmed_ms);
        OrderCancellation {
            id: ids::cancellation(row.order, quote.id),
            live_mode: self.booking.terms.is_live,
            order_id: ids::order(row.order),
            created_at: text::instant(made_ms),
            expires_at: text::instant(quote.expires_ms),
            confirmed_at: confirmed_ms.map(text::instant),
            refund_amount: Some(text::amount(quote.refund)),
            refund_currency: Some(quote.refund.currency.to_string()),
            refund_to: if quote.unpaid {
                "awaiting_payment"
            } else {
                self.paid_with(row)
            },
            airline_credits: Vec::new(),
        }
    }

    fn confirmed(&self, row: &OrderRow) -> Option<OrderCancellation> {
        let quote = row.quote.filter(|quote| quote.confirmed_ms.is_some())?;
        let refund = Money {
            minor: quote.refund_minor,
            ..row.asked.total
        };
        let quote = OrderQuote {
            id: quote.id,
            refund,
            unpaid: quote.unpaid,
            expires_ms: quote.expires_ms,
        };
        Some(self.cancellation(row, &quote))
    }
}

/// Of the segments that were ever taken to a provider, or will be.
pub(crate) fn placements(row: &OrderRow) -> Vec<OrderPlacement> {
    let segments = row.segments.iter().zip(1..);
    let told = segments
        .filter(|(segment, _)| segment.outward != Outward::None || segment.outward_code.is_some());
    told.map(|(segment, number)| OrderPlacement {
        segment: number,
        flight_key: segment.flight.to_string(),
        provider: segment.provider.map(|provider| provider.to_string()),
        state: segment.outward.name(),
        reference: segment.outward_reference.as_deref().map(str::to_owned),
        code: segment.outward_code.as_deref().map(str::to_owned),
    })
    .collect()
}

fn cancelled_ms(row: &OrderRow) -> Option<i64> {
    let ending = row.ending.as_ref()?;
    match (row.state, ending.cause) {
        (OrderState::Expired, _) | (_, "not_paid" | "payment_timed_out") => None,
        _ => Some(ending.at_ms),
    }
}

fn payment_status(row: &OrderRow) -> PaymentStatus {
    let until = row
        .payment_required_by_ms
        .or(match (row.state, &row.asked.terms) {
            // Being paid: the deadline is the same as before.
            (
                OrderState::Authorising
                | OrderState::Confirming
                | OrderState::Placing
                | OrderState::Capturing
                | OrderState::Ticketing,
                Terms::Hold { pay_by_ms },
            ) => Some(row.created_ms.saturating_add_unsigned(*pay_by_ms)),
            _ => None,
        });
    let until = until.map(text::instant);
    PaymentStatus {
        awaiting_payment: until.is_some(),
        payment_required_by: until.clone(),
        price_guarantee_expires_at: until,
        // Taken, and the ticket is there: what was taken on the way to an order that failed is no
        // payment of the client's.
        paid_at: row
            .payment
            .captured_ms
            .filter(|_| row.ticket.is_some())
            .map(text::instant),
    }
}
