//! The rows that views are made of, as every sink sees them.
//!
//! A row is a plain value that compares and hashes; a change is a row with +1 or −1. Text forms,
//! column names and wire types are the sinks' business.

mod decision;
mod order;

use flightline_ledger::command::{Counts, SaleStatus, SourceVersion};
use flightline_ledger::{Cabin, Class, CommandId, Date, FlightKey, Money, ProviderCode, Station};

pub use decision::{DecisionRow, Detail, KindName, is_recorded};
pub use flightline_ledger::view::{FlightStatus, HoldState as HoldStatus};
pub use order::{OrderAsked, OrderEnding, OrderPayment, OrderQuote, OrderRow, OrderSegment};

/// Table `flight`: key = flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightRow {
    /// The flight.
    pub flight: FlightKey,
    /// Does it fly?
    pub status: FlightStatus,
    /// The provider whose schedule it is.
    pub owner: ProviderCode,
    /// Set when this key is only a codeshare's number.
    pub operating: Option<FlightKey>,
    /// Marks of the schedule; see [`flightline_ledger::command::quality`].
    pub quality: u32,
}

/// Table `leg`: key = flight, leg_no.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegRow {
    /// The flight.
    pub flight: FlightKey,
    /// Place in the flight, from 1.
    pub leg_no: u8,
    /// Departure station.
    pub board: Station,
    /// Arrival station.
    pub off: Station,
    /// Departure, Unix time in seconds.
    pub departs_s: i64,
    /// Arrival, Unix time in seconds.
    pub arrives_s: i64,
    /// Local time minus UTC at departure, in minutes.
    pub departs_offset_min: i16,
    /// Local time minus UTC at arrival, in minutes.
    pub arrives_offset_min: i16,
    /// IATA aircraft type, zeros when unknown.
    pub aircraft: [u8; 3],
    /// IATA service type letter.
    pub service: u8,
}

/// Table `inventory`: key = flight, provider, leg_no, cabin, class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InventoryRow {
    /// The flight.
    pub flight: FlightKey,
    /// Whose allotment.
    pub provider: ProviderCode,
    /// Place of the leg in the flight, from 1.
    pub leg_no: u8,
    /// Departure station of the leg.
    pub board: Station,
    /// Arrival station of the leg.
    pub off: Station,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class; `None` = the cabin as a whole.
    pub class: Option<Class>,
    /// What may be sold, overbooking allowance included; `None` = not stated or no limit.
    pub authorised: Option<i32>,
    /// Seats of live holds.
    pub held: i32,
    /// Seats sold.
    pub sold: i32,
    /// Seats that can be sold now; never below 0.
    pub available: i32,
    /// Seats held or sold beyond what is authorised.
    pub oversold: i32,
    /// Open or not.
    pub status: SaleStatus,
}

/// View `offers`: what search reads. Key = flight, board, off, provider, cabin, class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferRow {
    /// Where the passenger boards.
    pub board: Station,
    /// Where the passenger leaves.
    pub off: Station,
    /// Local day of departure at `board`.
    pub date: Date,
    /// The flight.
    pub flight: FlightKey,
    /// Who sells.
    pub provider: ProviderCode,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class.
    pub class: Option<Class>,
    /// Price of one seat.
    pub price: Money,
    /// Seats that can be sold now; 0 = closed, sold out or cancelled.
    pub seats: u16,
    /// The provider's count was a floor ("9 or more").
    pub seats_is_floor: bool,
    /// Departure at `board`, Unix time in seconds.
    pub departs_s: i64,
    /// Local time minus UTC there, in minutes.
    pub departs_offset_min: i16,
    /// Arrival at `off`, Unix time in seconds.
    pub arrives_s: i64,
    /// Local time minus UTC there, in minutes.
    pub arrives_offset_min: i16,
    /// IATA aircraft type of the boarding leg, zeros when unknown.
    pub aircraft: [u8; 3],
    /// Legs flown.
    pub legs: u8,
}

/// Table `hold`: key = partition, offset (where the hold was decided).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldRow {
    /// Partition of the flight.
    pub partition: u32,
    /// Offset of the record that made the hold.
    pub offset: u64,
    /// The hold's id. Its text form, when the client chose it, stands in the decision of the same
    /// partition and offset.
    pub id: CommandId,
    /// The flight.
    pub flight: FlightKey,
    /// Whose allotment.
    pub provider: ProviderCode,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class.
    pub class: Option<Class>,
    /// Where the passenger boards.
    pub board: Station,
    /// Where the passenger leaves.
    pub off: Station,
    /// Seats.
    pub seats: u16,
    /// State now.
    pub status: HoldStatus,
    /// When it lapses, Unix time in milliseconds.
    pub deadline_ms: i64,
    /// Price of one seat.
    pub price: Option<Money>,
    /// When it was made, Unix time in milliseconds.
    pub created_at_ms: i64,
    /// When the state was last changed, Unix time in milliseconds.
    pub changed_at_ms: i64,
    /// Offset of the record at which it was last changed.
    pub changed_offset: u64,
}

/// What a record carries that the ledger does not need.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    /// The client's or provider's own name for the command.
    pub ref_text: Option<Box<str>>,
    /// Who sent it: the name of a token, or a provider.
    pub actor: Option<Box<str>>,
}

/// Table `feed_reject`: append-only, key = partition, offset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedRejectRow {
    /// The partition.
    pub partition: u32,
    /// Offset of the record that keeps it.
    pub offset: u64,
    /// When, Unix time in milliseconds.
    pub at_ms: i64,
    /// Who sent it.
    pub provider: ProviderCode,
    /// File or message.
    pub message: Box<str>,
    /// Line or record in it, from 1.
    pub line: u64,
    /// Stable code.
    pub code: Box<str>,
    /// What was wrong.
    pub reason: Box<str>,
    /// The record as received.
    pub raw: Box<[u8]>,
}

/// Table `inventory_drift`: key = flight, provider, leg_no, cabin, class. The last count of a
/// provider beside what the ledger expected when it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriftRow {
    /// The flight.
    pub flight: FlightKey,
    /// Who reported.
    pub provider: ProviderCode,
    /// Place of the leg in the flight, from 1.
    pub leg_no: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class; `None` = the cabin.
    pub class: Option<Class>,
    /// How the count is to be read.
    pub counts: Counts,
    /// What was reported.
    pub reported: i32,
    /// What the ledger expected, in the same terms.
    pub expected: i32,
    /// `reported − expected`.
    pub drift: i32,
    /// Version of the report.
    pub version: SourceVersion,
    /// Offset of the report.
    pub offset: u64,
}

/// A price that a provider filed. Key = flight, provider, segment, cabin, class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FareRow {
    /// The flight.
    pub flight: FlightKey,
    /// Who filed it.
    pub provider: ProviderCode,
    /// The stations that it is about; `None` = the whole flight.
    pub segment: Option<(Station, Station)>,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class; `None` = every class of the cabin without a fare of its own.
    pub class: Option<Class>,
    /// Price of one seat.
    pub price: Money,
    /// Version of the message that filed it.
    pub version: SourceVersion,
}

/// View `availability_by_route_day`: key = board, off, date, cabin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteDayRow {
    /// Where the passenger boards.
    pub board: Station,
    /// Where the passenger leaves.
    pub off: Station,
    /// Local day of departure.
    pub date: Date,
    /// The cabin.
    pub cabin: Cabin,
    /// Flights that sell the segment.
    pub flights: i64,
    /// Flights of these with a seat left.
    pub flights_open: i64,
    /// Seats left over all flights; per flight the best of its providers and classes, so that one
    /// seat offered twice counts once.
    pub seats: i64,
}

/// View `cheapest_by_route_day`: key = board, off, date, cabin, currency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheapestRow {
    /// Where the passenger boards.
    pub board: Station,
    /// Where the passenger leaves.
    pub off: Station,
    /// Local day of departure.
    pub date: Date,
    /// The cabin.
    pub cabin: Cabin,
    /// The lowest price with a seat left.
    pub price: Money,
    /// The flight that has it, the first by key among equals.
    pub flight: FlightKey,
    /// Who sells it, the first by code among equals.
    pub provider: ProviderCode,
    /// The class, the first among equals.
    pub class: Option<Class>,
}

/// View `load_factor`: key = flight, leg_no, cabin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadFactorRow {
    /// The flight.
    pub flight: FlightKey,
    /// Place of the leg in the flight, from 1.
    pub leg_no: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// Seats in the aircraft.
    pub capacity: i32,
    /// Seats of live holds, all providers.
    pub held: i32,
    /// Seats sold, all providers.
    pub sold: i32,
    /// Sold per thousand seats, rounded down; 0 when there are no seats.
    pub load_permille: i32,
}

/// View `oversold`: key = flight, leg_no, cabin, provider, class. Only rows with `oversold > 0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OversoldRow {
    /// The flight.
    pub flight: FlightKey,
    /// Place of the leg in the flight, from 1.
    pub leg_no: u8,
    /// The cabin.
    pub cabin: Cabin,
    /// Whose allotment is oversold; `None` = the aircraft over all providers.
    pub provider: Option<ProviderCode>,
    /// The booking class; `None` = the cabin.
    pub class: Option<Class>,
    /// Seats held or sold beyond the bound.
    pub oversold: i32,
}
