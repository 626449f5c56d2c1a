//! A cluster in memory that misbehaves as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::super::broker::{Broker, BrokerError, Cluster, Fetched};
use super::super::config::FluvioConfig;
use super::super::log::FluvioLog;
use crate::embedded::EmbeddedConfig;
use crate::error::StreamError;
use crate::key::PartitionId;

/// What happens to one produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnProduce {
    /// Written and answered.
    Good,
    /// Written, and the answer is lost.
    LoseAnswer,
    /// Neither written nor answered.
    LoseRequest,
    /// Not written now, and the answer is lost: it arrives behind the next fence.
    Delay,
    /// Written twice, as after a retry on the way, and answered once.
    Double,
    /// Only the first partition of the request is written, and the answer is lost.
    Half,
}

/// What happens to one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFetch {
    Good,
    /// A record in the middle is left out, as by a consumer that skips a cut batch.
    Skip,
    /// A byte is another.
    Flip,
    /// The answer ends in the middle of the first batch.
    Cut,
    /// The connection breaks.
    Break,
}

#[derive(Default)]
pub(super) struct State {
    /// The topic: one value a record, by partition.
    pub(super) topic: Vec<Vec<Bytes>>,
    pub(super) on_produce: VecDeque<OnProduce>,
    pub(super) on_fetch: VecDeque<OnFetch>,
    /// Every fetch from now on, when it is not in the queue.
    pub(super) always_fetch: Option<OnFetch>,
    /// Refuse connections so many times.
    pub(super) away: u32,
    /// Records in one fetch at most.
    pub(super) fetch_records: usize,
    /// Somebody else appends a record of his own with every fetch: there is never an end.
    pub(super) grows: bool,
    /// What somebody else writes right before the next request.
    pub(super) before_produce: Vec<(PartitionId, Bytes)>,
    delayed: Vec<(PartitionId, Bytes)>,
    pub(super) connections: u32,
}

/// Cloned handles are the same cluster.
#[derive(Clone, Default)]
pub(super) struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    pub(super) fn new(partitions: u32) -> Self {
        let cluster = Self::default();
        let mut state = cluster.lock();
        state.topic = vec![Vec::new(); partitions as usize];
        state.fetch_records = 7;
        drop(state);
        cluster
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn next_produce(&self, what: &[OnProduce]) {
        self.lock().on_produce.extend(what);
    }

    pub(super) fn next_fetch(&self, what: &[OnFetch]) {
        self.lock().on_fetch.extend(what);
    }

    /// Opens a log on it, with the copy in the folder.
    pub(super) fn open(&self, dir: &std::path::Path) -> Result<FluvioLog, StreamError> {
        FluvioLog::open_on(self.config(dir), Arc::new(self.clone()))
    }

    /// Opens a log on it beside others.
    pub(super) fn join(&self, dir: &std::path::Path) -> Result<FluvioLog, StreamError> {
        FluvioLog::join_on(self.config(dir), Arc::new(self.clone()))
    }

    pub(super) fn config(&self, dir: &std::path::Path) -> FluvioConfig {
        let mut copy = EmbeddedConfig::new(dir.join("copy"));
        copy.partitions = self.lock().topic.len() as u32;
        copy.reserve_bytes = 0;
        let url = "fluvio://scripted:1/topic".parse().unwrap();
        FluvioConfig::new(&url, copy)
    }
}

impl Cluster for Scripted {
    fn connect(&self) -> Result<Box<dyn Broker>, BrokerError> {
        let mut state = self.lock();
        if state.away > 0 {
            state.away -= 1;
            return Err(BrokerError::passing("scripted: away"));
        }
        state.connections += 1;
        Ok(Box::new(self.clone()))
    }

    fn name(&self) -> String {
        "fluvio://scripted:1/topic".to_owned()
    }
}

impl Broker for Scripted {
    fn produce(&mut self, batches: &[(PartitionId, Vec<Bytes>)]) -> Vec<Result<u64, BrokerError>> {
        let mut state = self.lock();
        for (partition, value) in std::mem::take(&mut state.before_produce) {
            state.topic[partition as usize].push(value);
        }
        let what = state.on_produce.pop_front().unwrap_or(OnProduce::Good);
        let written = match what {
            OnProduce::LoseRequest | OnProduce::Delay => 0,
            OnProduce::Half => 1,
            _ => batches.len(),
        };
        if what == OnProduce::Delay {
            let values = batches
                .iter()
                .flat_map(|(p, v)| v.iter().map(|v| (*p, v.clone())));
            state.delayed.extend(values.collect::<Vec<_>>());
        }
        let mut answers = Vec::new();
        for (partition, values) in &batches[..written] {
            let log = &mut state.topic[*partition as usize];
            answers.push(Ok(log.len() as u64));
            log.extend(values.iter().cloned());
            if what == OnProduce::Double {
                log.extend(values.iter().cloned());
            }
        }
        match what {
            OnProduce::Good | OnProduce::Double => {
                // What was lost on the way comes now, behind what overtook it.
                for (partition, value) in std::mem::take(&mut state.delayed) {
                    state.topic[partition as usize].push(value);
                }
                answers
            }
            _ => batches
                .iter()
                .map(|_| Err(BrokerError::passing("scripted: no answer")))
                .collect(),
        }
    }

    fn fetch(
        &mut self,
        partition: PartitionId,
        from: u64,
        _bytes_max: u32,
    ) -> Result<Fetched, BrokerError> {
        let mut state = self.lock();
        let always = state.always_fetch.unwrap_or(OnFetch::Good);
        let what = state.on_fetch.pop_front().unwrap_or(always);
        if state.grows {
            state.topic[partition as usize].push(Bytes::from_static(b"of somebody else"));
        }
        let max = state.fetch_records;
        let log = &state.topic[partition as usize];
        let start = usize::try_from(from).unwrap();
        if start > log.len() {
            return Err(BrokerError::beyond_end("scripted: offset out of range"));
        }
        let mut values: Vec<_> = (from..)
            .zip(log[start..].iter().take(max).cloned())
            .collect();
        match what {
            OnFetch::Good => {}
            OnFetch::Break => return Err(BrokerError::passing("scripted: connection reset")),
            OnFetch::Skip => {
                let middle = values.len() / 2;
                if middle < values.len() {
                    values.remove(middle);
                }
            }
            OnFetch::Flip => {
                if let Some((_, value)) = values.last_mut() {
                    let mut bytes = value.to_vec();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    *value = bytes.into();
                }
            }
            OnFetch::Cut => {
                let left_over = values.len() * 10;
                return Ok(Fetched {
                    left_over,
                    ..Fetched::default()
                });
            }
        }
        Ok(Fetched {
            next: values.last().map(|(o, _)| o + 1),
            values,
            ..Fetched::default()
        })
    }
}
