//! A log on a cluster that is not there: answers, time and chance come from whoever simulates. Everything
//! that is done about them is what is done about a real cluster's.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::broker::{Broker, BrokerError, Cluster, Fetched};
use super::commit::Core;
use super::config::FluvioConfig;
use super::interrupt::Interrupt;
use super::log::FluvioLog;
use super::rebuild::{RebuildReport, rebuild_copy};
use super::session::Session;
use super::tail::{Seen, look};
use crate::embedded::simulated::{Disk, DiskHost};
use crate::embedded::{EmbeddedConfig, EmbeddedLog};
use crate::error::StreamError;
use crate::key::PartitionId;

/// Why a simulated cluster did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Whether it was done is not known.
    Unanswered(&'static str),
    /// What was asked for lies behind the end.
    BeyondEnd,
}

impl From<Trouble> for BrokerError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unanswered(what) => BrokerError::passing(format!("simulated: {what}")),
            Trouble::BeyondEnd => BrokerError::beyond_end("simulated: offset out of range"),
        }
    }
}

/// What was fetched from a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Values with their offsets.
    pub values: Vec<(u64, Bytes)>,
    /// Bytes of a batch that was cut.
    pub left_over: usize,
}

/// The cluster as one process sees it. `writes`: it is asked by whoever has the process's right to write and
/// keeps others of the process from it meanwhile; otherwise by its reader of what others write, who keeps
/// nobody from anything.
pub trait SimulatedCluster: Send + Sync {
    /// New connections are made.
    ///
    /// # Errors
    /// It cannot be reached.
    fn connect(&self, writes: bool) -> Result<(), Trouble>;

    /// Appends a value to each of these partitions; gives the place of each.
    fn produce(&self, batches: &[(PartitionId, Bytes)]) -> Vec<Result<u64, Trouble>>;

    /// Reads from each of these places on.
    fn fetch(&self, asked: &[(PartitionId, u64)], writes: bool) -> Vec<Result<Answer, Trouble>>;

    /// Time passes. True when the process is to give up.
    fn wait(&self, time: Duration, writes: bool) -> bool;

    /// What time it is.
    fn now(&self) -> Duration;

    /// A number that was never given before; not 0.
    fn new_id(&self) -> u64;
}

#[derive(Clone)]
struct Adapter {
    host: Arc<dyn SimulatedCluster>,
    writes: bool,
    since: Instant,
}

impl Cluster for Adapter {
    fn connect(&self) -> Result<Box<dyn Broker>, BrokerError> {
        self.host.connect(self.writes)?;
        Ok(Box::new(self.clone()))
    }

    fn name(&self) -> String {
        "fluvio://simulated:1/topic".to_owned()
    }

    fn wait(&self, time: Duration, _: Option<&Interrupt>) -> bool {
        self.host.wait(time, self.writes)
    }

    fn now(&self) -> Instant {
        self.since + self.host.now()
    }

    fn new_id(&self) -> u64 {
        self.host.new_id()
    }
}

impl Broker for Adapter {
    fn produce(&mut self, batches: &[(PartitionId, Vec<Bytes>)]) -> Vec<Result<u64, BrokerError>> {
        let values: Vec<(PartitionId, Bytes)> = batches
            .iter()
            .map(|(partition, values)| {
                assert_eq!(values.len(), 1, "an envelope is a batch");
                (*partition, values[0].clone())
            })
            .collect();
        let answers = self.host.produce(&values);
        let answers = answers.into_iter().map(|a| a.map_err(BrokerError::from));
        answers.collect()
    }

    fn fetch(
        &mut self,
        partition: PartitionId,
        from: u64,
        bytes_max: u32,
    ) -> Result<Fetched, BrokerError> {
        let mut all = self.fetch_all(&[(partition, from)], bytes_max);
        all.pop()
            .unwrap_or_else(|| Err(BrokerError::passing("simulated: no answer")))
    }

    fn fetch_all(
        &mut self,
        asked: &[(PartitionId, u64)],
        _: u32,
    ) -> Vec<Result<Fetched, BrokerError>> {
        let answers = self.host.fetch(asked, self.writes);
        let fetched = |answer: Answer| Fetched {
            next: answer.values.last().map(|(offset, _)| offset + 1),
            values: answer.values,
            left_over: answer.left_over,
            start: 0,
        };
        let each = answers.into_iter();
        each.map(|answer| answer.map(fetched).map_err(BrokerError::from))
            .collect()
    }
}

/// Where a simulated process keeps what.
#[derive(Clone)]
pub struct Surroundings {
    /// Name of the topic: lower-case letters, digits and hyphens.
    pub topic: String,
    /// The cluster.
    pub cluster: Arc<dyn SimulatedCluster>,
    /// The disk of the copy.
    pub disk: Disk,
    /// What its commits do.
    pub disk_host: Arc<dyn DiskHost>,
    /// Id of a new copy's producer.
    pub producer: u64,
}

impl Surroundings {
    fn config(&self, folder: &Path, partitions: u32) -> Result<FluvioConfig, StreamError> {
        let mut copy = EmbeddedConfig::new(folder.join("stream"));
        copy.partitions = partitions;
        copy.reserve_bytes = 0;
        let url = format!("fluvio://simulated:1/{}", self.topic);
        let mut config = FluvioConfig::new(&url.parse()?, copy);
        // A process that cannot go on is ended by whoever simulates.
        config.open_patience = Duration::from_secs(1 << 30);
        Ok(config)
    }

    fn cluster(&self, writes: bool) -> Arc<Adapter> {
        Arc::new(Adapter {
            host: self.cluster.clone(),
            writes,
            since: Instant::now(),
        })
    }

    /// Opens the copy alone, to look at it.
    ///
    /// # Errors
    /// What is on the disk is no log.
    pub fn copy(&self, folder: &Path, partitions: u32) -> Result<EmbeddedLog, StreamError> {
        let config = self.config(folder, partitions)?;
        let disk = &self.disk;
        disk.open(config.copy, self.producer, self.disk_host.clone())
    }

    /// Fills the topic from the copy, as [`super::rebuild`] does. `folder`: where the place in the topic is kept.
    ///
    /// # Errors
    /// As [`super::rebuild`].
    pub fn rebuild(&self, folder: &Path, partitions: u32) -> Result<RebuildReport, StreamError> {
        let config = self.config(folder, partitions)?;
        let copy = self.copy(folder, partitions)?;
        rebuild_copy(&config, &copy, self.cluster(true))
    }
}

/// One of several writers of a simulated topic. What others write comes when [`SimulatedLog::look`] is called.
pub struct SimulatedLog {
    log: Arc<FluvioLog>,
    core: Arc<Core>,
    reader: Mutex<Session>,
}

impl SimulatedLog {
    /// Joins the writers of the topic. `folder`: where the place in the topic is kept, in a real file.
    ///
    /// # Errors
    /// As [`FluvioLog::join`].
    pub fn join(
        around: &Surroundings,
        folder: &Path,
        partitions: u32,
    ) -> Result<Self, StreamError> {
        let config = around.config(folder, partitions)?;
        let (disk, host) = (&around.disk, around.disk_host.clone());
        let copy = disk.open(config.copy.clone(), around.producer, host)?;
        let core = Core::join(config, copy, around.cluster(true))?;
        let reader = Session::new(around.cluster(false)).counted_in(core.stats.clone());
        Ok(Self {
            log: Arc::new(FluvioLog::untailed(core.clone())),
            core,
            reader: Mutex::new(reader),
        })
    }

    /// The log.
    pub fn log(&self) -> &Arc<FluvioLog> {
        &self.log
    }

    /// Reads what others wrote. True when something came.
    ///
    /// # Errors
    /// The topic cannot be read on; the log takes no more.
    pub fn look(&self) -> Result<bool, StreamError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match look(&self.core, &mut reader) {
            Ok(seen) => Ok(seen == Seen::Something),
            Err(error) => {
                self.core.fail(error.clone());
                Err(error)
            }
        }
    }

    /// The process is ended from outside: nothing more is written, not even what closing writes.
    pub fn kill(&self) {
        self.core.fail(StreamError::Cluster {
            cluster: "simulated".to_owned(),
            what: "the process was ended".to_owned(),
        });
    }
}
