//! Airports, cities, and either.

use flightline_ledger::Station;
use serde::Serialize;
use utoipa::ToSchema;

use crate::duffel::reference::{self, Reference};
use crate::duffel::token::End;

/// A country that is not known: the code that ISO 3166 leaves to users.
const NO_COUNTRY: &str = "ZZ";

/// An airport.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Airport {
    /// `airport`
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its id, such as `arp_lhr_gb`.
    id: String,
    /// Its name; the code when it is not known.
    name: String,
    /// IATA code.
    iata_code: String,
    /// ISO 3166 code of the country; `ZZ` when it is not known.
    iata_country_code: String,
    /// Degrees, north positive.
    latitude: Option<f64>,
    /// Degrees, east positive.
    longitude: Option<f64>,
    /// IANA time zone.
    time_zone: Option<String>,
    /// ICAO code.
    icao_code: Option<String>,
    /// Name of the city that it serves.
    city_name: Option<String>,
    /// IATA code of the metropolitan area.
    iata_city_code: Option<String>,
    /// The metropolitan area, when there is one.
    city: Option<City>,
}

/// A metropolitan area with a code of its own.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MetropolitanArea)]
pub(crate) struct City {
    /// `city`
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its id, such as `cit_lon_gb`.
    id: String,
    /// Its name.
    name: String,
    /// IATA code.
    iata_code: String,
    /// ISO 3166 code of the country.
    iata_country_code: String,
}

/// An airport or a city. What only the other has is null.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Place {
    /// `airport` or `city`
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its id.
    id: String,
    /// Its name; the code when it is not known.
    name: String,
    /// IATA code.
    iata_code: String,
    /// ISO 3166 code of the country; `ZZ` when it is not known.
    iata_country_code: String,
    /// The country's name; not known here.
    country_name: Option<String>,
    /// Degrees, north positive; of airports.
    latitude: Option<f64>,
    /// Degrees, east positive; of airports.
    longitude: Option<f64>,
    /// IANA time zone; of airports.
    time_zone: Option<String>,
    /// ICAO code; of airports.
    icao_code: Option<String>,
    /// Name of the city that it serves; of airports.
    city_name: Option<String>,
    /// IATA code of the metropolitan area.
    iata_city_code: Option<String>,
    /// The metropolitan area; of airports that are in one.
    city: Option<City>,
    /// Its airports; of cities.
    airports: Option<Vec<Airport>>,
}

/// The id of an airport.
pub(crate) fn airport_id(iata: Station, country: &str) -> String {
    format!("arp_{iata}_{country}").to_ascii_lowercase()
}

impl City {
    pub(crate) fn of(city: &reference::City) -> Self {
        Self {
            kind: "city",
            id: format!("cit_{}_{}", city.iata, city.country).to_ascii_lowercase(),
            name: city.name.to_string(),
            iata_code: city.iata.to_string(),
            iata_country_code: city.country.to_string(),
        }
    }
}

impl Airport {
    /// The airport of a code. One that is not known is its own name.
    pub(crate) fn of(reference: &Reference, iata: Station) -> Self {
        let city = reference.city_of(iata).map(City::of);
        let known = reference.airport(iata);
        let country = known.map_or(NO_COUNTRY, |airport| &airport.country);
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            kind: "airport",
            id: airport_id(iata, country),
            name: known.map_or_else(|| iata.to_string(), |a| a.name.to_string()),
            iata_code: iata.to_string(),
            iata_country_code: country.to_owned(),
            latitude: known.map(|a| a.latitude_deg),
            longitude: known.map(|a| a.longitude_deg),
            time_zone: known.and_then(|a| text(&a.time_zone)),
            icao_code: known.and_then(|a| text(&a.icao)),
            city_name: known.and_then(|a| text(&a.city_name)),
            iata_city_code: city.as_ref().map(|city| city.iata_code.clone()),
            city,
        }
    }
}

impl Place {
    pub(crate) fn airport(reference: &Reference, iata: Station) -> Self {
        let airport = Airport::of(reference, iata);
        Self {
            kind: airport.kind,
            id: airport.id,
            name: airport.name,
            iata_code: airport.iata_code,
            iata_country_code: airport.iata_country_code,
            country_name: None,
            latitude: airport.latitude,
            longitude: airport.longitude,
            time_zone: airport.time_zone,
            icao_code: airport.icao_code,
            city_name: airport.city_name,
            iata_city_code: airport.iata_city_code,
            city: airport.city,
            airports: None,
        }
    }

    pub(crate) fn city(reference: &Reference, city: &reference::City) -> Self {
        let City {
            kind,
            id,
            name,
            iata_code,
            iata_country_code,
        } = City::of(city);
        let airports = city.airports.iter();
        Self {
            kind,
            id,
            name,
            iata_city_code: Some(iata_code.clone()),
            iata_code,
            iata_country_code,
            country_name: None,
            latitude: None,
            longitude: None,
            time_zone: None,
            icao_code: None,
            city_name: None,
            city: None,
            airports: Some(airports.map(|a| Airport::of(reference, *a)).collect()),
        }
    }

    /// The end of a slice.
    pub(crate) fn end(reference: &Reference, end: End) -> Self {
        match reference.city(end.code) {
            Some(city) if end.is_city => Self::city(reference, city),
            _ => Self::airport(reference, end.code),
        }
    }
}

/// `airport` or `city`, for `origin_type` and `destination_type`.
pub(crate) const fn end_type(end: End) -> &'static str {
    if end.is_city { "city" } else { "airport" }
}
