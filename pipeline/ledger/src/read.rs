//! Reading a flight: what views, answers and checks are made from.

use crate::book::{BookCabin, NO_BOUND, Provider, Report};
use crate::codes::{Cabin, Class, CommandId, FlightKey, ProviderCode, Station};
use crate::command::SaleStatus;
use crate::flight::Flight;
use crate::mix;
use crate::observer::HoldIx;
use crate::record::{NO_MEMO, Seated, Segment};
use crate::sale::{Supply, shown};
use crate::shelf::Least;
use crate::view::{
    AircraftLine, BucketView, DriftLine, FareLine, FlightStatus, HoldView, InventoryLine, LegView,
    OfferLine, ProviderView, Quote, TermsView,
};

/// A stated bound.
fn stated(bound: i64) -> Option<i64> {
    (bound != NO_BOUND).then_some(bound)
}

/// Seats used beyond a bound.
fn oversold(used: i32, bound: Option<i64>) -> i64 {
    bound.map_or(0, |bound| (i64::from(used) - bound.max(0)).max(0))
}

impl Flight {
    /// The key.
    pub fn key(&self) -> FlightKey {
        self.key
    }

    /// Whether it is to fly.
    pub fn status(&self) -> FlightStatus {
        if self.cancelled {
            FlightStatus::Cancelled
        } else {
            FlightStatus::Scheduled
        }
    }

    /// The provider whose schedule is the flight's.
    pub fn owner(&self) -> ProviderCode {
        self.book.providers[self.book.owner as usize].code
    }

    /// The authority by which the owner owns the flight.
    pub fn owner_authority(&self) -> u8 {
        self.book.authority
    }

    /// The flight that operates this one, when its key is a codeshare's number.
    pub fn operating(&self) -> Option<FlightKey> {
        self.book.operating
    }

    /// Marks of the owner's last accepted schedule; see [`quality`](crate::command::quality).
    pub fn quality(&self) -> u32 {
        self.book.quality
    }

    /// It is over: it can be read until the next call of the ledger, but not be sold.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// The legs in flying order; 1 to 12.
    pub fn legs(&self) -> &[LegView] {
        &self.book.legs
    }

    /// Latest departure or arrival of its legs, Unix time in milliseconds: when it retires, less
    /// the configured time.
    pub fn ends_at_ms(&self) -> i64 {
        self.latest_ms()
    }

    /// Pairs of stations between which, in this direction, seats are not sold.
    pub fn restricted(&self) -> &[(Station, Station)] {
        &self.book.restricted
    }

    /// Cabins of the aircraft that the owner has named, by leg and cabin.
    pub fn aircraft(&self) -> impl Iterator<Item = AircraftLine> + '_ {
        let mut lines: Vec<_> = self
            .book
            .aircraft
            .iter()
            .filter(|cabin| cabin.named)
            .map(|cabin| {
                let used = self.shelf.rows()[cabin.row as usize].used;
                let allowance = i64::from(self.largest_allowance(cabin.cabin));
                let bound = cabin.seats.map(|seats| i64::from(seats) + allowance);
                AircraftLine {
                    leg: cabin.leg,
                    cabin: cabin.cabin,
                    seats: cabin.seats,
                    used: i64::from(used),
                    oversold: oversold(used, bound),
                }
            })
            .collect();
        lines.sort_by_key(|line| (line.leg, line.cabin));
        lines.into_iter()
    }

    /// The providers on the flight, in the order in which they came.
    pub fn providers(&self) -> impl Iterator<Item = ProviderView> + '_ {
        let providers = self.book.providers.iter().enumerate();
        providers.map(|(at, provider)| ProviderView {
            code: provider.code,
            sells: provider.sells,
            paused: provider.pause.is_some(),
            owner: at == self.book.owner as usize,
        })
    }

    /// A provider's overbooking allowance for a cabin, in seats.
    pub fn allowance(&self, provider: ProviderCode, cabin: Cabin) -> u16 {
        let at = self.provider_at(provider);
        at.map_or(0, |at| self.book.providers[at].allowance(cabin))
    }

    /// A provider's overbooking terms; `None` when it is not on the flight.
    pub fn terms(&self, provider: ProviderCode) -> Option<TermsView<'_>> {
        let provider = &self.book.providers[self.provider_at(provider)?];
        Some(TermsView {
            version: provider.terms,
            allowances: &provider.allowances,
        })
    }

    /// What a provider may sell of a cabin or class on a leg, beside what is sold of it: what its next
    /// report is compared with.
    pub fn bucket(
        &self,
        provider: ProviderCode,
        leg: u8,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Option<BucketView> {
        let provider = &self.book.providers[self.provider_at(provider)?];
        let seats = provider.cabin(leg, cabin)?;
        let row = |row: u32| &self.shelf.rows()[row as usize];
        let view = |bound, sold, acknowledged, used, report: &Report| BucketView {
            bound: stated(bound),
            sold,
            acknowledged,
            oversold: oversold(used, stated(bound)),
            version: report.version.or(provider.equipment),
        };
        let Some(class) = class else {
            let sold = i64::from(row(seats.row).sold);
            let bound = seats.authorised;
            let used = row(seats.row).used;
            return Some(view(bound, sold, seats.acknowledged, used, &seats.report));
        };
        let at = seats.class_at(class)?;
        let of_nest = seats.nest[at..].iter();
        let sold = of_nest.map(|class| i64::from(row(class.row).sold)).sum();
        let (class, known) = (&seats.nest[at], seats.acknowledged_from(at));
        Some(view(
            class.limit,
            sold,
            known,
            row(class.row).used,
            &class.report,
        ))
    }

    /// Every bucket of seats on every leg: by provider as they came, leg, cabin, and within a cabin
    /// first the cabin itself, then its classes in nesting order.
    pub fn inventory(&self) -> impl Iterator<Item = InventoryLine> + '_ {
        let providers = self.book.providers.iter().enumerate();
        providers.flat_map(move |(at, provider)| {
            let cabins = provider.cabins.iter().filter(|cabin| cabin.known);
            cabins.flat_map(move |cabin| self.cabin_lines(at as u32, provider, cabin))
        })
    }

    fn cabin_lines<'a>(
        &'a self,
        at: u32,
        provider: &'a Provider,
        cabin: &'a BookCabin,
    ) -> impl Iterator<Item = InventoryLine> + 'a {
        let available = move |class| {
            // The cabin and class are there: what is asked is only the least of the bounds.
            let mut least = Least::<false>::NONE;
            self.shelf
                .ask_leg(at, cabin.leg, cabin.cabin, class, &mut least);
            least.seats.max(0)
        };
        let line = move |class, row: u32, bound, status, is_floor| {
            let row = &self.shelf.rows()[row as usize];
            InventoryLine {
                provider: provider.code,
                leg: cabin.leg,
                cabin: cabin.cabin,
                class,
                authorised: bound,
                held: i64::from(row.held),
                sold: i64::from(row.sold),
                available: available(class),
                oversold: oversold(row.used, bound),
                status,
                is_floor,
            }
        };
        let allowance = i64::from(provider.allowance(cabin.cabin));
        let bound = stated(cabin.authorised).map(|authorised| authorised + allowance);
        let whole = line(None, cabin.row, bound, cabin.status, cabin.is_floor);
        let classes = cabin.nest.iter().map(move |class| {
            let name = Some(class.class);
            line(
                name,
                class.row,
                stated(class.limit),
                class.status,
                class.is_floor,
            )
        });
        std::iter::once(whole).chain(classes)
    }

    /// The segments that can be asked for and are not restricted, by first and last leg.
    fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let last = self.book.legs.len() as u8;
        let pairs = (0..last).flat_map(move |first| (first..last).map(move |last| (first, last)));
        pairs.filter_map(|(first, last)| {
            let (board, off) = (
                self.book.legs[usize::from(first)].board,
                self.book.legs[usize::from(last)].off,
            );
            // Where a station repeats, a pair of stations means only one of several pairs of legs;
            // the whole flight can be asked for by naming none.
            let named = self.segment_between(board, off);
            let segment = Segment {
                first,
                last,
                board,
                off,
            };
            let sold = named == segment || self.is_whole(&segment);
            (sold && !self.is_restricted(&segment)).then_some(segment)
        })
    }

    /// What can be bought: every segment, provider, cabin and class (or none) that has a price.
    /// Nothing on a codeshare's number, which is sold under its operating one.
    pub fn offers(&self) -> impl Iterator<Item = OfferLine> + '_ {
        let segments = self.segments().filter(|_| self.book.operating.is_none());
        segments.flat_map(move |segment| {
            let providers = self.book.providers.iter().enumerate();
            providers.flat_map(move |(at, provider)| self.offers_of(at as u32, provider, segment))
        })
    }

    fn offers_of<'a>(
        &'a self,
        at: u32,
        provider: &'a Provider,
        segment: Segment,
    ) -> impl Iterator<Item = OfferLine> + 'a {
        let on_first = move |cabin: &&BookCabin| cabin.known && cabin.leg == segment.first;
        let cabins = provider.cabins.iter().filter(on_first);
        cabins.flat_map(move |cabin| {
            let classes = cabin.nest.iter().map(|nested| Some(nested.class));
            let classes = std::iter::once(None).chain(classes);
            classes.filter_map(move |class| {
                let quote = self.quote_on(at, provider, &segment, cabin.cabin, class)?;
                Some(OfferLine {
                    provider: provider.code,
                    board: segment.board,
                    off: segment.off,
                    first_leg: segment.first,
                    last_leg: segment.last,
                    cabin: cabin.cabin,
                    class,
                    price: quote.price?,
                    seats: quote.available,
                    seats_is_floor: quote.is_floor,
                })
            })
        })
    }

    /// Seats and price that a request to this provider would find now, if it names a segment,
    /// cabin and class that there are. Whether the flight has departed, or is a codeshare's number,
    /// aside: 0 seats mean that a hold would be refused.
    pub fn quote(
        &self,
        provider: ProviderCode,
        board: Option<Station>,
        off: Option<Station>,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Option<Quote> {
        let segment = self.segment(board, off)?;
        let at = self.provider_at(provider)?;
        self.quote_on(at as u32, &self.book.providers[at], &segment, cabin, class)
    }

    fn quote_on(
        &self,
        at: u32,
        provider: &Provider,
        segment: &Segment,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Option<Quote> {
        let seats = self.seats::<true>(at, segment, cabin, class);
        let open = match seats.supply {
            Supply::UnknownCabin | Supply::UnknownClass => return None,
            Supply::Closed => false,
            Supply::Open => !self.cancelled && !self.is_restricted(segment),
        };
        Some(Quote {
            available: if open { shown(seats.available) } else { 0 },
            is_floor: open && seats.is_floor,
            price: provider.price(segment, self.is_whole(segment), cabin, class),
        })
    }

    /// The exact-segment limits of a provider: stations, cabin, class, bound, seats held and sold,
    /// status.
    #[allow(clippy::type_complexity)]
    pub fn segment_limits(
        &self,
        provider: ProviderCode,
    ) -> impl Iterator<
        Item = (
            (Station, Station),
            Cabin,
            Option<Class>,
            Option<i64>,
            i64,
            i64,
            SaleStatus,
        ),
    > + '_ {
        let at = self.provider_at(provider);
        let limits = at
            .into_iter()
            .flat_map(|at| &self.book.providers[at].segments);
        limits.filter_map(|(key, limit)| {
            let (cabin, class) = key.cabin_class();
            let (held, sold) = (limit.tally.held, limit.tally.sold);
            let bound = stated(limit.bound);
            Some((
                key.stations()?,
                cabin?,
                class,
                bound,
                held,
                sold,
                limit.status,
            ))
        })
    }

    /// The last count reported for every bucket on a leg that has one.
    pub fn drift(&self) -> impl Iterator<Item = DriftLine> + '_ {
        self.book.providers.iter().flat_map(|provider| {
            let cabins = provider.cabins.iter().filter(|cabin| cabin.known);
            cabins.flat_map(|cabin| {
                let classes = cabin.nest.iter();
                let classes = classes.map(|class| (Some(class.class), &class.report));
                let reports = std::iter::once((None, &cabin.report)).chain(classes);
                reports.filter_map(|(class, report)| {
                    let drift = report.drift?;
                    Some(DriftLine {
                        provider: provider.code,
                        leg: cabin.leg,
                        cabin: cabin.cabin,
                        class,
                        counts: drift.counts,
                        reported: drift.reported,
                        expected: drift.expected,
                        offset: drift.offset,
                        at_ms: drift.at_ms,
                    })
                })
            })
        })
    }

    /// The fares that providers filed, whether or not they sell the flight now.
    pub fn fares(&self) -> impl Iterator<Item = FareLine> + '_ {
        self.book.providers.iter().flat_map(|provider| {
            provider.fares.iter().filter_map(|(key, fare)| {
                let (cabin, class) = key.cabin_class();
                Some(FareLine {
                    provider: provider.code,
                    segment: key.stations(),
                    cabin: cabin?,
                    class,
                    price: fare.price,
                    version: fare.version,
                })
            })
        })
    }

    /// How many holds were ever made.
    pub fn hold_count(&self) -> usize {
        self.holds.len()
    }

    /// How many holds are live.
    pub fn live_holds(&self) -> usize {
        self.live as usize
    }

    /// How many holds wait for seats.
    pub fn waiting_holds(&self) -> usize {
        self.waiting as usize
    }

    /// Has the hold had seats at any time? Not when it waits, or waited in vain.
    pub fn has_had_seats(&self, hold: HoldIx) -> bool {
        self.holds[hold as usize].seated != Seated::NotYet
    }

    /// How many holds have waited longer than this one; absent unless it waits.
    pub fn waiting_before(&self, hold: HoldIx) -> Option<u32> {
        let queue = &self.book.waitlist.as_deref()?.queue;
        let place = queue.binary_search(&hold).ok()?;
        u32::try_from(place).ok()
    }

    /// How many command ids are remembered.
    pub fn command_count(&self) -> usize {
        self.holds.len() + self.memos.len()
    }

    /// A hold. Panics on an index that no observer was told for this flight.
    pub fn hold(&self, hold: HoldIx) -> HoldView {
        let (hold, origin) = (&self.holds[hold as usize], &self.origins[hold as usize]);
        let acknowledged = (hold.acknowledged != NO_MEMO).then_some(hold.acknowledged);
        HoldView {
            id: hold.id,
            provider: self.book.providers[hold.provider as usize].code,
            cabin: hold.cabin,
            class: hold.class,
            board: hold.segment.board,
            off: hold.segment.off,
            seats: hold.seats,
            deadline_ms: hold.deadline_ms,
            price: origin.price(),
            state: hold.state,
            offset: origin.offset,
            created_at_ms: origin.created_at_ms,
            changed_offset: hold.changed_offset,
            changed_at_ms: hold.changed_at_ms,
            acknowledged_offset: acknowledged.map(|at| self.answer(at).0),
        }
    }

    /// All holds ever made, oldest first.
    pub fn holds(&self) -> impl Iterator<Item = HoldView> + '_ {
        (0..self.holds.len() as HoldIx).map(|at| self.hold(at))
    }

    /// Ids of all holds ever made, oldest first.
    pub fn hold_ids(&self) -> impl ExactSizeIterator<Item = CommandId> + '_ {
        self.holds.iter().map(|hold| hold.id)
    }

    /// Was a command of this id decided here?
    pub fn knows(&self, id: CommandId) -> bool {
        self.look_up(mix::hash_id(id), id).is_some()
    }

    /// The hold that the command of this id made.
    pub fn find_hold(&self, id: CommandId) -> Option<HoldIx> {
        self.hold_named(id)
    }
}
