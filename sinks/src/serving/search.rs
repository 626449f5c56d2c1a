//! What can be asked of the index, and what it answers.

use std::sync::Arc;

use flightline_dataflows::rows::OfferRow;
use flightline_ledger::{Cabin, Class, Date, ProviderCode, Station};

use super::covers::Covers;

/// A search for direct offers on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// Where the passenger boards.
    pub board: Station,
    /// Where the passenger leaves.
    pub off: Station,
    /// Local day of departure at `board`.
    pub date: Date,
    /// Only this cabin.
    pub cabin: Option<Cabin>,
    /// Only this booking class.
    pub class: Option<Class>,
    /// Only from this provider.
    pub provider: Option<ProviderCode>,
    /// Seats needed; 0 is read as 1.
    pub passengers: u16,
    /// The order of the answer.
    pub sort: Sort,
    /// At most so many offers.
    pub limit: usize,
    /// Of each flight only its cheapest offer that fits. One seat may be on offer several times (by
    /// several providers, in several classes); this shows it once.
    pub best_per_flight: bool,
    /// Also offers with too few seats that a hold could wait for, after all others; see
    /// [`Serving::can_wait`](super::Serving::can_wait). With `best_per_flight` only of flights that
    /// have nothing else.
    pub sold_out: bool,
}

impl SearchQuery {
    /// Everything on one route and day for one passenger: cheapest first, one offer a flight, at
    /// most 50.
    pub fn new(board: Station, off: Station, date: Date) -> Self {
        Self {
            board,
            off,
            date,
            cabin: None,
            class: None,
            provider: None,
            passengers: 1,
            sort: Sort::Price,
            limit: 50,
            best_per_flight: true,
            sold_out: false,
        }
    }
}

/// Orders of an answer. Equals stand in the order of price, then flight, provider, cabin, class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Cheapest first. Currencies are not converted: one after the other, by code.
    #[default]
    Price,
    /// Earliest departure first.
    Departure,
    /// Earliest arrival first.
    Arrival,
    /// Shortest first.
    Duration,
}

impl Sort {
    /// Every order.
    pub const ALL: [Sort; 4] = [Sort::Price, Sort::Departure, Sort::Arrival, Sort::Duration];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Sort::Price => "price",
            Sort::Departure => "departure",
            Sort::Arrival => "arrival",
            Sort::Duration => "duration",
        }
    }

    /// The order of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.name() == name)
    }

    /// What is compared; price is the order of the bucket itself.
    pub(crate) fn key(self, row: &OfferRow) -> i64 {
        match self {
            Sort::Price => 0,
            Sort::Departure => row.departs_s,
            Sort::Arrival => row.arrives_s,
            Sort::Duration => row.arrives_s.saturating_sub(row.departs_s),
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchResult {
    /// The offers, in the order asked for.
    pub offers: Vec<OfferRow>,
    /// How many there are, the limit left aside.
    pub total: usize,
    /// What the answer reflects at least.
    pub covers: Arc<Covers>,
}
