//! What can be read of a flight: plain values, made on demand from the state.

use crate::codes::{Cabin, Class, CommandId, Money, ProviderCode, Station};
use crate::command::{Counts, LegTimes, SaleStatus, SourceVersion};

/// Whether a flight is to fly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlightStatus {
    /// It will fly.
    Scheduled,
    /// Its owner cancelled or withdrew it: nothing is sold.
    Cancelled,
}

impl FlightStatus {
    /// The stable name, as tables and answers show it.
    pub const fn name(self) -> &'static str {
        match self {
            FlightStatus::Scheduled => "scheduled",
            FlightStatus::Cancelled => "cancelled",
        }
    }
}

/// Where a hold stands. Only [`HoldState::Held`] is live; only `Held` and `Confirmed` take seats.
/// What is neither live nor waiting nor a sale never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HoldState {
    /// Seats are held until the deadline.
    Held = 0,
    /// A sale.
    Confirmed = 1,
    /// Given back by the client.
    Released = 2,
    /// A sale (or live hold) that was undone.
    Cancelled = 3,
    /// Lapsed at its deadline, or when its flight retired.
    Expired = 4,
    /// Lost its seats when the provider cut capacity, changed the route or cancelled the flight. Or
    /// waited for seats that will not come for one of the latter two reasons.
    Displaced = 5,
    /// Waits for seats until the deadline.
    Waiting = 6,
}

impl HoldState {
    /// The stable name, as tables and answers show it.
    pub const fn name(self) -> &'static str {
        match self {
            HoldState::Held => "held",
            HoldState::Confirmed => "confirmed",
            HoldState::Released => "released",
            HoldState::Cancelled => "cancelled",
            HoldState::Expired => "expired",
            HoldState::Displaced => "displaced",
            HoldState::Waiting => "waiting",
        }
    }

    /// Does it take seats?
    pub const fn takes_seats(self) -> bool {
        matches!(self, HoldState::Held | HoldState::Confirmed)
    }
}

/// One leg of a flight, as its owner has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegView {
    /// Departure station.
    pub board: Station,
    /// Arrival station.
    pub off: Station,
    /// Times; `times.board` is the departure station.
    pub times: LegTimes,
    /// IATA aircraft type, or zeros when unknown.
    pub aircraft: [u8; 3],
    /// IATA service type letter.
    pub service: u8,
}

/// Seats of one cabin of one leg's aircraft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AircraftLine {
    /// Which leg, from 0.
    pub leg: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// Seats in the aircraft; absent = unknown.
    pub seats: Option<u16>,
    /// Seats held and sold, over all providers.
    pub used: i64,
    /// Seats used beyond `seats` and the largest overbooking allowance of any provider.
    pub oversold: i64,
}

/// A provider on a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderView {
    /// Its name.
    pub code: ProviderCode,
    /// It sells the flight (it has not cancelled or withdrawn it).
    pub sells: bool,
    /// It sells nothing of any flight for now: it was told to stop, or is silent for too long.
    pub paused: bool,
    /// It owns the flight's schedule.
    pub owner: bool,
}

/// One bucket of seats: a provider's cabin on a leg, or a booking class in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventoryLine {
    /// Whose allotment.
    pub provider: ProviderCode,
    /// Which leg, from 0.
    pub leg: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// The class; absent = the cabin itself.
    pub class: Option<Class>,
    /// What may be sold: for a cabin with the overbooking allowance, for a class its limit (which
    /// covers the classes nested after it too). Absent = not stated. May be negative.
    pub authorised: Option<i64>,
    /// Seats of live holds: for a cabin all, for a class those of exactly this class.
    pub held: i64,
    /// Seats of sales, counted like `held`.
    pub sold: i64,
    /// What the rules of `docs/ledger.md` offer on this leg alone; never below 0. The statuses are
    /// not looked at.
    pub available: i64,
    /// Seats used beyond the bound: for a class, used by it and the classes nested after it.
    pub oversold: i64,
    /// What the provider says of sale.
    pub status: SaleStatus,
    /// The bound came from a count that is a floor ("9 or more").
    pub is_floor: bool,
}

/// Something that can be bought: a segment, provider, cabin and class (or none) with its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferLine {
    /// Who sells.
    pub provider: ProviderCode,
    /// Departure station of the segment.
    pub board: Station,
    /// Arrival station of the segment.
    pub off: Station,
    /// First leg of the segment, from 0.
    pub first_leg: u8,
    /// Last leg of the segment.
    pub last_leg: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// The class; absent = the cabin without a class limit.
    pub class: Option<Class>,
    /// Price of one seat.
    pub price: Money,
    /// Seats that a hold would get now; 0 when closed, withdrawn or cancelled. Whether sale has
    /// ended because of the departure is not judged here.
    pub seats: u16,
    /// The count that bounds `seats` is a floor ("9 or more").
    pub seats_is_floor: bool,
}

/// A hold, whatever became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// The id of the command that made it.
    pub id: CommandId,
    /// From whose allotment. Of a hold that has waited for any provider's seats and got none: the
    /// flight's first provider, which means nothing.
    pub provider: ProviderCode,
    /// The cabin.
    pub cabin: Cabin,
    /// The class.
    pub class: Option<Class>,
    /// Where the passenger boards.
    pub board: Station,
    /// Where the passenger leaves.
    pub off: Station,
    /// Seats, held, sold or waited for.
    pub seats: u16,
    /// When it lapses, or would have, Unix time in milliseconds. While it waits: until when.
    pub deadline_ms: i64,
    /// Price of one seat when they were held.
    pub price: Option<Money>,
    /// Where it stands.
    pub state: HoldState,
    /// Offset of the command that made it.
    pub offset: u64,
    /// The partition's clock when it was made, Unix time in milliseconds.
    pub created_at_ms: i64,
    /// Offset of the record that gave it its state.
    pub changed_offset: u64,
    /// The partition's clock when it got its state, Unix time in milliseconds.
    pub changed_at_ms: i64,
    /// Offset at which its provider acknowledged the sale.
    pub acknowledged_offset: Option<u64>,
}

/// The last count a provider reported for a bucket, beside what the ledger expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftLine {
    /// Who reported.
    pub provider: ProviderCode,
    /// Which leg, from 0.
    pub leg: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// The class; absent = the cabin itself.
    pub class: Option<Class>,
    /// How the count is to be read.
    pub counts: Counts,
    /// The count.
    pub reported: i32,
    /// What the ledger would have said in the same terms just before: for a total the bound, for
    /// what remains the bound less the sales that the provider had acknowledged. Absent = nothing
    /// was stated before.
    pub expected: Option<i64>,
    /// Offset of the report.
    pub offset: u64,
    /// The partition's clock at the report, Unix time in milliseconds.
    pub at_ms: i64,
}

impl DriftLine {
    /// Reported less expected: below 0, seats went that the ledger does not know of.
    pub fn difference(&self) -> Option<i64> {
        self.expected.map(|e| i64::from(self.reported) - e)
    }
}

/// A price that a provider filed for a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FareLine {
    /// Who filed it.
    pub provider: ProviderCode,
    /// The stations that it is about; absent = the whole flight, whatever its stations.
    pub segment: Option<(Station, Station)>,
    /// The cabin.
    pub cabin: Cabin,
    /// The class; absent = every class of the cabin without a fare of its own.
    pub class: Option<Class>,
    /// Price of one seat.
    pub price: Money,
    /// Version of the message that filed it.
    pub version: SourceVersion,
}

/// What the ledger would answer to a request for seats at this moment, were it made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Seats available; never below 0.
    pub available: u16,
    /// The count behind it is a floor.
    pub is_floor: bool,
    /// Price of one seat, when there is one.
    pub price: Option<Money>,
}

/// A provider's overbooking terms on a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermsView<'a> {
    /// The version that stated them; absent when none was stated.
    pub version: Option<SourceVersion>,
    /// Seats above the counts, by cabin, in its order.
    pub allowances: &'a [(Cabin, u16)],
}

/// A provider's feed in a partition, where its silence has a limit or it was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedView {
    /// The longest silence, in milliseconds; absent = it may be silent for ever.
    pub silence_max_ms: Option<u64>,
    /// When it was last heard, Unix time in milliseconds.
    pub heard_ms: i64,
    /// It was told to stop.
    pub stopped: bool,
    /// It does not sell because it was silent for too long.
    pub silent: bool,
}

/// A bucket of seats as its provider's reports are compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketView {
    /// What may be used in all, the overbooking allowance aside; absent = not stated.
    pub bound: Option<i64>,
    /// Seats of sales that use the bucket.
    pub sold: i64,
    /// Of those, the ones that the provider has acknowledged.
    pub acknowledged: i64,
    /// Seats used beyond the bound.
    pub oversold: i64,
    /// Version of what the bound comes from.
    pub version: Option<SourceVersion>,
}
