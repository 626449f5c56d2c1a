//! Every implementation of the port goes through one suite.

use std::sync::Mutex;

use flightline_stream::fluvio::delete_topic;
use flightline_stream::testing::{LogUnderTest, conformance, fluvio_for_tests, new_topic};
use flightline_stream::{
    Batch, EmbeddedConfig, EmbeddedLog, FluvioConfig, FluvioLog, Follower, Group, PartitionId,
    Scan, StreamError, StreamLog, Ticket,
};
use tempfile::TempDir;

struct Embedded {
    log: Option<EmbeddedLog>,
    config: EmbeddedConfig,
    _dir: TempDir,
}

impl LogUnderTest for Embedded {
    fn log(&self) -> &dyn StreamLog {
        self.log.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some(EmbeddedLog::open(self.config.clone()).unwrap());
    }
}

fn embedded(memtable_bytes: u64) -> impl Fn(u32) -> Embedded {
    move |partitions| {
        let dir = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(dir.path().join("log"));
        config.partitions = partitions;
        config.memtable_bytes = memtable_bytes;
        config.recent_bytes = 1 << 20;
        Embedded {
            log: Some(EmbeddedLog::open(config.clone()).unwrap()),
            config,
            _dir: dir,
        }
    }
}

#[test]
fn embedded_conforms() {
    conformance(embedded(64 << 20));
}

/// Everything goes from the journal to tables all the time.
#[test]
fn embedded_conforms_with_small_tables() {
    conformance(embedded(1 << 20));
}

struct OnFluvio {
    log: Option<Box<dyn StreamLog>>,
    open: fn(FluvioConfig) -> Box<dyn StreamLog>,
    config: FluvioConfig,
    _dir: TempDir,
}

impl LogUnderTest for OnFluvio {
    fn log(&self) -> &dyn StreamLog {
        self.log.as_deref().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some((self.open)(self.config.clone()));
    }
}

impl Drop for OnFluvio {
    fn drop(&mut self) {
        self.log = None;
        delete_topic(&self.config).unwrap();
    }
}

fn on_fluvio(what: &str, open: fn(FluvioConfig) -> Box<dyn StreamLog>) {
    let Some(controller) = fluvio_for_tests(what) else {
        return;
    };
    conformance(|partitions| {
        let dir = tempfile::tempdir().unwrap();
        let mut copy = EmbeddedConfig::new(dir.path().join("copy"));
        copy.partitions = partitions;
        copy.recent_bytes = 1 << 20;
        let config = FluvioConfig::new(&new_topic(&controller, "conformance"), copy);
        OnFluvio {
            log: Some(open(config.clone())),
            open,
            config,
            _dir: dir,
        }
    });
}

#[test]
fn fluvio_conforms() {
    on_fluvio("the stream conformance suite", |config| {
        Box::new(FluvioLog::open(config).unwrap())
    });
}

#[test]
fn fluvio_conforms_where_others_could_write() {
    on_fluvio("the stream conformance suite of a shared log", |config| {
        Box::new(Alone::join(config))
    });
}

/// A log that could be shared and is not: it tells where records lie, as nobody else writes.
struct Alone {
    log: FluvioLog,
    /// End offsets with everything submitted.
    ends: Mutex<Vec<u64>>,
}

impl Alone {
    fn join(config: FluvioConfig) -> Self {
        let log = FluvioLog::join(config).unwrap();
        let ends = Mutex::new(log.end_offsets().unwrap());
        Self { log, ends }
    }
}

impl StreamLog for Alone {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn submit(&self, group: &Group) -> Result<Ticket, StreamError> {
        let mut ends = self.ends.lock().unwrap();
        let mut ticket = self.log.submit(group)?;
        assert!(ticket.bases.is_empty(), "nobody can know");
        for (partition, count, _) in group.parts() {
            let end = &mut ends[partition as usize];
            ticket.bases.push((partition, *end));
            *end += u64::from(count);
        }
        Ok(ticket)
    }

    fn wait(&self, ticket: &Ticket) -> Result<(), StreamError> {
        self.log.wait(ticket)
    }

    fn read(
        &self,
        partition: PartitionId,
        from_offset: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StreamError> {
        self.log
            .read(partition, from_offset, records_max, bytes_max)
    }

    fn scan(&self, from: &[u64]) -> Result<Scan, StreamError> {
        self.log.scan(from)
    }

    fn follow(&self, from: &[u64]) -> Result<Box<dyn Follower>, StreamError> {
        self.log.follow(from)
    }

    fn end_offset(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.log.end_offset(partition)
    }

    fn low_water(&self, partition: PartitionId) -> Result<u64, StreamError> {
        self.log.low_water(partition)
    }

    fn trim_all(&self, before: &[(PartitionId, u64)]) -> Result<(), StreamError> {
        self.log.trim_all(before)
    }

    fn end_offsets(&self) -> Result<Vec<u64>, StreamError> {
        self.log.end_offsets()
    }

    fn low_waters(&self) -> Result<Vec<u64>, StreamError> {
        self.log.low_waters()
    }
}
