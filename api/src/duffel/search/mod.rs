//! Search: the journeys of every slice, joined to offers.
//!
//! A search runs on a thread that may block and takes some milliseconds of a core a slice. The same
//! request gives the same offers with the same ids as long as flights, seats and prices stay.
//!
//! Offers to wait for come from a search of their own, after the others: a flight that is sold out is
//! no reason to leave out a longer way that is not.

pub(crate) mod asked;
mod combine;
pub(crate) mod travellers;

use std::collections::HashMap;
use std::sync::Arc;

use flightline_dataflows::rows::{LegRow, OfferRow};
use flightline_ledger::order::CreateOrder;
use flightline_ledger::{Cabin, FlightKey, Money};
use flightline_sinks::serving::{Covers, Journey, JourneyQuery, JourneySegment, Serving, Sort};

use super::Booking;
use super::party::seats;
use super::token::{Offer, OfferRequest, Segment, Slice, SliceAsked};
use crate::backend::Backend;
use combine::Choice;

/// Journeys looked at for each slice, cheapest first; the fastest is always among them.
const JOURNEYS_MAX: usize = 500;

/// An offer that was found, and what its id does not say.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) offer: Offer,
    /// By slice and segment.
    pub(crate) details: Vec<Vec<Detail>>,
}

/// What is shown of a segment, but not needed to book it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// The legs that are flown, when there are several.
    pub(crate) legs: Vec<LegRow>,
    /// Who else sells these seats.
    pub(crate) alternatives: Vec<OfferRow>,
    /// Seats that can be sold now.
    pub(crate) seats: u16,
}

/// Which offers are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Those with seats for all.
    WithSeats,
    /// Those with a flight that the party would have to wait for.
    ToWaitFor,
}

/// Where a search looks, and for whom.
pub(crate) struct Search<'a> {
    pub(crate) booking: &'a Booking,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) client: &'a str,
    pub(crate) now_ms: i64,
    /// What the ids say was reflected when the request was made.
    pub(crate) covers: &'a Covers,
}

impl Search<'_> {
    /// The offers of a request, cheapest first, and after them those to wait for, cheapest first. Empty
    /// when they would have expired by now.
    pub(crate) fn run(&self, asked: &OfferRequest) -> Vec<Found> {
        let ttl_ms = i64::try_from(self.booking.terms.offer_ttl_ms).unwrap_or(i64::MAX);
        let expires_at_ms = asked.created_at_ms.saturating_add(ttl_ms);
        if expires_at_ms <= self.now_ms {
            return Vec::new();
        }
        let mut legs = Legs::default();
        let mut found = self.wanted(asked, expires_at_ms, Wanted::WithSeats, &mut legs);
        if asked.include_sold_out {
            found.extend(self.wanted(asked, expires_at_ms, Wanted::ToWaitFor, &mut legs));
        }
        found
    }

    fn wanted(
        &self,
        asked: &OfferRequest,
        expires_at_ms: i64,
        wanted: Wanted,
        legs: &mut Legs,
    ) -> Vec<Found> {
        let journeys: Vec<Vec<Journey>> = asked
            .slices
            .iter()
            .map(|slice| self.journeys(asked, slice, wanted))
            .collect();
        let choices: Vec<Vec<Choice>> = journeys
            .iter()
            .map(|all| all.iter().filter_map(Choice::of).collect())
            .collect();
        let rules = &self.booking.rules;
        let connects = |a: &Choice, b: &Choice| {
            let least_s = rules.minimum_s(a.last, b.first);
            a.arrives_s.saturating_add(least_s) <= b.departs_s
        };
        let most = self.booking.terms.offers_max;
        // The cheapest may all have seats.
        let looked_at = match wanted {
            Wanted::WithSeats => most,
            Wanted::ToWaitFor => usize::MAX,
        };
        let chosen = combine::combine(&choices, looked_at, connects);
        let party = seats(&asked.passengers);
        let trips = chosen.iter().map(|indices| -> Vec<&Journey> {
            let places = indices.iter().zip(&journeys);
            places.filter_map(|(at, all)| all.get(*at)).collect()
        });
        match wanted {
            Wanted::WithSeats => trips
                .filter_map(|trip| self.offer(asked, expires_at_ms, &trip, legs))
                .collect(),
            Wanted::ToWaitFor => trips
                .filter(|trip| trip.iter().any(|journey| is_short(journey, party)))
                .filter_map(|trip| self.offer(asked, expires_at_ms, &trip, legs))
                .take(most)
                .collect(),
        }
    }

    /// Journeys of one slice that have not departed.
    fn journeys(&self, asked: &OfferRequest, slice: &SliceAsked, wanted: Wanted) -> Vec<Journey> {
        let reference = &self.booking.reference;
        let rules = Arc::clone(&self.booking.rules);
        let mut query =
            JourneyQuery::new(slice.origin.code, slice.destination.code, slice.date, rules);
        if slice.origin.is_city {
            query.origins = reference.stations(slice.origin.code);
        }
        if slice.destination.is_city {
            query.destinations = reference.stations(slice.destination.code);
        }
        query.passengers = seats(&asked.passengers);
        query.connections_max = asked.connections_max;
        query.departure = slice.departure;
        query.arrival = slice.arrival;
        query.sort = Sort::Price;
        query.limit = JOURNEYS_MAX;
        query.sold_out = wanted == Wanted::ToWaitFor;
        let serving = self.backend.serving();
        let mut out: Vec<Journey> = Vec::new();
        let cabins: Vec<Option<Cabin>> = match asked.cabin {
            None => vec![None],
            Some(class) => class.cabins().map(Some).collect(),
        };
        for cabin in cabins {
            query.cabin = cabin;
            let found = serving.journeys(&query);
            if found.truncated {
                tracing::debug!(work = found.work, "a search met its bound");
            }
            out.extend(found.journeys);
        }
        out.retain(|journey| {
            let first = journey.segments.first();
            first.is_some_and(|s| s.offer.departs_s.saturating_mul(1000) > self.now_ms)
        });
        // The same flights under two letters of one class count once, with seats where one has them.
        out.sort_by_key(|journey| {
            let is_short = is_short(journey, query.passengers);
            (is_short, journey.price.currency, journey.price.minor)
        });
        let mut seen = std::collections::HashSet::new();
        out.retain(|journey| {
            let flown = |s: &JourneySegment| (s.offer.flight, s.offer.board, s.offer.off);
            seen.insert(journey.segments.iter().map(flown).collect::<Vec<_>>())
        });
        out
    }

    fn offer(
        &self,
        asked: &OfferRequest,
        expires_at_ms: i64,
        trip: &[&Journey],
        legs: &mut Legs,
    ) -> Option<Found> {
        let price = trip.first()?.price;
        let party = seats(&asked.passengers);
        let slices = trip
            .iter()
            .zip(&asked.slices)
            .map(|(journey, slice)| Slice {
                origin: slice.origin,
                destination: slice.destination,
                segments: journey
                    .segments
                    .iter()
                    .map(|s| self.segment(s, party))
                    .collect(),
            });
        let mut offer = Offer {
            request: asked.nonce,
            created_at_ms: asked.created_at_ms,
            expires_at_ms,
            passengers: asked.passengers.clone(),
            total: Money { minor: 0, ..price },
            slices: slices.collect(),
        };
        offer.total.minor = offer.sum()?;
        let bookable = (1..=CreateOrder::MINOR_MAX).contains(&offer.total.minor)
            && offer.segments().count() <= CreateOrder::SEGMENTS_MAX;
        let id = offer.encode(&self.booking.signer, self.client);
        // What no order could take is not offered.
        if !bookable || id.len() > CreateOrder::OFFER_MAX {
            return None;
        }
        let serving = self.backend.serving();
        let detail = |segment: &JourneySegment, legs: &mut Legs| Detail {
            legs: legs.of(serving, segment),
            // Of what is to be waited for the others may have as little.
            alternatives: segment
                .alternatives
                .iter()
                .filter(|row| row.seats >= party)
                .cloned()
                .collect(),
            seats: segment.offer.seats,
        };
        let details = trip.iter().map(|journey| {
            let segments = journey.segments.iter();
            segments.map(|segment| detail(segment, legs)).collect()
        });
        Some(Found {
            details: details.collect(),
            id,
            offer,
        })
    }

    fn segment(&self, segment: &JourneySegment, seats: u16) -> Segment {
        let row = &segment.offer;
        let partition = self.backend.partition_of(&row.flight);
        let covered = self.covers.offsets.get(partition as usize);
        Segment {
            flight: row.flight,
            operating: segment.operating,
            provider: row.provider,
            cabin: row.cabin,
            class: row.class,
            board: row.board,
            off: row.off,
            price_minor: row.price.minor,
            departs_s: row.departs_s,
            departs_offset_min: row.departs_offset_min,
            arrives_s: row.arrives_s,
            arrives_offset_min: row.arrives_offset_min,
            aircraft: row.aircraft,
            is_sold_out: row.seats < seats,
            seen: (partition, covered.copied().unwrap_or(0)),
        }
    }
}

/// Has a flight too few seats?
fn is_short(journey: &Journey, seats: u16) -> bool {
    journey.segments.iter().any(|s| s.offer.seats < seats)
}

/// Legs of flights with several, looked up once a search.
#[derive(Default)]
struct Legs(HashMap<FlightKey, Vec<LegRow>>);

impl Legs {
    fn of(&mut self, serving: &Serving, segment: &JourneySegment) -> Vec<LegRow> {
        let row = &segment.offer;
        if row.legs < 2 {
            return Vec::new();
        }
        let legs = self
            .0
            .entry(segment.operating)
            .or_insert_with_key(|flight| {
                serving
                    .flight(flight)
                    .map_or_else(Vec::new, |view| view.legs)
            });
        flown(legs, row)
    }
}

/// The legs that a passenger of an offer flies; empty when it is one.
pub(crate) fn flown(legs: &[LegRow], row: &OfferRow) -> Vec<LegRow> {
    let from = legs
        .iter()
        .position(|leg| leg.board == row.board && leg.departs_s == row.departs_s);
    let until = legs
        .iter()
        .position(|leg| leg.off == row.off && leg.arrives_s == row.arrives_s);
    match (from, until) {
        (Some(from), Some(until)) if from < until => legs[from..=until].to_vec(),
        _ => Vec::new(),
    }
}
