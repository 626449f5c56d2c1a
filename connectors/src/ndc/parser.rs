//! Message to items.

use super::lists::Lists;
use super::offer;
use super::segment::first;
use crate::connector::{Parsed, Source};
use crate::market::{Gather, Terms, instant_ms, provider_error};
use crate::reject::{Code, Fault, quoted};
use crate::xml::{Item, Node, Records, outline};

/// Elements that are read.
const WANTED: &[&str] = &[
    "AirlineOffer",
    "AnonymousTraveler",
    "CurrencyMetadata",
    "DatedMarketingSegment",
    "DatedOperatingLeg",
    "DatedOperatingSegment",
    "Error",
    "Fault",
    "Flight",
    "FlightSegment",
    "Offer",
    "OriginDestination",
    "Passenger",
    "Pax",
    "PaxJourney",
    "PaxSegment",
    "PayloadAttributes",
    "PriceClass",
    "PricedOffer",
];

/// How the names of the messages end that are read.
const MESSAGES: &[&str] = &["AirShoppingRS", "OfferPriceRS"];

/// Long parts of them that nobody reads.
const SKIPPED: &[&str] = &[
    "BaggageAllowance",
    "BaggageAllowanceRef",
    "BaggageDisclosure",
    "Breakdown",
    "Desc",
    "Descriptions",
    "FareRules",
    "Penalty",
    "Remarks",
    "Surcharges",
    "Taxes",
];

/// The iterator over a source.
pub(super) struct Messages<'a> {
    records: Records<'a>,
    gather: Gather,
    lists: Lists,
    /// With the lines on which they begin.
    offers: Vec<(u64, Node)>,
    /// When the message says it was made.
    own_ms: Option<i64>,
    too_large: bool,
    /// A part of the document could not be read.
    broke_off: bool,
    /// What stood around the messages, until there was one, or an error in its place.
    around: Option<(u64, Node)>,
    finished: bool,
}

impl<'a> Messages<'a> {
    pub(super) fn new(terms: Terms, source: Source<'a>) -> Self {
        Self {
            records: Records::new(source.reader, WANTED, SKIPPED).messages(MESSAGES),
            gather: Gather::new(source.message, terms),
            lists: Lists::default(),
            offers: Vec::new(),
            own_ms: None,
            too_large: false,
            broke_off: false,
            around: None,
            finished: false,
        }
    }

    fn record(&mut self, line: u64, node: Node) -> Result<(), (Fault, Node)> {
        let room = match &*node.name {
            // Metadata of shopping has an element of that name, too, which offers nothing.
            "Offer" if offer::is_metadata(&node) => true,
            "Offer" | "AirlineOffer" => {
                let room = self.lists.count_offer();
                if room {
                    self.offers.push((line, node));
                }
                room
            }
            "PricedOffer" => {
                let inner: Vec<Node> = node.all("Offer").cloned().collect();
                let offers = if inner.is_empty() { vec![node] } else { inner };
                let room = self.lists.count_offer();
                if room {
                    self.offers
                        .extend(offers.into_iter().map(|offer| (line, offer)));
                }
                room
            }
            "Error" => {
                self.around = None;
                let code = node
                    .attribute("Code")
                    .or_else(|| first(&node, &[&["Code"], &["TypeCode"]]));
                // Some have no more than a number in the short text.
                let text = (node.text_at(&["DescText"]))
                    .or(Some(node.text.as_str()).filter(|text| !text.is_empty()))
                    .or_else(|| node.attribute("ShortText"))
                    .unwrap_or_default();
                let fault = Fault::new(
                    Code::ProviderError,
                    format!(
                        "the provider answered with an error: {} {}; {}",
                        quoted(code.unwrap_or_default()),
                        quoted(text),
                        Code::ProviderError.remedy()
                    ),
                );
                return Err((fault, node));
            }
            "Fault" => {
                self.around = None;
                return Err((soap_fault(&node), node));
            }
            "PayloadAttributes" => {
                let stamp = first(&node, &[&["Timestamp"], &["TimestampDateTime"]]);
                if let Some(stamp) = stamp {
                    self.made_at(stamp);
                }
                true
            }
            _ => self.lists.keep(node),
        };
        if !room && !std::mem::replace(&mut self.too_large, true) {
            let reason = format!(
                "the message has too many offers and segments; what follows was not read; {}",
                Code::MessageTooLarge.remedy()
            );
            return Err((Fault::new(Code::MessageTooLarge, reason), Node::default()));
        }
        Ok(())
    }

    /// A stamp without zone says too little to order messages by.
    fn made_at(&mut self, text: &str) {
        if let Ok((ms, true)) = instant_ms("timestamp", text) {
            self.own_ms = Some(ms);
        }
    }

    /// The message, or what there is of it, has ended.
    fn offers(&mut self) {
        for (line, node) in std::mem::take(&mut self.offers) {
            let taken = offer::take(&mut self.gather, &self.lists, (line, &node), self.own_ms);
            if let Err(mut fault) = taken {
                if self.broke_off && fault.code == Code::Inconsistent {
                    fault
                        .reason
                        .push_str("; the rest of the message could not be read, and may have it");
                }
                self.gather.reject(line, fault, &outline(&node));
            }
        }
        self.lists = Lists::default();
        self.own_ms = None;
    }

    /// Nothing of what was read was a message of this format.
    fn no_message(&mut self) {
        let Some((line, node)) = self.around.take() else {
            return;
        };
        // Without a message around them there is no telling what they are.
        self.offers.clear();
        self.lists = Lists::default();
        let reason = format!(
            "there is neither an AirShoppingRS nor an OfferPriceRS in <{}>; choose the format that it has",
            node.name
        );
        let fault = Fault::new(Code::UnknownType, reason);
        self.gather.reject(line, fault, &outline(&node));
    }
}

/// What a service answered in place of a message.
fn soap_fault(node: &Node) -> Fault {
    let code = first(node, &[&["faultcode"], &["Code", "Value"]]);
    let text = first(node, &[&["faultstring"], &["Reason", "Text"]]);
    provider_error(Some([code, text]))
}

impl Iterator for Messages<'_> {
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
                    self.no_message();
                    self.offers();
                    self.gather.finish();
                    self.finished = true;
                }
                Some(Item::Root { line, node }) => {
                    // An envelope of whatever name; another message is none.
                    if node.name.ends_with("RS") || node.name.ends_with("RQ") {
                        let reason = format!(
                            "<{}> is neither an AirShoppingRS nor an OfferPriceRS; choose the format that it has",
                            node.name
                        );
                        let fault = Fault::new(Code::UnknownType, reason);
                        self.gather.reject(line, fault, &outline(&node));
                        self.finished = true;
                    } else {
                        self.around = Some((line, node));
                    }
                }
                Some(Item::Message { node }) => {
                    self.around = None;
                    if let Some(stamp) = node.attribute("TimeStamp") {
                        self.made_at(stamp);
                    }
                }
                Some(Item::MessageEnd) => self.offers(),
                Some(Item::Record { line, node }) => {
                    if let Err((fault, node)) = self.record(line, node) {
                        self.gather.reject(line, fault, &outline(&node));
                    }
                }
                Some(Item::Fault { line, fault, raw }) => {
                    self.around = None;
                    self.broke_off = true;
                    self.gather.reject(line, fault, &raw);
                }
                Some(Item::End) => {}
            }
        }
    }
}
