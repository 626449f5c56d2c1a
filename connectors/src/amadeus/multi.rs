//! `Air_MultiAvailabilityReply`: the availability or timetable display of a city pair, as XML.

use flightline_ledger::{Carrier, Class, Station};

use crate::connector::{Parsed, Source};
use crate::market::{
    CodeTable, Gather, Local, Look, Operator, Shown, Terms, aircraft_code, day_ddmmyy,
    flight_number, minutes_hhmm, provider_error, settle,
};
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};
use crate::xml::{Item, Node, Records, outline};

/// The iterator over a source.
pub(super) struct Display<'a> {
    records: Records<'a>,
    gather: Gather,
    codes: CodeTable,
    /// The city pair that is read, by its two codes.
    pair: (Option<Station>, Option<Station>),
    /// Flights of the journey that is read, with its line number in the display.
    journey: Vec<(Shown, Vec<Look>)>,
    journey_line: (u64, Vec<u8>),
    item: Option<Box<str>>,
    /// What stood around the displays, until there was one, or an error in its place.
    around: Option<(u64, Node)>,
    finished: bool,
}

impl<'a> Display<'a> {
    pub(super) fn new(terms: Terms, codes: CodeTable, source: Source<'a>) -> Self {
        Self {
            records: Records::new(
                source.reader,
                &[
                    "locationDetails",
                    "flightInfo",
                    "errorOrWarningSection",
                    "errorOrWarningInfo",
                    "cityPairErrorOrWarning",
                    "Fault",
                ],
                &[],
            )
            .messages(&["MultiAvailabilityReply"]),
            gather: Gather::new(source.message, terms),
            codes,
            pair: (None, None),
            journey: Vec::new(),
            journey_line: (1, Vec::new()),
            item: None,
            around: None,
            finished: false,
        }
    }

    fn record(&mut self, line: u64, node: &Node) -> Result<(), Fault> {
        match &*node.name {
            "locationDetails" => {
                self.end_journey();
                let place = |name: &str| node.text_at(&[name]).and_then(|text| text.parse().ok());
                self.pair = (place("origin"), place("destination"));
                Ok(())
            }
            "flightInfo" => {
                let item = node.text_at(&["basicFlightInfo", "lineItemNumber"]);
                // Connections stand behind each other under one number, or without one.
                let goes_on = item.is_none() || item == self.item.as_deref();
                if !goes_on || self.journey.is_empty() {
                    self.end_journey();
                    self.journey_line = (line, outline(node));
                }
                self.item = item.map(Into::into);
                let flight = flight(node)?;
                let looks = looks(&self.codes, node)?;
                self.journey.push((flight, looks));
                Ok(())
            }
            "Fault" => {
                self.around = None;
                let text = |ways: [&[&str]; 2]| ways.into_iter().find_map(|way| node.text_at(way));
                Err(provider_error(Some([
                    text([&["faultcode"], &["Code", "Value"]]),
                    text([&["faultstring"], &["Reason", "Text"]]),
                ])))
            }
            name => {
                let mut texts = Vec::new();
                node.below("freeText", &mut texts);
                let mut codes = Vec::new();
                node.below("code", &mut codes);
                let text = |nodes: &[&Node]| {
                    let filled = nodes.iter().find(|node| !node.text.is_empty());
                    filled.map(|node| node.text.clone())
                };
                let (code, text) = (text(&codes), text(&texts));
                let mut kinds = Vec::new();
                node.below("type", &mut kinds);
                // Other kinds are warnings and information.
                let is_error = kinds
                    .iter()
                    .any(|kind| ["001", "EC"].contains(&kind.text.as_str()));
                if name == "cityPairErrorOrWarning" && !is_error {
                    let [code, text] =
                        [code, text].map(|text| quoted(text.as_deref().unwrap_or_default()));
                    self.gather
                        .warn(line, None, format!("the provider remarks: {code} {text}"));
                    return Ok(());
                }
                Err(provider_error(Some([code.as_deref(), text.as_deref()])))
            }
        }
    }

    /// Nothing of what was read was a display.
    fn no_display(&mut self) {
        let Some((line, node)) = self.around.take() else {
            return;
        };
        self.journey.clear();
        let reason = format!(
            "there is no Air_MultiAvailabilityReply in <{}>; choose the format that it has",
            node.name
        );
        let fault = Fault::new(Code::UnknownType, reason);
        self.gather.reject(line, fault, &outline(&node));
    }

    fn end_journey(&mut self) {
        let journey = std::mem::take(&mut self.journey);
        if journey.is_empty() {
            return;
        }
        let observed = Observed {
            origin: self.pair.0,
            destination: self.pair.1,
            ..Observed::default()
        };
        let (line, raw) = std::mem::take(&mut self.journey_line);
        self.gather.journey((line, &raw), None, &observed, journey);
    }
}

fn needed<'n>(node: &'n Node, way: &[&str]) -> Result<&'n str, Fault> {
    node.text_at(way).ok_or_else(|| {
        Fault::new(
            Code::MissingField,
            format!("missing element `{}`", way.join("/")),
        )
    })
}

fn code<T: std::str::FromStr<Err = flightline_ledger::codes::BadCode>>(
    node: &Node,
    way: &[&str],
) -> Result<T, Fault> {
    let text = needed(node, way)?;
    text.parse().map_err(|e| bad(way, text, e))
}

fn bad(way: &[&str], text: &str, why: impl std::fmt::Display) -> Fault {
    Fault::at(
        Code::BadCode,
        way.join("/"),
        format_args!("{}: {why}", quoted(text)),
    )
}

fn flight(node: &Node) -> Result<Shown, Fault> {
    const BASIC: &str = "basicFlightInfo";
    let carrier: Carrier = code(node, &[BASIC, "marketingCompany", "identifier"])?;
    let operating: Option<Carrier> = match node.text_at(&[BASIC, "operatingCompany", "identifier"])
    {
        None => None,
        Some(_) => Some(code(node, &[BASIC, "operatingCompany", "identifier"])?),
    };
    let way = [BASIC, "flightIdentification", "number"];
    let number = flight_number(way.join("/"), needed(node, &way)?, carrier)?;
    let way = [BASIC, "flightIdentification", "operationalSuffix"];
    let number = number.with_suffix(way.join("/"), node.text_at(&way))?;
    let board: Station = code(node, &[BASIC, "departureLocation", "cityAirport"])?;
    let off: Station = code(node, &[BASIC, "arrivalLocation", "cityAirport"])?;
    let moment = |date: &str, time: &str, station| -> Result<Local, Fault> {
        let way = [BASIC, "flightDetails", date];
        let text = needed(node, &way)?;
        let day = day_ddmmyy(text).ok_or_else(|| {
            Fault::at(
                Code::BadTime,
                way.join("/"),
                format_args!("{}: a date is DDMMYY", quoted(text)),
            )
        })?;
        let way = [BASIC, "flightDetails", time];
        let text = needed(node, &way)?;
        let minute = minutes_hhmm(text).ok_or_else(|| {
            Fault::at(
                Code::BadTime,
                way.join("/"),
                format_args!("{}: a time is HHMM", quoted(text)),
            )
        })?;
        settle(&*way.join("/"), day, minute, station)
    };
    let departs = moment("departureDate", "departureTime", board)?;
    let arrives = moment("arrivalDate", "arrivalTime", off)?;
    const MORE: [&str; 2] = ["additionalFlightInfo", "flightDetails"];
    let more = node.at(&MORE);
    let aircraft = aircraft_code(more.and_then(|more| more.text_at(&["typeOfAircraft"])));
    let mut shown = Shown::one_leg(
        BASIC,
        (carrier, number),
        (board, departs),
        (off, arrives),
        aircraft,
        Operator::told(carrier, operating, None),
        None,
    )?;
    let stops = more.and_then(|more| more.text_at(&["numberOfStops"]));
    if let Some(stops) = stops.filter(|stops| *stops != "0") {
        shown.warnings.push(format!(
            "it stops {} times on the way, where and when is not told: taken as one leg",
            quoted(stops)
        ));
    }
    Ok(shown)
}

fn looks(codes: &CodeTable, node: &Node) -> Result<Vec<Look>, Fault> {
    let mut details = Vec::new();
    node.below("productClassDetail", &mut details);
    details
        .into_iter()
        .map(|detail| {
            let class: Class = code(detail, &["serviceClass"])?;
            let status = needed(detail, &["availabilityStatus"])?;
            let meaning = codes.read(&format!("class {class}"), status)?;
            Ok(Look {
                cabin: None,
                class: Some(class),
                status: meaning.status,
                seats: meaning.seats,
                price: None,
            })
        })
        .collect()
}

impl Iterator for Display<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        loop {
            if let Some(item) = self.gather.pop() {
                return Some(item);
            }
            if self.finished {
                return None;
            }
            match self.records.next_item() {
                None => {
                    self.no_display();
                    self.end_journey();
                    self.gather.finish();
                    self.finished = true;
                }
                Some(Item::Root { line, node }) => self.around = Some((line, node)),
                Some(Item::Message { .. }) => self.around = None,
                Some(Item::MessageEnd) => {
                    self.end_journey();
                    self.pair = (None, None);
                    self.item = None;
                }
                Some(Item::Record { line, node }) => {
                    if let Err(fault) = self.record(line, &node) {
                        self.gather.reject(line, fault, &outline(&node));
                    }
                }
                Some(Item::Fault { line, fault, raw }) => {
                    self.around = None;
                    self.gather.reject(line, fault, &raw);
                }
                Some(Item::End) => {}
            }
        }
    }
}
