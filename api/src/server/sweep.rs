//! All connections, and the task that closes those that are overdue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::conn::{Conn, Signal};
use crate::app::App;

/// How often connections are looked at: time-outs are exact to this.
const EVERY: Duration = Duration::from_millis(250);

/// The connections there are.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    list: Mutex<List>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct List {
    next: u64,
    by_number: HashMap<u64, Arc<Conn>>,
}

/// Takes its connection off the list when dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    connections: Connections,
    number: u64,
}

impl Connections {
    pub(crate) fn new() -> Self {
        let (count, _) = watch::channel(0);
        Self(Arc::new(Inner {
            list: Mutex::default(),
            count,
        }))
    }

    pub(crate) fn add(&self, conn: Arc<Conn>) -> Registered {
        let mut list = self.0.list.lock();
        let number = list.next;
        list.next += 1;
        list.by_number.insert(number, conn);
        self.0.count.send_replace(list.by_number.len());
        Registered {
            connections: self.clone(),
            number,
        }
    }

    /// Tells every connection something; how many there are.
    pub(crate) fn tell_all(&self, signal: Signal) -> usize {
        let list = self.0.list.lock();
        list.by_number.values().for_each(|conn| conn.tell(signal));
        list.by_number.len()
    }

    /// Ready when there are none.
    pub(crate) async fn ended(&self) {
        // The sender lives in `self`: it cannot be closed.
        let _ = self.0.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn sweep(&self, app: &App) {
        let list = self.0.list.lock();
        app.metrics.connections.set(list.by_number.len() as i64);
        for conn in list.by_number.values() {
            conn.remind(&app.config);
            if let Some(why) = conn.overdue(&app.config) {
                tracing::debug!(peer = %conn.peer, why, "connection closed");
                app.metrics.connections_overdue.inc();
                conn.tell(Signal::Kill);
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let inner = &self.connections.0;
        let mut list = inner.list.lock();
        list.by_number.remove(&self.number);
        inner.count.send_replace(list.by_number.len());
    }
}

/// The task; it ends when this is dropped.
pub(crate) struct Sweep(tokio::task::JoinHandle<()>);

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn start(connections: &Connections, app: &Arc<App>) -> Sweep {
    let (connections, app) = (connections.clone(), Arc::clone(app));
    Sweep(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            connections.sweep(&app);
        }
    }))
}
