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

/// Something about offers, and none itself.
pub(super) fn is_metadata(offer: &Node) -> bool {
    let mut parts = offer.children.iter().map(|part| &*part.name);
    offer.attributes.is_empty()
        && !offer.children.is_empty()
        && parts.all(|name| name.ends_with("Metadatas") || name.ends_with("Metadata"))
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
        .and_then(|node| {
            node.attribute("DateTime")
                .or_else(|| node.attribute("Timestamp"))
        })
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
    let seated = lists.seated(offer);
    let fare = (flights_in_all == 1 && (lists.adults_only() || seated == 1))
        .then(|| flown(offer, lists, total))
        .flatten()
        .and_then(|total| money::share(total, seated));
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

/// Where the price of an offer stands.
const OF_OFFER: &[&[&str]] = &[
    &["TotalPrice", "TotalAmount"],
    &["TotalPrice", "SimpleCurrencyPrice"],
    &["TotalPrice", "DetailCurrencyPrice", "Total"],
];

/// Where the price of an item stands.
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

fn price(node: &Node, ways: &[&[&str]], lists: &Lists) -> Result<Option<Money>, Fault> {
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
}

/// The sum of two amounts, where they are of one currency.
fn plus(sum: Option<Money>, part: Money) -> Option<Money> {
    match sum {
        None => Some(part),
        Some(sum) if (sum.currency, sum.exponent) == (part.currency, part.exponent) => {
            Some(Money {
                minor: sum.minor.saturating_add(part.minor),
                ..sum
            })
        }
        Some(_) => None,
    }
}

/// The items that come with the offer. Where it says so, the others may be added to it.
fn mandatory(offer: &Node) -> Vec<&Node> {
    let is_optional = |item: &&Node| {
        let told = item
            .attribute("MandatoryInd")
            .or_else(|| item.text_at(&["MandatoryInd"]));
        matches!(told, Some("false" | "0"))
    };
    let (optional, mandatory): (Vec<&Node>, Vec<&Node>) =
        offer.all("OfferItem").partition(is_optional);
    // One that has nothing else is made of what may be left out.
    match mandatory.is_empty() {
        true => optional,
        false => mandatory,
    }
}

/// The price of the whole offer.
fn total(offer: &Node, lists: &Lists, remarks: &mut Vec<String>) -> Result<Option<Money>, Fault> {
    if let Some(total) = price(offer, OF_OFFER, lists)? {
        return Ok(Some(total));
    }
    let mut sum: Option<Money> = None;
    for item in mandatory(offer) {
        let Some(part) = price(item, OF_ITEM, lists)? else {
            continue;
        };
        sum = plus(sum, part);
        if sum.is_none() {
            remarks.push("its items have prices in several currencies: no total".to_owned());
            return Ok(None);
        }
    }
    if sum.is_none() {
        remarks.push("no total price was found".to_owned());
    }
    Ok(sum)
}

/// What the flight alone costs: items with a fare, where others are seats or services that were added.
fn flown(offer: &Node, lists: &Lists, total: Option<Money>) -> Option<Money> {
    let (with_fare, others): (Vec<&Node>, Vec<&Node>) = mandatory(offer)
        .into_iter()
        .partition(|item| !components(item).is_empty());
    if with_fare.is_empty() || others.is_empty() {
        return total;
    }
    let mut sum = None;
    for item in with_fare {
        sum = Some(plus(sum, price(item, OF_ITEM, lists).ok()??)?);
    }
    sum
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
    let mut journeys = match keys.is_empty() {
        true => applicable(offer, lists),
        false => Vec::new(),
    };
    for key in &keys {
        let segments = lists.segments_of(key).ok_or_else(|| {
            Fault::new(
                Code::Inconsistent,
                format!(
                    "the offer names journey {}, which is in no list of the message, or empty",
                    quoted(key)
                ),
            )
        })?;
        journeys.push(segments.to_vec());
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

/// Journeys as they were told before 17.2.
fn applicable(offer: &Node, lists: &Lists) -> Vec<Vec<String>> {
    let mut flights = Vec::new();
    offer.below("ApplicableFlight", &mut flights);
    let mut journeys: Vec<Vec<String>> = Vec::new();
    for flight in flights {
        let named: Option<Vec<_>> = references(flight, &["FlightReferences"])
            .iter()
            .map(|key| lists.segments_of(key))
            .collect();
        let segments = flight.all("FlightSegmentReference");
        let segments = segments.filter_map(|segment| Some(segment.attribute("ref")?.to_owned()));
        let found = match named.filter(|named| !named.is_empty()) {
            Some(named) => named.into_iter().map(<[_]>::to_vec).collect(),
            None => vec![segments.collect()],
        };
        for journey in found {
            if !journey.is_empty() && !journeys.contains(&journey) && journeys.len() < 32 {
                journeys.push(journey);
            }
        }
    }
    journeys
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

/// Where a fare component tells its cabin.
fn kinds(component: &Node) -> Vec<&Node> {
    let ways: [&[&str]; 3] = [&["FareBasis", "CabinType"], &["CabinType"], &["FareBasis"]];
    ways.iter().filter_map(|way| component.at(way)).collect()
}

/// Fare components with their segments. Those that name none are of all where there is one of them, or
/// where all say the same; else one for each segment or journey, where there are as many.
fn placed<'n>(offer: &'n Node, journeys: &[Vec<String>]) -> Vec<(&'n Node, Vec<String>)> {
    let all: Vec<String> = journeys.iter().flatten().cloned().collect();
    let mut groups = Vec::new();
    offer.below("FareDetail", &mut groups);
    if groups.is_empty() {
        groups.push(offer);
    }
    let mut found = Vec::new();
    for group in groups {
        let (silent, named): (Vec<&Node>, Vec<&Node>) = components(group)
            .into_iter()
            .partition(|component| segments_of(component).is_empty());
        found.extend(named.into_iter().map(|one| (one, segments_of(one))));
        let says = |component: &Node| {
            let cabins: Vec<_> = kinds(component)
                .into_iter()
                .map(|kind| cabin_of(kind, 0, 1))
                .collect();
            (classes(component), cabins)
        };
        let alike = silent.windows(2).all(|pair| says(pair[0]) == says(pair[1]));
        for (n, component) in silent.iter().enumerate() {
            let keys = if alike {
                all.clone()
            } else if silent.len() == all.len() {
                vec![all[n].clone()]
            } else if silent.len() == journeys.len() {
                journeys[n].clone()
            } else {
                continue;
            };
            found.push((component, keys));
        }
    }
    found
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
    for (component, keys) in placed(offer, journeys) {
        let classes = classes(component);
        let kinds = kinds(component);
        let of_price = references(component, &["PriceClassRef", "PriceClassRefID"])
            .iter()
            .find_map(|key| lists.price_classes.get(key));
        for (n, key) in keys.iter().enumerate() {
            let class = nth(&classes, n, keys.len());
            let letter = class.and_then(|(text, _)| text.parse().ok());
            if let Some((text, _)) = class.filter(|_| letter.is_none()) {
                odd.push(text.clone());
            }
            let seat = Seat {
                cabin: kinds.iter().find_map(|kind| cabin_of(kind, n, keys.len())),
                class: letter,
                left: class.and_then(|(_, left)| *left),
            };
            fill(&mut seats, key, seat, false);
            if let Some(price_class) = of_price {
                let with = of_price_class(lists, price_class, key);
                fill(&mut seats, key, with, true);
            }
        }
    }
    // Before 17.2 it stands with the segments of the offer.
    let mut segments = Vec::new();
    offer.below("FlightSegmentReference", &mut segments);
    for segment in segments {
        if let Some(key) = segment.attribute("ref") {
            let mut seat = segment.child("ClassOfService").map(of_service);
            let cabin = segment.text_at(&["Cabin", "CabinDesignator"]);
            if let Some(cabin) = cabin.and_then(cabin_code) {
                seat.get_or_insert_default().cabin = Some(cabin);
            }
            fill(&mut seats, key, seat.unwrap_or_default(), true);
        }
    }
    // What the components do not say, price classes of whole journeys and segments may.
    for (key, class) in journey_classes(offer) {
        let Some(class) = lists.price_classes.get(&class) else {
            continue;
        };
        for segment in lists.segments_of(&key).unwrap_or_default() {
            fill(
                &mut seats,
                segment,
                of_price_class(lists, class, segment),
                true,
            );
        }
    }
    for key in &all {
        if let Some(segment) = lists.segments.get(key) {
            fill(&mut seats, key, of_segment(segment), true);
        }
    }
    if let Some(text) = odd.first() {
        remarks.push(format!(
            "{} stands where a booking class should, and was passed over",
            quoted(text)
        ));
    }
    seats
}

/// Adds what is known of a segment; `more`: to what was found before, the first of which counts.
fn fill(seats: &mut Vec<(String, Seat)>, segment: &str, with: Seat, more: bool) {
    match seats.iter_mut().find(|(known, _)| known == segment) {
        Some((_, seat)) if more => {
            seat.cabin = seat.cabin.or(with.cabin);
            // A count is one of its class.
            if seat.class.is_none() || with.class.is_none() || seat.class == with.class {
                seat.left = seat.left.or(with.left);
            }
            seat.class = seat.class.or(with.class);
        }
        Some(_) => {}
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

/// The entry of a list for the nth of so many: a list has one for each, or one for all.
fn nth<T>(list: &[T], n: usize, of: usize) -> Option<&T> {
    list.get(if list.len() == of { n } else { 0 })
}

/// Booking classes of a fare component, each with the seats left where they are told.
fn classes(component: &Node) -> Vec<(String, Option<i32>)> {
    let mut found = Vec::new();
    let inside = component.child("FareBasis");
    for node in inside.into_iter().chain([component]) {
        for class in node.all("RBD") {
            let text = class.text_at(&["RBD_Code"]).unwrap_or(&class.text);
            let left = class.text_at(&["Availability"]).and_then(left);
            found.extend(text.split_whitespace().map(|text| (text.to_owned(), left)));
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// Seats left; what is no number is no count. Below 0 there is none: more are sold than may be.
fn left(text: &str) -> Option<i32> {
    let text = text.trim();
    let text = text.strip_suffix('+').unwrap_or(text);
    let left = text.parse().ok().map(|left: i32| left.max(0));
    left.filter(|left| *left <= 999)
}

/// The cabin of the nth of so many segments by an element with a code, a name, or both. The name counts:
/// some write the booking class where the code should be.
fn cabin_of(node: &Node, n: usize, of: usize) -> Option<Cabin> {
    let name = node.text_at(&["CabinTypeName"]).unwrap_or_default();
    let code = node.text_at(&["CabinTypeCode"]).unwrap_or_default();
    let part = |text: &str| -> Option<Cabin> {
        let words: Vec<&str> = text.split_whitespace().collect();
        nth(&words, n, of).and_then(|word| cabin_code(word).or_else(|| cabin_name(word)))
    };
    let of_name = cabin_name(name).or_else(|| {
        let words: Vec<&str> = name.split_whitespace().collect();
        words
            .get(n)
            .filter(|_| words.len() == of)
            .and_then(|word| cabin_name(word))
    });
    of_name
        .or_else(|| cabin_name(code))
        .or_else(|| part(code))
        // Some write the code where the name should be.
        .or_else(|| part(name))
}

fn letter(letter: &str) -> Option<Cabin> {
    letter.parse().ok()
}

/// A cabin by the codes that the industry writes for it: letters, and the digits of PADIS 9873.
fn cabin_code(text: &str) -> Option<Cabin> {
    letter(match text {
        "Y" | "M" | "3" | "5" | "6" => "Y",
        "W" | "S" | "4" => "W",
        "C" | "J" | "2" => "J",
        "F" | "P" | "R" | "1" => "F",
        _ => return None,
    })
}

/// A cabin by its name in English. What a provider calls it otherwise is no name of a cabin.
fn cabin_name(text: &str) -> Option<Cabin> {
    let name = text.to_ascii_uppercase().replace(['_', '-'], " ");
    let name = name.trim();
    let name = name.strip_suffix(" CLASS").unwrap_or(name);
    letter(match name {
        "ECONOMY" | "COACH" => "Y",
        "PREMIUM ECONOMY" | "ECONOMY PREMIUM" => "W",
        "BUSINESS" => "J",
        "FIRST" => "F",
        _ => return None,
    })
}

/// What a price class says of a segment.
fn of_price_class(lists: &Lists, node: &Node, segment: &str) -> Seat {
    let cabin = node
        .child("CabinType")
        .and_then(|kind| cabin_of(kind, 0, 1));
    let services: Vec<&Node> = node.all("ClassOfService").collect();
    let names = |service: &Node, is: &dyn Fn(&str) -> bool| {
        let refs = service.attribute("refs").unwrap_or_default();
        refs.split_whitespace().any(is)
    };
    let own = services
        .iter()
        .find(|service| names(service, &|key| key == segment));
    // One for all, unless it is said to be that of other segments.
    let common = services.first().filter(|service| {
        services.len() == 1 && !names(service, &|key| lists.segments.contains_key(key))
    });
    let service = own.or(common).map(|service| of_service(service));
    let service = service.unwrap_or_default();
    Seat {
        cabin: service.cabin.or(cabin),
        ..service
    }
}

/// Class, cabin and seats left of a class of service.
fn of_service(service: &Node) -> Seat {
    let code = service.child("Code");
    let name = service.child("MarketingName");
    Seat {
        cabin: name
            .and_then(|name| name.attribute("CabinDesignator"))
            .and_then(cabin_code)
            .or_else(|| name.and_then(|name| cabin_name(&name.text))),
        class: code.and_then(|code| code.text.parse().ok()),
        left: code
            .and_then(|code| code.attribute("SeatsLeft"))
            .and_then(left),
    }
}

/// What a segment says itself.
fn of_segment(segment: &Node) -> Seat {
    let service = segment.child("ClassOfService").map(of_service);
    let service = service.unwrap_or_default();
    let class = first(
        segment,
        &[
            &["MarketingCarrierRBD_Code"],
            &["MarketingCarrier", "ResBookDesigCode"],
        ],
    )
    .and_then(|text| text.parse().ok());
    let kind = segment
        .at(&["CabinTypeAssociationChoice", "SegmentCabinType"])
        .or_else(|| segment.child("CabinType"));
    Seat {
        cabin: service
            .cabin
            .or_else(|| kind.and_then(|kind| cabin_of(kind, 0, 1))),
        class: service.class.or(class),
        left: service.left,
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
