//! The state of one flight.

use crate::codes::{Cabin, Class, CommandId, FlightKey, ProviderCode, Station};
use crate::index::Index;
use crate::inventory::{AircraftCabin, NO_BOUND, Provider, Tally, for_each_limit};
use crate::mix;
use crate::observer::{FlightIx, HoldIx, Observer};
use crate::outcome::Outcome;
use crate::record::{Hold, Memo, NO_LEG, NO_MEMO, Origin, Segment, Take};
use crate::view::{HoldState, LegView};

/// One flight with its route, inventory, prices, holds, and every command it has decided.
///
/// Read it with the methods that say what they give: the route ([`Flight::legs`]), what can be sold
/// ([`Flight::inventory`], [`Flight::offers`]), holds ([`Flight::hold`], [`Flight::find_hold`]).
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Flight {
    // What every command reads comes first.
    pub(crate) key: FlightKey,
    pub(crate) ids: Index,
    pub(crate) memos: Vec<Memo>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) legs: Vec<LegView>,
    pub(crate) aircraft: Vec<AircraftCabin>,
    pub(crate) restricted: Vec<(Station, Station)>,
    /// Holds that are live.
    pub(crate) live: u32,
    pub(crate) cancelled: bool,
    pub(crate) retired: bool,
    /// The authority by which the owner owns the flight.
    pub(crate) authority: u8,
    /// Index of the owner in `providers`.
    pub(crate) owner: u32,
    pub(crate) operating: Option<FlightKey>,
    pub(crate) quality: u32,
}

/// What a command needs to know of the record that it stands in, and whom to tell.
pub(crate) struct Step<'a, O: ?Sized> {
    pub(crate) offset: u64,
    /// The partition's clock.
    pub(crate) clock_ms: i64,
    pub(crate) flight: FlightIx,
    pub(crate) observer: &'a mut O,
}

/// Where a command id leads: the value of the id index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Hold(HoldIx),
    Memo(u32),
}

impl Found {
    #[inline(always)]
    const fn from_value(value: u32) -> Self {
        if value & 1 == 1 {
            Found::Hold(value >> 1)
        } else {
            Found::Memo(value >> 1)
        }
    }

    const fn value(self) -> u32 {
        match self {
            Found::Hold(at) => at << 1 | 1,
            Found::Memo(at) => at << 1,
        }
    }

    /// One more index than this cannot be told apart in the id index.
    const MAX: usize = (Index::VALUE_MAX >> 1) as usize;
}

impl Flight {
    pub(crate) fn new(key: FlightKey) -> Self {
        Self {
            key,
            ids: Index::default(),
            memos: Vec::new(),
            holds: Vec::new(),
            origins: Vec::new(),
            providers: Vec::new(),
            legs: Vec::new(),
            aircraft: Vec::new(),
            restricted: Vec::new(),
            live: 0,
            cancelled: false,
            retired: false,
            authority: 0,
            owner: 0,
            operating: None,
            quality: 0,
        }
    }

    /// What became of a command id.
    #[inline(always)]
    pub(crate) fn look_up(&self, hash: u32, id: CommandId) -> Option<Found> {
        let found = self.ids.find(hash, |value| match Found::from_value(value) {
            Found::Hold(at) => self.holds[at as usize].id == id,
            Found::Memo(at) => self.memos[at as usize].id == id,
        });
        found.map(Found::from_value)
    }

    /// What an id with this hash probably leads to, without a look at it.
    #[inline(always)]
    pub(crate) fn guess(&self, hash: u32) -> Option<Found> {
        self.ids.find(hash, |_| true).map(Found::from_value)
    }

    /// Remembers a command that made no hold.
    #[inline(always)]
    pub(crate) fn remember(&mut self, hash: u32, memo: Memo) {
        assert!(self.memos.len() < Found::MAX, "a flight has 2^31 commands");
        let found = Found::Memo(self.memos.len() as u32);
        self.memos.push(memo);
        self.ids.insert(hash, found.value());
    }

    /// Adds a live hold and counts its seats.
    #[inline(always)]
    pub(crate) fn add_hold(&mut self, hash: u32, hold: Hold, origin: Origin) -> HoldIx {
        assert!(self.holds.len() < Found::MAX, "a flight has 2^31 holds");
        let at = self.holds.len() as HoldIx;
        let take = hold.take();
        self.holds.push(hold);
        self.origins.push(origin);
        self.ids.insert(hash, Found::Hold(at).value());
        self.live += 1;
        self.count(
            &take,
            &Tally {
                held: take.seats,
                ..Tally::default()
            },
        );
        at
    }

    /// Counts seats in every bucket that a hold or sale uses, but its hold itself.
    #[inline(always)]
    pub(crate) fn count(&mut self, take: &Take, change: &Tally) {
        let segment = take.segment;
        if !segment.is_flown() {
            return;
        }
        let provider = &mut self.providers[take.provider as usize];
        let used = change.used();
        for leg in segment.first..=segment.last {
            let Some(at) = provider.cabin_at(leg, take.cabin) else {
                unreachable!("seats are counted in a cabin that has no record");
            };
            let cabin = &mut provider.cabins[at];
            cabin.count(take.class, change);
            if used != 0 {
                self.aircraft[cabin.aircraft as usize].used += used;
            }
        }
        provider.count_segment(&segment, take.cabin, take.class, change);
    }

    /// Moves a hold to another state and counts its seats there.
    #[inline(always)]
    pub(crate) fn settle<O: Observer + ?Sized>(
        &mut self,
        at: HoldIx,
        state: HoldState,
        step: &mut Step<'_, O>,
    ) {
        let hold = &mut self.holds[at as usize];
        let before = hold.state;
        let acknowledged = hold.acknowledged;
        hold.state = state;
        hold.changed_offset = step.offset;
        hold.changed_at_ms = step.clock_ms;
        let take = hold.take();
        let mut change = Tally::default();
        match before {
            HoldState::Held => {
                self.live -= 1;
                change.held = -take.seats;
            }
            HoldState::Confirmed => {
                change.sold = -take.seats;
                if acknowledged != NO_MEMO {
                    change.acknowledged = -take.seats;
                }
            }
            _ => unreachable!("a hold came back to life"),
        }
        if state == HoldState::Confirmed {
            change.sold += take.seats;
        }
        self.count(&take, &change);
        if change.acknowledged != 0 {
            self.lower_bounds(&take, acknowledged);
        }
        step.observer.hold_changed(step.flight, at, Some(before));
    }

    /// An acknowledged sale is undone: counts that knew of it do not know that the seats are back.
    #[cold]
    fn lower_bounds(&mut self, take: &Take, acknowledged: u32) {
        if !take.segment.is_flown() {
            return;
        }
        let acknowledged_at = self.memos[acknowledged as usize].offset;
        let provider = &mut self.providers[take.provider as usize];
        for leg in take.segment.first..=take.segment.last {
            if let Some(at) = provider.cabin_at(leg, take.cabin) {
                provider.cabins[at].lower_bounds(take.class, acknowledged_at, take.seats);
            }
        }
        for_each_limit(
            &mut provider.segments,
            &take.segment,
            take.cabin,
            take.class,
            |limit| {
                let at = limit.report.remaining_at;
                if limit.bound != NO_BOUND && at.is_some_and(|at| at > acknowledged_at) {
                    limit.bound -= take.seats;
                }
            },
        );
    }

    /// The segment between two stations; absent = from the first leg, to the last leg.
    #[inline(always)]
    pub(crate) fn segment(&self, board: Option<Station>, off: Option<Station>) -> Option<Segment> {
        let first = match board {
            None => 0,
            Some(board) => self.legs.iter().position(|leg| leg.board == board)?,
        };
        let last = match off {
            None => self.legs.len().checked_sub(1)?,
            Some(off) => {
                let rest = self.legs[first..].iter();
                first + rest.into_iter().position(|leg| leg.off == off)?
            }
        };
        Some(Segment {
            first: first as u8,
            last: last as u8,
            board: self.legs[first].board,
            off: self.legs[last].off,
        })
    }

    /// The segment that two stations name on the route, or one without legs.
    pub(crate) fn segment_between(&self, board: Station, off: Station) -> Segment {
        self.segment(Some(board), Some(off)).unwrap_or(Segment {
            first: NO_LEG,
            last: NO_LEG,
            board,
            off,
        })
    }

    /// Does the segment have all legs?
    #[inline(always)]
    pub(crate) fn is_whole(&self, segment: &Segment) -> bool {
        segment.first == 0 && usize::from(segment.last) + 1 == self.legs.len()
    }

    #[inline(always)]
    pub(crate) fn provider_at(&self, code: ProviderCode) -> Option<usize> {
        self.providers
            .iter()
            .position(|provider| provider.code == code)
    }

    /// Index of a provider, put on the flight when it is new there.
    pub(crate) fn provider_or_new(&mut self, code: ProviderCode) -> usize {
        self.provider_at(code).unwrap_or_else(|| {
            self.providers.push(Provider::new(code));
            self.providers.len() - 1
        })
    }

    /// Makes sure that a provider has a record of the cabin, and gives its index. `known`: it has the
    /// cabin, it is not only that sales use it.
    pub(crate) fn cabin_or_new(
        &mut self,
        provider: usize,
        leg: u8,
        cabin: Cabin,
        known: bool,
    ) -> usize {
        let (at, is_new) = self.providers[provider].cabin_or_new(leg, cabin, known);
        if is_new {
            let aircraft = self.aircraft_or_new(leg, cabin);
            self.providers[provider].cabins[at].aircraft = aircraft as u32;
        }
        at
    }

    /// Makes sure that a provider has the class in a cabin that it has, and gives its index.
    pub(crate) fn class_or_new(&mut self, provider: usize, cabin: usize, class: Class) -> usize {
        let cabin = &mut self.providers[provider].cabins[cabin];
        cabin
            .class_at(class)
            .unwrap_or_else(|| cabin.add_class(class, NO_BOUND))
    }

    /// Index of a leg's cabin in the aircraft, made when it is not there.
    pub(crate) fn aircraft_or_new(&mut self, leg: u8, cabin: Cabin) -> usize {
        let mut known = self.aircraft.iter();
        if let Some(at) = known.position(|a| (a.leg, a.cabin) == (leg, cabin)) {
            return at;
        }
        self.aircraft.push(AircraftCabin {
            leg,
            cabin,
            named: false,
            seats: None,
            used: 0,
        });
        self.aircraft.len() - 1
    }

    /// Latest departure or arrival, Unix time in milliseconds.
    pub(crate) fn latest_ms(&self) -> i64 {
        let times = self.legs.iter();
        let latest = times.map(|leg| leg.times.departs_s.max(leg.times.arrives_s));
        latest.max().unwrap_or(0).saturating_mul(1000)
    }

    /// Is the id known here, and what was answered?
    #[inline]
    pub(crate) fn first_answer(&self, found: Found) -> (u64, u64, Outcome) {
        match found {
            Found::Hold(at) => {
                let (hold, origin) = (&self.holds[at as usize], &self.origins[at as usize]);
                let provider = self.providers[hold.provider as usize].code;
                let outcome = origin.outcome(hold, provider);
                (origin.details, origin.offset, outcome)
            }
            Found::Memo(at) => {
                let memo = &self.memos[at as usize];
                (memo.details, memo.offset, memo.outcome())
            }
        }
    }

    /// The hold that a command made.
    #[inline(always)]
    pub(crate) fn hold_named(&self, id: CommandId) -> Option<HoldIx> {
        match self.look_up(mix::hash_id(id), id)? {
            Found::Hold(at) => Some(at),
            Found::Memo(_) => None,
        }
    }
}
