//! The configuration: a TOML file, then `FLIGHTLINE_…` environment variables, then flags.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use flightline_api::BookingTerms;
use flightline_connectors::payments::PaymentsUrl;
use flightline_ledger::command::Settings;
use flightline_ledger::order::{OrderSettings, RefundTerms};
use flightline_runtime::checkpoint::CheckpointPolicy;
use flightline_runtime::{FluvioOptions, StreamPlace};
use flightline_stream::fluvio::TlsConfig;
use serde::{Deserialize, Serialize};

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
    /// Providers by name.
    pub providers: BTreeMap<String, Provider>,
}

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

impl Stream {
    /// Where the stream is.
    pub(crate) fn place(&self) -> anyhow::Result<StreamPlace> {
        if self.url == "embedded:" {
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
            tls,
        })))
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

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Orders {
    /// How much longer seats are held than a client may take to pay (`booking.pay_by_s`), in seconds.
    pub pay_grace_s: u64,
    /// How long the seats of an instant order are held while it is paid, in seconds.
    pub instant_hold_s: u64,
    /// How long a cancellation quote is good, in seconds.
    pub quote_s: u64,
    /// How long after its last departure an order is kept, in seconds.
    pub retire_after_s: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Payments {
    /// `sandbox:` (moves no money), `sandbox:PATH`, or the base of Stripe's interface; its key comes
    /// from the environment variable STRIPE_SECRET_KEY.
    pub url: String,
    /// What pays for orders whose client pays with its `balance`: a method of the payment service.
    pub balance: String,
    /// The same for single clients, by the name of their token.
    pub balances: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhooks {
    /// Take webhooks on this machine and in private networks, and without encryption. Always so with
    /// `auth.mode = "open"`.
    pub allow_private: bool,
}

/// Terms of the booking API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Booking {
    /// How long an offer is good for, in seconds.
    pub offer_ttl_s: u64,
    /// How long an order of type hold may stay unpaid, in seconds: at most 3 days.
    pub pay_by_s: u64,
    /// The longest that an order may wait for a sold-out flight, in seconds; 0 = none may.
    pub wait_max_s: u64,
    /// What comes back when a client cancels before departure: `full`, `penalty` or `nothing`.
    pub refund: Refund,
    /// With `refund = "penalty"`: what is kept, in minor units of the order's currency.
    pub refund_penalty_minor: i64,
    /// The most offers in answer to one search.
    pub offers_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Refund {
    Full,
    Penalty,
    Nothing,
}

impl Default for Booking {
    fn default() -> Self {
        let terms = BookingTerms::default();
        Self {
            offer_ttl_s: terms.offer_ttl_ms / 1000,
            pay_by_s: terms.pay_by_ms / 1000,
            wait_max_s: terms.wait_max_ms / 1000,
            refund: Refund::Full,
            refund_penalty_minor: 0,
            offers_max: terms.offers_max,
        }
    }
}

impl Booking {
    /// The terms that the API is given.
    pub(crate) fn terms(&self) -> anyhow::Result<BookingTerms> {
        let terms = BookingTerms {
            offer_ttl_ms: self.offer_ttl_s.saturating_mul(1000),
            pay_by_ms: self.pay_by_s.saturating_mul(1000),
            wait_max_ms: self.wait_max_s.saturating_mul(1000),
            refund: match self.refund {
                Refund::Full => RefundTerms::Full,
                Refund::Penalty => RefundTerms::Penalty(self.refund_penalty_minor),
                Refund::Nothing => RefundTerms::Nothing,
            },
            offers_max: self.offers_max,
            ..BookingTerms::default()
        };
        if self.refund != Refund::Penalty && self.refund_penalty_minor != 0 {
            bail!("booking.refund_penalty_minor is set, but booking.refund is not 'penalty'");
        }
        if !(1..=1000).contains(&self.offers_max) {
            bail!(
                "booking.offers_max is {}: it must be 1 to 1000",
                self.offers_max
            );
        }
        terms
            .check()
            .map_err(|why| anyhow::anyhow!("[booking]: {why}"))?;
        Ok(terms)
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

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Provider {
    /// Weight of its word on schedules when several providers report a flight; 0 to 255.
    pub authority: u8,
    /// The format of its files, when a push does not name one, and of its watched folder and pulls,
    /// where they name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Options of that format: code tables, how counts are to be read, and so on.
    pub options: BTreeMap<String, String>,
    /// A folder that it drops files into.
    pub folder: Option<Folder>,
    /// What is fetched from it.
    pub pull: Vec<PullRequest>,
}

/// A watched folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    /// The folder; `done` and `rejected` are made in it.
    pub path: PathBuf,
    /// How long a file must have stood still before it is taken, in seconds.
    #[serde(default = "ten")]
    pub settle_s: u64,
    /// How often the folder is looked through, in seconds.
    #[serde(default = "two")]
    pub every_s: u64,
}

/// A request on a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PullRequest {
    /// The address. `{date}` in it or in the body: one request for each of `days`.
    pub url: String,
    /// From one round to the next, in seconds.
    pub every_s: u64,
    /// Send this with POST.
    pub body: Option<String>,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The environment variable that holds the bearer token.
    pub token_env: Option<String>,
    /// The days that stand for `{date}`, from today on: FROM..TO.
    pub days: Option<String>,
    /// The most requests in a second.
    #[serde(default = "ten_per_s")]
    pub rate_per_s: f64,
    /// How long an answer may take, in seconds.
    #[serde(default = "sixty")]
    pub timeout_s: u64,
    /// The longest answer, in MiB.
    #[serde(default = "sixty_four")]
    pub answer_max_mib: u32,
    /// Format, where it is another than the provider's.
    pub format: Option<String>,
    /// Options of that format.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

const fn two() -> u64 {
    2
}
const fn ten() -> u64 {
    10
}
const fn sixty() -> u64 {
    60
}
const fn sixty_four() -> u32 {
    64
}
const fn ten_per_s() -> f64 {
    10.0
}

impl Provider {
    fn check(&self) -> anyhow::Result<()> {
        let Some(name) = &self.format else {
            if let Some(option) = self.options.keys().next() {
                bail!("options.{option} is set, but no format that has it");
            }
            return Ok(());
        };
        let format = flightline_connectors::format(name)?;
        let options = self.options.iter().fold(
            flightline_connectors::Options::new(),
            |all, (name, value)| all.with(name, value),
        );
        format.connector(&options).context("options")?;
        Ok(())
    }
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
            providers: BTreeMap::new(),
        }
    }
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

impl Default for Auth {
    fn default() -> Self {
        Self {
            mode: AuthMode::Open,
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            url: "embedded:".to_owned(),
            partitions: 64,
            replication: 1,
            acks: Acks::All,
            request_timeout_ms: 10_000,
            tls: None,
        }
    }
}

impl Default for Dataflow {
    fn default() -> Self {
        Self {
            workers: 1,
            views: Vec::new(),
        }
    }
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

impl Default for Orders {
    fn default() -> Self {
        let settings = OrderSettings::default();
        Self {
            pay_grace_s: settings.pay_grace_ms / 1000,
            instant_hold_s: settings.instant_hold_ms / 1000,
            quote_s: settings.quote_ms / 1000,
            retire_after_s: settings.retire_after_ms / 1000,
        }
    }
}

impl Orders {
    /// The settings that go into the stream.
    pub(crate) fn settings(&self, pay_by_s: u64) -> OrderSettings {
        OrderSettings {
            instant_hold_ms: self.instant_hold_s.saturating_mul(1000),
            pay_by_max_ms: pay_by_s.saturating_mul(1000),
            pay_grace_ms: self.pay_grace_s.saturating_mul(1000),
            quote_ms: self.quote_s.saturating_mul(1000),
            retire_after_ms: self.retire_after_s.saturating_mul(1000),
            ..OrderSettings::default()
        }
    }
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            url: "sandbox:".to_owned(),
            balance: "balance".to_owned(),
            balances: BTreeMap::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info,fjall=warn,lsm_tree=warn".to_owned(),
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
        !theirs
            .iter()
            .any(|p| key.as_str().to_ascii_lowercase().starts_with(p))
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
            text.push_str(&format!("\n  {e}"));
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
    for (name, provider) in &config.providers {
        name.parse::<flightline_ledger::ProviderCode>()
            .map_err(|e| anyhow::anyhow!("[providers.{name}]: {e}"))?;
        provider
            .check()
            .with_context(|| format!("[providers.{name}]"))?;
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
        assert!(from_text("[providers.\"Bad Name\"]\nauthority = 1\n").is_err());
        assert!(
            from_text("[providers.pk]\nformat = \"avs\"\noptions = { codes = \"CS=open\", counts = \"total\" }\n")
                .is_ok()
        );
        for (bad, want) in [
            ("format = \"avx\"", "avx"),
            ("options = { codes = \"CS=open\" }", "no format"),
            (
                "format = \"avs\"\noptions = { codes = \"CS=perhaps\" }",
                "CS=perhaps",
            ),
            ("format = \"avs\"\noptions = { cods = \"CS=open\" }", "cods"),
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
