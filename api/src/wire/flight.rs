//! A flight, with what of it can be sold.

use flightline_dataflows::rows::{InventoryRow, LegRow, LoadFactorRow};
use flightline_ledger::command::{SaleStatus, quality};
use flightline_sinks::serving::FlightView;
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::search::{OfferAnswer, Offers, aircraft, letter};
use super::text;

/// A flight: its legs, and per leg and cabin what is authorised, held, sold and left.
#[derive(Serialize, ToSchema)]
#[schema(as = Flight)]
pub(crate) struct FlightAnswer<'a> {
    /// The flight.
    #[schema(value_type = String)]
    flight_key: text::KeyText,
    /// `scheduled` or `cancelled`.
    #[schema(pattern = "^(scheduled|cancelled)$")]
    status: &'static str,
    /// The provider whose schedule it is.
    owner: &'a str,
    /// The flight that operates this one, when this key is only a codeshare's number. Seats are
    /// sold under that key.
    #[schema(value_type = Option<String>)]
    operating: Option<text::KeyText>,
    /// What connectors repaired or guessed in its schedule.
    #[schema(value_type = Vec<String>)]
    quality: Quality,
    /// In flying order.
    #[schema(value_type = Vec<LegAnswer<'_>>)]
    legs: Legs<'a>,
    /// What is on offer, sold out offers included.
    #[schema(value_type = Vec<OfferAnswer<'_>>)]
    offers: Offers<'a>,
    /// Partition of the flight's stream.
    partition: u32,
    /// Offset of the last record of the partition that is reflected; null before the first.
    offset: Option<u64>,
}

/// One leg.
#[derive(Serialize, ToSchema)]
#[schema(as = Leg)]
pub(crate) struct LegAnswer<'a> {
    /// Place in the flight, from 1.
    #[schema(minimum = 1)]
    leg_no: u8,
    /// Departure station.
    board: &'a str,
    /// Arrival station.
    off: &'a str,
    /// Departure.
    #[schema(value_type = String, format = DateTime)]
    departs_at: text::Text<27>,
    /// Arrival.
    #[schema(value_type = String, format = DateTime)]
    arrives_at: text::Text<27>,
    /// Local time of departure, without a zone.
    #[schema(value_type = String)]
    departing_at: text::Text<19>,
    /// Local time of arrival, without a zone.
    #[schema(value_type = String)]
    arriving_at: text::Text<19>,
    /// IATA aircraft type, when it is known.
    aircraft: Option<&'a str>,
    /// IATA service type letter.
    service: String,
    /// By provider and cabin.
    cabins: Vec<CabinAnswer<'a>>,
}

/// One cabin of a leg, as one provider sells it.
#[derive(Serialize, ToSchema)]
#[schema(as = Cabin)]
pub(crate) struct CabinAnswer<'a> {
    /// Whose allotment.
    provider: &'a str,
    /// The cabin's letter.
    cabin: String,
    /// Seats in the aircraft, over all providers; null = unknown.
    capacity: Option<i32>,
    #[serde(flatten)]
    counts: CountsAnswer,
    /// Booking classes, by letter.
    classes: Vec<ClassAnswer>,
}

/// One booking class.
#[derive(Serialize, ToSchema)]
#[schema(as = Class)]
pub(crate) struct ClassAnswer {
    /// The class's letter.
    class: String,
    #[serde(flatten)]
    counts: CountsAnswer,
}

/// Seats.
#[derive(Serialize, ToSchema)]
#[schema(as = Counts)]
pub(crate) struct CountsAnswer {
    /// What may be sold, overbooking allowance included; null = not stated, or no limit.
    authorised: Option<i32>,
    /// Seats of live holds.
    held: i32,
    /// Seats sold.
    sold: i32,
    /// Seats that can be sold now.
    #[schema(minimum = 0)]
    available: i32,
    /// Seats held or sold beyond what is authorised.
    #[schema(minimum = 0)]
    oversold: i32,
    /// `open`, `request`, `waitlist_open`, `closed` or `not_operating`.
    #[schema(pattern = "^(open|request|waitlist_open|closed|not_operating)$")]
    status: &'static str,
}

/// The stable name of a sale status.
pub(crate) const fn sale_status(status: SaleStatus) -> &'static str {
    match status {
        SaleStatus::Open => "open",
        SaleStatus::Request => "request",
        SaleStatus::WaitlistOpen => "waitlist_open",
        SaleStatus::Closed => "closed",
        SaleStatus::NotOperating => "not_operating",
    }
}

impl CountsAnswer {
    fn of(row: &InventoryRow) -> Self {
        Self {
            authorised: row.authorised,
            held: row.held,
            sold: row.sold,
            available: row.available,
            oversold: row.oversold,
            status: sale_status(row.status),
        }
    }
}

impl<'a> FlightAnswer<'a> {
    pub(crate) fn of(view: &'a FlightView, partition: u32) -> Self {
        let covered = view.covers.offsets.get(partition as usize).copied();
        Self {
            flight_key: text::flight_key(&view.flight.flight),
            status: view.flight.status.name(),
            owner: view.flight.owner.as_str(),
            operating: view.flight.operating.as_ref().map(text::flight_key),
            quality: Quality(view.flight.quality),
            legs: Legs(view),
            offers: Offers(&view.offers),
            partition,
            offset: covered.and_then(|next| next.checked_sub(1)),
        }
    }

    pub(crate) fn position(&self) -> Option<(u32, u64)> {
        self.offset.map(|offset| (self.partition, offset))
    }
}

/// Marks of connectors, by name.
pub(crate) struct Quality(pub(crate) u32);

impl Serialize for Quality {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = quality::NAMES.iter().enumerate();
        serializer.collect_seq(
            names
                .filter(|(bit, _)| self.0 >> bit & 1 == 1)
                .map(|(_, name)| name),
        )
    }
}

/// Legs with the inventory rows that belong to each.
struct Legs<'a>(&'a FlightView);

impl Serialize for Legs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.legs.len()))?;
        for leg in &self.0.legs {
            list.serialize_element(&leg_answer(leg, self.0))?;
        }
        list.end()
    }
}

fn leg_answer<'a>(leg: &'a LegRow, view: &'a FlightView) -> LegAnswer<'a> {
    let of_leg = || view.inventory.iter().filter(|row| row.leg_no == leg.leg_no);
    let capacity = |row: &InventoryRow| {
        let same = |load: &&LoadFactorRow| load.leg_no == row.leg_no && load.cabin == row.cabin;
        view.load_factor.iter().find(same).map(|load| load.capacity)
    };
    let classes = |cabin: &InventoryRow| {
        of_leg()
            .filter(|row| row.provider == cabin.provider && row.cabin == cabin.cabin)
            .filter_map(|row| {
                let class = char::from(row.class?.letter()).to_string();
                Some(ClassAnswer {
                    class,
                    counts: CountsAnswer::of(row),
                })
            })
            .collect()
    };
    let cabins = of_leg()
        .filter(|row| row.class.is_none())
        .map(|row| CabinAnswer {
            provider: row.provider.as_str(),
            cabin: char::from(row.cabin.letter()).to_string(),
            capacity: capacity(row),
            counts: CountsAnswer::of(row),
            classes: classes(row),
        })
        .collect();
    LegAnswer {
        leg_no: leg.leg_no,
        board: leg.board.as_str(),
        off: leg.off.as_str(),
        departs_at: text::instant(leg.departs_s.saturating_mul(1000)),
        arrives_at: text::instant(leg.arrives_s.saturating_mul(1000)),
        departing_at: text::local_time(leg.departs_s, leg.departs_offset_min),
        arriving_at: text::local_time(leg.arrives_s, leg.arrives_offset_min),
        aircraft: aircraft(&leg.aircraft),
        service: letter(leg.service, &mut [0; 4]).to_owned(),
        cabins,
    }
}
