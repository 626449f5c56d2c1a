//! Airports.

use flightline_ledger::Station;
use warp::reply::Response;

use super::not_found;
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{AirportQuery, BookingHeaders, IdPath, ListQuery};
use crate::duffel::reference;
use crate::duffel::wire::place::{Airport, airport_id};
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;

/// Airports
///
/// Those with an IATA code, in the order of codes.
#[utoipa::path(
    get,
    path = "/air/airports",
    tag = "reference",
    params(BookingHeaders, ListQuery, AirportQuery),
    responses((status = 200, description = "A page", body = Many<Airport>))
)]
pub(crate) fn list(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let page = Page::parse(&query)?;
    let country = query.get("iata_country_code");
    let code = query.get("iata_code");
    let reference = &request.app.booking.reference;
    let is_asked_for = |airport: &&reference::Airport| {
        country.is_none_or(|country| airport.country.eq_ignore_ascii_case(country))
            && code.is_none_or(|code| airport.iata.as_str().eq_ignore_ascii_case(code))
    };
    let all: Vec<&reference::Airport> = reference.airports().iter().filter(is_asked_for).collect();
    let (range, meta) = page.of(&all, |airport| digest(airport.iata.as_str()));
    let data = all[range]
        .iter()
        .map(|airport| Airport::of(reference, airport.iata));
    let data = data.collect();
    Ok(reply::json(200, &Many { data, meta }))
}

/// An airport
#[utoipa::path(
    get,
    path = "/air/airports/{id}",
    tag = "reference",
    params(BookingHeaders, IdPath),
    responses((status = 200, description = "The airport", body = One<Airport>))
)]
pub(crate) fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let reference = &request.app.booking.reference;
    let code = id.strip_prefix("arp_").and_then(|rest| rest.get(..3));
    let code: Option<Station> = code.and_then(|code| code.to_ascii_uppercase().parse().ok());
    let airport = code.and_then(|code| reference.airport(code));
    let airport = airport.filter(|a| airport_id(a.iata, &a.country) == id);
    let airport = airport.ok_or_else(|| not_found("airport"))?;
    let data = Airport::of(reference, airport.iata);
    Ok(reply::json(200, &One { data }))
}
