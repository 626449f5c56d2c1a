//! Every answer the ledger gives.

use crate::codes::{CommandId, FlightKey, Money, ProviderCode};

/// What was decided about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Offset of the record in its partition.
    pub offset: u64,
    /// The partition's clock when it was decided, Unix time in milliseconds.
    pub at_ms: i64,
    /// The command's id.
    pub id: CommandId,
    /// The flight, or [`FlightKey::NONE`] for records about no flight.
    pub flight: FlightKey,
    /// What kind of command it was.
    pub kind: Kind,
    /// The answer. For a replay: the answer given the first time.
    pub outcome: Outcome,
    /// Whether the id was seen before.
    pub replay: Replay,
}

/// Kinds of command, as they are named in answers and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `hold`
    Hold = 1,
    /// `confirm`
    Confirm = 2,
    /// `release`
    Release = 3,
    /// `cancel`
    Cancel = 4,
    /// `schedule`
    Schedule = 5,
    /// `time_change`
    TimeChange = 6,
    /// `equipment`
    Equipment = 7,
    /// `availability`
    Availability = 8,
    /// `fares`
    Fares = 9,
    /// `terms`
    Terms = 10,
    /// `flight_cancel`
    FlightCancel = 11,
    /// `flight_reinstate`
    FlightReinstate = 12,
    /// `flight_withdraw`
    FlightWithdraw = 13,
    /// `acknowledge`
    Acknowledge = 14,
    /// `tick`
    Tick = 15,
    /// `configure`
    Configure = 16,
    /// `feed_reject`
    FeedReject = 17,
    /// `fence`
    Fence = 18,
    /// `order`: what it was about the order is the order's own decision.
    Order = 19,
    /// `configure_orders`
    ConfigureOrders = 20,
    /// `feed_configure`
    FeedConfigure = 21,
    /// `feed_heard`
    FeedHeard = 22,
    /// `feed_stop`
    FeedStop = 23,
    /// `feed_resume`
    FeedResume = 24,
    /// `feed_unplaced`
    FeedUnplaced = 25,
    /// `feed_replaced`
    FeedReplaced = 26,
    /// `reseat`
    Reseat = 27,
    /// `refuse`
    Refuse = 28,
    /// `feed_numbered`
    FeedNumbered = 29,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Kind; 29] = [
        Kind::Hold,
        Kind::Confirm,
        Kind::Release,
        Kind::Cancel,
        Kind::Schedule,
        Kind::TimeChange,
        Kind::Equipment,
        Kind::Availability,
        Kind::Fares,
        Kind::Terms,
        Kind::FlightCancel,
        Kind::FlightReinstate,
        Kind::FlightWithdraw,
        Kind::Acknowledge,
        Kind::Tick,
        Kind::Configure,
        Kind::FeedReject,
        Kind::Fence,
        Kind::Order,
        Kind::ConfigureOrders,
        Kind::FeedConfigure,
        Kind::FeedHeard,
        Kind::FeedStop,
        Kind::FeedResume,
        Kind::FeedUnplaced,
        Kind::FeedReplaced,
        Kind::Reseat,
        Kind::Refuse,
        Kind::FeedNumbered,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Hold => "hold",
            Kind::Confirm => "confirm",
            Kind::Release => "release",
            Kind::Cancel => "cancel",
            Kind::Schedule => "schedule",
            Kind::TimeChange => "time_change",
            Kind::Equipment => "equipment",
            Kind::Availability => "availability",
            Kind::Fares => "fares",
            Kind::Terms => "terms",
            Kind::FlightCancel => "flight_cancel",
            Kind::FlightReinstate => "flight_reinstate",
            Kind::FlightWithdraw => "flight_withdraw",
            Kind::Acknowledge => "acknowledge",
            Kind::Tick => "tick",
            Kind::Configure => "configure",
            Kind::FeedReject => "feed_reject",
            Kind::Fence => "fence",
            Kind::Order => "order",
            Kind::ConfigureOrders => "configure_orders",
            Kind::FeedConfigure => "feed_configure",
            Kind::FeedHeard => "feed_heard",
            Kind::FeedStop => "feed_stop",
            Kind::FeedResume => "feed_resume",
            Kind::FeedUnplaced => "feed_unplaced",
            Kind::FeedReplaced => "feed_replaced",
            Kind::Reseat => "reseat",
            Kind::Refuse => "refuse",
            Kind::FeedNumbered => "feed_numbered",
        }
    }
}

/// Whether a command id was seen before in its flight's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Replay {
    /// First time: the outcome was decided now.
    First,
    /// Seen before with the same details: the outcome is the one of the first time and nothing
    /// changed. For a hold this is the field's `AlreadyHeld`.
    Same {
        /// Where it was first decided.
        first_offset: u64,
    },
    /// Seen before with other details: refused, nothing changed, `outcome` is the first one's.
    /// For a hold this is the field's `HeldWithDifferentDetails`.
    Different {
        /// Where it was first decided.
        first_offset: u64,
    },
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Seats are held.
    Held {
        /// From whose allotment.
        provider: ProviderCode,
        /// Seats held.
        seats: u16,
        /// When the hold lapses, Unix time in milliseconds, by the partition's clock.
        deadline_ms: i64,
        /// Price of one seat, when the provider gave one.
        price: Option<Money>,
    },
    /// There are not enough seats, and the hold waits for them: it is held as soon as they are there.
    Waiting {
        /// Until when it waits, Unix time in milliseconds, by the partition's clock.
        deadline_ms: i64,
        /// How many holds of the flight waited before it when it came. They need not be for the
        /// same seats.
        ahead: u32,
    },
    /// The hold is now a sale. `already` = it was one before this command.
    Confirmed {
        /// Seats sold.
        seats: u16,
        /// The hold had been confirmed by another command before.
        already: bool,
    },
    /// The hold was given back. `already` = before this command.
    Released {
        /// Seats given back; 0 when it was still waiting for them.
        seats: u16,
        /// The hold had been released by another command before.
        already: bool,
    },
    /// The sale (or live hold) was undone. `already` = before this command.
    Cancelled {
        /// Seats given back; 0 when it was still waiting for them.
        seats: u16,
        /// It had been cancelled by another command before.
        already: bool,
    },
    /// A provider's event was applied.
    Accepted {
        /// Live holds that lost their seats to it, and waiting ones that lost their hope.
        displaced: u32,
        /// Some aspect of it was older than what was known and was left alone.
        partly_stale: bool,
    },
    /// A provider's event was older than what was known: nothing changed.
    Stale,
    /// A record about no flight was noted.
    Noted,
    /// Refused, for this reason, for ever for this id.
    Refused(Reason),
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not enough seats.
    SoldOut {
        /// How many there are for exactly this request (provider, cabin, class, segment); may be 0.
        available: u16,
    },
    /// The flight is unknown.
    UnknownFlight,
    /// The flight will not fly.
    FlightCancelled,
    /// Sale of the boarding leg has ended.
    Departed,
    /// The flight is over and was forgotten.
    Retired,
    /// The stations are no segment of this flight.
    UnknownSegment,
    /// Seats are not sold between the two stations.
    SegmentRestricted,
    /// The cabin is not on this flight.
    UnknownCabin,
    /// The class is not in this cabin.
    UnknownClass,
    /// The provider does not sell this flight.
    UnknownProvider,
    /// The provider closed the cabin, class, leg or segment, or sells it on request only.
    Closed,
    /// The price is another one by now.
    PriceChanged {
        /// The price of one seat now; absent = there is none any more.
        now: Option<Money>,
    },
    /// The flight is sold under its operating number only.
    NotOperating,
    /// Seats must be 1 to [`HoldRequest::SEATS_MAX`](crate::HoldRequest::SEATS_MAX).
    InvalidSeats,
    /// The time to hold, and that to wait if any, must be above 0 and at most the configured maximum.
    InvalidTtl,
    /// There is no hold of that id on this flight.
    UnknownHold,
    /// The hold lapsed at its deadline.
    Expired,
    /// The hold was given back before.
    AlreadyReleased,
    /// The sale was undone before.
    AlreadyCancelled,
    /// The hold is a sale by now: cancel it instead.
    AlreadyConfirmed,
    /// The hold lost its seats when the provider cut capacity or cancelled the flight.
    Displaced,
    /// A provider's event that contradicts itself or the flight (no legs, legs that do not
    /// connect, a count out of range, an unknown station): nothing changed.
    InvalidEvent,
    /// A provider's change to a flight that was never scheduled.
    NotScheduled,
    /// A change of times from a provider that does not own the flight's schedule.
    NotOwner,
    /// The hold has no seats yet: it waits for them.
    StillWaiting,
    /// The provider was told to sell nothing for now.
    ProviderStopped,
    /// The provider has been silent for longer than it may be: what it said is not relied on.
    ProviderSilent,
}

impl Outcome {
    /// The stable name, as tables and answers show it.
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Held { .. } => "held",
            Outcome::Waiting { .. } => "waiting",
            Outcome::Confirmed { .. } => "confirmed",
            Outcome::Released { .. } => "released",
            Outcome::Cancelled { .. } => "cancelled",
            Outcome::Accepted { .. } => "accepted",
            Outcome::Stale => "stale",
            Outcome::Noted => "noted",
            Outcome::Refused(_) => "refused",
        }
    }

    /// Did the command make a hold, with seats or waiting for them?
    pub const fn makes_hold(&self) -> bool {
        matches!(self, Outcome::Held { .. } | Outcome::Waiting { .. })
    }

    /// The refusal, if it is one.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Outcome::Refused(reason) => Some(*reason),
            _ => None,
        }
    }
}

impl Reason {
    /// The stable code, as tables and answers show it.
    pub const fn code(&self) -> &'static str {
        match self {
            Reason::SoldOut { .. } => "sold_out",
            Reason::UnknownFlight => "unknown_flight",
            Reason::FlightCancelled => "flight_cancelled",
            Reason::Departed => "departed",
            Reason::Retired => "retired",
            Reason::UnknownSegment => "unknown_segment",
            Reason::SegmentRestricted => "segment_restricted",
            Reason::UnknownCabin => "unknown_cabin",
            Reason::UnknownClass => "unknown_class",
            Reason::UnknownProvider => "unknown_provider",
            Reason::Closed => "closed",
            Reason::PriceChanged { .. } => "price_changed",
            Reason::NotOperating => "not_operating",
            Reason::InvalidSeats => "invalid_seats",
            Reason::InvalidTtl => "invalid_ttl",
            Reason::UnknownHold => "unknown_hold",
            Reason::Expired => "expired",
            Reason::AlreadyReleased => "already_released",
            Reason::AlreadyCancelled => "already_cancelled",
            Reason::AlreadyConfirmed => "already_confirmed",
            Reason::Displaced => "displaced",
            Reason::InvalidEvent => "invalid_event",
            Reason::NotScheduled => "not_scheduled",
            Reason::NotOwner => "not_owner",
            Reason::StillWaiting => "still_waiting",
            Reason::ProviderStopped => "provider_stopped",
            Reason::ProviderSilent => "provider_silent",
        }
    }
}
