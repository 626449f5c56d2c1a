//! How many seats an offer has, told from the lines of inventory that it draws on.
//!
//! The ledger tells it too, but works out everything else about the offer on the way, and what an
//! offer draws on changes only when a provider speaks. So the lines are found then, and the sum is
//! compared with what the ledger says. Where it is not as simple as a minimum (limits on exact
//! segments, counts that are floors) or does not agree, there is no [`Supply`], and the ledger is
//! asked every time.

use flightline_ledger::command::SaleStatus;
use flightline_ledger::{Flight, FlightStatus, ProviderCode};

use crate::image::{Bucket, Line, Offer};

/// The lines that the offers of a flight draw on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Supply {
    /// By offer, where its lines end in `lines`; they begin where those of the one before end.
    ends: Vec<u32>,
    /// Indices of lines, one per leg of the offer's segment; none when the offer is not open.
    lines: Vec<u32>,
}

impl Supply {
    /// What the offers of a flight draw on, if that is simple. Both lists are sorted.
    pub(crate) fn of(flight: &Flight, lines: &[Line], offers: &[Offer]) -> Option<Self> {
        let mut providers = flight.providers();
        // What does not sell for now is open as far as its lines tell.
        let is_simple = !flight.has_pause()
            && !flight.inventory().any(|line| line.is_floor)
            && !providers.any(|p| flight.segment_limits(p.code).next().is_some());
        if !is_simple {
            return None;
        }
        let mut supply = Self::default();
        for (at, offer) in offers.iter().enumerate() {
            let from = supply.lines.len();
            let is_open = flight.status() == FlightStatus::Scheduled
                && sells(flight, offer.at.provider)
                && supply.draw(lines, offer)?;
            if !is_open {
                supply.lines.truncate(from);
            }
            supply.ends.push(supply.lines.len() as u32);
            if supply.seats(at, lines) != offer.seats || offer.seats_is_floor {
                return None;
            }
        }
        Some(supply)
    }

    /// Adds the lines of an offer, and tells whether all of them are open. Nothing when a line is
    /// missing.
    fn draw(&mut self, lines: &[Line], offer: &Offer) -> Option<bool> {
        let mut is_open = true;
        for leg in offer.at.first_leg..=offer.at.last_leg {
            let mut bucket = Bucket {
                provider: offer.at.provider,
                leg,
                cabin: offer.at.cabin,
                class: None,
            };
            let find = |bucket| lines.binary_search_by_key(&bucket, |line| line.bucket).ok();
            let cabin = find(bucket)?;
            bucket.class = offer.at.class;
            let line = find(bucket)?;
            is_open &=
                lines[cabin].status == SaleStatus::Open && lines[line].status == SaleStatus::Open;
            self.lines.push(line as u32);
        }
        Some(is_open)
    }

    /// The seats of an offer.
    pub(crate) fn seats(&self, offer: usize, lines: &[Line]) -> u16 {
        let from = offer.checked_sub(1).map_or(0, |before| self.ends[before]);
        let of_offer = &self.lines[from as usize..self.ends[offer] as usize];
        let available = of_offer.iter().map(|at| lines[*at as usize].available);
        available
            .min()
            .map_or(0, |seats| u16::try_from(seats.max(0)).unwrap_or(u16::MAX))
    }
}

fn sells(flight: &Flight, provider: ProviderCode) -> bool {
    let mut providers = flight.providers();
    providers.any(|p| p.code == provider && p.sells)
}
