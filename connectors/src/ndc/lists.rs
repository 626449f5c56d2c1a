//! What offers point to. Some versions put these lists in front of the offers and some behind them, so
//! that nothing can be said of an offer before the message has ended.

use std::collections::{HashMap, HashSet};

use crate::xml::Node;

/// The most elements of the lists and offers of one message together.
const ELEMENTS_MAX: usize = 200_000;

/// The lists of one message.
#[derive(Default)]
pub(super) struct Lists {
    /// FlightSegment or PaxSegment, by key.
    pub(super) segments: HashMap<String, Node>,
    pub(super) marketing: HashMap<String, Node>,
    pub(super) operating: HashMap<String, Node>,
    pub(super) legs: HashMap<String, Node>,
    /// Keys of the segments of a journey, by its key.
    pub(super) journeys: HashMap<String, Vec<String>>,
    /// What each origin and destination names: journeys to choose from, or the segments of one.
    pub(super) origins: HashMap<String, Vec<String>>,
    pub(super) price_classes: HashMap<String, Node>,
    /// Types of travellers, such as ADT.
    pub(super) travellers: Vec<String>,
    /// Decimals of amounts without a point, by currency.
    pub(super) decimals: HashMap<String, u8>,
    elements: usize,
}

/// How many travellers an offer names, at least one.
fn named_in(offer: &Node) -> u16 {
    let mut nodes = Vec::new();
    for name in [
        "PaxRefID",
        "PaxRefId",
        "PassengerRefs",
        "PassengerReferences",
    ] {
        offer.below(name, &mut nodes);
    }
    let keys: HashSet<&str> = nodes
        .iter()
        .flat_map(|node| node.text.split_whitespace())
        .collect();
    u16::try_from(keys.len()).unwrap_or(u16::MAX).clamp(1, 999)
}

/// The key of an element: an attribute in older versions, an element in newer ones.
pub(super) fn key_of<'n>(node: &'n Node, attribute: &str, element: &str) -> Option<&'n str> {
    node.attribute(attribute)
        .or_else(|| node.text_at(&[element]))
        .filter(|key| !key.is_empty())
}

/// Texts of the children of these names, each of which may hold several keys.
pub(super) fn references(node: &Node, names: &[&str]) -> Vec<String> {
    node.children
        .iter()
        .filter(|child| names.contains(&&*child.name))
        .flat_map(|child| child.text.split_whitespace().map(str::to_owned))
        .collect()
}

impl Lists {
    /// Keeps an element; false when there are too many.
    pub(super) fn keep(&mut self, node: Node) -> bool {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return false;
        }
        let name = node.name.clone();
        let put =
            |into: &mut HashMap<String, Node>, attribute: &str, elements: [&str; 2], node: Node| {
                let key = elements
                    .iter()
                    .find_map(|element| key_of(&node, attribute, element))
                    .map(str::to_owned);
                if let Some(key) = key {
                    // The first of a key counts.
                    into.entry(key).or_insert(node);
                }
            };
        match &*name {
            "FlightSegment" | "PaxSegment" => put(
                &mut self.segments,
                "SegmentKey",
                ["PaxSegmentID", "PaxSegmentId"],
                node,
            ),
            "DatedMarketingSegment" => put(
                &mut self.marketing,
                "",
                ["DatedMarketingSegmentId", "DatedMarketingSegmentID"],
                node,
            ),
            "DatedOperatingSegment" => put(
                &mut self.operating,
                "",
                ["DatedOperatingSegmentId", "DatedOperatingSegmentID"],
                node,
            ),
            "DatedOperatingLeg" => put(
                &mut self.legs,
                "",
                ["DatedOperatingLegID", "DatedOperatingLegId"],
                node,
            ),
            "PriceClass" => put(
                &mut self.price_classes,
                "PriceClassID",
                ["PriceClassID", "PriceClassId"],
                node,
            ),
            "Flight" | "PaxJourney" => {
                if let Some(key) = key_of(&node, "FlightKey", "PaxJourneyID") {
                    let segments = references(&node, &["SegmentReferences", "PaxSegmentRefID"]);
                    self.journeys.entry(key.to_owned()).or_insert(segments);
                }
            }
            "OriginDestination" => {
                if let Some(key) = key_of(&node, "OriginDestinationKey", "OriginDestinationKey") {
                    let named = references(&node, &["FlightReferences"]);
                    self.origins.entry(key.to_owned()).or_insert(named);
                }
            }
            "Pax" | "Passenger" | "AnonymousTraveler" => {
                let kind = node.text_at(&["PTC"]).unwrap_or("ADT");
                self.travellers.push(kind.to_owned());
            }
            "CurrencyMetadata" => {
                if let (Some(currency), Some(decimals)) = (
                    node.attribute("MetadataKey"),
                    node.text_at(&["Decimals"])
                        .and_then(|text| text.parse().ok()),
                ) && decimals <= 4
                {
                    self.decimals.insert(currency.to_owned(), decimals);
                }
            }
            _ => {}
        }
        true
    }

    /// The segments of a journey; some name it by an origin and destination that leaves no choice.
    pub(super) fn segments_of(&self, journey: &str) -> Option<&[String]> {
        if let Some(segments) = self.journeys.get(journey).filter(|all| !all.is_empty()) {
            return Some(segments);
        }
        let named = self.origins.get(journey)?;
        let segments = match &named[..] {
            [one] if self.journeys.contains_key(one) => self.journeys.get(one)?,
            all if all.iter().all(|key| self.segments.contains_key(key)) => named,
            _ => return None,
        };
        Some(&segments[..]).filter(|segments| !segments.is_empty())
    }

    /// One more offer; false when there are too many.
    pub(super) fn count_offer(&mut self) -> bool {
        self.elements += 1;
        self.elements <= ELEMENTS_MAX
    }

    /// How many travellers of an offer take a seat: infants on laps do not. Where the message does not list
    /// them, as many as the offer names.
    pub(super) fn seated(&self, offer: &Node) -> u16 {
        if self.travellers.is_empty() {
            return named_in(offer);
        }
        let seated = self.travellers.iter().filter(|kind| *kind != "INF").count();
        u16::try_from(seated).unwrap_or(u16::MAX).clamp(1, 999)
    }

    /// All of them pay what an adult pays. What they are is not known where none is listed.
    pub(super) fn adults_only(&self) -> bool {
        !self.travellers.is_empty() && self.travellers.iter().all(|kind| kind == "ADT")
    }
}
