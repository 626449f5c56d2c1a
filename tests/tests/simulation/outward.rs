//! Several replicas take orders to a provider: each sale is taken there by one of them, and one whose replica dies
//! between asking and telling is asked for once more by another, under the same name.
//!
//! The replicas run on threads of their own, on one stream that all append to: a log on a disk, which says that it is
//! shared. No cluster is needed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use flightline_api::backend::{Backend, OrderSubmit};
use flightline_connectors::outward::{
    Answer, Asked, OutwardService, Placed, Placement, PlacementKey,
};
use flightline_connectors::payments::Sandbox;
use flightline_connectors::vault::{
    FileKeyStore, FileKeyStoreConfig, Key, KeyId, KeyStore, VaultError,
};
use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_dataflows::rows::OrderRow;
use flightline_ledger::command::Settings;
use flightline_ledger::order::{
    CreateOrder, OfferRequestId, OrderAction, OrderId, OrderOutcome, OrderSettings, OrderState,
    Outward, RefundTerms, SegmentRequest, Terms,
};
use flightline_ledger::{CommandId, FlightKey, Money};
use flightline_runtime::simulation::{Setup, Simulated, fold_plainly};
use flightline_stream::{
    Batch, EmbeddedConfig, EmbeddedLog, Follower, Group, Producer, Scan, StreamError, StreamLog,
    Ticket,
};

const FLIGHT: &str = "UA1.2027-03-01.EWR";
const PARTITIONS: u32 = 4;
/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log that several append to.
struct Shared(EmbeddedLog);

impl StreamLog for Shared {
    fn partitions(&self) -> u32 {
        self.0.partitions()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        let ticket = self.0.submit(group)?;
        // Here, while the ticket says where it lies.
        self.0.wait(&ticket)?;
        // Where it lies, whoever appended it finds out by reading.
        Ok(Ticket {
            bases: Vec::new(),
            ..ticket
        })
    }

    fn wait(&self, _: &Ticket) -> Result<(), StreamError> {
        Ok(())
    }

    fn read(
        &self,
        partition: u32,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        self.0.read(partition, from_offset, records_max, bytes_max)
    }

    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError> {
        self.0.scan(from)
    }

    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError> {
        self.0.follow(from)
    }

    fn end_offset(&self, partition: u32) -> Result<u64, StreamError> {
        self.0.end_offset(partition)
    }

    fn low_water(&self, partition: u32) -> Result<u64, StreamError> {
        self.0.low_water(partition)
    }

    fn trim_all(&self, before: &[(u32, u64)]) -> Result<(), StreamError> {
        self.0.trim_all(before)
    }

    fn end_offsets(&self) -> Result<Vec<u64>, StreamError> {
        self.0.end_offsets()
    }

    fn low_waters(&self) -> Result<Vec<u64>, StreamError> {
        self.0.low_waters()
    }
}

/// Keys that all replicas have.
#[derive(Clone)]
struct Keys(Arc<FileKeyStore>);

impl KeyStore for Keys {
    fn take(&self) -> Result<(KeyId, Key), VaultError> {
        self.0.take()
    }

    fn get(&self, id: KeyId) -> Result<Option<Key>, VaultError> {
        self.0.get(id)
    }

    fn erase(&self, id: KeyId) -> Result<bool, VaultError> {
        self.0.erase(id)
    }
}

/// No tables.
struct Nowhere;

impl EpochSink for Nowhere {
    fn epoch(&mut self, _: Arc<Epoch>) {}
}

/// What the provider was asked, by whom.
#[derive(Default)]
struct Books {
    /// By the name of what was asked: the replicas that asked, in order.
    asks: BTreeMap<String, Vec<u64>>,
    /// What it has taken, and whether it has it still.
    sales: BTreeMap<PlacementKey, bool>,
}

/// The provider, as one replica reaches it.
#[derive(Clone)]
struct Carrier {
    replica: u64,
    books: Arc<Mutex<Books>>,
    /// It does what it is asked, and this replica never hears of it.
    loses: Arc<AtomicBool>,
    /// It says nothing to what it is asked before it has decided; then it is in all replicas' folders.
    decides: Arc<AtomicBool>,
    /// It answers when it likes.
    later: bool,
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Carrier").field(&self.replica).finish()
    }
}

impl Carrier {
    fn books<R>(&self, look: impl FnOnce(&mut Books) -> R) -> R {
        look(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self, key: PlacementKey, what: &str, has: bool) {
        self.books(|books| {
            let asks = books.asks.entry(format!("{key}-{what}")).or_default();
            asks.push(self.replica);
            let known = books.sales.entry(key).or_insert(has);
            // What was forgotten is not taken any more.
            *known &= has;
        });
        if self.loses.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }
}

impl OutwardService for Carrier {
    fn name(&self) -> &'static str {
        "carrier"
    }

    fn place<'a>(&'a self, placement: &'a Placement) -> Asked<'a, Placed> {
        Box::pin(async move {
            assert_eq!(placement.travellers[0].family_name, "Earhart");
            self.ask(placement.key, "place", true).await;
            if !self.decides.load(Ordering::SeqCst) {
                return Answer::Unknown("it has not decided yet".to_owned());
            }
            let reference = format!("R{}", &placement.key.to_string()[..6]);
            Answer::Done(Placed { reference })
        })
    }

    fn withdraw<'a>(&'a self, placement: &'a Placement, _: Option<&'a str>) -> Asked<'a, ()> {
        Box::pin(async move {
            self.ask(placement.key, "withdraw", false).await;
            Answer::Done(())
        })
    }

    fn answered(&self) -> Vec<PlacementKey> {
        match self.later && self.decides.load(Ordering::SeqCst) {
            true => self.books(|books| books.sales.keys().copied().collect()),
            false => Vec::new(),
        }
    }

    fn answers_later(&self) -> bool {
        self.later
    }
}

/// What replicas share.
struct World {
    folder: tempfile::TempDir,
    log: Arc<Shared>,
    keys: Keys,
    money: Arc<Sandbox>,
    books: Arc<Mutex<Books>>,
    decides: Arc<AtomicBool>,
    /// For how long nobody asks again.
    ask_again_ms: u64,
}

/// A replica that runs.
struct Running {
    replica: Arc<Simulated<Nowhere>>,
    carrier: Carrier,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn pause() {
    std::thread::park_timeout(Duration::from_millis(1));
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        pause();
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(folder.path().join("stream"));
        config.partitions = PARTITIONS;
        let keys = FileKeyStoreConfig::new(folder.path().join("keys"));
        Self {
            log: Arc::new(Shared(EmbeddedLog::open(config).unwrap())),
            keys: Keys(Arc::new(FileKeyStore::open(&keys).unwrap())),
            money: Arc::new(Sandbox::in_memory()),
            books: Arc::default(),
            decides: Arc::new(AtomicBool::new(true)),
            ask_again_ms: 400,
            folder,
        }
    }

    /// Starts a replica. `number`: who appends.
    fn start(&self, number: u64) -> Running {
        let folder = self.folder.path().join(number.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let carrier = Carrier {
            replica: number,
            books: self.books.clone(),
            loses: Arc::default(),
            decides: self.decides.clone(),
            later: !self.decides.load(Ordering::SeqCst),
        };
        let acme = "acme".parse().unwrap();
        let setup = Setup {
            log: self.log.clone(),
            producer: Producer::new(number, 1, PARTITIONS),
            stream: 1,
            clock: Arc::new(|| {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                since.unwrap().as_millis() as i64
            }),
            payments: self.money.clone(),
            settings: Settings::default(),
            orders: OrderSettings {
                ask_again_first_ms: self.ask_again_ms / 2,
                ask_again_max_ms: self.ask_again_ms,
                claim_max_ms: 1_500,
                outward: vec![acme],
                ..OrderSettings::default()
            },
            folder,
            ways: vec![(acme, Arc::new(carrier.clone()))],
            keys: Some(Box::new(self.keys.clone())),
        };
        let replica = Arc::new(Simulated::<Nowhere>::start(setup, None).unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let (driven, stopped) = (replica.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                driven.tick().unwrap();
                driven.append().unwrap();
                driven.fold().unwrap();
                driven.run_tasks();
                pause();
            }
        });
        Running {
            replica,
            carrier,
            stop,
            thread: Some(thread),
        }
    }

    /// Everybody has folded everything, to the same state as the plain fold.
    fn agree(&self, all: &[&Running]) {
        let folded = |running: &Running| {
            let ends = self.log.end_offsets().unwrap();
            running.replica.folded() == ends
        };
        for running in all {
            until("everything is folded", || folded(running));
        }
        let plain = fold_plainly(&*self.log).unwrap();
        for running in all {
            assert_eq!(running.replica.digests().unwrap(), plain);
        }
    }

    fn asks(&self) -> BTreeMap<String, Vec<u64>> {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.asks.clone()
    }

    fn sales(&self) -> Vec<bool> {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.sales.values().copied().collect()
    }
}

fn usd(minor: i64) -> Money {
    Money {
        minor,
        currency: "USD".parse().unwrap(),
        exponent: 2,
    }
}

impl Running {
    fn backend(&self) -> Arc<dyn Backend> {
        self.replica.backend()
    }

    /// Ends it between two steps, with whatever it was doing.
    fn kill(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    fn flight(&self, seats: u16) {
        let head = |kind: &str, n: u32| {
            format!(
                "\"type\":\"{kind}\",\"flight_key\":\"{FLIGHT}\",\"source_version\":{{\"time\":\"2026-11-22T10:00:00Z\",\"sequence\":{n}}}"
            )
        };
        let lines = [
            format!(
                "{{{},\"legs\":[{{\"board\":\"EWR\",\"off\":\"IAH\",\"departs\":\"2027-03-01T12:00\",\"arrives\":\"2027-03-01T16:00\",\"cabins\":[{{\"cabin\":\"Y\",\"seats\":{seats}}}]}}]}}",
                head("schedule", 1)
            ),
            format!(
                "{{{},\"fares\":[{{\"cabin\":\"Y\",\"amount\":\"100.00\",\"currency\":\"USD\"}}]}}",
                head("fares", 2)
            ),
        ];
        let body = std::io::Cursor::new(lines.join("\n").into_bytes());
        let acme = "acme".parse().unwrap();
        let report = self
            .backend()
            .ingest(acme, "canonical", &[], "test", Box::new(body))
            .unwrap();
        assert_eq!(report.accepted, 2, "{report:?}");
    }

    fn act(&self, order: OrderId, name: &str, action: OrderAction) -> OrderOutcome {
        let id = name.bytes().fold(order.0, |id, byte| {
            id.rotate_left(7).wrapping_add(u128::from(byte))
        });
        let answer = self.backend().submit_order(OrderSubmit {
            id: CommandId(id),
            order,
            action,
            actor: Some("shop".into()),
        });
        answer.unwrap().blocking_recv().unwrap().decision.outcome
    }

    /// Asks for an order of one seat.
    fn order(&self, number: u64) -> OrderId {
        let request = OfferRequestId(u128::from(number) << 64 | 77);
        let order = OrderId::of(request);
        let people = r#"{"passengers":[{"title":"ms","gender":"f","given_name":"Amelia",
            "family_name":"Earhart","born_on":"1987-07-24","email":"a@example.com",
            "phone_number":"+442080160509"}]}"#;
        let flight: FlightKey = FLIGHT.parse().unwrap();
        let segment = SegmentRequest {
            flight,
            provider: None,
            cabin: "Y".parse().unwrap(),
            class: None,
            board: None,
            off: None,
            seats: 1,
            price: usd(10_000),
            departs_ms: 1_803_920_400_000,
        };
        let create = CreateOrder {
            offer_request: request,
            offer: format!("off_{number}").into(),
            client: "shop".into(),
            terms: Terms::Instant {
                method: "balance".into(),
            },
            wait_ms: None,
            slices: vec![vec![segment]],
            passengers: 1,
            sealed: self
                .backend()
                .seal(order, people.as_bytes())
                .unwrap()
                .into(),
            total: usd(10_000),
            refund: RefundTerms::Full,
            metadata: Vec::new(),
        };
        let outcome = self.act(order, "create", OrderAction::Create(Box::new(create)));
        assert_eq!(outcome.reason(), None, "{outcome:?}");
        order
    }

    fn row(&self, order: OrderId) -> Option<Arc<OrderRow>> {
        self.backend().serving().order(order)
    }

    fn until(&self, order: OrderId, state: OrderState) -> Arc<OrderRow> {
        until(state.name(), || {
            self.row(order).is_some_and(|row| row.state == state)
        });
        self.row(order).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that failed has said why.
            let _ = thread.join();
        }
    }
}

#[test]
fn each_sale_is_taken_to_its_provider_by_one_replica() {
    let world = World::new();
    let all: Vec<Running> = (1..=3).map(|number| world.start(number)).collect();
    all[0].flight(20);
    let orders: Vec<OrderId> = (0..12)
        .map(|number| all[number as usize % 3].order(number + 1))
        .collect();
    for (at, order) in orders.iter().enumerate() {
        // Read at another one.
        let row = all[(at + 1) % 3].until(*order, OrderState::Booked);
        assert_eq!(row.segments[0].outward, Outward::Acknowledged);
    }
    // What one sold, another one withdraws.
    let quoted = all[2].act(orders[0], "quote", OrderAction::QuoteCancel);
    let OrderOutcome::Quoted { quote, .. } = quoted else {
        panic!("{quoted:?}");
    };
    let outcome = all[2].act(orders[0], "confirm", OrderAction::ConfirmCancel { quote });
    assert_eq!(outcome.reason(), None, "{outcome:?}");
    let row = all[0].until(orders[0], OrderState::Cancelled);
    assert_eq!(row.segments[0].outward, Outward::Withdrawn);
    world.agree(&all.iter().collect::<Vec<_>>());
    let asks = world.asks();
    assert_eq!(asks.len(), 13, "twelve placements and a withdrawal");
    for (what, by) in &asks {
        assert_eq!(by.len(), 1, "{what} was asked by {by:?}");
    }
    let by: std::collections::BTreeSet<u64> = asks.values().flatten().copied().collect();
    assert_eq!(by.len(), 3, "everybody took his own orders there");
    let sales = world.sales();
    assert_eq!(sales.iter().filter(|has| **has).count(), 11);
}

#[test]
fn a_sale_whose_replica_dies_before_it_tells_is_asked_for_once_more_under_the_same_name() {
    for withdraws in [false, true] {
        let world = World::new();
        let mut all: Vec<Running> = (1..=3).map(|number| world.start(number)).collect();
        all[0].flight(20);
        let (step, end, outward) = match withdraws {
            false => ("place", OrderState::Booked, Outward::Acknowledged),
            true => ("withdraw", OrderState::Cancelled, Outward::Withdrawn),
        };
        let order = if withdraws {
            let order = all[0].order(1);
            all[0].until(order, OrderState::Booked);
            all[0].carrier.loses.store(true, Ordering::SeqCst);
            let quoted = all[0].act(order, "quote", OrderAction::QuoteCancel);
            let OrderOutcome::Quoted { quote, .. } = quoted else {
                panic!("{quoted:?}");
            };
            all[0].act(order, "confirm", OrderAction::ConfirmCancel { quote });
            order
        } else {
            all[0].carrier.loses.store(true, Ordering::SeqCst);
            all[0].order(1)
        };
        let asked = || {
            let asks = world.asks().into_iter();
            asks.filter(|(what, _)| what.ends_with(step))
                .collect::<Vec<_>>()
        };
        until("the provider is asked", || !asked().is_empty());
        // The provider did it; its answer, and whoever asked, are gone.
        all.remove(0).kill();
        for running in &all {
            let row = running.until(order, end);
            assert_eq!(row.segments[0].outward, outward);
        }
        let asks = asked();
        let [(_, by)] = &asks[..] else {
            panic!("under one name: {asks:?}");
        };
        assert_eq!(by.len(), 2, "{by:?}");
        assert_eq!((by[0], by[1] == 1), (1, false), "{by:?}");
        assert_eq!(world.sales(), [!withdraws]);
        // Back again, it asks for nothing more.
        all.push(world.start(4));
        all[2].until(order, end);
        let other = all[2].order(2);
        all[0].until(other, OrderState::Booked);
        world.agree(&all.iter().collect::<Vec<_>>());
        let by_all: Vec<_> = asked().into_iter().map(|(_, by)| by).collect();
        let new = if withdraws { 1 } else { 2 };
        assert_eq!(by_all.len(), new, "{by_all:?}");
        assert_eq!(by_all.iter().map(Vec::len).sum::<usize>(), new + 1);
        let money = if withdraws { 10_000 } else { 20_000 };
        let kept = world.money.payments().into_iter();
        let kept: i64 = kept.map(|p| p.captured_minor - p.refunded_minor).sum();
        assert_eq!(kept, money);
    }
}

/// Nobody may claim what is not due again; the answer is read all the same, long before that.
#[test]
fn an_answer_that_comes_later_is_heard_at_once() {
    let mut world = World::new();
    world.ask_again_ms = 3_600_000;
    world.decides.store(false, Ordering::SeqCst);
    let all: Vec<Running> = (1..=2).map(|number| world.start(number)).collect();
    all[0].flight(20);
    let order = all[0].order(1);
    until("the provider is asked", || !world.asks().is_empty());
    all[1].until(order, OrderState::Placing);
    world.decides.store(true, Ordering::SeqCst);
    let row = all[1].until(order, OrderState::Booked);
    assert_eq!(row.segments[0].outward, Outward::Acknowledged);
    world.agree(&all.iter().collect::<Vec<_>>());
    assert_eq!(world.asks().len(), 1);
}
