//! What offers look like.

use serde_json::{Value, json};

use super::{Booking, amount, flights, id, one_way, slice, trip};
use crate::replica::KEY;

#[tokio::test]
async fn a_one_way_search_gives_whole_offers() {
    let booking = Booking::start().await;
    let reply = booking.search(&one_way()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let found = &reply.json()["data"];
    assert!(found["id"].as_str().unwrap().starts_with("orq_"));
    assert_eq!(found["created_at"], "2027-01-01T00:00:00.000000Z");
    assert_eq!(found["slices"][0]["origin_type"], "airport");
    assert_eq!(found["slices"][0]["departure_date"], "2027-01-05");
    let offers = found["offers"].as_array().unwrap();
    assert_eq!(offers.len(), 1);
    let offer = &offers[0];
    assert_eq!(flights(offer), [[KEY]]);
    assert_eq!(
        (amount(offer), &offer["total_currency"]),
        ("120.00", &json!("USD"))
    );
    assert_eq!(offer["expires_at"], "2027-01-01T00:20:00.000000Z");
    assert_eq!(offer["owner"]["name"], "United Airlines");
    assert_eq!(offer["passengers"][0]["id"], found["passengers"][0]["id"]);
    let payment = &offer["payment_requirements"];
    assert_eq!(payment["requires_instant_payment"], false);
    assert_eq!(
        payment["payment_required_by"],
        "2027-01-02T00:00:00.000000Z"
    );
    assert_eq!(
        payment["payment_required_by"],
        payment["price_guarantee_expires_at"]
    );
    let refund = &offer["conditions"]["refund_before_departure"];
    assert_eq!(
        refund,
        &json!({"allowed": true, "penalty_amount": "0.00", "penalty_currency": "USD"})
    );
    let segment = &offer["slices"][0]["segments"][0];
    assert_eq!(segment["departing_at"], "2027-01-05T05:00:00");
    assert_eq!(segment["arriving_at"], "2027-01-05T06:00:00");
    assert_eq!(segment["duration"], "PT2H");
    assert_eq!(segment["marketing_carrier_flight_number"], "1545");
    assert_eq!(segment["aircraft"]["name"], "Boeing 737-800");
    assert_eq!(segment["passengers"][0]["cabin_class"], "economy");
    let km: f64 = segment["distance"].as_str().unwrap().parse().unwrap();
    assert!((2_240.0..2_260.0).contains(&km), "{km}");
    assert!(offer["allowed_passenger_identity_document_types"].is_array());
}

#[tokio::test]
async fn stations_on_the_way_are_stops() {
    let booking = Booking::start().await;
    booking.server.replica.fare(crate::replica::LEGS, 30_000);
    booking.covered().await;
    let offers = booking
        .offers(&trip(&[slice("JFK", "LAX", "2027-01-05")]))
        .await;
    let through = offers.iter().find(|o| amount(o) == "300.00").unwrap();
    assert_eq!(flights(through), [[crate::replica::LEGS]]);
    let segment = &through["slices"][0]["segments"][0];
    assert_eq!(segment["duration"], "PT5H");
    let stop = &segment["stops"][0];
    assert_eq!(segment["stops"].as_array().unwrap().len(), 1);
    assert_eq!(stop["airport"]["iata_code"], "ORD");
    assert_eq!(stop["arriving_at"], "2027-01-05T06:00:00");
    assert_eq!(stop["departing_at"], "2027-01-05T08:00:00");
    assert_eq!(stop["duration"], "PT1H");
    let path = format!("/air/offers/{}", id(through));
    let again = booking.get(&path).await.is_ok();
    assert_eq!(again["data"]["slices"], through["slices"]);
}

/// Clients of Duffel's drop a whole list when one of these keys is missing in it.
#[tokio::test]
async fn every_key_is_there() {
    let booking = Booking::start().await;
    let reply = booking
        .search(&trip(&[slice("NYC", "IAH", "2027-01-05")]))
        .await
        .json();
    let request = &reply["data"];
    let offer = &request["offers"][0];
    let slice = &offer["slices"][0];
    let segment = &slice["segments"][0];
    let has = |value: &Value, keys: &str| {
        for key in keys.split_whitespace() {
            assert!(value.get(key).is_some(), "{key} is not in {value}");
        }
    };
    has(
        request,
        "id live_mode created_at cabin_class client_key slices passengers offers",
    );
    has(
        &request["slices"][0],
        "origin destination origin_type destination_type departure_date",
    );
    let passenger = "id type age fare_type given_name family_name loyalty_programme_accounts";
    has(&request["passengers"][0], passenger);
    has(&offer["passengers"][0], passenger);
    has(
        offer,
        "id live_mode partial created_at updated_at expires_at total_amount total_currency base_amount \
         base_currency tax_amount tax_currency total_emissions_kg owner passengers payment_requirements \
         conditions passenger_identity_documents_required supported_passenger_identity_document_types \
         allowed_passenger_identity_document_types supported_loyalty_programmes private_fares \
         available_services slices",
    );
    has(
        &offer["payment_requirements"],
        "requires_instant_payment payment_required_by price_guarantee_expires_at",
    );
    has(
        &offer["conditions"],
        "change_before_departure refund_before_departure",
    );
    has(
        &offer["conditions"]["change_before_departure"],
        "allowed penalty_amount penalty_currency",
    );
    has(
        slice,
        "id origin destination origin_type destination_type duration fare_brand_name ngs_shelf \
         comparison_key segments conditions",
    );
    has(
        &slice["conditions"],
        "change_before_departure refund_before_departure advance_seat_selection priority_boarding \
         priority_check_in",
    );
    has(
        segment,
        "id origin destination origin_terminal destination_terminal departing_at arriving_at duration \
         distance aircraft marketing_carrier marketing_carrier_flight_number operating_carrier \
         operating_carrier_flight_number stops passengers",
    );
    has(
        &segment["passengers"][0],
        "passenger_id cabin_class cabin_class_marketing_name fare_basis_code baggages cabin",
    );
    has(
        &segment["passengers"][0]["cabin"]["amenities"],
        "wifi seat power",
    );
    has(
        &offer["owner"],
        "id name iata_code logo_symbol_url logo_lockup_url conditions_of_carriage_url",
    );
    let place = "type id name iata_code iata_country_code latitude longitude time_zone icao_code \
         city_name iata_city_code city";
    has(&slice["origin"], place);
    has(&slice["origin"], "airports");
    has(&segment["origin"], place);
}
