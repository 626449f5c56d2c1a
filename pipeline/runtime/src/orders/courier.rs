//! Takes what orders sold to the providers that granted the seats.
//!
//! As with payments, each ask is a task of its own, claimed before when several replicas run, and one whose
//! outcome nobody knows is asked again by the same name. What is asked of one placement is asked one
//! after the other, so that a withdrawal never overtakes what it withdraws.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use flightline_connectors::airports::airports;
use flightline_connectors::outward::{Answer, OutwardService, Placement, PlacementKey, Traveller};
use flightline_ledger::order::{
    Effect, EffectId, EffectResult, OrderAction, OrderOutcome, OutwardAsk, OutwardWork, Work,
};
use flightline_ledger::{Date, ProviderCode, Station};
use flightline_stream::partition_of_flight;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::desk::OrderDesk;
use super::kept;
use crate::backend::Inner;
use crate::serials::Gap;

/// The providers that are told, and how.
pub(crate) type Ways = BTreeMap<ProviderCode, Arc<dyn OutwardService>>;

/// How long a claim lasts, in milliseconds: longer than an ask may take.
const CLAIM_MS: i64 = 55_000;
/// The longest that one ask may take.
const ASK_MAX: Duration = Duration::from_secs(45);
/// How often providers that answer when they like are listened to.
const LISTEN_EVERY: Duration = Duration::from_secs(1);
/// How often messages of feeds that are missing are looked for, to be asked for again.
const LOOK_FOR_GAPS_EVERY: Duration = Duration::from_secs(30);
/// How many gaps of one feed are asked for, the oldest first: a provider whose groups are not numbered for us alone
/// has thousands, and nothing to send.
const GAPS_ASKED_MAX: usize = 100;
/// How often what is kept in files is looked through, beside the start.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// What is being asked of providers.
pub(crate) struct Courier {
    ways: Arc<Ways>,
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

/// Waits for the next time; for ever when there is none.
async fn next(listen: &mut Option<tokio::time::Interval>) {
    match listen {
        Some(listen) => {
            listen.tick().await;
        }
        None => std::future::pending().await,
    }
}

impl Courier {
    pub(crate) fn new(
        ways: Arc<Ways>,
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
        let listens = self.ways.values().any(|way| way.answers_later());
        let (mut tidied, mut looked): (Option<Instant>, Option<Instant>) = (None, None);
        let mut tidying: Option<JoinHandle<()>> = None;
        // Without providers to tell there is no timer, as in a simulation, whose time is not the machine's.
        let mut listen = (!self.ways.is_empty()).then(|| {
            let mut listen = tokio::time::interval(LISTEN_EVERY);
            listen.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            listen
        });
        loop {
            tokio::select! {
                effect = effects.recv() => match effect {
                    Some(effect) => self.start(effect),
                    None => return,
                },
                () = next(&mut listen) => {
                    if self.inner.strong_count() == 0 {
                        // The replica has stopped: what lies there is for the next one.
                        return;
                    }
                    if listens {
                        self.listen().await;
                    }
                    let is_due = looked.is_none_or(|at| at.elapsed() >= LOOK_FOR_GAPS_EVERY);
                    if is_due && self.desk.is_live() {
                        looked = Some(Instant::now());
                        self.ask_again().await;
                    }
                    let is_due = tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY);
                    let is_over = tidying.as_ref().is_none_or(JoinHandle::is_finished);
                    if is_due && is_over && self.desk.is_live() {
                        tidied = Some(Instant::now());
                        // Beside: it asks for a key for each message that lies there, and nothing that is to be
                        // placed waits for that.
                        tidying = Some(tokio::spawn(self.clone().tidy()));
                    }
                }
            }
        }
    }

    /// Drops what the ways keep in files, as far as it is settled.
    async fn tidy(self: Arc<Self>) {
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        let ways = self.ways.clone();
        let tidied =
            tokio::task::spawn_blocking(move || kept::tidy(&inner, &ways, SystemTime::now()));
        if let Err(error) = tidied.await {
            tracing::error!(%error, "files of outward orders were not looked through");
        }
    }

    /// Asks providers for messages of their feeds that are missing, where there is a way to.
    async fn ask_again(&self) {
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        let mut all = Vec::new();
        for (provider, way) in &*self.ways {
            let gaps = inner.gaps_of(*provider);
            let missing = gaps.iter().take(GAPS_ASKED_MAX).map(Gap::name);
            let missing: Vec<String> = missing.collect();
            if !missing.is_empty() {
                all.push((*provider, way.clone(), gaps.len(), missing));
            }
        }
        drop(inner);
        if all.is_empty() {
            return;
        }
        let asked = tokio::task::spawn_blocking(move || {
            for (provider, way, gaps, missing) in all {
                match way.ask_again(&missing) {
                    Ok(Some(count)) if count > 0 => {
                        tracing::warn!(%provider, count, gaps, ?missing, "messages of the feed are missing: asked for them again");
                    }
                    Ok(_) => {}
                    Err(why) => {
                        tracing::warn!(%provider, why, "messages of the feed are missing, and cannot be asked for");
                    }
                }
            }
        });
        if let Err(error) = asked.await {
            tracing::error!(%error, "messages of feeds that are missing were not asked for");
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
            open.is_hinted = true;
            if !open.is_busy {
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
        }
        self.count();
        tokio::spawn(self.clone().settle(id));
    }

    async fn settle(self: Arc<Self>, id: EffectId) {
        loop {
            let asked = self.open.lock().get_mut(&id).map(|open| {
                let is_hinted = std::mem::take(&mut open.is_hinted);
                (open.effect.clone(), is_hinted)
            });
            let Some((effect, is_hinted)) = asked else {
                return;
            };
            // Whoever knows that there is an answer reads it, and sends nothing: that needs no claim, which
            // nobody gets before the effect is due again.
            if !is_hinted && !self.claim(&effect).await {
                // Another replica's, or answered meanwhile. If nobody runs it, it is due again.
                self.finish(id, true);
                return;
            }
            let result = self.ask(&effect).await;
            let is_known = result != EffectResult::Unknown;
            let has_hint = || self.open.lock().get(&id).is_some_and(|open| open.is_hinted);
            if !is_known && has_hint() {
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
            let people = inner.people().and_then(|people| {
                let opened = people.unseal(order, &sealed)?;
                opened.map_or(Ok(Vec::new()), |plain| travellers(&plain))
            });
            let place = place(&inner, &request)?;
            Ok::<_, String>((people, place))
        });
        let (people, place) = found.await.map_err(|error| error.to_string())??;
        let travellers = match (people, &work.ask) {
            (Ok(travellers), _) => travellers,
            (Err(why), OutwardAsk::Place) => return Err(why),
            // The seats must come back, also those of passengers that nobody can read any more.
            (Err(why), OutwardAsk::Withdraw { .. }) => {
                tracing::warn!(%order, why, "withdrawn without naming the passengers");
                Vec::new()
            }
        };
        let request = &work.request;
        Ok(Placement {
            key: PlacementKey(work.placement.0),
            provider: work.provider,
            order: kept::name_of(order),
            segment: work.segment.saturating_add(1),
            booking: work.booking.to_string(),
            flight: request.flight,
            board: place.board,
            off: place.off,
            date: place.date,
            departs_ms: request.departs_ms,
            cabin: request.cabin,
            class: request.class,
            seats: request.seats,
            price: request.price,
            hold: work.hold,
            asked_before: effect.asks.saturating_sub(1),
            since_ms: effect.since_ms,
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

/// Where passengers board and leave, and on which day.
struct Place {
    board: Station,
    off: Station,
    date: Date,
}

/// As it was sold, whatever the airline has changed since: the same each time that a provider is asked. What the
/// order does not say, the flight does: its last station, and the clocks of a station that is no known airport.
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
    let stated_min = first.map(|leg| leg.times.departs_offset_min);
    Ok(Place {
        board,
        off: off.unwrap_or(board),
        date: day_there(board, request.departs_ms, stated_min),
    })
}

/// The day on which the clocks of a station stand at a moment. By its zone, which no change of the flight moves and
/// which is there when the flight is not; where there is none, by what the flight states.
fn day_there(station: Station, at_ms: i64, stated_min: Option<i16>) -> Date {
    let zone = airports().get(station).map(|airport| airport.zone);
    let by_zone = zone.map(|zone| zone.offset_min(at_ms.div_euclid(1_000)));
    let offset_min = by_zone.or(stated_min).unwrap_or(0);
    let local_ms = at_ms.saturating_add(i64::from(offset_min) * 60_000);
    Date(i32::try_from(local_ms.div_euclid(86_400_000)).unwrap_or(i32::MAX))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_the_station_whatever_became_of_the_flight() {
        // 03:30 UTC, the evening before in Newark.
        let at_ms = 1_804_044_600_000;
        let day = |station: &str, stated_min| {
            let station = station.parse().unwrap();
            day_there(station, at_ms, stated_min).to_string()
        };
        for stated_min in [None, Some(-300), Some(0)] {
            assert_eq!(day("EWR", stated_min), "2027-03-02");
        }
        assert_eq!(day("LHR", Some(-300)), "2027-03-03");
        // No known airport.
        assert_eq!(day("QQX", Some(-300)), "2027-03-02");
        assert_eq!(day("QQX", None), "2027-03-03");
    }
}
