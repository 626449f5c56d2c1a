//! What replicas say of themselves, over all their lives.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What is summed over all lives of all replicas, and what it says.
pub const COUNTED: [(&str, &str); 9] = [
    (
        "flightline_stream_settled_total",
        "appends whose answer was lost",
    ),
    (
        "flightline_stream_found_total",
        "of these, found in the topic",
    ),
    ("flightline_stream_resent_total", "of these, sent again"),
    (
        "flightline_stream_reconnects_total",
        "connections to the cluster made again",
    ),
    (
        "flightline_stream_healed_total",
        "faults of the topic that reading again healed",
    ),
    (
        "flightline_stream_doubles_total",
        "records that came twice, passed over",
    ),
    (
        "flightline_stream_stale_total",
        "late records of a writer's earlier life, passed over",
    ),
    (
        "flightline_tables_taken_over_total",
        "times that another replica took the tables over",
    ),
    (
        "flightline_stream_hashes_compared_total",
        "running hashes compared with topic and replicas",
    ),
];

/// How often they are asked.
const EVERY: Duration = Duration::from_millis(500);

/// By name, of each life the last that it said. A life is known by its address.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<HashMap<SocketAddr, BTreeMap<&'static str, u64>>>>);

impl Watch {
    /// Asks until the run is over. What a life says in its last moments before a kill is not heard.
    pub async fn run(self, addresses: watch::Receiver<Vec<Option<SocketAddr>>>) {
        let Ok(http) = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(2))
            .build()
        else {
            return;
        };
        loop {
            let now: Vec<SocketAddr> = addresses.borrow().iter().flatten().copied().collect();
            for address in now {
                self.ask(&http, address).await;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn ask(&self, http: &reqwest::Client, address: SocketAddr) {
        let page = http.get(format!("http://{address}/metrics")).send().await;
        // One that is killed or stands still is asked again.
        let Ok(page) = page else { return };
        let Ok(page) = page.text().await else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = all.entry(address).or_default();
        for (name, _) in COUNTED {
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            if let Some(value) = line.and_then(|value| value.trim().parse().ok()) {
                said.insert(name, value);
            }
        }
    }

    /// The sums.
    pub fn sums(&self) -> Vec<(&'static str, u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |name| all.values().filter_map(|said| said.get(name)).sum();
        COUNTED
            .iter()
            .map(|(name, _)| (*name, sum(*name)))
            .collect()
    }
}
