//! `GET /search`: direct offers on one route and day.

use flightline_ledger::{Cabin, Class, Date, ProviderCode, Station};
use flightline_sinks::serving::{SearchQuery, Sort};
use warp::reply::Response;

use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::{Query, printable};
use crate::http::reply::{self, to_json};
use crate::http::request::Request;
use crate::openapi::{ReadHeaders, SearchParameters};
use crate::wire::search::{Offers, SearchAnswer, SearchMeta};

const KNOWN: [&str; 11] = [
    "origin",
    "destination",
    "date",
    "cabin",
    "class",
    "provider",
    "passengers",
    "sort",
    "limit",
    "all_offers",
    "sold_out",
];

/// The most offers in an answer.
pub(crate) const LIMIT_MAX: u64 = 200;

/// Direct offers on one route and day
#[utoipa::path(
    get,
    path = "/search",
    tag = "search",
    params(SearchParameters, ReadHeaders),
    responses((status = 200, description = "The offers", body = SearchAnswer<'_>))
)]
pub(crate) async fn search(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let query = parse(request.uri.query())?;
    request.wait_at_least().await?;
    let found = request.app.backend.serving().search(&query);
    let answer = SearchAnswer {
        data: Offers(&found.offers),
        meta: SearchMeta {
            limit: query.limit as u64,
            total: found.total as u64,
        },
    };
    // About what an offer takes, so that the answer is one allocation.
    let body = to_json(&answer, 64 + 384 * found.offers.len());
    Ok(reply::json_bytes(200, body))
}

fn parse(text: Option<&str>) -> Result<SearchQuery, ApiError> {
    let query = Query::parse(text, &KNOWN)?;
    let origin: Station = query.required("origin")?;
    let destination: Station = query.required("destination")?;
    let date: Date = query.required("date")?;
    let mut search = SearchQuery::new(origin, destination, date);
    search.cabin = query.optional::<Cabin>("cabin")?;
    search.class = query.optional::<Class>("class")?;
    search.provider = query.optional::<ProviderCode>("provider")?;
    if let Some(passengers) = query.number("passengers", 1, 999)? {
        search.passengers = passengers as u16;
    }
    if let Some(limit) = query.number("limit", 1, LIMIT_MAX)? {
        search.limit = limit as usize;
    }
    if let Some(name) = query.get("sort") {
        search.sort = Sort::from_name(name).ok_or_else(|| {
            let names: Vec<_> = Sort::ALL.iter().map(|sort| sort.name()).collect();
            one_of("sort", name, &names)
        })?;
    }
    search.best_per_flight = !flag(&query, "all_offers")?;
    search.sold_out = flag(&query, "sold_out")?;
    Ok(search)
}

fn flag(query: &Query<'_>, name: &'static str) -> Result<bool, ApiError> {
    match query.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(one_of(name, other, &["true", "false"])),
    }
}

fn one_of(name: &'static str, given: &str, allowed: &[&str]) -> ApiError {
    ApiError::new(
        &faults::VALIDATION_INCLUSION,
        format!(
            "parameter `{name}` must be {}, not `{}`",
            allowed.join(" or "),
            printable(given)
        ),
    )
    .field(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_query_is_read() {
        let query = parse(Some(
            "origin=EWR&destination=IAH&date=2027-01-05&cabin=Y&class=M&provider=nyc&passengers=3&sort=duration&limit=7&all_offers=true&sold_out=true",
        ))
        .unwrap();
        assert_eq!(
            (query.passengers, query.limit, query.sort),
            (3, 7, Sort::Duration)
        );
        assert!(!query.best_per_flight && query.sold_out);
    }

    #[test]
    fn faults_have_codes_and_fields() {
        for (text, code) in [
            ("", "validation_required"),
            ("origin=EWR&destination=IAH", "validation_required"),
            (
                "origin=ewr&destination=IAH&date=2027-01-05",
                "validation_format",
            ),
            (
                "origin=EWR&destination=IAH&date=2027-02-30",
                "validation_format",
            ),
            (
                "origin=EWR&destination=IAH&date=2027-01-05&passengers=0",
                "validation_inclusion",
            ),
            (
                "origin=EWR&destination=IAH&date=2027-01-05&sort=best",
                "validation_inclusion",
            ),
            (
                "origin=EWR&destination=IAH&date=2027-01-05&all_offers=1",
                "validation_inclusion",
            ),
            (
                "origin=EWR&destination=IAH&date=2027-01-05&sold_out=",
                "validation_inclusion",
            ),
            (
                "origin=EWR&destination=IAH&date=2027-01-05&colour=red",
                "unknown_field",
            ),
        ] {
            assert_eq!(parse(Some(text)).unwrap_err().code(), code, "{text}");
        }
    }
}
