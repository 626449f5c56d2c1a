//! What flights are sold for: the offers of a route and day that fit a party, gathered by aircraft.
//!
//! One departure may be on offer several times: by several providers, in several classes, under
//! several numbers. It becomes one [`Leg`] with the best offer of each number, provider and
//! currency. Seats are compared with the party offer by offer and never added up.
//!
//! Numbers of one aircraft are found together within one route and local day. A codeshare whose
//! schedule puts it on another day than its operating flight's is wrong in a way that nothing here
//! can set right, and stands for itself.

use std::cmp::Ordering;

use flightline_dataflows::rows::OfferRow;
use flightline_ledger::{Cabin, Currency, FlightKey, Money};

use super::JourneyQuery;
use crate::serving::Serving;
use crate::serving::bucket::RouteDay;

/// A currency with its number of decimals, in the order of prices.
pub(super) type MoneyKind = u32;

/// The kind of an amount.
pub(super) fn kind_of(price: &Money) -> MoneyKind {
    let [a, b, c] = price.currency.bytes();
    u32::from_be_bytes([a, b, c, price.exponent])
}

/// Work done, and its bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    done: u64,
    max: u64,
    is_over: bool,
}

impl Work {
    pub(super) fn new(max: u64) -> Self {
        Self {
            done: 0,
            max,
            is_over: false,
        }
    }

    /// Takes so many steps; false, for good, when the bound does not leave that many.
    pub(super) fn take(&mut self, steps: u64) -> bool {
        self.is_over |= steps > self.max - self.done;
        if !self.is_over {
            self.done += steps;
        }
        !self.is_over
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Which offers fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fitting {
    seats: u16,
    cabin: Option<Cabin>,
    currency: Option<Currency>,
    /// Also what can be waited for, where nothing fits.
    sold_out: bool,
}

impl Fitting {
    pub(super) fn new(query: &JourneyQuery) -> Self {
        Self {
            seats: query.passengers.max(1),
            cabin: query.cabin,
            currency: query.currency,
            sold_out: query.sold_out,
        }
    }
}

/// A leg of a search: its place among the legs.
pub(super) type LegNo = u32;

/// One departure of one aircraft between two stations, and what it is sold for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) operating: FlightKey,
    pub(super) departs_s: i64,
    pub(super) departs_offset_min: i16,
    pub(super) arrives_s: i64,
    pub(super) arrives_offset_min: i16,
    fares: Span,
    sold: Span,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn of<T>(self, list: &[T]) -> &[T] {
        &list[self.from as usize..self.to as usize]
    }
}

/// The lowest price of a leg in one currency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fare {
    pub(super) kind: MoneyKind,
    pub(super) minor: i64,
    row: u32,
}

/// Everything that one search has looked up.
#[derive(Debug, Default)]
pub(super) struct Stock {
    rows: Vec<OfferRow>,
    legs: Vec<Leg>,
    /// By leg, in the order of currencies.
    fares: Vec<Fare>,
    /// By leg, the rows that sell it, in the order of prices.
    sold: Vec<u32>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    /// By flight of the bucket, the last of its rows that were taken, from 1; 0 = none.
    last: Vec<u32>,
    /// Rows taken: the flight in the bucket, and the row of the same flight taken before, from 1.
    taken: Vec<(u32, u32)>,
    /// Aircraft and row.
    by_aircraft: Vec<(FlightKey, u32)>,
    /// Rows of flights on which nothing fits.
    short: Vec<OfferRow>,
}

impl Stock {
    pub(super) fn leg(&self, no: LegNo) -> &Leg {
        &self.legs[no as usize]
    }

    pub(super) fn legs(&self) -> usize {
        self.legs.len()
    }

    pub(super) fn fares(&self, leg: LegNo) -> &[Fare] {
        self.leg(leg).fares.of(&self.fares)
    }

    /// Looks up a route and day, and returns its legs; `None` when the bound on the work is met.
    pub(super) fn look_up(
        &mut self,
        serving: &Serving,
        key: &RouteDay,
        fitting: &Fitting,
        work: &mut Work,
    ) -> Option<std::ops::Range<LegNo>> {
        let from = self.legs.len() as LegNo;
        let first_row = self.rows.len();
        if !self.take_rows(serving, key, fitting, work) {
            return None;
        }
        self.by_aircraft(serving, first_row);
        let by_aircraft = std::mem::take(&mut self.scratch.by_aircraft);
        for group in by_aircraft.chunk_by(|a, b| a.0 == b.0) {
            let group = match fitting.sold_out {
                true => with_seats(&self.rows, group, fitting.seats),
                false => group,
            };
            self.add_leg(group);
        }
        self.scratch.by_aircraft = by_aircraft;
        Some(from..self.legs.len() as LegNo)
    }

    /// Copies the best row of each flight, provider and currency that fits. This is all that is done
    /// under the bucket's lock.
    fn take_rows(
        &mut self,
        serving: &Serving,
        key: &RouteDay,
        fitting: &Fitting,
        work: &mut Work,
    ) -> bool {
        let Self { rows, scratch, .. } = self;
        let Scratch {
            last, taken, short, ..
        } = scratch;
        taken.clear();
        short.clear();
        let first_row = rows.len();
        let looked = serving.routes.with_bucket(key, |bucket| {
            if !work.take(1 + bucket.rows().len() as u64) {
                return false;
            }
            last.clear();
            last.resize(bucket.flight_slots(), 0);
            bucket.each_fitting(fitting.seats, fitting.cabin, |slot, row| {
                let other = fitting.currency.is_some_and(|c| c != row.price.currency);
                // No ledger lets a price be below 0; sums that grow are what joins rely on.
                if other || row.price.minor < 0 {
                    return;
                }
                let last = &mut last[slot as usize];
                let mut at = *last;
                while at > 0 {
                    let before = &rows[first_row + at as usize - 1];
                    if before.provider == row.provider
                        && before.price.currency == row.price.currency
                        && before.price.exponent == row.price.exponent
                    {
                        return;
                    }
                    at = taken[at as usize - 1].1;
                }
                taken.push((slot, *last));
                *last = taken.len() as u32;
                rows.push(row.clone());
            });
            if fitting.sold_out {
                bucket.each_short(fitting.seats, fitting.cabin, |slot, row| {
                    let other = fitting.currency.is_some_and(|c| c != row.price.currency);
                    if !other && row.price.minor >= 0 && last[slot as usize] == 0 {
                        short.push(row.clone());
                    }
                });
            }
            true
        });
        if fitting.sold_out {
            self.take_short(serving, fitting.seats);
        }
        looked.unwrap_or_else(|| work.take(1))
    }

    /// Of the flights on which nothing fits, takes the best row of each flight, provider and currency
    /// that can be waited for.
    fn take_short(&mut self, serving: &Serving, seats: u16) {
        let Self { rows, scratch, .. } = self;
        let kind = |row: &OfferRow| (row.flight, row.provider, kind_of(&row.price));
        let first_short = rows.len();
        for row in scratch.short.drain(..) {
            let is_known = rows[first_short..].iter().any(|r| kind(r) == kind(&row));
            if !is_known && serving.can_wait(&row, seats) {
                rows.push(row);
            }
        }
    }

    /// Puts the rows from `first_row` on by aircraft; within one they stay in the order of prices.
    fn by_aircraft(&mut self, serving: &Serving, first_row: usize) {
        let Self { rows, scratch, .. } = self;
        let codeshares = &serving.codeshares;
        scratch.by_aircraft.clear();
        let all = (first_row as u32..).zip(&rows[first_row..]);
        if codeshares.is_empty() {
            let own = all.map(|(at, row)| (row.flight, at));
            scratch.by_aircraft.extend(own);
        } else {
            let operating = all.map(|(at, row)| (codeshares.operating(&row.flight), at));
            scratch.by_aircraft.extend(operating);
        }
        scratch.by_aircraft.sort_unstable();
    }

    /// Adds the leg of one aircraft, sold by these rows.
    fn add_leg(&mut self, group: &[(FlightKey, u32)]) {
        let operating = group[0].0;
        let row = |at: u32| &self.rows[at as usize];
        // The operating number says when it flies; without it, the first of the others.
        let lead = group.iter().map(|(_, at)| row(*at));
        let Some(lead) = lead.min_by_key(|row| (row.flight != operating, row.flight)) else {
            return;
        };
        let (fares_from, sold_from) = (self.fares.len() as u32, self.sold.len() as u32);
        for (_, at) in group {
            let row = row(*at);
            // A number that lags behind a change of times is not sold at the old ones.
            if (row.departs_s, row.arrives_s) != (lead.departs_s, lead.arrives_s) {
                continue;
            }
            self.sold.push(*at);
            let kind = kind_of(&row.price);
            let known = self.fares[fares_from as usize..].last();
            if known.is_none_or(|fare| fare.kind != kind) {
                self.fares.push(Fare {
                    kind,
                    minor: row.price.minor,
                    row: *at,
                });
            }
        }
        self.legs.push(Leg {
            operating,
            departs_s: lead.departs_s,
            departs_offset_min: lead.departs_offset_min,
            arrives_s: lead.arrives_s,
            arrives_offset_min: lead.arrives_offset_min,
            fares: Span {
                from: fares_from,
                to: self.fares.len() as u32,
            },
            sold: Span {
                from: sold_from,
                to: self.sold.len() as u32,
            },
        });
    }

    /// The price of flights together: in the first currency that all are sold in and that the sum
    /// fits in; `None` when there is none.
    pub(super) fn price(&self, legs: &[LegNo]) -> Option<(MoneyKind, i64)> {
        let (first, others) = legs.split_first()?;
        self.fares(*first).iter().find_map(|fare| {
            let mut sum = fare.minor;
            for leg in others {
                let mut fares = self.fares(*leg).iter();
                let same = fares.find(|other| other.kind == fare.kind)?;
                sum = sum.checked_add(same.minor)?;
            }
            Some((fare.kind, sum))
        })
    }

    /// The offer of a leg in a currency, and the best of everybody else who sells it.
    pub(super) fn offers(&self, leg: LegNo, kind: MoneyKind) -> Option<(OfferRow, Vec<OfferRow>)> {
        let chosen = self.fares(leg).iter().find(|fare| fare.kind == kind)?.row;
        let row = |at: u32| &self.rows[at as usize];
        let seller = |at: u32| (row(at).flight, row(at).provider);
        let mut others: Vec<u32> = Vec::new();
        for at in self.leg(leg).sold.of(&self.sold) {
            if seller(*at) == seller(chosen) {
                continue;
            }
            match others
                .iter()
                .position(|other| seller(*other) == seller(*at))
            {
                None => others.push(*at),
                // The first one is the cheapest, unless another one is in the right currency.
                Some(known) if kind_of(&row(*at).price) == kind => others[known] = *at,
                Some(_) => {}
            }
        }
        others.sort_unstable();
        let others = others.into_iter().map(|at| row(at).clone());
        Some((row(chosen).clone(), others.collect()))
    }

    /// The amount of a sum over a leg's currency.
    pub(super) fn money(&self, leg: LegNo, kind: MoneyKind, minor: i64) -> Option<Money> {
        let fare = self.fares(leg).iter().find(|fare| fare.kind == kind)?;
        Some(Money {
            minor,
            ..self.rows[fare.row as usize].price
        })
    }

    /// Compares legs by what they are: the flight, where it is boarded and left, and the day.
    pub(super) fn compare(&self, a: LegNo, b: LegNo) -> Ordering {
        let what = |leg: LegNo| {
            let leg = self.leg(leg);
            let row = &self.rows[self.sold[leg.sold.from as usize] as usize];
            (leg.operating, row.board, row.off, row.date)
        };
        what(a).cmp(&what(b)).then(a.cmp(&b))
    }
}

/// Of the rows that sell one aircraft those with enough seats; all of them when none has: what is sold
/// out under one number and not under another is not sold out.
fn with_seats<'a>(
    rows: &[OfferRow],
    group: &'a [(FlightKey, u32)],
    seats: u16,
) -> &'a [(FlightKey, u32)] {
    let fits = |at: u32| rows[at as usize].seats >= seats;
    // Rows that fit come first: they were taken first.
    let fitting = group.iter().take_while(|(_, at)| fits(*at)).count();
    match fitting {
        0 => group,
        _ => &group[..fitting],
    }
}
