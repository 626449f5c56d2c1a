//! A stream in a topic of a Fluvio cluster, with a copy of its own on every machine that reads it.
//!
//! An append goes to the topic, and when the cluster has acknowledged it, into the copy, which is
//! synced before the append returns. All reading is done from the copy. So what was answered is on
//! this machine's disk as well as in the cluster, and a topic that lost records (Fluvio does not sync
//! before it acknowledges, and its replication can lose the end) is filled again from a copy.
//!
//! Fluvio skips, doubles and loses records under failures. Nothing here trusts it:
//! - `envelope.rs`: what a record of the topic holds: writer, term, sequence, offset, running hash
//! - `chain.rs`: what every reader accepts, and what stops it; pure
//! - `writer.rs`: the right to write, one batch in flight per partition, settling unknown outcomes
//! - `session.rs`: reading with connections that break; reading again what is not right
//! - `log.rs`, `commit.rs`: what is submitted goes into the topic and the copy, one group at a time
//! - `copy.rs`, `cursor.rs`: the copy, and where in the topic it is
//! - `topic.rs`: what a topic must be like
//! - `broker.rs`: the port to a cluster; `cluster.rs`, `wire.rs`, `tls.rs`, `batch.rs`: the real one
//!
//! A topic is written in one of two ways, each of which shuts the other out:
//! - alone ([`FluvioLog::open`]): whoever opens it last takes the right to write from the one before,
//!   which finds that out with its next append and stops. Knows where its records lie at once.
//! - with others ([`FluvioLog::join`]; `joint.rs`, `tail.rs`): any number of processes. Where a record lies
//!   is known when it was read back.

mod batch;
mod broker;
mod chain;
mod cluster;
mod commit;
mod config;
mod copy;
mod cursor;
mod envelope;
mod interrupt;
mod joint;
mod log;
mod naming;
mod open;
mod rebuild;
mod session;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
mod tail;
#[cfg(test)]
mod tests;
mod tls;
mod topic;
mod wire;
mod writer;

pub use config::{FluvioConfig, FluvioUrl, TlsConfig};
pub use log::FluvioLog;
pub use rebuild::{RebuildReport, rebuild};
pub use session::FluvioStats;

#[cfg(any(test, feature = "testing"))]
pub use testing::{BareProducer, delete_topic, servers};

#[cfg(any(test, feature = "testing"))]
mod testing {
    use super::broker::{Broker, Cluster};
    use super::cluster::TcpCluster;
    use super::config::FluvioConfig;
    use crate::error::StreamError;

    /// Appends plain records to a topic, with nothing of what makes a stream of it: what the cluster
    /// and the connection can do. For benches.
    pub struct BareProducer(Box<dyn Broker>);

    impl BareProducer {
        /// Creates the topic if it is not there.
        pub fn open(config: &FluvioConfig) -> Result<Self, StreamError> {
            let cluster = TcpCluster::new(config)?;
            cluster.prepare()?;
            let broker = cluster.connect();
            broker
                .map(Self)
                .map_err(|e| cluster.unusable(e.to_string()))
        }

        /// Appends the records, one batch for each partition, and waits until all are acknowledged.
        ///
        /// # Panics
        /// When the cluster does not acknowledge them.
        pub fn append(&mut self, batches: &[(u32, Vec<bytes::Bytes>)]) {
            for answer in self.0.produce(batches) {
                assert!(answer.is_ok(), "the cluster did not take it: {answer:?}");
            }
        }
    }

    /// Addresses of the cluster's servers, as the controller says them; for tests.
    pub fn servers(config: &FluvioConfig) -> Result<Vec<String>, StreamError> {
        let cluster = TcpCluster::new(config)?;
        let found = cluster.servers();
        found.map_err(|e| cluster.unusable(e.to_string()))
    }

    /// Removes a topic and everything in it; for tests.
    pub fn delete_topic(config: &FluvioConfig) -> Result<(), StreamError> {
        let cluster = TcpCluster::new(config)?;
        cluster
            .delete()
            .map_err(|e| cluster.unusable(e.to_string()))
    }
}
