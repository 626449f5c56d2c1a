//! `GET /places/suggestions`: airports and cities by code, name or place.

use flightline_ledger::Station;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use warp::reply::Response;

use crate::duffel::params::{BookingHeaders, SuggestionQuery};
use crate::duffel::reference::{Reference, distance_km};
use crate::duffel::wire::All;
use crate::duffel::wire::place::Place;
use crate::http::access::Need;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::query::{Query, printable};
use crate::http::reply;
use crate::http::request::Request;

/// The most places in an answer.
const PLACES_MAX: usize = 20;

/// The widest circle, in metres.
const RADIUS_M_MAX: u64 = 1_000_000;

/// Airports and cities by code, name or place
///
/// By text: those of this code first, then those whose name begins with it, then those of which a
/// word does; cities before airports. By place: airports, the nearest first.
#[utoipa::path(
    get,
    path = "/places/suggestions",
    tag = "reference",
    params(BookingHeaders, SuggestionQuery),
    responses((status = 200, description = "At most 20 places", body = All<Place>))
)]
pub(crate) fn suggestions(request: &Request) -> Result<Response, ApiError> {
    request.caller(Need::Read)?;
    let query = Query::parse_any(request.uri.query())?;
    let reference = &request.app.booking.reference;
    let near = ["lat", "lng", "rad"].map(|name| query.get(name).is_some());
    let data = if let Some(text) = query.get("query").or_else(|| query.get("name")) {
        by_text(reference, text)
    } else if near == [false; 3] {
        return Err(ApiError::new(
            &faults::VALIDATION_REQUIRED,
            "parameter `query` is required, or `lat`, `lng` and `rad`",
        )
        .field("query"));
    } else {
        let latitude_deg = degrees(&query, "lat", 90.0)?;
        let longitude_deg = degrees(&query, "lng", 180.0)?;
        let radius_m = query
            .number("rad", 1, RADIUS_M_MAX)?
            .ok_or_else(|| missing("rad"))?;
        by_place(
            reference,
            (latitude_deg, longitude_deg),
            radius_m as f64 / 1000.0,
        )
    };
    Ok(reply::json(200, &All { data }))
}

fn missing(name: &'static str) -> ApiError {
    let message = format!("parameter `{name}` is required beside the others of the place");
    ApiError::new(&faults::VALIDATION_REQUIRED, message).field(name)
}

fn degrees(query: &Query<'_>, name: &'static str, most: f64) -> Result<f64, ApiError> {
    let text = query.get(name).ok_or_else(|| missing(name))?;
    let number = text.parse::<f64>().ok().filter(|n| n.abs() <= most);
    number.ok_or_else(|| {
        let given = printable(text);
        ApiError::new(
            &faults::VALIDATION_INCLUSION,
            format!("parameter `{name}` must be degrees from -{most} to {most}, not `{given}`"),
        )
        .field(name)
    })
}

/// A text as it is compared: in lower case and without accents, so that whoever cannot type `Zürich`
/// finds it, and whoever can, too.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = text.nfd().filter(|c| !is_combining_mark(*c));
    let mut out = String::with_capacity(text.len());
    for c in plain.flat_map(char::to_lowercase) {
        // Letters that are none with a mark.
        match c {
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ı' => out.push('i'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            c => out.push(c),
        }
    }
    out
}

/// How well a text matches; smaller is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Code,
    NamePrefix,
    WordPrefix,
}

fn matches(sought: &str, codes: &[&str], names: &[&str]) -> Option<Match> {
    if codes.iter().any(|code| code.eq_ignore_ascii_case(sought)) {
        return Some(Match::Code);
    }
    let mut best = None;
    for name in names {
        let name = folded(name);
        if name.starts_with(sought) {
            return Some(Match::NamePrefix);
        }
        let mut words = name.split(|c: char| !c.is_alphanumeric());
        if words.any(|word| word.starts_with(sought)) {
            best = Some(Match::WordPrefix);
        }
    }
    best
}

fn by_text(reference: &Reference, text: &str) -> Vec<Place> {
    let sought = folded(text.trim());
    if sought.is_empty() {
        return Vec::new();
    }
    // Cities sort before airports, and airports of cities before others: those are the large ones.
    let mut found: Vec<(Match, u8, &str, Station)> = Vec::new();
    for city in reference.cities() {
        if let Some(how) = matches(&sought, &[city.iata.as_str()], &[&city.name]) {
            found.push((how, 0, &city.name, city.iata));
        }
    }
    for airport in reference.airports() {
        let city = reference.city_of(airport.iata);
        let names = [
            &*airport.name,
            &*airport.city_name,
            city.map_or("", |city| &city.name),
        ];
        if let Some(how) = matches(&sought, &[airport.iata.as_str(), &airport.icao], &names) {
            found.push((
                how,
                if city.is_some() { 1 } else { 2 },
                &airport.name,
                airport.iata,
            ));
        }
    }
    found.sort_unstable();
    let places = found
        .into_iter()
        .take(PLACES_MAX)
        .map(
            |(_, kind, _, code)| match reference.city(code).filter(|_| kind == 0) {
                Some(city) => Place::city(reference, city),
                None => Place::airport(reference, code),
            },
        );
    places.collect()
}

fn by_place(reference: &Reference, at: (f64, f64), radius_km: f64) -> Vec<Place> {
    let airports = reference.airports().iter();
    let mut near: Vec<(f64, Station)> = airports
        .map(|a| (distance_km(at, (a.latitude_deg, a.longitude_deg)), a.iata))
        .filter(|(km, _)| *km <= radius_km)
        .collect();
    near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    near.truncate(PLACES_MAX);
    near.into_iter()
        .map(|(_, code)| Place::airport(reference, code))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_names_and_names_before_words() {
        let how = |text| {
            matches(
                text,
                &["LHR", "EGLL"],
                &["London Heathrow Airport", "London"],
            )
        };
        assert_eq!(how("lhr"), Some(Match::Code));
        assert_eq!(how("egll"), Some(Match::Code));
        assert_eq!(how("lond"), Some(Match::NamePrefix));
        assert_eq!(how("heath"), Some(Match::WordPrefix));
        assert_eq!(how("ondon"), None);
    }

    #[test]
    fn accents_make_no_difference() {
        for (name, typed) in [
            ("Zurich Airport", "Zürich"),
            ("Zürich Airport", "ZURICH"),
            ("São Paulo Catarina", "sao p"),
            ("Sao Paulo", "SÃO"),
            ("Tromsø Airport", "tromso"),
            ("Łódź Airport", "lodz"),
            // With the accent as a character of its own.
            ("Málaga Airport", "Ma\u{301}laga"),
            ("İstanbul", "istanbul"),
        ] {
            let how = matches(&folded(typed), &[], &[name]);
            assert_eq!(how, Some(Match::NamePrefix), "{typed} for {name}");
        }
        assert_eq!(matches(&folded("東京"), &[], &["Tokyo"]), None);
    }
}
