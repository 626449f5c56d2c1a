//! The pitfalls of offers and availability displays, one test each, over made-up input; and what the ledger
//! makes of the events.

use flightline_connectors::canonical::to_line;
use flightline_connectors::{CanonicalEvent, Code, Options, Parsed};
use flightline_ledger::command::{Availability, Level, SaleStatus, Schedule, quality};
use flightline_ledger::{
    Command, FlightCommand, FlightKey, HoldRequest, Input, Ledger, Outcome, ProviderBody, Reason,
    Silent,
};

use crate::support::{events, parse, parse_with, rejects, warnings};

/// A segment as Amadeus writes it.
fn segment(flight: (&str, &str), from: (&str, &str), to: (&str, &str), more: &str) -> String {
    format!(
        r#"{{"departure":{{"iataCode":"{}","at":"{}"}},"arrival":{{"iataCode":"{}","at":"{}"}},"carrierCode":"{}","number":"{}","aircraft":{{"code":"320"}}{more}}}"#,
        from.0, from.1, to.0, to.1, flight.0, flight.1
    )
}

fn classes(list: &[(&str, i64)]) -> String {
    let all: Vec<_> = list
        .iter()
        .map(|(class, n)| format!(r#"{{"class":"{class}","numberOfBookableSeats":{n}}}"#))
        .collect();
    format!(r#","availabilityClasses":[{}]"#, all.join(","))
}

/// A message of availabilities, each a journey.
fn message(journeys: &[&[String]]) -> Vec<Parsed> {
    let data: Vec<_> = journeys
        .iter()
        .map(|segments| format!(r#"{{"segments":[{}]}}"#, segments.join(",")))
        .collect();
    let text = format!(r#"{{"data":[{}]}}"#, data.join(","));
    let options = Options::new().with("observed_at", "2027-01-01T00:00:00Z");
    parse_with("amadeus-availability", &options, text.as_bytes())
}

fn ua1665(list: &[(&str, i64)]) -> String {
    segment(
        ("UA", "1665"),
        ("MIA", "2027-11-01T12:13:00"),
        ("ORD", "2027-11-01T14:31:00"),
        &classes(list),
    )
}

fn on(from: &str, number: &str) -> String {
    segment(
        ("UA", number),
        (from, "2027-11-01T16:00:00"),
        ("ATL", "2027-11-01T18:31:00"),
        &classes(&[("Y", 9)]),
    )
}

fn availability(event: &CanonicalEvent) -> Option<&Availability> {
    match &event.body {
        ProviderBody::Availability(availability) => Some(availability),
        _ => None,
    }
}

fn schedule(event: &CanonicalEvent) -> Option<&Schedule> {
    match &event.body {
        ProviderBody::Schedule(schedule) => Some(schedule),
        _ => None,
    }
}

/// The last count of a class on a flight.
fn last(items: &[Parsed], flight: &str, class: &str) -> Option<(SaleStatus, Option<i32>, bool)> {
    let flight: FlightKey = flight.parse().unwrap();
    events(items)
        .iter()
        .filter(|event| event.flight == flight)
        .filter_map(availability)
        .filter(|a| a.class == class.parse().ok())
        .map(|a| (a.status, a.seats, a.is_floor))
        .next_back()
}

/// The last word on who operates a flight.
fn operating(items: &[Parsed], flight: &str) -> Option<String> {
    let flight: FlightKey = flight.parse().unwrap();
    events(items)
        .iter()
        .rfind(|event| event.flight == flight && schedule(event).is_some())
        .and_then(|event| schedule(event)?.operating)
        .map(|key| key.to_string())
}

/// Folds events and holds, as they come.
struct World {
    ledger: Ledger,
    offset: u64,
}

impl World {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(),
            offset: 0,
        }
    }

    fn apply(&mut self, flight: FlightKey, id: u128, command: FlightCommand) -> Outcome {
        let input = Input {
            offset: self.offset,
            at_ms: 1_798_761_960_000,
            id: flightline_ledger::CommandId(id),
            command: Command::Flight(flight, command),
        };
        self.offset += 1;
        self.ledger.apply(&input, &mut Silent).outcome
    }

    fn push(&mut self, provider: &str, items: &[Parsed]) -> Vec<Outcome> {
        events(items)
            .into_iter()
            .map(|event| {
                let (id, flight, event) = event.into_command(provider.parse().unwrap(), 0);
                self.apply(flight, id.0, FlightCommand::Provider(Box::new(event)))
            })
            .collect()
    }

    fn hold(&mut self, flight: &str, cabin: &str, class: Option<&str>, seats: u16) -> Outcome {
        let id = 1_000_000 + u128::from(self.offset);
        let request = HoldRequest {
            provider: None,
            cabin: cabin.parse().unwrap(),
            class: class.map(|class| class.parse().unwrap()),
            board: None,
            off: None,
            seats,
            ttl_ms: None,
            expected_price: None,
            wait_ms: None,
        };
        self.apply(flight.parse().unwrap(), id, FlightCommand::Hold(request))
    }
}

fn is_held(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Held { .. })
}

const UA1665: &str = "UA1665.2027-11-01.MIA";

#[test]
fn pitfall_1_availability_is_per_journey_and_never_overwritten_blindly() {
    let before = [ua1665(&[("J", 4), ("D", 9)]), on("ORD", "3611")];
    let alone = [ua1665(&[("J", 9), ("D", 5)])];
    for journeys in [[&before[..], &alone[..]], [&alone[..], &before[..]]] {
        let items = message(&journeys);
        assert_eq!(
            last(&items, UA1665, "J"),
            Some((SaleStatus::Open, Some(4), false))
        );
        assert_eq!(
            last(&items, UA1665, "D"),
            Some((SaleStatus::Open, Some(5), false))
        );
    }
    // The journey is kept with what was seen on it.
    let items = message(&[&before]);
    let all = events(&items);
    let seen = all.iter().find(|e| availability(e).is_some()).unwrap();
    let observed = seen.observed.as_ref().unwrap();
    assert_eq!(observed.origin, "MIA".parse().ok());
    assert_eq!(observed.destination, "ATL".parse().ok());
    assert_eq!(observed.journey, ["UA3611.2027-11-01.ORD".parse().unwrap()]);
    assert_eq!(observed.expires_ms, Some(1_798_761_600_000 + 900_000));
}

#[test]
fn pitfall_2_one_aircraft_with_several_numbers_is_linked_and_never_summed() {
    let flight = |carrier: &str, number: &str, more: &str| {
        segment(
            (carrier, number),
            ("MIA", "2027-11-01T07:00:00"),
            ("ATL", "2027-11-01T09:00:00"),
            &format!("{more}{}", classes(&[("Y", 4)])),
        )
    };
    let dl = [flight("DL", "2192", r#","operating":{}"#)];
    let vs = [flight("VS", "3177", "")];
    let am = [flight("AM", "5111", r#","operating":{"carrierCode":"DL"}"#)];
    for journeys in [[&dl[..], &vs, &am], [&am, &vs, &dl], [&vs, &dl, &am]] {
        let items = message(&journeys);
        assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
        assert_eq!(operating(&items, "DL2192.2027-11-01.MIA"), None);
        for linked in ["VS3177.2027-11-01.MIA", "AM5111.2027-11-01.MIA"] {
            assert_eq!(
                operating(&items, linked).as_deref(),
                Some("DL2192.2027-11-01.MIA")
            );
        }
        let guessed = |event: &&CanonicalEvent| event.quality & quality::GUESSED_OPERATING != 0;
        assert!(events(&items).iter().filter(guessed).count() >= 2);
        // In the ledger there are 4 seats, and only under the operating number.
        let mut world = World::new();
        for outcome in world.push("ama", &items) {
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        }
        assert_eq!(
            world.hold("VS3177.2027-11-01.MIA", "Y", Some("Y"), 1),
            Outcome::Refused(Reason::NotOperating)
        );
        assert!(is_held(&world.hold(
            "DL2192.2027-11-01.MIA",
            "Y",
            Some("Y"),
            4
        )));
        assert_eq!(
            world.hold("DL2192.2027-11-01.MIA", "Y", Some("Y"), 1),
            Outcome::Refused(Reason::SoldOut { available: 0 })
        );
    }
    // With nothing to guess from, the flight is set aside and told.
    let items = message(&[&am]);
    assert_eq!(rejects(&items)[0].code, Code::UnknownOperating);
    assert_eq!(
        rejects(&items)[0].flight,
        "AM5111.2027-11-01.MIA".parse().ok()
    );
    assert_eq!(events(&items), []);
    // Different aircraft at the same time stay different flights.
    let other = [dl[0].replace("\"320\"", "\"321\"").replace("DL", "B6")];
    let items = message(&[&dl, &other]);
    assert_eq!(operating(&items, "B62192.2027-11-01.MIA"), None);
}

#[test]
fn pitfall_3_nine_means_nine_or_more_and_counts_are_what_remains() {
    let items = message(&[&[ua1665(&[("J", 9), ("D", 8), ("Z", 0)])]]);
    assert_eq!(
        last(&items, UA1665, "J"),
        Some((SaleStatus::Open, Some(9), true))
    );
    assert_eq!(
        last(&items, UA1665, "D"),
        Some((SaleStatus::Open, Some(8), false))
    );
    let mut world = World::new();
    world.push("ama", &items);
    assert!(is_held(&world.hold(UA1665, "J", Some("D"), 8)));
    assert_eq!(
        world.hold(UA1665, "J", Some("Z"), 1),
        Outcome::Refused(Reason::SoldOut { available: 0 })
    );
    // A newer look with the same count: our 8 are still held and are taken off it.
    let options = Options::new().with("observed_at", "2027-01-01T00:10:00Z");
    let text = format!(r#"{{"data":[{{"segments":[{}]}}]}}"#, ua1665(&[("D", 8)]));
    let newer = parse_with("amadeus-availability", &options, text.as_bytes());
    world.push("ama", &newer);
    assert_eq!(
        world.hold(UA1665, "J", Some("D"), 1),
        Outcome::Refused(Reason::SoldOut { available: 0 })
    );
    for bad in [-1, 10] {
        let items = message(&[&[ua1665(&[("J", bad)])]]);
        assert_eq!(rejects(&items)[0].code, Code::BadCount);
    }
}

#[test]
fn pitfall_4_seats_over_a_stop_are_not_sold_on_parts_of_the_way() {
    let stop = r#","numberOfStops":1,"stops":[{"iataCode":"SIN","arrivalAt":"2027-11-02T17:35:00","departureAt":"2027-11-02T19:20:00"}]"#;
    let flight = segment(
        ("BA", "15"),
        ("LHR", "2027-11-01T20:45:00"),
        ("SYD", "2027-11-03T06:10:00"),
        &format!("{stop}{}", classes(&[("J", 3)])),
    );
    let items = message(&[&[flight]]);
    let all = events(&items);
    let legs: Vec<_> = schedule(&all[0])
        .unwrap()
        .legs
        .iter()
        .map(|leg| leg.board.to_string())
        .collect();
    assert_eq!(legs, ["LHR", "SIN"]);
    assert_eq!(schedule(&all[0]).unwrap().restricted.len(), 2);
    let mut world = World::new();
    world.push("ama", &items);
    let mut hold = |board: &str, off: &str| {
        let request = HoldRequest {
            provider: None,
            cabin: "J".parse().unwrap(),
            class: "J".parse().ok(),
            board: board.parse().ok(),
            off: off.parse().ok(),
            seats: 3,
            ttl_ms: None,
            expected_price: None,
            wait_ms: None,
        };
        let id = 77 + u128::from(world.offset);
        world.apply(
            "BA15.2027-11-01.LHR".parse().unwrap(),
            id,
            FlightCommand::Hold(request),
        )
    };
    assert_eq!(
        hold("LHR", "SIN"),
        Outcome::Refused(Reason::SegmentRestricted)
    );
    assert!(is_held(&hold("LHR", "SYD")));
}

#[test]
fn pitfall_5_the_day_is_the_local_one_where_the_flight_is_boarded() {
    // Over the date line: it arrives before it leaves, by the clock.
    let items = message(&[&[segment(
        ("NZ", "6"),
        ("AKL", "2027-11-02T19:30:00"),
        ("LAX", "2027-11-02T10:35:00"),
        &classes(&[("Y", 9)]),
    )]]);
    let all = events(&items);
    assert_eq!(all[0].flight, "NZ6.2027-11-02.AKL".parse().unwrap());
    let times = schedule(&all[0]).unwrap().legs[0].times;
    assert_eq!((times.arrives_s - times.departs_s) / 60, 11 * 60 + 5);
    // One that arrives before it leaves in truth is refused.
    let items = message(&[&[segment(
        ("NZ", "6"),
        ("LHR", "2027-11-02T19:30:00"),
        ("CDG", "2027-11-02T10:35:00"),
        &classes(&[("Y", 9)]),
    )]]);
    assert_eq!(rejects(&items)[0].code, Code::Inconsistent);
}

/// An NDC message with one flight from Abu Dhabi to Paris.
fn auh(departs: &str, arrives: &str, duration: &str, offer: &str) -> Vec<Parsed> {
    let text = format!(
        "<OfferPriceRS><PricedOffer><Offer><OfferID>O1</OfferID>{offer}<OfferItem><Price><TotalAmount CurCode='EUR'>90.00</TotalAmount></Price><FareDetail><FareComponent><RBD>Q</RBD><PaxSegmentRefID>S1</PaxSegmentRefID></FareComponent></FareDetail></OfferItem></Offer></PricedOffer>\
         <DataLists><PaxSegmentList><PaxSegment><PaxSegmentID>S1</PaxSegmentID><Dep><IATA_LocationCode>AUH</IATA_LocationCode><AircraftScheduledDateTime>{departs}</AircraftScheduledDateTime></Dep><Arrival><IATA_LocationCode>CDG</IATA_LocationCode><AircraftScheduledDateTime>{arrives}</AircraftScheduledDateTime></Arrival><MarketingCarrierInfo><CarrierDesigCode>EY</CarrierDesigCode><MarketingCarrierFlightNumberText>31</MarketingCarrierFlightNumberText></MarketingCarrierInfo><Duration>{duration}</Duration></PaxSegment></PaxSegmentList></DataLists></OfferPriceRS>"
    );
    parse("ndc", text.as_bytes())
}

#[test]
fn pitfall_6_offsets_lie_and_bare_times_are_local() {
    let departure = |items: &[Parsed]| {
        let all = events(items);
        let event = all.iter().find(|event| schedule(event).is_some()).unwrap();
        let times = schedule(event).unwrap().legs[0].times;
        (
            times.departs_s,
            times.departs_offset_min,
            (times.arrives_s - times.departs_s) / 60,
            event.quality & quality::OFFSET_MISMATCH != 0,
        )
    };
    // 02:30 in Abu Dhabi is 22:30 the evening before in UTC.
    let right = (1_804_631_400, 240, 460, false);
    assert_eq!(
        departure(&auh(
            "2027-03-10T02:30:00",
            "2027-03-10T07:10:00",
            "PT7H40M",
            ""
        )),
        right
    );
    assert_eq!(
        departure(&auh(
            "2027-03-10T02:30:00+04:00",
            "2027-03-10T07:10:00+01:00",
            "PT7H40M",
            ""
        )),
        right
    );
    // The offset of the server on times of the airport.
    let lying = auh(
        "2027-03-10T02:30:00+01:00",
        "2027-03-10T07:10:00+01:00",
        "PT7H40M",
        "",
    );
    assert_eq!(departure(&lying), (1_804_631_400, 240, 460, true));
    assert_eq!(warnings(&lying).len(), 1);
    // Instants that are told in another zone, as the duration shows.
    let instants = auh(
        "2027-03-09T23:30:00+01:00",
        "2027-03-10T06:10:00+00:00",
        "PT7H40M",
        "",
    );
    assert_eq!(departure(&instants), (1_804_631_400, 240, 460, true));
    // A change of clocks.
    let gap = message(&[&[segment(
        ("AF", "1"),
        ("CDG", "2027-03-28T02:30:00"),
        ("LHR", "2027-03-28T04:00:00"),
        &classes(&[("Y", 9)]),
    )]]);
    assert!(warnings(&gap)[0].text.contains("clocks"));
}

#[test]
fn pitfall_7_absence_means_nothing_and_a_message_sent_again_changes_nothing() {
    let mut world = World::new();
    let both = message(&[&[ua1665(&[("J", 4), ("D", 2)])]]);
    world.push("ama", &both);
    let held = world.hold(UA1665, "J", Some("J"), 1);
    assert!(is_held(&held), "{held:?}");
    // Later only one class is shown: the other keeps its count.
    let options = Options::new().with("observed_at", "2027-01-01T00:05:00Z");
    let text = format!(r#"{{"data":[{{"segments":[{}]}}]}}"#, ua1665(&[("D", 1)]));
    let later = parse_with("amadeus-availability", &options, text.as_bytes());
    world.push("ama", &later);
    world.push("ama", &both);
    assert_eq!(
        world.hold(UA1665, "J", Some("D"), 2),
        Outcome::Refused(Reason::SoldOut { available: 1 }),
        "the older message must not win"
    );
    assert!(is_held(&world.hold(UA1665, "J", Some("D"), 1)));
}

#[test]
fn pitfall_8_a_flight_as_it_is_shown_never_outranks_a_schedule() {
    let mut world = World::new();
    let own = parse(
        "canonical",
        br#"{"type":"schedule","flight_key":"UA1665.2027-11-01.MIA","source_version":{"time":"2026-06-01T00:00:00Z"},"legs":[{"board":"MIA","off":"ORD","departs":"2027-11-01T12:00","arrives":"2027-11-01T14:20","cabins":[{"cabin":"J","seats":2,"classes":[{"class":"J"}]}]}]}
"#,
    );
    let shown = message(&[&[ua1665(&[("J", 9)])]]);
    // In any order, from the same provider: times and the two seats of the aircraft stay.
    for order in [[&own, &shown], [&shown, &own]] {
        let mut world = World::new();
        for items in order {
            world.push("ua", items);
        }
        assert_eq!(
            world.hold(UA1665, "J", Some("J"), 3),
            Outcome::Refused(Reason::SoldOut { available: 2 })
        );
    }
    // From another provider: the aircraft's cap holds for both together.
    world.push("ua", &own);
    world.push("ama", &shown);
    assert!(is_held(&world.hold(UA1665, "J", None, 1)));
    assert!(is_held(&world.hold(UA1665, "J", Some("J"), 1)));
    assert!(!is_held(&world.hold(UA1665, "J", Some("J"), 1)));
}

#[test]
fn pitfall_11_a_bad_record_is_quarantined_and_not_the_file() {
    let text = "<AirShoppingRS><Offer><OfferID>O1</b></Offer><FlightSegment SegmentKey='S1'>&bad;</FlightSegment><Offer><OfferID>O2</OfferID><FareComponent><SegmentRefs>S2</SegmentRefs><RBD>Y</RBD></FareComponent></Offer>\
        <FlightSegment SegmentKey='S2'><Departure><AirportCode>AUH</AirportCode><Date>2027-03-10</Date><Time>02:30</Time></Departure><Arrival><AirportCode>CDG</AirportCode><Date>2027-03-10</Date><Time>07:10</Time></Arrival><MarketingCarrier><AirlineID>W2</AirlineID><FlightNumber>W29896</FlightNumber></MarketingCarrier></FlightSegment></AirShoppingRS>";
    let items = parse("ndc", text.as_bytes());
    let codes: Vec<_> = rejects(&items).iter().map(|r| r.code).collect();
    assert_eq!(codes, [Code::BadXml, Code::BadXml]);
    let all = events(&items);
    assert_eq!(all[0].flight, "W29896.2027-03-10.AUH".parse().unwrap());
    assert_eq!(all.len(), 2);
}

/// The reader of XML repeats the tag that it did not expect, however long it is.
#[test]
fn a_tag_that_never_ends_is_not_repeated_whole() {
    let long = "x".repeat(100_000);
    let text = format!("<AirShoppingRS><Offer><OfferID>1</Offer{long}></Offer></AirShoppingRS>");
    let items = parse("ndc", text.as_bytes());
    let all = rejects(&items);
    assert_eq!(all[0].code, Code::BadXml);
    let reason = &all[0].reason;
    assert!(
        reason.len() <= 1500 && reason.contains("well-formed"),
        "{reason}"
    );
}

#[test]
fn pitfall_12_amounts_have_their_currencys_decimals() {
    let price = |amount: &str, currency: &str| {
        let text = format!(
            r#"{{"data":{{"id":"o","expires_at":"2027-01-01T00:00:00Z","total_amount":"{amount}","total_currency":"{currency}","passengers":[{{}}],"slices":[{{"segments":[{{"origin":{{"iata_code":"LHR"}},"destination":{{"iata_code":"DUB"}},"departing_at":"2027-04-16T07:40:00","arriving_at":"2027-04-16T09:00:00","marketing_carrier":{{"iata_code":"EI"}},"marketing_carrier_flight_number":"0151","passengers":[{{"cabin_class":"economy"}}]}}]}}]}}}}"#
        );
        let items = parse("duffel", text.as_bytes());
        if let Some(reject) = rejects(&items).first() {
            return reject.code.to_string();
        }
        events(&items)
            .iter()
            .find_map(|event| match &event.body {
                ProviderBody::Fares(fares) => Some(fares[0].price),
                _ => None,
            })
            .map(|price| format!("{} {}", price.minor, price.exponent))
            .unwrap()
    };
    for (amount, currency, want) in [
        ("661.88", "GBP", "66188 2"),
        ("12500", "JPY", "12500 0"),
        ("12500.00", "JPY", "12500 0"),
        ("1.250", "KWD", "1250 3"),
        ("1.2505", "KWD", "bad_amount"),
        ("-1.00", "GBP", "bad_amount"),
        ("1,00", "GBP", "bad_amount"),
    ] {
        assert_eq!(price(amount, currency), want, "{amount} {currency}");
    }
    // Minor units beside the decimals of the currency, for two travellers.
    let text = "<AMA_TravelOfferPriceRS><CurrencyMetadata MetadataKey='USD'><Decimals>2</Decimals></CurrencyMetadata><Pax><PTC>ADT</PTC></Pax><Pax><PTC>ADT</PTC></Pax><Offer><OfferID>O</OfferID><OfferExpirationDateTime>2027-01-01T00:00:00</OfferExpirationDateTime><FareComponent><SegmentRefs>S</SegmentRefs><FareBasis><RBD>N</RBD></FareBasis></FareComponent><TotalPrice><TotalAmount CurCode='USD'>84280</TotalAmount></TotalPrice></Offer>\
        <PaxSegment><PaxSegmentID>S</PaxSegmentID><Dep><IATA_LocationCode>JFK</IATA_LocationCode><AircraftScheduledDateTime>2027-02-11T17:00:00</AircraftScheduledDateTime></Dep><Arrival><IATA_LocationCode>DUB</IATA_LocationCode><AircraftScheduledDateTime>2027-02-12T04:15:00</AircraftScheduledDateTime></Arrival><MarketingCarrierInfo><CarrierDesigCode>EI</CarrierDesigCode><MarketingCarrierFlightNumberText>104</MarketingCarrierFlightNumberText></MarketingCarrierInfo></PaxSegment></AMA_TravelOfferPriceRS>";
    let items = parse("ndc", text.as_bytes());
    let all = events(&items);
    let fare = all
        .iter()
        .find_map(|event| match &event.body {
            ProviderBody::Fares(fares) => {
                Some((fares[0].price.to_string(), event.observed.clone()))
            }
            _ => None,
        })
        .unwrap();
    assert_eq!(fare.0, "421.40");
    assert_eq!(fare.1.unwrap().total.unwrap().to_string(), "842.80");
    assert!(
        warnings(&items)[0].text.contains("no zone"),
        "{:?}",
        warnings(&items)
    );
}

/// Each is compared with the others: without a bound, a message of these would take hours.
#[test]
fn flights_that_are_alike_by_the_thousand_are_not_all_compared() {
    let flights: Vec<_> = (1..=700_u32)
        .flat_map(|number| ["AA", "BA", "LH"].map(|carrier| (carrier, number.to_string())))
        .map(|(carrier, number)| {
            segment(
                (carrier, &number),
                ("MIA", "2027-11-01T12:13:00"),
                ("ORD", "2027-11-01T14:31:00"),
                "",
            )
        })
        .collect();
    let journeys: Vec<_> = flights.iter().map(std::slice::from_ref).collect();
    let items = message(&journeys);
    assert!(rejects(&items).is_empty());
    let passed_over =
        |warning: &&&flightline_connectors::Warning| warning.text.contains("no codeshare");
    let all = warnings(&items);
    assert_eq!(all.iter().filter(passed_over).count(), flights.len() - 64);
    // The 64 that came first are one aircraft, whoever sells it.
    let guessed = all.len() - (flights.len() - 64);
    assert!((20..=64).contains(&guessed), "{guessed}");
}

/// Whatever the format, what is read of the event's canonical line is the event.
#[test]
fn a_currency_that_is_not_known_is_remarked_and_marked() {
    let duffel = r#"{"data":{"id":"o","expires_at":"2027-01-01T00:00:00Z","total_amount":"7.50","total_currency":"LHR","passengers":[{}],"slices":[{"segments":[{"origin":{"iata_code":"LHR"},"destination":{"iata_code":"DUB"},"departing_at":"2027-04-16T07:40:00","arriving_at":"2027-04-16T09:00:00","marketing_carrier":{"iata_code":"EI"},"marketing_carrier_flight_number":"0151","passengers":[{"cabin_class":"economy"}]}]}]}}"#.to_owned();
    let amadeus = format!(
        r#"{{"data":[{{"itineraries":[{{"segments":[{}]}}],"price":{{"currency":"LHR","total":"7.50"}},"travelerPricings":[{{"travelerType":"ADULT","fareDetailsBySegment":[{{"segmentId":"1","class":"Y"}}]}}]}}]}}"#,
        segment(
            ("UA", "1665"),
            ("MIA", "2027-11-01T12:13:00"),
            ("ORD", "2027-11-01T14:31:00"),
            r#","id":"1""#,
        )
    );
    let ndc = "<AirShoppingRS><Offer><OfferID>O</OfferID><TotalPrice><TotalAmount CurCode='LHR'>7.50</TotalAmount></TotalPrice><FareComponent><SegmentRefs>S</SegmentRefs><RBD>Y</RBD></FareComponent></Offer>\
        <FlightSegment SegmentKey='S'><Departure><AirportCode>AUH</AirportCode><Date>2027-03-10</Date><Time>02:30</Time></Departure><Arrival><AirportCode>CDG</AirportCode><Date>2027-03-10</Date><Time>07:10</Time></Arrival><MarketingCarrier><AirlineID>W2</AirlineID><FlightNumber>9896</FlightNumber></MarketingCarrier></FlightSegment></AirShoppingRS>".to_owned();
    for (format, text) in [
        ("duffel", duffel),
        ("amadeus-offers", amadeus),
        ("ndc", ndc),
    ] {
        let options = Options::new().with("observed_at", "2026-12-01T12:00:00Z");
        let items = parse_with(format, &options, text.as_bytes());
        assert!(
            rejects(&items).is_empty(),
            "{format}: {:?}",
            rejects(&items)
        );
        let remark = &warnings(&items)[0].text;
        assert!(remark.contains("LHR is no currency"), "{format}: {remark}");
        let all = events(&items);
        let seen = all.iter().filter(|event| event.observed.is_some());
        assert_eq!(seen.clone().count(), 2, "{format}: seats and a fare");
        for event in seen {
            assert_ne!(
                event.quality & quality::UNKNOWN_CODE,
                0,
                "{format}: {event:?}"
            );
            let again = parse("canonical", to_line(event).as_bytes());
            assert_eq!(events(&again)[0], *event, "{format}");
        }
    }
}

#[test]
fn pitfall_13_a_city_is_no_airport() {
    let items = message(&[&[segment(
        ("UA", "1"),
        ("NYC", "2027-11-01T07:00:00"),
        ("ORD", "2027-11-01T09:00:00"),
        &classes(&[("Y", 9)]),
    )]]);
    let reject = rejects(&items)[0];
    assert_eq!(reject.code, Code::UnknownAirport);
    assert!(reject.reason.contains("JFK"), "{reject}");
}

/// What stands around the records of an answer is told of once, if nothing else was.
#[test]
fn an_answer_without_results_is_none_and_a_bad_record_is_told_once() {
    let request =
        r#"{"data":{"id":"orq_1","slices":[{"origin":{"iata_code":"LHR"}}],"offers":[OFFERS]}}"#;
    let codes = |format: &str, text: &str| -> Vec<_> {
        let items = parse(format, text.as_bytes());
        rejects(&items).iter().map(|r| r.code).collect()
    };
    for (format, text) in [
        ("duffel", r#"{"data":[],"meta":{"limit":50}}"#),
        ("duffel", &request.replace("OFFERS", "")),
        ("amadeus-offers", r#"{"meta":{"count":0},"data":[]}"#),
    ] {
        assert_eq!(parse(format, text.as_bytes()).len(), 0, "{format}: {text}");
    }
    let bad = request.replace("OFFERS", r#"{"slices":5}"#);
    assert_eq!(codes("duffel", &bad), [Code::BadType]);
    let bad = r#"{"data":{"type":"flight-offers-pricing","flightOffers":[{"itineraries":5}]}}"#;
    assert_eq!(codes("amadeus-offers", bad), [Code::BadType]);
    for format in ["duffel", "amadeus-offers", "amadeus-availability"] {
        for text in [
            r#"{"data":{}}"#,
            r#"{"data":[{}]}"#,
            r#"{"data":{"data":[]}}"#,
        ] {
            assert_eq!(codes(format, text), [Code::UnknownType], "{format}: {text}");
        }
    }
}

#[test]
fn an_airline_initiated_change_moves_a_flight_and_closes_what_went_away() {
    let flight = |number: &str, at: &str, to: &str| {
        format!(
            r#"{{"origin":{{"iata_code":"LHR"}},"destination":{{"iata_code":"DUB"}},"departing_at":"2027-04-16T{at}:00","arriving_at":"2027-04-16T{to}:00","marketing_carrier":{{"iata_code":"EI"}},"marketing_carrier_flight_number":"{number}"}}"#
        )
    };
    let text = format!(
        r#"{{"data":[{{"id":"aic_1","order_id":"ord_1","created_at":"2027-01-05T10:00:00Z","removed":[{{"segments":[{},{}]}}],"added":[{{"segments":[{},{}]}}]}}]}}"#,
        flight("151", "07:40", "09:00"),
        flight("153", "10:00", "11:20"),
        flight("151", "08:10", "09:30"),
        flight("155", "12:00", "13:20"),
    );
    let items = parse("duffel", text.as_bytes());
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    let told: Vec<_> = events(&items)
        .iter()
        .map(|event| format!("{} {}", event.type_name(), event.flight))
        .collect();
    assert_eq!(
        told,
        [
            "availability EI153.2027-04-16.LHR",
            "time_change EI151.2027-04-16.LHR",
            "schedule EI155.2027-04-16.LHR",
        ]
    );
    let closed = *availability(&events(&items)[0]).unwrap();
    assert_eq!(closed.status, SaleStatus::NotOperating);
    assert_eq!(
        closed.level,
        Level::Segment("LHR".parse().unwrap(), "DUB".parse().unwrap())
    );
    let undated = text.replace(r#""created_at":"2027-01-05T10:00:00Z","#, "");
    let items = parse("duffel", undated.as_bytes());
    assert_eq!(rejects(&items)[0].code, Code::MissingField);
}

#[test]
fn avs_codes_are_the_providers_table_and_unknown_ones_never_open() {
    let line = b"PK0785Y25DEC26 CS LHEKHI\n";
    assert_eq!(rejects(&parse("avs", line))[0].code, Code::UnknownStatus);
    let options = Options::new()
        .with("codes", "CS=leg:3+,A4=reject")
        .with("counts", "total");
    let items = parse_with("avs", &options, line);
    let event = &events(&items)[0];
    let seen = availability(event).unwrap();
    assert_eq!(
        (seen.level, seen.seats, seen.is_floor, seen.counts),
        (
            Level::Leg("LHE".parse().unwrap()),
            Some(3),
            true,
            flightline_ledger::command::Counts::Total
        )
    );
    let items = parse_with("avs", &options, b"PK0785Y25DEC26 A4 LHEKHI\n");
    assert_eq!(rejects(&items)[0].code, Code::UnknownStatus);
    // A flight without stations is known from the lines before it, and else refused.
    let items = parse(
        "avs",
        b"PK0785/25DEC26 LN\nPK0785Y25DEC26 AS LHEKHI\nPK0785/25DEC26 LN\n",
    );
    assert_eq!(rejects(&items)[0].code, Code::MissingField);
    let last = &events(&items)[1];
    assert_eq!(last.flight, "PK785.2026-12-25.LHE".parse().unwrap());
    assert_eq!(availability(last).unwrap().level, Level::Flight);
}

#[test]
fn ndc_of_21_3_points_from_segment_to_sold_to_flown_flight() {
    let end = |name: &str, station: &str, at: &str| {
        format!(
            "<{name}><IATA_LocationCode>{station}</IATA_LocationCode><AircraftScheduledDateTime>{at}</AircraftScheduledDateTime></{name}>"
        )
    };
    let text = format!(
        "<IATA_AirShoppingRS><Response><OffersGroup><CarrierOffers><Offer><OfferID>O</OfferID><OfferExpirationTimeLimitDateTime>2027-01-01T00:00:00Z</OfferExpirationTimeLimitDateTime><JourneyOverview><JourneyPriceClass><PaxJourneyRefID>J</PaxJourneyRefID></JourneyPriceClass></JourneyOverview><TotalPrice><TotalAmount CurCode='EUR'>300.00</TotalAmount></TotalPrice></Offer></CarrierOffers></OffersGroup><DataLists>\
        <DatedMarketingSegmentList><DatedMarketingSegment><DatedMarketingSegmentId>M</DatedMarketingSegmentId>{}{}<CarrierDesigCode>AF</CarrierDesigCode><MarketingCarrierFlightNumberText>3602</MarketingCarrierFlightNumberText><DatedOperatingSegmentRefId>P</DatedOperatingSegmentRefId></DatedMarketingSegment></DatedMarketingSegmentList>\
        <DatedOperatingSegmentList><DatedOperatingSegment><DatedOperatingSegmentId>P</DatedOperatingSegmentId><CarrierDesigCode>DL</CarrierDesigCode><OperatingCarrierFlightNumberText>263</OperatingCarrierFlightNumberText><DatedOperatingLegRefID>L</DatedOperatingLegRefID></DatedOperatingSegment></DatedOperatingSegmentList>\
        <DatedOperatingLegList><DatedOperatingLeg><DatedOperatingLegID>L</DatedOperatingLegID><IATA_AircraftType><IATA_AircraftTypeCode>339</IATA_AircraftTypeCode></IATA_AircraftType></DatedOperatingLeg></DatedOperatingLegList>\
        <PaxJourneyList><PaxJourney><PaxJourneyID>J</PaxJourneyID><PaxSegmentRefID>S</PaxSegmentRefID></PaxJourney></PaxJourneyList><PaxSegmentList><PaxSegment><PaxSegmentID>S</PaxSegmentID><DatedMarketingSegmentRefId>M</DatedMarketingSegmentRefId><MarketingCarrierRBD_Code>K</MarketingCarrierRBD_Code></PaxSegment></PaxSegmentList></DataLists></Response></IATA_AirShoppingRS>",
        end("Dep", "CDG", "2027-05-01T10:00:00"),
        end("Arrival", "JFK", "2027-05-01T12:20:00"),
    );
    let items = parse("ndc", text.as_bytes());
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(
        operating(&items, "AF3602.2027-05-01.CDG").as_deref(),
        Some("DL263.2027-05-01.CDG")
    );
    let all = events(&items);
    assert_eq!(schedule(&all[0]).unwrap().legs[0].aircraft, *b"339");
    assert_eq!(
        last(&items, "AF3602.2027-05-01.CDG", "K"),
        Some((SaleStatus::Open, Some(1), true))
    );
}

#[test]
fn an_observation_that_came_too_late_is_set_aside_with_its_reason() {
    use flightline_connectors::{Push, PushConfig, Source, format};
    let text = auh_text();
    let connector = format("ndc").unwrap().connector(&Options::new()).unwrap();
    let push = |now_ms: Option<i64>| {
        let config = PushConfig {
            now_ms,
            ..PushConfig::new("ey".parse().unwrap())
        };
        let mut commands = Vec::new();
        let mut codes = Vec::new();
        for batch in Push::new(&*connector, Source::new("m", text.as_bytes()), config) {
            commands.extend(batch.commands);
            codes.extend(
                batch
                    .rejects
                    .iter()
                    .map(|reject| (reject.code, reject.flight)),
            );
        }
        (commands, codes)
    };
    let expires_ms = 1_798_763_400_000;
    let (commands, codes) = push(Some(expires_ms - 1));
    assert_eq!(codes, []);
    let notes: Vec<_> = commands
        .iter()
        .filter_map(|c| c.observed.as_ref())
        .map(|o| o.note())
        .collect();
    assert_eq!(
        notes[0],
        "until=2027-01-01T00:30:00Z journey=AUH-CDG total=90.00EUR passengers=1 offer=O1"
    );
    let (late, codes) = push(Some(expires_ms));
    // The flight itself is no observation that lapses.
    assert_eq!(late.len(), commands.len() - codes.len());
    assert_eq!(codes.len(), 2);
    assert!(
        codes
            .iter()
            .all(|code| *code == (Code::Expired, "EY31.2027-03-10.AUH".parse().ok()))
    );
    assert_eq!(push(None).1, []);
}

fn auh_text() -> String {
    "<OfferPriceRS><Offer><OfferID>O1</OfferID><OfferExpirationDateTime>2027-01-01T00:30:00Z</OfferExpirationDateTime><OfferItem><Price><TotalAmount CurCode='EUR'>90.00</TotalAmount></Price><FareComponent><RBD>Q</RBD><PaxSegmentRefID>S1</PaxSegmentRefID></FareComponent></OfferItem></Offer><PaxSegment><PaxSegmentID>S1</PaxSegmentID><Dep><IATA_LocationCode>AUH</IATA_LocationCode><AircraftScheduledDateTime>2027-03-10T02:30:00</AircraftScheduledDateTime></Dep><Arrival><IATA_LocationCode>CDG</IATA_LocationCode><AircraftScheduledDateTime>2027-03-10T07:10:00</AircraftScheduledDateTime></Arrival><MarketingCarrierInfo><CarrierDesigCode>EY</CarrierDesigCode><MarketingCarrierFlightNumberText>31</MarketingCarrierFlightNumberText></MarketingCarrierInfo></PaxSegment></OfferPriceRS>".to_owned()
}

#[test]
fn telegrams_of_availability_in_small_letters_and_with_what_frames_them() {
    let plain = "QU MOWRMSU\n.FRARMLH 231010\nAVS\nPK0785Y25DEC26 A4 LHEKHI\nBA0175/27SEP27/LHRJFK\nY/O4 J/C\n";
    let framed = format!(
        "\u{1}{}=\r\n\u{3}",
        plain
            .to_lowercase()
            .replace("avs", "\u{2}avs")
            .replace('\n', "\r\n")
    );
    let good = parse("avs", plain.as_bytes());
    assert_eq!(events(&good).len(), 3);
    let items = parse("avs", framed.as_bytes());
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(events(&items), events(&good));
    // A day that no month has is not one whose year is missing.
    let options = Options::new().with("observed_at", "2026-11-25T12:00:00Z");
    let reason = |text: &str| {
        let items = parse_with("avs", &options, text.as_bytes());
        rejects(&items)[0].reason.clone()
    };
    assert!(!reason("PK0785Y32DEC A4 LHEKHI\n").contains("year"));
    assert!(reason("PK0785Y29FEB A4 LHEKHI\n").contains("year"));
}
