//! An offer as flights, seats and price.

use flightline_ledger::codes::Money;
use flightline_ledger::command::SaleStatus;
use flightline_ledger::{Cabin, Class};

use super::lists::{Lists, key_of, references};
use super::segment::{first, shown};
use crate::market::{Gather, Look, Seats, instant_ms};
use crate::money;
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};
use crate::xml::{Node, outline};

/// Where a traveller sits on a segment, as far as it is told.
#[derive(Clone, Copy, Default)]
struct Seat {
    cabin: Option<Cabin>,
    class: Option<Class>,
    left: Option<i32>,
}

/// Takes an offer.
pub(super) fn take(
    gather: &mut Gather,
    lists: &Lists,
    (line, offer): (u64, &Node),
    own_ms: Option<i64>,
) -> Result<(), Fault> {
    let id = key_of(offer, "OfferID", "OfferID")
        .or_else(|| offer.text_at(&["OfferId"]))
        .ok_or_else(|| Fault::new(Code::MissingField, "the offer has no OfferID"))?;
    let expires = offer
        .at(&["TimeLimits", "OfferExpiration"])
        .and_then(|node| node.attribute("DateTime"))
        .or_else(|| {
            first(
                offer,
                &[
                    &["OfferExpirationTimeLimitDateTime"],
                    &["OfferExpirationDateTime"],
                ],
            )
        });
    let mut remarks = Vec::new();
    let expires_ms = match expires {
        None => None,
        Some(text) => {
            let (ms, has_zone) = instant_ms("offer expiration", text)?;
            if !has_zone {
                remarks.push(format!(
                    "the expiration of the offer, {}, has no zone: taken as UTC",
                    quoted(text)
                ));
            }
            Some(ms)
        }
    };
    let total = total(offer, lists, &mut remarks)?;
    let journeys = journeys(offer, lists)?;
    let flights_in_all: usize = journeys.iter().map(Vec::len).sum();
    let seated = lists.seated();
    let fare = (flights_in_all == 1 && (lists.adults_only() || seated == 1))
        .then(|| total.and_then(|total| money::share(total, seated)))
        .flatten();
    let seats = seats(offer, lists, &journeys, &mut remarks);
    let mut parts = Vec::with_capacity(journeys.len());
    for journey in &journeys {
        let mut flights = Vec::with_capacity(journey.len());
        for key in journey {
            let flight = shown(lists, key)?;
            let seat = seats
                .iter()
                .find(|(segment, _)| segment == key)
                .map(|(_, seat)| *seat)
                .unwrap_or_default();
            let look = Look {
                cabin: seat.cabin,
                class: seat.class,
                status: SaleStatus::Open,
                // Without a count, that there is an offer says that there are seats for those it is for.
                seats: Some(match seat.left {
                    Some(count) => Seats {
                        count,
                        is_floor: count >= 9,
                    },
                    None => Seats {
                        count: i32::from(seated),
                        is_floor: true,
                    },
                }),
                price: fare,
            };
            let looks = match (seat.cabin, seat.class) {
                (None, None) => {
                    remarks.push(format!(
                        "neither class nor cabin of segment {} is told: no seats were taken from it",
                        quoted(key)
                    ));
                    Vec::new()
                }
                _ => vec![look],
            };
            flights.push((flight, looks));
        }
        let observed = Observed {
            expires_ms,
            offer: Some(id.chars().take(120).collect()),
            origin: flights.first().map(|(flight, _)| flight.board()),
            destination: flights.last().map(|(flight, _)| flight.off()),
            total,
            passengers: Some(seated),
            ..Observed::default()
        };
        parts.push((observed, flights));
    }
    let raw = outline(offer);
    for (observed, flights) in parts {
        gather.journey((line, &raw), own_ms, &observed, flights);
    }
    for text in remarks {
        gather.warn(line, None, format!("offer {}: {text}", quoted(id)));
    }
    Ok(())
}

/// The price of the whole offer.
fn total(offer: &Node, lists: &Lists, remarks: &mut Vec<String>) -> Result<Option<Money>, Fault> {
    const OF_OFFER: &[&[&str]] = &[
        &["TotalPrice", "TotalAmount"],
        &["TotalPrice", "SimpleCurrencyPrice"],
        &["TotalPrice", "DetailCurrencyPrice", "Total"],
    ];
    const OF_ITEM: &[&[&str]] = &[
        &["Price", "TotalAmount"],
        &["TotalPriceDetail", "TotalAmount", "SimpleCurrencyPrice"],
        &[
            "TotalPriceDetail",
            "TotalAmount",
            "DetailCurrencyPrice",
            "Total",
        ],
        &["TotalPriceDetail", "TotalAmount"],
    ];
    let found = |node: &'_ Node, ways: &[&[&str]]| -> Result<Option<Money>, Fault> {
        let Some(node) = ways
            .iter()
            .find_map(|way| node.at(way).filter(|node| !node.text.is_empty()))
        else {
            return Ok(None);
        };
        let currency = node
            .attribute("CurCode")
            .or_else(|| node.attribute("Code"))
            .ok_or_else(|| Fault::new(Code::MissingField, "the total has no currency"))?;
        let amount = match lists.decimals.get(currency) {
            // Where the message tells the decimals of its amounts, one without a point is in minor units.
            Some(decimals) if *decimals > 0 && !node.text.contains('.') => {
                point(&node.text, usize::from(*decimals))
            }
            _ => node.text.clone(),
        };
        money::read("total", &amount, currency).map(Some)
    };
    if let Some(total) = found(offer, OF_OFFER)? {
        return Ok(Some(total));
    }
    let mut sum: Option<Money> = None;
    for item in offer.all("OfferItem") {
        let Some(part) = found(item, OF_ITEM)? else {
            continue;
        };
        sum = match sum {
            None => Some(part),
            Some(sum) if (sum.currency, sum.exponent) == (part.currency, part.exponent) => {
                Some(Money {
                    minor: sum.minor.saturating_add(part.minor),
                    ..sum
                })
            }
            Some(_) => {
                remarks.push("its items have prices in several currencies: no total".to_owned());
                return Ok(None);
            }
        };
    }
    if sum.is_none() {
        remarks.push("no total price was found".to_owned());
    }
    Ok(sum)
}

/// `84280` with 2 decimals is `842.80`.
fn point(digits: &str, decimals: usize) -> String {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.to_owned();
    }
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    format!("{whole}.{fraction}")
}

/// The segments of each journey of the offer.
fn journeys(offer: &Node, lists: &Lists) -> Result<Vec<Vec<String>>, Fault> {
    let mut keys: Vec<String> = Vec::new();
    let mut add = |more: Vec<String>| {
        for key in more {
            if !keys.contains(&key) && keys.len() < 32 {
                keys.push(key);
            }
        }
    };
    if let Some(overview) = offer.child("FlightsOverview") {
        add(references(overview, &["FlightRef"]));
    }
    if let Some(overview) = offer.child("JourneyOverview") {
        for class in overview.all("JourneyPriceClass") {
            add(references(class, &["PaxJourneyRefID", "PaxJourneyRefId"]));
        }
    }
    if keys.is_empty() {
        let mut services = Vec::new();
        offer.below("Service", &mut services);
        let mut keys_of = |node: &Node| {
            let more = references(node, &["FlightRefs", "PaxJourneyRefID", "PaxJourneyRefId"]);
            for key in more {
                if !keys.contains(&key) && keys.len() < 32 {
                    keys.push(key);
                }
            }
        };
        for service in services {
            keys_of(service);
            if let Some(associations) = service
                .child("ServiceAssociations")
                .or_else(|| service.child("OfferServiceAssociation"))
            {
                keys_of(associations);
                let mut deeper = Vec::new();
                associations.below("PaxJourneyRef", &mut deeper);
                deeper.into_iter().for_each(&mut keys_of);
            }
        }
    }
    let mut journeys: Vec<Vec<String>> = Vec::new();
    for key in &keys {
        match lists.journeys.get(key) {
            Some(segments) if !segments.is_empty() => journeys.push(segments.clone()),
            _ => {
                return Err(Fault::new(
                    Code::Inconsistent,
                    format!(
                        "the offer names journey {}, which is in no list of the message, or empty",
                        quoted(key)
                    ),
                ));
            }
        }
    }
    if journeys.is_empty() {
        let mut segments: Vec<String> = Vec::new();
        for component in components(offer) {
            for key in segments_of(component) {
                if !segments.contains(&key) {
                    segments.push(key);
                }
            }
        }
        if segments.is_empty() {
            return Err(Fault::new(
                Code::MissingField,
                "the offer names neither journeys nor segments",
            ));
        }
        journeys.push(segments);
    }
    Ok(journeys)
}

fn components(offer: &Node) -> Vec<&Node> {
    let mut found = Vec::new();
    offer.below("FareComponent", &mut found);
    found
}

fn segments_of(component: &Node) -> Vec<String> {
    references(
        component,
        &["SegmentRefs", "PaxSegmentRefID", "PaxSegmentRefId"],
    )
}

/// Class, cabin and seats left by segment.
fn seats(
    offer: &Node,
    lists: &Lists,
    journeys: &[Vec<String>],
    remarks: &mut Vec<String>,
) -> Vec<(String, Seat)> {
    let all: Vec<String> = journeys.iter().flatten().cloned().collect();
    let mut seats: Vec<(String, Seat)> = Vec::new();
    let mut odd: Vec<String> = Vec::new();
    for component in components(offer) {
        let mut keys = segments_of(component);
        if keys.is_empty() {
            keys.clone_from(&all);
        }
        let classes = words(
            component,
            &[&["FareBasis", "RBD"], &["RBD", "RBD_Code"], &["RBD"]],
        );
        let cabins = words(
            component,
            &[
                &["FareBasis", "CabinType", "CabinTypeCode"],
                &["CabinType", "CabinTypeCode"],
                &["FareBasis", "CabinTypeCode"],
            ],
        );
        let of_price = references(component, &["PriceClassRef", "PriceClassRefID"])
            .iter()
            .find_map(|key| lists.price_classes.get(key))
            .map(of_price_class)
            .unwrap_or_default();
        for (n, key) in keys.iter().enumerate() {
            // A list has an entry for each segment, or one for all.
            let nth = |list: &[String]| {
                let at = if list.len() == keys.len() { n } else { 0 };
                list.get(at).cloned()
            };
            let class = nth(&classes);
            let letter = class.as_deref().and_then(|text| text.parse().ok());
            if let Some(text) = class.filter(|_| letter.is_none()) {
                odd.push(text);
            }
            let seat = Seat {
                cabin: nth(&cabins).as_deref().and_then(cabin).or(of_price.cabin),
                class: letter.or(of_price.class),
                left: of_price.left,
            };
            if !seats.iter().any(|(known, _)| known == key) {
                seats.push((key.clone(), seat));
            }
        }
    }
    // What the components do not say, price classes of whole journeys and segments may.
    for (key, class) in journey_classes(offer) {
        let Some(class) = lists.price_classes.get(&class).map(of_price_class) else {
            continue;
        };
        for segment in lists.journeys.get(&key).into_iter().flatten() {
            fill(&mut seats, segment, class);
        }
    }
    for key in &all {
        let class = lists
            .segments
            .get(key)
            .and_then(|segment| segment.text_at(&["MarketingCarrierRBD_Code"]))
            .and_then(|text| text.parse().ok());
        fill(
            &mut seats,
            key,
            Seat {
                class,
                ..Seat::default()
            },
        );
    }
    if let Some(text) = odd.first() {
        remarks.push(format!(
            "{} stands where a booking class should, and was passed over",
            quoted(text)
        ));
    }
    seats
}

fn fill(seats: &mut Vec<(String, Seat)>, segment: &str, with: Seat) {
    match seats.iter_mut().find(|(known, _)| known == segment) {
        Some((_, seat)) => {
            seat.cabin = seat.cabin.or(with.cabin);
            seat.class = seat.class.or(with.class);
            seat.left = seat.left.or(with.left);
        }
        None => seats.push((segment.to_owned(), with)),
    }
}

/// Journeys with their price classes.
fn journey_classes(offer: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(overview) = offer.child("FlightsOverview") {
        for flight in overview.all("FlightRef") {
            if let Some(class) = flight.attribute("PriceClassRef") {
                found.push((flight.text.clone(), class.to_owned()));
            }
        }
    }
    if let Some(overview) = offer.child("JourneyOverview") {
        for part in overview.all("JourneyPriceClass") {
            let journeys = references(part, &["PaxJourneyRefID", "PaxJourneyRefId"]);
            let classes = references(part, &["PriceClassRefID", "PriceClassRefId"]);
            for journey in journeys {
                for class in &classes {
                    found.push((journey.clone(), class.clone()));
                }
            }
        }
    }
    found
}

fn words(node: &Node, ways: &[&[&str]]) -> Vec<String> {
    first(node, ways)
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// The four cabins by the letters that the industry writes for them.
fn cabin(text: &str) -> Option<Cabin> {
    let letter = match text {
        "Y" | "M" => "Y",
        "W" | "S" => "W",
        "C" | "J" => "J",
        "F" | "P" | "R" => "F",
        _ => return None,
    };
    letter.parse().ok()
}

fn of_price_class(node: &Node) -> Seat {
    let Some(service) = node.child("ClassOfService") else {
        return Seat::default();
    };
    let code = service.child("Code");
    Seat {
        cabin: service
            .child("MarketingName")
            .and_then(|name| name.attribute("CabinDesignator"))
            .and_then(cabin),
        class: code.and_then(|code| code.text.parse().ok()),
        left: code
            .and_then(|code| code.attribute("SeatsLeft"))
            .and_then(|text| text.trim().parse().ok())
            .filter(|left| (0..=999).contains(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_minor_units_get_their_point() {
        for (digits, decimals, want) in [
            ("84280", 2, "842.80"),
            ("5", 2, "0.05"),
            ("321600", 2, "3216.00"),
            ("1250", 3, "1.250"),
            ("-5", 2, "-5"),
        ] {
            assert_eq!(point(digits, decimals), want);
        }
    }
}
