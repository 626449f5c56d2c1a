//! Where a replica's stream is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flightline_stream::fluvio::{self, RebuildReport, TlsConfig};
use flightline_stream::{
    EmbeddedConfig, EmbeddedLog, FluvioConfig, FluvioLog, FluvioUrl, Producer, StreamLog,
};

use crate::config::ReplicaConfig;

/// Where the stream is kept.
#[derive(Clone, Debug)]
pub enum StreamPlace {
    /// In the data directory, and nowhere else.
    Embedded,
    /// In a topic of a Fluvio cluster, with a copy in the data directory.
    Fluvio(Box<FluvioOptions>),
}

impl StreamPlace {
    /// Do other replicas write to the stream at the same time?
    pub fn is_shared(&self) -> bool {
        matches!(self, StreamPlace::Fluvio(options) if options.shared)
    }
}

/// How to use a Fluvio cluster.
#[derive(Clone, Debug)]
pub struct FluvioOptions {
    /// Controller and topic.
    pub url: FluvioUrl,
    /// Copies of each partition, when the topic is created.
    pub replication: u32,
    /// An append waits for all of them, not for the leader's alone.
    pub all_replicas: bool,
    /// What may be waited for one answer of the cluster.
    pub request_timeout: Duration,
    /// Other replicas write to the topic at the same time.
    pub shared: bool,
    /// Encrypted connections; absent = plain.
    pub tls: Option<TlsConfig>,
}

/// A stream that this process may write to.
pub(crate) struct OpenStream {
    pub(crate) log: Arc<dyn StreamLog>,
    pub(crate) producer: Producer,
    /// Names the stream wherever its records go.
    pub(crate) id: u64,
}

fn copy(config: &ReplicaConfig) -> EmbeddedConfig {
    let mut embedded = EmbeddedConfig::new(config.data_dir.join("stream"));
    embedded.partitions = config.partitions;
    embedded
}

fn fluvio(copy: EmbeddedConfig, options: &FluvioOptions) -> FluvioConfig {
    let mut fluvio = FluvioConfig::new(&options.url, copy);
    fluvio.replication = options.replication;
    fluvio.all_replicas = options.all_replicas;
    fluvio.request_timeout = options.request_timeout;
    fluvio.tls.clone_from(&options.tls);
    fluvio
}

/// Opens the stream. Blocking: a stream in a cluster is caught up with first.
pub(crate) fn open(config: &ReplicaConfig) -> anyhow::Result<OpenStream> {
    match &config.stream {
        StreamPlace::Embedded => {
            let log = EmbeddedLog::open(copy(config)).context("opening the stream")?;
            let producer = log.producer();
            Ok(OpenStream {
                id: log.stream_id(),
                producer,
                log: Arc::new(log),
            })
        }
        StreamPlace::Fluvio(options) => {
            let fluvio = fluvio(copy(config), options);
            let log = match options.shared {
                true => FluvioLog::join(fluvio),
                false => FluvioLog::open(fluvio),
            };
            let log = log.context("opening the stream")?;
            Ok(OpenStream {
                id: log.stream_id(),
                producer: log.producer(),
                log: Arc::new(log),
            })
        }
    }
}

/// Fills the configured topic from the copy in the data directory; no replica may run on it. See
/// [`fluvio::rebuild`].
pub fn rebuild(
    data_dir: PathBuf,
    partitions: u32,
    options: &FluvioOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> anyhow::Result<RebuildReport> {
    let path = data_dir.join("stream");
    anyhow::ensure!(
        path.is_dir(),
        "{} holds no stream: name the data directory of a replica with --data-dir",
        data_dir.display()
    );
    let mut copy = EmbeddedConfig::new(path);
    copy.partitions = partitions;
    Ok(fluvio::rebuild(&fluvio(copy, options), progress)?)
}
