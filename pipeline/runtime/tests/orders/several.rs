//! Orders at several replicas of one stream: one topic of a Fluvio cluster, one PostgreSQL, one payment
//! service. `FLIGHTLINE_TEST_FLUVIO=HOST:PORT` names the cluster's controller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flightline_connectors::payments::{
    Asked, AuthoriseRequest, Authorised, EffectId, Payment, PaymentService, PaymentState, Refunded,
    Sandbox,
};
use flightline_ledger::Money;
use flightline_ledger::order::{OrderSettings, OrderState};
use flightline_sinks::postgres::{PrivateConfig, PrivatePostgres};
use parking_lot::Mutex;

use crate::hints;
use crate::world::{Joined, PATIENCE, Setup, World, settings, usd};

const A: &str = "UA1.2027-03-01.EWR";
const B: &str = "UA2.2027-03-05.IAH";

/// How often each effect was asked for, by all replicas.
type Asks = Arc<Mutex<BTreeMap<EffectId, u32>>>;

/// Counts what one replica asks of the sandbox, and answers nothing when it is told to hang.
#[derive(Debug)]
struct Counting {
    sandbox: Arc<Sandbox>,
    asks: Asks,
    hangs: AtomicBool,
}

impl Counting {
    async fn count(&self, effect: EffectId) {
        *self.asks.lock().entry(effect).or_default() += 1;
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }
}

impl PaymentService for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn is_test(&self) -> bool {
        true
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        Box::pin(async move {
            self.count(request.effect).await;
            self.sandbox.authorise(request).await
        })
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        Box::pin(async move {
            self.count(effect).await;
            self.sandbox.capture(effect, reference, amount).await
        })
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            self.count(effect).await;
            self.sandbox.void(effect, reference).await
        })
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        Box::pin(async move {
            self.count(effect).await;
            self.sandbox.refund(effect, reference, amount).await
        })
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        self.sandbox.find(authorise)
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        self.sandbox.payment(reference)
    }
}

/// Two replicas and what they share.
struct Pair {
    worlds: [World; 2],
    services: [Arc<Counting>; 2],
    asks: Asks,
    _postgres: PrivatePostgres,
    _folder: tempfile::TempDir,
}

async fn pair(purpose: &str, settings: OrderSettings) -> Option<Pair> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(controller) = std::env::var("FLIGHTLINE_TEST_FLUVIO") else {
        use std::io::Write;
        let line = "#".repeat(78);
        let text = format!(
            "\n{line}\n## SKIPPED: {purpose} was NOT run: it needs a Fluvio cluster.\n\
             ## Set FLIGHTLINE_TEST_FLUVIO=HOST:PORT (the controller's) to run it.\n{line}\n"
        );
        // Past the capture of the test runner, which only shows what failing tests print.
        let _ = std::io::stderr().write_all(text.as_bytes());
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    // The server's account goes through it when the test runs as root.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let private = PrivateConfig::new(folder.path());
    let started = tokio::task::spawn_blocking(move || PrivatePostgres::start(&private));
    let postgres = started.await.unwrap().unwrap();
    let topic = format!("orders-{}-{purpose}", std::process::id());
    let joined = Joined {
        url: format!("fluvio://{controller}/{topic}").parse().unwrap(),
        database: postgres.address().url(),
    };
    let (sandbox, asks) = (Arc::new(Sandbox::in_memory()), Asks::default());
    let service = || {
        Arc::new(Counting {
            sandbox: sandbox.clone(),
            asks: asks.clone(),
            hangs: AtomicBool::new(false),
        })
    };
    let services = [service(), service()];
    let mut worlds = Vec::new();
    for (service, first) in services.iter().zip([1, 1_000_000]) {
        let setup = Setup {
            settings: settings.clone(),
            service: Some(service.clone()),
            joined: Some(joined.clone()),
            notices: Some(hints::webhook()),
            ..Setup::default()
        };
        let mut world = World::start_as(sandbox.clone(), setup).await;
        world.count_from(first);
        worlds.push(world);
    }
    let worlds = worlds.try_into().unwrap_or_else(|_| unreachable!("two"));
    Some(Pair {
        worlds,
        services,
        asks,
        _postgres: postgres,
        _folder: folder,
    })
}

impl Pair {
    /// Flights that both know.
    async fn flights(&self, flights: &[&str], seats: u16) {
        for flight in flights {
            self.worlds[0].flight(flight, seats).await;
        }
        self.worlds[1].catch_up_with(&self.worlds[0]).await;
    }

    async fn end(self) {
        let [one, two] = &self.worlds;
        one.catch_up_with(two).await;
        two.catch_up_with(one).await;
        // Whoever writes the tables has them written before the other compares.
        for world in &self.worlds {
            world.replica().flushed(PATIENCE).await.unwrap();
        }
        for world in &self.worlds {
            world.verify().await;
        }
        for world in self.worlds {
            world.stop().await;
        }
    }
}

/// Orders are made at both, and each payment is asked for once, by one of them.
#[tokio::test(flavor = "multi_thread")]
async fn each_payment_is_asked_for_by_one_replica() {
    let Some(pair) = pair("claims", OrderSettings::default()).await else {
        return;
    };
    pair.flights(&[A, B], 100).await;
    let [one, two] = &pair.worlds;
    let mut orders = Vec::new();
    for n in 0..24 {
        let here = [one, two][n % 2];
        let order = here.instant(&[A, B], 1);
        let settled = here.create(&order).await;
        assert_eq!(settled.state, OrderState::Booked);
        orders.push(order.id);
    }
    for (n, order) in orders.iter().enumerate() {
        // Read at the other one.
        let (here, there) = ([one, two][n % 2], [two, one][n % 2]);
        there.catch_up_with(here).await;
        there.until(*order, OrderState::Booked).await;
    }
    assert_eq!(one.captured().len(), 24);
    for world in [one, two] {
        assert_eq!(world.sold(A).await, 24);
        assert_eq!(world.sold(B).await, 24);
    }
    let asks = pair.asks.lock().clone();
    assert_eq!(asks.len(), 48, "an authorisation and a capture for each");
    for (effect, times) in &asks {
        assert_eq!(*times, 1, "effect {effect} was asked for {times} times");
    }
    pair.end().await;
}

/// The replica that claimed a payment never comes back with an answer: when its claim is over another asks,
/// under the same id, and the money is taken once.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_replica_is_gone_is_asked_for_by_another() {
    let settings = OrderSettings {
        claim_max_ms: 1_500,
        ..settings()
    };
    let Some(pair) = pair("claim-over", settings).await else {
        return;
    };
    pair.flights(&[A], 10).await;
    let [one, two] = &pair.worlds;
    pair.services[0].hangs.store(true, Ordering::SeqCst);
    let order = one.instant(&[A], 2);
    let settled = one.create(&order).await;
    assert_eq!(settled.state, OrderState::Booked);
    two.catch_up_with(one).await;
    two.until(order.id, OrderState::Booked).await;
    assert_eq!(one.captured(), [usd(20_000)]);
    let most = pair.asks.lock().values().copied().max();
    assert!(most >= Some(2), "nobody asked a second time");
    pair.services[0].hangs.store(false, Ordering::SeqCst);
    pair.end().await;
}

/// An order waits for seats, asked for by a replica that is gone when they come free: the other one tells it.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_order_hears_of_its_seats_from_another_replica() {
    let Some(pair) = pair("waits", settings()).await else {
        return;
    };
    pair.flights(&[A], 2).await;
    let Pair { worlds, .. } = &pair;
    let taken = worlds[1].instant(&[A], 2);
    assert_eq!(worlds[1].create(&taken).await.state, OrderState::Booked);
    let waiting = World::waiting(worlds[0].instant(&[A], 2), 600_000);
    let settled = worlds[0].create(&waiting).await;
    assert_eq!(settled.state, OrderState::Waiting);
    worlds[1].catch_up_with(&worlds[0]).await;
    worlds[1].until(waiting.id, OrderState::Waiting).await;

    let mut pair = pair;
    pair.worlds[0].pause().await;
    let two = &pair.worlds[1];
    two.cancel_booking(taken.id).await;
    two.until(waiting.id, OrderState::Booked).await;
    assert_eq!(two.sold(A).await, 2);
    pair.worlds[0]
        .resume()
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
    pair.worlds[0].catch_up_with(&pair.worlds[1]).await;
    pair.worlds[0].until(waiting.id, OrderState::Booked).await;
    pair.end().await;
}

/// The service tells of a payment whose answer was lost: the replica that waits for it asks at once, long
/// before anybody could claim the ask again.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_settles_a_payment_that_nobody_could_claim_yet() {
    let settings = OrderSettings {
        ask_again_first_ms: 3_600_000,
        ask_again_max_ms: 3_600_000,
        ..settings()
    };
    let Some(pair) = pair("notice", settings).await else {
        return;
    };
    pair.flights(&[A], 10).await;
    let [one, two] = &pair.worlds;
    let order = one.paid_by(&[A], 1, "sandbox_lost");
    hints::start(one, &order).await;
    let payment = hints::payment(one, PaymentState::Authorised).await;
    let told = hints::authorised(&payment);
    assert_eq!(hints::tell(one, &told).await, 1);
    assert_eq!(one.settled(order.id).await.state, OrderState::Booked);
    two.catch_up_with(one).await;
    two.until(order.id, OrderState::Booked).await;
    assert_eq!(one.captured(), [usd(10_000)]);
    pair.end().await;
}
