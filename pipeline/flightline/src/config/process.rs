//! What the process needs: its address, its database, its checkpoints, its log, the times of the ledger.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flightline_ledger::command::Settings;
use flightline_runtime::TelemetryConfig;
use flightline_runtime::checkpoint::CheckpointPolicy;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// The most commands that may wait for the stream; more are answered 429.
    pub queue_max: usize,
    /// How long a shutdown waits for requests in flight, in seconds.
    pub shutdown_timeout_s: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            queue_max: 200_000,
            shutdown_timeout_s: 30,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    Tokens,
    Open,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// `tokens`, or `open`, which only binds to loopback.
    pub mode: AuthMode,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            mode: AuthMode::Open,
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    /// A PostgreSQL to write to; absent = a private one under the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Checkpoint {
    /// `file:///PATH` or `s3://BUCKET/PREFIX`; absent = a folder in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// One is made every so many records; 0 = never by number.
    pub every_records: u64,
    /// One is made every so many seconds, when there is more to cover; 0 = never by time.
    pub every_s: u64,
    /// How many are kept.
    pub keep: usize,
    /// Forget what of the stream is before the oldest one kept.
    pub trim: bool,
}

impl Default for Checkpoint {
    fn default() -> Self {
        let policy = CheckpointPolicy::default();
        Self {
            url: None,
            every_records: policy.every_records,
            every_s: policy.every.as_secs(),
            keep: policy.keep,
            trim: policy.trim,
        }
    }
}

impl Checkpoint {
    /// The policy that the runtime is given.
    pub(crate) fn policy(&self) -> CheckpointPolicy {
        CheckpointPolicy {
            url: self.url.clone(),
            every_records: self.every_records,
            every: std::time::Duration::from_secs(self.every_s),
            keep: self.keep,
            trim: self.trim,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dataflow {
    /// Worker threads of the dataflow.
    pub workers: usize,
    /// Files of views in SQL, and folders of such files.
    pub views: Vec<PathBuf>,
}

impl Default for Dataflow {
    fn default() -> Self {
        Self {
            workers: 1,
            views: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ledger {
    /// Time to hold when a request names none, in seconds.
    pub hold_ttl_s: u64,
    /// The longest time to hold, in seconds.
    pub hold_ttl_max_s: u64,
    /// How long before departure sale stops, in seconds.
    pub close_before_departure_s: u64,
    /// How long after its last arrival a flight is kept, in seconds.
    pub retire_after_s: u64,
    /// How often idle partitions are looked at for holds that lapse, in milliseconds.
    pub tick_ms: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            hold_ttl_s: settings.hold_ttl_default_ms / 1000,
            hold_ttl_max_s: settings.hold_ttl_max_ms / 1000,
            close_before_departure_s: settings.close_before_departure_ms / 1000,
            retire_after_s: settings.retire_after_ms / 1000,
            tick_ms: 500,
        }
    }
}

impl Ledger {
    /// The settings that go into the stream.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            hold_ttl_default_ms: self.hold_ttl_s.saturating_mul(1000),
            hold_ttl_max_ms: self.hold_ttl_max_s.saturating_mul(1000),
            close_before_departure_ms: self.close_before_departure_s.saturating_mul(1000),
            retire_after_ms: self.retire_after_s.saturating_mul(1000),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// A filter such as `info` or `info,flightline_api=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info,fjall=warn,lsm_tree=warn".to_owned(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    /// Base of a collector's OTLP interface over HTTP, such as `http://127.0.0.1:4318`; absent = no traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of every request to it, for its authorisation.
    pub headers: BTreeMap<String, String>,
    /// Share of requests that are recorded where their caller does not say, 0 to 1.
    pub sample: f64,
    /// `service.name`.
    pub service: String,
    /// How long one request to the collector may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            url: None,
            headers: BTreeMap::new(),
            sample: 1.0,
            service: "flightline".to_owned(),
            timeout_ms: 5_000,
        }
    }
}

impl Telemetry {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let url = self.url.as_deref().unwrap_or("http://");
        if !url.starts_with("http://") && !url.starts_with("https://") {
            anyhow::bail!(
                "telemetry.url is '{url}': it must be the base of a collector's OTLP interface over HTTP, such as \
                 http://127.0.0.1:4318"
            );
        }
        if url.trim_end_matches('/').ends_with("/v1/traces") {
            anyhow::bail!("telemetry.url is '{url}': leave /v1/traces out, it is added");
        }
        if !(0.0..=1.0).contains(&self.sample) {
            anyhow::bail!("telemetry.sample is {}: it must be 0 to 1", self.sample);
        }
        if self.service.is_empty() || self.timeout_ms == 0 {
            anyhow::bail!("telemetry.service must not be empty, nor telemetry.timeout_ms 0");
        }
        Ok(())
    }

    /// What the replica is given.
    pub(crate) fn configured(&self) -> Option<TelemetryConfig> {
        let headers = self.headers.iter();
        Some(TelemetryConfig {
            url: self.url.clone()?,
            headers: headers.map(|(k, v)| (k.clone(), v.clone())).collect(),
            sample: self.sample,
            service: self.service.clone(),
            timeout: std::time::Duration::from_millis(self.timeout_ms),
        })
    }
}
