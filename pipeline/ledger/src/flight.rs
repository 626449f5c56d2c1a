//! The state of one flight.

use crate::book::{AircraftCabin, Book, NO_BOUND, Provider, SegmentKey, Tally};
use crate::codes::{Cabin, CommandId, FlightKey, ProviderCode, Station};
use crate::index::Index;
use crate::mix;
use crate::observer::{FlightIx, HoldIx, Observer};
use crate::outcome::Outcome;
use crate::record::{Hold, Memo, NO_LEG, NO_MEMO, Origin, Seated, Segment, Take};
use crate::shelf::{NO_ROW, Shelf};
use crate::view::{HoldState, LegView};

/// One flight with its route, inventory, prices, holds, and every command it has decided.
///
/// Read it with the methods that say what they give: the route ([`Flight::legs`]), what can be sold
/// ([`Flight::inventory`], [`Flight::offers`]), holds ([`Flight::hold`], [`Flight::find_hold`]).
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Flight {
    // What every command reads: three cache lines, then the shelf.
    pub(crate) key: FlightKey,
    pub(crate) ids: Index,
    /// Departure of the first leg, Unix time in milliseconds.
    pub(crate) departs_ms: i64,
    /// All legs.
    pub(crate) whole: Segment,
    pub(crate) cancelled: bool,
    pub(crate) retired: bool,
    pub(crate) is_codeshare: bool,
    pub(crate) has_restrictions: bool,
    /// Some provider limits an exact segment.
    pub(crate) has_limits: bool,
    /// Some fare names its stations.
    pub(crate) has_segment_fares: bool,
    /// Something was decided about it since it was last considered for packing.
    pub(crate) is_recent: bool,

    /// Code of the first provider.
    pub(crate) first_provider: ProviderCode,
    /// Seats of live holds and sales, without a route too.
    pub(crate) seats: u32,
    /// Holds that are live.
    pub(crate) live: u32,
    pub(crate) holds: Vec<Hold>,
    /// How many providers there are.
    pub(crate) providers: u32,
    /// Holds that wait. All that a command reads of waiting on a flight where nobody does, in bytes
    /// that lay unused.
    pub(crate) waiting: u32,

    pub(crate) memos: Vec<Memo>,
    pub(crate) origins: Vec<Origin>,
    /// What only some commands read.
    pub(crate) book: Box<Book>,

    pub(crate) shelf: Shelf,
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
    /// The start of a flight that most commands read: all but the prices on the shelf.
    pub(crate) const HOT_BYTES: usize = core::mem::offset_of!(Flight, shelf) + Shelf::HOT_BYTES;

    pub(crate) fn new(key: FlightKey) -> Self {
        Self {
            key,
            ids: Index::default(),
            departs_ms: 0,
            whole: Segment {
                first: NO_LEG,
                last: NO_LEG,
                board: key.board,
                off: key.board,
            },
            cancelled: false,
            retired: false,
            is_codeshare: false,
            has_restrictions: false,
            has_limits: false,
            has_segment_fares: false,
            is_recent: true,
            first_provider: ProviderCode::default(),
            seats: 0,
            live: 0,
            holds: Vec::new(),
            providers: 0,
            waiting: 0,
            // What scheduled it; most flights hear little more for long.
            memos: Vec::with_capacity(1),
            origins: Vec::new(),
            book: Box::default(),
            shelf: Shelf::default(),
        }
    }

    /// Value of a hold in the id index.
    pub(crate) const fn value_of_hold(at: HoldIx) -> u32 {
        Found::Hold(at).value()
    }

    /// Value of a memo in the id index.
    pub(crate) const fn value_of_memo(at: u32) -> u32 {
        Found::Memo(at).value()
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
    pub(crate) fn remember(
        &mut self,
        hash: u32,
        id: CommandId,
        details: u64,
        offset: u64,
        outcome: &Outcome,
    ) {
        assert!(self.memos.len() < Found::MAX, "a flight has 2^31 commands");
        let at = self.memos.len() as u32;
        let memo = Memo::new(id, details, offset, outcome);
        if memo.answer_is_elsewhere() {
            self.book.answers.insert(at, (offset, *outcome));
        }
        self.memos.push(memo);
        self.ids.insert(hash, Found::Memo(at).value());
    }

    /// Offset and outcome of a command that made no hold.
    pub(crate) fn answer(&self, memo: u32) -> (u64, Outcome) {
        let packed = self.memos[memo as usize].answer();
        packed.unwrap_or_else(|| match self.book.answers.get(&memo) {
            Some(answer) => *answer,
            None => unreachable!("an answer is neither here nor there"),
        })
    }

    /// Adds a hold and its id, and counts nothing.
    #[inline(always)]
    pub(crate) fn push_hold(&mut self, hash: u32, hold: Hold, origin: Origin) -> HoldIx {
        assert!(self.holds.len() < Found::MAX, "a flight has 2^31 holds");
        let at = self.holds.len() as HoldIx;
        self.holds.push(hold);
        self.origins.push(origin);
        self.ids.insert(hash, Found::Hold(at).value());
        at
    }

    /// Adds a live hold and counts its seats.
    #[inline(always)]
    pub(crate) fn add_hold(&mut self, hash: u32, hold: Hold, origin: Origin) -> HoldIx {
        let take = hold.take();
        let at = self.push_hold(hash, hold, origin);
        self.live += 1;
        self.seats += take.seats as u32;
        self.count(&take, take.seats, 0);
        at
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
        let (mut held, mut sold) = (0, 0);
        match before {
            HoldState::Held => {
                self.live -= 1;
                held = -take.seats;
            }
            HoldState::Confirmed => sold = -take.seats,
            HoldState::Waiting => {
                self.stop_waiting(at);
                step.observer.hold_changed(step.flight, at, Some(before));
                return;
            }
            _ => unreachable!("a hold came back to life"),
        }
        if state == HoldState::Confirmed {
            sold += take.seats;
        } else {
            self.seats -= take.seats as u32;
        }
        self.count(&take, held, sold);
        if acknowledged != NO_MEMO {
            self.undo_acknowledged(&take, acknowledged);
        }
        step.observer.hold_changed(step.flight, at, Some(before));
    }

    /// An acknowledged sale is undone: counts that knew of it do not know that the seats are back.
    #[cold]
    fn undo_acknowledged(&mut self, take: &Take, acknowledged: u32) {
        self.count_acknowledged(take, -take.seats);
        if !take.segment.is_flown() {
            return;
        }
        let (at, _) = self.answer(acknowledged);
        let seats = i64::from(take.seats);
        let provider = &mut self.book.providers[take.provider as usize];
        let rows = self.shelf.rows_mut();
        for leg in take.segment.first..=take.segment.last {
            let Ok(cabin_at) = provider.cabin_at(leg, take.cabin) else {
                unreachable!("a sale in a cabin that is not in the book");
            };
            let cabin = &mut provider.cabins[cabin_at];
            if cabin.report.knew(at) && cabin.authorised != NO_BOUND {
                cabin.authorised -= seats;
                rows[cabin.row as usize].bound -= take.seats;
            }
            if let Some(last) = take.class.and_then(|class| cabin.class_at(class)) {
                for class in &mut cabin.nest[..=last] {
                    if class.report.knew(at) && class.limit != NO_BOUND {
                        class.limit -= seats;
                        rows[class.row as usize].bound -= take.seats;
                    }
                }
            }
        }
        for key in SegmentKey::both(&take.segment, take.cabin, take.class) {
            if let Some(limit) = provider.segments.get_mut(&key)
                && limit.report.knew(at)
                && limit.bound != NO_BOUND
            {
                limit.bound -= seats;
            }
        }
    }

    /// Counts acknowledged seats of a sale in every bucket that it uses.
    pub(crate) fn count_acknowledged(&mut self, take: &Take, seats: i32) {
        if !take.segment.is_flown() {
            return;
        }
        let seats = i64::from(seats);
        let provider = &mut self.book.providers[take.provider as usize];
        for leg in take.segment.first..=take.segment.last {
            if let Ok(at) = provider.cabin_at(leg, take.cabin) {
                provider.cabins[at].acknowledge(take.class, seats);
            }
        }
        for key in SegmentKey::both(&take.segment, take.cabin, take.class) {
            if let Some(limit) = provider.segments.get_mut(&key) {
                limit.tally.acknowledged += seats;
            }
        }
    }

    /// Counts seats in every bucket that a hold or sale uses.
    #[inline(always)]
    pub(crate) fn count(&mut self, take: &Take, held: i32, sold: i32) {
        let segment = take.segment;
        if !segment.is_flown() {
            return;
        }
        for leg in segment.first..=segment.last {
            self.shelf.count_on_leg(take, leg, held, sold);
        }
        if self.has_limits {
            self.count_segment(take, held, sold);
        }
    }

    #[cold]
    fn count_segment(&mut self, take: &Take, held: i32, sold: i32) {
        let provider = &mut self.book.providers[take.provider as usize];
        for key in SegmentKey::both(&take.segment, take.cabin, take.class) {
            if let Some(limit) = provider.segments.get_mut(&key) {
                limit.tally.add(&Tally {
                    held: i64::from(held),
                    sold: i64::from(sold),
                    acknowledged: 0,
                });
            }
        }
    }

    /// The segment between two stations; absent = from the first leg, to the last leg.
    #[inline(always)]
    pub(crate) fn segment(&self, board: Option<Station>, off: Option<Station>) -> Option<Segment> {
        let whole = self.whole;
        let from_first = board.is_none_or(|board| board == whole.board);
        let to_last = off.is_none_or(|off| off == whole.off && whole.last == 0);
        if from_first && to_last {
            return Some(whole);
        }
        self.part(board, off)
    }

    #[inline(never)]
    fn part(&self, board: Option<Station>, off: Option<Station>) -> Option<Segment> {
        let first = match board {
            None => 0,
            Some(board) => self.book.legs.iter().position(|leg| leg.board == board)?,
        };
        let last = match off {
            None => self.book.legs.len().checked_sub(1)?,
            Some(off) => {
                let rest = self.book.legs[first..].iter();
                first + rest.into_iter().position(|leg| leg.off == off)?
            }
        };
        Some(Segment {
            first: first as u8,
            last: last as u8,
            board: self.book.legs[first].board,
            off: self.book.legs[last].off,
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
        segment.first == 0 && segment.last == self.whole.last
    }

    /// Sets the legs, which are not none.
    pub(crate) fn set_legs(&mut self, legs: Vec<LegView>) {
        let last = legs.len() - 1;
        self.whole = Segment {
            first: 0,
            last: last as u8,
            board: legs[0].board,
            off: legs[last].off,
        };
        self.departs_ms = legs[0].times.departs_s * 1000;
        self.book.legs = legs;
    }

    #[inline(always)]
    pub(crate) fn provider_at(&self, code: ProviderCode) -> Option<usize> {
        if code == self.first_provider && self.providers > 0 {
            return Some(0);
        }
        self.book
            .providers
            .iter()
            .position(|provider| provider.code == code)
    }

    #[inline(always)]
    pub(crate) fn code_of(&self, provider: u32) -> ProviderCode {
        match provider {
            0 => self.first_provider,
            _ => self.book.providers[provider as usize].code,
        }
    }

    /// Index of a provider, put on the flight when it is new there.
    pub(crate) fn provider_or_new(&mut self, code: ProviderCode) -> usize {
        self.provider_at(code).unwrap_or_else(|| {
            self.book.providers.push(Provider::new(code));
            self.first_provider = self.book.providers[0].code;
            self.providers = self.book.providers.len() as u32;
            self.book.providers.len() - 1
        })
    }

    /// Index of a leg's cabin in the aircraft, made when it is not there.
    pub(crate) fn aircraft_or_new(&mut self, leg: u8, cabin: Cabin) -> usize {
        let mut known = self.book.aircraft.iter();
        if let Some(at) = known.position(|a| (a.leg, a.cabin) == (leg, cabin)) {
            return at;
        }
        self.book.aircraft.push(AircraftCabin {
            leg,
            cabin,
            named: false,
            seats: None,
            row: NO_ROW,
        });
        self.book.aircraft.len() - 1
    }

    /// Latest departure or arrival, Unix time in milliseconds.
    pub(crate) fn latest_ms(&self) -> i64 {
        let times = self.book.legs.iter();
        let latest = times.map(|leg| leg.times.departs_s.max(leg.times.arrives_s));
        latest.max().unwrap_or(0).saturating_mul(1000)
    }

    /// Is the id known here, and what was answered?
    #[inline]
    pub(crate) fn first_answer(&self, found: Found) -> (u64, u64, Outcome) {
        match found {
            Found::Hold(at) => {
                let origin = &self.origins[at as usize];
                (origin.details, origin.offset, self.answer_of_hold(at))
            }
            Found::Memo(at) => {
                let (offset, outcome) = self.answer(at);
                (self.memos[at as usize].details, offset, outcome)
            }
        }
    }

    /// The outcome of the command that made a hold.
    #[inline]
    pub(crate) fn answer_of_hold(&self, at: HoldIx) -> Outcome {
        let hold = &self.holds[at as usize];
        match hold.seated {
            Seated::AtOnce => self.origins[at as usize].outcome(hold, self.code_of(hold.provider)),
            Seated::NotYet | Seated::AfterWaiting => self.ask_of(at).outcome(),
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
