//! Every implementation of the port goes through one suite.

use flightline_stream::testing::{LogUnderTest, conformance, fluvio_for_tests};
use flightline_stream::{EmbeddedConfig, EmbeddedLog, StreamLog};
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

#[test]
fn fluvio_conforms() {
    if let Some(address) = fluvio_for_tests() {
        panic!("FLIGHTLINE_TEST_FLUVIO={address} is set, and this build has no Fluvio adapter yet");
    }
}
