//! Offers: lists of them, prices again, and ids that are good no more.

use std::collections::BTreeSet;

use flightline_ledger::ProviderBody;
use serde_json::{Value, json};

use super::{Booking, amount, flights, fly, id, one_way, slice, trip};
use crate::replica::{DEPARTS_S, KEY};

fn return_trip() -> Value {
    trip(&[
        slice("NYC", "IAH", "2027-01-05"),
        slice("IAH", "NYC", "2027-01-07"),
    ])
}

#[tokio::test]
async fn offers_are_paged_to_the_end_with_the_ids_of_the_search() {
    let booking = Booking::start().await;
    let found = booking.search(&return_trip()).await.is_ok();
    let searched: BTreeSet<&str> = found["data"]["offers"]
        .as_array()
        .unwrap()
        .iter()
        .map(id)
        .collect();
    let request = found["data"]["id"].as_str().unwrap();
    // The stream goes on in every partition, but nothing of these offers changes.
    for number in 60..76 {
        let flight = format!("UA{number}.2027-02-01.EWR");
        let sold_by = [(crate::replica::provider(), 9_900)];
        fly(
            &booking.server,
            &flight,
            "IAH",
            DEPARTS_S + 27 * 86_400,
            9,
            &sold_by,
        );
    }
    booking.covered().await;
    for limit in [1, 3, 200] {
        let listed = booking
            .pages(&format!("/air/offers?offer_request_id={request}&"), limit)
            .await;
        let ids: Vec<&str> = listed.iter().map(id).collect();
        let sorted: Vec<&str> = searched.iter().copied().collect();
        assert_eq!(ids, sorted, "limit {limit}");
    }
    let amounts = async |sort: &str| -> Vec<String> {
        let path = format!("/air/offers?offer_request_id={request}&sort={sort}&");
        let listed = booking.pages(&path, 3).await;
        listed.iter().map(|o| amount(o).to_owned()).collect()
    };
    assert_eq!(
        amounts("total_amount").await,
        ["210.00", "230.00", "240.00", "260.00"]
    );
    assert_eq!(
        amounts("-total_amount").await,
        ["260.00", "240.00", "230.00", "210.00"]
    );
    assert_eq!(amounts("total_duration").await.len(), 4);

    let to_lax = booking
        .search(&trip(&[slice("EWR", "LAX", "2027-01-05")]))
        .await
        .is_ok();
    let request = to_lax["data"]["id"].as_str().unwrap();
    let direct = format!("/air/offers?offer_request_id={request}&max_connections=");
    assert_eq!(
        booking.get(&format!("{direct}0")).await.is_ok()["data"],
        json!([])
    );
    assert_eq!(
        booking.get(&format!("{direct}1")).await.is_ok()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    booking
        .get("/air/offers")
        .await
        .is(422, "validation_required");
    booking
        .get("/air/offers?offer_request_id=x")
        .await
        .is(404, "not_found");
    let path = format!("/air/offers?offer_request_id={request}&sort=price");
    booking.get(&path).await.is(422, "validation_inclusion");
}

#[tokio::test]
async fn an_offer_is_priced_again() {
    let booking = Booking::start().await;
    let offers = booking.offers(&return_trip()).await;
    let offer = offers.iter().find(|o| amount(o) == "210.00").unwrap();
    let path = format!("/air/offers/{}?return_available_services=true", id(offer));
    booking.advance_ms(60_000);
    let same = booking.get(&path).await.is_ok();
    assert_eq!(same["data"]["updated_at"], "2027-01-01T00:01:00.000000Z");
    let mut unchanged = same["data"].clone();
    unchanged["updated_at"] = offer["updated_at"].clone();
    assert_eq!(&unchanged, offer, "but for the time of pricing");

    booking.server.replica.fare(KEY, 12_550);
    booking.covered().await;
    let changed = booking.get(&path).await.is_ok();
    let changed = &changed["data"];
    assert_ne!(id(changed), id(offer));
    assert_eq!(amount(changed), "215.50");
    assert_eq!(flights(changed), flights(offer));
    assert_eq!(changed["expires_at"], offer["expires_at"]);
    assert_eq!(changed["passengers"], offer["passengers"]);
    // The new id stands for itself.
    let path = format!("/air/offers/{}", id(changed));
    let again = booking.get(&path).await.is_ok();
    assert_eq!(&again["data"], changed);
}

#[tokio::test]
async fn seats_that_are_gone_end_an_offer() {
    let booking = Booking::start().await;
    let mut body = one_way();
    body["passengers"] = json!([{"type": "adult"}, {"type": "adult"}]);
    let offer = booking.offers(&body).await.remove(0);
    let path = format!("/air/offers/{}", id(&offer));
    booking.server.hold("nine", 9).await.is_ok();
    booking.covered().await;
    let reply = booking.get(&path).await;
    reply.is(422, "offer_no_longer_available");
    assert!(reply.message().contains(KEY), "{}", reply.message());
    assert_eq!(reply.json()["errors"][0]["type"], "invalid_state_error");

    let cancelled = booking
        .offers(&trip(&[slice("JFK", "IAH", "2027-01-05")]))
        .await
        .remove(0);
    booking.server.replica.event_of(
        "DL30.2027-01-05.JFK",
        ProviderBody::Cancel,
        2_000_000,
        crate::replica::provider(),
    );
    booking.covered().await;
    let path = format!("/air/offers/{}", id(&cancelled));
    booking
        .get(&path)
        .await
        .is(422, "offer_no_longer_available");
}

#[tokio::test]
async fn an_offer_expires() {
    let booking = Booking::with(|config| config.booking.offer_ttl_ms = 90_000).await;
    let found = booking.search(&one_way()).await.is_ok();
    let offer = &found["data"]["offers"][0];
    assert_eq!(offer["expires_at"], "2027-01-01T00:01:30.000000Z");
    let path = format!("/air/offers/{}", id(offer));
    booking.advance_ms(89_999);
    assert_eq!(booking.get(&path).await.status, 200);
    booking.advance_ms(1);
    booking.get(&path).await.is(422, "offer_expired");
    let request = found["data"]["id"].as_str().unwrap();
    let list = booking
        .get(&format!("/air/offers?offer_request_id={request}"))
        .await
        .is_ok();
    assert_eq!(list["data"], json!([]));
    let request = booking
        .get(&format!("/air/offer_requests/{request}"))
        .await
        .is_ok();
    assert_eq!(request["data"]["offers"], json!([]));
}

#[tokio::test]
async fn an_id_that_was_changed_is_none() {
    let booking = Booking::start().await;
    let offer = booking.offers(&one_way()).await.remove(0);
    let id = id(&offer);
    for at in [4, 5, 30, id.len() / 2, id.len() - 2] {
        let mut bytes = id.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        booking
            .get(&format!("/air/offers/{changed}"))
            .await
            .is(404, "not_found");
    }
    for other in [
        "off_",
        "x",
        "off_AAAA",
        &id[..id.len() - 1],
        "off_%F0%9F%9B%AB",
    ] {
        booking
            .get(&format!("/air/offers/{other}"))
            .await
            .is(404, "not_found");
    }
    let foreign =
        Booking::with(|config| config.offer_key = flightline_api::OfferKey::random()).await;
    foreign
        .get(&format!("/air/offers/{id}"))
        .await
        .is(404, "not_found");
    let same_key = Booking::start().await;
    assert_eq!(same_key.get(&format!("/air/offers/{id}")).await.status, 200);
}

#[tokio::test]
async fn terms_of_refund_are_those_of_the_operator() {
    use flightline_ledger::order::RefundTerms;
    let refund = async |terms: RefundTerms| {
        let booking = Booking::with(|config| config.booking.refund = terms).await;
        let offer = booking.offers(&one_way()).await.remove(0);
        let slice = &offer["slices"][0]["conditions"]["refund_before_departure"];
        assert_eq!(slice, &offer["conditions"]["refund_before_departure"]);
        slice.clone()
    };
    assert_eq!(
        refund(RefundTerms::Penalty(2_500)).await["penalty_amount"],
        "25.00"
    );
    let none = json!({"allowed": false, "penalty_amount": null, "penalty_currency": null});
    assert_eq!(refund(RefundTerms::Nothing).await, none);
}
