//! Types of aircraft.

use warp::reply::Response;

use super::not_found;
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery};
use crate::duffel::reference::type_code;
use crate::duffel::wire::carrier::Aircraft;
use crate::duffel::wire::{Many, One};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;

/// Types of aircraft
///
/// In the order of codes.
#[utoipa::path(
    get,
    path = "/air/aircraft",
    tag = "reference",
    params(BookingHeaders, ListQuery),
    responses((status = 200, description = "A page", body = Many<Aircraft>))
)]
pub(crate) fn list(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let page = Page::parse(&Query::parse_any(request.uri.query())?)?;
    let reference = &request.app.booking.reference;
    let types = reference.aircraft_types();
    let (range, meta) = page.of(types, |aircraft| digest(type_code(&aircraft.iata)));
    let data = types[range]
        .iter()
        .filter_map(|a| Aircraft::of(reference, a.iata))
        .collect();
    Ok(reply::json(200, &Many { data, meta }))
}

/// A type of aircraft
///
/// One that is not in the list, but stands in an offer, is there too: its code is its name.
#[utoipa::path(
    get,
    path = "/air/aircraft/{id}",
    tag = "reference",
    params(BookingHeaders, IdPath),
    responses((status = 200, description = "The type", body = One<Aircraft>))
)]
pub(crate) fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let code = id.strip_prefix("arc_").filter(|code| {
        code.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    let code = code.map(str::to_ascii_uppercase);
    let code: Option<[u8; 3]> = code.and_then(|code| code.into_bytes().try_into().ok());
    let aircraft = code.and_then(|code| Aircraft::of(&request.app.booking.reference, code));
    let data = aircraft.ok_or_else(|| not_found("aircraft"))?;
    Ok(reply::json(200, &One { data }))
}
