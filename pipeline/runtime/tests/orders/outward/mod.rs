//! Orders that go to the provider that granted the seats, through a whole replica.

mod provider;
mod teletype;

use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::payments::Sandbox;
use flightline_ledger::order::{OrderSettings, OrderState, Outward, Seat};
use flightline_ledger::{FlightCommand, HoldRequest, Outcome, Reason};
use serde_json::json;

use crate::world::{Draft, PATIENCE, Setup, World, settings, usd};
use provider::{Act, Provider, accepted, refused, withdrawn};

const FLIGHT: &str = "UA1.2027-03-01.EWR";

async fn world(ways: &[(&str, &Arc<Provider>)], settings: OrderSettings) -> World {
    let outward = ways
        .iter()
        .map(|(name, provider)| (name.parse().unwrap(), provider.config()))
        .collect();
    let setup = Setup {
        settings,
        outward,
        ..Setup::default()
    };
    World::start_as(Arc::new(Sandbox::in_memory()), setup).await
}

/// With passengers that can be told to somebody.
fn with_people(world: &World, mut draft: Draft) -> Draft {
    let passengers: Vec<_> = (0..draft.create.passengers)
        .map(|n| {
            json!({
                "id": format!("pas_{n}"), "title": "ms", "gender": "f",
                "given_name": "Amelia", "family_name": format!("Earhart{n}"),
                "born_on": "1987-07-24", "email": "amelia@example.com",
                "phone_number": "+442080160509", "infant_passenger_id": null,
                "identity_documents": [], "loyalty_programme_accounts": [], "user_id": null,
            })
        })
        .collect();
    let plain = json!({ "request": "", "passengers": passengers }).to_string();
    let sealed = world.backend().seal(draft.id, plain.as_bytes());
    draft.create.sealed = sealed.unwrap().into();
    draft
}

fn instant(world: &World, flights: &[&str], seats: u16) -> Draft {
    with_people(world, world.instant(flights, seats))
}

impl World {
    /// Another provider sells the flight too.
    async fn sold_by(&self, provider: &str, flight: &str, seats: u16, amount: &str) {
        let available = format!(
            "{{{},\"cabin\":\"Y\",\"status\":\"open\",\"seats\":{seats},\"counts\":\"total\"}}",
            self.head("availability", flight)
        );
        let fares = format!(
            "{{{},\"fares\":[{{\"cabin\":\"Y\",\"amount\":\"{amount}\",\"currency\":\"USD\"}}]}}",
            self.head("fares", flight)
        );
        self.push_as(provider, &[available, fares]).await;
        self.index().await;
    }

    /// Provider `acme` says how many seats are left for anybody.
    async fn remaining(&self, flight: &str, seats: u16) {
        let line = format!(
            "{{{},\"cabin\":\"Y\",\"status\":\"open\",\"seats\":{seats},\"counts\":\"remaining\"}}",
            self.head("availability", flight)
        );
        self.push(&[line]).await;
    }

    /// What becomes of a hold of one seat of a provider's.
    async fn hold_of(&self, provider: &str) -> Outcome {
        let request = HoldRequest {
            provider: Some(provider.parse().unwrap()),
            cabin: "Y".parse().unwrap(),
            class: None,
            board: None,
            off: None,
            seats: 1,
            ttl_ms: None,
            expected_price: None,
            wait_ms: None,
        };
        let held = self.flight_command(FLIGHT, FlightCommand::Hold(request));
        held.await.outcome
    }

    /// Creates an order that does not settle by itself, and waits until it stands so.
    async fn begin(&self, draft: &Draft, state: OrderState) {
        let create = flightline_ledger::order::OrderAction::Create(Box::new(draft.create.clone()));
        let decision = self.act(draft.id, "create", create).await;
        assert_eq!(decision.outcome.reason(), None);
        self.until(draft.id, state).await;
    }
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let reached = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, reached).await.is_ok(),
        "never: {what}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_order_goes_to_its_provider_whose_word_comes_back_into_the_flight() {
    let acme = Provider::start(|_| accepted("XYZ987")).await;
    let world = world(&[("acme", &acme)], settings()).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 2);
    assert_eq!(world.create(&order).await.state, OrderState::Booked);
    let asked = acme.heard("order.place");
    assert_eq!(acme.asked("order.place"), 1);
    assert_eq!(asked[0]["flight"]["key"], FLIGHT);
    assert_eq!(asked[0]["off"], "IAH");
    assert_eq!(asked[0]["departure_date"], "2027-03-01");
    assert_eq!(asked[0]["seats"], 2);
    assert_eq!(
        asked[0]["price"],
        json!({ "amount": "100.00", "currency": "USD" })
    );
    assert_eq!(asked[0]["passengers"][1]["family_name"], "Earhart1");
    let row = world.row(order.id).await;
    let segment = &row.segments[0];
    assert_eq!(segment.outward, Outward::Acknowledged);
    assert_eq!(segment.outward_reference.as_deref(), Some("XYZ987"));
    world.replica().flushed(PATIENCE).await.unwrap();
    let client = world.replica().database().client().await.unwrap();
    let found = client
        .query_one(
            "SELECT s.outward_state, s.outward_reference, d.kind FROM flightline.order_segment s \
             JOIN flightline.decision d ON d.flight_key = s.flight_key AND d.kind = 'acknowledge'",
            &[],
        )
        .await
        .unwrap();
    let texts: Vec<String> = (0..3).map(|at| found.get(at)).collect();
    assert_eq!(texts, ["acknowledged", "XYZ987", "acknowledge"]);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_count_against_what_remains_until_the_provider_acknowledges_them() {
    let pending = |_: &_| Act::Answer(202, json!({ "status": "pending" }));
    let acme = Provider::start(pending).await;
    let world = world(&[("acme", &acme)], settings()).await;
    world.flight(FLIGHT, 20).await;
    world.remaining(FLIGHT, 8).await;
    let order = instant(&world, &[FLIGHT], 3);
    world.begin(&order, OrderState::Placing).await;
    // It says 5 now, of which 3 may be those that it does not know of yet.
    world.remaining(FLIGHT, 5).await;
    assert_eq!(world.available(FLIGHT).await, 2);
    assert_eq!(world.captured(), [], "money before the provider has it");
    acme.now(|_| accepted("A1"));
    world.until(order.id, OrderState::Booked).await;
    // Its next report knows of them.
    world.remaining(FLIGHT, 5).await;
    assert_eq!(world.available(FLIGHT).await, 5);
    assert_eq!(world.sold(FLIGHT).await, 3);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_seats_the_passengers_at_another_provider_of_the_flight() {
    let acme = Provider::start(|_| refused("UC")).await;
    let globex = Provider::start(|_| accepted("G7")).await;
    let world = world(&[("acme", &acme), ("globex", &globex)], settings()).await;
    world.flight(FLIGHT, 10).await;
    world.sold_by("globex", FLIGHT, 10, "100.00").await;
    let mut order = instant(&world, &[FLIGHT], 1);
    order.create.slices[0][0].provider = Some("acme".parse().unwrap());
    assert_eq!(world.create(&order).await.state, OrderState::Booked);
    let row = world.row(order.id).await;
    let segment = &row.segments[0];
    assert_eq!(segment.provider, Some("globex".parse().unwrap()));
    assert_eq!(segment.outward_reference.as_deref(), Some("G7"));
    assert_eq!(globex.asked("order.place"), 1);
    assert_eq!(world.captured(), [usd(10_000)]);
    // What acme refused it does not sell again before it says anew what it has.
    let asked = world.hold_of("acme").await;
    assert_eq!(asked, Outcome::Refused(Reason::Closed));
    world.sold_by("acme", FLIGHT, 4, "100.00").await;
    let asked = world.hold_of("acme").await;
    assert!(matches!(asked, Outcome::Held { .. }), "{asked:?}");
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_nobody_else_can_mend_undoes_the_whole_order() {
    let acme = Provider::start(|body| match body["flight"]["key"].as_str() {
        _ if body["type"] == "order.withdraw" => withdrawn(),
        Some("UA2.2027-03-05.IAH") => refused("NO"),
        _ => accepted("A1"),
    })
    .await;
    let world = world(&[("acme", &acme)], settings()).await;
    world.flight(FLIGHT, 10).await;
    world.flight("UA2.2027-03-05.IAH", 10).await;
    // Somebody sells it, at a higher price.
    world
        .sold_by("globex", "UA2.2027-03-05.IAH", 10, "100.01")
        .await;
    let order = instant(&world, &[FLIGHT, "UA2.2027-03-05.IAH"], 2);
    assert_eq!(world.create(&order).await.state, OrderState::Refused);
    let row = world.row(order.id).await;
    let ending = row.ending.as_ref().unwrap();
    assert_eq!(ending.cause, "placement_refused");
    assert_eq!(
        (ending.segment, ending.code.as_deref()),
        (Some(1), Some("NO"))
    );
    assert_eq!(row.segments[0].outward, Outward::Withdrawn);
    assert_eq!(acme.asked("order.withdraw"), 1);
    assert_eq!(world.kept(), usd(0));
    assert!(row.segments.iter().all(|s| s.seat == Seat::Free));
    assert_eq!(world.sold(FLIGHT).await, 0);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_and_a_restart_place_once() {
    let acme = Provider::start(|_| Act::Drop).await;
    let mut world = world(&[("acme", &acme)], settings()).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 1);
    world.begin(&order, OrderState::Placing).await;
    until("it is asked again", || acme.heard("order.place").len() > 1).await;
    world.pause().await;
    acme.now(|_| accepted("A1"));
    world.resume().await.unwrap();
    world.until(order.id, OrderState::Booked).await;
    let mut keys = acme.keys("order.place");
    keys.dedup();
    assert_eq!(keys.len(), 1, "one placement, one key: {keys:?}");
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_booking_is_withdrawn_before_its_seats_are_sold_again() {
    let acme = Provider::start(|body| match body["type"].as_str() {
        Some("order.place") => accepted("A1"),
        _ => Act::Answer(503, json!({})),
    })
    .await;
    let world = world(&[("acme", &acme)], settings()).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 1);
    assert_eq!(world.create(&order).await.state, OrderState::Booked);
    let quoted = world
        .act(
            order.id,
            "quote",
            flightline_ledger::order::OrderAction::QuoteCancel,
        )
        .await;
    let flightline_ledger::order::OrderOutcome::Quoted { quote, .. } = quoted.outcome else {
        panic!("{quoted:?}");
    };
    let confirm = flightline_ledger::order::OrderAction::ConfirmCancel { quote };
    world.act(order.id, "confirm", confirm).await;
    until("the withdrawal is repeated", || {
        acme.heard("order.withdraw").len() > 2
    })
    .await;
    assert_eq!(
        world.sold(FLIGHT).await,
        1,
        "sold again while the provider has it sold"
    );
    acme.now(|_| withdrawn());
    world.until(order.id, OrderState::Cancelled).await;
    assert_eq!(world.sold(FLIGHT).await, 0);
    assert_eq!(world.kept(), usd(0));
    assert_eq!(
        world.row(order.id).await.segments[0].outward,
        Outward::Withdrawn
    );
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_answers_gets_the_withdrawal_and_the_client_the_money() {
    let acme = Provider::start(|body| match body["type"].as_str() {
        Some("order.place") => Act::Drop,
        _ => withdrawn(),
    })
    .await;
    let settings = OrderSettings {
        place_within_ms: 700,
        ..settings()
    };
    let world = world(&[("acme", &acme)], settings).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 1);
    assert_eq!(world.create(&order).await.state, OrderState::Refused);
    let row = world.row(order.id).await;
    assert_eq!(row.ending.as_ref().unwrap().cause, "placing_timed_out");
    assert_eq!(row.segments[0].outward, Outward::Withdrawn);
    let (placed, gone) = (acme.heard("order.place"), acme.heard("order.withdraw"));
    assert_eq!(
        gone[0]["id"], placed[0]["id"],
        "it is named as it was placed"
    );
    assert_eq!(world.kept(), usd(0));
    assert_eq!(world.sold(FLIGHT).await, 0);
    world.verify().await;
    world.stop().await;
}

/// A provider that answers orders and reports nothing falls silent: its way for orders is no feed.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_answers_orders_and_reports_nothing_is_silent() {
    let acme = Provider::start(|_| accepted("A1")).await;
    let code = "acme".parse().unwrap();
    let setup = Setup {
        settings: settings(),
        outward: vec![(code, acme.config())],
        feeds: vec![flightline_runtime::ProviderFeed {
            provider: code,
            format: None,
            options: Vec::new(),
            silence_max_ms: Some(4_000),
            overbooking: Vec::new(),
            numbered_daily: false,
            missing_after_ms: 0,
        }],
        ..Setup::default()
    };
    let world = World::start_as(Arc::new(Sandbox::in_memory()), setup).await;
    // More than can be sold until it is silent.
    world.flight(FLIGHT, 2_000).await;
    let before = world.backend().provider_status(code).unwrap();
    // It answers all the time.
    let silent = async {
        loop {
            let order = instant(&world, &[FLIGHT], 1);
            if world.create(&order).await.state != OrderState::Booked {
                break;
            }
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, silent).await.is_ok(),
        "never silent"
    );
    assert!(!acme.heard("order.place").is_empty());
    let asked = world.hold_of("acme").await;
    assert_eq!(asked, Outcome::Refused(Reason::ProviderSilent));
    let after = world.backend().provider_status(code).unwrap();
    assert!(after.sale.silent);
    assert_eq!(after.sale.heard_at_ms, before.sale.heard_at_ms);
    assert_eq!(
        (after.accepted, after.last_event_at_ms, after.last_version),
        (
            before.accepted,
            before.last_event_at_ms,
            before.last_version
        ),
        "answers to orders are no events of its feed"
    );
    world.remaining(FLIGHT, 9).await;
    assert!(matches!(world.hold_of("acme").await, Outcome::Held { .. }));
    world.verify().await;
    world.stop().await;
}

/// Times that the airline changed, between two asks for one thing, are not in what is asked: it is the same each time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_again_is_the_same_whatever_the_airline_changed() {
    let acme = Provider::start(|_| Act::Drop).await;
    let world = world(&[("acme", &acme)], settings()).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 1);
    world.begin(&order, OrderState::Placing).await;
    until("it is asked", || !acme.heard("order.place").is_empty()).await;
    world.push(&[world.schedule(FLIGHT, 10, 15)]).await;
    let asked = acme.heard("order.place").len();
    until("it is asked again", || {
        acme.heard("order.place").len() > asked + 1
    })
    .await;
    acme.now(|_| accepted("A1"));
    world.until(order.id, OrderState::Booked).await;
    let all = acme.heard("order.place");
    assert!(all.iter().all(|body| *body == all[0]), "{all:?}");
    assert_eq!(all[0]["departs_at"], "2027-03-01T17:00:00.000000Z");
    world.verify().await;
    world.stop().await;
}
