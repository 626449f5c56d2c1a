//! What clients ask for: hold, confirm, release, cancel. Rules: `docs/ledger.md`.

use crate::codes::{Cabin, Class, CommandId, Money};
use crate::command::{HoldRequest, SaleStatus, Settings};
use crate::expiry::Due;
use crate::flight::{Flight, Step};
use crate::inventory::{CabinSeats, NO_BOUND, Provider, SegmentKey};
use crate::observer::Observer;
use crate::outcome::{Outcome, Reason};
use crate::record::{Hold, NO_MEMO, Origin, Segment};
use crate::view::HoldState;

/// What a provider has for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    UnknownCabin,
    UnknownClass,
    Closed,
    Open,
}

/// A class in its nest on one leg.
enum ClassStatus {
    Open,
    Closed,
    Unknown,
}

/// Seats for a request, statuses aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) supply: Supply,
    /// Signed; means something when the supply is closed or open.
    pub(crate) available: i64,
    /// Every bound that gives this number is a floor. Only worked out when asked for.
    pub(crate) is_floor: bool,
}

/// What is shown outside: never below 0.
#[inline(always)]
pub(crate) fn shown(available: i64) -> u16 {
    available.clamp(0, i64::from(u16::MAX)) as u16
}

/// The least of some bounds.
struct Least<const FLOOR: bool> {
    seats: i64,
    is_floor: bool,
}

impl<const FLOOR: bool> Least<FLOOR> {
    const NONE: Self = Self {
        seats: i64::MAX,
        is_floor: true,
    };

    #[inline(always)]
    fn bound(&mut self, seats: i64, is_floor: bool) {
        if FLOOR {
            if seats < self.seats {
                self.is_floor = is_floor;
            } else if seats == self.seats {
                self.is_floor &= is_floor;
            }
        }
        self.seats = self.seats.min(seats);
    }
}

impl Flight {
    /// The bounds of one leg.
    #[inline(always)]
    fn seats_on_leg<const FLOOR: bool>(
        &self,
        seats: &CabinSeats,
        class: Option<Class>,
        least: &mut Least<FLOOR>,
    ) -> ClassStatus {
        let mut stated = false;
        let mut status = ClassStatus::Open;
        if seats.authorised != NO_BOUND {
            stated = true;
            least.bound(seats.bound() - seats.used(), seats.is_floor);
        }
        let aircraft = &self.aircraft[seats.aircraft as usize];
        if let Some(physical) = aircraft.seats {
            let bound = i64::from(physical) + i64::from(seats.allowance);
            least.bound(bound - aircraft.used, false);
        }
        if let Some(class) = class {
            status = ClassStatus::Unknown;
            for nested in &seats.nest {
                if nested.limit != NO_BOUND {
                    stated = true;
                    least.bound(nested.limit - nested.used, nested.is_floor);
                }
                if nested.class == class {
                    status = match nested.status {
                        SaleStatus::Open => ClassStatus::Open,
                        _ => ClassStatus::Closed,
                    };
                    break;
                }
            }
        }
        if !stated {
            least.bound(0, false);
        }
        status
    }

    /// Seats that a cabin, or a class in it, offers on its leg: exact segments and statuses aside.
    pub(crate) fn available_on_leg(&self, seats: &CabinSeats, class: Option<Class>) -> i64 {
        let mut least = Least::<false>::NONE;
        self.seats_on_leg(seats, class, &mut least);
        least.seats
    }

    /// What a provider has on a segment in a cabin and class.
    #[inline(always)]
    pub(crate) fn seats<const FLOOR: bool>(
        &self,
        provider: &Provider,
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Seats {
        let mut least = Least::<FLOOR>::NONE;
        let mut class_unknown = false;
        let mut open = provider.sells;
        for leg in segment.first..=segment.last {
            let Some(seats) = provider.cabin(leg, cabin) else {
                return Seats {
                    supply: Supply::UnknownCabin,
                    available: 0,
                    is_floor: false,
                };
            };
            open &= seats.status == SaleStatus::Open;
            match self.seats_on_leg(seats, class, &mut least) {
                ClassStatus::Open => {}
                ClassStatus::Closed => open = false,
                ClassStatus::Unknown => class_unknown = true,
            }
        }
        if !provider.segments.is_empty() {
            let stations = Some((segment.board, segment.off));
            let classes = [None, class];
            let scopes = if class.is_some() { 2 } else { 1 };
            for class in &classes[..scopes] {
                let key = SegmentKey::new(stations, cabin, *class);
                if let Some(limit) = provider.segments.get(&key) {
                    open &= limit.status == SaleStatus::Open;
                    if limit.bound != NO_BOUND {
                        least.bound(limit.bound - limit.tally.used(), limit.is_floor);
                    }
                }
            }
        }
        Seats {
            supply: match (class_unknown, open) {
                (true, _) => Supply::UnknownClass,
                (false, true) => Supply::Open,
                (false, false) => Supply::Closed,
            },
            available: least.seats,
            is_floor: FLOOR && least.is_floor && least.seats > 0,
        }
    }

    /// Decides a request for seats: the provider's index and the price, or why not.
    #[inline(always)]
    fn choose(
        &self,
        request: &HoldRequest,
        segment: &Segment,
    ) -> Result<(usize, Option<Money>), Reason> {
        let (cabin, class) = (request.cabin, request.class);
        let is_whole = self.is_whole(segment);
        let wanted = i64::from(request.seats);
        match request.provider {
            Some(code) => {
                let at = self.provider_at(code).ok_or(Reason::UnknownProvider)?;
                let provider = &self.providers[at];
                let seats = self.seats::<false>(provider, segment, cabin, class);
                match seats.supply {
                    Supply::UnknownCabin => Err(Reason::UnknownCabin),
                    Supply::UnknownClass => Err(Reason::UnknownClass),
                    Supply::Closed => Err(Reason::Closed),
                    Supply::Open if seats.available < wanted => Err(Reason::SoldOut {
                        available: shown(seats.available),
                    }),
                    Supply::Open => Ok((at, provider.price(segment, is_whole, cabin, class))),
                }
            }
            None => self.choose_cheapest(request, segment, is_whole),
        }
    }

    #[inline(never)]
    fn choose_cheapest(
        &self,
        request: &HoldRequest,
        segment: &Segment,
        is_whole: bool,
    ) -> Result<(usize, Option<Money>), Reason> {
        let (cabin, class) = (request.cabin, request.class);
        let rank = |price: &Option<Money>, provider: usize| {
            let price = price.map(|price| (price.currency, price.exponent, price.minor));
            (price.is_none(), price, self.providers[provider].code)
        };
        let mut best: Option<(usize, Option<Money>)> = None;
        let mut most: Option<i64> = None;
        let (mut closed, mut class_unknown) = (false, false);
        for (at, provider) in self.providers.iter().enumerate() {
            let seats = self.seats::<false>(provider, segment, cabin, class);
            match seats.supply {
                Supply::UnknownCabin => {}
                Supply::UnknownClass => class_unknown = true,
                Supply::Closed => closed = true,
                Supply::Open if seats.available < i64::from(request.seats) => {
                    most = most.max(Some(seats.available));
                }
                Supply::Open => {
                    let price = provider.price(segment, is_whole, cabin, class);
                    if best.is_none_or(|(b, p)| rank(&price, at) < rank(&p, b)) {
                        best = Some((at, price));
                    }
                }
            }
        }
        best.ok_or(match most {
            Some(available) => Reason::SoldOut {
                available: shown(available),
            },
            None if closed => Reason::Closed,
            None if class_unknown => Reason::UnknownClass,
            None => Reason::UnknownCabin,
        })
    }

    /// Everything that can refuse a hold, in the order of the rules.
    #[inline(always)]
    fn admit(
        &self,
        request: &HoldRequest,
        settings: &Settings,
        clock_ms: i64,
    ) -> Result<(Segment, usize, Option<Money>, u64), Reason> {
        if request.seats == 0 || request.seats > HoldRequest::SEATS_MAX {
            return Err(Reason::InvalidSeats);
        }
        let ttl_ms = request.ttl_ms.unwrap_or(settings.hold_ttl_default_ms);
        if ttl_ms == 0 || ttl_ms > settings.hold_ttl_max_ms {
            return Err(Reason::InvalidTtl);
        }
        if self.operating.is_some() {
            return Err(Reason::NotOperating);
        }
        if self.cancelled {
            return Err(Reason::FlightCancelled);
        }
        let segment = self
            .segment(request.board, request.off)
            .ok_or(Reason::UnknownSegment)?;
        if !self.restricted.is_empty() && self.is_restricted(&segment) {
            return Err(Reason::SegmentRestricted);
        }
        let departs_ms = self.legs[usize::from(segment.first)].times.departs_s * 1000;
        if clock_ms >= departs_ms.saturating_sub_unsigned(settings.close_before_departure_ms) {
            return Err(Reason::Departed);
        }
        let (provider, price) = self.choose(request, &segment)?;
        if request.expected_price.is_some() && request.expected_price != price {
            return Err(Reason::PriceChanged { now: price });
        }
        Ok((segment, provider, price, ttl_ms))
    }

    pub(crate) fn is_restricted(&self, segment: &Segment) -> bool {
        self.restricted.contains(&(segment.board, segment.off))
    }

    /// A hold is asked for. When it is made, it and its id are remembered here.
    #[inline(always)]
    pub(crate) fn hold_seats<O: Observer>(
        &mut self,
        id: CommandId,
        hash: u32,
        details: u64,
        request: &HoldRequest,
        settings: &Settings,
        step: &mut Step<'_, O>,
    ) -> Result<(Outcome, Due), Reason> {
        let (segment, provider, price, ttl_ms) = self.admit(request, settings, step.clock_ms)?;
        let deadline_ms = step.clock_ms.saturating_add_unsigned(ttl_ms);
        let at = self.add_hold(
            hash,
            Hold {
                id,
                deadline_ms,
                changed_offset: step.offset,
                changed_at_ms: step.clock_ms,
                provider: provider as u32,
                acknowledged: NO_MEMO,
                seats: request.seats,
                state: HoldState::Held,
                cabin: request.cabin,
                class: request.class,
                segment,
            },
            Origin::new(details, step.offset, step.clock_ms, price),
        );
        step.observer.hold_changed(step.flight, at, None);
        let outcome = Outcome::Held {
            provider: self.providers[provider].code,
            seats: request.seats,
            deadline_ms,
            price,
        };
        let due = Due {
            deadline_ms,
            offset: step.offset,
            flight: step.flight,
            hold: at,
        };
        Ok((outcome, due))
    }

    /// Confirms, releases or cancels the hold of that id: `to` is the state asked for.
    #[inline(always)]
    pub(crate) fn settle_hold<O: Observer>(
        &mut self,
        id: CommandId,
        to: HoldState,
        step: &mut Step<'_, O>,
    ) -> Outcome {
        let Some(at) = self.hold_named(id) else {
            return Outcome::Refused(Reason::UnknownHold);
        };
        let hold = &self.holds[at as usize];
        let (state, seats) = (hold.state, hold.seats);
        let done = |already| match to {
            HoldState::Confirmed => Outcome::Confirmed { seats, already },
            HoldState::Released => Outcome::Released { seats, already },
            _ => Outcome::Cancelled { seats, already },
        };
        match (state, to) {
            (HoldState::Held, _) | (HoldState::Confirmed, HoldState::Cancelled) => {
                self.settle(at, to, step);
                done(false)
            }
            (state, to) if state == to => done(true),
            (HoldState::Confirmed, _) => Outcome::Refused(Reason::AlreadyConfirmed),
            (HoldState::Released, _) => Outcome::Refused(Reason::AlreadyReleased),
            (HoldState::Cancelled, _) => Outcome::Refused(Reason::AlreadyCancelled),
            (HoldState::Expired, _) => Outcome::Refused(Reason::Expired),
            (HoldState::Displaced, _) => Outcome::Refused(Reason::Displaced),
        }
    }
}

