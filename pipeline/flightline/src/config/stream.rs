//! `[stream]`: where the records are.

use std::path::PathBuf;

use anyhow::bail;
use flightline_runtime::{FluvioOptions, StreamPlace};
use flightline_stream::fluvio::TlsConfig;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stream {
    /// `embedded:` keeps the stream under the data directory, `fluvio://HOST:PORT/TOPIC` in a topic,
    /// with a copy under the data directory.
    pub url: String,
    /// Number of partitions; fixed when the stream is created.
    pub partitions: u32,
    /// Fluvio: copies of each partition in the cluster, when the topic is created.
    pub replication: u32,
    /// Fluvio: `all` waits until every copy has an append, `leader` only for the leader's.
    pub acks: Acks,
    /// Fluvio: how long one answer of the cluster is waited for, in milliseconds.
    pub request_timeout_ms: u64,
    /// Fluvio: other replicas write to the topic at the same time; `false`: this one writes alone.
    pub shared: bool,
    /// Fluvio: encrypted connections; absent = plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Acks {
    All,
    Leader,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file of the authority that signed the cluster's certificates.
    pub ca_file: PathBuf,
    /// PEM file of this client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The name in the controller's certificate; absent = the host in the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            url: "embedded:".to_owned(),
            partitions: 64,
            replication: 1,
            acks: Acks::All,
            request_timeout_ms: 10_000,
            shared: false,
            tls: None,
        }
    }
}

impl Stream {
    /// Where the stream is.
    pub(crate) fn place(&self) -> anyhow::Result<StreamPlace> {
        if self.url == "embedded:" {
            if self.shared {
                bail!(
                    "stream.shared is set, and stream.url is 'embedded:', which one process has: replicas share a \
                     topic, fluvio://HOST:PORT/TOPIC"
                );
            }
            if self.tls.is_some() {
                bail!(
                    "stream.tls is set, and stream.url is 'embedded:', which connects to nothing"
                );
            }
            return Ok(StreamPlace::Embedded);
        }
        if !self.url.starts_with("fluvio:") {
            bail!(
                "stream.url is '{}': it must be 'embedded:' or 'fluvio://HOST:PORT/TOPIC'",
                self.url
            );
        }
        if !(1..=16).contains(&self.replication) {
            bail!(
                "stream.replication is {}: it must be 1 to 16",
                self.replication
            );
        }
        if !(100..=300_000).contains(&self.request_timeout_ms) {
            bail!(
                "stream.request_timeout_ms is {}: it must be 100 to 300000",
                self.request_timeout_ms
            );
        }
        let tls = self.tls.clone().map(|tls| TlsConfig {
            ca_file: tls.ca_file,
            cert_file: tls.cert_file,
            key_file: tls.key_file,
            domain: tls.domain,
        });
        Ok(StreamPlace::Fluvio(Box::new(FluvioOptions {
            url: self.url.parse()?,
            replication: self.replication,
            all_replicas: self.acks == Acks::All,
            request_timeout: std::time::Duration::from_millis(self.request_timeout_ms),
            shared: self.shared,
            tls,
        })))
    }
}
