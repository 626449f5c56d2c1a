//! `flightline demo`: a replica with a real schedule and simulated bookings.
//!
//! The schedule is real (New York's departures of January 2013, moved into the future); the fares
//! are made by a formula and the bookings are simulated. Both are called so wherever they appear:
//! the ids of simulated bookings begin with `sim-`. Everything goes over HTTP, as a provider and a
//! booking client would do it.

mod bookings;
mod orders;
mod summary;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use flightline_connectors::nycflights13;
use flightline_runtime::Replica;
use reqwest::Method;

use super::client::Client;
use super::serve::replica_config;
use super::{print_line, tell};
use crate::cli::ConfigArgs;
use crate::config::Overrides;

/// The name under which the schedule is pushed.
const PROVIDER: &str = "nycflights13";

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long to simulate bookings, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    duration: u64,
    /// Simulated booking attempts a second.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Seed of the simulated clients.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Stop after the summary instead of serving until ^C.
    #[arg(long)]
    no_wait: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Address and port to listen on. Default 127.0.0.1:8080, or a free port when that is taken.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) fn run(args: DemoArgs) -> anyhow::Result<()> {
    let config = args.config.load(Overrides {
        listen: args.listen.clone(),
        ..Overrides::default()
    })?;
    crate::logging::start(&crate::config::Log {
        filter: "warn,fjall=error".to_owned(),
        ..config.log.clone()
    })?;
    let mut replica_config = replica_config(&config)?;
    if args.listen.is_none() && std::net::TcpListener::bind(replica_config.listen).is_err() {
        say(&format!(
            "{} is taken: using a free port",
            replica_config.listen
        ));
        replica_config.listen.set_port(0);
    }
    let runtime = super::serve::async_runtime()?;
    runtime.block_on(async move {
        let mut signals = super::serve::StopSignals::listen()?;
        let started = Instant::now();
        say("starting a replica: embedded stream, dataflow, private PostgreSQL, HTTP");
        let replica = tokio::select! {
            replica = Replica::start(replica_config) => replica?,
            () = signals.received() => return Ok(()),
        };
        let url = format!("http://{}", replica.address());
        super::serve::write_control(&config.data_dir, &replica)?;
        say(&format!(
            "ready at {url} after {:.1} s ({} records of history)",
            started.elapsed().as_secs_f64(),
            replica.history_records()
        ));
        let done = tokio::select! {
            done = show(&args, &config.data_dir, &replica, &url) => done,
            () = signals.received() => {
                say("interrupted");
                replica.shutdown().await?;
                return Ok(());
            }
        };
        if let Err(error) = done {
            replica.shutdown().await?;
            return Err(error);
        }
        if !args.no_wait {
            say(&format!("serving at {url} until ^C"));
            signals.received().await;
            say("stopping");
        }
        replica.shutdown().await?;
        super::serve::remove_control(&config.data_dir);
        Ok(())
    })
}

/// Progress goes to stderr: stdout has the result alone.
fn say(text: &str) {
    if std::io::stderr().is_terminal() {
        tell(&format!("\x1b[1m==>\x1b[0m {text}"));
    } else {
        tell(&format!("==> {text}"));
    }
}

async fn show(
    args: &DemoArgs,
    data_dir: &std::path::Path,
    replica: &Replica,
    url: &str,
) -> anyhow::Result<()> {
    let client = Client::new(Some(url), None, data_dir)?;
    let shift = nycflights13::default_shift(flightline_ledger::Date(today()));
    say(&format!(
        "pushing New York's departures of January 2013, moved by {shift} days, as provider '{PROVIDER}'"
    ));
    let pushed = Instant::now();
    let request = client
        .request(
            Method::POST,
            &format!(
                "/providers/{PROVIDER}/files?format=nycflights13&message=flights-2013-01.csv.gz&shift_days={shift}"
            ),
        )
        .header("content-type", "application/octet-stream")
        .body(nycflights13::JANUARY_CSV_GZ);
    let report = client.json(request).await.context("pushing the schedule")?;
    say(&format!(
        "read {} records in {:.1} s: {} accepted, {} duplicate, {} stale, {} rejected",
        report["read"],
        pushed.elapsed().as_secs_f64(),
        report["accepted"],
        report["duplicate"],
        report["stale"],
        report["rejected"]
    ));
    say(&format!(
        "simulating {} booking attempts a second for {} s (search, hold, confirm, release, cancel)",
        args.rate, args.duration
    ));
    let routes = bookings::routes(shift)?;
    let result = bookings::run(
        &client,
        routes.clone(),
        bookings::Plan {
            duration: Duration::from_secs(args.duration),
            rate: args.rate.max(1),
            seed: args.seed,
        },
    )
    .await?;
    say("ordering trips through the booking API: search, hold, pay with the sandbox, cancel");
    let orders = orders::run(&client, &routes, args.seed).await?;
    say("waiting until PostgreSQL has all of it");
    replica.flushed(Duration::from_secs(120)).await?;
    let summary = summary::make(replica, &report, shift, &result, &orders).await?;
    if args.json {
        print_line(&serde_json::to_string_pretty(&summary.json())?)
    } else {
        print_line(&summary.text(url, replica))
    }
}

/// Today in UTC, as days since 1970-01-01.
fn today() -> i32 {
    let s = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    i32::try_from(s / 86_400).unwrap_or(i32::MAX)
}
