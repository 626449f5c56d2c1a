//! The body of a search, for the OpenAPI document: `search::asked` reads it. Never built.
#![allow(dead_code)]

use utoipa::ToSchema;

/// A search.
#[derive(ToSchema)]
pub(crate) struct CreateOfferRequestBody {
    data: CreateOfferRequest,
}

/// What is searched for. Other fields are left alone.
#[derive(ToSchema)]
pub(crate) struct CreateOfferRequest {
    /// The ways, in the order of their dates.
    #[schema(min_items = 1, max_items = 6)]
    slices: Vec<CreateSlice>,
    /// Those who travel; at most one infant without a seat for each adult.
    #[schema(min_items = 1, max_items = 9)]
    passengers: Vec<CreatePassenger>,
    /// Absent: any, the cheapest of each flight.
    #[schema(pattern = "^(first|business|premium_economy|economy)$")]
    cabin_class: Option<String>,
    /// The most connections of each slice.
    #[schema(minimum = 0, maximum = 2, default = 1)]
    max_connections: Option<u8>,
    /// Our own: also offers with flights that are sold out and can be waited for, after the others.
    #[schema(default = false)]
    include_sold_out: Option<bool>,
}

/// A way.
#[derive(ToSchema)]
pub(crate) struct CreateSlice {
    /// IATA code of an airport or city.
    #[schema(pattern = "^[A-Z]{3}$", example = "EWR")]
    origin: String,
    /// IATA code of an airport or city.
    #[schema(pattern = "^[A-Z]{3}$", example = "IAH")]
    destination: String,
    /// Local day of departure.
    #[schema(format = Date, pattern = "^2[0-9]{3}-[0-9]{2}-[0-9]{2}$", example = "2035-01-05")]
    departure_date: String,
    /// When the first flight may depart, by local time.
    departure_time: Option<CreateTimeRange>,
    /// When the last flight may arrive, by local time.
    arrival_time: Option<CreateTimeRange>,
}

/// A part of the day, both ends included.
#[derive(ToSchema)]
pub(crate) struct CreateTimeRange {
    /// Absent: 00:00.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    from: Option<String>,
    /// Absent: 23:59.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    to: Option<String>,
}

/// One who travels: `type`, or `age`, or `fare_type` with or without `age`.
#[derive(ToSchema)]
pub(crate) struct CreatePassenger {
    #[schema(pattern = "^(adult|child|infant_without_seat)$", example = "adult")]
    r#type: Option<String>,
    /// In years, on the day of the last slice; below 2 on an adult's lap.
    #[schema(minimum = 0, maximum = 17)]
    age: Option<u8>,
    /// Changes no price here.
    fare_type: Option<String>,
    /// Shown in the answer and kept nowhere.
    #[schema(min_length = 1, max_length = 20)]
    given_name: Option<String>,
    /// As `given_name`.
    #[schema(min_length = 1, max_length = 20)]
    family_name: Option<String>,
    /// As `given_name`.
    #[schema(max_items = 20)]
    loyalty_programme_accounts: Option<Vec<CreateLoyaltyAccount>>,
}

/// Membership in an airline's programme.
#[derive(ToSchema)]
pub(crate) struct CreateLoyaltyAccount {
    #[schema(pattern = "^[A-Z][A-Z0-9]$", example = "UA")]
    airline_iata_code: String,
    #[schema(min_length = 1, max_length = 64)]
    account_number: String,
}
