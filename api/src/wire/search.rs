//! Offers, as search shows them.

use flightline_dataflows::rows::OfferRow;
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::hold::Price;
use super::text;

/// What a search found.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchResult)]
pub(crate) struct SearchAnswer<'a> {
    /// The offers, in the order asked for.
    #[schema(value_type = Vec<OfferAnswer<'_>>)]
    pub(crate) data: Offers<'a>,
    pub(crate) meta: SearchMeta,
}

/// About the answer as a whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchMeta {
    /// The most offers that were asked for.
    pub(crate) limit: u64,
    /// How many there are, the limit left aside.
    pub(crate) total: u64,
}

/// Offers that are written straight from the rows of the index.
pub(crate) struct Offers<'a>(pub(crate) &'a [OfferRow]);

impl Serialize for Offers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for row in self.0 {
            offer(row, |answer| list.serialize_element(answer))?;
        }
        list.end()
    }
}

/// One offer: seats of one class of one provider on a segment of a flight.
#[derive(Serialize, ToSchema)]
#[schema(as = Offer)]
pub(crate) struct OfferAnswer<'a> {
    /// The flight.
    pub(crate) flight_key: &'a str,
    /// Where the passenger boards.
    pub(crate) origin: &'a str,
    /// Where the passenger leaves.
    pub(crate) destination: &'a str,
    /// Local time of departure, without a zone.
    pub(crate) departing_at: &'a str,
    /// Local time of arrival, without a zone.
    pub(crate) arriving_at: &'a str,
    /// Minutes from departure to arrival.
    pub(crate) duration_min: i64,
    /// Legs flown on one aircraft.
    #[schema(minimum = 1)]
    pub(crate) legs: u8,
    /// IATA aircraft type, when it is known.
    pub(crate) aircraft: Option<&'a str>,
    /// Who sells.
    pub(crate) provider: &'a str,
    /// The cabin's letter.
    pub(crate) cabin: &'a str,
    /// The booking class; null = the cabin as a whole.
    pub(crate) class: Option<&'a str>,
    /// Price of one seat.
    pub(crate) price: Price,
    /// Seats that can be sold now.
    pub(crate) seats: u16,
    /// There may be more: the provider said "so many or more".
    pub(crate) seats_is_floor: bool,
}

/// Shows an offer to `show`.
pub(crate) fn offer<T>(row: &OfferRow, show: impl FnOnce(&OfferAnswer<'_>) -> T) -> T {
    let mut letters = [[0; 4]; 2];
    let [cabin, class] = &mut letters;
    show(&OfferAnswer {
        flight_key: text::flight_key(&row.flight).as_str(),
        origin: row.board.as_str(),
        destination: row.off.as_str(),
        departing_at: text::local_time(row.departs_s, row.departs_offset_min).as_str(),
        arriving_at: text::local_time(row.arrives_s, row.arrives_offset_min).as_str(),
        duration_min: row.arrives_s.saturating_sub(row.departs_s).div_euclid(60),
        legs: row.legs,
        aircraft: aircraft(&row.aircraft),
        provider: row.provider.as_str(),
        cabin: letter(row.cabin.letter(), cabin),
        class: row.class.map(|code| letter(code.letter(), class)),
        price: Price::of(&row.price),
        seats: row.seats,
        seats_is_floor: row.seats_is_floor,
    })
}

/// A one-letter code as text.
pub(crate) fn letter(code: u8, place: &mut [u8; 4]) -> &str {
    char::from(code).encode_utf8(place)
}

/// An aircraft type; zeros stand for unknown.
pub(crate) fn aircraft(code: &[u8; 3]) -> Option<&str> {
    let len = code.iter().position(|b| *b == 0).unwrap_or(3);
    std::str::from_utf8(&code[..len])
        .ok()
        .filter(|text| !text.is_empty())
}
