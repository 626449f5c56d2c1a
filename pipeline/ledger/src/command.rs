//! What can be asked of the ledger: the input of the fold.

use crate::codes::{
    Cabin, Carrier, Class, CommandId, Date, FlightKey, Money, ProviderCode, Station,
};
use crate::order::{OrderAction, OrderId, OrderSettings};

/// One record of a partition, as the ledger sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Position in the partition, counted from 0, without gaps.
    pub offset: u64,
    /// Unix time in milliseconds, stamped where the record was appended. The partition's clock is
    /// the highest value seen so far; a lower one does not turn it back.
    pub at_ms: i64,
    /// Identity of the command. One id has one outcome for as long as its flight lives.
    pub id: CommandId,
    /// What is asked.
    pub command: Command,
}

/// What a record asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A command about one flight.
    Flight(FlightKey, FlightCommand),
    /// Time has passed and nothing else was appended: lets holds expire and flights retire.
    Tick,
    /// From here on the partition folds with these settings.
    Configure(Settings),
    /// A provider's record that could not be read: kept with its reason, changes nothing.
    FeedReject(Box<FeedReject>),
    /// A mark a writer appends to find out where the log ends. Changes nothing.
    Fence,
    /// A command about one order. To the seats of the partition it is no more than time passing; the
    /// orders of the partition fold it: see [`Orders`](crate::order::Orders).
    Order(OrderId, Box<OrderAction>),
    /// From here on the partition's orders fold with these settings.
    ConfigureOrders(Box<OrderSettings>),
    /// A command about a provider's feed, which is about no single flight.
    Feed(ProviderCode, Box<FeedCommand>),
}

/// What concerns a provider's feed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedCommand {
    /// From here on the provider may be silent for so long, in milliseconds, before its seats are off
    /// sale in the partition; absent = for ever. It counts as heard now.
    Configure {
        /// The longest silence.
        silence_max_ms: Option<u64>,
    },
    /// The provider was heard at a time, though not in this partition.
    Heard {
        /// Unix time in milliseconds; later than the partition's clock means now.
        at_ms: i64,
    },
    /// Nothing of the provider is sold in the partition until it is resumed.
    Stop,
    /// What [`FeedCommand::Stop`] stopped goes on.
    Resume,
    /// A report about flights that are known by number and day alone. Changes nothing here: whoever
    /// appends it makes commands of it for the flights there are and, since it stays in the stream,
    /// for those to come.
    Unplaced(Box<UnplacedReport>),
    /// A full replacement of the provider's flights closed. Changes nothing here: flights of an older
    /// report that come later are withdrawn by whoever appends them.
    Replaced(Replaced),
    /// A message of the provider's came that its sender numbers. Changes nothing here: whoever appends it finds
    /// by it which messages are missing.
    Numbered(Numbered),
}

/// A message that its sender numbers, by which others are missed.
///
/// Messages that belong together are a group, numbered from 1, the last one marked. Whether the groups of a day
/// are numbered without gaps for this receiver, the format does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Numbered {
    /// Which kind of message: each is numbered apart.
    pub series: Series,
    /// The day of its reference.
    pub day: Date,
    /// Its group on that day.
    pub group: u32,
    /// Its number in the group, from 1.
    pub number: u32,
    /// It is the last of its group.
    pub is_last: bool,
}

/// Kinds of numbered messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Series {
    /// Schedules of periods.
    Ssm = 1,
    /// Schedules of single days.
    Asm = 2,
}

impl Series {
    /// How messages of it begin.
    pub const fn name(self) -> &'static str {
        match self {
            Series::Ssm => "SSM",
            Series::Asm => "ASM",
        }
    }
}

/// A report about the flights of a number and a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnplacedReport {
    /// The airline.
    pub carrier: Carrier,
    /// The number, 1 to 9999.
    pub number: u16,
    /// Operational suffix letter, 0 when there is none.
    pub suffix: u8,
    /// Day of departure at the first station.
    pub date: Date,
    /// The day is counted in UTC, not in local time.
    pub utc: bool,
    /// All but the one that departs from here.
    pub but: Option<Station>,
    /// What is reported.
    pub event: ProviderEvent,
}

/// A full replacement that was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its version.
    pub version: SourceVersion,
    /// The airline whose flights were replaced; absent = of any.
    pub carrier: Option<Carrier>,
    /// First origin date.
    pub from: Date,
    /// Last origin date.
    pub to: Date,
}

/// A command about one flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlightCommand {
    /// Take seats off sale for a client until a deadline. The hold is named by this command's id.
    Hold(HoldRequest),
    /// Turn a live hold into a sale.
    Confirm {
        /// The id of the [`FlightCommand::Hold`].
        hold: CommandId,
    },
    /// Give a live hold back.
    Release {
        /// The id of the [`FlightCommand::Hold`].
        hold: CommandId,
    },
    /// Undo a sale (or give back a live hold): the seats can be sold again.
    Cancel {
        /// The id of the [`FlightCommand::Hold`].
        hold: CommandId,
    },
    /// Take the seats of a sale that its provider refused off sale at another provider of the flight,
    /// until a deadline. The hold is named by this command's id.
    Reseat(Reseat),
    /// Something a provider reports about the flight.
    Provider(Box<ProviderEvent>),
}

/// A request for the seats of a sale that its provider refused, from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseat {
    /// The id of the [`FlightCommand::Hold`] (or `Reseat`) that was sold and refused: same segment, cabin,
    /// class and seats, any provider but its own.
    pub hold: CommandId,
    /// How long to hold, in milliseconds.
    pub ttl_ms: u64,
    /// The most that one seat may cost.
    pub price_max: Money,
}

/// A request for seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// Whose allotment to sell from; absent = the cheapest that has the seats, ties by code.
    pub provider: Option<ProviderCode>,
    /// The cabin.
    pub cabin: Cabin,
    /// The booking class; absent = the cabin itself, without a class limit.
    pub class: Option<Class>,
    /// Where the passenger boards; absent = the first station.
    pub board: Option<Station>,
    /// Where the passenger leaves; absent = the last station.
    pub off: Option<Station>,
    /// How many seats, all or none. 1 to [`HoldRequest::SEATS_MAX`].
    pub seats: u16,
    /// How long to hold, in milliseconds; absent = [`Settings::hold_ttl_default_ms`].
    pub ttl_ms: Option<u64>,
    /// The price for one seat that the client was shown; another one refuses the hold.
    pub expected_price: Option<Money>,
    /// How long to wait for seats when there are not enough, in milliseconds, at most
    /// [`Settings::hold_ttl_max_ms`]; absent = do not wait: be refused.
    pub wait_ms: Option<u64>,
}

impl HoldRequest {
    /// The most seats one hold can take.
    pub const SEATS_MAX: u16 = 999;
}

/// Settings of the fold. They are data in the stream, so that every replica folds with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Deadline of a hold whose request names none, in milliseconds.
    pub hold_ttl_default_ms: u64,
    /// The longest hold that can be asked for, in milliseconds.
    pub hold_ttl_max_ms: u64,
    /// How long before departure of the boarding leg sale stops, in milliseconds.
    pub close_before_departure_ms: u64,
    /// How long after its last scheduled arrival (or departure, when no arrival is known) a flight
    /// is kept, in milliseconds. Afterwards its state and its command ids are forgotten; only its
    /// key is remembered, and commands for it are refused.
    pub retire_after_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold_ttl_default_ms: 15 * 60 * 1000,
            hold_ttl_max_ms: 7 * 24 * 3600 * 1000,
            close_before_departure_ms: 0,
            retire_after_ms: 3 * 24 * 3600 * 1000,
        }
    }
}

/// The provider's own ordering of its reports. Higher is newer; the fields compare in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceVersion {
    /// When the provider made the report (file creation, message time) or, where its format says
    /// nothing, when we received it. Unix time in milliseconds.
    pub time_ms: i64,
    /// Message group or file serial, 0 where the format has none.
    pub group: u32,
    /// Position within the group, 0 where the format has none.
    pub sequence: u32,
}

/// Something a provider reports about one flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    /// Who reports.
    pub provider: ProviderCode,
    /// Its place in the provider's own order. An event older than what was applied for the same
    /// provider and aspect is stale and changes nothing; an equal version applies again.
    pub version: SourceVersion,
    /// Weight of the provider's word on schedule, equipment and status when several providers
    /// report the same flight: the highest owns the flight, ties go to whoever was first.
    pub authority: u8,
    /// Marks set by the connector about what it repaired or guessed; see [`quality`].
    pub quality: u32,
    /// What is reported.
    pub body: ProviderBody,
}

impl ProviderEvent {
    /// Is it the provider's answer to an order that was taken to it, and no report of its feed?
    ///
    /// Such an answer has no version: [`SourceVersion::default`]. It says that the provider's way for orders
    /// works, and nothing of what its feed has to tell of seats: the provider is not heard by it, and it
    /// counts among no reports.
    pub fn answers_order(&self) -> bool {
        let about_sales = matches!(
            self.body,
            ProviderBody::Acknowledge(_) | ProviderBody::Refuse(_)
        );
        about_sales && self.version == SourceVersion::default()
    }
}

/// Bits of [`ProviderEvent::quality`].
pub mod quality {
    /// The arrival day was not given and was worked out.
    pub const REPAIRED_ARRIVAL_DAY: u32 = 1;
    /// The stated UTC offset disagrees with the zone database.
    pub const OFFSET_MISMATCH: u32 = 1 << 1;
    /// The seat count was not given, or was implausible, and was estimated.
    pub const SEATS_IMPUTED: u32 = 1 << 2;
    /// The operating flight was guessed.
    pub const GUESSED_OPERATING: u32 = 1 << 3;
    /// A code outside the provider's table was met.
    pub const UNKNOWN_CODE: u32 = 1 << 4;
    /// The record was cut or padded.
    pub const TRUNCATED_LINE: u32 = 1 << 5;
    /// The price was made by a formula and is not a real fare.
    pub const SYNTHETIC_FARE: u32 = 1 << 6;
    /// The cabin of a booking class was not given and was taken by convention.
    pub const GUESSED_CABIN: u32 = 1 << 7;
    /// Every name, in bit order, for display.
    pub const NAMES: [&str; 8] = [
        "repaired_arrival_day",
        "offset_mismatch",
        "seats_imputed",
        "guessed_operating",
        "unknown_code",
        "truncated_line",
        "synthetic_fare",
        "guessed_cabin",
    ];
}

/// What a provider can report.
///
/// Aspects are versioned apart, per provider: timing ([`Schedule`](ProviderBody::Schedule),
/// [`TimeChange`](ProviderBody::TimeChange)), equipment (`Schedule`,
/// [`Equipment`](ProviderBody::Equipment)), status (`Schedule`, [`Cancel`](ProviderBody::Cancel),
/// [`Reinstate`](ProviderBody::Reinstate), [`Withdraw`](ProviderBody::Withdraw)), availability per
/// (scope, cabin, class), fares per (segment, cabin, class), terms, acknowledgements and refusals (unversioned).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderBody {
    /// The flight as planned: creates it, or changes timing, equipment and status at once.
    Schedule(Schedule),
    /// New times, same legs.
    TimeChange(Vec<LegTimes>),
    /// Another aircraft or configuration on one leg, or on all.
    Equipment(Equipment),
    /// Seats open for sale.
    Availability(Availability),
    /// Prices. Each replaces the one with the same segment, cabin and class.
    Fares(Vec<Fare>),
    /// Overbooking allowance by cabin, in seats, replaced as a whole.
    Terms(Vec<(Cabin, u16)>),
    /// The flight will not fly (owner), or this provider no longer sells it (others).
    Cancel,
    /// A cancelled or withdrawn flight is back.
    Reinstate,
    /// A full replacement no longer names the flight: like [`ProviderBody::Cancel`], told apart in
    /// the history.
    Withdraw,
    /// The provider knows of these sales of ours (by the hold's id): its later *remaining* counts
    /// have them taken off.
    Acknowledge(Vec<CommandId>),
    /// The provider does not take these sales of ours (by the hold's id): they are cancelled, and what
    /// they were sold from is not for sale until it reports anew.
    Refuse(Vec<CommandId>),
}

/// A flight as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// In flying order; each leg's `off` is the next one's `board`. 1 to [`Schedule::LEGS_MAX`].
    pub legs: Vec<Leg>,
    /// Pairs of stations between which seats are not sold (no local traffic and the like).
    pub restricted: Vec<(Station, Station)>,
    /// The flight that operates this one, when this key is a codeshare's marketing number.
    /// Seats are only ever counted on the operating key.
    pub operating: Option<FlightKey>,
}

impl Schedule {
    /// The most legs a flight can have.
    pub const LEGS_MAX: usize = 12;
}

/// One leg as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Departure station.
    pub board: Station,
    /// Arrival station.
    pub off: Station,
    /// Times.
    pub times: LegTimes,
    /// IATA aircraft type, or zeros when unknown.
    pub aircraft: [u8; 3],
    /// IATA service type letter, `J` for scheduled passenger.
    pub service: u8,
    /// Cabins with their seats and booking classes.
    pub cabins: Vec<CabinPlan>,
}

/// Times of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegTimes {
    /// Departure station of the leg, to name it in a [`ProviderBody::TimeChange`].
    pub board: Station,
    /// Departure, Unix time in seconds.
    pub departs_s: i64,
    /// Arrival, Unix time in seconds.
    pub arrives_s: i64,
    /// Local time minus UTC at departure, in minutes.
    pub departs_offset_min: i16,
    /// Local time minus UTC at arrival, in minutes.
    pub arrives_offset_min: i16,
}

/// Seats of one cabin of one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CabinPlan {
    /// The cabin.
    pub cabin: Cabin,
    /// Seats in the aircraft; absent = unknown, and then no physical cap applies.
    pub seats: Option<u16>,
    /// What this provider may sell in the cabin, when that is not all of `seats`.
    pub authorised: Option<u16>,
    /// Booking classes, highest first: each is nested in those before it.
    pub classes: Vec<ClassPlan>,
}

/// A booking class in its nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassPlan {
    /// The class letter.
    pub class: Class,
    /// Authorisation limit: the most seats sold in this class and those nested below it together.
    /// Absent = as much as the cabin.
    pub limit: Option<u16>,
}

/// Another aircraft or configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equipment {
    /// Departure station of the leg; absent = all legs.
    pub board: Option<Station>,
    /// IATA aircraft type, or zeros when unknown.
    pub aircraft: [u8; 3],
    /// Cabins now on board. Cabins that are not named have no seats any more.
    pub cabins: Vec<CabinPlan>,
}

/// How a provider's count is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counts {
    /// An allotment: how many seats we may sell in all. Available = count − ours.
    Total,
    /// What is left for sale by anyone. Available = count − those of our sales that the report
    /// cannot know yet: the ones not acknowledged before it in the stream.
    Remaining,
}

/// What a count or status applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The leg that departs at the station, hence every segment that uses it.
    Leg(Station),
    /// Exactly the segment between the two stations.
    Segment(Station, Station),
    /// Every leg.
    Flight,
}

/// The sale status a provider gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SaleStatus {
    /// On sale.
    Open,
    /// Only on request to the provider: nothing is sold from here.
    Request,
    /// Closed, the waitlist is open.
    WaitlistOpen,
    /// Closed.
    Closed,
    /// Does not operate on this leg or segment.
    NotOperating,
}

/// Seats open for sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Where it applies.
    pub level: Level,
    /// The cabin; absent = found by the class, or all cabins when that is absent too.
    pub cabin: Option<Cabin>,
    /// The class; absent = the whole cabin.
    pub class: Option<Class>,
    /// On sale or not.
    pub status: SaleStatus,
    /// The count; absent = the status alone is reported and counts stay as they are.
    /// May be negative: providers report oversale so.
    pub seats: Option<i32>,
    /// The count is a floor: "9" means nine or more.
    pub is_floor: bool,
    /// How to read the count.
    pub counts: Counts,
    /// Until when it holds, Unix time in milliseconds, by the partition's clock; from then on what it
    /// is about is not sold, until something newer is reported of it. Absent, and the highest value
    /// there is = for good.
    pub expires_ms: Option<i64>,
}

/// The price of one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fare {
    /// The segment; absent = the whole flight.
    pub segment: Option<(Station, Station)>,
    /// The cabin.
    pub cabin: Cabin,
    /// The class; absent = any class of the cabin without a fare of its own.
    pub class: Option<Class>,
    /// Price of one seat, taxes included.
    pub price: Money,
}

/// A provider's record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedReject {
    /// Who sent it.
    pub provider: ProviderCode,
    /// File or message it came in.
    pub message: String,
    /// Line or record number in it, from 1.
    pub line: u64,
    /// Stable code of the fault, such as `bad_time`.
    pub code: String,
    /// What was wrong, for people.
    pub reason: String,
    /// The record as received, cut to a stated length by the connector.
    pub raw: Vec<u8>,
}
