//! Flights that are sold out, for clients who want to wait for them.

use flightline_ledger::ProviderBody;
use serde_json::{Value, json};

use super::{Booking, amount, flights, fly, id, post, request, slice, trip};
use crate::client::Request;
use crate::replica::{DEPARTS_S, KEY, provider};

const ONWARD: &str = "UA20.2027-01-05.IAH";
/// Cheaper and quicker than over Houston.
const DIRECT: &str = "UA50.2027-01-05.EWR";

impl Booking {
    /// Takes seats of a flight.
    async fn take(&self, id: &str, flight: &str, seats: u16) {
        let body = format!(r#"{{"id":"{id}","cabin":"Y","seats":{seats}}}"#);
        let path = format!("/flights/{flight}/holds");
        self.server.post(&path, &body).await.is_ok();
        self.covered().await;
    }

    async fn with_direct(seats: u16) -> Self {
        let booking = Self::start().await;
        let sold_by = [(provider(), 15_000)];
        let departs_s = DEPARTS_S + 3600;
        fly(&booking.server, DIRECT, "LAX", departs_s, seats, &sold_by);
        booking.covered().await;
        booking
    }
}

fn to_lax(adults: usize) -> Value {
    let mut body = trip(&[slice("EWR", "LAX", "2027-01-05")]);
    body["passengers"] = json!(vec![json!({"type": "adult"}); adults]);
    body
}

fn with_sold_out(body: &Value) -> Value {
    let mut body = body.clone();
    body["include_sold_out"] = json!(true);
    body
}

/// Flights of an offer, and those that are short.
type Shown<'a> = (Vec<&'a str>, Vec<(&'a str, u64)>);

/// Flights of each offer, and those of them that are short with the seats that they have.
fn shown(offers: &[Value]) -> Vec<Shown<'_>> {
    let short = |offer: &Value| -> Option<u64> { offer["waitlist"]["wait_s_max"].as_u64() };
    let one = |offer| {
        let waits = offer as &Value;
        let list = waits["waitlist"]["flights"].as_array();
        let list = list.into_iter().flatten().map(|flight| {
            (
                flight["flight_key"].as_str().unwrap(),
                flight["seats_left"].as_u64().unwrap(),
            )
        });
        let list: Vec<_> = list.collect();
        assert_eq!(short(waits).is_some(), !list.is_empty(), "{waits}");
        (flights(waits).concat(), list)
    };
    offers.iter().map(one).collect()
}

#[tokio::test]
async fn a_sold_out_flight_comes_last_and_hides_nothing() {
    let booking = Booking::with_direct(1).await;
    let (plain, all) = (to_lax(1), with_sold_out(&to_lax(1)));
    let direct = (vec![DIRECT], vec![]);
    // The way over Houston is slower and dearer: as long as the direct flight has seats nobody sees it.
    assert_eq!(shown(&booking.offers(&plain).await), vec![direct.clone()]);
    assert_eq!(shown(&booking.offers(&all).await), [direct]);

    booking.take("first", DIRECT, 1).await;
    let over_houston = (vec![KEY, ONWARD], vec![]);
    let waits = (vec![DIRECT], vec![(DIRECT, 0)]);
    assert_eq!(
        shown(&booking.offers(&plain).await),
        vec![over_houston.clone()]
    );
    let offers = booking.offers(&all).await;
    assert_eq!(shown(&offers), [over_houston, waits]);
    assert_eq!(amount(&offers[1]), "150.00", "at what it would cost");

    // By the search's id it is the same, and by the offer's: until it has a seat again.
    let made = booking.search(&all).await.json()["data"].clone();
    let path = format!("/air/offer_requests/{}", id(&made));
    let again = booking.get(&path).await.is_ok();
    assert_eq!(again["data"]["offers"], made["offers"]);
    let offer = format!("/air/offers/{}", id(&made["offers"][1]));
    let priced = booking.get(&offer).await.is_ok();
    assert_eq!(
        priced["data"]["waitlist"]["flights"][0]["flight_key"],
        DIRECT
    );
    let release = Request::new("POST", "/holds/first/release");
    booking.server.send(release).await.is_ok();
    booking.covered().await;
    let priced = booking.get(&offer).await.is_ok();
    assert_eq!(priced["data"]["waitlist"], Value::Null);

    // What was offered with seats and has none any more is gone, as ever.
    let found = booking.offers(&plain).await;
    booking.take("last", DIRECT, 1).await;
    let path = format!("/air/offers/{}", id(&found[0]));
    booking
        .get(&path)
        .await
        .is(422, "offer_no_longer_available");
}

#[tokio::test]
async fn of_a_trip_the_flights_that_are_short_are_named() {
    let booking = Booking::start().await;
    booking.take("eight", ONWARD, 8).await;
    let pair = with_sold_out(&to_lax(2));
    let offers = booking.offers(&pair).await;
    assert_eq!(shown(&offers), [(vec![KEY, ONWARD], vec![(ONWARD, 1)])]);
    booking.take("all", KEY, 10).await;
    let offers = booking.offers(&pair).await;
    assert_eq!(
        shown(&offers),
        [(vec![KEY, ONWARD], vec![(KEY, 0), (ONWARD, 1)])]
    );
    let mut back = with_sold_out(&trip(&[
        slice("EWR", "IAH", "2027-01-05"),
        slice("IAH", "EWR", "2027-01-07"),
    ]));
    let home = "UA40.2027-01-07.IAH";
    let offers = booking.offers(&back).await;
    assert_eq!(shown(&offers), [(vec![KEY, home], vec![(KEY, 0)])]);
    back["include_sold_out"] = json!(false);
    assert!(booking.offers(&back).await.is_empty());
}

#[tokio::test]
async fn what_nobody_can_wait_for_is_not_offered() {
    let booking = Booking::with_direct(1).await;
    // More than there are seats in the aircraft.
    let mut pair = with_sold_out(&to_lax(2));
    pair["max_connections"] = json!(0);
    assert!(booking.offers(&pair).await.is_empty());
    booking.take("last", DIRECT, 1).await;
    let mut one = with_sold_out(&to_lax(1));
    one["max_connections"] = json!(0);
    assert_eq!(booking.offers(&one).await.len(), 1);
    let replica = &booking.server.replica;
    replica.event_of(DIRECT, ProviderBody::Cancel, 2_000_000, provider());
    booking.covered().await;
    assert!(booking.offers(&one).await.is_empty(), "it will not fly");
}

#[tokio::test]
async fn where_orders_cannot_wait_the_search_says_so() {
    let booking = Booking::with(|config| config.booking.wait_max_ms = 0).await;
    let reply = booking.search(&with_sold_out(&to_lax(1))).await;
    reply.is(403, "unavailable_feature");
    assert!(
        reply.text().contains("include_sold_out"),
        "{}",
        reply.text()
    );
    let mut wrong = to_lax(1);
    wrong["include_sold_out"] = json!("yes");
    let reply = booking.server.send(post(&wrong)).await;
    reply.is(422, "validation_type");
    let listed = booking.server.send(request("GET", "/air/seat_maps")).await;
    listed.is(422, "validation_required");
    let path = "/air/seat_maps?offer_id=off_1";
    booking.get(path).await.is(404, "not_found");
    let found = booking.offers(&to_lax(1)).await;
    let path = format!("/air/seat_maps?offer_id={}", id(&found[0]));
    assert_eq!(booking.get(&path).await.is_ok(), json!({"data": []}));
}
