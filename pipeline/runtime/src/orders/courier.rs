//! Takes what orders sold to the providers that granted the seats.
//!
//! As with payments, each ask is a task of its own, claimed before when several replicas run, and one whose
//! outcome nobody knows is asked again by the same name. What is asked of one placement is asked one
//! after the other, so that a withdrawal never overtakes what it withdraws.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use flightline_connectors::outward::{Answer, OutwardService, Placement, PlacementKey, Traveller};
use flightline_ledger::order::{
    Effect, EffectId, EffectResult, OrderAction, OrderOutcome, OutwardAsk, OutwardWork, Work,
};
use flightline_ledger::{Date, ProviderCode, Station};
use flightline_stream::partition_of_flight;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::desk::OrderDesk;
use crate::backend::Inner;

/// The providers that are told, and how.
pub(crate) type Ways = BTreeMap<ProviderCode, Arc<dyn OutwardService>>;

/// How long a claim lasts, in milliseconds: longer than an ask may take.
const CLAIM_MS: i64 = 55_000;
/// The longest that one ask may take.
const ASK_MAX: Duration = Duration::from_secs(45);
/// How often providers that answer when they like are listened to.
const LISTEN_EVERY: Duration = Duration::from_secs(1);

/// What is being asked of providers.
pub(crate) struct Courier {
    ways: Ways,
    desk: Arc<OrderDesk>,
    inner: Weak<Inner>,
    open: Mutex<HashMap<EffectId, Open>>,
    /// By what name this replica claims effects; absent = it is the only one.
    claims_as: Option<u64>,
}

/// An effect without a certain answer.
struct Open {
    effect: Effect,
    placement: EffectId,
    is_busy: bool,
    /// Something was heard of it meanwhile: it is asked again at once.
    is_hinted: bool,
}

/// The part of the sealed details that a provider is told.
#[derive(Deserialize)]
struct Sealed {
    passengers: Vec<Person>,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    id: String,
    title: String,
    gender: String,
    given_name: String,
    family_name: String,
    born_on: String,
    email: String,
    phone_number: String,
    #[serde(default)]
    infant_passenger_id: Option<String>,
}

impl Courier {
    pub(crate) fn new(
        ways: Ways,
        desk: Arc<OrderDesk>,
        inner: &Arc<Inner>,
        claims_as: Option<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ways,
            desk,
            inner: Arc::downgrade(inner),
            open: Mutex::default(),
            claims_as,
        })
    }

    /// Runs effects, and listens to providers, until the desk is gone.
    pub(crate) async fn run(self: Arc<Self>, mut effects: mpsc::UnboundedReceiver<Effect>) {
        let mut listen = tokio::time::interval(LISTEN_EVERY);
        listen.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let listens = self.ways.values().any(|way| way.answers_later());
        loop {
            tokio::select! {
                effect = effects.recv() => match effect {
                    Some(effect) => self.start(effect),
                    None => return,
                },
                _ = listen.tick(), if listens => {
                    if self.inner.strong_count() == 0 {
                        // The replica has stopped: what lies there is for the next one.
                        return;
                    }
                    self.listen().await;
                }
            }
        }
    }

    /// Remembers an effect of which it is not known what became, without asking for it yet.
    pub(crate) fn note(&self, effect: Effect) {
        let Work::Outward(work) = &effect.work else {
            return;
        };
        let placement = work.placement;
        self.open.lock().entry(effect.id).or_insert(Open {
            effect,
            placement,
            is_busy: false,
            is_hinted: false,
        });
        self.count();
    }

    /// Hears which placements were answered, and asks for what is open of them.
    async fn listen(self: &Arc<Self>) {
        let ways: Vec<_> = self.ways.values().cloned().collect();
        let heard = tokio::task::spawn_blocking(move || {
            let later = ways.iter().filter(|way| way.answers_later());
            later.flat_map(|way| way.answered()).collect::<Vec<_>>()
        });
        let Ok(heard) = heard.await else { return };
        let mut idle = Vec::new();
        for open in self.open.lock().values_mut() {
            if !heard.contains(&PlacementKey(open.placement.0)) {
                continue;
            }
            if open.is_busy {
                open.is_hinted = true;
            } else {
                idle.push(open.effect.clone());
            }
        }
        for effect in idle {
            self.start(effect);
        }
    }

    /// Asks for an effect, unless it is being asked for.
    fn start(self: &Arc<Self>, effect: Effect) {
        let Work::Outward(work) = &effect.work else {
            return;
        };
        let (id, placement) = (effect.id, work.placement);
        let withdraws = matches!(work.ask, OutwardAsk::Withdraw { .. });
        {
            let mut all = self.open.lock();
            if withdraws {
                // What is withdrawn is not placed any more. One that is being asked comes to its end first.
                all.retain(|other, open| {
                    open.placement != placement || open.is_busy || *other == id
                });
            }
            let mut others = all.values().filter(|open| open.placement == placement);
            if !withdraws && others.clone().any(|open| is_withdrawal(&open.effect)) {
                return;
            }
            let is_followed = others.any(|open| open.is_busy);
            let open = all.entry(id).or_insert(Open {
                effect: effect.clone(),
                placement,
                is_busy: false,
                is_hinted: false,
            });
            open.effect = effect;
            if open.is_busy || is_followed {
                // Taken up by whoever is busy with the placement.
                return;
            }
            open.is_busy = true;
            open.is_hinted = false;
        }
        self.count();
        tokio::spawn(self.clone().settle(id));
    }

    async fn settle(self: Arc<Self>, id: EffectId) {
        loop {
            let Some(effect) = self.open.lock().get(&id).map(|open| open.effect.clone()) else {
                return;
            };
            if !self.claim(&effect).await {
                // Another replica's, or answered meanwhile. If nobody runs it, it is due again.
                self.finish(id, true);
                return;
            }
            let result = self.ask(&effect).await;
            let is_known = result != EffectResult::Unknown;
            if !is_known
                && let Some(open) = self.open.lock().get_mut(&id)
                && std::mem::take(&mut open.is_hinted)
            {
                // Each hint is good for one more ask.
                continue;
            }
            // Told, and not reported: what waits for a provider is no payment that nobody knows of.
            let done = OrderAction::EffectDone { effect: id, result };
            self.desk.tell(effect.order, done);
            self.finish(id, is_known);
            return;
        }
    }

    /// Is done with an effect for now, and takes up what waited for it.
    fn finish(self: &Arc<Self>, id: EffectId, is_over: bool) {
        let mut next = None;
        {
            let mut all = self.open.lock();
            let placement = all.get(&id).map(|open| open.placement);
            let others = |open: &&Open| Some(open.placement) == placement;
            let withdrawal = all
                .values()
                .filter(others)
                .find(|open| open.effect.id != id && is_withdrawal(&open.effect));
            if let Some(withdrawal) = withdrawal {
                next = Some(withdrawal.effect.clone());
            }
            // What is to be withdrawn is not placed again.
            if is_over || next.is_some() {
                all.remove(&id);
            } else if let Some(open) = all.get_mut(&id) {
                open.is_busy = false;
            }
        }
        self.count();
        if let Some(effect) = next {
            self.start(effect);
        }
    }

    fn count(&self) {
        let open = self.open.lock().len() as u64;
        self.desk
            .stats()
            .outward_open
            .store(open, Ordering::Relaxed);
    }

    /// May this replica run the effect?
    async fn claim(&self, effect: &Effect) -> bool {
        let (Some(replica), Some(inner)) = (self.claims_as, self.inner.upgrade()) else {
            return true;
        };
        let claim = OrderAction::Claim {
            effect: effect.id,
            replica,
            until_ms: inner.sequencer.now_ms().saturating_add(CLAIM_MS),
        };
        drop(inner);
        let answer = self.desk.ask(effect.order, claim).await;
        answer.is_ok_and(|answer| matches!(answer.decision.outcome, OrderOutcome::Claimed { .. }))
    }

    async fn ask(&self, effect: &Effect) -> EffectResult {
        let Work::Outward(work) = &effect.work else {
            return EffectResult::Unknown;
        };
        let stats = self.desk.stats();
        stats.outward.fetch_add(1, Ordering::Relaxed);
        let (order, provider) = (effect.order, work.provider);
        let Some(way) = self.ways.get(&provider) else {
            tracing::error!(
                %order, %provider,
                "the order waits for a provider that the configuration has no way to: set [providers.{provider}.outward] again"
            );
            return EffectResult::Unknown;
        };
        let placement = match self.placement(effect, work).await {
            Ok(placement) => placement,
            Err(why) => {
                tracing::warn!(%order, %provider, why, "what is to be placed cannot be read");
                return EffectResult::Unknown;
            }
        };
        let asked = async {
            match &work.ask {
                OutwardAsk::Place => {
                    result(way.place(&placement).await, |placed| EffectResult::Placed {
                        reference: placed.reference.into(),
                    })
                }
                OutwardAsk::Withdraw { reference } => {
                    let answer = way.withdraw(&placement, reference.as_deref()).await;
                    result(answer, |()| EffectResult::Withdrawn)
                }
            }
        };
        let result = tokio::time::timeout(ASK_MAX, asked).await;
        let (result, why) = result.unwrap_or((EffectResult::Unknown, "no answer in time".into()));
        let step = effect.work.step();
        match &result {
            EffectResult::Unknown => {
                tracing::info!(%order, %provider, %step, asks = effect.asks, why, "asked again later");
            }
            EffectResult::Failed { code } => {
                stats.outward_refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%order, %provider, %step, code, why, "the provider refused");
            }
            _ => {}
        }
        result
    }

    /// A placement with all that a provider is told of it.
    async fn placement(&self, effect: &Effect, work: &OutwardWork) -> Result<Placement, String> {
        let inner = self.inner.upgrade().ok_or("the replica is stopping")?;
        let (order, sealed) = (effect.order, work.sealed.clone());
        let request = work.request.clone();
        let found = tokio::task::spawn_blocking(move || {
            let opened = inner.people()?.unseal(order, &sealed)?;
            let place = place(&inner, &request)?;
            Ok::<_, String>((opened, place))
        });
        let (opened, place) = found.await.map_err(|error| error.to_string())??;
        let travellers = match opened {
            Some(plain) => travellers(&plain)?,
            None => Vec::new(),
        };
        let request = &work.request;
        Ok(Placement {
            key: PlacementKey(work.placement.0),
            provider: work.provider,
            order: format!("ord_{order}"),
            segment: work.segment.saturating_add(1),
            booking: work.booking.to_string(),
            flight: request.flight,
            board: place.board,
            off: place.off,
            date: place.date,
            departs_ms: place.departs_ms,
            cabin: request.cabin,
            class: request.class,
            seats: request.seats,
            price: request.price,
            hold: work.hold,
            asked_before: effect.asks.saturating_sub(1),
            travellers,
        })
    }
}

fn is_withdrawal(effect: &Effect) -> bool {
    matches!(&effect.work, Work::Outward(work) if matches!(work.ask, OutwardAsk::Withdraw { .. }))
}

fn result<T>(answer: Answer<T>, done: impl FnOnce(T) -> EffectResult) -> (EffectResult, String) {
    match answer {
        Answer::Done(value) => (done(value), String::new()),
        Answer::Refused(refusal) => {
            let code = refusal.code.into();
            (EffectResult::Failed { code }, refusal.message)
        }
        Answer::Unknown(why) => (EffectResult::Unknown, why),
    }
}

/// Where and when passengers board.
struct Place {
    board: Station,
    off: Station,
    date: Date,
    departs_ms: i64,
}

/// As the flight has it; of one that is forgotten, as the order has it.
fn place(
    inner: &Inner,
    request: &flightline_ledger::order::SegmentRequest,
) -> Result<Place, String> {
    let reader = inner.dataflow.get().ok_or("the dataflow is not there")?;
    let flight = request.flight;
    let partition = partition_of_flight(&flight, inner.partitions);
    let legs = reader.with_ledger(partition, move |ledger| {
        let at = ledger.find(&flight)?;
        Some(ledger.flight(at).legs().to_vec())
    });
    let legs = legs
        .map_err(|failure| failure.to_string())?
        .unwrap_or_default();
    let board = request.board.unwrap_or(flight.board);
    let first = legs.iter().find(|leg| leg.board == board);
    let off = request.off.or_else(|| legs.last().map(|leg| leg.off));
    let (departs_ms, offset_min) = match first {
        Some(leg) => (
            leg.times.departs_s.saturating_mul(1000),
            leg.times.departs_offset_min,
        ),
        None => (request.departs_ms, 0),
    };
    let local_ms = departs_ms.saturating_add(i64::from(offset_min) * 60_000);
    let day = i32::try_from(local_ms.div_euclid(86_400_000)).unwrap_or(i32::MAX);
    Ok(Place {
        board,
        off: off.unwrap_or(board),
        date: Date(day),
        departs_ms,
    })
}

/// The passengers, in the order's order.
fn travellers(plain: &[u8]) -> Result<Vec<Traveller>, String> {
    let sealed: Sealed = serde_json::from_slice(plain)
        .map_err(|error| format!("the order's passengers cannot be read: {error}"))?;
    let ids: Vec<String> = sealed.passengers.iter().map(|p| p.id.clone()).collect();
    let carried = |infant: &Option<String>| {
        let infant = infant.as_deref()?;
        ids.iter().position(|id| id == infant)
    };
    let all = sealed.passengers.into_iter();
    Ok(all
        .map(|person| Traveller {
            carries: carried(&person.infant_passenger_id),
            title: person.title,
            gender: person.gender,
            given_name: person.given_name,
            family_name: person.family_name,
            born_on: person.born_on,
            email: person.email,
            phone_number: person.phone_number,
        })
        .collect())
}
