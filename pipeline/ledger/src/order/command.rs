//! What can be asked of an order: the input of the fold.

use super::effect::EffectResult;
use super::ids::{EffectId, OfferRequestId, OrderId, QuoteId};
use crate::codes::{Cabin, Class, CommandId, FlightKey, Money, ProviderCode, Station};
use crate::command::Command;

/// What a record asks for, as the orders of its partition see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderCommand {
    /// Something about one order.
    Order(OrderId, OrderAction),
    /// Time has passed: a tick, or any record of the partition that is about no order.
    Tick,
    /// From here on the partition's orders fold with these settings.
    Configure(OrderSettings),
}

impl OrderCommand {
    /// What the command of a record is to the orders of its partition.
    pub fn of(command: &Command) -> Self {
        match command {
            Command::Order(id, action) => OrderCommand::Order(*id, (**action).clone()),
            Command::ConfigureOrders(settings) => OrderCommand::Configure((**settings).clone()),
            _ => OrderCommand::Tick,
        }
    }
}

/// Something about one order.
///
/// Clients ask the first six; their answers are remembered by command id. The last three come from
/// the replicas and are harmless when repeated, whatever id they carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAction {
    /// Make the order.
    Create(Box<CreateOrder>),
    /// Pay an order of type hold.
    Pay(Payment),
    /// Ask what a cancellation would give back. Changes nothing else.
    QuoteCancel,
    /// Cancel by a quote.
    ConfirmCancel {
        /// The quote's id, from [`OrderOutcome::Quoted`](super::OrderOutcome::Quoted).
        quote: QuoteId,
    },
    /// Replace the client's own notes.
    SetMetadata(Metadata),
    /// The client agrees with the changes of times that the airline made.
    AcceptChanges,
    /// What became of an effect.
    EffectDone {
        /// Which.
        effect: EffectId,
        /// What became of it.
        result: EffectResult,
    },
    /// A replica announces that it will run an effect, so that others leave it alone.
    Claim {
        /// Which.
        effect: EffectId,
        /// Who: any number that no other replica uses at the same time.
        replica: u64,
        /// Until when, Unix time in milliseconds by the stream's clock. At most
        /// [`OrderSettings::claim_max_ms`] from now counts.
        until_ms: i64,
    },
    /// Something happened to a flight of the order.
    FlightChanged(FlightNotice),
}

/// An order as a client asks for it. Texts are opaque here and limited in length; see
/// [`CreateOrder::valid`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOrder {
    /// The search that it came from. The order's id must be [`OrderId::of`] it.
    pub offer_request: OfferRequestId,
    /// The offer that was chosen, as the client named it.
    pub offer: Box<str>,
    /// Who asks.
    pub client: Box<str>,
    /// Paid at once, or held first.
    pub terms: Terms,
    /// How long it may wait for seats of flights that are sold out, in milliseconds, above 0; absent =
    /// it does not wait.
    pub wait_ms: Option<u64>,
    /// The slices of the journey, each of one segment or more, in flying order.
    pub slices: Vec<Vec<SegmentRequest>>,
    /// How many travellers, those without a seat included.
    pub passengers: u16,
    /// Their details, sealed: opaque text that is read with a key kept elsewhere. Personal data
    /// never comes here in the clear.
    pub sealed: Box<str>,
    /// What the client pays in all.
    pub total: Money,
    /// What comes back when the client cancels.
    pub refund: RefundTerms,
    /// The client's own notes.
    pub metadata: Metadata,
}

/// Pairs of the client's own; kept in the order given.
pub type Metadata = Vec<(Box<str>, Box<str>)>;

/// When an order is paid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Terms {
    /// At once, with this method.
    Instant {
        /// The payment method, opaque text for the payment service.
        method: Box<str>,
    },
    /// Later: seats are held until paid.
    Hold {
        /// How long, in milliseconds from the record that creates the order.
        pay_by_ms: u64,
    },
}

/// Seats on one flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRequest {
    /// The flight.
    pub flight: FlightKey,
    /// Whose allotment; absent = the cheapest that has the seats.
    pub provider: Option<ProviderCode>,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class; absent = the cabin itself.
    pub class: Option<Class>,
    /// Where the passenger boards; absent = the first station.
    pub board: Option<Station>,
    /// Where the passenger leaves; absent = the last station.
    pub off: Option<Station>,
    /// How many seats.
    pub seats: u16,
    /// The price of one seat that was offered. Another one at the flight refuses the order.
    pub price: Money,
    /// Planned departure from where the passenger boards, Unix time in milliseconds.
    pub departs_ms: i64,
}

/// What comes back when the client cancels a paid order before the first departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefundTerms {
    /// Everything.
    Full,
    /// Everything but a penalty, in minor units of the order's currency.
    Penalty(i64),
    /// Nothing.
    Nothing,
}

/// A payment for an order of type hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// How much: the order's total.
    pub amount: Money,
    /// The payment method, opaque text for the payment service.
    pub method: Box<str>,
}

/// What happened to a flight of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightNotice {
    /// The flight.
    pub flight: FlightKey,
    /// Offset of the record that did it, in the flight's own partition.
    pub offset: u64,
    /// What happened.
    pub change: FlightChange,
}

/// Kinds of [`FlightNotice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightChange {
    /// It will not fly, or no longer between the segment's stations.
    Cancelled,
    /// A hold lost its seats.
    Displaced {
        /// The hold: the id of the effect that made it.
        hold: CommandId,
    },
    /// It leaves a station at another time.
    Times {
        /// The station.
        board: Station,
        /// Departure, Unix time in milliseconds.
        departs_ms: i64,
    },
}

/// Settings of the fold. They are data in the stream, so that every replica folds with the same.
/// Orders that exist keep the durations they were made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderSettings {
    /// How long the seats of an instant order are held while it is paid, in milliseconds.
    pub instant_hold_ms: u64,
    /// The longest that a client may take to pay, in milliseconds. Together with `pay_grace_ms` it
    /// must not exceed the flights' longest hold, or such orders are refused by the flights.
    pub pay_by_max_ms: u64,
    /// How much longer seats are held than the client may take to pay, in milliseconds: time for a
    /// payment made in the last moment to go through.
    pub pay_grace_ms: u64,
    /// How long a cancellation quote is good for, in milliseconds.
    pub quote_ms: u64,
    /// How long to wait before an effect whose outcome is unknown is asked for again, in
    /// milliseconds; doubles each time. At least 1 is taken.
    pub ask_again_first_ms: u64,
    /// The longest such wait, in milliseconds.
    pub ask_again_max_ms: u64,
    /// The longest claim, in milliseconds.
    pub claim_max_ms: u64,
    /// How long after its last departure an order is kept, in milliseconds. Afterwards only its id
    /// and booking reference are remembered.
    pub retire_after_ms: u64,
    /// How long providers may take to say that they have taken the order's seats, in milliseconds from
    /// when all of them were sold here.
    pub place_within_ms: u64,
    /// The providers to which what was sold from their seats is sent, sorted, each once.
    pub outward: Vec<ProviderCode>,
}

impl OrderSettings {
    /// Is what was sold from this provider's seats sent to it?
    pub(crate) fn is_outward(&self, provider: ProviderCode) -> bool {
        self.outward.binary_search(&provider).is_ok()
    }
}

impl Default for OrderSettings {
    fn default() -> Self {
        const MINUTE_MS: u64 = 60_000;
        const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
        Self {
            instant_hold_ms: 15 * MINUTE_MS,
            pay_by_max_ms: 3 * DAY_MS,
            pay_grace_ms: 5 * MINUTE_MS,
            quote_ms: 60 * MINUTE_MS,
            ask_again_first_ms: 1_000,
            ask_again_max_ms: 10 * MINUTE_MS,
            claim_max_ms: MINUTE_MS,
            retire_after_ms: 30 * DAY_MS,
            place_within_ms: 15 * MINUTE_MS,
            outward: Vec::new(),
        }
    }
}
