//! The configuration: a TOML file, then `FLIGHTLINE_…` environment variables, then flags.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use flightline_connectors::payments::PaymentsUrl;
use serde::{Deserialize, Serialize};

mod booking;
mod outward;
mod process;
mod provider;
mod stream;

pub(crate) use booking::{Booking, Orders, Payments, Webhooks};
pub(crate) use process::{
    Auth, AuthMode, Checkpoint, Database, Dataflow, Http, Ledger, Log, LogFormat, Telemetry,
};
pub(crate) use provider::{Provider, PullRequest};
pub(crate) use stream::Stream;

/// Everything that can be configured, with its defaults. Unknown keys are errors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where the stream, the private PostgreSQL and the tokens are kept.
    pub data_dir: PathBuf,
    pub http: Http,
    pub auth: Auth,
    pub stream: Stream,
    pub database: Database,
    pub checkpoint: Checkpoint,
    pub dataflow: Dataflow,
    pub ledger: Ledger,
    pub orders: Orders,
    pub payments: Payments,
    pub webhooks: Webhooks,
    pub booking: Booking,
    pub log: Log,
    pub telemetry: Telemetry,
    /// Providers by name.
    pub providers: BTreeMap<String, Provider>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("flightline-data"),
            http: Http::default(),
            auth: Auth::default(),
            stream: Stream::default(),
            database: Database::default(),
            checkpoint: Checkpoint::default(),
            dataflow: Dataflow::default(),
            ledger: Ledger::default(),
            orders: Orders::default(),
            payments: Payments::default(),
            webhooks: Webhooks::default(),
            booking: Booking::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
            providers: BTreeMap::new(),
        }
    }
}

/// Flags that override the file and the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub data_dir: Option<PathBuf>,
    pub listen: Option<String>,
    pub database_url: Option<String>,
    /// Further views.
    pub views: Vec<PathBuf>,
}

/// Reads the configuration. `file` must exist when it is named; `flightline.toml` in the current
/// folder is read when it is there and none is named.
pub(crate) fn load(file: Option<&Path>, overrides: &Overrides) -> anyhow::Result<Config> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    let path = file.map_or_else(|| PathBuf::from("flightline.toml"), Path::to_owned);
    match std::fs::read_to_string(&path) {
        Ok(text) => figment = figment.merge(Toml::string(&text)),
        Err(error) if file.is_some() || error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| {
                format!("the configuration file {} cannot be read", path.display())
            });
        }
        Err(_) => {}
    }
    // Names that the test suites and benches read are not configuration.
    let ours = |key: &figment::value::UncasedStr| {
        let theirs = [
            "test_",
            "kill_",
            "bench_",
            "golden_",
            "token",
            "program",
            "venv",
            "url",
            "departure",
        ];
        let key = key.as_str().to_ascii_lowercase();
        let arms = cfg!(feature = "failpoints") && key == "failpoint";
        !arms && !theirs.iter().any(|p| key.starts_with(p))
    };
    figment = figment.merge(Env::prefixed("FLIGHTLINE_").filter(ours).split("__"));
    if let Some(dir) = &overrides.data_dir {
        figment = figment.merge(Serialized::default("data_dir", dir));
    }
    if let Some(listen) = &overrides.listen {
        figment = figment.merge(Serialized::default("http.listen", listen));
    }
    if let Some(url) = &overrides.database_url {
        figment = figment.merge(Serialized::default("database.url", url));
    }
    let mut config: Config = figment.extract().map_err(|error| {
        let mut text = String::from("the configuration is not right:");
        for e in error {
            let key = e.path.join(".").to_ascii_lowercase();
            let from = match e.metadata.as_ref().map(|m| m.name.as_ref()) {
                Some(name) if name.contains("environment") => {
                    let variable = key.replace('.', "__").to_ascii_uppercase();
                    format!("the environment variable FLIGHTLINE_{variable}")
                }
                Some(name) if name.starts_with("TOML") => path.display().to_string(),
                _ => "the flags".to_owned(),
            };
            let colon = if key.is_empty() { "" } else { ": " };
            let what = match &e.kind {
                Kind::UnknownField(found, known) => format!(
                    "unknown field: found `{found}`, expected one of {}",
                    known.join(", ")
                ),
                other => other.to_string(),
            };
            text.push_str(&format!("\n  {key}{colon}{what} (in {from})"));
        }
        text.push_str(&format!(
            "\n(read from {}, then FLIGHTLINE_… variables with __ between levels, then flags)",
            path.display()
        ));
        anyhow::anyhow!(text)
    })?;
    config
        .dataflow
        .views
        .extend(overrides.views.iter().cloned());
    check(&config)?;
    Ok(config)
}

fn check(config: &Config) -> anyhow::Result<()> {
    config.stream.place()?;
    if !(1..=4096).contains(&config.stream.partitions) {
        bail!(
            "stream.partitions is {}: it must be 1 to 4096",
            config.stream.partitions
        );
    }
    if !(1..=64).contains(&config.dataflow.workers) {
        bail!(
            "dataflow.workers is {}: it must be 1 to 64",
            config.dataflow.workers
        );
    }
    if !(1..=1000).contains(&config.checkpoint.keep) {
        bail!(
            "checkpoint.keep is {}: it must be 1 to 1000",
            config.checkpoint.keep
        );
    }
    if config.checkpoint.trim && config.checkpoint.keep < 2 {
        bail!(
            "checkpoint.trim is true and checkpoint.keep is 1: when the only checkpoint is damaged, what was trimmed \
             is lost with it; keep 2 or more"
        );
    }
    if config.http.queue_max == 0 {
        bail!("http.queue_max is 0: nothing could ever be answered");
    }
    if config.ledger.hold_ttl_s == 0 || config.ledger.hold_ttl_s > config.ledger.hold_ttl_max_s {
        bail!(
            "ledger.hold_ttl_s is {}: it must be above 0 and at most ledger.hold_ttl_max_s, {}",
            config.ledger.hold_ttl_s,
            config.ledger.hold_ttl_max_s
        );
    }
    if !(10..=60_000).contains(&config.ledger.tick_ms) {
        bail!(
            "ledger.tick_ms is {}: it must be 10 to 60000",
            config.ledger.tick_ms
        );
    }
    let orders = &config.orders;
    if orders.place_within_s == 0 {
        bail!("orders.place_within_s is 0: no provider could ever take an order");
    }
    let longest_s = config.booking.pay_by_s.saturating_add(orders.pay_grace_s);
    if longest_s > config.ledger.hold_ttl_max_s {
        bail!(
            "booking.pay_by_s + orders.pay_grace_s is {longest_s} s: seats cannot be held longer than ledger.hold_ttl_max_s, {} s",
            config.ledger.hold_ttl_max_s
        );
    }
    if orders.instant_hold_s == 0 || orders.instant_hold_s > config.ledger.hold_ttl_max_s {
        bail!(
            "orders.instant_hold_s is {}: it must be above 0 and at most ledger.hold_ttl_max_s, {}",
            orders.instant_hold_s,
            config.ledger.hold_ttl_max_s
        );
    }
    if config.booking.wait_max_s > config.ledger.hold_ttl_max_s {
        bail!(
            "booking.wait_max_s is {}: it must be at most ledger.hold_ttl_max_s, {}",
            config.booking.wait_max_s,
            config.ledger.hold_ttl_max_s
        );
    }
    if let Err(error) = config.payments.url.parse::<PaymentsUrl>() {
        bail!("payments.url: {error}");
    }
    config.booking.terms()?;
    config.telemetry.check()?;
    for (name, provider) in &config.providers {
        name.parse::<flightline_ledger::ProviderCode>()
            .map_err(|e| anyhow::anyhow!("[providers.{name}]: {e}"))?;
        provider
            .check()
            .with_context(|| format!("[providers.{name}]"))?;
        if let Some(outward) = &provider.outward {
            outward
                .config()
                .with_context(|| format!("[providers.{name}.outward]"))?;
        }
    }
    crate::intake::configured(&config.providers)?;
    Ok(())
}

/// Resolves the address to listen on and refuses an open replica that others could reach.
pub(crate) fn listen_address(config: &Config) -> anyhow::Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    let text = &config.http.listen;
    let address = text
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
        .with_context(|| {
            format!("http.listen is '{text}': it must be HOST:PORT, such as 127.0.0.1:8080")
        })?;
    let loopback = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if config.auth.mode == AuthMode::Open && !loopback {
        bail!(
            "auth.mode is 'open', which lets everybody do everything, and {address} can be reached from outside; \
             set auth.mode = \"tokens\" and make tokens with `flightline token create`, or listen on 127.0.0.1"
        );
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use flightline_ledger::order::RefundTerms;
    use flightline_runtime::StreamPlace;

    use super::*;

    fn from_text(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        load(Some(&file), &Overrides::default())
    }

    #[test]
    fn defaults_hold_and_unknown_keys_are_errors() {
        let config = from_text("[http]\nlisten = \"127.0.0.1:0\"\n").unwrap();
        assert_eq!(config.http.listen, "127.0.0.1:0");
        assert_eq!(config.stream.partitions, 64);
        let error = from_text("[http]\nlistne = \"x\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("listne"), "{error}");
        for bad in [
            "url = \"kafka:\"",
            "url = \"fluvio://sc:9003\"",
            "url = \"fluvio://sc/t\"",
            "url = \"fluvio://sc:9003/t\"\nreplication = 0",
            "url = \"fluvio://sc:9003/t\"\nacks = \"some\"",
            "url = \"fluvio://sc:9003/t\"\nrequest_timeout_ms = 1",
            "tls = { ca_file = \"ca.pem\" }",
        ] {
            let error = from_text(&format!("[stream]\n{bad}\n")).unwrap_err();
            assert!(
                error.to_string().contains("stream") || bad.contains("acks"),
                "{error}"
            );
        }
        let fluvio = "[stream]\nurl = \"fluvio://sc:9003/seats\"\nacks = \"leader\"\n";
        let place = from_text(fluvio).unwrap().stream.place().unwrap();
        assert!(matches!(place, StreamPlace::Fluvio(o) if !o.all_replicas));
        assert!(from_text("[booking]\npay_by_s = 259201\n").is_err());
        assert!(from_text("[checkpoint]\nkeep = 0\n").is_err());
        assert!(from_text("[checkpoint]\nkeep = 1\ntrim = true\n").is_err());
        assert!(from_text("[booking]\nwait_max_s = 604801\n").is_err());
        assert!(from_text("[booking]\nwait_max_s = 604800\n").is_ok());
        assert!(from_text("[booking]\nrefund_penalty_minor = 5\n").is_err());
        let kept = from_text("[booking]\nrefund = \"penalty\"\nrefund_penalty_minor = 5\n");
        assert_eq!(
            kept.unwrap().booking.terms().unwrap().refund,
            RefundTerms::Penalty(5)
        );
        assert!(from_text("[telemetry]\nurl = \"http://127.0.0.1:4318\"\nsample = 0.1\n").is_ok());
        for bad in [
            "url = \"127.0.0.1:4318\"",
            "url = \"http://127.0.0.1:4318/v1/traces\"",
            "url = \"http://x:1\"\nsample = 1.5",
            "url = \"http://x:1\"\nservice = \"\"",
        ] {
            let error = from_text(&format!("[telemetry]\n{bad}\n")).unwrap_err();
            assert!(error.to_string().contains("telemetry."), "{error}");
        }
        assert!(from_text("[providers.\"Bad Name\"]\nauthority = 1\n").is_err());
        assert!(
            from_text("[providers.pk]\nformat = \"avs\"\noptions = { codes = \"CS=open\", counts = \"total\" }\n")
                .is_ok()
        );
        let full = "[providers.pk]\nformat = \"avs\"\nmode = \"total\"\nstaleness_limit_s = 900\noverbooking = { Y = 4 }\n";
        let full = from_text(full).unwrap();
        let provider = &full.providers["pk"];
        assert_eq!(provider.options().unwrap()["counts"], "total");
        assert_eq!(provider.overbooking().unwrap(), [("Y".parse().unwrap(), 4)]);
        for (bad, want) in [
            ("staleness_limit_s = 0", "staleness_limit_s"),
            ("overbooking = { economy = 4 }", "overbooking.economy"),
            ("overbooking = { Y = 10000 }", "0 to 9999"),
            ("mode = \"total\"", "no format"),
            ("format = \"ssim\"\nmode = \"total\"", "ssim"),
            ("format = \"avs\"\nmode = \"some\"", "\"remaining\""),
            (
                "format = \"avs\"\nmode = \"total\"\noptions = { counts = \"total\" }",
                "leave one out",
            ),
            ("format = \"avx\"", "avx"),
            ("options = { codes = \"CS=open\" }", "no format"),
            (
                "format = \"avs\"\noptions = { codes = \"CS=perhaps\" }",
                "CS=perhaps",
            ),
            ("format = \"avs\"\noptions = { cods = \"CS=open\" }", "cods"),
            ("outward = { way = \"pigeon\" }", "pigeon"),
            (
                "outward = { way = \"webhook\", url = \"https://acme.example\", secret_env = \"FLIGHTLINE_TEST_NOT_SET\" }",
                "FLIGHTLINE_TEST_NOT_SET",
            ),
            (
                "outward = { way = \"teletype\", folder = \"tty\", address = \"NYCRMUA\", origin = \"HDQFLXX\", x = 1 }",
                "x",
            ),
        ] {
            let error = from_text(&format!("[providers.pk]\n{bad}\n")).unwrap_err();
            assert!(format!("{error:#}").contains(want), "{error:#}");
        }
    }

    #[test]
    fn open_mode_stays_on_loopback() {
        let mut config = Config::default();
        config.http.listen = "0.0.0.0:8080".to_owned();
        let error = listen_address(&config).unwrap_err().to_string();
        assert!(error.contains("token"), "{error}");
        config.auth.mode = AuthMode::Tokens;
        assert!(listen_address(&config).is_ok());
    }
}
