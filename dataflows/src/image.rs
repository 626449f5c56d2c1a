//! A flight as its rows last showed it, in as few bytes as will do.
//!
//! When an epoch closes, a flight that changed is read from its ledger into a fresh image, and the
//! views of it compare the two: what differs goes out as rows, what does not costs nothing more.
//! The images are why rows that went can be taken back without anybody having kept them.

use flightline_ledger::command::{Counts, SaleStatus, SourceVersion};
use flightline_ledger::view::{FareLine, FlightStatus, InventoryLine, LegView, OfferLine};
use flightline_ledger::{Cabin, Class, Flight, FlightKey, Money, ProviderCode};

use crate::supply::Supply;
use crate::views::fare;

/// A flight at one moment; empty while no row of it is out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Image {
    pub(crate) key: FlightKey,
    /// Absent = there is no such flight (yet, or any more).
    pub(crate) head: Option<Head>,
    pub(crate) legs: Vec<LegView>,
    pub(crate) lines: Vec<Line>,
    pub(crate) cabins: Vec<CabinLine>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) drift: Vec<Drift>,
    pub(crate) fares: Vec<FareLine>,
    /// Where the ledger's first, second, ... line of inventory is in `lines`.
    pub(crate) line_order: Vec<u32>,
    /// The same for offers.
    pub(crate) offer_order: Vec<u32>,
    /// Seats are used in the aircraft that no line counts.
    pub(crate) has_strays: bool,
    /// How the seats of offers follow from those of lines; absent = the ledger must be asked.
    pub(crate) supply: Option<Supply>,
}

/// What is said of a flight once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: FlightStatus,
    pub(crate) owner: ProviderCode,
    pub(crate) operating: Option<FlightKey>,
    pub(crate) quality: u32,
}

/// Where a bucket of seats is: what inventory, oversale and drift are keyed by within a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    pub(crate) provider: ProviderCode,
    pub(crate) leg: u8,
    pub(crate) cabin: Cabin,
    pub(crate) class: Option<Class>,
}

/// A bucket's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) bucket: Bucket,
    pub(crate) status: SaleStatus,
    pub(crate) authorised: Option<i32>,
    pub(crate) held: i32,
    pub(crate) sold: i32,
    pub(crate) available: i32,
    pub(crate) oversold: i32,
}

/// A cabin of a leg's aircraft, over all providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CabinLine {
    pub(crate) leg: u8,
    pub(crate) cabin: Cabin,
    /// Seats in the aircraft, 0 when unknown.
    pub(crate) seats: i32,
    pub(crate) held: i32,
    pub(crate) sold: i32,
    /// Seats used beyond what the aircraft has, with the largest overbooking allowance.
    pub(crate) oversold: i32,
}

/// Something for sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) at: OfferKey,
    pub(crate) seats_is_floor: bool,
    pub(crate) seats: u16,
    pub(crate) price: Money,
}

/// What offers are keyed by within a flight. Segments come first: a segment's offers lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OfferKey {
    pub(crate) first_leg: u8,
    pub(crate) last_leg: u8,
    pub(crate) cabin: Cabin,
    pub(crate) class: Option<Class>,
    pub(crate) provider: ProviderCode,
}

/// A provider's last count beside what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drift {
    pub(crate) bucket: Bucket,
    pub(crate) counts: Counts,
    pub(crate) reported: i32,
    pub(crate) expected: i32,
    pub(crate) version: SourceVersion,
    pub(crate) offset: u64,
}

/// Counts of seats fit 32 bits by far; one that does not is shown as the nearest that does.
pub(crate) fn narrow(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(if count < 0 { i32::MIN } else { i32::MAX })
}

impl Line {
    #[inline]
    pub(crate) fn of(line: &InventoryLine) -> Self {
        Self {
            bucket: Bucket {
                provider: line.provider,
                leg: line.leg,
                cabin: line.cabin,
                class: line.class,
            },
            status: line.status,
            authorised: line.authorised.map(narrow),
            held: narrow(line.held),
            sold: narrow(line.sold),
            available: narrow(line.available),
            oversold: narrow(line.oversold),
        }
    }
}

impl Offer {
    #[inline]
    pub(crate) fn of(offer: &OfferLine) -> Self {
        Self {
            at: OfferKey {
                first_leg: offer.first_leg,
                last_leg: offer.last_leg,
                cabin: offer.cabin,
                class: offer.class,
                provider: offer.provider,
            },
            seats_is_floor: offer.seats_is_floor,
            seats: offer.seats,
            price: offer.price,
        }
    }
}

impl Image {
    /// Reads a flight, reusing this image's memory. `before` is the image that it will replace;
    /// `version_at` knows the version of a report made at an offset since that one was read.
    pub(crate) fn read(
        &mut self,
        flight: &Flight,
        before: &Image,
        version_at: impl Fn(u64) -> Option<SourceVersion>,
    ) {
        self.key = flight.key();
        self.head = Some(Head {
            status: flight.status(),
            owner: flight.owner(),
            operating: flight.operating(),
            quality: flight.quality(),
        });
        self.legs.clear();
        self.legs.extend_from_slice(flight.legs());

        self.lines.clear();
        self.lines
            .extend(flight.inventory().map(|line| Line::of(&line)));
        sort(&mut self.lines, &mut self.line_order, |line| line.bucket);

        self.cabins.clear();
        self.cabins.extend(flight.aircraft().map(|line| CabinLine {
            leg: line.leg,
            cabin: line.cabin,
            seats: line.seats.map_or(0, i32::from),
            held: 0,
            sold: 0,
            oversold: narrow(line.oversold),
        }));
        self.cabins.sort_by_key(|line| (line.leg, line.cabin));
        for line in &self.lines {
            if line.bucket.class.is_none()
                && let Some(cabin) = cabin_at(&mut self.cabins, line.bucket)
            {
                cabin.held += line.held;
                cabin.sold += line.sold;
            }
        }
        let cabins = flight.aircraft().zip(&self.cabins);
        self.has_strays = cabins
            .into_iter()
            .any(|(aircraft, cabin)| aircraft.used != i64::from(cabin.held + cabin.sold));

        self.offers.clear();
        self.offers.extend(Self::offers_of(flight));
        sort(&mut self.offers, &mut self.offer_order, |offer| offer.at);
        self.supply = Supply::of(flight, &self.lines, &self.offers);

        self.fares.clear();
        self.fares.extend(flight.fares());
        self.fares.sort_by_key(fare::key);

        self.drift.clear();
        for line in flight.drift() {
            // Without something to compare it with, a count is no drift.
            let Some(expected) = line.expected else {
                continue;
            };
            let bucket = Bucket {
                provider: line.provider,
                leg: line.leg,
                cabin: line.cabin,
                class: line.class,
            };
            let known = |drift: &&Drift| drift.offset == line.offset && drift.bucket == bucket;
            let version = version_at(line.offset)
                .or_else(|| before.drift.iter().find(known).map(|d| d.version))
                .unwrap_or_default();
            self.drift.push(Drift {
                bucket,
                counts: line.counts,
                reported: line.reported,
                expected: narrow(expected),
                version,
                offset: line.offset,
            });
        }
        self.drift.sort_by_key(|drift| drift.bucket);
    }

    /// The offers of a flight, in the ledger's order.
    ///
    /// Where a route passes a station twice, two stations mean the first segment between them: the
    /// longer one cannot be told apart by them, neither in a row's key nor in a request, and is
    /// left out.
    pub(crate) fn offers_of(flight: &Flight) -> impl Iterator<Item = Offer> + '_ {
        let legs = flight.legs();
        let offers = flight.offers();
        offers
            .filter(|offer| is_named(legs, offer))
            .map(|offer| Offer::of(&offer))
    }
}

/// The cabin of the aircraft that a bucket is in.
pub(crate) fn cabin_at(cabins: &mut [CabinLine], bucket: Bucket) -> Option<&mut CabinLine> {
    let mut cabins = cabins.iter_mut();
    cabins.find(|c| (c.leg, c.cabin) == (bucket.leg, bucket.cabin))
}

/// Is the segment of an offer the one that its stations name?
fn is_named(legs: &[LegView], offer: &OfferLine) -> bool {
    let (first, last) = (usize::from(offer.first_leg), usize::from(offer.last_leg));
    legs.len() < 3
        || legs.iter().position(|leg| leg.board == offer.board) == Some(first)
            && legs[first..].iter().position(|leg| leg.off == offer.off) == Some(last - first)
}

/// Sorts lines by their key, and notes where each went.
fn sort<L: Copy, K: Ord>(lines: &mut [L], order: &mut Vec<u32>, key: impl Fn(&L) -> K) {
    order.clear();
    order.extend(0..lines.len() as u32);
    if lines.is_sorted_by_key(&key) {
        return;
    }
    let mut sorted = order.clone();
    sorted.sort_by_key(|at| key(&lines[*at as usize]));
    let unsorted = lines.to_vec();
    for (to, from) in sorted.into_iter().enumerate() {
        lines[to] = unsorted[from as usize];
        order[from as usize] = to as u32;
    }
}
