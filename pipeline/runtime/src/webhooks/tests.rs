//! What is derived is kept once, in bounded memory, however long the store is away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flightline_connectors::webhooks::{EventKind, NewEvent, OrderPlace, Progress, WebhooksError};
use parking_lot::Mutex;
use serde_json::json;

use super::held::{Held, Next, Placed};
use super::keeper::{KeepError, Keeper, Keeps, Source};

const ROOM: usize = 10;

fn event(offset: u64) -> NewEvent {
    NewEvent {
        client: "shop".to_owned(),
        kind: EventKind::OrderCreated,
        object_id: format!("ord_{offset}"),
        order: OrderPlace {
            order_id: format!("ord_{offset}"),
            sequence: 1,
        },
        created_at_ms: 0,
        object: json!({}),
    }
}

fn number(event: &NewEvent) -> u64 {
    event.object_id["ord_".len()..].parse().unwrap()
}

/// A store that is there or not. Partition 0 alone has events, one at each offset.
#[derive(Default)]
struct Kept {
    is_away: bool,
    events: BTreeSet<u64>,
    /// Kept more than once.
    again: usize,
    progress: BTreeMap<u32, u64>,
    derived: Vec<(u64, u64)>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Kept>>);

impl Fake {
    fn away(&self) -> Result<(), WebhooksError> {
        match self.0.lock().is_away {
            true => Err(WebhooksError::BadRow("away".to_owned())),
            false => Ok(()),
        }
    }
}

impl Keeps for Fake {
    fn keep(&self, events: Vec<NewEvent>, progress: &Progress) -> Result<(), WebhooksError> {
        self.away()?;
        let mut kept = self.0.lock();
        for event in &events {
            let is_new = kept.events.insert(number(event));
            kept.again += usize::from(!is_new);
        }
        for (partition, next) in &progress.0 {
            let have = kept.progress.entry(*partition).or_default();
            *have = (*have).max(*next);
        }
        // Nothing is passed over: what progress covers is there.
        let covered = kept.progress.get(&0).copied().unwrap_or(0);
        assert!((0..covered).all(|offset| kept.events.contains(&offset)));
        Ok(())
    }

    fn progress(&self) -> Result<Progress, WebhooksError> {
        self.away()?;
        Ok(Progress(self.0.lock().progress.clone()))
    }

    fn set_leading(&self, _: bool) {}
}

impl Source for Fake {
    fn derive(
        &self,
        partition: u32,
        from: u64,
        until: u64,
        give: &mut dyn FnMut(Vec<NewEvent>, u64) -> Result<(), KeepError>,
    ) -> Result<(), KeepError> {
        assert_eq!(partition, 0, "nothing comes in the other one");
        self.0.lock().derived.push((from, until));
        for offset in from..until {
            give(vec![event(offset)], offset + 1)?;
        }
        Ok(())
    }
}

/// The epochs of a stream with an event in each record.
struct Stream {
    held: Arc<Held>,
    next: u64,
}

impl Stream {
    fn epoch(&mut self, records: u64) {
        let from = self.next;
        self.next += records;
        let events = (from..self.next).map(|offset| Placed::new(0, offset, event(offset)));
        self.held.take(events.collect(), &[self.next, 0]);
    }
}

fn world(leads: Option<bool>) -> (Fake, Stream, Keeper<Fake, Fake>) {
    let store = Fake::default();
    let held = Arc::new(Held::new(ROOM));
    let leads = leads.map(|leads| -> super::keeper::Leads { Box::new(move || leads) });
    let keeper = Keeper::new(store.clone(), store.clone(), leads, held.clone());
    (store, Stream { held, next: 0 }, keeper)
}

fn all(store: &Fake, stream: &Stream) {
    let kept = store.0.lock();
    assert_eq!(kept.events.len() as u64, stream.next, "each is kept");
    assert_eq!(kept.progress[&0], stream.next);
    assert_eq!(stream.held.counts().0, 0);
}

#[test]
fn what_fits_is_kept_without_reading_the_stream_again() {
    for leads in [None, Some(true)] {
        let (store, mut stream, mut keeper) = world(leads);
        for _ in 0..5 {
            stream.epoch(ROOM as u64);
            keeper.turn(&|| false).unwrap();
        }
        all(&store, &stream);
        assert!(store.0.lock().derived.is_empty());
        assert_eq!(store.0.lock().again, 0);
    }
}

#[test]
fn memory_is_bounded_while_the_store_is_away_and_nothing_is_lost() {
    for leads in [None, Some(true)] {
        let (store, mut stream, mut keeper) = world(leads);
        stream.epoch(3);
        keeper.turn(&|| false).unwrap();
        store.0.lock().is_away = true;
        for epoch in 0..200 {
            stream.epoch(1 + epoch % 7);
            assert!(stream.held.counts().0 <= ROOM);
            if epoch % 3 == 0 {
                assert!(keeper.turn(&|| false).is_err());
                assert!(stream.held.counts().0 <= ROOM);
            }
        }
        assert!(stream.held.counts().1 > 1, "they were let go");
        store.0.lock().is_away = false;
        keeper.turn(&|| false).unwrap();
        all(&store, &stream);
        assert_eq!(store.0.lock().derived.len(), 1, "read once");
        assert_eq!(store.0.lock().derived[0].0, 3, "from what was kept");
        // And on as before.
        stream.epoch(ROOM as u64);
        keeper.turn(&|| false).unwrap();
        all(&store, &stream);
        assert_eq!(store.0.lock().derived.len(), 1);
        assert_eq!(store.0.lock().again, 0);
    }
}

#[test]
fn one_epoch_that_is_larger_than_the_room_is_derived_again() {
    let (store, mut stream, mut keeper) = world(None);
    stream.epoch(2);
    stream.epoch(ROOM as u64 + 1);
    stream.epoch(1);
    keeper.turn(&|| false).unwrap();
    all(&store, &stream);
}

/// The store is away when the replica starts: everything up to where the stream ends is let go, and then the epochs of
/// its history come, which are behind that in one partition and beyond it in another.
#[test]
fn what_was_let_go_before_the_history_stays_let_go_of() {
    let held = Held::new(ROOM);
    held.let_go_before(&[100, 50]);
    held.take(Vec::new(), &[40, 0]);
    let beyond = 50 + ROOM as u64 + 1;
    let events = (50..beyond).map(|offset| Placed::new(1, offset, event(offset)));
    held.take(events.collect(), &[40, beyond]);
    let next = held.next();
    assert!(
        matches!(&next, Next::Again(until) if *until == [100, beyond]),
        "{next:?}"
    );
    held.derived_again(&[100, beyond]);
    held.take(Vec::new(), &[90, beyond]);
    let next = held.next();
    assert!(
        matches!(&next, Next::Events(events, covers) if events.is_empty() && *covers == [100, beyond]),
        "{next:?}"
    );
}

#[test]
fn what_is_not_kept_is_put_back_in_front() {
    let (store, mut stream, mut keeper) = world(None);
    store.0.lock().is_away = true;
    stream.epoch(4);
    assert!(keeper.turn(&|| false).is_err());
    stream.epoch(4);
    assert_eq!(stream.held.counts(), (8, 0));
    store.0.lock().is_away = false;
    keeper.turn(&|| false).unwrap();
    all(&store, &stream);
    assert!(store.0.lock().derived.is_empty());
}

#[test]
fn a_stop_does_not_wait_for_the_stream_to_be_read() {
    let (store, mut stream, mut keeper) = world(None);
    stream.epoch(50);
    let stopped = keeper.turn(&|| true);
    assert!(matches!(stopped, Err(KeepError::Stopping)), "{stopped:?}");
    assert!(store.0.lock().events.is_empty());
    keeper.turn(&|| false).unwrap();
    all(&store, &stream);
}

#[test]
fn what_another_replica_has_kept_is_let_go_of() {
    let (store, mut stream, keeper) = world(Some(false));
    stream.epoch(4);
    stream
        .held
        .forget_before(&Progress(BTreeMap::from([(0, 3)])));
    assert_eq!(stream.held.counts().0, 1);
    stream.epoch(ROOM as u64);
    assert_eq!(stream.held.counts(), (0, 1));
    stream
        .held
        .forget_before(&Progress(BTreeMap::from([(0, 13)])));
    assert!(stream.held.since().is_some(), "not all of it");
    stream
        .held
        .forget_before(&Progress(BTreeMap::from([(0, 14)])));
    assert!(stream.held.since().is_none());
    drop((store, keeper));
}
