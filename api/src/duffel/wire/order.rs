//! Orders, payments and cancellations.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::carrier::Airline;
use super::offer::{Conditions, LoyaltyAccount};
use super::slice::{Condition, SliceCommon};

/// Seats on flights for a party, held or bought.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BookingOrder)]
pub(crate) struct Order {
    /// Its id.
    pub(crate) id: String,
    /// Whether money moves.
    pub(crate) live_mode: bool,
    /// When it was made.
    pub(crate) created_at: String,
    /// `instant` or `hold`
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The offer that it was made of.
    pub(crate) offer_id: String,
    /// What travellers and airlines call it: unique.
    pub(crate) booking_reference: String,
    /// Always `managed`.
    pub(crate) content: &'static str,
    /// The airline of the first flight.
    pub(crate) owner: Airline,
    /// What all passengers pay together.
    pub(crate) total_amount: String,
    /// ISO 4217.
    pub(crate) total_currency: String,
    /// The same: providers do not tell taxes apart.
    pub(crate) base_amount: Option<String>,
    /// ISO 4217.
    pub(crate) base_currency: Option<String>,
    /// Not told apart.
    pub(crate) tax_amount: Option<String>,
    /// Not told apart.
    pub(crate) tax_currency: Option<String>,
    /// Those who travel.
    pub(crate) passengers: Vec<OrderPassenger>,
    /// The ways, in flying order.
    pub(crate) slices: Vec<OrderSlice>,
    /// Always empty: there are no extra services.
    pub(crate) services: Vec<String>,
    /// Tickets, once it is paid.
    pub(crate) documents: Vec<Document>,
    /// What may be done with it.
    pub(crate) conditions: Conditions,
    /// Whether and until when it is to be paid.
    pub(crate) payment_status: PaymentStatus,
    /// `cancel`, `update`
    pub(crate) available_actions: Vec<&'static str>,
    /// The client's own notes.
    pub(crate) metadata: BTreeMap<String, String>,
    /// When it was cancelled.
    pub(crate) cancelled_at: Option<String>,
    /// The cancellation that was confirmed.
    pub(crate) cancellation: Option<OrderCancellation>,
    /// Changes that the airline made.
    pub(crate) airline_initiated_changes: Vec<AirlineChange>,
    /// Always empty: orders are cancelled and made anew.
    pub(crate) changes: Vec<String>,
    /// Always empty.
    pub(crate) users: Vec<String>,
    /// When this was read.
    pub(crate) synced_at: String,
    /// Not known here.
    pub(crate) void_window_ends_at: Option<String>,
    /// Our own: where it stands, in our words.
    pub(crate) state: &'static str,
    /// Our own: in state `waiting`, when it gives up.
    pub(crate) waits_until: Option<String>,
    /// Our own: where its seats stand with the providers that granted them and are told of sales.
    pub(crate) placements: Vec<OrderPlacement>,
    /// Our own: counts the order's changes, as `order_sequence` of webhook events does.
    pub(crate) revision: u64,
}

/// Seats of an order at the provider that granted them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderPlacement {
    /// The flight, from 1, over all slices.
    pub(crate) segment: usize,
    /// The flight's key.
    pub(crate) flight_key: String,
    /// Whose seats they are.
    pub(crate) provider: Option<String>,
    /// `due`: to be told; `placing`: asked to take it, and not certain yet; `placed`, `acknowledged`: taken;
    /// `refused`; `withdrawing`: asked to forget it; `withdrawn`; `kept`: it refused to forget it. `none`: refused
    /// before, and nobody is told (yet) who has the seats now.
    pub(crate) state: &'static str,
    /// The provider's own name for the booking, as its order id or record locator, once it has taken it.
    pub(crate) reference: Option<String>,
    /// The provider's code when it last refused to take or to forget it.
    pub(crate) code: Option<String>,
}

/// Somebody who travels.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderPassenger {
    /// The passenger's id, as in the offer.
    pub(crate) id: String,
    /// `adult`, `child` or `infant_without_seat`
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// `mr`, `ms`, `mrs`, `miss`, `dr`; null when erased.
    pub(crate) title: Option<String>,
    /// `m`, `f`; null when erased.
    pub(crate) gender: Option<String>,
    /// `erased` when it was.
    pub(crate) given_name: String,
    /// `erased` when it was.
    pub(crate) family_name: String,
    /// Date; null when erased.
    pub(crate) born_on: Option<String>,
    /// Null when erased.
    pub(crate) email: Option<String>,
    /// Null when erased.
    pub(crate) phone_number: Option<String>,
    /// The infant on the lap.
    pub(crate) infant_passenger_id: Option<String>,
    /// Memberships.
    pub(crate) loyalty_programme_accounts: Vec<LoyaltyAccount>,
    /// The client's own name for the person.
    pub(crate) user_id: Option<String>,
}

/// A slice of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderSlice {
    #[serde(flatten)]
    pub(crate) common: SliceCommon,
    /// Always false; of version 1.
    pub(crate) changeable: bool,
    /// What may be done with it.
    pub(crate) conditions: OrderSliceConditions,
}

/// What may be done with a slice of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderSliceConditions {
    /// Changing it.
    pub(crate) change_before_departure: Option<Condition>,
}

/// A ticket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Document {
    /// `electronic_ticket`
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Its number.
    pub(crate) unique_identifier: String,
    /// Whose it is.
    pub(crate) passenger_ids: Vec<String>,
}

/// Whether and until when an order is to be paid.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OrderPaymentStatus)]
pub(crate) struct PaymentStatus {
    /// It can be paid. False alone does not mean that it was: see `paid_at`.
    pub(crate) awaiting_payment: bool,
    /// Until when.
    pub(crate) payment_required_by: Option<String>,
    /// Until when the price stands.
    pub(crate) price_guarantee_expires_at: Option<String>,
    /// When it was paid.
    pub(crate) paid_at: Option<String>,
}

/// A payment of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Payment {
    /// Its id.
    pub(crate) id: String,
    /// Whether money moves.
    pub(crate) live_mode: bool,
    /// When the money was taken, or the order made.
    pub(crate) created_at: String,
    /// `balance` or `card`
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// How much.
    pub(crate) amount: String,
    /// ISO 4217.
    pub(crate) currency: String,
    /// The order that it pays.
    pub(crate) order_id: String,
    /// `succeeded`, `pending`, `failed` or `cancelled`
    pub(crate) status: &'static str,
    /// The payment service's code when it failed.
    pub(crate) failure_reason: Option<String>,
    /// Always null.
    pub(crate) airline_credit_id: Option<String>,
}

/// What a cancellation gives back, quoted or confirmed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderCancellation {
    /// Its id.
    pub(crate) id: String,
    /// Whether money moves.
    pub(crate) live_mode: bool,
    /// The order.
    pub(crate) order_id: String,
    /// When it was quoted.
    pub(crate) created_at: String,
    /// Until when it can be confirmed.
    pub(crate) expires_at: String,
    /// When it was confirmed.
    pub(crate) confirmed_at: Option<String>,
    /// What comes back.
    pub(crate) refund_amount: Option<String>,
    /// ISO 4217.
    pub(crate) refund_currency: Option<String>,
    /// `balance`, `card`, or `awaiting_payment` when nothing was paid.
    pub(crate) refund_to: &'static str,
    /// Always empty.
    pub(crate) airline_credits: Vec<String>,
}

/// A change that the airline made to an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AirlineChange {
    /// Its id.
    pub(crate) id: String,
    /// The order.
    pub(crate) order_id: String,
    /// `accepted` or `cancelled`, once something was done; null while it waits for you.
    pub(crate) action_taken: Option<&'static str>,
    /// When.
    pub(crate) action_taken_at: Option<String>,
    /// What you can do: `accept`, `cancel`.
    pub(crate) available_actions: Vec<&'static str>,
    /// When the order was last read.
    pub(crate) created_at: String,
    /// The same.
    pub(crate) updated_at: String,
    /// Not known here.
    pub(crate) expires_at: Option<String>,
    /// The ways as they are now, when times changed.
    pub(crate) added: Vec<OrderSlice>,
    /// The ways that are gone.
    pub(crate) removed: Vec<OrderSlice>,
    /// Always null.
    pub(crate) travel_agent_ticket: Option<String>,
}
