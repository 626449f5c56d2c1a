//! The suite of the stream's port, over the cluster and the disk of the simulation. Nobody holds a baton here: threads are
//! the suite's own, and time passes when somebody waits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flightline_stream::StreamLog;
use flightline_stream::embedded::simulated::Disk;
use flightline_stream::fluvio::simulated::{
    Answer, SimulatedCluster, SimulatedLog, Surroundings, Trouble,
};
use flightline_stream::testing::{Alone, LogUnderTest, conformance};
use tempfile::TempDir;

use super::topic::Host;
use super::world::{Rates, Shared, World};

/// Puts the simulated log through everything that a log promises. In `rate` of 1000 questions something happens to
/// them; the disk is well.
///
/// # Panics
/// When a promise is broken.
pub fn conform(seed: u64, rate: u32) {
    let rates = Rates {
        produce: rate,
        fetch: rate,
        ..Rates::default()
    };
    conformance(|partitions| OnTopic::new(World::new(seed, 1, partitions, rates), partitions));
}

/// The cluster, as long as nobody schedules.
struct Unscheduled(Host);

impl SimulatedCluster for Unscheduled {
    fn connect(&self, writes: bool) -> Result<(), Trouble> {
        self.0.connect(writes)
    }

    fn produce(&self, batches: &[(u32, Bytes)]) -> Vec<Result<u64, Trouble>> {
        self.0.produce(batches)
    }

    fn fetch(&self, asked: &[(u32, u64)], writes: bool) -> Vec<Result<Answer, Trouble>> {
        self.0.fetch(asked, writes)
    }

    fn wait(&self, time: Duration, _: bool) -> bool {
        let world = &mut *self.0.world.lock();
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        world.now_ms = world.now_ms.saturating_add(ms.max(1));
        // What was given up arrives some time.
        let late = world.topic.late.len();
        if late > 0 && world.rng.chance(500) {
            let at = world.rng.below(late);
            world.topic.arrive(at);
        }
        false
    }

    fn now(&self) -> Duration {
        self.0.now()
    }

    fn new_id(&self) -> u64 {
        self.0.new_id()
    }
}

struct OnTopic {
    around: Surroundings,
    folder: TempDir,
    partitions: u32,
    log: Option<Alone>,
}

impl OnTopic {
    fn new(world: World, partitions: u32) -> Self {
        let world = Shared::new(world);
        let host = Host { world, machine: 0 };
        let producer = host.new_id();
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(e) => panic!("no folder can be made for the place in the topic: {e}"),
        };
        let mut made = Self {
            around: Surroundings {
                topic: "topic".to_owned(),
                cluster: Arc::new(Unscheduled(host.clone())),
                disk: Disk::default(),
                disk_host: Arc::new(host),
                producer,
            },
            folder,
            partitions,
            log: None,
        };
        made.reopen();
        made
    }
}

impl LogUnderTest for OnTopic {
    fn log(&self) -> &dyn StreamLog {
        match &self.log {
            Some(log) => log,
            None => panic!("the log is not open"),
        }
    }

    fn reopen(&mut self) {
        self.log = None;
        let joined = SimulatedLog::join(&self.around, self.folder.path(), self.partitions);
        let alone = joined.and_then(|joined| Alone::new(joined.log().clone()));
        match alone {
            Ok(alone) => self.log = Some(alone),
            Err(e) => panic!("the log does not open: {e}"),
        }
    }
}
