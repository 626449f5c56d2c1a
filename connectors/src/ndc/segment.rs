//! A segment as a flight.

use flightline_ledger::{Carrier, Station};

use super::lists::{Lists, references};
use crate::market::{
    Local, Number, Operator, Shown, aircraft_code, flight_number, local, minutes_of,
};
use crate::reject::{Code, Fault, quoted};
use crate::xml::Node;

/// The first text that stands at one of these ways.
pub(super) fn first<'n>(node: &'n Node, ways: &[&[&str]]) -> Option<&'n str> {
    ways.iter().find_map(|way| node.text_at(way))
}

fn missing(key: &str, what: &str) -> Fault {
    Fault::new(
        Code::MissingField,
        format!("segment {}: missing {what}", quoted(key)),
    )
}

fn code<T: std::str::FromStr<Err = flightline_ledger::codes::BadCode>>(
    key: &str,
    what: &str,
    text: &str,
) -> Result<T, Fault> {
    text.parse().map_err(|e| {
        Fault::at(
            Code::BadCode,
            format_args!("segment {}: {what}", quoted(key)),
            format_args!("{}: {e}", quoted(text)),
        )
    })
}

/// One end of a segment or leg.
fn end(key: &str, node: &Node, names: [&str; 2]) -> Result<(Station, Local), Fault> {
    let what = names[0];
    let node = names
        .iter()
        .find_map(|name| node.child(name))
        .ok_or_else(|| missing(key, what))?;
    let station = first(node, &[&["AirportCode"], &["IATA_LocationCode"]])
        .ok_or_else(|| missing(key, &format!("the airport of {what}")))?;
    let station: Station = code(key, what, station)?;
    let field = format!("segment {}: {what}", quoted(key));
    let text = match first(node, &[&["AircraftScheduledDateTime"], &["DateTime"]]) {
        Some(text) => text.to_owned(),
        None => {
            let date = node
                .text_at(&["Date"])
                .ok_or_else(|| missing(key, &format!("the date of {what}")))?;
            let time = node
                .text_at(&["Time"])
                .ok_or_else(|| missing(key, &format!("the time of {what}")))?;
            // Some write a date and time in the field for the date.
            format!("{}T{time}", date.get(..10).unwrap_or(date))
        }
    };
    Ok((station, local(&*field, &text, station, None)?))
}

/// The flight of a segment.
pub(super) fn shown(lists: &Lists, key: &str) -> Result<Shown, Fault> {
    let segment = lists.segments.get(key).ok_or_else(|| {
        Fault::new(
            Code::Inconsistent,
            format!(
                "the offer names segment {}, which is in no list of the message",
                quoted(key)
            ),
        )
    })?;
    // From 21.3 on a segment points to what is sold, which points to what flies.
    let pointed = |node: &Node, names: &[&str]| references(node, names).into_iter().next();
    let marketing = pointed(
        segment,
        &["DatedMarketingSegmentRefId", "DatedMarketingSegmentRefID"],
    )
    .and_then(|key| lists.marketing.get(&key));
    let sold = marketing.unwrap_or(segment);
    let operating = pointed(
        sold,
        &["DatedOperatingSegmentRefId", "DatedOperatingSegmentRefID"],
    )
    .and_then(|key| lists.operating.get(&key));

    let carrier = first(
        sold,
        &[
            &["MarketingCarrier", "AirlineID"],
            &["MarketingCarrierInfo", "CarrierDesigCode"],
            &["CarrierDesigCode"],
        ],
    )
    .ok_or_else(|| missing(key, "the marketing carrier"))?;
    let carrier: Carrier = code(key, "marketing carrier", carrier)?;
    let number = first(
        sold,
        &[
            &["MarketingCarrier", "FlightNumber"],
            &["MarketingCarrierInfo", "MarketingCarrierFlightNumberText"],
            &["MarketingCarrierFlightNumberText"],
        ],
    )
    .ok_or_else(|| missing(key, "the flight number"))?;
    let number = flight_number(
        format_args!("segment {}: flight number", quoted(key)),
        number,
        carrier,
    )?
    .with_suffix(
        format_args!("segment {}: operational suffix", quoted(key)),
        first(
            sold,
            &[
                &["MarketingCarrierInfo", "OperationalSuffixText"],
                &["OperationalSuffixText"],
            ],
        ),
    )?;

    let own = |ways: &[&[&str]]| first(segment, ways).or_else(|| first(sold, ways));
    let operator = own(&[
        &["OperatingCarrier", "AirlineID"],
        &["OperatingCarrierInfo", "CarrierDesigCode"],
    ])
    .or_else(|| operating.and_then(|node| node.text_at(&["CarrierDesigCode"])));
    let operator: Option<Carrier> = match operator {
        None => None,
        Some(text) => Some(code(key, "operating carrier", text)?),
    };
    let operator_number = own(&[
        &["OperatingCarrier", "FlightNumber"],
        &["OperatingCarrierInfo", "OperatingCarrierFlightNumberText"],
    ])
    .or_else(|| operating.and_then(|node| node.text_at(&["OperatingCarrierFlightNumberText"])));
    let operator_number = match (operator, operator_number) {
        (Some(carrier), Some(text)) => {
            let number = flight_number(
                format_args!("segment {}: operating flight number", quoted(key)),
                text,
                carrier,
            )?;
            let suffix = own(&[&["OperatingCarrierInfo", "OperationalSuffixText"]])
                .or_else(|| operating.and_then(|node| node.text_at(&["OperationalSuffixText"])));
            let field = format_args!("segment {}: operating suffix", quoted(key));
            Some(number.with_suffix(field, suffix)?)
        }
        _ => None,
    };
    let operator = Operator::told(carrier, operator, operator_number);

    let legs = legs(lists, segment, operating);
    let aircraft = |leg: Option<&Node>| {
        let of_leg = leg.and_then(|leg| {
            first(
                leg,
                &[
                    &["IATA_AircraftType", "IATA_AircraftTypeCode"],
                    &["CarrierAircraftType", "CarrierAircraftTypeCode"],
                    &["IATA_AircraftTypeCode"],
                ],
            )
        });
        aircraft_code(of_leg.or_else(|| own(&[&["Equipment", "AircraftCode"]])))
    };
    let minutes = own(&[&["FlightDetail", "FlightDuration", "Value"], &["Duration"]])
        .or_else(|| operating.and_then(|node| node.text_at(&["Duration"])))
        .and_then(minutes_of);
    // Some have stations and times with the legs alone.
    let of_leg = |leg: Option<&&Node>, names| end(key, leg?, names).ok();
    let departs = end(key, sold, ["Departure", "Dep"])
        .or_else(|fault| of_leg(legs.first(), ["Departure", "Dep"]).ok_or(fault))?;
    let arrives = end(key, sold, ["Arrival", "Arr"])
        .or_else(|fault| of_leg(legs.last(), ["Arrival", "Arr"]).ok_or(fault))?;
    let at = format!("segment {}", quoted(key));
    if legs.len() > 1
        && let Some(shown) = several(key, &at, (carrier, number), &legs, operator, &aircraft)
        && (shown.board(), shown.off()) == (departs.0, arrives.0)
    {
        return Ok(shown);
    }
    let mut shown = Shown::one_leg(
        &at,
        (carrier, number),
        departs,
        arrives,
        aircraft(legs.first().copied()),
        operator,
        minutes,
    )?;
    if legs.len() > 1 {
        shown.warnings.push(format!(
            "{at}: its {} legs do not fit together: taken as one",
            legs.len()
        ));
    }
    Ok(shown)
}

/// The legs that a segment holds or points to.
fn legs<'n>(lists: &'n Lists, segment: &'n Node, operating: Option<&'n Node>) -> Vec<&'n Node> {
    let held: Vec<&Node> = segment.all("DatedOperatingLeg").collect();
    if !held.is_empty() {
        return held;
    }
    const NAMES: &[&str] = &["DatedOperatingLegRefID", "DatedOperatingLegRefId"];
    let pointed = operating.map(|node| references(node, NAMES));
    let pointed = pointed.unwrap_or_else(|| references(segment, NAMES));
    pointed
        .iter()
        .filter_map(|key| lists.legs.get(key))
        .collect()
}

/// A flight of several legs, where each is told in full.
fn several(
    key: &str,
    at: &str,
    flight: (Carrier, Number),
    legs: &[&Node],
    operator: Operator,
    aircraft: &dyn Fn(Option<&Node>) -> [u8; 3],
) -> Option<Shown> {
    let ends = |leg: &Node| {
        let from = end(key, leg, ["Departure", "Dep"]).ok()?;
        let to = end(key, leg, ["Arrival", "Arr"]).ok()?;
        Some((from, to))
    };
    let (first, rest) = legs.split_first()?;
    let (from, to) = ends(first)?;
    let mut shown =
        Shown::one_leg(at, flight, from, to, aircraft(Some(first)), operator, None).ok()?;
    for leg in rest {
        let (from, to) = ends(leg)?;
        shown
            .add_leg(at, from, to, aircraft(Some(leg)), None)
            .ok()?;
    }
    Some(shown)
}
