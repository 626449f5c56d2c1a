//! A flight offer: flights, the class of each, seats that can be booked together, and the price.

use flightline_ledger::codes::Money;
use flightline_ledger::command::SaleStatus;
use flightline_ledger::{Cabin, Class};

use super::segment::{needed, seats, shown};
use super::wire::{Itinerary, Price, Record, Traveler};
use crate::market::{Gather, Look, Seats, cabin_named};
use crate::money;
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};

/// Takes an offer.
pub(super) fn take(
    gather: &mut Gather,
    place: (u64, &[u8]),
    offer: &Record<'_>,
    itineraries: &[Itinerary<'_>],
) -> Result<(), Fault> {
    let travelers = u16::try_from(offer.traveler_pricings.len())
        .unwrap_or(u16::MAX)
        .max(1);
    let total = price("price", offer.price.as_ref())?;
    let flights: usize = itineraries.iter().map(|i| i.segments.len()).sum();
    if flights == 0 {
        return Err(Fault::at(
            Code::MissingField,
            "itineraries",
            "has no segments",
        ));
    }
    // What can be booked together is the least of all flights: for each alone a floor, unless there is
    // one flight only.
    let bookable = match offer.number_of_bookable_seats {
        // Infants on laps need none.
        None => Seats {
            count: i32::from(travelers.saturating_sub(on_laps(offer)).clamp(1, 9)),
            is_floor: true,
        },
        Some(n) => {
            let count = seats("numberOfBookableSeats", n)?;
            Seats {
                count,
                is_floor: count == 9 || flights > 1,
            }
        }
    };
    let fare = if flights == 1 {
        fare(offer, total, travelers)?
    } else {
        None
    };
    let mut journeys = Vec::with_capacity(itineraries.len());
    for (n, itinerary) in itineraries.iter().enumerate() {
        let mut journey = Vec::with_capacity(itinerary.segments.len());
        for (m, segment) in itinerary.segments.iter().enumerate() {
            let at = format!("itineraries[{n}].segments[{m}]");
            let flight = shown(&at, segment)?;
            let looks = classes(offer, segment.id.as_deref())?
                .into_iter()
                .map(|(cabin, class)| Look {
                    cabin,
                    class: Some(class),
                    status: SaleStatus::Open,
                    seats: Some(bookable),
                    price: fare,
                })
                .collect();
            journey.push((flight, looks));
        }
        let ends = |(first, last): (&(_, Vec<Look>), &(_, Vec<Look>))| {
            let (first, last): (&crate::market::Shown, &crate::market::Shown) = (&first.0, &last.0);
            (first.board(), last.off())
        };
        let ends = journey.first().zip(journey.last()).map(ends);
        let observed = Observed {
            offer: offer.id.as_deref().map(|id| id.chars().take(64).collect()),
            origin: ends.map(|(origin, _)| origin),
            destination: ends.map(|(_, destination)| destination),
            total: Some(total),
            passengers: Some(travelers.min(999)),
            ..Observed::default()
        };
        journeys.push((observed, journey));
    }
    if offer.traveler_pricings.is_empty() {
        let text =
            "the offer has no travelerPricings, which tell classes: no seats were taken from it";
        gather.warn(place.0, None, text.to_owned());
    }
    for (observed, journey) in journeys {
        gather.journey(place, None, &observed, journey);
    }
    Ok(())
}

fn price(at: &str, price: Option<&Price<'_>>) -> Result<Money, Fault> {
    let field = format!("{at}.grandTotal");
    let price =
        price.ok_or_else(|| Fault::new(Code::MissingField, format!("missing field `{at}`")))?;
    let amount = price.grand_total.as_deref().or(price.total.as_deref());
    money::read(
        &field,
        needed(&field, amount)?,
        needed(format!("{at}.currency"), price.currency.as_deref())?,
    )
}

fn on_laps(offer: &Record<'_>) -> u16 {
    let all = offer.traveler_pricings.iter();
    let held = all.filter(|t| t.traveler_type.as_deref() == Some("HELD_INFANT"));
    u16::try_from(held.count()).unwrap_or(u16::MAX)
}

/// The price of one seat: an adult's.
fn fare(offer: &Record<'_>, total: Money, travelers: u16) -> Result<Option<Money>, Fault> {
    let is_adult = |t: &Traveler<'_>| t.traveler_type.as_deref() == Some("ADULT");
    let adult = offer.traveler_pricings.iter().position(is_adult);
    let is_adults = offer.traveler_pricings.iter().all(is_adult);
    match adult {
        Some(n) => {
            let at = format!("travelerPricings[{n}].price");
            match &offer.traveler_pricings[n].price {
                Some(stated) => price(&at, Some(stated)).map(Some),
                // All pay the same where all are adults.
                None if is_adults => Ok(money::share(total, travelers)),
                None => Ok(None),
            }
        }
        None if travelers == 1 => Ok(Some(total)),
        None => Ok(None),
    }
}

/// Cabin and class in which travellers sit on a segment: usually one.
fn classes(
    offer: &Record<'_>,
    segment: Option<&str>,
) -> Result<Vec<(Option<Cabin>, Class)>, Fault> {
    let mut found: Vec<(Option<Cabin>, Class)> = Vec::with_capacity(1);
    for (n, traveler) in offer.traveler_pricings.iter().enumerate() {
        for (m, details) in traveler.fare_details_by_segment.iter().enumerate() {
            if details.segment_id.as_deref() != segment {
                continue;
            }
            let at = format!("travelerPricings[{n}].fareDetailsBySegment[{m}]");
            let Some(text) = details.class.as_deref() else {
                continue;
            };
            let class: Class = text.parse().map_err(|e| {
                Fault::at(
                    Code::BadCode,
                    format_args!("{at}.class"),
                    format_args!("{}: {e}", quoted(text)),
                )
            })?;
            let cabin = match details.cabin.as_deref() {
                None => None,
                Some(name) => Some(cabin_named(format_args!("{at}.cabin"), name)?),
            };
            if !found.iter().any(|(_, known)| *known == class) {
                found.push((cabin, class));
            }
        }
    }
    Ok(found)
}
