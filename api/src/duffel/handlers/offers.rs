//! Offers: those of a search, and one of them at today's price.

use std::time::Duration;

use warp::reply::Response;

use super::offer_requests::{run_again, shown};
use super::{Job, TIMEOUT_MS, flag, not_found, off_thread, one_of};
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, IdPath, ListQuery, OfferQuery, OffersQuery};
use crate::duffel::price::Short;
use crate::duffel::search::Found;
use crate::duffel::wire::offer::Offer;
use crate::duffel::wire::{Many, One, text};
use crate::duffel::{present, price, token};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::{Request, not_yet};
use crate::openapi::ReadHeaders;

/// The order of a list of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Id,
    Amount,
    Duration,
}

/// The offers of a search
///
/// Looked for again: offers that are unchanged keep their ids. Empty when they have expired.
#[utoipa::path(
    get,
    path = "/air/offers",
    tag = "offers",
    params(BookingHeaders, OffersQuery, ListQuery, ReadHeaders),
    responses((status = 200, description = "A page", body = Many<Offer>))
)]
pub(crate) async fn list(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let page = Page::parse(&query)?;
    let (order, is_downwards) = order(&query)?;
    let connections_max = query.number("max_connections", 0, 2)?;
    let id: String = query.required("offer_request_id")?;
    let signer = &request.app.booking.signer;
    let made = token::OfferRequest::decode(signer, &caller.name, &id);
    let made = made.ok_or_else(|| not_found("offer request"))?;
    request.wait_at_least().await?;
    let answer = off_thread(request, caller.name, TIMEOUT_MS, move |job: &Job| {
        let mut found = run_again(job, &made);
        if let Some(most) = connections_max {
            let fits = |slice: &token::Slice| slice.segments.len() as u64 <= most + 1;
            found.retain(|found| found.offer.slices.iter().all(fits));
        }
        sort(&mut found, order, is_downwards);
        let (range, meta) = page.of(&found, |found| digest(&found.id));
        let page = found.drain(range).collect();
        let data = shown(&job.booking, page, &[], made.created_at_ms);
        reply::to_json(&Many { data, meta }, 4096)
    });
    Ok(reply::json_bytes(200, answer.await?))
}

fn order(query: &Query<'_>) -> Result<(Order, bool), ApiError> {
    let Some(text) = query.get("sort") else {
        return Ok((Order::Id, false));
    };
    let (name, is_downwards) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    match name {
        "total_amount" => Ok((Order::Amount, is_downwards)),
        "total_duration" => Ok((Order::Duration, is_downwards)),
        _ => Err(one_of(
            "sort",
            "total_amount or total_duration, downwards with a minus",
            text,
        )),
    }
}

/// By currency before amount: nothing here converts. Equals by id.
fn sort(found: &mut [Found], order: Order, is_downwards: bool) {
    let key = |found: &Found| match order {
        Order::Id => (None, 0),
        Order::Amount => (Some(found.offer.total.currency), found.offer.total.minor),
        Order::Duration => (None, duration_s(&found.offer)),
    };
    found.sort_by(|a, b| {
        let first = key(a).cmp(&key(b));
        let first = if is_downwards { first.reverse() } else { first };
        first.then_with(|| a.id.cmp(&b.id))
    });
}

/// The time that all slices take.
fn duration_s(offer: &token::Offer) -> i64 {
    let slices = offer.slices.iter().map(|slice| {
        let first = slice.segments.first().map_or(0, |s| s.departs_s);
        let last = slice.segments.last().map_or(0, |s| s.arrives_s);
        last.saturating_sub(first)
    });
    slices.fold(0, i64::saturating_add)
}

/// An offer, priced again
///
/// The same seats at today's price: when it changed, the answer has it, and a new id to book it by. An
/// offer that was found to be waited for stays one, unless it has seats by now.
#[utoipa::path(
    get,
    path = "/air/offers/{id}",
    tag = "offers",
    params(BookingHeaders, IdPath, OfferQuery, ReadHeaders),
    responses((status = 200, description = "The offer", body = One<Offer>))
)]
pub(crate) async fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    flag(&query, "return_available_services")?;
    let booking = &request.app.booking;
    let offer = token::Offer::decode(&booking.signer, &caller.name, id);
    let offer = offer.ok_or_else(|| not_found("offer"))?;
    let now_ms = request.app.config.clock.now_ms();
    if offer.expires_at_ms <= now_ms {
        let until = text::instant(offer.expires_at_ms);
        return Err(ApiError::new(
            &faults::OFFER_EXPIRED,
            format!("the offer was good until {until}: search again"),
        ));
    }
    request.wait_at_least().await?;
    wait_seen(request, &offer).await?;
    let priced = price::price(request.app.backend.serving(), &offer, Short::AsOffered)?;
    let id = if priced.is_changed {
        priced.offer.encode(&booking.signer, &caller.name)
    } else {
        id.to_owned()
    };
    let data = present::offer(booking, id, &priced.offer, &priced.details, &[], now_ms);
    Ok(reply::json(200, &One { data }))
}

/// Waits until the index reflects what it did when the offer was made: another replica may have made it.
pub(crate) async fn wait_seen(request: &Request, offer: &token::Offer) -> Result<(), ApiError> {
    let timeout = Duration::from_millis(request.app.config.at_least_timeout_ms);
    let serving = request.app.backend.serving();
    for segment in offer.segments() {
        let (partition, until) = segment.seen;
        let Some(offset) = until.checked_sub(1) else {
            continue;
        };
        serving
            .wait_for(partition, offset, timeout)
            .await
            .map_err(not_yet)?;
    }
    Ok(())
}
