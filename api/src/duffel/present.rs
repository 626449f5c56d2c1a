//! Offers as clients see them. Orders show their slices with the same functions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flightline_dataflows::rows::OfferRow;
use flightline_ledger::order::RefundTerms;
use flightline_ledger::{FlightKey, Money};
use flightline_sinks::serving::TimeWindow;

use super::Booking;
use super::cabin::CabinClass;
use super::party::{Passenger, passenger_id};
use super::search::Detail;
use super::search::travellers::Names;
use super::token::{self, Nonce, OfferRequest, derived_id};
use super::wire::carrier::{Aircraft, Airline};
use super::wire::offer::{self as wire, Conditions, PaymentRequirements};
use super::wire::offer_request::{RequestedSlice, TimeRange};
use super::wire::place::{Airport, Place, end_type};
use super::wire::slice::{
    Alternative, Amenities, CabinDetails, Condition, OfferSlice, OfferSliceConditions, Segment,
    SegmentPassenger, SliceCommon, Stop,
};
use super::wire::text;

/// An offer. `details` by slice and segment, `names` by passenger; either may be shorter.
pub(crate) fn offer(
    booking: &Booking,
    id: String,
    offer: &token::Offer,
    details: &[Vec<Detail>],
    names: &[Names],
    updated_at_ms: i64,
) -> wire::Offer {
    let reference = &booking.reference;
    let conditions = conditions(&booking.terms.refund, offer.total);
    let owner = offer
        .segments()
        .next()
        .map_or(FlightKey::NONE, |s| s.flight)
        .carrier;
    let total_amount = text::amount(offer.total);
    let total_currency = offer.total.currency.to_string();
    let commons = slices(booking, offer, details);
    let slices = commons
        .into_iter()
        .zip(&offer.slices)
        .map(|(common, slice)| OfferSlice {
            common,
            ngs_shelf: None,
            comparison_key: comparison_key(slice),
            conditions: OfferSliceConditions {
                change_before_departure: conditions.change_before_departure.clone(),
                refund_before_departure: conditions.refund_before_departure.clone(),
                advance_seat_selection: None,
                priority_boarding: None,
                priority_check_in: None,
            },
        });
    wire::Offer {
        id,
        live_mode: booking.terms.is_live,
        partial: false,
        created_at: text::instant(offer.created_at_ms),
        updated_at: text::instant(updated_at_ms),
        expires_at: text::instant(offer.expires_at_ms),
        base_amount: total_amount.clone(),
        base_currency: total_currency.clone(),
        total_amount,
        total_currency,
        tax_amount: None,
        tax_currency: None,
        total_emissions_kg: None,
        owner: Airline::of(reference, owner),
        passengers: passengers(&offer.request, &offer.passengers, names),
        payment_requirements: payment_requirements(booking, offer),
        slices: slices.collect(),
        conditions,
        passenger_identity_documents_required: false,
        supported_passenger_identity_document_types: Vec::new(),
        allowed_passenger_identity_document_types: Vec::new(),
        supported_loyalty_programmes: Vec::new(),
        private_fares: Vec::new(),
        available_services: Vec::new(),
        waitlist: waitlist(booking, offer, details),
    }
}

/// What of the offer would have to be waited for; `None` when all flights have the seats.
fn waitlist(
    booking: &Booking,
    offer: &token::Offer,
    details: &[Vec<Detail>],
) -> Option<wire::OfferWaitlist> {
    let seats = offer.seats();
    let short = offer.segments().zip(details.iter().flatten());
    let short = short.filter(|(_, detail)| detail.seats < seats);
    let flights: Vec<_> = short
        .map(|(segment, detail)| wire::ShortFlight {
            flight_key: segment.flight.to_string(),
            seats_left: detail.seats,
        })
        .collect();
    (!flights.is_empty()).then_some(wire::OfferWaitlist {
        wait_s_max: booking.terms.wait_max_ms / 1000,
        flights,
    })
}

/// The slices of an offer, as offers and orders show them.
pub(crate) fn slices(
    booking: &Booking,
    offer: &token::Offer,
    details: &[Vec<Detail>],
) -> Vec<SliceCommon> {
    let reference = &booking.reference;
    let all = offer.slices.iter().enumerate().map(|(at, slice)| {
        let key = [&slices_hash(&offer.slices)[..], &[at as u8]].concat();
        let segments = slice.segments.iter().enumerate().map(|(place, segment)| {
            let detail = details.get(at).and_then(|slice| slice.get(place));
            let key = [&key[..], &[place as u8]].concat();
            self::segment(booking, offer, segment, detail, &key)
        });
        let first = slice.segments.first().map_or(0, |s| s.departs_s);
        let last = slice.segments.last().map_or(0, |s| s.arrives_s);
        SliceCommon {
            id: derived_id("sli_", &offer.request, &key),
            origin: Place::end(reference, slice.origin),
            destination: Place::end(reference, slice.destination),
            origin_type: end_type(slice.origin),
            destination_type: end_type(slice.destination),
            duration: Some(text::duration(last.saturating_sub(first))),
            fare_brand_name: None,
            segments: segments.collect(),
        }
    });
    all.collect()
}

fn segment(
    booking: &Booking,
    offer: &token::Offer,
    segment: &token::Segment,
    detail: Option<&Detail>,
    key: &[u8],
) -> Segment {
    let reference = &booking.reference;
    let class = CabinClass::of(segment.cabin);
    let passengers = (0..offer.passengers.len()).map(|at| SegmentPassenger {
        passenger_id: passenger_id(&offer.request, at),
        cabin_class: class.name(),
        cabin_class_marketing_name: class.marketing_name(),
        fare_basis_code: None,
        baggages: Vec::new(),
        cabin: Some(CabinDetails {
            name: class.name(),
            marketing_name: class.marketing_name(),
            amenities: Amenities::default(),
        }),
        seat: None,
    });
    let legs = detail.map_or(&[][..], |detail| &detail.legs);
    let stops = legs.windows(2).enumerate().map(|(at, legs)| Stop {
        id: derived_id("sto_", &offer.request, &[key, &[at as u8]].concat()),
        airport: Airport::of(reference, legs[0].off),
        arriving_at: text::local_time(legs[0].arrives_s, legs[0].arrives_offset_min),
        departing_at: text::local_time(legs[1].departs_s, legs[1].departs_offset_min),
        duration: text::duration(legs[1].departs_s.saturating_sub(legs[0].arrives_s)),
    });
    let alternatives = detail.map_or(&[][..], |detail| &detail.alternatives);
    let alternatives = alternatives.iter().filter(|row| row.cabin == segment.cabin);
    let distance = reference.distance_km(segment.board, segment.off);
    Segment {
        id: derived_id("seg_", &offer.request, key),
        origin: Airport::of(reference, segment.board),
        destination: Airport::of(reference, segment.off),
        origin_terminal: None,
        destination_terminal: None,
        departing_at: text::local_time(segment.departs_s, segment.departs_offset_min),
        arriving_at: text::local_time(segment.arrives_s, segment.arrives_offset_min),
        duration: Some(text::duration(
            segment.arrives_s.saturating_sub(segment.departs_s),
        )),
        distance: distance.map(|km| format!("{km:.1}")),
        aircraft: Aircraft::of(reference, segment.aircraft),
        marketing_carrier: Airline::of(reference, segment.flight.carrier),
        marketing_carrier_flight_number: flight_number(&segment.flight),
        operating_carrier: Airline::of(reference, segment.operating.carrier),
        operating_carrier_flight_number: Some(flight_number(&segment.operating)),
        stops: stops.collect(),
        passengers: passengers.collect(),
        flight_key: segment.flight.to_string(),
        provider: segment.provider.to_string(),
        booking_class: segment.class.map(|class| class.to_string()),
        alternatives: alternatives.map(alternative).collect(),
    }
}

fn alternative(row: &OfferRow) -> Alternative {
    Alternative {
        flight_key: row.flight.to_string(),
        provider: row.provider.to_string(),
        booking_class: row.class.map(|class| class.to_string()),
        amount: text::amount(row.price),
        currency: row.price.currency.to_string(),
    }
}

/// Passengers, with their names as far as these are known.
pub(crate) fn passengers(
    nonce: &Nonce,
    party: &[Passenger],
    names: &[Names],
) -> Vec<wire::Passenger> {
    let all = party.iter().enumerate().map(|(at, passenger)| {
        let names = names.get(at).cloned().unwrap_or_default();
        wire::Passenger {
            id: passenger_id(nonce, at),
            kind: passenger.type_name(),
            age: passenger.age(),
            fare_type: passenger.fare_type_name(),
            given_name: names.given,
            family_name: names.family,
            loyalty_programme_accounts: names.loyalty,
        }
    });
    all.collect()
}

/// The slices of an offer request.
pub(crate) fn requested_slices(booking: &Booking, asked: &OfferRequest) -> Vec<RequestedSlice> {
    let reference = &booking.reference;
    let all = asked.slices.iter().map(|slice| RequestedSlice {
        origin: Place::end(reference, slice.origin),
        destination: Place::end(reference, slice.destination),
        origin_type: end_type(slice.origin),
        destination_type: end_type(slice.destination),
        departure_date: slice.date.to_string(),
        departure_time: slice.departure.map(time_range),
        arrival_time: slice.arrival.map(time_range),
    });
    all.collect()
}

fn time_range(window: TimeWindow) -> TimeRange {
    let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    TimeRange {
        from: text(window.from_min),
        to: text(window.to_min),
    }
}

/// What may be done with an order of this total.
pub(crate) fn conditions(refund: &RefundTerms, total: Money) -> Conditions {
    let penalty = |minor: i64| Condition {
        allowed: true,
        penalty_amount: Some(text::amount(Money { minor, ..total })),
        penalty_currency: Some(total.currency.to_string()),
    };
    let not_allowed = Condition {
        allowed: false,
        penalty_amount: None,
        penalty_currency: None,
    };
    Conditions {
        refund_before_departure: Some(match refund {
            RefundTerms::Full => penalty(0),
            RefundTerms::Penalty(minor) => penalty((*minor).min(total.minor)),
            RefundTerms::Nothing => not_allowed.clone(),
        }),
        change_before_departure: Some(not_allowed),
    }
}

/// Until when an order of type hold made of the offer would have to be paid, counted from the
/// search; `None` when its first flight is too near for that.
pub(crate) fn pay_by_ms(booking: &Booking, offer: &token::Offer) -> Option<i64> {
    let pay_by_ms = i64::try_from(booking.terms.pay_by_ms).ok()?;
    let until_ms = offer.created_at_ms.checked_add(pay_by_ms)?;
    let departs_ms = offer.segments().next()?.departs_s.saturating_mul(1000);
    (until_ms < departs_ms).then_some(until_ms)
}

fn payment_requirements(booking: &Booking, offer: &token::Offer) -> PaymentRequirements {
    let until = pay_by_ms(booking, offer).map(text::instant);
    PaymentRequirements {
        requires_instant_payment: until.is_none(),
        payment_required_by: until.clone(),
        price_guarantee_expires_at: until,
    }
}

/// Number and suffix: `1545`, `1234A`.
fn flight_number(flight: &FlightKey) -> String {
    let mut out = flight.number.to_string();
    if flight.suffix != 0 {
        out.push(char::from(flight.suffix));
    }
    out
}

/// Tells the trips of one search apart: what is flown, in which class, from whom, at which price.
fn slices_hash(slices: &[token::Slice]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for slice in slices {
        hasher.update(&[slice.segments.len() as u8]);
        for segment in &slice.segments {
            hash_flown(&mut hasher, segment);
            hasher.update(&segment.provider.bytes());
            hasher.update(&[segment.class.map_or(0, |class| class.letter())]);
            hasher.update(&segment.price_minor.to_be_bytes());
        }
    }
    cut(&hasher)
}

/// Equal for the same flights in the same cabins, whoever sells them.
fn comparison_key(slice: &token::Slice) -> String {
    let mut hasher = blake3::Hasher::new();
    for segment in &slice.segments {
        hash_flown(&mut hasher, segment);
    }
    URL_SAFE_NO_PAD.encode(cut(&hasher))
}

fn hash_flown(hasher: &mut blake3::Hasher, segment: &token::Segment) {
    hasher.update(&segment.flight.to_bytes());
    hasher.update(&segment.board.bytes());
    hasher.update(&segment.off.bytes());
    hasher.update(&[segment.cabin.letter()]);
}

fn cut(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_follow_the_terms() {
        let total = Money {
            minor: 10_000,
            currency: "USD".parse().unwrap(),
            exponent: 2,
        };
        let refund = |terms| {
            let condition = conditions(&terms, total).refund_before_departure.unwrap();
            (condition.allowed, condition.penalty_amount)
        };
        assert_eq!(refund(RefundTerms::Full), (true, Some("0.00".to_owned())));
        assert_eq!(
            refund(RefundTerms::Penalty(2_500)),
            (true, Some("25.00".to_owned()))
        );
        assert_eq!(
            refund(RefundTerms::Penalty(99_999)),
            (true, Some("100.00".to_owned()))
        );
        assert_eq!(refund(RefundTerms::Nothing), (false, None));
        let change = conditions(&RefundTerms::Full, total)
            .change_before_departure
            .unwrap();
        assert!(!change.allowed && change.penalty_currency.is_none());
    }
}
