//! Which offers have too few seats for a party that could wait for them.
//!
//! An offer's row says how many seats there are, not why there are no more: 0 is sold out, and also
//! closed, cancelled or withdrawn. The rows of the flight tell these apart as far as a search needs: it
//! is open on every leg, more could be sold if nobody had a seat yet, and all of it is taken. What is in
//! no row (a limit or a closing of exactly this segment, a provider told to stop) is decided by the
//! ledger when a hold asks to wait; its rules are in `docs/ledger.md`, "Waiting".

use flightline_dataflows::rows::{FlightStatus, InventoryRow, LegRow, OfferRow};
use flightline_ledger::command::SaleStatus;

use super::Serving;
use super::flights::FlightEntry;

impl Serving {
    /// Has the offer too few seats for so many, and can a hold wait for them? False where it cannot
    /// be told from the rows of the flight.
    pub fn can_wait(&self, offer: &OfferRow, seats: u16) -> bool {
        offer.seats < seats
            && self
                .flights
                .look(&offer.flight, |entry| can_wait(entry, offer, seats))
                .unwrap_or(false)
    }
}

fn can_wait(entry: &FlightEntry, offer: &OfferRow, seats: u16) -> bool {
    let flies = entry
        .flight
        .first()
        .is_some_and(|row| row.status == FlightStatus::Scheduled);
    if !flies {
        return false;
    }
    let Some(legs) = flown(&entry.legs, offer) else {
        return false;
    };
    let mut left: Option<i32> = None;
    for leg in legs {
        let line = |class| {
            let at = |row: &&InventoryRow| {
                (row.provider, row.leg_no, row.cabin, row.class)
                    == (offer.provider, leg.leg_no, offer.cabin, class)
            };
            entry.inventory.iter().find(at)
        };
        let (Some(cabin), Some(class)) = (line(None), line(offer.class)) else {
            return false;
        };
        let is_open = cabin.status == SaleStatus::Open && class.status == SaleStatus::Open;
        let has_room = cabin.authorised.is_none_or(|most| most >= i32::from(seats))
            && entry.load_factor.iter().all(|row| {
                (row.leg_no, row.cabin) != (leg.leg_no, offer.cabin)
                    // 0 = it is not known how many the aircraft has.
                    || row.capacity == 0
                    || row.capacity >= i32::from(seats)
            });
        if !is_open || !has_room {
            return false;
        }
        left = Some(left.map_or(class.available, |left| left.min(class.available)));
    }
    // None on offer where the legs have some: something else than the legs stands against it.
    offer.seats > 0 || left == Some(0)
}

/// The legs of an offer; `None` when the flight's are others by now.
fn flown<'a>(legs: &'a [LegRow], offer: &OfferRow) -> Option<&'a [LegRow]> {
    let is_first = |leg: &LegRow| leg.board == offer.board && leg.departs_s == offer.departs_s;
    let first = legs.iter().position(is_first)?;
    let legs = legs.get(first..first + usize::from(offer.legs))?;
    let last = legs.last()?;
    (last.off == offer.off && last.arrives_s == offer.arrives_s).then_some(legs)
}
