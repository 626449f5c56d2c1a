//! A store, an engine and a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::webhooks::{
    Clock, DeliveryState, DeliveryStatus, Engine, EngineConfig, Event, ManualClock, Progress, Store,
};

use super::home::Home;
use super::support::{clock, event};

pub(crate) struct World {
    _home: Home,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
}

pub(crate) fn world(home: Home) -> World {
    let clock = clock();
    let store = home.open(&clock);
    World {
        _home: home,
        clock,
        store,
    }
}

pub(crate) fn engine_config() -> EngineConfig {
    EngineConfig {
        request_timeout: Duration::from_secs(30),
        ..EngineConfig::default()
    }
}

impl World {
    pub(crate) fn engine(&self) -> Engine {
        Engine::start(Arc::clone(&self.store), engine_config()).unwrap()
    }

    pub(crate) fn append(&self, orders: std::ops::Range<u64>) -> Vec<String> {
        let events: Vec<_> = orders
            .map(|n| event("acme", &format!("ord_{n}"), 1))
            .collect();
        self.store.append(&events, &Progress::default()).unwrap();
        events.iter().map(|event| event.id()).collect()
    }

    pub(crate) fn event(&self, id: &str) -> Event {
        self.store.event("acme", id).unwrap()
    }

    /// Waits until all deliveries of an event have a status.
    pub(crate) async fn settled(&self, id: &str, status: DeliveryStatus, attempts: u32) {
        for _ in 0..6_000 {
            let event = self.event(id);
            if event
                .deliveries
                .iter()
                .all(|d| d.status == status && d.attempts == attempts)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "never {status:?} after {attempts} attempts: {:?}",
            self.event(id).deliveries
        );
    }
}

/// Waits until nothing of an event is due now.
pub(crate) async fn quiet(world: &World, id: &str) {
    for _ in 0..6_000 {
        let now_ms = world.clock.now_ms();
        let is_due = |d: &DeliveryState| d.status == DeliveryStatus::Pending && d.at_ms <= now_ms;
        if !world.event(id).deliveries.iter().any(is_due) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{id} is due and not tried");
}
