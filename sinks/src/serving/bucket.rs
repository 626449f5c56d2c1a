//! All offers of one route and day, in the order of price.

use flightline_dataflows::changelog::Change;
use flightline_dataflows::rows::{CheapestRow, OfferRow, RouteDayRow};
use flightline_ledger::{Cabin, Class, Date, FlightKey, Money, ProviderCode, Station};

use super::rows::replace;
use super::search::{SearchQuery, Sort};

/// What a bucket holds the offers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteDay {
    pub(crate) board: Station,
    pub(crate) off: Station,
    pub(crate) date: Date,
}

/// Offers of one route and day.
///
/// `hot` and `rows` run in parallel, sorted by [`Place`]: a search walks the eight-byte entries of
/// `hot` and touches the rows of what it returns only.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    hot: Vec<Hot>,
    rows: Vec<OfferRow>,
    /// Flights with an offer here. A free place has no offers and is used again.
    flights: Vec<FlightSlot>,
    pub(crate) availability: Vec<RouteDayRow>,
    pub(crate) cheapest: Vec<CheapestRow>,
}

#[derive(Clone, Copy, Debug)]
struct Hot {
    seats: u16,
    cabin: Cabin,
    /// Letter of the class, 0 for none.
    class: u8,
    slot: u32,
}

#[derive(Clone, Copy, Debug)]
struct FlightSlot {
    flight: FlightKey,
    offers: u32,
}

/// Where an offer stands in its bucket. Prices of different currencies do not compare; they are
/// put in the order that the ledger uses: currency, exponent, minor units.
type Place = (
    [u8; 3],
    u8,
    i64,
    FlightKey,
    ProviderCode,
    Cabin,
    Option<Class>,
);

fn place(row: &OfferRow) -> Place {
    let (currency, exponent, minor) = price_order(&row.price);
    (
        currency,
        exponent,
        minor,
        row.flight,
        row.provider,
        row.cabin,
        row.class,
    )
}

fn price_order(price: &Money) -> ([u8; 3], u8, i64) {
    (price.currency.bytes(), price.exponent, price.minor)
}

/// Above this many new offers at once, sorting the whole bucket is cheaper than making room for
/// each of them.
const SORT_ABOVE: usize = 16;

impl Bucket {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.availability.is_empty() && self.cheapest.is_empty()
    }

    pub(crate) fn rows(&self) -> &[OfferRow] {
        &self.rows
    }

    /// How many numbers [`Bucket::each_fitting`] may give to flights.
    pub(crate) fn flight_slots(&self) -> usize {
        self.flights.len()
    }

    /// Shows the offers with enough seats in the cabin, in the order of price, each with a number
    /// that stands for its flight in this bucket.
    pub(crate) fn each_fitting<'a>(
        &'a self,
        seats: u16,
        cabin: Option<Cabin>,
        mut see: impl FnMut(u32, &'a OfferRow),
    ) {
        for (hot, row) in self.hot.iter().zip(&self.rows) {
            if hot.seats >= seats && cabin.is_none_or(|cabin| cabin == hot.cabin) {
                see(hot.slot, row);
            }
        }
    }

    /// Shows the offers in the cabin with too few seats, in the order of price, each with the number
    /// that [`Bucket::each_fitting`] gives to its flight.
    pub(crate) fn each_short<'a>(
        &'a self,
        seats: u16,
        cabin: Option<Cabin>,
        mut see: impl FnMut(u32, &'a OfferRow),
    ) {
        for (hot, row) in self.hot.iter().zip(&self.rows) {
            if hot.seats < seats && cabin.is_none_or(|cabin| cabin == hot.cabin) {
                see(hot.slot, row);
            }
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.hot.capacity() * size_of::<Hot>()
            + self.rows.capacity() * size_of::<OfferRow>()
            + self.flights.capacity() * size_of::<FlightSlot>()
            + self.availability.capacity() * size_of::<RouteDayRow>()
            + self.cheapest.capacity() * size_of::<CheapestRow>()
    }

    /// Takes the changes of one epoch.
    ///
    /// # Panics
    /// When a row that goes is not there, or one that comes is: the changelog is broken.
    pub(crate) fn apply(
        &mut self,
        offers: &[Change<OfferRow>],
        availability: &[Change<RouteDayRow>],
        cheapest: &[Change<CheapestRow>],
    ) {
        self.apply_offers(offers);
        replace(&mut self.availability, availability);
        replace(&mut self.cheapest, cheapest);
    }

    fn apply_offers(&mut self, changes: &[Change<OfferRow>]) {
        // Changes of one offer stand side by side: the rows sort by identity first. When the price
        // stays, the offer keeps its place, which is what nearly every booking does.
        let mut come: Vec<&OfferRow> = Vec::new();
        let mut rest = changes;
        while let Some(((row, diff), tail)) = rest.split_first() {
            rest = tail;
            let partner = match tail.first() {
                Some((other, _)) if same_offer(row, other) => {
                    rest = &tail[1..];
                    Some(&tail[0])
                }
                _ => None,
            };
            let (old, new) = match (diff, partner) {
                (-1, None) => (Some(row), None),
                (1, None) => (None, Some(row)),
                (-1, Some((other, 1))) => (Some(row), Some(other)),
                (1, Some((other, -1))) => (Some(other), Some(row)),
                _ => panic!("offers: an epoch changes {row:?} by {diff} and {partner:?}"),
            };
            match (old, new) {
                (Some(old), Some(new)) if old.price == new.price => self.overwrite(old, new),
                (old, new) => {
                    if let Some(old) = old {
                        self.remove(old);
                    }
                    come.extend(new);
                }
            }
        }
        if come.len() > SORT_ABOVE {
            self.insert_many(&come);
        } else {
            for row in come {
                self.insert(row);
            }
        }
    }

    fn find(&self, row: &OfferRow) -> Result<usize, usize> {
        let wanted = place(row);
        self.rows.binary_search_by(|at| place(at).cmp(&wanted))
    }

    fn overwrite(&mut self, old: &OfferRow, new: &OfferRow) {
        let Ok(at) = self.find(old) else {
            panic!("offers: a row goes that is not there: {old:?}");
        };
        assert!(
            self.rows[at] == *old,
            "offers: {old:?} goes, but {:?} is there",
            self.rows[at]
        );
        self.hot[at].seats = new.seats;
        self.rows[at].clone_from(new);
    }

    fn remove(&mut self, old: &OfferRow) {
        let Ok(at) = self.find(old) else {
            panic!("offers: a row goes that is not there: {old:?}");
        };
        assert!(
            self.rows[at] == *old,
            "offers: {old:?} goes, but {:?} is there",
            self.rows[at]
        );
        let slot = self.hot[at].slot as usize;
        self.flights[slot].offers -= 1;
        self.rows.remove(at);
        self.hot.remove(at);
    }

    fn insert(&mut self, new: &OfferRow) {
        let at = match self.find(new) {
            Err(at) => at,
            Ok(at) => panic!(
                "offers: {new:?} comes, but {:?} is there already",
                self.rows[at]
            ),
        };
        let slot = self.slot(new.flight, None);
        self.rows.insert(at, new.clone());
        self.hot.insert(at, Hot::new(new, slot));
    }

    fn insert_many(&mut self, come: &[&OfferRow]) {
        // Rows of one flight stand side by side, so that its slot is looked for once.
        let mut last: Option<(FlightKey, u32)> = None;
        let mut all: Vec<(Hot, OfferRow)> = self.hot.drain(..).zip(self.rows.drain(..)).collect();
        all.reserve_exact(come.len());
        for new in come {
            let known = last.filter(|(flight, _)| *flight == new.flight);
            let slot = self.slot(new.flight, known.map(|(_, slot)| slot));
            last = Some((new.flight, slot));
            all.push((Hot::new(new, slot), (*new).clone()));
        }
        all.sort_unstable_by_key(|(_, row)| place(row));
        self.hot.reserve_exact(all.len());
        self.rows.reserve_exact(all.len());
        for (hot, row) in all {
            if let Some(before) = self.rows.last() {
                assert!(
                    place(before) < place(&row),
                    "offers: {row:?} comes, but {before:?} is there already"
                );
            }
            self.hot.push(hot);
            self.rows.push(row);
        }
    }

    /// The place of a flight, with one more offer counted.
    fn slot(&mut self, flight: FlightKey, known: Option<u32>) -> u32 {
        let mut free = None;
        let found = known.map(|slot| slot as usize).or_else(|| {
            self.flights.iter().enumerate().find_map(|(at, slot)| {
                if slot.offers == 0 {
                    free = free.or(Some(at));
                }
                (slot.offers > 0 && slot.flight == flight).then_some(at)
            })
        });
        let at = found.or(free).unwrap_or_else(|| {
            let offers = 0;
            self.flights.push(FlightSlot { flight, offers });
            self.flights.len() - 1
        });
        self.flights[at].flight = flight;
        self.flights[at].offers += 1;
        at as u32
    }

    /// Offers that the query asks for, in its order, at most `limit`, and how many there are in all.
    pub(crate) fn search(&self, query: &SearchQuery) -> (Vec<OfferRow>, usize) {
        let seats = query.passengers.max(1);
        let class = query.class.map(Class::letter);
        let mut seen = Seen::new(if query.best_per_flight {
            self.flights.len()
        } else {
            0
        });
        let mut found: Vec<u32> = Vec::new();
        let mut total = 0;
        let by_price = query.sort == Sort::Price;
        for (at, hot) in self.hot.iter().enumerate() {
            if hot.seats < seats
                || !self.is_asked_for(query, class, at)
                || (query.best_per_flight && !seen.first(hot.slot))
            {
                continue;
            }
            total += 1;
            // In the order of price the first ones are the ones wanted.
            if !by_price || found.len() < query.limit {
                found.push(at as u32);
            }
        }
        if !by_price {
            let key = |at: &u32| (query.sort.key(&self.rows[*at as usize]), *at);
            if found.len() > query.limit {
                if query.limit > 0 {
                    found.select_nth_unstable_by_key(query.limit - 1, key);
                }
                found.truncate(query.limit);
            }
            found.sort_unstable_by_key(key);
        }
        let offers = found.iter().map(|at| self.rows[*at as usize].clone());
        (offers.collect(), total)
    }

    /// Offers that the query asks for but for their seats, which are too few, in the order of price.
    /// When it asks for the best of each flight, only of flights with nothing else.
    pub(crate) fn short(&self, query: &SearchQuery) -> Vec<OfferRow> {
        let seats = query.passengers.max(1);
        let class = query.class.map(Class::letter);
        let asked = |at: &usize| self.is_asked_for(query, class, *at);
        let mut has_seats = vec![false; self.flights.len()];
        if query.best_per_flight {
            for at in (0..self.hot.len()).filter(asked) {
                has_seats[self.hot[at].slot as usize] |= self.hot[at].seats >= seats;
            }
        }
        let short = (0..self.hot.len()).filter(asked).filter(|at| {
            let hot = &self.hot[*at];
            hot.seats < seats && !has_seats[hot.slot as usize]
        });
        short.map(|at| self.rows[at].clone()).collect()
    }

    /// Is an offer in the cabin, of the class and from the provider asked for?
    #[inline]
    fn is_asked_for(&self, query: &SearchQuery, class: Option<u8>, at: usize) -> bool {
        let hot = &self.hot[at];
        query.cabin.is_none_or(|cabin| cabin == hot.cabin)
            && class.is_none_or(|class| class == hot.class)
            && query
                .provider
                .is_none_or(|provider| provider == self.rows[at].provider)
    }
}

impl Hot {
    fn new(row: &OfferRow, slot: u32) -> Self {
        Self {
            seats: row.seats,
            cabin: row.cabin,
            class: row.class.map_or(0, Class::letter),
            slot,
        }
    }
}

fn same_offer(a: &OfferRow, b: &OfferRow) -> bool {
    (a.flight, a.provider, a.cabin, a.class) == (b.flight, b.provider, b.cabin, b.class)
}

/// Which flights were met.
struct Seen {
    small: [u64; 4],
    large: Vec<u64>,
}

impl Seen {
    fn new(flights: usize) -> Self {
        let large = if flights > 256 {
            vec![0; flights.div_ceil(64)]
        } else {
            Vec::new()
        };
        Self {
            small: [0; 4],
            large,
        }
    }

    /// True the first time.
    fn first(&mut self, slot: u32) -> bool {
        let words: &mut [u64] = if self.large.is_empty() {
            &mut self.small
        } else {
            &mut self.large
        };
        let word = &mut words[slot as usize / 64];
        let bit = 1 << (slot % 64);
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}
