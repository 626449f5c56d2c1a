//! What clients ask for before they offer extras to travellers: there are none, and these calls say so.

use serde::Serialize;
use utoipa::ToSchema;
use warp::reply::Response;

use super::not_found;
use crate::duffel::orders::{desk, ids};
use crate::duffel::params::{BookingHeaders, IdPath, SeatMapsQuery};
use crate::duffel::token;
use crate::duffel::wire::All;
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::openapi::ReadHeaders;

/// Something extra for travellers, such as a seat of their choice. There is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Extra {}

/// Seat maps of an offer: none
///
/// No provider sends any, and no seat is chosen ahead. The list is empty, as it is at Duffel's for airlines without.
#[utoipa::path(
    get,
    path = "/air/seat_maps",
    tag = "offers",
    params(BookingHeaders, SeatMapsQuery, ReadHeaders),
    responses((status = 200, description = "An empty list", body = All<Extra>))
)]
pub(crate) fn seat_maps(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let id: String = query.required("offer_id")?;
    let offer = token::Offer::decode(&request.app.booking.signer, &caller.name, &id);
    offer.ok_or_else(|| not_found("offer"))?;
    Ok(none())
}

/// Services that can be added to an order: none
#[utoipa::path(
    get,
    path = "/air/orders/{id}/available_services",
    tag = "orders",
    params(BookingHeaders, IdPath, ReadHeaders),
    responses((status = 200, description = "An empty list", body = All<Extra>))
)]
pub(crate) async fn services(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    desk::find_now(request, &caller, ids::parse_order(id)).await?;
    Ok(none())
}

fn none() -> Response {
    let data: Vec<Extra> = Vec::new();
    reply::json(200, &All { data })
}
