//! Signed JSON to an address of the provider's, in the manner of the webhooks that clients get.
//!
//! One message asks for one thing and is answered in the same exchange: taken, refused, or not decided yet.
//! Whatever is none of these answers tells nothing, and the same message is sent again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::config::{OutwardError, Secret};
use super::http::{self, Reply};
use super::port::{Answer, Asked, OutwardService, Placed, Placement, Refusal};
use crate::webhooks::event::instant;
use crate::webhooks::signature::{HEADER, sign};

/// A provider that takes signed JSON.
#[derive(Debug)]
pub struct Webhook {
    client: reqwest::Client,
    url: Url,
    secret: Secret,
}

impl Webhook {
    /// One at this address.
    ///
    /// # Errors
    /// The address is none that passengers' data may go to.
    pub fn new(url: &str, secret: Secret, timeout: Duration) -> Result<Self, OutwardError> {
        Ok(Self {
            client: http::client(timeout)?,
            url: http::address(url)?,
            secret,
        })
    }

    async fn send(&self, placement: &Placement, what: &'static str) -> Result<Reply, String> {
        let body = message(placement, what).to_string();
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_s = now_s.map_or(0, |since| since.as_secs());
        let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("{}-{what}", placement.key))
            .header(HEADER, sign(self.secret.reveal(), now_s, body.as_bytes()))
            .body(body);
        http::send(request).await
    }
}

/// What is sent. Made of what never changes, so that it is the same each time.
fn message(placement: &Placement, what: &'static str) -> Value {
    let flight = &placement.flight;
    let mut number = flight.number.to_string();
    if flight.suffix != 0 {
        number.push(char::from(flight.suffix));
    }
    json!({
        "id": placement.key.to_string(),
        "type": format!("order.{what}"),
        "provider": placement.provider.as_str(),
        "order_id": placement.order,
        "booking_reference": placement.booking,
        "segment": placement.segment,
        "sale_id": placement.hold.to_string(),
        "flight": {
            "key": flight.to_string(),
            "carrier": flight.carrier.to_string(),
            "number": number,
            "origin_date": flight.origin_date.to_string(),
        },
        "board": placement.board.as_str(),
        "off": placement.off.as_str(),
        "departure_date": placement.date.to_string(),
        "departs_at": instant(placement.departs_ms),
        "cabin": placement.cabin.to_string(),
        "class": placement.class.map(|class| class.to_string()),
        "seats": placement.seats,
        "price": {
            "amount": placement.price.to_string(),
            "currency": placement.price.currency.as_str(),
        },
        "passengers": placement.travellers,
    })
}

/// What an answer says, beside `yes`.
fn read(reply: &Reply, yes: &str) -> Answer<Option<String>> {
    let text = |name: &str| reply.body.get(name).and_then(Value::as_str);
    match text("status") {
        Some(status) if status == yes && (200..300).contains(&reply.status) => {
            Answer::Done(text("reference").map(str::to_owned))
        }
        Some("refused") if reply.status < 500 => Answer::Refused(Refusal::new(
            text("code").unwrap_or("refused"),
            text("message").unwrap_or("the provider gave no reason"),
        )),
        Some("pending") => Answer::Unknown("the provider has not decided yet".to_owned()),
        _ => Answer::Unknown(format!(
            "answered {}, and said neither {yes}, refused nor pending",
            reply.status
        )),
    }
}

impl OutwardService for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn place<'a>(&'a self, placement: &'a Placement) -> Asked<'a, Placed> {
        Box::pin(async move {
            match self.send(placement, "place").await {
                Err(why) => Answer::Unknown(why),
                Ok(reply) => match read(&reply, "accepted") {
                    Answer::Done(reference) => {
                        Answer::Done(Placed::of(reference.as_deref(), placement.key))
                    }
                    Answer::Refused(refusal) => Answer::Refused(refusal),
                    Answer::Unknown(why) => Answer::Unknown(why),
                },
            }
        })
    }

    fn withdraw<'a>(
        &'a self,
        placement: &'a Placement,
        _reference: Option<&'a str>,
    ) -> Asked<'a, ()> {
        Box::pin(async move {
            match self.send(placement, "withdraw").await {
                Err(why) => Answer::Unknown(why),
                Ok(reply) => match read(&reply, "withdrawn") {
                    Answer::Done(_) => Answer::Done(()),
                    Answer::Refused(refusal) => Answer::Refused(refusal),
                    Answer::Unknown(why) => Answer::Unknown(why),
                },
            }
        })
    }
}
