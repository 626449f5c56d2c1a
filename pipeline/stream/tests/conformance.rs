//! Every implementation of the port goes through one suite.

use flightline_stream::fluvio::delete_topic;
use flightline_stream::testing::{LogUnderTest, conformance, fluvio_for_tests, new_topic};
use flightline_stream::{EmbeddedConfig, EmbeddedLog, FluvioConfig, FluvioLog, StreamLog};
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
    log: Option<FluvioLog>,
    config: FluvioConfig,
    _dir: TempDir,
}

impl LogUnderTest for OnFluvio {
    fn log(&self) -> &dyn StreamLog {
        self.log.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some(FluvioLog::open(self.config.clone()).unwrap());
    }
}

impl Drop for OnFluvio {
    fn drop(&mut self) {
        self.log = None;
        delete_topic(&self.config).unwrap();
    }
}

#[test]
fn fluvio_conforms() {
    let Some(controller) = fluvio_for_tests("the stream conformance suite") else {
        return;
    };
    conformance(|partitions| {
        let dir = tempfile::tempdir().unwrap();
        let mut copy = EmbeddedConfig::new(dir.path().join("copy"));
        copy.partitions = partitions;
        copy.recent_bytes = 1 << 20;
        let config = FluvioConfig::new(&new_topic(&controller, "conformance"), copy);
        OnFluvio {
            log: Some(FluvioLog::open(config.clone()).unwrap()),
            config,
            _dir: dir,
        }
    });
}
