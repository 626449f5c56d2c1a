//! What clients ask for: hold, confirm, release, cancel. Rules: `docs/ledger.md`.

use crate::book::{NO_BOUND, SegmentKey};
use crate::codes::{Cabin, Class, CommandId};
use crate::command::{HoldRequest, Reseat, Settings};
use crate::expiry::Due;
use crate::flight::{Flight, Step};
use crate::observer::{HoldIx, Observer};
use crate::outcome::{Outcome, Reason};
use crate::record::{Hold, NO_MEMO, Origin, PackedMoney, Seated, Segment};
use crate::seller::Pause;
use crate::shelf::{FLIGHT_SEATS_MAX, Least, OnLeg};
use crate::stock::is_open;
use crate::view::HoldState;

/// What a provider has for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    UnknownCabin,
    UnknownClass,
    Closed,
    Open,
}

/// Seats for a request, statuses aside.
#[derive(Clone, Copy)]
pub(crate) struct Seats {
    pub(crate) supply: Supply,
    /// Signed; means something when the supply is closed or open.
    pub(crate) available: i64,
    /// Every bound that gives this number is a floor. Only worked out when asked for.
    pub(crate) is_floor: bool,
    /// The row of the first leg that has the flight's price, when the supply is open.
    price_row: usize,
}

/// What is shown outside: never below 0.
#[inline(always)]
pub(crate) fn shown(available: i64) -> u16 {
    available.clamp(0, i64::from(u16::MAX)) as u16
}

impl Flight {
    /// What a provider has on a segment in a cabin and class.
    #[inline(always)]
    pub(crate) fn seats<const FLOOR: bool>(
        &self,
        provider: u32,
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Seats {
        let mut least = Least::<FLOOR>::NONE;
        let mut supply = Supply::Open;
        let mut price_row = 0;
        for leg in segment.first..=segment.last {
            match self.shelf.ask_leg(provider, leg, cabin, class, &mut least) {
                OnLeg::UnknownCabin => {
                    supply = Supply::UnknownCabin;
                    break;
                }
                OnLeg::UnknownClass => supply = Supply::UnknownClass,
                OnLeg::Closed if supply == Supply::Open => supply = Supply::Closed,
                OnLeg::Open(row) if leg == segment.first => price_row = row,
                OnLeg::Closed | OnLeg::Open(_) => {}
            }
        }
        if self.has_limits {
            self.ask_segment(provider, segment, cabin, class, &mut supply, &mut least);
        }
        Seats {
            supply,
            available: least.seats,
            is_floor: FLOOR && least.is_floor && least.seats > 0,
            price_row,
        }
    }

    /// Takes the exact-segment limits into account for a request.
    #[inline(never)]
    fn ask_segment<const FLOOR: bool>(
        &self,
        provider: u32,
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
        supply: &mut Supply,
        least: &mut Least<FLOOR>,
    ) {
        let segments = &self.book.providers[provider as usize].segments;
        for key in SegmentKey::both(segment, cabin, class) {
            if let Some(limit) = segments.get(&key) {
                if !is_open(limit.status, &limit.report) && *supply == Supply::Open {
                    *supply = Supply::Closed;
                }
                if limit.bound != NO_BOUND {
                    least.bound(limit.bound - limit.tally.used(), limit.is_floor);
                }
            }
        }
    }

    /// Price of a seat for a request that the provider has seats for.
    #[inline(always)]
    fn price(
        &self,
        provider: u32,
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
        seats: &Seats,
    ) -> PackedMoney {
        let is_whole = self.is_whole(segment);
        if self.has_segment_fares {
            let provider = &self.book.providers[provider as usize];
            PackedMoney::new(provider.price(segment, is_whole, cabin, class))
        } else if is_whole {
            self.shelf.price(seats.price_row)
        } else {
            PackedMoney::new(None)
        }
    }

    /// Decides a request for seats: the provider's index and the price, or why not.
    #[inline(always)]
    fn choose(
        &self,
        request: &HoldRequest,
        segment: &Segment,
    ) -> Result<(u32, PackedMoney), Reason> {
        let (cabin, class) = (request.cabin, request.class);
        let provider = match request.provider {
            Some(code) => self.provider_at(code).ok_or(Reason::UnknownProvider)?,
            None if self.providers == 1 => 0,
            None => return self.choose_cheapest(request, segment, None),
        } as u32;
        let seats = self.seats::<false>(provider, segment, cabin, class);
        match seats.supply {
            Supply::UnknownCabin => Err(Reason::UnknownCabin),
            Supply::UnknownClass => Err(Reason::UnknownClass),
            Supply::Closed => Err(self.why_closed(provider)),
            Supply::Open if seats.available < i64::from(request.seats) => Err(Reason::SoldOut {
                available: shown(seats.available),
            }),
            Supply::Open => Ok((
                provider,
                self.price(provider, segment, cabin, class, &seats),
            )),
        }
    }

    /// Why a provider that has what is asked for does not sell it.
    #[cold]
    fn why_closed(&self, provider: u32) -> Reason {
        let pause = self.book.providers[provider as usize].pause;
        pause.map_or(Reason::Closed, Pause::reason)
    }

    #[inline(never)]
    fn choose_cheapest(
        &self,
        request: &HoldRequest,
        segment: &Segment,
        but: Option<u32>,
    ) -> Result<(u32, PackedMoney), Reason> {
        let (cabin, class) = (request.cabin, request.class);
        let rank = |provider: u32, price: &PackedMoney| {
            let price = price.get();
            let price = price.map(|price| (price.currency, price.exponent, price.minor));
            (
                price.is_none(),
                price,
                self.book.providers[provider as usize].code,
            )
        };
        let mut best: Option<(u32, PackedMoney)> = None;
        let mut most: Option<i64> = None;
        let mut class_unknown = false;
        let mut closed = Vec::new();
        let all = 0..self.book.providers.len() as u32;
        for provider in all.filter(|provider| Some(*provider) != but) {
            let seats = self.seats::<false>(provider, segment, cabin, class);
            match seats.supply {
                Supply::UnknownCabin => {}
                Supply::UnknownClass => class_unknown = true,
                Supply::Closed => closed.push(self.why_closed(provider)),
                Supply::Open if seats.available < i64::from(request.seats) => {
                    most = most.max(Some(seats.available));
                }
                Supply::Open => {
                    let price = self.price(provider, segment, cabin, class, &seats);
                    if best.is_none_or(|(b, p)| rank(provider, &price) < rank(b, &p)) {
                        best = Some((provider, price));
                    }
                }
            }
        }
        best.ok_or(match most {
            Some(available) => Reason::SoldOut {
                available: shown(available),
            },
            None if !closed.is_empty() => {
                let ranked = [Reason::Closed, Reason::ProviderStopped];
                let mut ranked = ranked.into_iter();
                ranked
                    .find(|reason| closed.contains(reason))
                    .unwrap_or(Reason::ProviderSilent)
            }
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
    ) -> Result<(Segment, u32, PackedMoney, u64), Reason> {
        if request.seats == 0 || request.seats > HoldRequest::SEATS_MAX {
            return Err(Reason::InvalidSeats);
        }
        let ttl_ms = request.ttl_ms.unwrap_or(settings.hold_ttl_default_ms);
        if ttl_ms == 0 || ttl_ms > settings.hold_ttl_max_ms {
            return Err(Reason::InvalidTtl);
        }
        if let Some(wait_ms) = request.wait_ms
            && (wait_ms == 0 || wait_ms > settings.hold_ttl_max_ms)
        {
            return Err(Reason::InvalidTtl);
        }
        self.operates()?;
        let segment = self
            .segment(request.board, request.off)
            .ok_or(Reason::UnknownSegment)?;
        let (provider, price) = self.offer_on(request, &segment, settings, clock_ms)?;
        Ok((segment, provider, price, ttl_ms))
    }

    /// Is the flight to be sold at all?
    #[inline(always)]
    fn operates(&self) -> Result<(), Reason> {
        if self.is_codeshare {
            return Err(Reason::NotOperating);
        }
        if self.cancelled {
            return Err(Reason::FlightCancelled);
        }
        Ok(())
    }

    /// Who would sell a valid request on a segment now, and at which price.
    pub(crate) fn offer(
        &self,
        request: &HoldRequest,
        segment: &Segment,
        settings: &Settings,
        clock_ms: i64,
    ) -> Result<(u32, PackedMoney), Reason> {
        self.operates()?;
        self.offer_on(request, segment, settings, clock_ms)
    }

    /// As [`Flight::offer`], of a flight that is to be sold.
    #[inline(always)]
    fn offer_on(
        &self,
        request: &HoldRequest,
        segment: &Segment,
        settings: &Settings,
        clock_ms: i64,
    ) -> Result<(u32, PackedMoney), Reason> {
        self.boards(segment, settings, clock_ms)?;
        let (provider, price) = self.choose(request, segment)?;
        if self.seats + u32::from(request.seats) > FLIGHT_SEATS_MAX {
            return Err(Reason::SoldOut { available: 0 });
        }
        if request.expected_price.is_some() {
            let now = price.get();
            if request.expected_price != now {
                return Err(Reason::PriceChanged { now });
            }
        }
        Ok((provider, price))
    }

    /// Is the segment still to be sold?
    #[inline(always)]
    fn boards(&self, segment: &Segment, settings: &Settings, clock_ms: i64) -> Result<(), Reason> {
        if self.has_restrictions && self.is_restricted(segment) {
            return Err(Reason::SegmentRestricted);
        }
        let departs_ms = if segment.first == 0 {
            self.departs_ms
        } else {
            self.book.legs[usize::from(segment.first)].times.departs_s * 1000
        };
        if clock_ms >= departs_ms.saturating_sub_unsigned(settings.close_before_departure_ms) {
            return Err(Reason::Departed);
        }
        Ok(())
    }

    /// Would the request fit on the segment if nobody had a seat yet? Asked of those who may sell it.
    pub(crate) fn has_room(&self, request: &HoldRequest, segment: &Segment) -> bool {
        let named = request.provider.and_then(|code| self.provider_at(code));
        let sellers = match named {
            Some(at) => at..at + 1,
            None => 0..self.book.providers.len(),
        };
        let (cabin, class) = (request.cabin, request.class);
        sellers.into_iter().any(|at| {
            let seats = self.seats::<false>(at as u32, segment, cabin, class);
            seats.supply == Supply::Open
                && (segment.first..=segment.last).all(|leg| {
                    let room = self.shelf.room_on(at as u32, leg, cabin);
                    i64::from(request.seats) <= room
                })
        })
    }

    pub(crate) fn is_restricted(&self, segment: &Segment) -> bool {
        self.book.restricted.contains(&(segment.board, segment.off))
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
        Ok(self.take_seats(
            id,
            hash,
            details,
            request,
            (segment, provider, price, ttl_ms),
            step,
        ))
    }

    /// Makes a hold of seats that there are.
    #[inline(always)]
    fn take_seats<O: Observer>(
        &mut self,
        id: CommandId,
        hash: u32,
        details: u64,
        request: &HoldRequest,
        (segment, provider, price, ttl_ms): (Segment, u32, PackedMoney, u64),
        step: &mut Step<'_, O>,
    ) -> (Outcome, Due) {
        let deadline_ms = step.clock_ms.saturating_add_unsigned(ttl_ms);
        let at = self.add_hold(
            hash,
            Hold {
                id,
                deadline_ms,
                changed_offset: step.offset,
                changed_at_ms: step.clock_ms,
                provider,
                acknowledged: NO_MEMO,
                seats: request.seats,
                state: HoldState::Held,
                seated: Seated::AtOnce,
                cabin: request.cabin,
                class: request.class,
                segment,
            },
            Origin::new(details, step.offset, step.clock_ms, price),
        );
        step.observer.hold_changed(step.flight, at, None);
        let outcome = Outcome::Held {
            provider: self.code_of(provider),
            seats: request.seats,
            deadline_ms,
            price: price.get(),
        };
        let due = Due {
            deadline_ms,
            offset: step.offset,
            flight: step.flight,
            hold: at,
        };
        (outcome, due)
    }

    /// The seats of a refused sale are asked for elsewhere.
    #[cold]
    pub(crate) fn reseat<O: Observer>(
        &mut self,
        id: CommandId,
        hash: u32,
        details: u64,
        ask: &Reseat,
        settings: &Settings,
        step: &mut Step<'_, O>,
    ) -> Result<(Outcome, Due), Reason> {
        let Some(at) = self.hold_named(ask.hold) else {
            return Err(Reason::UnknownHold);
        };
        let refused = self.holds[at as usize];
        match refused.state {
            HoldState::Cancelled => {}
            HoldState::Waiting => return Err(Reason::StillWaiting),
            HoldState::Held | HoldState::Confirmed => return Err(Reason::AlreadyConfirmed),
            HoldState::Released => return Err(Reason::AlreadyReleased),
            HoldState::Expired => return Err(Reason::Expired),
            HoldState::Displaced => return Err(Reason::Displaced),
        }
        let request = HoldRequest {
            provider: None,
            cabin: refused.cabin,
            class: refused.class,
            board: Some(refused.segment.board),
            off: Some(refused.segment.off),
            seats: refused.seats,
            ttl_ms: Some(ask.ttl_ms),
            expected_price: None,
            wait_ms: None,
        };
        if ask.ttl_ms == 0 || ask.ttl_ms > settings.hold_ttl_max_ms {
            return Err(Reason::InvalidTtl);
        }
        self.operates()?;
        let segment = self
            .segment(request.board, request.off)
            .ok_or(Reason::UnknownSegment)?;
        self.boards(&segment, settings, step.clock_ms)?;
        let (provider, price) = self.choose_cheapest(&request, &segment, Some(refused.provider))?;
        if self.seats + u32::from(request.seats) > FLIGHT_SEATS_MAX {
            return Err(Reason::SoldOut { available: 0 });
        }
        let now = price.get();
        let most = ask.price_max;
        let is_within = now.is_some_and(|now| {
            (now.currency, now.exponent) == (most.currency, most.exponent)
                && now.minor <= most.minor
        });
        if !is_within {
            return Err(Reason::PriceChanged { now });
        }
        let chosen = (segment, provider, price, ask.ttl_ms);
        Ok(self.take_seats(id, hash, details, &request, chosen, step))
    }

    /// Confirms, releases or cancels the hold of that id: `to` is the state asked for. `guess`: where
    /// it probably is.
    #[inline(always)]
    pub(crate) fn settle_hold<O: Observer>(
        &mut self,
        id: CommandId,
        guess: HoldIx,
        to: HoldState,
        step: &mut Step<'_, O>,
    ) -> Outcome {
        let at = match self.holds.get(guess as usize) {
            Some(hold) if hold.id == id => guess,
            _ => match self.hold_named(id) {
                Some(at) => at,
                None => return Outcome::Refused(Reason::UnknownHold),
            },
        };
        let hold = &self.holds[at as usize];
        let (state, seats) = (hold.state, hold.seats);
        let done = |seats, already| match to {
            HoldState::Confirmed => Outcome::Confirmed { seats, already },
            HoldState::Released => Outcome::Released { seats, already },
            _ => Outcome::Cancelled { seats, already },
        };
        match (state, to) {
            (HoldState::Held, _) | (HoldState::Confirmed, HoldState::Cancelled) => {
                self.settle(at, to, step);
                done(seats, false)
            }
            (state, to) if state == to => done(hold.seats_had(), true),
            (HoldState::Waiting, HoldState::Confirmed) => Outcome::Refused(Reason::StillWaiting),
            (HoldState::Waiting, _) => {
                self.settle(at, to, step);
                done(0, false)
            }
            (HoldState::Confirmed, _) => Outcome::Refused(Reason::AlreadyConfirmed),
            (HoldState::Released, _) => Outcome::Refused(Reason::AlreadyReleased),
            (HoldState::Cancelled, _) => Outcome::Refused(Reason::AlreadyCancelled),
            (HoldState::Expired, _) => Outcome::Refused(Reason::Expired),
            (HoldState::Displaced, _) => Outcome::Refused(Reason::Displaced),
        }
    }
}
