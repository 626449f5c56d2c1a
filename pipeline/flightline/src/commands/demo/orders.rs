//! Trips ordered through the booking API: searched, held or bought at once, paid with the sandbox,
//! some cancelled.

use anyhow::Context;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use super::bookings::Route;
use crate::commands::client::Client;

/// How many are tried.
const ORDERS: usize = 24;

/// What came of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Result {
    pub tried: usize,
    pub nothing_found: usize,
    pub instant: usize,
    pub held_and_paid: usize,
    pub cancelled: usize,
    /// On all flights of the orders that stayed.
    pub seats_sold: usize,
    pub refused: usize,
    pub first_refusal: Option<String>,
    /// The last one that stayed booked.
    pub example: Option<String>,
}

const TRAVELLERS: [(&str, &str, &str, &str); 4] = [
    ("ms", "f", "Amelia", "Earhart"),
    ("mr", "m", "Antoine", "Saint-Exupery"),
    ("dr", "f", "Sally", "Ride"),
    ("mrs", "f", "Bessie", "Coleman"),
];

/// Orders trips, one after the other.
pub(crate) async fn run(client: &Client, routes: &[Route], seed: u64) -> anyhow::Result<Result> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x6f72_6465_7273);
    let mut result = Result::default();
    for _ in 0..ORDERS {
        let Some(route) = routes.choose(&mut rng) else {
            break;
        };
        result.tried += 1;
        if let Err(error) = order(client, route, &mut rng, &mut result).await {
            result.refused += 1;
            result.first_refusal.get_or_insert(format!("{error:#}"));
        }
    }
    Ok(result)
}

async fn order(
    client: &Client,
    (origin, destination, date): &Route,
    rng: &mut StdRng,
    result: &mut Result,
) -> anyhow::Result<()> {
    let party = rng.random_range(1..=2);
    let search = json!({
        "slices": [{"origin": origin, "destination": destination, "departure_date": date}],
        "passengers": vec![json!({"type": "adult"}); party],
        "cabin_class": "economy",
        "max_connections": 1,
    });
    let found = call(client, "/air/offer_requests", search).await?;
    let offers = found["offers"].as_array().cloned().unwrap_or_default();
    let Some(offer) = offers.choose(rng) else {
        result.nothing_found += 1;
        return Ok(());
    };
    let passengers: Vec<Value> = offer["passengers"]
        .as_array()
        .into_iter()
        .flatten()
        .zip(TRAVELLERS)
        .map(|(passenger, (title, gender, given, family))| {
            json!({
                "id": passenger["id"], "title": title, "gender": gender, "given_name": given,
                "family_name": family, "born_on": "1987-07-24",
                "email": "traveller@example.com", "phone_number": "+442080160509",
            })
        })
        .collect();
    let payment = json!({
        "type": "balance", "amount": offer["total_amount"], "currency": offer["total_currency"],
    });
    let may_hold = offer["payment_requirements"]["requires_instant_payment"] == json!(false);
    let order = if may_hold && rng.random_bool(0.5) {
        let held = json!({
            "type": "hold", "selected_offers": [offer["id"]], "passengers": passengers,
        });
        let order = call(client, "/air/orders", held).await?;
        let payment = json!({"order_id": order["id"], "payment": payment});
        call(client, "/air/payments", payment).await?;
        result.held_and_paid += 1;
        order
    } else {
        let instant = json!({
            "type": "instant", "selected_offers": [offer["id"]], "passengers": passengers,
            "payments": [payment],
        });
        let order = call(client, "/air/orders", instant).await?;
        result.instant += 1;
        order
    };
    if rng.random_bool(0.2) {
        let id = json!({"order_id": order["id"]});
        let quote = call(client, "/air/order_cancellations", id).await?;
        let quote = quote["id"].as_str().context("a cancellation without id")?;
        let path = format!("/air/order_cancellations/{quote}/actions/confirm");
        call(client, &path, Value::Null).await?;
        result.cancelled += 1;
    } else {
        let slices = offer["slices"].as_array().into_iter().flatten();
        let flights = slices.filter_map(|slice| slice["segments"].as_array().map(Vec::len));
        result.seats_sold += party * flights.sum::<usize>();
        result.example = order["booking_reference"].as_str().map(str::to_owned);
    }
    Ok(())
}

async fn call(client: &Client, path: &str, data: Value) -> anyhow::Result<Value> {
    let request = client
        .request(Method::POST, path)
        .header("duffel-version", "v2");
    let request = match data {
        Value::Null => request,
        data => request.json(&json!({"data": data})),
    };
    let mut answer = client
        .json(request)
        .await
        .with_context(|| path.to_owned())?;
    Ok(answer["data"].take())
}
