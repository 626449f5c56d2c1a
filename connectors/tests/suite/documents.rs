//! What holds for every connector whose input is a document and not lines: JSON, XML, EDIFACT. One call of
//! [`conformance`] each; the same promises as for lines, where they make sense.

use flightline_connectors::reject::RAW_BYTES_MAX;
use flightline_connectors::{Code, Parsed};
use flightline_ledger::ProviderBody;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::conformance::any_bytes;
use crate::support::{events, gz, ids, parse, parse_bytewise, rejects, warnings};

/// A format with a document of records that are good.
struct Case {
    format: &'static str,
    open: &'static str,
    records: &'static [&'static str],
    between: &'static str,
    close: &'static str,
    /// Records that are refused, each with the code and whether it closes what holds it.
    bad: &'static [(&'static str, Code)],
}

const DUFFEL: Case = Case {
    format: "duffel",
    open: r#"{"data":["#,
    records: &[
        r#"{"id":"off_1","updated_at":"2026-12-21T15:10:13.263399Z","expires_at":"2026-12-21T15:25:13Z","total_amount":"84.20","total_currency":"GBP","passengers":[{}],"slices":[{"segments":[{"origin":{"iata_code":"LHR"},"destination":{"iata_code":"DUB"},"departing_at":"2027-04-16T07:40:00","arriving_at":"2027-04-16T09:00:00","marketing_carrier":{"iata_code":"EI"},"marketing_carrier_flight_number":"0151","passengers":[{"cabin_class":"economy"}]}]}]}"#,
        r#"{"id":"off_2","updated_at":"2026-12-21T15:10:14Z","expires_at":"2026-12-21T15:25:14Z","total_amount":"91.00","total_currency":"GBP","passengers":[{}],"slices":[{"segments":[{"origin":{"iata_code":"LHR"},"destination":{"iata_code":"DUB"},"departing_at":"2027-04-17T07:40:00","arriving_at":"2027-04-17T09:00:00","marketing_carrier":{"iata_code":"EI"},"marketing_carrier_flight_number":"0151","passengers":[{"cabin_class":"business"}]}]}]}"#,
    ],
    between: ",\n",
    close: "]}",
    bad: &[
        ("17", Code::BadJson),
        ("\"text\"", Code::BadJson),
        ("[]", Code::BadJson),
        ("{}", Code::UnknownType),
        (r#"{"slices":7}"#, Code::BadType),
        (r#"{"slices":[]}"#, Code::MissingField),
        (r#"{"id":tru}"#, Code::BadJson),
    ],
};

const AMADEUS_OFFERS: Case = Case {
    format: "amadeus-offers",
    open: r#"{"data":["#,
    records: &[
        r#"{"type":"flight-offer","id":"1","numberOfBookableSeats":4,"itineraries":[{"segments":[{"id":"1","departure":{"iataCode":"SYD","at":"2027-08-01T10:00:00"},"arrival":{"iataCode":"BKK","at":"2027-08-01T16:20:00"},"carrierCode":"TG","number":"476"}]}],"price":{"currency":"EUR","grandTotal":"795.39"},"travelerPricings":[{"travelerType":"ADULT","fareDetailsBySegment":[{"segmentId":"1","cabin":"ECONOMY","class":"W"}]}]}"#,
    ],
    between: ",",
    close: "]}",
    bad: &[
        ("null", Code::BadJson),
        ("{\"type\":\"location\"}", Code::UnknownType),
        (
            r#"{"itineraries":[{"segments":[{}]}],"price":{"currency":"EUR","total":"1"}}"#,
            Code::MissingField,
        ),
    ],
};

const AMADEUS_AVAILABILITY: Case = Case {
    format: "amadeus-availability",
    open: r#"{"data":["#,
    records: &[
        r#"{"type":"flight-availability","segments":[{"departure":{"iataCode":"MIA","at":"2027-11-01T12:13:00"},"arrival":{"iataCode":"ORD","at":"2027-11-01T14:31:00"},"carrierCode":"UA","number":"1665","availabilityClasses":[{"class":"J","numberOfBookableSeats":9}]}]}"#,
    ],
    between: ",",
    close: "],\"meta\":{\"count\":1}}",
    bad: &[
        (r#"{"segments":[]}"#, Code::MissingField),
        (
            r#"{"segments":[{"departure":{"iataCode":"MIA","at":"2027-11-01T12:13:00"},"arrival":{"iataCode":"ORD","at":"2027-11-01T14:31:00"},"carrierCode":"UA","number":"1666","availabilityClasses":[{"class":"J","closedStatus":"PERHAPS"}]}]}"#,
            Code::UnknownStatus,
        ),
    ],
};

const MULTI: Case = Case {
    format: "amadeus-multiavailability",
    open: "<Air_MultiAvailabilityReply><singleCityPairInfo>",
    records: &[
        "<flightInfo><basicFlightInfo><flightDetails><departureDate>030127</departureDate><departureTime>0830</departureTime><arrivalDate>030127</arrivalDate><arrivalTime>1110</arrivalTime></flightDetails><departureLocation><cityAirport>LHR</cityAirport></departureLocation><arrivalLocation><cityAirport>JFK</cityAirport></arrivalLocation><marketingCompany><identifier>BA</identifier></marketingCompany><flightIdentification><number>117</number></flightIdentification><lineItemNumber>2</lineItemNumber></basicFlightInfo><infoOnClasses><productClassDetail><serviceClass>J</serviceClass><availabilityStatus>9</availabilityStatus></productClassDetail></infoOnClasses></flightInfo>",
    ],
    between: "\n",
    close: "</singleCityPairInfo></Air_MultiAvailabilityReply>",
    bad: &[
        ("<flightInfo/>", Code::MissingField),
        ("<flightInfo><a></b></flightInfo>", Code::BadXml),
        ("<flightInfo>&nope;</flightInfo>", Code::BadXml),
    ],
};

const NDC: Case = Case {
    format: "ndc",
    open: "<n:IATA_AirShoppingRS xmlns:n='urn:x'><Response><DataLists><PaxJourneyList><PaxJourney><PaxJourneyID>J1</PaxJourneyID><PaxSegmentRefID>S1</PaxSegmentRefID></PaxJourney></PaxJourneyList><PaxSegmentList><PaxSegment><PaxSegmentID>S1</PaxSegmentID><Dep><IATA_LocationCode>LHR</IATA_LocationCode><AircraftScheduledDateTime>2027-05-01T10:00:00</AircraftScheduledDateTime></Dep><Arrival><IATA_LocationCode>CDG</IATA_LocationCode><AircraftScheduledDateTime>2027-05-01T12:20:00</AircraftScheduledDateTime></Arrival><MarketingCarrierInfo><CarrierDesigCode>BA</CarrierDesigCode><MarketingCarrierFlightNumberText>306</MarketingCarrierFlightNumberText></MarketingCarrierInfo></PaxSegment></PaxSegmentList></DataLists><OffersGroup><CarrierOffers>",
    records: &[
        "<Offer><OfferID>O1</OfferID><OfferExpirationTimeLimitDateTime>2026-12-01T12:30:00Z</OfferExpirationTimeLimitDateTime><JourneyOverview><JourneyPriceClass><PaxJourneyRefID>J1</PaxJourneyRefID></JourneyPriceClass></JourneyOverview><OfferItem><Price><TotalAmount CurCode=\"GBP\">120.50</TotalAmount></Price><FareDetail><FareComponent><CabinType><CabinTypeCode>M</CabinTypeCode></CabinType><RBD><RBD_Code>Q</RBD_Code></RBD><PaxSegmentRefID>S1</PaxSegmentRefID></FareComponent></FareDetail></OfferItem></Offer>",
    ],
    between: "\n",
    close: "</CarrierOffers></OffersGroup></Response></n:IATA_AirShoppingRS>",
    bad: &[
        ("<Offer/>", Code::MissingField),
        ("<Offer><OfferID>O2</OfferID><a></b></Offer>", Code::BadXml),
        (
            "<Offer><OfferID>O3</OfferID><JourneyOverview><JourneyPriceClass><PaxJourneyRefID>J9</PaxJourneyRefID></JourneyPriceClass></JourneyOverview><TotalPrice><TotalAmount CurCode='GBP'>1.00</TotalAmount></TotalPrice></Offer>",
            Code::Inconsistent,
        ),
        ("<Error Code='911'>down</Error>", Code::ProviderError),
    ],
};

/// Without envelope counts, so that records can be added: these are in `paores_counts_its_segments`.
const PAORES: Case = Case {
    format: "paores",
    open: "UNH+1+PAORES:93:1:IA'ODI+LON+NYC'",
    records: &["TVL+030127:0830::1110+LHR+JFK+BA+117'PDI++J:9+Y:4'"],
    between: "\n",
    close: "UNT+5+1'",
    bad: &[],
};

#[test]
fn duffel_conforms() {
    conformance(&DUFFEL);
}

#[test]
fn amadeus_offers_conforms() {
    conformance(&AMADEUS_OFFERS);
}

#[test]
fn amadeus_availability_conforms() {
    conformance(&AMADEUS_AVAILABILITY);
}

#[test]
fn amadeus_multiavailability_conforms() {
    conformance(&MULTI);
}

#[test]
fn ndc_conforms() {
    conformance(&NDC);
}

#[test]
fn paores_conforms() {
    conformance(&PAORES);
}

impl Case {
    /// The document with more records behind the first good one.
    fn document(&self, more: &[&str]) -> Vec<u8> {
        let (first, rest) = self.records.split_first().unwrap();
        let mut all = vec![*first];
        all.extend(more);
        all.extend(rest);
        format!("{}{}{}", self.open, all.join(self.between), self.close).into_bytes()
    }
}

fn codes(items: &[Parsed]) -> Vec<Code> {
    rejects(items).iter().map(|reject| reject.code).collect()
}

fn conformance(case: &Case) {
    let document = case.document(&[]);
    let good = parse(case.format, &document);
    let wanted = events(&good);
    assert!(wanted.len() >= 2 * case.records.len(), "{wanted:?}");
    assert!(rejects(&good).is_empty(), "{:?}", rejects(&good));
    assert!(warnings(&good).is_empty(), "{:?}", warnings(&good));
    for empty in [&b""[..], b"\n", b"\r\n \n", b"\xef\xbb\xbf", &gz(b"")] {
        assert_eq!(parse(case.format, empty), []);
    }

    let half = document.len() / 2;
    let line_end = [document.as_slice(), b"\n"].concat();
    for (what, bytes) in [
        ("BOM", [b"\xef\xbb\xbf", document.as_slice()].concat()),
        ("gzip", gz(&document)),
        (
            "two members",
            [gz(&document[..half]), gz(&document[half..])].concat(),
        ),
        ("a line end behind it", line_end),
    ] {
        assert_eq!(parse(case.format, &bytes), good, "{what}");
        assert_eq!(
            parse_bytewise(case.format, &bytes),
            good,
            "{what}, bytewise"
        );
    }

    // A bad record costs itself alone.
    let bad: Vec<&str> = case.bad.iter().map(|(record, _)| *record).collect();
    let items = parse(case.format, &case.document(&bad));
    assert_eq!(events(&items), wanted);
    let mut found = codes(&items);
    let mut expected: Vec<_> = case.bad.iter().map(|(_, code)| *code).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{:?}", rejects(&items));
    for reject in rejects(&items) {
        assert!(reject.raw.len() <= RAW_BYTES_MAX && !reject.raw.is_empty());
        assert!(
            reject.reason.len() > 15 && reject.reason.len() < 1000,
            "{reject}"
        );
    }

    // A cut document gives what was whole, and tells that it was cut.
    let packed = gz(&document);
    for cut in 1..document.len() {
        cut_is_told(case, &document[..cut], &wanted, cut);
    }
    for cut in 3..packed.len() {
        cut_is_told(case, &packed[..cut], &wanted, cut);
    }

    // The same content has the same ids, wherever it stands.
    let moved = [b"\n\n".as_slice(), &document].concat();
    let mut distinct = ids(&good);
    assert_eq!(ids(&parse(case.format, &moved)), distinct);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), wanted.len());
}

fn cut_is_told(
    case: &Case,
    bytes: &[u8],
    wanted: &[flightline_connectors::CanonicalEvent],
    cut: usize,
) {
    let items = parse(case.format, bytes);
    let whole = events(&items);
    assert_eq!(whole[..], wanted[..whole.len()], "cut at {cut}");
    let codes = codes(&items);
    // A first tag or word that is cut is no document at all.
    let is_start = cut < 8 && codes.len() <= 1;
    assert!(
        codes.contains(&Code::Truncated) || is_start || bytes[0] == 0x1f && whole == wanted,
        "cut at {cut}: {codes:?}"
    );
}

#[test]
fn paores_counts_its_segments() {
    let text = |count: u32, reference: &str, messages: u32| {
        format!(
            "UNB+UNOA:1+A+B+261201:1200+R1'UNH+1+PAORES:93:1:IA'ODI+LON+NYC'TVL+030127:0830::1110+LHR+JFK+BA+117'PDI++J:9'UNT+{count}+{reference}'UNZ+{messages}+R1'"
        )
    };
    let items = parse("paores", text(5, "1", 1).as_bytes());
    assert_eq!(codes(&items), [], "{:?}", rejects(&items));
    assert_eq!(events(&items).len(), 2);
    for (count, reference, messages) in [(4, "1", 1), (6, "1", 1), (5, "2", 1), (5, "1", 2)] {
        let items = parse("paores", text(count, reference, messages).as_bytes());
        assert_eq!(codes(&items), [Code::BadEdifact]);
        assert_eq!(events(&items).len(), 2, "what came is taken");
    }
    let other = text(5, "1", 1).replace("PAORES", "PAOREQ");
    assert_eq!(
        codes(&parse("paores", other.as_bytes())),
        [Code::UnknownType]
    );
}

/// Errors beside flights, classes of which nothing is told, and the service string that most write.
#[test]
fn paores_takes_flights_beside_an_error() {
    let text = |error: &str, flights: &str, count: u32| {
        format!(
            "UNA:+.? '\nUNB+UNOA:1+A+B+261201:1200+R1'\nUNH+1+PAORES:93:1:IA'\nMSG+1:45'\n{error}ODI+LON+NYC'\n{flights}UNT+{count}+1'\nUNZ+1+R1'\n"
        )
    };
    let flight = "TVL+030127:0830::1110+LHR+JFK+BA+117'\nPDI++J:9+Y::3+M:0'\n";
    let items = parse("paores", text("ERC+A1B:1:AMD'\n", flight, 7).as_bytes());
    assert_eq!(codes(&items), [], "{:?}", rejects(&items));
    let told: Vec<_> = warnings(&items).iter().map(|w| w.text.clone()).collect();
    assert!(told[0].contains("A1B"), "{told:?}");
    assert!(told[1].contains("class Y"), "{told:?}");
    // J and M: of Y nothing is said, least of all that it is open.
    let classes: Vec<_> = events(&items)
        .iter()
        .filter_map(|event| match &event.body {
            ProviderBody::Availability(a) => a.class.map(|class| class.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(classes, ["J", "M"]);
    let items = parse(
        "paores",
        text("", &format!("{flight}ERC+A1B'\n"), 7).as_bytes(),
    );
    assert_eq!(codes(&items), [], "{:?}", rejects(&items));
    assert_eq!(events(&items).len(), 3);
    // Alone it is all that is said.
    let items = parse("paores", text("ERC+A1B'\n", "", 5).as_bytes());
    assert_eq!(codes(&items), [Code::ProviderError]);
    assert!(rejects(&items)[0].reason.contains("A1B"));
    // A display of the last century.
    let old = text("", &flight.replace("030127", "030193"), 6);
    assert_eq!(
        events(&parse("paores", old.as_bytes()))[0]
            .flight
            .to_string(),
        "BA117.1993-01-03.LHR"
    );
}

/// A good document with a few bytes changed, added or dropped.
fn damaged(case: &'static Case) -> impl Strategy<Value = Vec<u8>> {
    let document = case.document(&[]);
    let edit = (0..document.len(), any::<Option<u8>>(), any::<bool>());
    vec(edit, 0..12).prop_map(move |edits| {
        let mut bytes = document.clone();
        for (at, byte, insert) in edits {
            let at = at.min(bytes.len().saturating_sub(1));
            match byte {
                None if !bytes.is_empty() => {
                    bytes.remove(at);
                }
                Some(byte) if insert || bytes.is_empty() => bytes.insert(at, byte),
                Some(byte) => bytes[at] = byte,
                None => {}
            }
        }
        bytes
    })
}

const CASES: [&Case; 6] = [
    &DUFFEL,
    &AMADEUS_OFFERS,
    &AMADEUS_AVAILABILITY,
    &MULTI,
    &NDC,
    &PAORES,
];

/// A good document of each format.
pub(crate) fn samples() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    CASES.iter().map(|case| (case.format, case.document(&[])))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn documents_take_any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        for case in CASES {
            any_bytes(case.format, &bytes);
        }
    }

    #[test]
    fn duffel_takes_damaged_documents(bytes in damaged(&DUFFEL)) {
        any_bytes("duffel", &bytes);
    }

    #[test]
    fn amadeus_takes_damaged_documents(
        offers in damaged(&AMADEUS_OFFERS), classes in damaged(&AMADEUS_AVAILABILITY),
    ) {
        any_bytes("amadeus-offers", &offers);
        any_bytes("amadeus-availability", &classes);
    }

    #[test]
    fn xml_takes_damaged_documents(display in damaged(&MULTI), offers in damaged(&NDC)) {
        any_bytes("amadeus-multiavailability", &display);
        any_bytes("ndc", &offers);
    }

    #[test]
    fn paores_takes_damaged_documents(bytes in damaged(&PAORES)) {
        any_bytes("paores", &bytes);
    }
}
