//! Slices, segments and their passengers: of offers, and of orders.

use serde::Serialize;
use utoipa::ToSchema;

use super::carrier::{Aircraft, Airline};
use super::place::{Airport, Place};

/// What may be done before departure.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Condition {
    /// Whether it may be done at all.
    pub(crate) allowed: bool,
    /// What it costs; null when it is not allowed.
    pub(crate) penalty_amount: Option<String>,
    /// The currency of that.
    pub(crate) penalty_currency: Option<String>,
}

/// A slice of an offer: the way from one place to another.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OfferSlice {
    #[serde(flatten)]
    pub(crate) common: SliceCommon,
    /// Not known here.
    pub(crate) ngs_shelf: Option<u8>,
    /// Equal for slices that are the same flights in the same cabins.
    pub(crate) comparison_key: String,
    pub(crate) conditions: OfferSliceConditions,
}

/// What slices of offers and of orders have in common.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Slice)]
pub(crate) struct SliceCommon {
    /// Its id.
    pub(crate) id: String,
    /// Where it begins, as it was asked for.
    pub(crate) origin: Place,
    /// Where it ends, as it was asked for.
    pub(crate) destination: Place,
    /// `airport` or `city`
    pub(crate) origin_type: &'static str,
    /// `airport` or `city`
    pub(crate) destination_type: &'static str,
    /// From the first departure to the last arrival, ISO 8601.
    pub(crate) duration: Option<String>,
    /// Not known here.
    pub(crate) fare_brand_name: Option<String>,
    /// Its flights, in flying order.
    pub(crate) segments: Vec<Segment>,
}

/// What may be done with one slice.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OfferSliceConditions {
    /// Changing it.
    pub(crate) change_before_departure: Option<Condition>,
    /// Giving it back.
    pub(crate) refund_before_departure: Option<Condition>,
    /// Not known here.
    pub(crate) advance_seat_selection: Option<bool>,
    /// Not known here.
    pub(crate) priority_boarding: Option<bool>,
    /// Not known here.
    pub(crate) priority_check_in: Option<bool>,
}

/// One flight, from where passengers board to where they leave.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Segment {
    /// Its id.
    pub(crate) id: String,
    /// Where passengers board.
    pub(crate) origin: Airport,
    /// Where they leave.
    pub(crate) destination: Airport,
    /// Not known here.
    pub(crate) origin_terminal: Option<String>,
    /// Not known here.
    pub(crate) destination_terminal: Option<String>,
    /// Local time at the origin, without a zone.
    pub(crate) departing_at: String,
    /// Local time at the destination, without a zone.
    pub(crate) arriving_at: String,
    /// ISO 8601.
    pub(crate) duration: Option<String>,
    /// Great circle in kilometres, one decimal.
    pub(crate) distance: Option<String>,
    /// The type that is planned.
    pub(crate) aircraft: Option<Aircraft>,
    /// Whose number the flight has here.
    pub(crate) marketing_carrier: Airline,
    /// The number, with its suffix if there is one.
    pub(crate) marketing_carrier_flight_number: String,
    /// Who flies.
    pub(crate) operating_carrier: Airline,
    /// The number of who flies.
    pub(crate) operating_carrier_flight_number: Option<String>,
    /// Stations on the way at which passengers stay on board.
    pub(crate) stops: Vec<Stop>,
    /// What each passenger has on this flight.
    pub(crate) passengers: Vec<SegmentPassenger>,
    /// Our own: the flight's key, as in `/flights/{flight_key}`.
    pub(crate) flight_key: String,
    /// Our own: who sells.
    pub(crate) provider: String,
    /// Our own: the booking class; null = the cabin as a whole.
    pub(crate) booking_class: Option<String>,
    /// Our own: who else sells the same seats.
    pub(crate) alternatives: Vec<Alternative>,
}

/// A station on the way of a flight.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Stop {
    /// Its id.
    pub(crate) id: String,
    /// Where.
    pub(crate) airport: Airport,
    /// Local time of arrival there.
    pub(crate) arriving_at: String,
    /// Local time of departure from there.
    pub(crate) departing_at: String,
    /// Time on the ground, ISO 8601.
    pub(crate) duration: String,
}

/// The same seats from another seller, or under another number.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AlternativeSeller)]
pub(crate) struct Alternative {
    /// The flight's key there.
    pub(crate) flight_key: String,
    /// Who sells.
    pub(crate) provider: String,
    /// The booking class; null = the cabin as a whole.
    pub(crate) booking_class: Option<String>,
    /// Price of one seat there.
    pub(crate) amount: String,
    /// Its currency.
    pub(crate) currency: String,
}

/// What a passenger has on a flight.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SegmentPassenger {
    /// The passenger's id.
    pub(crate) passenger_id: String,
    /// `first`, `business`, `premium_economy` or `economy`
    pub(crate) cabin_class: &'static str,
    /// The same for people.
    pub(crate) cabin_class_marketing_name: &'static str,
    /// Not known here.
    pub(crate) fare_basis_code: Option<String>,
    /// Not known here: empty.
    pub(crate) baggages: Vec<Baggage>,
    /// The cabin.
    pub(crate) cabin: Option<CabinDetails>,
    /// No seat is chosen ahead.
    pub(crate) seat: Option<String>,
}

/// Baggage that is included.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Baggage {
    /// `checked` or `carry_on`
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// How many.
    pub(crate) quantity: u8,
}

/// A cabin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CabinDetails {
    /// The class.
    pub(crate) name: &'static str,
    /// The same for people.
    pub(crate) marketing_name: &'static str,
    /// What there is in it.
    pub(crate) amenities: Amenities,
}

/// What there is in a cabin: not known here.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Amenities {
    /// Wireless network.
    pub(crate) wifi: Option<Amenity>,
    /// The seat.
    pub(crate) seat: Option<Amenity>,
    /// Power.
    pub(crate) power: Option<Amenity>,
}

/// Something in a cabin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Amenity {
    /// Is it there?
    pub(crate) available: bool,
}
