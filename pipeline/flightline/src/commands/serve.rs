//! `flightline serve`: a replica until it is told to stop.

use std::path::Path;

use anyhow::Context;
use flightline_connectors::payments::PaymentsUrl;
use flightline_connectors::payments::stripe::WEBHOOK_SECRET_ENV;
use flightline_connectors::payments::stripe::webhook::Webhook;
use flightline_runtime::{AuthMode, MISSING_AFTER_MS, ProviderFeed, Replica, ReplicaConfig};

use super::client::Control;
use super::print_line;
use crate::cli::Usage;
use crate::config::Config;

/// The replica's configuration from the program's.
pub(crate) fn replica_config(config: &Config) -> anyhow::Result<ReplicaConfig> {
    let listen = crate::config::listen_address(config).map_err(Usage)?;
    let mut authorities = Vec::new();
    let mut feeds = Vec::new();
    let mut outward = Vec::new();
    for (name, provider) in &config.providers {
        let code = name
            .parse()
            .map_err(|e| Usage(anyhow::anyhow!("[providers.{name}]: {e}")))?;
        authorities.push((code, provider.authority));
        if let Some(way) = &provider.outward {
            let way = way
                .config()
                .with_context(|| format!("[providers.{name}.outward]"))
                .map_err(Usage)?;
            outward.push((code, way));
        }
        feeds.push(ProviderFeed {
            provider: code,
            format: provider.format.clone(),
            options: provider.options().map_err(Usage)?.into_iter().collect(),
            silence_max_ms: provider
                .staleness_limit_s
                .map(|limit_s| limit_s.saturating_mul(1000)),
            overbooking: provider.overbooking().map_err(Usage)?,
            missing_after_ms: provider
                .missing_after_s
                .map_or(MISSING_AFTER_MS, |after_s| after_s.saturating_mul(1000)),
            numbered_daily: provider.numbered_daily().map_err(Usage)?,
        });
    }
    let payments: PaymentsUrl = config
        .payments
        .url
        .parse()
        .map_err(|e| Usage(anyhow::anyhow!("payments.url: {e}")))?;
    let stream = config.stream.place().map_err(Usage)?;
    let views = super::dataflow::configured(&config.dataflow.views, stream.is_shared());
    Ok(ReplicaConfig {
        telemetry: config.telemetry.configured(),
        data_dir: config.data_dir.clone(),
        listen,
        auth: match config.auth.mode {
            crate::config::AuthMode::Open => AuthMode::Open,
            crate::config::AuthMode::Tokens => AuthMode::Tokens,
        },
        stream,
        partitions: config.stream.partitions,
        database_url: config.database.url.clone(),
        workers: config.dataflow.workers,
        views: views.map_err(Usage)?,
        queue_max: config.http.queue_max,
        shutdown_timeout: std::time::Duration::from_secs(config.http.shutdown_timeout_s),
        settings: config.ledger.settings(),
        orders: config.orders.settings(config.booking.pay_by_s),
        // An open replica is on loopback only, where clients on this machine are tried out.
        webhooks_private: config.webhooks.allow_private
            || config.auth.mode == crate::config::AuthMode::Open,
        webhook_events_held_max: config.webhooks.held_max,
        payment_notices: payment_notices(&payments)?,
        payments,
        tick: std::time::Duration::from_millis(config.ledger.tick_ms),
        authorities,
        intakes: crate::intake::configured(&config.providers).map_err(Usage)?,
        checkpoints: config.checkpoint.policy(),
        feeds,
        outward,
        booking: flightline_api::BookingTerms {
            balance: config.payments.balance.clone(),
            balances: config.payments.balances.clone(),
            ..config.booking.terms()?
        },
    })
}

/// The endpoint for Stripe's notices, when Stripe is the payment service and its signing secret is set.
fn payment_notices(payments: &PaymentsUrl) -> anyhow::Result<Option<Webhook>> {
    let is_stripe = matches!(payments, PaymentsUrl::Stripe(_));
    if !is_stripe || std::env::var_os(WEBHOOK_SECRET_ENV).is_none() {
        return Ok(None);
    }
    let webhook = Webhook::from_env().map_err(|e| Usage(e.into()))?;
    Ok(Some(webhook))
}

/// The async runtime that HTTP and PostgreSQL run on.
pub(crate) fn async_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("flightline-async")
        .build()
        .context("the async runtime cannot be started")
}

/// Leaves word of the replica for commands on this machine.
pub(crate) fn write_control(data_dir: &Path, replica: &Replica) -> anyhow::Result<()> {
    let control = Control {
        url: format!("http://{}", replica.address()),
        token: replica.control_token().to_owned(),
        pid: std::process::id(),
    };
    let path = data_dir.join("control.json");
    flightline_runtime::tokens::write_private(&path, &serde_json::to_vec_pretty(&control)?)?;
    Ok(())
}

/// Takes that word back.
pub(crate) fn remove_control(data_dir: &Path) {
    let _ = std::fs::remove_file(data_dir.join("control.json"));
}

/// ^C and SIGTERM, heard from when this was made: one that comes while nobody waits is not lost.
pub(crate) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Begins to listen. Must be called on the async runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for either.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

pub(crate) fn run(config: Config) -> anyhow::Result<()> {
    crate::logging::start(&config.log)?;
    let replica_config = replica_config(&config)?;
    let runtime = async_runtime()?;
    runtime.block_on(async move {
        let mut signals = StopSignals::listen()?;
        let replica = tokio::select! {
            replica = Replica::start(replica_config) => replica?,
            () = signals.received() => return Ok(()),
        };
        write_control(&config.data_dir, &replica)?;
        print_line(&format!("listening on http://{}", replica.address()))?;
        let failed = tokio::select! {
            () = signals.received() => None,
            why = replica.failed() => Some(why),
        };
        tracing::info!("stopping: answering what is in flight");
        let stopped = replica.shutdown().await;
        remove_control(&config.data_dir);
        match failed {
            Some(why) => Err(anyhow::anyhow!("the replica stopped: {why}")),
            None => stopped,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_signal_that_comes_while_nobody_waits_is_not_lost() {
        let mut signals = StopSignals::listen().unwrap();
        let pid = std::process::id();
        let sent = std::process::Command::new("sh")
            .args(["-c", &format!("kill -TERM {pid}")])
            .status()
            .unwrap();
        assert!(sent.success());
        let waited = std::time::Duration::from_secs(30);
        tokio::time::timeout(waited, signals.received())
            .await
            .unwrap();
    }
}
