//! `flightline feed`: send provider files to a replica, or only check them.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::Value;

use super::client::{Client, encode};
use super::{print, print_line, tell};
use crate::cli::{ConfigArgs, Reported, Usage};
use crate::config::Overrides;

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Send provider files to a running replica; ends with counts, and with what was rejected,
    /// where and why. Exit code 1 when nothing in them was of use.
    Push(PushArgs),
    /// Parse provider files and print canonical events (NDJSON) to stdout and rejects to stderr;
    /// sends nothing.
    Check(CheckArgs),
    /// Compare a provider's whole snapshot with what a running replica expects of it; sends nothing
    /// into the stream. Exit code 1 when a difference has no known cause.
    Reconcile(super::reconcile::ReconcileArgs),
    /// What a provider's feed did on a day.
    Report(super::reconcile::ReportArgs),
    /// Stop selling a provider's seats, on every flight.
    Stop(super::reconcile::SaleArgs),
    /// Sell a provider's seats again.
    Resume(super::reconcile::SaleArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The provider that the files come from.
    #[arg(long, value_name = "P")]
    provider: String,
    /// Format of the files; `canonical` is NDJSON of canonical events. Default: the one that the
    /// replica's configuration has for the provider.
    #[arg(long, value_name = "F")]
    format: Option<String>,
    /// The replica. Default: the one that runs on the data directory, else http://127.0.0.1:8080.
    #[arg(long, value_name = "U")]
    url: Option<String>,
    /// Bearer token; also FLIGHTLINE_TOKEN. Not needed for a replica on the same data directory.
    #[arg(long)]
    token: Option<String>,
    #[command(flatten)]
    options: FormatOptions,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
    /// Files, plain or gzipped; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Format of the files.
    #[arg(long, value_name = "F")]
    format: String,
    #[command(flatten)]
    options: FormatOptions,
    /// Print rejects as JSON lines.
    #[arg(long)]
    json: bool,
    /// Files, plain or gzipped; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Rejects that are printed for a reader; all of them are rows of `flightline.feed_reject`.
const REJECTS_SHOWN: usize = 20;

/// Options of formats.
#[derive(Debug, Args)]
pub(crate) struct FormatOptions {
    /// Move every date by so many days (formats with dates of the past, such as nycflights13).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    shift_days: Option<i64>,
    /// Service types whose seats are sold, as letters (format ssim). Default: JGSBQRC.
    #[arg(long, value_name = "LETTERS")]
    sell: Option<String>,
    /// Day on which the messages were received, as 2027-01-05 (format ssm). Default: today.
    #[arg(long, value_name = "DAY")]
    received: Option<String>,
    /// An option of the format, such as counts=total; may stand several times.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    more: Vec<(String, String)>,
}

impl FormatOptions {
    /// Those that were given, by the names that formats know them by.
    pub(super) fn named(&self) -> Vec<(String, String)> {
        let of_their_own = [
            ("shift_days", self.shift_days.map(|days| days.to_string())),
            ("sell", self.sell.clone()),
            ("received", self.received.clone()),
        ];
        let given = of_their_own
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.chain(self.more.iter().cloned()).collect()
    }
}

pub(crate) fn run(command: FeedCommand) -> anyhow::Result<()> {
    match command {
        FeedCommand::Push(args) => push(&args),
        FeedCommand::Check(args) => check(&args),
        FeedCommand::Reconcile(args) => super::reconcile::reconcile(&args),
        FeedCommand::Report(args) => super::reconcile::report(&args),
        FeedCommand::Stop(args) => super::reconcile::set_sale(&args, "stop"),
        FeedCommand::Resume(args) => super::reconcile::set_sale(&args, "resume"),
    }
}

/// Reads `NAME=VALUE`; names may be written with hyphens, as flags are.
fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => Err("write it as NAME=VALUE, such as counts=total".to_owned()),
    }
}

pub(super) fn open(file: &Path) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let opened = File::open(file).map_err(|e| Usage(anyhow::anyhow!("{}: {e}", file.display())))?;
    let metadata = opened.metadata()?;
    if metadata.is_dir() {
        return Err(Usage(anyhow::anyhow!(
            "{}: is a folder, not a file",
            file.display()
        ))
        .into());
    }
    Ok((Box::new(opened), Some(metadata.len())))
}

pub(super) fn name_of(file: &Path) -> String {
    if file == Path::new("-") {
        return "stdin".to_owned();
    }
    file.file_name().map_or_else(
        || file.display().to_string(),
        |n| n.to_string_lossy().into_owned(),
    )
}

/// A bar when stderr is a terminal, nothing otherwise.
pub(crate) fn progress(total: Option<u64>, what: String) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(n) => (
            ProgressBar::new(n),
            "{msg} [{bar:30}] {bytes}/{total_bytes} {eta}",
        ),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {bytes}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

fn push(args: &PushArgs) -> anyhow::Result<()> {
    args.provider
        .parse::<flightline_ledger::ProviderCode>()
        .map_err(|e| Usage(anyhow::anyhow!("--provider: {e}")))?;
    let config = args.config.load(Overrides::default())?;
    let client = Client::new(args.url.as_deref(), args.token.clone(), &config.data_dir)?;
    // Every file must be there before the first is sent.
    for file in &args.files {
        open(file)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut total = Counts::default();
    let mut all_rejects = Vec::new();
    for file in &args.files {
        let (body, size) = open(file)?;
        let name = name_of(file);
        let bar = progress(size, name.clone());
        let mut path = format!(
            "/providers/{}/files?message={}",
            args.provider,
            encode(&name)
        );
        if let Some(format) = &args.format {
            path.push_str(&format!("&format={}", encode(format)));
        }
        for (name, value) in args.options.named() {
            path.push_str(&format!("&{}={}", encode(&name), encode(&value)));
        }
        let request = client
            .request(Method::POST, &path)
            .header("content-type", "application/octet-stream")
            .body(stream(body, bar.clone()));
        let answer = runtime
            .block_on(client.json(request))
            .with_context(|| file.display().to_string());
        bar.finish_and_clear();
        let report = answer?;
        total.add(&report);
        for reject in report["rejects"].as_array().into_iter().flatten() {
            all_rejects.push((name.clone(), reject.clone()));
        }
    }
    if args.json {
        let rejects: Vec<Value> = all_rejects
            .into_iter()
            .map(|(file, mut r)| {
                r["file"] = Value::from(file);
                r
            })
            .collect();
        let mut result = total.json();
        result["rejects"] = Value::from(rejects);
        print_line(&serde_json::to_string(&result)?)?;
    } else {
        for (file, reject) in all_rejects.iter().take(REJECTS_SHOWN) {
            tell(&format!(
                "{file}:{}: {}: {}",
                reject["line"],
                reject["code"].as_str().unwrap_or("error"),
                reject["message"].as_str().unwrap_or("")
            ));
        }
        let shown = all_rejects.len().min(REJECTS_SHOWN) as u64;
        if total.rejected > shown {
            tell(&format!(
                "… and {} more; --json prints the first 1,000 of each file, and all are rows of flightline.feed_reject",
                total.rejected - shown
            ));
        }
        print_line(&total.text())?;
    }
    if total.is_useless() {
        Err(Reported.into())
    } else {
        Ok(())
    }
}

/// Reads a file in the background and hands it to the HTTP client piece by piece.
pub(super) fn stream(mut body: Box<dyn Read + Send>, bar: ProgressBar) -> reqwest::Body {
    let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(4);
    std::thread::spawn(move || {
        loop {
            let mut piece = vec![0; 64 * 1024];
            let next = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => {
                    piece.truncate(n);
                    bar.inc(n as u64);
                    Ok(piece)
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => Err(e),
            };
            let failed = next.is_err();
            if sender.blocking_send(next).is_err() || failed {
                break;
            }
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut r| async {
        r.recv().await.map(|piece| (piece, r))
    });
    reqwest::Body::wrap_stream(stream)
}

#[derive(Debug, Default)]
struct Counts {
    read: u64,
    accepted: u64,
    duplicate: u64,
    stale: u64,
    rejected: u64,
}

impl Counts {
    fn add(&mut self, report: &Value) {
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        self.read += count("read");
        self.accepted += count("accepted");
        self.duplicate += count("duplicate");
        self.stale += count("stale");
        self.rejected += count("rejected");
    }

    /// Something was sent, and all of it was rejected: another format, as a rule.
    const fn is_useless(&self) -> bool {
        self.rejected > 0 && self.accepted + self.duplicate + self.stale == 0
    }

    fn json(&self) -> Value {
        serde_json::json!({
            "read": self.read, "accepted": self.accepted, "duplicate": self.duplicate,
            "stale": self.stale, "rejected": self.rejected,
        })
    }

    fn text(&self) -> String {
        format!(
            "read {}, accepted {}, duplicate {}, stale {}, rejected {}",
            self.read, self.accepted, self.duplicate, self.stale, self.rejected
        )
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let options = args.options.named();
    let mut rejected = 0_u64;
    let mut events = 0_u64;
    for file in &args.files {
        let (body, size) = open(file)?;
        let name = name_of(file);
        let bar = progress(size, name.clone());
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let result = flightline_runtime::feed::check(
            &args.format,
            &options,
            &name,
            Box::new(bar.wrap_read(body)),
            |item| {
                match item {
                    flightline_runtime::feed::Checked::Event(line) => {
                        events += 1;
                        out.write_all(line.as_bytes())?;
                        out.write_all(b"\n")?;
                    }
                    flightline_runtime::feed::Checked::Warning { line, text } => {
                        tell(&format!("{name}:{line}: note: {text}"));
                    }
                    flightline_runtime::feed::Checked::Reject { line, code, reason } => {
                        rejected += 1;
                        if args.json {
                            tell(&format!(
                                "{}",
                                serde_json::json!({"file": name, "line": line, "code": code, "message": reason})
                            ));
                        } else {
                            tell(&format!("{name}:{line}: {code}: {reason}"));
                        }
                    }
                }
                Ok(())
            },
        );
        bar.finish_and_clear();
        match result {
            Ok(()) => {}
            Err(flightline_runtime::feed::CheckError::Use(text)) => {
                return Err(Usage(anyhow::anyhow!(text)).into());
            }
            Err(flightline_runtime::feed::CheckError::Io(e))
                if e.kind() == std::io::ErrorKind::BrokenPipe =>
            {
                return Ok(());
            }
            Err(flightline_runtime::feed::CheckError::Io(e)) => {
                return Err(e).with_context(|| file.display().to_string());
            }
        }
        out.flush().or_else(|e| {
            if e.kind() == std::io::ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(e)
            }
        })?;
    }
    tell(&format!("events {events}, rejected {rejected}"));
    print(b"")?;
    if rejected > 0 {
        Err(Reported.into())
    } else {
        Ok(())
    }
}
