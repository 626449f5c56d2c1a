//! A flight availability: the booking classes of each flight of a journey, seen on that journey.

use flightline_ledger::Class;
use flightline_ledger::command::SaleStatus;

use super::segment::{needed, seats, shown};
use super::wire::{AvailabilityClass, Segment};
use crate::market::{Gather, Look, Seats};
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};

/// Takes an availability.
pub(super) fn take(
    gather: &mut Gather,
    place: (u64, &[u8]),
    segments: &[Segment<'_>],
) -> Result<(), Fault> {
    if segments.is_empty() {
        return Err(Fault::at(Code::MissingField, "segments", "is empty"));
    }
    let mut journey = Vec::with_capacity(segments.len());
    for (n, segment) in segments.iter().enumerate() {
        let at = format!("segments[{n}]");
        let flight = shown(&at, segment)?;
        let looks = match closed(&at, segment)? {
            // Closed as a whole: in every cabin.
            Some(status) => gather
                .terms
                .all_cabins()
                .into_iter()
                .map(|cabin| Look {
                    cabin: Some(cabin),
                    class: None,
                    status,
                    seats: None,
                    price: None,
                })
                .collect(),
            None => segment
                .availability_classes
                .iter()
                .enumerate()
                .map(|(m, class)| look(&format!("{at}.availabilityClasses[{m}]"), class))
                .collect::<Result<_, _>>()?,
        };
        journey.push((flight, looks));
    }
    let observed = Observed {
        origin: journey.first().map(|(flight, _)| flight.board()),
        destination: journey.last().map(|(flight, _)| flight.off()),
        ..Observed::default()
    };
    gather.journey(place, None, &observed, journey);
    Ok(())
}

fn unknown(field: String, status: &str, known: &str) -> Fault {
    Fault::at(
        Code::UnknownStatus,
        field,
        format_args!("{} is none of {known}", quoted(status)),
    )
}

fn closed(at: &str, segment: &Segment<'_>) -> Result<Option<SaleStatus>, Fault> {
    Ok(match segment.closed_status.as_deref() {
        None => None,
        Some("CANCELLED") => Some(SaleStatus::NotOperating),
        Some("DEPARTED" | "NOT_AVAILABLE") => Some(SaleStatus::Closed),
        Some(other) => {
            return Err(unknown(
                format!("{at}.closedStatus"),
                other,
                "CANCELLED, DEPARTED, NOT_AVAILABLE",
            ));
        }
    })
}

fn look(at: &str, class: &AvailabilityClass<'_>) -> Result<Look, Fault> {
    let field = format!("{at}.class");
    let text = needed(&field, class.class.as_deref())?;
    let letter: Class = text
        .parse()
        .map_err(|e| Fault::at(Code::BadCode, &field, format_args!("{}: {e}", quoted(text))))?;
    let status = match class.closed_status.as_deref() {
        None => SaleStatus::Open,
        Some("WAITLIST_OPEN") => SaleStatus::WaitlistOpen,
        Some("WAITLIST_CLOSED") => SaleStatus::Closed,
        Some("ON_REQUEST") => SaleStatus::Request,
        Some(other) => {
            return Err(unknown(
                format!("{at}.closedStatus"),
                other,
                "WAITLIST_OPEN, WAITLIST_CLOSED, ON_REQUEST",
            ));
        }
    };
    let seats = match class.number_of_bookable_seats {
        Some(n) => {
            let count = seats(&format!("{at}.numberOfBookableSeats"), n)?;
            Some(Seats {
                count,
                is_floor: count == 9,
            })
        }
        // Open without a count would be open without a bound.
        None if status == SaleStatus::Open => {
            return Err(Fault::new(
                Code::MissingField,
                format!("missing field `{at}.numberOfBookableSeats`"),
            ));
        }
        None => None,
    };
    Ok(Look {
        cabin: None,
        class: Some(letter),
        status,
        seats,
        price: None,
    })
}
