//! `flightline feed reconcile`, `report`, `stop` and `resume`: what providers say against what is known,
//! and whether their seats are sold.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::client::{Client, encode};
use super::feed::{FormatOptions, name_of, open, progress, stream};
use super::{print_line, tell};
use crate::cli::{ConfigArgs, Reported, Usage};
use crate::config::Overrides;

/// Which provider, and where the replica is.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The provider.
    #[arg(long, value_name = "P")]
    provider: String,
    /// The replica. Default: the one that runs on the data directory, else http://127.0.0.1:8080.
    #[arg(long, value_name = "U")]
    url: Option<String>,
    /// Bearer token; also FLIGHTLINE_TOKEN. Not needed for a replica on the same data directory.
    #[arg(long)]
    token: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    at: At,
    /// Format of the file. Default: the one that the replica's configuration has for the provider.
    #[arg(long, value_name = "F")]
    format: Option<String>,
    #[command(flatten)]
    options: FormatOptions,
    /// The snapshot, plain or gzipped; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    at: At,
    /// The day, in UTC, such as 2027-01-05.
    #[arg(long, value_name = "D")]
    day: String,
}

#[derive(Debug, Args)]
pub(crate) struct SaleArgs {
    #[command(flatten)]
    at: At,
}

impl At {
    /// Asks the replica.
    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<reqwest::Body>,
    ) -> anyhow::Result<Value> {
        self.provider
            .parse::<flightline_ledger::ProviderCode>()
            .map_err(|e| Usage(anyhow::anyhow!("--provider: {e}")))?;
        let config = self.config.load(Overrides::default())?;
        let client = Client::new(self.url.as_deref(), self.token.clone(), &config.data_dir)?;
        let path = format!("/providers/{}/{path}", self.provider);
        let mut request = client.request(method, &path);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/octet-stream")
                .body(body);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(client.json(request))
    }
}

pub(crate) fn reconcile(args: &ReconcileArgs) -> anyhow::Result<()> {
    let (body, size) = open(&args.file)?;
    let name = name_of(&args.file);
    let bar = progress(size, name.clone());
    let mut path = format!("reconcile?message={}", encode(&name));
    if let Some(format) = &args.format {
        path.push_str(&format!("&format={}", encode(format)));
    }
    for (name, value) in args.options.named() {
        path.push_str(&format!("&{}={}", encode(&name), encode(&value)));
    }
    let answer = args
        .at
        .ask(Method::POST, &path, Some(stream(body, bar.clone())))
        .with_context(|| args.file.display().to_string());
    bar.finish_and_clear();
    let found = answer?;
    if args.at.json {
        print_line(&serde_json::to_string(&found)?)?;
    } else {
        table(&name, &found)?;
    }
    let count = |name: &str| found[name].as_u64().unwrap_or(0);
    // What could not be read was not compared either.
    if count("unexplained") > 0 || count("rejected") > 0 {
        return Err(Reported.into());
    }
    Ok(())
}

/// The differences for people.
fn table(name: &str, found: &Value) -> anyhow::Result<()> {
    for reject in found["rejects"].as_array().into_iter().flatten() {
        tell(&format!(
            "{name}:{}: {}: {}",
            reject["line"],
            reject["code"].as_str().unwrap_or("error"),
            reject["message"].as_str().unwrap_or("")
        ));
    }
    let rows = found["differences"].as_array();
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    if !rows.is_empty() {
        print_line(&format!(
            "{:<24} {:<5} {:<5} {:<5} {:<9} {:>8} {:>8} {:>6}  cause",
            "flight", "leg", "cabin", "class", "counts", "reported", "expected", "diff"
        ))?;
    }
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for row in rows {
        print_line(&format!(
            "{:<24} {:<5} {:<5} {:<5} {:<9} {:>8} {:>8} {:>6}  {}",
            text(&row["flight_key"]),
            text(&row["board"]),
            text(&row["cabin"]),
            text(&row["class"]),
            text(&row["counts"]),
            text(&row["reported"]),
            text(&row["expected"]),
            text(&row["difference"]),
            text(&row["cause"]),
        ))?;
    }
    if found["differences_omitted"].as_u64().unwrap_or(0) > 0 {
        print_line(&format!(
            "and {} more, which have a cause",
            found["differences_omitted"]
        ))?;
    }
    print_line(&format!(
        "read {}, rejected {}, flights {}, counts compared {}, not compared {}, differences explained {}, unexplained {}",
        found["read"],
        found["rejected"],
        found["flights"],
        found["compared"],
        found["not_compared"],
        found["explained"],
        found["unexplained"]
    ))?;
    missing(found)
}

pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let path = format!("report?day={}", encode(&args.day));
    let found = args.at.ask(Method::GET, &path, None)?;
    if args.at.json {
        return print_line(&serde_json::to_string(&found)?);
    }
    print_line(&format!(
        "{} on {}: accepted {}, duplicate {}, stale {}, rejected {}",
        args.at.provider,
        args.day,
        found["accepted"],
        found["duplicate"],
        found["stale"],
        found["rejected"]
    ))?;
    print_line(&format!(
        "now: sale {}, {} counts differ from what was expected, by {} seats; last heard of {}",
        found["sale"]["state"].as_str().unwrap_or("unknown"),
        found["drift"]["rows"],
        found["drift"]["seats"],
        found["last_event_at"].as_str().unwrap_or("never")
    ))?;
    missing(&found)
}

/// The messages that are missing in the feed.
fn missing(found: &Value) -> anyhow::Result<()> {
    for missing in found["missing"].as_array().into_iter().flatten() {
        print_line(&format!(
            "missing: {}, since {}",
            missing["messages"].as_str().unwrap_or("?"),
            missing["since"].as_str().unwrap_or("?")
        ))?;
    }
    Ok(())
}

pub(crate) fn set_sale(args: &SaleArgs, verb: &str) -> anyhow::Result<()> {
    let found = args.at.ask(Method::POST, verb, None)?;
    if args.at.json {
        return print_line(&serde_json::to_string(&found)?);
    }
    let state = found["state"].as_str().unwrap_or("unknown");
    print_line(&format!("sale of {}: {state}", args.at.provider))
}
