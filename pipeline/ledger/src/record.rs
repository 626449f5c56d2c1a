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
    pub(crate) cabin: Cabin,
    pub(crate) class: Option<Class>,
    pub(crate) segment: Segment,
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

/// A command that made no hold.
#[derive(Clone, Copy)]
pub(crate) struct Memo {
    pub(crate) id: CommandId,
    /// Fingerprint of the command.
    pub(crate) details: u64,
    pub(crate) offset: u64,
    answer: Answer,
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

    /// The outcome of the command that made the hold.
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
    #[inline(always)]
    pub(crate) fn new(id: CommandId, details: u64, offset: u64, outcome: &Outcome) -> Self {
        Self {
            id,
            details,
            offset,
            answer: Answer::new(outcome),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.answer.outcome()
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

/// An outcome other than `Held` in 16 bytes.
#[derive(Clone, Copy)]
#[repr(C)]
struct Answer {
    kind: Kind,
    flag: bool,
    /// Seats, mostly.
    number: u16,
    money: PackedMoney,
}

/// Everything an [`Answer`] can say.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Confirmed,
    Released,
    Cancelled,
    Accepted,
    Stale,
    Noted,
    SoldOut,
    PriceChanged,
    /// A refusal that carries no value: its place among [`PLAIN`] stands in the number.
    Plain,
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
    InvalidEvent, NotScheduled, NotOwner,
}

impl Answer {
    #[inline(always)]
    fn new(outcome: &Outcome) -> Self {
        let plain = |kind, flag, number| Self {
            kind,
            flag,
            number,
            money: PackedMoney::new(None),
        };
        match *outcome {
            Outcome::Confirmed { seats, already } => plain(Kind::Confirmed, already, seats),
            Outcome::Released { seats, already } => plain(Kind::Released, already, seats),
            Outcome::Cancelled { seats, already } => plain(Kind::Cancelled, already, seats),
            Outcome::Accepted {
                displaced,
                partly_stale,
            } => {
                let mut answer = plain(Kind::Accepted, partly_stale, 0);
                answer.money.minor = i64::from(displaced);
                answer
            }
            Outcome::Stale => plain(Kind::Stale, false, 0),
            Outcome::Noted => plain(Kind::Noted, false, 0),
            Outcome::Refused(Reason::SoldOut { available }) => {
                plain(Kind::SoldOut, false, available)
            }
            Outcome::Refused(Reason::PriceChanged { now }) => Self {
                money: PackedMoney::new(now),
                ..plain(Kind::PriceChanged, false, 0)
            },
            Outcome::Refused(ref reason) => match plain_number(reason) {
                Some(number) => plain(Kind::Plain, false, number),
                None => unreachable!("the reasons with a value were matched above"),
            },
            Outcome::Held { .. } => unreachable!("a hold is remembered as a hold"),
        }
    }

    fn outcome(&self) -> Outcome {
        let (seats, already) = (self.number, self.flag);
        match self.kind {
            Kind::Confirmed => Outcome::Confirmed { seats, already },
            Kind::Released => Outcome::Released { seats, already },
            Kind::Cancelled => Outcome::Cancelled { seats, already },
            Kind::Accepted => Outcome::Accepted {
                displaced: u32::try_from(self.money.minor).unwrap_or(u32::MAX),
                partly_stale: self.flag,
            },
            Kind::Stale => Outcome::Stale,
            Kind::Noted => Outcome::Noted,
            Kind::SoldOut => Outcome::Refused(Reason::SoldOut { available: seats }),
            Kind::PriceChanged => Outcome::Refused(Reason::PriceChanged {
                now: self.money.get(),
            }),
            Kind::Plain => Outcome::Refused(PLAIN[usize::from(self.number)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_the_layout_was_chosen_for() {
        assert_eq!(size_of::<Hold>(), 64);
        assert_eq!(size_of::<Origin>(), 40);
        assert_eq!(size_of::<Memo>(), 48);
    }

    #[test]
    fn every_outcome_but_held_comes_back_as_it_went_in() {
        let usd = Money {
            minor: -12_345,
            currency: "USD".parse().unwrap(),
            exponent: 2,
        };
        let mut outcomes = vec![
            Outcome::Stale,
            Outcome::Noted,
            Outcome::Refused(Reason::SoldOut { available: 65_535 }),
            Outcome::Refused(Reason::PriceChanged { now: None }),
            Outcome::Refused(Reason::PriceChanged { now: Some(usd) }),
        ];
        for already in [false, true] {
            let seats = 999;
            outcomes.extend([
                Outcome::Confirmed { seats, already },
                Outcome::Released { seats, already },
                Outcome::Cancelled { seats, already },
                Outcome::Accepted {
                    displaced: u32::MAX,
                    partly_stale: already,
                },
            ]);
        }
        outcomes.extend(PLAIN.iter().map(|reason| Outcome::Refused(*reason)));
        assert_eq!(outcomes.len(), 5 + 8 + 22);
        for outcome in outcomes {
            let memo = Memo::new(CommandId(1), 2, 3, &outcome);
            assert_eq!(memo.outcome(), outcome);
        }
    }
}
