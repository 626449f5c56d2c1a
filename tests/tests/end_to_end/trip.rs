//! A client of the booking API: searches, orders, pays, cancels.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{Answer, Client};

/// Names that stand nowhere else, so that a search for them finds nothing but them.
pub(crate) const GIVEN: &str = "Quirina";
pub(crate) const FAMILY: &str = "Zwentibold";

/// The way there, and the way back too if it is asked for.
pub(crate) fn search_body(adults: usize, with_return: bool) -> Value {
    let mut slices = vec![
        json!({"origin": "JFK", "destination": "LAX", "departure_date": "2035-06-01"}),
        json!({"origin": "LAX", "destination": "JFK", "departure_date": "2035-06-05"}),
    ];
    slices.truncate(if with_return { 2 } else { 1 });
    let passengers = vec![json!({"type": "adult"}); adults];
    json!({"data": {"slices": slices, "passengers": passengers, "max_connections": 0}})
}

/// The offers of a search, as soon as there are some.
pub(crate) async fn offers(client: &Client, adults: usize, with_return: bool) -> Vec<Value> {
    let body = search_body(adults, with_return);
    for _ in 0..1000 {
        let found = client
            .call(Method::POST, "/air/offer_requests", Some(&body))
            .await;
        assert_eq!(found.status, StatusCode::CREATED, "{found:?}");
        match found.body["data"]["offers"].as_array() {
            Some(offers) if !offers.is_empty() => return offers.clone(),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("a search finds no offers");
}

/// Does a search find the way there?
pub(crate) async fn finds(client: &Client) -> bool {
    let body = search_body(1, false);
    let path = "/air/offer_requests";
    let found = client.call(Method::POST, path, Some(&body)).await;
    let offers = found.body["data"]["offers"].as_array();
    offers.is_some_and(|offers| !offers.is_empty())
}

/// The cheapest offer of a new search.
pub(crate) async fn offer(client: &Client, adults: usize, with_return: bool) -> Value {
    offers(client, adults, with_return).await.swap_remove(0)
}

/// What pays an offer or order: the client's balance, or a method of the sandbox.
pub(crate) fn payment(priced: &Value, method: Option<&str>) -> Value {
    let mut payment = json!({
        "type": "balance", "amount": priced["total_amount"], "currency": priced["total_currency"],
    });
    if let Some(method) = method {
        payment["type"] = json!("card");
        payment["payment_method_id"] = json!(method);
    }
    payment
}

/// An order of an offer, held when there is no payment.
pub(crate) fn order_body(offer: &Value, payment: Option<Value>) -> Value {
    let passengers = offer["passengers"].as_array().expect("passengers");
    let people: Vec<Value> = passengers
        .iter()
        .enumerate()
        .map(|(n, passenger)| {
            // Two of one name would be taken for one.
            let given = format!("{GIVEN}{}", "a".repeat(n));
            json!({
                "id": passenger["id"], "title": "ms", "gender": "f", "given_name": given,
                "family_name": FAMILY, "born_on": "1987-07-24",
                "email": "quirina@example.com", "phone_number": "+442080160508",
            })
        })
        .collect();
    let mut data = json!({"selected_offers": [offer["id"]], "passengers": people});
    match payment {
        Some(payment) => {
            data["type"] = json!("instant");
            data["payments"] = json!([payment]);
        }
        None => data["type"] = json!("hold"),
    }
    json!({"data": data})
}

/// Orders, and expects to get the order.
pub(crate) async fn ordered(client: &Client, body: &Value) -> Value {
    let made = client.call(Method::POST, "/air/orders", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body["data"].clone()
}

/// Buys an offer with the client's balance.
pub(crate) async fn bought(client: &Client, offer: &Value) -> Value {
    ordered(client, &order_body(offer, Some(payment(offer, None)))).await
}

/// Pays an order that is held.
pub(crate) async fn pay(client: &Client, order: &Value, method: Option<&str>) -> Answer {
    let body = json!({"data": {"order_id": order["id"], "payment": payment(order, method)}});
    client
        .call(Method::POST, "/air/payments", Some(&body))
        .await
}

/// Asks what cancelling would give back.
pub(crate) async fn quote(client: &Client, order: &Value) -> Answer {
    let body = json!({"data": {"order_id": order["id"]}});
    client
        .call(Method::POST, "/air/order_cancellations", Some(&body))
        .await
}

/// Confirms a cancellation.
pub(crate) async fn confirm(client: &Client, quote: &Value) -> Answer {
    let path = format!(
        "/air/order_cancellations/{}/actions/confirm",
        quote["id"].as_str().expect("an id")
    );
    client.call(Method::POST, &path, None).await
}

/// The address of an order.
pub(crate) fn path_of(order: &Value) -> String {
    format!("/air/orders/{}", order["id"].as_str().expect("an id"))
}
