//! Clients of a replica in the same process, each with one request at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_api::backend::{Backend, OrderSubmit, Submit};
use flightline_connectors::payments::{PaymentService, PaymentsUrl};
use flightline_ledger::command::Settings;
use flightline_ledger::order::{
    CreateOrder, OfferRequestId, OrderAction, OrderId, OrderOutcome, OrderSettings, OrderState,
    RefundTerms, SegmentRequest, Terms,
};
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, Money, Outcome,
};
use flightline_runtime::{AuthMode, Replica, ReplicaConfig};

use crate::fleet;
use crate::holds::Flights;
use crate::latency::Latencies;
use crate::pace::Pace;
use crate::random::Dice;

/// Price of every seat, in minor units: that of [`fleet::Plan::endless`].
pub const FARE_MINOR: i64 = 10_000;

const DAY_MS: i64 = 86_400_000;
/// Every flight of the fleet leaves so long after its day begins.
const DEPARTS_MS: i64 = 10 * 3_600_000;

/// What a client asks for, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A hold of one seat, as the inventory API asks for it.
    Hold,
    /// An instant order of one seat on each of so many flights.
    Order(u8),
}

/// What a turn came to.
#[derive(Debug)]
pub struct Outcomes {
    /// From the request until the seat is held, or the order is booked.
    pub latencies: Latencies,
    /// From the first request to the last answer, in seconds.
    pub elapsed_s: f64,
    /// The same added up over all requests, in seconds.
    pub waited_s: f64,
}

impl Outcomes {
    /// Requests granted in a second.
    pub fn per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.elapsed_s
    }
}

/// The flights and how to ask for them.
pub struct Shop {
    backend: Arc<dyn Backend>,
    keys: Vec<FlightKey>,
    serial: AtomicU64,
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shop")
            .field("flights", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// An amount in US dollars and cents.
fn usd(minor: i64) -> anyhow::Result<Money> {
    Ok(Money {
        minor,
        currency: "USD".parse().context("a currency")?,
        exponent: 2,
    })
}

/// Starts a replica as the program does, but for its HTTP, with a private PostgreSQL.
pub async fn start(folder: &Path, service: Arc<dyn PaymentService>) -> anyhow::Result<Replica> {
    let config = ReplicaConfig {
        telemetry: None,
        booking: flightline_api::BookingTerms::default(),
        webhooks_private: true,
        webhook_events_held_max: 10_000,
        data_dir: folder.to_owned(),
        listen: "127.0.0.1:0".parse()?,
        auth: AuthMode::Open,
        stream: flightline_runtime::StreamPlace::Embedded,
        partitions: 64,
        database_url: None,
        workers: 1,
        views: None,
        queue_max: 200_000,
        shutdown_timeout: Duration::from_secs(60),
        settings: Settings::default(),
        orders: OrderSettings::default(),
        payments: PaymentsUrl::Sandbox(None),
        payment_notices: None,
        tick: Duration::from_millis(500),
        intakes: Vec::new(),
        authorities: Vec::new(),
        checkpoints: flightline_runtime::checkpoint::CheckpointPolicy::default(),
        feeds: Vec::new(),
        outward: Vec::new(),
    };
    Replica::start_with(config, service).await
}

impl Shop {
    /// Puts flights on sale.
    pub async fn open(replica: &Replica, flights: &Flights) -> anyhow::Result<Arc<Self>> {
        let backend = replica.backend();
        let events = flights.events()?;
        let feed = backend.clone();
        let report = tokio::task::spawn_blocking(move || {
            let body = Box::new(std::io::Cursor::new(events));
            feed.ingest(fleet::provider(), "canonical", &[], "flights", body)
        });
        let report = report.await??;
        ensure!(
            report.rejected == 0 && report.accepted == 2 * flights.keys.len() as u64,
            "the flights were not taken: {report:?}"
        );
        let keys = flights.keys.iter().map(|key| key.parse());
        Ok(Arc::new(Self {
            backend,
            keys: keys.collect::<Result<_, _>>()?,
            serial: AtomicU64::new(1),
        }))
    }

    /// `clients` at once ask again and again for `length`. Orders carry `tag`.
    pub async fn turn(
        self: &Arc<Self>,
        wish: Wish,
        clients: usize,
        length: Duration,
        tag: &str,
    ) -> anyhow::Result<Outcomes> {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let (shop, tag) = (Arc::clone(self), tag.to_owned());
                tokio::spawn(async move {
                    let mut dice = Dice::new(begun.elapsed().as_nanos() as u64 ^ client as u64);
                    let (mut latencies, mut waited_s) = (Latencies::default(), 0.0);
                    while begun.elapsed() < length {
                        let asked = Instant::now();
                        match wish {
                            Wish::Hold => shop.hold(&mut dice).await?,
                            Wish::Order(segments) => {
                                shop.order(&mut dice, segments, &tag).await?;
                            }
                        }
                        latencies.record(asked.elapsed());
                        waited_s += asked.elapsed().as_secs_f64();
                    }
                    anyhow::Ok((latencies, waited_s))
                })
            })
            .collect();
        let (mut latencies, mut waited_s) = (Latencies::default(), 0.0);
        for task in tasks {
            let (of_client, waited) = task.await??;
            latencies.merge(&of_client);
            waited_s += waited;
        }
        Ok(Outcomes {
            latencies,
            elapsed_s: begun.elapsed().as_secs_f64(),
            waited_s,
        })
    }

    /// Asks for holds, so many a second whatever was answered, until told to stop: from when each was due
    /// to its answer.
    pub async fn holds_until(
        self: Arc<Self>,
        per_second: f64,
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<Latencies> {
        let mut asked = tokio::task::JoinSet::new();
        let mut pace = Pace::new(per_second);
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(pace.next_due().into()).await;
            while let Some(due) = pace.take(Instant::now()) {
                let shop = Arc::clone(&self);
                let mut dice = Dice::new(pace.taken());
                asked.spawn(async move {
                    shop.hold(&mut dice).await?;
                    anyhow::Ok(due.elapsed())
                });
            }
        }
        let mut latencies = Latencies::default();
        while let Some(answered) = asked.join_next().await {
            latencies.record(answered??);
        }
        Ok(latencies)
    }

    /// The next number, spread over all bits as real ids are.
    fn next(&self) -> u128 {
        let n = self.serial.fetch_add(1, Ordering::Relaxed);
        Dice::new(n).wide()
    }

    async fn hold(&self, dice: &mut Dice) -> anyhow::Result<()> {
        let flight = self.keys[dice.below(self.keys.len() as u64) as usize];
        let request = HoldRequest {
            provider: None,
            cabin: fleet::cabin('A'),
            class: None,
            board: None,
            off: None,
            seats: 1,
            // Longer than any run: they are counted at its end.
            ttl_ms: Some(DAY_MS.unsigned_abs()),
            wait_ms: None,
            expected_price: None,
        };
        let answer = self.backend.submit(Submit {
            id: CommandId(self.next()),
            command: Command::Flight(flight, FlightCommand::Hold(request)),
            ref_text: None,
            actor: Some("bench".into()),
        })?;
        let outcome = answer.await?.decision.outcome;
        ensure!(
            matches!(outcome, Outcome::Held { .. }),
            "a hold was answered {outcome:?}: the flights must not sell out here"
        );
        Ok(())
    }

    async fn order(&self, dice: &mut Dice, segments: u8, tag: &str) -> anyhow::Result<()> {
        let create = self.create(dice, segments, tag)?;
        let order = OrderId::of(create.offer_request);
        let answer = self.backend.submit_order(OrderSubmit {
            id: CommandId(create.offer_request.0),
            order,
            action: OrderAction::Create(Box::new(create)),
            actor: Some("bench".into()),
        })?;
        let outcome = answer.await?.decision.outcome;
        ensure!(
            matches!(outcome, OrderOutcome::Created { .. }),
            "an order was answered {outcome:?}"
        );
        let settled = self.backend.settled(order).await?;
        ensure!(
            settled.state == OrderState::Booked,
            "order {order} became {}",
            settled.state.name()
        );
        Ok(())
    }

    fn create(&self, dice: &mut Dice, segments: u8, tag: &str) -> anyhow::Result<CreateOrder> {
        let flights = self.keys.len() as u64;
        let first = dice.below(flights);
        let segment = |n: u8| -> anyhow::Result<Vec<SegmentRequest>> {
            // Another flight each time, of all that there are.
            let at = (first + u64::from(n) * flights.div_ceil(2)) % flights;
            let flight = self.keys[at as usize];
            Ok(vec![SegmentRequest {
                flight,
                provider: None,
                cabin: fleet::cabin('A'),
                class: None,
                board: None,
                off: None,
                seats: 1,
                price: usd(FARE_MINOR)?,
                departs_ms: i64::from(flight.origin_date.0) * DAY_MS + DEPARTS_MS,
            }])
        };
        Ok(CreateOrder {
            offer_request: OfferRequestId(self.next()),
            offer: tag.into(),
            client: "bench".into(),
            terms: Terms::Instant {
                method: "balance".into(),
            },
            wait_ms: None,
            slices: (0..segments).map(segment).collect::<Result<_, _>>()?,
            passengers: 1,
            // As long as the sealed details of one traveller.
            sealed: "0".repeat(400).into(),
            total: usd(FARE_MINOR * i64::from(segments))?,
            refund: RefundTerms::Full,
            metadata: Vec::new(),
        })
    }
}
