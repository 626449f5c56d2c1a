//! Every implementation of the port goes through one suite.

use std::sync::Arc;

use flightline_stream::fluvio::delete_topic;
use flightline_stream::testing::{Alone, LogUnderTest, conformance, fluvio_for_tests, new_topic};
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
        let mut config = FluvioConfig::new(&new_topic(&controller, "conformance"), copy);
        config.tls = flightline_stream::testing::fluvio_tls_for_tests();
        if let Ok(replicas) = std::env::var("FLIGHTLINE_TEST_FLUVIO_REPLICATION") {
            config.replication = replicas.parse().expect("a number of replicas");
        }
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
        let log = FluvioLog::join(config).unwrap();
        Box::new(Alone::new(Arc::new(log)).unwrap())
    });
}
