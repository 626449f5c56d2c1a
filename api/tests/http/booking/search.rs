//! Offer requests: one-way, return, several cities, whole cities, and what is refused.

use serde_json::{Value, json};

use super::{Booking, amount, flights, id, one_way, post, request, slice, trip};
use crate::replica::KEY;

#[tokio::test]
async fn a_party_pays_for_its_seats() {
    let booking = Booking::start().await;
    let mut body = one_way();
    body["passengers"] = json!([
        {"type": "adult", "given_name": "Amelia", "family_name": "Earhart"},
        {"age": 10}, {"age": 1}, {"fare_type": "student"}
    ]);
    let reply = booking.search(&body).await.json();
    let found = &reply["data"];
    let offer = &found["offers"][0];
    assert_eq!(amount(offer), "360.00", "a lap infant costs nothing");
    assert_eq!(
        offer["slices"][0]["segments"][0]["passengers"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(offer["passengers"][0]["given_name"], "Amelia");
    assert_eq!(
        (
            &offer["passengers"][1]["age"],
            &offer["passengers"][1]["type"]
        ),
        (&json!(10), &Value::Null)
    );
    // Names are not kept.
    let again = booking
        .get(&format!(
            "/air/offer_requests/{}",
            found["id"].as_str().unwrap()
        ))
        .await
        .is_ok();
    assert_eq!(again["data"]["passengers"][0]["given_name"], Value::Null);
    assert_eq!(
        again["data"]["passengers"][0]["id"],
        found["passengers"][0]["id"]
    );
    // Ten seats there are, not eleven.
    body["passengers"] = json!(vec![json!({"type": "adult"}); 9]);
    assert_eq!(booking.offers(&body).await.len(), 1);
    booking.server.hold("two", 2).await.is_ok();
    booking.covered().await;
    assert_eq!(booking.offers(&body).await.len(), 0);
}

#[tokio::test]
async fn flights_connect_and_cities_expand() {
    let booking = Booking::start().await;
    let to_lax = trip(&[slice("EWR", "LAX", "2027-01-05")]);
    let offers = booking.offers(&to_lax).await;
    assert_eq!(offers.len(), 1);
    assert_eq!(flights(&offers[0]), [[KEY, "UA20.2027-01-05.IAH"]]);
    assert_eq!(amount(&offers[0]), "320.00");
    let mut direct = to_lax.clone();
    direct["max_connections"] = json!(0);
    assert_eq!(booking.offers(&direct).await.len(), 0);

    let city = trip(&[slice("NYC", "IAH", "2027-01-05")]);
    let offers = booking.offers(&city).await;
    let found: Vec<_> = offers
        .iter()
        .map(|o| (amount(o), flights(o)[0][0]))
        .collect();
    assert_eq!(found, [("120.00", KEY), ("150.00", "DL30.2027-01-05.JFK")]);
    let origin = &offers[1]["slices"][0]["origin"];
    assert_eq!(
        (&origin["type"], &origin["iata_code"]),
        (&json!("city"), &json!("NYC"))
    );
    assert_eq!(offers[1]["slices"][0]["origin_type"], "city");
    assert_eq!(
        offers[1]["owner"]["name"], "DL",
        "not in the table: its code is its name"
    );

    let mut early = city.clone();
    early["slices"][0]["departure_time"] = json!({"from": "05:30", "to": "06:00"});
    let offers = booking.offers(&early).await;
    assert_eq!(offers.len(), 1);
    assert_eq!(flights(&offers[0])[0], ["DL30.2027-01-05.JFK"]);
    let mut first = city;
    first["cabin_class"] = json!("first");
    assert_eq!(
        booking.offers(&first).await.len(),
        0,
        "first class has no fare"
    );
}

#[tokio::test]
async fn slices_join_to_return_and_multi_city_trips() {
    let booking = Booking::start().await;
    let back = trip(&[
        slice("NYC", "IAH", "2027-01-05"),
        slice("IAH", "NYC", "2027-01-07"),
    ]);
    let offers = booking.offers(&back).await;
    let amounts: Vec<_> = offers.iter().map(amount).collect();
    assert_eq!(amounts, ["210.00", "230.00", "240.00", "260.00"]);
    assert_eq!(flights(&offers[0]), [[KEY], ["UA41.2027-01-07.IAH"]]);

    // One day, three slices: the onward flight leaves two hours after the first arrives.
    let cities = trip(&[
        slice("EWR", "IAH", "2027-01-05"),
        slice("IAH", "LAX", "2027-01-05"),
    ]);
    let offers = booking.offers(&cities).await;
    assert_eq!(flights(&offers[0]), [[KEY], ["UA20.2027-01-05.IAH"]]);
    // From JFK one arrives an hour before it leaves, which is just enough; not so after a delay.
    let cities = trip(&[
        slice("JFK", "IAH", "2027-01-05"),
        slice("IAH", "LAX", "2027-01-05"),
    ]);
    assert_eq!(booking.offers(&cities).await.len(), 1);
    let shorter = Booking::with(|config| config.booking.connections.min_connection_min = 61).await;
    assert_eq!(shorter.offers(&cities).await.len(), 0);
}

#[tokio::test]
async fn an_aircraft_that_several_sell_is_one_offer() {
    let booking = Booking::start().await;
    let lon = "lon".parse().unwrap();
    super::fly(
        &booking.server,
        "UA50.2027-01-06.EWR",
        "ORD",
        crate::replica::DEPARTS_S + 86_400,
        9,
        &[(crate::replica::provider(), 14_000), (lon, 13_000)],
    );
    booking.covered().await;
    let offers = booking
        .offers(&trip(&[slice("EWR", "ORD", "2027-01-06")]))
        .await;
    assert_eq!(offers.len(), 1);
    let segment = &offers[0]["slices"][0]["segments"][0];
    assert_eq!(
        (amount(&offers[0]), &segment["provider"]),
        ("130.00", &json!("lon"))
    );
    assert_eq!(
        segment["alternatives"],
        json!([{"flight_key": "UA50.2027-01-06.EWR", "provider": "nyc", "booking_class": null,
            "amount": "140.00", "currency": "USD"}])
    );
}

#[tokio::test]
async fn what_is_wrong_is_pointed_at() {
    let booking = Booking::start().await;
    for (change, code, pointer) in [
        (json!({"slices": []}), "validation_required", "/slices"),
        (
            json!({"passengers": null}),
            "validation_required",
            "/passengers",
        ),
        (
            json!({"slices": [slice("EWR", "EWR", "2027-01-05")]}),
            "validation_inclusion",
            "/slices/0/destination",
        ),
        (
            json!({"slices": [slice("NYC", "JFK", "2027-01-05")]}),
            "validation_inclusion",
            "/slices/0/destination",
        ),
        (
            json!({"slices": [slice("EWR", "QQQ", "2027-01-05")]}),
            "validation_inclusion",
            "/slices/0/destination",
        ),
        (
            json!({"slices": [slice("EWR", "IAH", "2026-12-30")]}),
            "validation_inclusion",
            "/slices/0/departure_date",
        ),
        (
            json!({"slices": [slice("EWR", "IAH", "soon")]}),
            "validation_format",
            "/slices/0/departure_date",
        ),
        (
            json!({"passengers": [{"type": "adult"}, {"age": 99}]}),
            "validation_inclusion",
            "/passengers/1/age",
        ),
        (
            json!({"passengers": [{"age": 0}]}),
            "validation_inclusion",
            "/passengers",
        ),
        (
            json!({"cabin_class": "roof"}),
            "validation_inclusion",
            "/cabin_class",
        ),
        (
            json!({"max_connections": "1"}),
            "validation_type",
            "/max_connections",
        ),
    ] {
        let mut body = one_way();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let reply = booking.search(&body).await;
        reply.is(422, code);
        let error = &reply.json()["errors"][0];
        assert_eq!(error["source"]["pointer"], pointer);
        assert_eq!(error["type"], "validation_error");
    }
    // Unknown fields are left alone.
    let mut body = one_way();
    body["colour"] = json!("red");
    body["slices"][0]["seats"] = json!(1);
    assert_eq!(booking.search(&body).await.status, 201);
}

#[tokio::test]
async fn a_request_answers_by_its_id_and_is_listed() {
    let booking = Booking::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let found = booking.search(&one_way()).await.is_ok();
        ids.push(found["data"]["id"].as_str().unwrap().to_owned());
    }
    ids.reverse();
    let listed = booking.pages("/air/offer_requests?", 2).await;
    let listed_ids: Vec<&str> = listed.iter().map(id).collect();
    assert_eq!(listed_ids, ids, "the latest first");
    assert!(listed[0].get("offers").is_none());

    // Another replica with the same key, as after a restart: it knows no list, but every id.
    let other = Booking::start().await;
    assert_eq!(other.pages("/air/offer_requests?", 2).await.len(), 0);
    let found = other
        .get(&format!("/air/offer_requests/{}", ids[0]))
        .await
        .is_ok();
    assert_eq!(found["data"]["offers"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"]["slices"], listed[0]["slices"]);

    let foreign =
        Booking::with(|config| config.offer_key = flightline_api::OfferKey::random()).await;
    foreign
        .get(&format!("/air/offer_requests/{}", ids[0]))
        .await
        .is(404, "not_found");
    booking
        .get("/air/offer_requests/orq_x")
        .await
        .is(404, "not_found");
}

#[tokio::test]
async fn what_has_departed_is_not_offered() {
    let booking = Booking::start().await;
    let mut body = trip(&[slice("NYC", "IAH", "2027-01-05")]);
    body["max_connections"] = json!(0);
    // Half an hour after the first of two flights has left.
    booking.advance_ms(crate::replica::DEPARTS_S * 1000 - crate::replica::START_MS + 1_800_000);
    let offers = booking.offers(&body).await;
    assert_eq!(offers.len(), 1);
    assert_eq!(flights(&offers[0])[0], ["DL30.2027-01-05.JFK"]);
    // Too near to be held.
    let payment = &offers[0]["payment_requirements"];
    assert_eq!(payment["requires_instant_payment"], true);
    assert_eq!(payment["payment_required_by"], Value::Null);
    assert_eq!(payment["price_guarantee_expires_at"], Value::Null);
}

#[tokio::test]
async fn searches_wait_their_turn() {
    let booking = Booking::with(|config| config.booking.searches_max = 1).await;
    let body = one_way();
    let searches = (0..8).map(|_| booking.search(&body));
    for reply in futures_util::future::join_all(searches).await {
        assert_eq!(reply.status, 201);
    }
    let head = request("HEAD", "/air/offer_requests");
    assert_eq!(booking.server.send(head).await.status, 200);
    let mut old = post(&one_way());
    old.headers[0].1 = "v1".into();
    assert_eq!(booking.server.send(old).await.status, 201);
}

#[tokio::test]
async fn a_key_stands_for_one_search() {
    let booking = Booking::start().await;
    let under = |key: &str, body: &Value| post(body).header("idempotency-key", key);
    let first = booking.server.send(under("k1", &one_way())).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    booking.advance_ms(60_000);
    let again = booking.server.send(under("k1", &one_way())).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    assert_eq!(booking.pages("/air/offer_requests?", 9).await.len(), 1);
    let mut other = one_way();
    other["max_connections"] = json!(0);
    let reused = booking.server.send(under("k1", &other)).await;
    reused.is(409, "idempotency_key_reused");
    let second = booking.server.send(under("k2", &one_way())).await.json();
    assert_ne!(second["data"]["id"], first.json()["data"]["id"]);
    let malformed = booking.server.send(under("", &one_way())).await;
    malformed.is(400, "invalid_idempotency_key");
}
