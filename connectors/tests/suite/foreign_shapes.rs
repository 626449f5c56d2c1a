//! Offers and displays as other producers write them: envelopes, several messages behind each other, names
//! in the place of codes, older and newer shapes. All of it made up.

use flightline_connectors::canonical::to_line;
use flightline_connectors::{Code, Options, Parsed};
use flightline_ledger::ProviderBody;

use crate::support::{events, parse, parse_with, rejects, warnings};

/// Events in short: type, flight, and what an availability says.
fn told(items: &[Parsed]) -> Vec<String> {
    events(items)
        .iter()
        .map(|event| {
            let line = to_line(event);
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let mut text = format!("{} {}", event.type_name(), event.flight);
            for name in ["cabin", "class", "status", "seats"] {
                if let Some(value) = value.get(name) {
                    text += &format!(" {}", value.to_string().trim_matches('"'));
                }
            }
            if value.get("seats_is_floor").is_some() {
                text += "+";
            }
            for fare in value
                .get("fares")
                .and_then(|f| f.as_array())
                .into_iter()
                .flatten()
            {
                text += &format!(" {} {}", fare["cabin"], fare["amount"]).replace('"', "");
            }
            text
        })
        .collect()
}

fn codes(items: &[Parsed]) -> Vec<Code> {
    rejects(items).iter().map(|reject| reject.code).collect()
}

/// A segment of 18.1 and later.
fn segment(key: &str, number: &str, from: (&str, &str), to: (&str, &str), more: &str) -> String {
    format!(
        "<PaxSegment><PaxSegmentID>{key}</PaxSegmentID><Dep><IATA_LocationCode>{}</IATA_LocationCode><AircraftScheduledDateTime>2027-05-01T{}</AircraftScheduledDateTime></Dep><Arrival><IATA_LocationCode>{}</IATA_LocationCode><AircraftScheduledDateTime>2027-05-01T{}</AircraftScheduledDateTime></Arrival><MarketingCarrierInfo><CarrierDesigCode>VY</CarrierDesigCode><MarketingCarrierFlightNumberText>{number}</MarketingCarrierFlightNumberText></MarketingCarrierInfo>{more}</PaxSegment>",
        from.0, from.1, to.0, to.1
    )
}

fn direct(key: &str, number: &str) -> String {
    segment(key, number, ("BCN", "10:00:00"), ("MAD", "11:25:00"), "")
}

/// An item of an offer with a fare for these segments.
fn item(component: &str, amount: &str) -> String {
    format!(
        "<OfferItem><Price><TotalAmount CurCode='EUR'>{amount}</TotalAmount></Price><FareDetail><FareComponent>{component}</FareComponent></FareDetail></OfferItem>"
    )
}

fn offer(id: &str, items: &str) -> String {
    format!("<Offer><OfferID>{id}</OfferID>{items}</Offer>")
}

fn shopping(offers: &str, lists: &str) -> String {
    format!(
        "<IATA_AirShoppingRS><Response><OffersGroup><CarrierOffers>{offers}</CarrierOffers></OffersGroup><DataLists>{lists}</DataLists></Response></IATA_AirShoppingRS>"
    )
}

fn ndc(text: &str) -> Vec<Parsed> {
    let options = Options::new().with("observed_at", "2027-01-01T00:00:00Z");
    parse_with("ndc", &options, text.as_bytes())
}

#[test]
fn ndc_the_name_of_a_cabin_counts_before_its_code() {
    let cabin = |kind: &str| {
        let component =
            format!("<CabinType>{kind}</CabinType><PaxSegmentRefID>S1</PaxSegmentRefID>");
        let items = ndc(&shopping(
            &offer("O", &item(&component, "50.00")),
            &direct("S1", "1004"),
        ));
        assert!(rejects(&items).is_empty(), "{kind}: {:?}", rejects(&items));
        told(&items).get(1).cloned()
    };
    let seen = |letter: &str| {
        Some(format!(
            "availability VY1004.2027-05-01.BCN {letter} open 1+"
        ))
    };
    for (kind, letter) in [
        ("<CabinTypeName>ECONOMY</CabinTypeName>", "Y"),
        ("<CabinTypeName>Premium Economy</CabinTypeName>", "W"),
        ("<CabinTypeCode>Business</CabinTypeCode>", "J"),
        // The class in the place of the cabin: R is first class as a cabin, and T is none.
        (
            "<CabinTypeCode>R</CabinTypeCode><CabinTypeName>BUSINESS</CabinTypeName>",
            "J",
        ),
        (
            "<CabinTypeCode>T</CabinTypeCode><CabinTypeName>ECONOMY</CabinTypeName>",
            "Y",
        ),
        ("<CabinTypeCode>R</CabinTypeCode>", "F"),
        ("<CabinTypeName>J</CabinTypeName>", "J"),
        // PADIS 9873.
        ("<CabinTypeCode>5</CabinTypeCode>", "Y"),
        ("<CabinTypeCode>4</CabinTypeCode>", "W"),
        (
            "<CabinTypeCode>2</CabinTypeCode><CabinTypeName>Comfort</CabinTypeName>",
            "J",
        ),
        ("<CabinTypeCode>1</CabinTypeCode>", "F"),
    ] {
        assert_eq!(cabin(kind), seen(letter), "{kind}");
    }
    // All cabins, or a name that nobody knows: nothing is concluded from it.
    for kind in [
        "<CabinTypeCode>7</CabinTypeCode>",
        "<CabinTypeName>Comfort</CabinTypeName>",
    ] {
        assert_eq!(cabin(kind), None, "{kind}");
    }
}

#[test]
fn ndc_the_cabin_may_stand_with_the_price_class_or_the_segment() {
    let with = |reference: &str, lists: &str| {
        let component = format!("<PaxSegmentRefID>S1</PaxSegmentRefID>{reference}");
        told(&ndc(&shopping(
            &offer("O", &item(&component, "50.00")),
            lists,
        )))[1]
            .clone()
    };
    let price_class = "<PriceClass><PriceClassID>P</PriceClassID><CabinType><CabinTypeName>BUSINESS</CabinTypeName></CabinType></PriceClass>";
    assert_eq!(
        with(
            "<PriceClassRefID>P</PriceClassRefID>",
            &format!("{}{price_class}", direct("S1", "1004"))
        ),
        "availability VY1004.2027-05-01.BCN J open 1+"
    );
    let choice = "<CabinTypeAssociationChoice><SegmentCabinType><CabinTypeCode>5</CabinTypeCode></SegmentCabinType></CabinTypeAssociationChoice>";
    let own = segment("S1", "1004", ("BCN", "10:00"), ("MAD", "11:25"), choice);
    assert_eq!(
        with("", &own),
        "availability VY1004.2027-05-01.BCN Y open 1+"
    );
}

#[test]
fn ndc_seats_left_of_a_booking_class_are_counts() {
    let component = "<RBD><Availability>4</Availability><RBD_Code>T</RBD_Code></RBD><CabinType><CabinTypeName>ECONOMY</CabinTypeName></CabinType><PaxSegmentRefID>S1</PaxSegmentRefID>";
    let seen = |component: &str| {
        let text = shopping(
            &offer("O", &item(component, "50.00")),
            &direct("S1", "1004"),
        );
        told(&ndc(&text))[1].clone()
    };
    let flight = "availability VY1004.2027-05-01.BCN Y T open";
    assert_eq!(seen(component), format!("{flight} 4"));
    assert_eq!(
        seen(&component.replace(">4<", ">9<")),
        format!("{flight} 9+")
    );
    assert_eq!(
        seen(&component.replace(">4<", ">0<")),
        format!("{flight} 0")
    );
    assert_eq!(
        seen(&component.replace(">4<", ">9+<")),
        format!("{flight} 9+")
    );
    // More are sold than may be.
    assert_eq!(
        seen(&component.replace(">4<", ">-1<")),
        format!("{flight} 0")
    );
    // What is no number is no count: as many as travellers, as without one.
    assert_eq!(
        seen(&component.replace(">4<", ">A<")),
        format!("{flight} 1+")
    );
}

#[test]
fn ndc_stations_and_times_may_stand_with_the_legs_alone() {
    let component = "<RBD><Availability>4</Availability><RBD_Code>T</RBD_Code></RBD><CabinType><CabinTypeName>ECONOMY</CabinTypeName></CabinType><PaxSegmentRefID>S1</PaxSegmentRefID>";
    let place = |name: &str, station: &str, time: &str| {
        format!(
            "<{name}><IATA_LocationCode>{station}</IATA_LocationCode><AircraftScheduledDateTime>2027-05-01T{time}</AircraftScheduledDateTime></{name}>"
        )
    };
    let leg = format!(
        "<DatedOperatingLeg>{}{}</DatedOperatingLeg>",
        place("Dep", "BCN", "10:00:00"),
        place("Arrival", "MAD", "11:25:00")
    );
    let empty = format!(
        "<PaxSegment><PaxSegmentID>S1</PaxSegmentID><Dep/><Arrival/>{leg}<MarketingCarrierInfo><CarrierDesigCode>VY</CarrierDesigCode><MarketingCarrierFlightNumberText>1004</MarketingCarrierFlightNumberText></MarketingCarrierInfo></PaxSegment>"
    );
    let told_of = |segment: &str| {
        told(&ndc(&shopping(
            &offer("O", &item(component, "50.00")),
            segment,
        )))
    };
    assert_eq!(told_of(&empty), told_of(&direct("S1", "1004")));
}

/// 17.2: two segments, and a price class with a class for each.
fn of_17_2(services: &str) -> String {
    let segment = |key: &str, number: &str, from: (&str, &str), to: (&str, &str)| {
        format!(
            "<FlightSegment SegmentKey='{key}'><Departure><AirportCode>{}</AirportCode><Date>2027-05-01</Date><Time>{}</Time></Departure><Arrival><AirportCode>{}</AirportCode><Date>2027-05-01</Date><Time>{}</Time></Arrival><MarketingCarrier><AirlineID>TK</AirlineID><FlightNumber>{number}</FlightNumber></MarketingCarrier></FlightSegment>",
            from.0, from.1, to.0, to.1
        )
    };
    format!(
        "<AirShoppingRS Version='17.2'><OffersGroup><AirlineOffers><Offer OfferID='O' Owner='TK'><FlightsOverview><FlightRef PriceClassRef='P'>F</FlightRef></FlightsOverview></Offer></AirlineOffers></OffersGroup><DataLists><FlightSegmentList>{}{}</FlightSegmentList><FlightList><Flight FlightKey='F'><SegmentReferences>A B</SegmentReferences></Flight></FlightList><PriceClassList><PriceClass PriceClassID='P'>{services}</PriceClass></PriceClassList></DataLists></AirShoppingRS>",
        segment("A", "1772", ("PRG", "14:40"), ("IST", "18:10")),
        segment("B", "80", ("IST", "20:00"), ("AYT", "21:10")),
    )
}

#[test]
fn ndc_each_segment_has_the_class_of_service_that_names_it() {
    let seen = |services: &str| -> Vec<String> {
        let all = told(&ndc(&of_17_2(services)));
        all.into_iter()
            .filter(|text| text.starts_with("avail"))
            .collect()
    };
    assert_eq!(
        seen(
            "<ClassOfService refs='A'><Code SeatsLeft='3'>B</Code></ClassOfService><ClassOfService refs='B'><Code SeatsLeft='7'>J</Code></ClassOfService>"
        ),
        [
            "availability TK1772.2027-05-01.PRG Y B open 3",
            "availability TK80.2027-05-01.IST J J open 7",
        ]
    );
    // One without a reference, or with one to something else, is that of all.
    for refs in ["", "refs='FB1'"] {
        assert_eq!(
            seen(&format!(
                "<ClassOfService {refs}><Code>B</Code></ClassOfService>"
            )),
            [
                "availability TK1772.2027-05-01.PRG Y B open 1+",
                "availability TK80.2027-05-01.IST Y B open 1+",
            ]
        );
    }
    // One of the first segment alone says nothing of the second.
    assert_eq!(
        seen("<ClassOfService refs='A'><Code>B</Code></ClassOfService>"),
        ["availability TK1772.2027-05-01.PRG Y B open 1+"]
    );
}

#[test]
fn ndc_a_journey_may_be_named_by_its_origin_and_destination() {
    let text = of_17_2("").replace("PriceClassRef='P'>F<", ">OD<").replace(
        "<FlightNumber>80</FlightNumber>",
        "<FlightNumber>80</FlightNumber><ResBookDesigCode>K</ResBookDesigCode>",
    );
    let with = |named: &str| {
        let list = format!(
            "<OriginDestinationList><OriginDestination OriginDestinationKey='OD'><FlightReferences>{named}</FlightReferences></OriginDestination></OriginDestinationList></DataLists>"
        );
        ndc(&text.replace("</DataLists>", &list))
    };
    for named in ["A B", "F"] {
        let items = with(named);
        assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
        assert_eq!(
            told(&items),
            [
                "schedule TK1772.2027-05-01.PRG",
                "schedule TK80.2027-05-01.IST",
                "availability TK80.2027-05-01.IST Y K open 1+",
            ]
        );
    }
    // Several journeys to choose from are none.
    for named in ["F F", "A X", ""] {
        assert_eq!(codes(&with(named)), [Code::Inconsistent], "{named}");
    }
}

#[test]
fn ndc_fare_components_without_segments_are_placed_where_there_is_no_doubt() {
    let with = |components: &[&str]| {
        let components: String = components
            .iter()
            .map(|class| {
                format!("<FareComponent><FareBasis><RBD>{class}</RBD></FareBasis></FareComponent>")
            })
            .collect();
        let item = format!("<OfferItem><FareDetail>{components}</FareDetail></OfferItem></Offer>");
        let text = of_17_2("").replace("</Offer>", &item);
        let all = told(&ndc(&text));
        all.into_iter()
            .filter_map(|text| Some(text.strip_prefix("availability TK")?.to_owned()))
            .collect::<Vec<_>>()
    };
    let seats = |first: &str, second: &str| {
        [
            format!("1772.2027-05-01.PRG Y {first} open 1+"),
            format!("80.2027-05-01.IST Y {second} open 1+"),
        ]
    };
    assert_eq!(with(&["K"]), seats("K", "K"));
    assert_eq!(with(&["K", "K", "K"]), seats("K", "K"));
    assert_eq!(with(&["K", "L"]), seats("K", "L"));
    assert!(with(&["K", "L", "M"]).is_empty());
}

#[test]
fn ndc_what_was_added_to_a_flight_is_no_part_of_its_fare() {
    let fare = "<CabinType><CabinTypeName>ECONOMY</CabinTypeName></CabinType><PaxSegmentRefID>S1</PaxSegmentRefID>";
    let seat = "<OfferItem><Price><TotalAmount CurCode='EUR'>62.50</TotalAmount></Price><FareDetail/><Service><OfferServiceAssociation/></Service></OfferItem>";
    let items = format!(
        "{}{}{seat}<TotalPrice><TotalAmount CurCode='EUR'>163.73</TotalAmount></TotalPrice>",
        item(fare, "100.01"),
        item(fare, "1.22")
    );
    let items = ndc(&shopping(&offer("O", &items), &direct("S1", "1004")));
    assert_eq!(told(&items)[2], "fares VY1004.2027-05-01.BCN Y 101.23");
    let total = events(&items)[2].observed.as_ref().unwrap().total.unwrap();
    assert_eq!(total.minor, 16_373);
}

#[test]
fn ndc_messages_behind_each_other_have_their_own_lists() {
    let component = "<CabinType><CabinTypeCode>Y</CabinTypeCode></CabinType><PaxSegmentRefID>S1</PaxSegmentRefID>";
    let message = |number: &str| {
        shopping(
            &offer("O", &item(component, "50.00")),
            &direct("S1", number),
        )
    };
    let (one, other) = (message("1004"), message("1006"));
    let want = |items: &[Parsed]| {
        assert!(rejects(items).is_empty(), "{:?}", rejects(items));
        let flights: Vec<_> = told(items)
            .into_iter()
            .filter(|text| text.starts_with("schedule"))
            .collect();
        assert_eq!(
            flights,
            [
                "schedule VY1004.2027-05-01.BCN",
                "schedule VY1006.2027-05-01.BCN"
            ]
        );
    };
    want(&ndc(&format!(
        "<!-- one -->\r\n{one}\r\n<!-- other -->\r\n<?xml version='1.0'?>\r\n{other}"
    )));
    want(&ndc(&format!(
        "\u{feff}<Envelope><Body><Answers>{one}{other}</Answers></Body></Envelope>"
    )));
}

#[test]
fn ndc_an_envelope_of_any_name_is_looked_into_and_what_holds_no_message_is_refused() {
    let message = of_17_2("<ClassOfService><Code>B</Code></ClassOfService>").replace(
        "Version='17.2'",
        "Version='17.2' TimeStamp='2026-12-31T23:59:58Z'",
    );
    for around in ["soap:Envelope", "XXTransactionResponse", "m:Answer"] {
        let text = format!("<{around}><Body>{message}</Body></{around}>");
        let items = ndc(&text);
        assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
        let made = events(&items)[1].version.time_ms;
        assert_eq!(made, 1_798_761_598_000, "{around}");
    }
    for other in [
        "<Envelope><Body><Token>x</Token></Body></Envelope>",
        "<Envelope><Body><OrderViewRS><Offer OfferID='O'/></OrderViewRS></Body></Envelope>",
        "<IATA_OrderViewRS/>",
        "<html><body/></html>",
    ] {
        assert_eq!(codes(&ndc(other)), [Code::UnknownType], "{other}");
    }
    let cut = "<Envelope><Body><Token>x</Tok";
    assert_eq!(codes(&ndc(cut)), [Code::Truncated]);
}

#[test]
fn ndc_a_soap_fault_is_the_providers_error() {
    for fault in [
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>bad agency</faultstring></s:Fault>",
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>bad agency</s:Text></s:Reason></s:Fault>",
    ] {
        let text = format!("<s:Envelope><s:Body>{fault}</s:Body></s:Envelope>");
        for format in ["ndc", "amadeus-multiavailability"] {
            let items = parse(format, text.as_bytes());
            assert_eq!(codes(&items), [Code::ProviderError], "{format}");
            let reason = rejects(&items)[0].reason.clone();
            assert!(reason.contains("bad agency"), "{reason}");
        }
    }
}

#[test]
fn ndc_metadata_of_offers_is_no_offer() {
    let text = of_17_2("<ClassOfService><Code>B</Code></ClassOfService>").replace(
        "</DataLists>",
        "</DataLists><Metadata><Shopping><ShopMetadataGroup><Offer><OfferInstructionMetadatas><OfferInstructionMetadata MetadataKey='x'/></OfferInstructionMetadatas></Offer></ShopMetadataGroup></Shopping></Metadata>",
    );
    let items = ndc(&text);
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(events(&items).len(), 4);
    // An offer without its name is one all the same.
    let nameless = of_17_2("").replace(" OfferID='O' Owner='TK'", "");
    assert_eq!(codes(&ndc(&nameless)), [Code::MissingField]);
}

#[test]
fn ndc_before_17_2_an_offer_names_its_segments_with_their_classes() {
    let associated = |flights: &str| {
        let text = of_17_2("");
        let (head, rest) = text.split_once("<Offer ").unwrap();
        let (_, tail) = rest.split_once("</Offer>").unwrap();
        format!(
            "{head}<AirlineOffer><OfferID Owner='TK'>O</OfferID><TimeLimits><OfferExpiration Timestamp='2027-01-01T00:20:00Z'/></TimeLimits><TotalPrice><SimpleCurrencyPrice Code='EUR'>94.14</SimpleCurrencyPrice></TotalPrice><PricedOffer><OfferPrice OfferItemID='1'/><Associations>{flights}</Associations></PricedOffer></AirlineOffer>{tail}"
        )
        .replace("17.2", "16.1")
    };
    let one = ndc(&associated(
        "<ApplicableFlight><FlightSegmentReference ref='A'><ClassOfService><Code SeatsLeft='9'>N</Code><MarketingName>Euro Traveller</MarketingName></ClassOfService></FlightSegmentReference></ApplicableFlight>",
    ));
    assert!(rejects(&one).is_empty(), "{:?}", rejects(&one));
    assert_eq!(
        told(&one),
        [
            "schedule TK1772.2027-05-01.PRG",
            "availability TK1772.2027-05-01.PRG Y N open 9+",
            "fares TK1772.2027-05-01.PRG Y 94.14",
        ]
    );
    let until = events(&one)[1].observed.as_ref().unwrap().expires_ms;
    assert_eq!(until, Some(1_798_762_800_000));
    let two = ndc(&associated(
        "<ApplicableFlight><FlightSegmentReference ref='A'><Cabin><CabinDesignator>M</CabinDesignator></Cabin></FlightSegmentReference><FlightSegmentReference ref='B'><Cabin><CabinDesignator>C</CabinDesignator></Cabin></FlightSegmentReference><FlightReferences>F</FlightReferences></ApplicableFlight>",
    ));
    assert_eq!(
        told(&two),
        [
            "schedule TK1772.2027-05-01.PRG",
            "availability TK1772.2027-05-01.PRG Y open 1+",
            "schedule TK80.2027-05-01.IST",
            "availability TK80.2027-05-01.IST J open 1+",
        ]
    );
}

fn display(inside: &str) -> String {
    format!("<Air_MultiAvailabilityReply>{inside}</Air_MultiAvailabilityReply>")
}

fn shown(number: &str) -> String {
    format!(
        "<flightInfo><basicFlightInfo><flightDetails><departureDate>030127</departureDate><departureTime>0830</departureTime><arrivalDate>030127</arrivalDate><arrivalTime>1110</arrivalTime></flightDetails><departureLocation><cityAirport>LHR</cityAirport></departureLocation><arrivalLocation><cityAirport>JFK</cityAirport></arrivalLocation><marketingCompany><identifier>BA</identifier></marketingCompany><flightIdentification><number>{number}</number></flightIdentification><lineItemNumber>1</lineItemNumber></basicFlightInfo><infoOnClasses><productClassDetail><serviceClass>J</serviceClass><availabilityStatus>4</availabilityStatus></productClassDetail></infoOnClasses></flightInfo>"
    )
}

#[test]
fn a_display_in_an_envelope_is_read_and_its_errors_are_told() {
    let pair = |inside: &str| {
        format!(
            "<singleCityPairInfo><locationDetails><origin>LON</origin><destination>NYC</destination></locationDetails>{inside}</singleCityPairInfo>"
        )
    };
    let read = |text: &str| parse("amadeus-multiavailability", text.as_bytes());
    let plain = read(&display(&pair(&shown("117"))));
    assert_eq!(told(&plain).len(), 2);
    let text = format!(
        "<s:Envelope><s:Header/><s:Body>{}</s:Body></s:Envelope>",
        display(&pair(&shown("117"))).replace("Air_Multi", "PoweredAir_Multi")
    );
    assert_eq!(told(&read(&text)), told(&plain));
    let remark = |kind: &str| {
        format!(
            "<cityPairErrorOrWarning><cityPairErrorOrWarningInfo><error><code>931</code><type>{kind}</type></error></cityPairErrorOrWarningInfo><cityPairErrorOrWarningText><freeText>NO ITINERARY</freeText></cityPairErrorOrWarningText></cityPairErrorOrWarning>"
        )
    };
    for kind in ["001", "EC"] {
        let items = read(&display(&pair(&remark(kind))));
        assert_eq!(codes(&items), [Code::ProviderError]);
        assert!(rejects(&items)[0].reason.contains("NO ITINERARY"));
    }
    let items = read(&display(&pair(&(remark("WEC") + &shown("117")))));
    assert_eq!(told(&items), told(&plain));
    assert!(warnings(&items)[0].text.contains("NO ITINERARY"));
    assert_eq!(
        codes(&read("<s:Envelope><s:Body><Other/></s:Body></s:Envelope>")),
        [Code::UnknownType]
    );
}

#[test]
fn amadeus_null_is_an_empty_list() {
    let text = r#"{"data":[{"itineraries":[{"segments":[{"id":"1","departure":{"iataCode":"SYD","at":"2027-08-01T10:00:00"},"arrival":{"iataCode":"BKK","at":"2027-08-01T16:20:00"},"carrierCode":"TG","number":"476","stops":null,"operating":null,"aircraft":null}]}],"price":{"currency":"EUR","grandTotal":"1590.78"},"numberOfBookableSeats":4,"travelerPricings":[{"travelerType":"ADULT","fareDetailsBySegment":[{"segmentId":"1","cabin":"ECONOMY","class":"W"}]}]}],"dictionaries":null}"#;
    let items = parse("amadeus-offers", text.as_bytes());
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(events(&items).len(), 3);
    let bare = text.replace(r#""travelerPricings":[{"travelerType":"ADULT","fareDetailsBySegment":[{"segmentId":"1","cabin":"ECONOMY","class":"W"}]}]"#, r#""travelerPricings":null"#);
    assert!(rejects(&parse("amadeus-offers", bare.as_bytes())).is_empty());
}

#[test]
fn amadeus_answers_as_its_clients_keep_them_are_read_once() {
    let offer = r#"{"itineraries":[{"segments":[{"departure":{"iataCode":"SYD","at":"2027-08-01T10:00:00"},"arrival":{"iataCode":"BKK","at":"2027-08-01T16:20:00"},"carrierCode":"TG","number":"476"}]}],"price":{"currency":"EUR","total":"200.00"},"travelerPricings":[{"travelerType":"ADULT","fareDetailsBySegment":[{"class":"W"}]}]}"#;
    let read = |text: &str| {
        let items = parse("amadeus-offers", text.as_bytes());
        assert!(rejects(&items).is_empty(), "{text}: {:?}", rejects(&items));
        told(&items)
    };
    let plain = read(&format!(r#"{{"data":[{offer}]}}"#));
    assert_eq!(plain.len(), 3);
    for text in [
        format!(r#"{{"statusCode":200,"result":{{"meta":{{"count":1}},"data":[{offer}]}}}}"#),
        format!(r#"{{"result":{{"data":[{offer}]}},"data":[{offer}]}}"#),
        format!(
            r#"{{"result":{{"data":{{"type":"flight-offers-pricing","flightOffers":[{offer}]}}}}}}"#
        ),
    ] {
        assert_eq!(read(&text), plain, "{text}");
    }
}

/// An offer of Duffel.
fn duffel_offer(stops: &str) -> String {
    format!(
        r#"{{"id":"off_1","created_at":"2026-12-21T15:10:13Z","expires_at":"2026-12-21T15:25:13Z","total_amount":"84.20","total_currency":"GBP","passengers":[{{"type":"adult"}}],"slices":[{{"segments":[{}]}}]}}"#,
        duffel_segment("151", ["departing_at", "arriving_at"], "07:40", stops)
    )
}

fn duffel_segment(number: &str, names: [&str; 2], at: &str, stops: &str) -> String {
    format!(
        r#"{{"origin":{{"iata_code":"LHR"}},"destination":{{"iata_code":"DUB"}},"{}":"2027-04-16T{at}:00","{}":"2027-04-16T23:00:00","marketing_carrier":{{"iata_code":"EI"}},"marketing_carrier_flight_number":"{number}","passengers":[{{"cabin_class":"economy"}}]{stops}}}"#,
        names[0], names[1]
    )
}

#[test]
fn duffel_offers_are_found_wherever_its_answers_have_them() {
    let offer = duffel_offer("");
    let plain = told(&parse("duffel", offer.as_bytes()));
    assert_eq!(plain.len(), 3);
    let request = r#""slices":[{"origin":{"iata_code":"LON"},"departure_date":"2027-04-16"}]"#;
    for text in [
        format!(r#"{{"data":[{offer}],"meta":{{"after":null,"limit":50}}}}"#),
        format!(r#"{{"data":{{"id":"orq_1",{request},"offers":[{offer}]}}}}"#),
        format!(r#"{{"id":"orq_1",{request},"offers":[{offer}]}}"#),
        format!(r#"{{"data":[{{"id":"orq_1",{request},"offers":[{offer}]}}]}}"#),
    ] {
        let items = parse("duffel", text.as_bytes());
        assert!(rejects(&items).is_empty(), "{text}: {:?}", rejects(&items));
        assert_eq!(told(&items), plain, "{text}");
    }
    // However large what stands around is, the offers in it are records of their own.
    let many = vec![offer; 4000].join(",");
    let items = parse(
        "duffel",
        format!(r#"{{{request},"offers":[{many}]}}"#).as_bytes(),
    );
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(told(&items), plain);
}

#[test]
fn duffel_what_is_no_offer_is_called_what_it_is() {
    let slices = r#"[{"origin":{"iata_code":"LON"},"departure_date":"2027-04-16"}]"#;
    let segments = duffel_segment("151", ["departing_at", "arriving_at"], "07:40", "");
    for (record, what) in [
        (
            format!(r#"{{"id":"orq_1","slices":{slices}}}"#),
            "offer request",
        ),
        (
            format!(
                r#"{{"id":"ord_1","booking_reference":"ABC123","total_amount":"1.00","slices":[{{"segments":[{segments}]}}]}}"#
            ),
            "an order",
        ),
        (
            r#"{"id":"ocr_1","slices":{"add":[],"remove":[{"id":"sli_1"}]}}"#.to_owned(),
            "change of an order",
        ),
    ] {
        for text in [
            format!(r#"{{"data":{record}}}"#),
            format!(r#"{{"data":[{record}]}}"#),
        ] {
            let items = parse("duffel", text.as_bytes());
            assert_eq!(codes(&items), [Code::UnknownType], "{text}");
            let reason = &rejects(&items)[0].reason;
            assert!(reason.contains(what), "{reason}");
        }
    }
}

#[test]
fn duffel_changes_are_found_in_orders_and_under_either_name_of_their_times() {
    let change = |names: [&str; 2]| {
        format!(
            r#"{{"id":"aic_1","created_at":"2027-01-05T10:00:00Z","removed":[{{"segments":[{}]}}],"added":[{{"segments":[{}]}}]}}"#,
            duffel_segment("151", names, "07:40", ""),
            duffel_segment("151", names, "08:10", ""),
        )
    };
    let [public, inner] = [
        change(["departing_at", "arriving_at"]),
        change(["departure_datetime", "arrival_datetime"]),
    ];
    let order = |change: &str| {
        format!(
            r#"{{"id":"ord_1","booking_reference":"ABC123","slices":[],"airline_initiated_changes":[{change}]}}"#
        )
    };
    for text in [
        format!(r#"{{"data":[{public}]}}"#),
        format!(r#"{{"data":{inner}}}"#),
        format!(r#"{{"data":{}}}"#, order(&public)),
        format!(r#"{{"data":[{},{}]}}"#, order(&inner), order("")),
        order(&public),
    ] {
        let items = parse("duffel", text.as_bytes());
        assert!(rejects(&items).is_empty(), "{text}: {:?}", rejects(&items));
        assert_eq!(told(&items), ["time_change EI151.2027-04-16.LHR"], "{text}");
    }
}

#[test]
fn duffel_a_stop_without_its_times_is_no_leg() {
    let items = parse(
        "duffel",
        duffel_offer(r#","stops":[{"airport":{"iata_code":"MAN"},"duration":"PT1H"}]"#).as_bytes(),
    );
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(told(&items)[0], "schedule EI151.2027-04-16.LHR");
    assert!(warnings(&items)[0].text.contains("taken as one leg"));
}

#[test]
fn whole_numbers_and_texts_stand_for_each_other_but_not_in_amounts() {
    let offer = r#"{"data":[{"id":7,"itineraries":[{"segments":[{"id":1,"departure":{"iataCode":"SYD","at":"2027-08-01T10:00:00"},"arrival":{"iataCode":"BKK","at":"2027-08-01T16:20:00"},"carrierCode":"TG","number":476,"aircraft":{"code":747},"numberOfStops":"0"}]}],"price":{"currency":"EUR","grandTotal":"1590.78"},"numberOfBookableSeats":"4","travelerPricings":[{"travelerType":"ADULT","fareDetailsBySegment":[{"segmentId":1,"cabin":"ECONOMY","class":"W"}]}]}]}"#;
    let items = parse("amadeus-offers", offer.as_bytes());
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    assert_eq!(
        told(&items),
        [
            "schedule TG476.2027-08-01.SYD",
            "availability TG476.2027-08-01.SYD Y W open 4",
            "fares TG476.2027-08-01.SYD Y 1590.78",
        ]
    );
    for (right, wrong) in [
        (r#""1590.78""#, "1590.78"),
        (r#""4""#, r#""four""#),
        (r#""4""#, "4.5"),
        (r#""4""#, "true"),
        ("476", "-476"),
    ] {
        let items = parse("amadeus-offers", offer.replace(right, wrong).as_bytes());
        assert_eq!(codes(&items), [Code::BadType], "{wrong}");
    }
    let duffel = duffel_offer("").replace(r#""151""#, "151");
    let items = parse("duffel", duffel.as_bytes());
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    let priced = duffel.replace(r#""84.20""#, "84.2");
    assert_eq!(codes(&parse("duffel", priced.as_bytes())), [Code::BadType]);
}

#[test]
fn duffel_infants_on_laps_take_no_seat_and_the_young_pay_no_adults_price() {
    let with = |passengers: &str| {
        let seated = r#""passengers":[{"cabin_class":"economy"}]"#;
        let both = r#""passengers":[{"cabin_class":"economy"},{"cabin_class":"economy"}]"#;
        let text = duffel_offer("")
            .replace(r#""passengers":[{"type":"adult"}]"#, passengers)
            .replace(seated, both);
        told(&parse("duffel", text.as_bytes()))
    };
    let seats = |count: u8| format!("availability EI151.2027-04-16.LHR Y open {count}+");
    let fare = "fares EI151.2027-04-16.LHR Y 42.10";
    for (second, want, priced) in [
        (r#"{"type":"adult"}"#, 2, true),
        (r#"{"type":null,"age":30}"#, 2, true),
        (r#"{"type":null,"age":14}"#, 2, false),
        (r#"{"type":"child"}"#, 2, false),
        (r#"{"type":"infant_without_seat"}"#, 1, false),
    ] {
        let told = with(&format!(r#""passengers":[{{"type":"adult"}},{second}]"#));
        assert_eq!(told[1], seats(want), "{second}");
        assert_eq!(
            told.get(2).map(String::as_str),
            priced.then_some(fare),
            "{second}"
        );
    }
}

#[test]
fn amadeus_infants_on_laps_take_no_seat_and_only_adults_share_a_total() {
    let with = |travelers: &[&str]| {
        let pricings: Vec<_> = travelers
            .iter()
            .map(|kind| format!(r#"{{"travelerType":"{kind}","fareDetailsBySegment":[{{"segmentId":"1","cabin":"ECONOMY","class":"W"}}]}}"#))
            .collect();
        let text = format!(
            r#"[{{"itineraries":[{{"segments":[{{"id":"1","departure":{{"iataCode":"SYD","at":"2027-08-01T10:00:00"}},"arrival":{{"iataCode":"BKK","at":"2027-08-01T16:20:00"}},"carrierCode":"TG","number":"476"}}]}}],"price":{{"currency":"EUR","total":"200.00"}},"travelerPricings":[{}]}}]"#,
            pricings.join(",")
        );
        told(&parse("amadeus-offers", text.as_bytes()))[1..].to_vec()
    };
    let seats = |count: u8| format!("availability TG476.2027-08-01.SYD Y W open {count}+");
    assert_eq!(
        with(&["ADULT", "ADULT"]),
        [seats(2), "fares TG476.2027-08-01.SYD Y 100.00".to_owned()]
    );
    assert_eq!(with(&["ADULT", "CHILD"]), [seats(2)]);
    assert_eq!(with(&["ADULT", "HELD_INFANT"]), [seats(1)]);
}

/// `CLASS STATUS GROUP.SEQUENCE` of each event, and the codes of what was refused.
fn avs(text: &str) -> (Vec<String>, Vec<Code>) {
    let options = Options::new().with("observed_at", "2026-11-25T12:00:00Z");
    let items = parse_with("avs", &options, text.as_bytes());
    let shown = events(&items).into_iter().map(|event| match event.body {
        ProviderBody::Availability(said) => format!(
            "{} {:?} {}",
            said.class.map_or("-".to_owned(), |class| class.to_string()),
            said.status,
            event.version.sequence
        ),
        body => format!("{body:?}"),
    });
    (shown.collect(), codes(&items))
}

#[test]
fn avs_a_class_that_closes_again_within_a_minute_stays_closed() {
    let message = |code: &str| {
        format!("QU LHRXXBA\n.VIERMOS 221130\nAVS\nOS0451M15MAR {code} VIELHR\nNNNN\n")
    };
    let of = |codes: &[&str]| avs(&codes.iter().map(|code| message(code)).collect::<String>()).0;
    assert_eq!(
        of(&["CL", "AS", "CL", "AS", "AS"]),
        [
            "M WaitlistOpen 0",
            "M Open 0",
            "M WaitlistOpen 1",
            "M Open 1",
            "M Open 1",
        ]
    );
    // Said twice it is the same, as it is in a file that is sent again.
    assert_eq!(of(&["CL", "CL"]), ["M WaitlistOpen 0", "M WaitlistOpen 0"]);
}

#[test]
fn avs_an_unknown_code_takes_nothing_from_the_tokens_beside_it() {
    let (shown, refused) = avs("AVS\nOS0451/15MAR/VIELHR\nC/C M/Q Y/C B/!\n");
    assert_eq!(shown, ["C Closed 0", "Y Closed 0"]);
    assert_eq!(refused, [Code::UnknownStatus]);
    // Of a line that is cut nothing is taken.
    let (shown, refused) = avs("AVS\nOS0451/15MAR/VIELHR\nC/C Y/C");
    assert!(shown.is_empty(), "{shown:?}");
    assert_eq!(refused, [Code::Truncated]);
}

#[test]
fn avs_envelopes_in_sections_give_their_time() {
    let text = "=HEADER\nRCV,2026/11/25 11:30\n=PRIORITY\nQU\n=DESTINATION TYPE B\nSTX,LHRXXBA\n=ORIGIN\nMUCSCLH\n=MSGID\n251130\n=SMI\nAVS\n=TEXT\nLH0400F25DEC AS FRAJFK\n";
    let options = Options::new().with("observed_at", "2026-11-25T12:00:00Z");
    let items = parse_with("avs", &options, text.as_bytes());
    assert!(codes(&items).is_empty());
    assert_eq!(events(&items)[0].version.time_ms, 1_795_606_200_000);
}

/// Two flights of one number on one day are told apart by their suffix.
#[test]
fn an_operational_suffix_is_part_of_the_flight() {
    let key = |items: &[Parsed]| events(items)[0].flight.to_string();
    let paores = |number: &str| {
        let text = format!(
            "UNB+UNOA:1+A+B+261201:1200+R1'UNG+PAORES+A+B+261201:1200+G1+IA+93:1'UNH+1+PAORES:93:1:IA'TVL+030127:0830::1110+LHR+JFK+BA+{number}'PDI++J:9'UNT+4+1'UNE+1+G1'UNZ+1+R1'"
        );
        parse("paores", text.as_bytes())
    };
    for number in ["117::D", "117D"] {
        let items = paores(number);
        assert_eq!(codes(&items), [], "{:?}", rejects(&items));
        assert_eq!(key(&items), "BA117D.2027-01-03.LHR");
    }
    assert_eq!(codes(&paores("117::DD")), [Code::BadCode]);
    let with = shown("117").replace(
        "</number>",
        "</number><operationalSuffix>D</operationalSuffix>",
    );
    let items = parse("amadeus-multiavailability", display(&with).as_bytes());
    assert!(key(&items).contains("117D."), "{}", key(&items));
}

/// What was sold is no offer, wherever the type stands.
#[test]
fn an_amadeus_order_offers_nothing() {
    let offer = r#"{"itineraries":[{"segments":[{"departure":{"iataCode":"SYD","at":"2027-08-01T10:00:00"},"arrival":{"iataCode":"BKK","at":"2027-08-01T16:20:00"},"carrierCode":"TG","number":"476"}]}],"price":{"currency":"EUR","total":"200.00"},"travelerPricings":[{"travelerType":"ADULT","fareDetailsBySegment":[{"class":"W"}]}]}"#;
    for (text, wanted) in [
        (
            format!(r#"{{"data":{{"type":"flight-order","flightOffers":[{offer}]}}}}"#),
            [Code::UnknownType].as_slice(),
        ),
        (
            format!(r#"{{"data":{{"flightOffers":[{offer}],"type":"flight-order"}}}}"#),
            &[Code::UnknownType],
        ),
        (
            format!(r#"{{"data":{{"flightOffers":[{offer}],"type":"flight-offers-pricing"}}}}"#),
            &[],
        ),
    ] {
        let items = parse("amadeus-offers", text.as_bytes());
        assert_eq!(codes(&items), wanted, "{:?}", rejects(&items));
        assert_eq!(events(&items).is_empty(), !wanted.is_empty());
    }
}
