//! The cluster: one topic, and everything that was seen to happen to requests on real ones.

use std::time::Duration;

use bytes::Bytes;
use flightline_stream::embedded::simulated::{DiskAct, DiskHost};
use flightline_stream::fluvio::simulated::{Answer, SimulatedCluster, Trouble};

use super::baton::{At, is_scheduled, stop_at};
use super::world::{Shared, World};

/// Wrong answers in a row: fewer than a reader believes.
const WRONG_MAX: u32 = 3;

/// The records of the topic, and those that are still on their way.
pub(super) struct Topic {
    pub(super) partitions: Vec<Vec<Bytes>>,
    pub(super) late: Vec<(u32, Bytes)>,
}

impl Topic {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            partitions: vec![Vec::new(); partitions as usize],
            late: Vec::new(),
        }
    }

    fn append(&mut self, partition: u32, value: Bytes) -> u64 {
        let log = &mut self.partitions[partition as usize];
        log.push(value);
        log.len() as u64 - 1
    }

    /// A request arrives that was given up long ago.
    pub(super) fn arrive(&mut self, at: usize) -> u32 {
        let (partition, value) = self.late.remove(at);
        self.append(partition, value);
        partition
    }
}

/// What happens to a request that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnProduce {
    /// Written and answered.
    Good,
    /// Neither written nor answered.
    LoseRequest,
    /// Written, and the answer is lost.
    LoseAnswer,
    /// Not answered, and written later, behind others.
    Delay,
    /// Written twice, answered once.
    Double,
    /// Written twice, and not answered.
    DoubleAndLose,
    /// Only the first of its partitions is written, and no answer comes.
    Half,
}

/// What happens to a request that reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFetch {
    Good,
    /// The connection breaks.
    Break,
    /// A record in the middle is left out.
    Skip,
    /// A byte is another.
    Flip,
    /// Nothing whole comes.
    Cut,
    /// Less comes than there is.
    Short,
    /// The server does not know its end yet.
    NotYet,
}

/// The cluster and the disk as one process sees them.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) world: Shared,
    pub(super) machine: usize,
}

const ENDED: Trouble = Trouble::Unanswered("the process is being ended");

impl Host {
    /// Is there a way to the cluster?
    fn way(&self, world: &World) -> Result<(), Trouble> {
        let outside = &world.machines[self.machine];
        if outside.is_killed {
            return Err(ENDED);
        }
        if outside.is_cut {
            return Err(Trouble::Unanswered("no way to the cluster"));
        }
        Ok(())
    }
}

impl SimulatedCluster for Host {
    fn connect(&self, writes: bool) -> Result<(), Trouble> {
        stop_at(At::Outside { writes });
        self.way(&self.world.lock())
    }

    fn produce(&self, batches: &[(u32, Bytes)]) -> Vec<Result<u64, Trouble>> {
        stop_at(At::Outside { writes: true });
        let answers = {
            let world = &mut *self.world.lock();
            match self.way(world) {
                Err(trouble) => return vec![Err(trouble); batches.len()],
                Ok(()) => produce(world, self.machine, batches),
            }
        };
        // The answer is on its way, and the records are in the topic.
        stop_at(At::Outside { writes: true });
        match self.world.lock().machines[self.machine].is_killed {
            true => vec![Err(ENDED); batches.len()],
            false => answers,
        }
    }

    fn fetch(&self, asked: &[(u32, u64)], writes: bool) -> Vec<Result<Answer, Trouble>> {
        stop_at(At::Outside { writes });
        let answers = {
            let world = &mut *self.world.lock();
            match self.way(world) {
                Err(trouble) => return vec![Err(trouble); asked.len()],
                Ok(()) => fetch(world, self.machine, asked),
            }
        };
        stop_at(At::Outside { writes });
        answers
    }

    fn wait(&self, time: Duration, writes: bool) -> bool {
        let (until_ms, is_killed) = {
            let world = self.world.lock();
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let is_killed = world.machines[self.machine].is_killed;
            (world.now_ms.saturating_add(ms), is_killed)
        };
        if !is_killed {
            stop_at(At::Asleep { until_ms, writes });
        }
        self.world.lock().machines[self.machine].is_killed
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.world.lock().now_ms)
    }

    fn new_id(&self) -> u64 {
        self.world.lock().new_id()
    }
}

fn produce(
    world: &mut World,
    machine: usize,
    batches: &[(u32, Bytes)],
) -> Vec<Result<u64, Trouble>> {
    let mut what = OnProduce::Good;
    if world.rng.chance(world.rates.produce) {
        what = world.rng.pick(&[
            OnProduce::LoseRequest,
            OnProduce::LoseAnswer,
            OnProduce::LoseAnswer,
            OnProduce::Delay,
            OnProduce::Double,
            OnProduce::DoubleAndLose,
            OnProduce::Half,
        ]);
    }
    let written = match what {
        OnProduce::LoseRequest | OnProduce::Delay => 0,
        OnProduce::Half => 1,
        _ => batches.len(),
    };
    if what == OnProduce::Delay {
        world.topic.late.extend(batches.iter().cloned());
    }
    let mut places = Vec::with_capacity(batches.len());
    for (partition, value) in &batches[..written] {
        places.push(world.topic.append(*partition, value.clone()));
        if matches!(what, OnProduce::Double | OnProduce::DoubleAndLose) {
            world.topic.append(*partition, value.clone());
        }
    }
    let partitions: Vec<u32> = batches.iter().map(|(p, _)| *p).collect();
    world.note(format_args!(
        "m{machine} produce {partitions:?} at {places:?} {what:?}"
    ));
    match what {
        OnProduce::Good | OnProduce::Double => places.into_iter().map(Ok).collect(),
        _ => vec![Err(Trouble::Unanswered("no answer came")); batches.len()],
    }
}

fn fetch(world: &mut World, machine: usize, asked: &[(u32, u64)]) -> Vec<Result<Answer, Trouble>> {
    let mut what = OnFetch::Good;
    let is_believed = world.machines[machine].wrong_in_a_row >= WRONG_MAX;
    if !is_believed && world.rng.chance(world.rates.fetch) {
        what = world.rng.pick(&[
            OnFetch::Break,
            OnFetch::Skip,
            OnFetch::Flip,
            OnFetch::Cut,
            OnFetch::Short,
            OnFetch::NotYet,
        ]);
    }
    let in_a_row = &mut world.machines[machine].wrong_in_a_row;
    *in_a_row = match what {
        OnFetch::Good => 0,
        _ => *in_a_row + 1,
    };
    if what != OnFetch::Good {
        world.note(format_args!("m{machine} fetch {asked:?} {what:?}"));
    }
    if what == OnFetch::Break {
        return vec![Err(Trouble::Unanswered("connection reset")); asked.len()];
    }
    let each = asked.iter();
    each.map(|(partition, from)| {
        let log = &world.topic.partitions[*partition as usize];
        let start = usize::try_from(*from).unwrap_or(usize::MAX);
        if start > log.len() || what == OnFetch::NotYet {
            return Err(Trouble::BeyondEnd);
        }
        let values = log[start..].iter().cloned();
        let mut values: Vec<(u64, Bytes)> = (*from..).zip(values).collect();
        let mut left_over = 0;
        match what {
            OnFetch::Skip if values.len() > 1 => {
                values.remove(values.len() / 2);
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
                left_over = values.iter().map(|(_, v)| v.len() / 2).sum();
                values.clear();
            }
            OnFetch::Short => values.truncate(values.len() / 2),
            _ => {}
        }
        Ok(Answer { values, left_over })
    })
    .collect()
}

impl DiskHost for Host {
    fn commit(&self) -> DiskAct {
        stop_at(At::Outside { writes: true });
        let world = &mut *self.world.lock();
        if world.machines[self.machine].is_killed {
            // On its own thread the process ends in the middle of it.
            let is_there = is_scheduled() && world.rng.chance(500);
            return match is_there {
                true => DiskAct::FailsAndStores,
                false => DiskAct::Fails,
            };
        }
        if is_scheduled() && world.rng.chance(world.rates.disk) {
            let act = world.rng.pick(&[DiskAct::Fails, DiskAct::FailsAndStores]);
            world.machines[self.machine].disk_failed = true;
            world.note(format_args!("m{} disk {act:?}", self.machine));
            return act;
        }
        DiskAct::Stores
    }
}
