//! Airlines.

use flightline_ledger::Carrier;
use warp::reply::Response;

use super::not_found;
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery};
use crate::duffel::wire::carrier::Airline;
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;

/// Airlines
///
/// In the order of codes.
#[utoipa::path(
    get,
    path = "/air/airlines",
    tag = "reference",
    params(BookingHeaders, ListQuery),
    responses((status = 200, description = "A page", body = Many<Airline>))
)]
pub(crate) fn list(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let page = Page::parse(&Query::parse_any(request.uri.query())?)?;
    let reference = &request.app.booking.reference;
    let (range, meta) = page.of(reference.airlines(), |airline| {
        digest(airline.iata.as_str())
    });
    let airlines = reference.airlines()[range].iter();
    let data = airlines
        .map(|airline| Airline::of(reference, airline.iata))
        .collect();
    Ok(reply::json(200, &Many { data, meta }))
}

/// An airline
///
/// One that is not in the list, but stands in an offer, is there too: its code is its name.
#[utoipa::path(
    get,
    path = "/air/airlines/{id}",
    tag = "reference",
    params(BookingHeaders, IdPath),
    responses((status = 200, description = "The airline", body = One<Airline>))
)]
pub(crate) fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let code = id
        .strip_prefix("arl_")
        .filter(|code| *code == code.to_ascii_lowercase());
    let code: Option<Carrier> = code.and_then(|code| code.to_ascii_uppercase().parse().ok());
    let code = code.ok_or_else(|| not_found("airline"))?;
    let data = Airline::of(&request.app.booking.reference, code);
    Ok(reply::json(200, &One { data }))
}
