//! Offer requests: searching, and looking at searches again.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use rand::RngExt as _;
use serde_json::{Map, Value};
use warp::reply::Response;

use super::{Job, TIMEOUT_MS, flag, not_found, off_thread, one_of};
use crate::duffel::Booking;
use crate::duffel::body;
use crate::duffel::page::{Page, digest};
use crate::duffel::params::{BookingHeaders, CreateQuery, IdPath, ListQuery};
use crate::duffel::present;
use crate::duffel::search::Found;
use crate::duffel::search::asked;
use crate::duffel::search::travellers::Names;
use crate::duffel::token;
use crate::duffel::wire::asked::CreateOfferRequestBody;
use crate::duffel::wire::offer::Offer;
use crate::duffel::wire::offer_request::OfferRequest;
use crate::duffel::wire::{Many, One, text};
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::keys;
use crate::http::query::Query;
use crate::http::reply;
use crate::http::request::Request;
use crate::http::shared_keys;
use crate::openapi::{ReadHeaders, WriteHeaders};

/// Search for offers
///
/// Every slice is searched for journeys with up to two connections; slices are joined to offers at one
/// price. Offers are cheapest first; the cheapest and the fastest are always among them. With
/// `include_sold_out` offers follow whose flights can be waited for; their `waitlist` is not null.
#[utoipa::path(
    post,
    path = "/air/offer_requests",
    tag = "offers",
    params(BookingHeaders, CreateQuery, ReadHeaders, WriteHeaders),
    request_body(content = CreateOfferRequestBody, content_type = "application/json"),
    responses((status = 201, description = "What was found", body = One<OfferRequest>, headers(
        ("idempotency-replayed" = String, description = "`true`: this search was made before under the same key"),
    )))
)]
pub(crate) async fn create<S, B>(request: &Request, body: &mut S) -> Result<Response, ApiError>
where
    S: Stream<Item = Result<B, warp::Error>> + Unpin,
    B: Buf,
{
    let caller = request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let returns_offers = flag(&query, "return_offers")?.unwrap_or(true);
    let timeout_ms = query
        .number("supplier_timeout", 2_000, 60_000)?
        .unwrap_or(TIMEOUT_MS);
    if let Some(view) = query.get("view")
        && !["offers", "itineraries"].contains(&view)
    {
        return Err(one_of("view", "offers or itineraries", view));
    }
    let key = request.key()?;
    let key = key.map(|key| keys::hash(&caller.name, key.as_bytes()));
    let data = body::data(request, body).await?;
    let app = &request.app;
    let booking = &app.booking;
    let now_ms = app.config.clock.now_ms();
    let asked = asked::parse(&data, &booking.reference, now_ms)?;
    if asked.include_sold_out && booking.terms.wait_max_ms == 0 {
        return Err(ApiError::new(
            &faults::UNAVAILABLE_FEATURE,
            "orders cannot wait for sold-out flights here: leave `include_sold_out` out",
        ));
    }
    request.wait_at_least().await?;
    let fresh = token::OfferRequest {
        nonce: rand::rng().random(),
        created_at_ms: now_ms,
        cabin: asked.cabin,
        connections_max: asked.connections_max,
        include_sold_out: asked.include_sold_out,
        slices: asked.slices,
        passengers: asked.passengers,
    };
    let id = fresh.encode(&booking.signer, &caller.name);
    let (id, made, is_replay) = match key {
        None => (id, fresh, false),
        Some(key) => {
            let hash = hash(request.uri.query(), &data);
            let search = keys::Request::Search {
                body: hash,
                id: id.as_str().into(),
            };
            shared_keys::remember(app, key, search).await;
            once(request, &caller.name, key, hash, (id, fresh))?
        }
    };
    let unknown = asked::unknown_end(&made.slices, &booking.reference);
    let covers = booking.recent.covers(&made.nonce).filter(|_| is_replay);
    let covers = covers.unwrap_or_else(|| app.backend.serving().covers_all());
    let mut offers = None;
    if returns_offers || unknown.is_some() {
        let (made, covers, names) = (made.clone(), Arc::clone(&covers), asked.names.clone());
        let client = Arc::clone(&caller.name);
        let found = off_thread(request, client, timeout_ms, move |job: &Job| {
            let found = job.search(&covers).run(&made);
            shown(&job.booking, found, &names, made.created_at_ms)
        });
        let found = found.await?;
        if let Some(unknown) = unknown.filter(|_| found.is_empty()) {
            return Err(unknown);
        }
        offers = returns_offers.then_some(found);
    }
    if !is_replay {
        let client = Arc::clone(&caller.name);
        booking.recent.push(client, made.nonce, &id, covers);
    }
    let data = present(booking, id, &made, &asked.names, offers);
    let mut response = reply::json(201, &One { data });
    if is_replay {
        reply::set_replayed(&mut response);
    }
    Ok(response)
}

/// What a search under an idempotency key asks for.
fn hash(query: Option<&str>, data: &Map<String, Value>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let query = query.unwrap_or_default();
    hasher.update(&(query.len() as u64).to_be_bytes());
    hasher.update(query.as_bytes());
    hasher.update(&reply::to_json(data, 512));
    *hasher.finalize().as_bytes()
}

/// The search that a key stands for: this one, when it is the first under the key, else the one that
/// came before. The same search runs again, and finds the same as long as nothing has changed.
fn once(
    request: &Request,
    client: &str,
    key: keys::KeyHash,
    body: [u8; 32],
    (id, fresh): (String, token::OfferRequest),
) -> Result<(String, token::OfferRequest, bool), ApiError> {
    let app = &request.app;
    let search = keys::Request::Search {
        body,
        id: id.as_str().into(),
    };
    if app.keys.get(&key).is_none() && app.keys.bind(key, search).is_ok() {
        return Ok((id, fresh, false));
    }
    match app.keys.get(&key) {
        // Told to other replicas a moment ago, by this very request.
        Some(keys::Request::Search { id: bound, .. }) if *bound == *id => Ok((id, fresh, false)),
        Some(keys::Request::Search { body: bound, id }) if bound == body => {
            let made = token::OfferRequest::decode(&app.booking.signer, client, &id);
            let made = made.ok_or_else(ApiError::internal)?;
            Ok((id.into(), made, true))
        }
        Some(_) => Err(keys::reused()),
        // Forgotten this very moment: it counts as new.
        None => Ok((id, fresh, false)),
    }
}

/// A search, with its offers as they are now
///
/// Offers are looked for again: those that are unchanged keep their ids. None when they have expired.
#[utoipa::path(
    get,
    path = "/air/offer_requests/{id}",
    tag = "offers",
    params(BookingHeaders, IdPath, ReadHeaders),
    responses((status = 200, description = "The search", body = One<OfferRequest>))
)]
pub(crate) async fn get(request: &Request, id: &str) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let booking = &request.app.booking;
    let made = token::OfferRequest::decode(&booking.signer, &caller.name, id);
    let made = made.ok_or_else(|| not_found("offer request"))?;
    request.wait_at_least().await?;
    let again = made.clone();
    let offers = off_thread(request, caller.name, TIMEOUT_MS, move |job: &Job| {
        let found = run_again(job, &again);
        shown(&job.booking, found, &[], again.created_at_ms)
    });
    let data = present(booking, id.to_owned(), &made, &[], Some(offers.await?));
    Ok(reply::json(200, &One { data }))
}

/// Your latest searches, without their offers
///
/// The latest first, as far as this replica remembers: it forgets them when it restarts, and the
/// oldest when there are many. A search that is not in the list still answers by its id.
#[utoipa::path(
    get,
    path = "/air/offer_requests",
    tag = "offers",
    params(BookingHeaders, ListQuery),
    responses((status = 200, description = "A page", body = Many<OfferRequest>))
)]
pub(crate) fn list(request: &Request) -> Result<Response, ApiError> {
    let caller = request.caller(Need::Read)?;
    let page = Page::parse(&Query::parse_any(request.uri.query())?)?;
    let booking = &request.app.booking;
    let ids = booking.recent.of(&caller.name);
    let (range, meta) = page.of(&ids, |id| digest(id));
    let data = ids[range].iter().filter_map(|id| {
        let made = token::OfferRequest::decode(&booking.signer, &caller.name, id)?;
        Some(present(booking, id.to_string(), &made, &[], None))
    });
    let data = data.collect();
    Ok(reply::json(200, &Many { data, meta }))
}

/// The offers of a search that was made before, with the ids that they had where nothing changed.
pub(super) fn run_again(job: &Job, made: &token::OfferRequest) -> Vec<Found> {
    let covers = job.booking.recent.covers(&made.nonce);
    let covers = covers.unwrap_or_else(|| job.backend.serving().covers_all());
    job.search(&covers).run(made)
}

/// Offers as clients see them.
pub(super) fn shown(
    booking: &Booking,
    found: Vec<Found>,
    names: &[Names],
    updated_at_ms: i64,
) -> Vec<Offer> {
    let offers = found.into_iter().map(|found| {
        let details = &found.details;
        present::offer(
            booking,
            found.id,
            &found.offer,
            details,
            names,
            updated_at_ms,
        )
    });
    offers.collect()
}

fn present(
    booking: &Booking,
    id: String,
    made: &token::OfferRequest,
    names: &[Names],
    offers: Option<Vec<Offer>>,
) -> OfferRequest {
    OfferRequest {
        id,
        live_mode: booking.terms.is_live,
        created_at: text::instant(made.created_at_ms),
        cabin_class: made.cabin.map(|class| class.name()),
        client_key: String::new(),
        slices: present::requested_slices(booking, made),
        passengers: present::passengers(&made.nonce, &made.passengers, names),
        offers,
    }
}
