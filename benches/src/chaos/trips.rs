//! Clients that search, order, pay and cancel trips, with payments that are declined and lost.

use std::time::Instant;

use serde_json::{Value, json};

use super::target::Way;
use crate::latency::Latencies;
use crate::random::Dice;

/// What a client was told of an order.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// It is paid and has its ticket.
    pub is_booked: bool,
    /// Its cancellation was confirmed.
    pub is_cancelled: bool,
}

/// What one client was told.
#[derive(Debug, Default)]
pub struct Story {
    /// Its orders.
    pub orders: Vec<Told>,
    /// Orders that were refused: declined, sold out.
    pub refused: u64,
    /// From the request for an order to its definite answer.
    pub latencies: Latencies,
    /// Answers that contradict what was told before.
    pub contradictions: Vec<String>,
}

/// One client, until the run is over.
pub struct Shopper {
    /// Its number.
    pub client: u32,
    /// The way to the replica.
    pub way: Way,
    /// What it asks for.
    pub dice: Dice,
}

const METHODS: [Option<&str>; 5] = [
    None,
    None,
    Some("sandbox_lost"),
    Some("sandbox_capture_lost"),
    Some("sandbox_declined"),
];

impl Shopper {
    /// Shops and shops.
    ///
    /// # Errors
    ///
    /// The replica did not come back.
    pub async fn run(mut self) -> anyhow::Result<Story> {
        let mut story = Story::default();
        let mut number = 0_u64;
        while !self.way.is_over() {
            number += 1;
            self.trip(&mut story, number).await?;
        }
        Ok(story)
    }

    async fn trip(&mut self, story: &mut Story, number: u64) -> anyhow::Result<()> {
        let key = |what: &str| format!("chaos-{}-{number}-{what}", self.client);
        let both_ways = self.dice.below(2) == 0;
        let adults = 1 + self.dice.below(2) as usize;
        let search = search_body(adults, both_ways);
        let found = self
            .way
            .ask("/air/offer_requests", Some(&key("search")), Some(&search))
            .await?;
        let offers = found.body["data"]["offers"].as_array();
        let offers = offers.map_or(&[][..], Vec::as_slice);
        let Some(offer) = offers.get(self.dice.below(offers.len() as u64) as usize) else {
            return Ok(());
        };
        let method = METHODS[self.dice.below(METHODS.len() as u64) as usize];
        let is_instant = self.dice.below(100) < 60;
        let pays = is_instant.then(|| payment(offer, method));
        let order = order_body(offer, pays);
        let begun = Instant::now();
        let made = self
            .way
            .ask("/air/orders", Some(&key("order")), Some(&order))
            .await?;
        story.latencies.record(begun.elapsed());
        if made.status != 201 {
            story.refused += 1;
            return Ok(());
        }
        let order = &made.body["data"];
        let id = order["id"].as_str().unwrap_or_default().to_owned();
        let mut told = Told {
            id: id.clone(),
            is_booked: is_instant,
            is_cancelled: false,
        };
        if !is_instant && self.dice.below(100) < 70 {
            let body = json!({"data": {"order_id": id, "payment": payment(order, method)}});
            let paid = self
                .way
                .ask("/air/payments", Some(&key("pay")), Some(&body))
                .await?;
            told.is_booked = paid.status == 201;
        }
        if self.dice.below(100) < 30 {
            let body = json!({"data": {"order_id": id}});
            let quoted = self
                .way
                .ask("/air/order_cancellations", Some(&key("quote")), Some(&body))
                .await?;
            if let Some(quote) = quoted.body["data"]["id"].as_str() {
                let path = format!("/air/order_cancellations/{quote}/actions/confirm");
                let confirmed = self.way.ask(&path, Some(&key("cancel")), None).await?;
                told.is_cancelled = confirmed.status == 200;
            } else {
                let what = format!("{id} cannot be cancelled: {}", quoted.body);
                story.contradictions.push(what);
            }
        }
        story.orders.push(told);
        Ok(())
    }
}

fn search_body(adults: usize, both_ways: bool) -> Value {
    let mut slices = vec![
        json!({"origin": "JFK", "destination": "LAX", "departure_date": "2035-06-01"}),
        json!({"origin": "LAX", "destination": "JFK", "departure_date": "2035-06-05"}),
    ];
    slices.truncate(if both_ways { 2 } else { 1 });
    let passengers = vec![json!({"type": "adult"}); adults];
    json!({"data": {"slices": slices, "passengers": passengers, "max_connections": 0}})
}

fn payment(priced: &Value, method: Option<&str>) -> Value {
    let mut payment = json!({
        "type": "balance", "amount": priced["total_amount"], "currency": priced["total_currency"],
    });
    if let Some(method) = method {
        payment["type"] = json!("card");
        payment["payment_method_id"] = json!(method);
    }
    payment
}

fn order_body(offer: &Value, payment: Option<Value>) -> Value {
    let passengers = offer["passengers"].as_array();
    let people: Vec<Value> = passengers
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .enumerate()
        .map(|(n, passenger)| {
            json!({
                "id": passenger["id"], "title": "ms", "gender": "f",
                "given_name": format!("Ada{}", "a".repeat(n)), "family_name": "Chaos",
                "born_on": "1987-07-24", "email": "ada@example.com",
                "phone_number": "+442080160508",
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
