//! What a flight remembers: every command with its outcome, and its holds, in a few dense bytes.

use crate::codes::{Cabin, Class, CommandId, Currency, Money, ProviderCode, Station};
use crate::outcome::{Outcome, Reason};
use crate::view::HoldState;

/// No legs: the stations of the hold are no segment of the flight (any more).
pub(crate) const NO_LEG: u8 = u8::MAX;

/// No sale: not acknowledged.
pub(crate) const NO_MEMO: u32 = u32::MAX;

/// The part of a hold that changes, in one cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Hold {
    pub(crate) id: CommandId,
    pub(crate) deadline_ms: i64,
    pub(crate) changed_offset: u64,
    pub(crate) changed_at_ms: i64,
    /// Index in [`Flight::providers`](crate::Flight).
    pub(crate) provider: u32,
    /// Index of the acknowledgement in [`Flight::memos`](crate::Flight), or [`NO_MEMO`].
    pub(crate) acknowledged: u32,
    pub(crate) seats: u16,
    pub(crate) state: HoldState,
    pub(crate) seated: Seated,
    pub(crate) cabin: Cabin,
    pub(crate) class: Option<Class>,
    pub(crate) segment: Segment,
}

/// How a hold came to its seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Seated {
    /// By the command that made it.
    AtOnce,
    /// It waits for them, or ended before it got any.
    NotYet,
    /// It had waited for them.
    AfterWaiting,
}

/// The part of a hold that stays as it was made.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// Fingerprint of the request.
    pub(crate) details: u64,
    pub(crate) offset: u64,
    pub(crate) created_at_ms: i64,
    pub(crate) price: PackedMoney,
}

/// A command that made no hold, two to a cache line.
#[derive(Clone, Copy)]
pub(crate) struct Memo {
    pub(crate) id: CommandId,
    /// Fingerprint of the command.
    pub(crate) details: u64,
    /// Offset above, [`Answer`] below.
    packed: u64,
}

/// A part of the route: legs and the stations that identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First leg, or [`NO_LEG`].
    pub(crate) first: u8,
    /// Last leg, or [`NO_LEG`].
    pub(crate) last: u8,
    pub(crate) board: Station,
    pub(crate) off: Station,
}

impl Segment {
    /// Is it on the flight's route?
    pub(crate) const fn is_flown(&self) -> bool {
        self.first != NO_LEG
    }
}

/// Seats of one hold and the buckets that they come from.
#[derive(Clone, Copy)]
pub(crate) struct Take {
    pub(crate) provider: u32,
    pub(crate) segment: Segment,
    pub(crate) cabin: Cabin,
    pub(crate) class: Option<Class>,
    pub(crate) seats: i32,
}

impl Hold {
    /// Seats that it has or had.
    pub(crate) fn seats_had(&self) -> u16 {
        match self.seated {
            Seated::NotYet => 0,
            Seated::AtOnce | Seated::AfterWaiting => self.seats,
        }
    }

    #[inline(always)]
    pub(crate) fn take(&self) -> Take {
        Take {
            provider: self.provider,
            segment: self.segment,
            cabin: self.cabin,
            class: self.class,
            seats: i32::from(self.seats),
        }
    }
}

impl Origin {
    #[inline(always)]
    pub(crate) fn new(details: u64, offset: u64, created_at_ms: i64, price: PackedMoney) -> Self {
        Self {
            details,
            offset,
            created_at_ms,
            price,
        }
    }

    pub(crate) fn price(&self) -> Option<Money> {
        self.price.get()
    }

    /// The outcome of the command that made the hold, unless it waited.
    pub(crate) fn outcome(&self, hold: &Hold, provider: ProviderCode) -> Outcome {
        Outcome::Held {
            provider,
            seats: hold.seats,
            deadline_ms: hold.deadline_ms,
            price: self.price(),
        }
    }
}

impl Memo {
    /// A partition that appends a million records a second has this many after nine years.
    const OFFSETS: u64 = 1 << (64 - Answer::BITS);

    /// With an answer that says where to look for the offset and the outcome when there is no room
    /// for them here.
    #[inline(always)]
    pub(crate) fn new(id: CommandId, details: u64, offset: u64, outcome: &Outcome) -> Self {
        let packed = match Answer::new(outcome) {
            Some(answer) if offset < Self::OFFSETS => {
                offset << Answer::BITS | u64::from(answer.bits())
            }
            _ => u64::from(Answer::ELSEWHERE.bits()),
        };
        Self {
            id,
            details,
            packed,
        }
    }

    #[inline(always)]
    pub(crate) const fn answer_is_elsewhere(&self) -> bool {
        self.packed == Answer::ELSEWHERE.bits() as u64
    }

    /// What it says in numbers: offset and answer.
    pub(crate) const fn packed(&self) -> (u64, u16) {
        (self.packed >> Answer::BITS, self.packed as u16)
    }

    /// Back from [`Memo::packed`]; nothing when there is no such answer.
    pub(crate) fn from_packed(
        id: CommandId,
        details: u64,
        offset: u64,
        answer: u16,
    ) -> Option<Self> {
        let kind = Kind::ALL.get(usize::from(answer >> 12))?;
        let is_elsewhere = answer == Answer::ELSEWHERE.bits();
        let is_answer = *kind != Kind::Elsewhere && Answer::from_bits(answer).outcome().is_some();
        let fits = offset < Self::OFFSETS && (!is_elsewhere || offset == 0);
        (fits && (is_elsewhere || is_answer)).then_some(Self {
            id,
            details,
            packed: offset << Answer::BITS | u64::from(answer),
        })
    }

    /// Offset and outcome, unless they stand elsewhere.
    #[inline]
    pub(crate) fn answer(&self) -> Option<(u64, Outcome)> {
        let outcome = Answer::from_bits(self.packed as u16).outcome()?;
        Some((self.packed >> Answer::BITS, outcome))
    }
}

/// An optional price in 12 bytes.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(crate) struct PackedMoney {
    minor: i64,
    currency: [u8; 3],
    exponent: u8,
}

impl PackedMoney {
    const NONE: u8 = u8::MAX;

    #[inline(always)]
    pub(crate) fn new(money: Option<Money>) -> Self {
        match money {
            None => Self {
                minor: 0,
                currency: [0; 3],
                exponent: Self::NONE,
            },
            Some(money) => {
                assert!(money.exponent != Self::NONE, "a price was not validated");
                Self {
                    minor: money.minor,
                    currency: money.currency.bytes(),
                    exponent: money.exponent,
                }
            }
        }
    }

    #[inline(always)]
    pub(crate) fn get(self) -> Option<Money> {
        // The bytes came out of a currency; what cannot be is answered with no price, not a crash.
        let currency = Currency::from_bytes(self.currency).ok()?;
        (self.exponent != Self::NONE).then_some(Money {
            minor: self.minor,
            currency,
            exponent: self.exponent,
        })
    }
}

/// An outcome other than `Held` in 16 bits, as far as they go.
#[derive(Clone, Copy)]
struct Answer {
    kind: Kind,
    /// Seats, mostly; below [`Answer::NUMBERS`].
    number: u16,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What an [`Answer`] says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            const ALL: &[Kind] = &[$(Kind::$name),*];
        }
    };
}

kinds! {
    Confirmed, ConfirmedAlready, Released, ReleasedAlready, Cancelled, CancelledAlready,
    Accepted, AcceptedPartly, Stale, Noted, SoldOut,
    /// A refusal that carries no value; the number is its place among [`PLAIN`].
    Plain,
    /// There is no room for it here.
    Elsewhere,
}

macro_rules! plain_reasons {
    ($($name:ident),* $(,)?) => {
        /// The refusals that carry no value.
        const PLAIN: &[Reason] = &[$(Reason::$name),*];

        /// Place of a refusal among [`PLAIN`].
        #[inline]
        const fn plain_number(reason: &Reason) -> Option<u16> {
            #[derive(Clone, Copy)]
            #[repr(u16)]
            enum Place { $($name),* }
            match reason {
                $(Reason::$name => Some(Place::$name as u16),)*
                Reason::SoldOut { .. } | Reason::PriceChanged { .. } => None,
            }
        }
    };
}

plain_reasons! {
    UnknownFlight, FlightCancelled, Departed, Retired, UnknownSegment, SegmentRestricted,
    UnknownCabin, UnknownClass, UnknownProvider, Closed, NotOperating, InvalidSeats, InvalidTtl,
    UnknownHold, Expired, AlreadyReleased, AlreadyCancelled, AlreadyConfirmed, Displaced,
    InvalidEvent, NotScheduled, NotOwner, StillWaiting, ProviderStopped, ProviderSilent,
}

impl Answer {
    const BITS: u32 = 16;
    const NUMBERS: u16 = 1 << 12;
    const ELSEWHERE: Self = Self {
        kind: Kind::Elsewhere,
        number: 0,
    };

    #[inline(always)]
    const fn bits(self) -> u16 {
        (self.kind as u16) << 12 | self.number
    }

    fn from_bits(bits: u16) -> Self {
        Self {
            kind: Kind::ALL[usize::from(bits >> 12)],
            number: bits % Self::NUMBERS,
        }
    }

    #[inline(always)]
    fn new(outcome: &Outcome) -> Option<Self> {
        let either = |already, no, yes| if already { yes } else { no };
        let (kind, number) = match *outcome {
            Outcome::Confirmed { seats, already } => (
                either(already, Kind::Confirmed, Kind::ConfirmedAlready),
                seats,
            ),
            Outcome::Released { seats, already } => (
                either(already, Kind::Released, Kind::ReleasedAlready),
                seats,
            ),
            Outcome::Cancelled { seats, already } => (
                either(already, Kind::Cancelled, Kind::CancelledAlready),
                seats,
            ),
            Outcome::Accepted {
                displaced,
                partly_stale,
            } => (
                either(partly_stale, Kind::Accepted, Kind::AcceptedPartly),
                u16::try_from(displaced).ok()?,
            ),
            Outcome::Stale => (Kind::Stale, 0),
            Outcome::Noted => (Kind::Noted, 0),
            Outcome::Refused(Reason::SoldOut { available }) => (Kind::SoldOut, available),
            Outcome::Refused(ref reason) => (Kind::Plain, plain_number(reason)?),
            Outcome::Held { .. } | Outcome::Waiting { .. } => return None,
        };
        (number < Self::NUMBERS).then_some(Self { kind, number })
    }

    fn outcome(self) -> Option<Outcome> {
        let seats = self.number;
        let displaced = u32::from(self.number);
        let already = matches!(
            self.kind,
            Kind::ConfirmedAlready | Kind::ReleasedAlready | Kind::CancelledAlready
        );
        Some(match self.kind {
            Kind::Confirmed | Kind::ConfirmedAlready => Outcome::Confirmed { seats, already },
            Kind::Released | Kind::ReleasedAlready => Outcome::Released { seats, already },
            Kind::Cancelled | Kind::CancelledAlready => Outcome::Cancelled { seats, already },
            Kind::Accepted | Kind::AcceptedPartly => Outcome::Accepted {
                displaced,
                partly_stale: self.kind == Kind::AcceptedPartly,
            },
            Kind::Stale => Outcome::Stale,
            Kind::Noted => Outcome::Noted,
            Kind::SoldOut => Outcome::Refused(Reason::SoldOut { available: seats }),
            Kind::Plain => Outcome::Refused(*PLAIN.get(usize::from(self.number))?),
            Kind::Elsewhere => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_the_layout_was_chosen_for() {
        assert_eq!(size_of::<Hold>(), 64);
        assert_eq!(size_of::<Origin>(), 40);
        assert_eq!(size_of::<Memo>(), 32);
        assert!(Kind::ALL.len() <= 16 && PLAIN.len() <= usize::from(Answer::NUMBERS));
        let numbers = Kind::ALL
            .iter()
            .zip(0..)
            .all(|(kind, at)| *kind as u8 == at);
        assert!(numbers);
    }

    #[test]
    fn usual_outcomes_come_back_as_they_went_in() {
        let mut outcomes = vec![
            Outcome::Stale,
            Outcome::Noted,
            Outcome::Refused(Reason::SoldOut { available: 0 }),
            Outcome::Refused(Reason::SoldOut { available: 4095 }),
        ];
        for already in [false, true] {
            let seats = 999;
            outcomes.extend([
                Outcome::Confirmed { seats, already },
                Outcome::Released { seats, already },
                Outcome::Cancelled { seats, already },
                Outcome::Accepted {
                    displaced: 4095,
                    partly_stale: already,
                },
            ]);
        }
        outcomes.extend(PLAIN.iter().map(|reason| Outcome::Refused(*reason)));
        assert_eq!(outcomes.len(), 4 + 8 + 25);
        for outcome in outcomes {
            let last = Memo::OFFSETS - 1;
            let memo = Memo::new(CommandId(1), 2, last, &outcome);
            assert_eq!(memo.answer(), Some((last, outcome)));
            let memo = Memo::new(CommandId(1), 2, last + 1, &outcome);
            assert_eq!(memo.answer(), None);
        }
    }

    #[test]
    fn unusual_outcomes_stand_elsewhere() {
        for outcome in [
            Outcome::Refused(Reason::SoldOut { available: 4096 }),
            Outcome::Refused(Reason::PriceChanged { now: None }),
            Outcome::Accepted {
                displaced: 4096,
                partly_stale: false,
            },
            Outcome::Accepted {
                displaced: u32::MAX,
                partly_stale: true,
            },
        ] {
            assert_eq!(Memo::new(CommandId(1), 2, 3, &outcome).answer(), None);
        }
    }
}
