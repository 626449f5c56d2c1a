//! Views of a running replica: added, replaced, removed and listed.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use flightline_dataflows::sql::{Text, name_of};
use reqwest::Method;
use serde_json::Value;

use crate::cli::{ConfigArgs, Reported, Usage};
use crate::commands::client::{Client, encode};
use crate::commands::{print_line, serve};
use crate::config::Overrides;

/// Which replica.
#[derive(Debug, Args)]
struct Whom {
    /// The replica. Default: the one that runs on the data directory, else http://127.0.0.1:8080.
    #[arg(long, value_name = "U")]
    url: Option<String>,
    /// Bearer token of an operator; also FLIGHTLINE_TOKEN. Not needed for a replica on the same data directory.
    #[arg(long)]
    token: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The view's file.
    file: PathBuf,
    #[command(flatten)]
    whom: Whom,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The view's name.
    name: String,
    #[command(flatten)]
    whom: Whom,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    whom: Whom,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Whom {
    fn client(self) -> anyhow::Result<Client> {
        let config = self.config.load(Overrides::default())?;
        Client::new(self.url.as_deref(), self.token, &config.data_dir)
    }
}

/// What a view is and does, on one line.
fn line(view: &Value) -> String {
    let text = |name: &str| view[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!("{}: {}", text("name"), text("state"));
    if let (Some(read), Some(of)) = (
        view["backfill"]["read"].as_u64(),
        view["backfill"]["of"].as_u64(),
    ) {
        let unit = view["backfill"]["unit"].as_str().unwrap_or("rows");
        line += &format!(", {read} of {of} {unit} read");
    }
    let rows = view["rows"].as_u64().unwrap_or_default();
    line += &format!(", {rows} rows in {}", text("table"));
    if let Some(bytes) = view["kept"]["bytes"].as_u64() {
        line += &format!(", {} in memory", size(bytes));
    }
    match view["reason"].as_str() {
        Some(reason) => format!("{line}\n  {reason}"),
        None => line,
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

pub(crate) fn put(args: FileArgs, replaces: bool) -> anyhow::Result<()> {
    let file = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("the file {file} cannot be read"))
        .map_err(Usage)?;
    let text = Text { file, text };
    let name = match name_of(&text) {
        Ok(name) => name,
        Err(problem) => {
            print_line(&problem.to_string())?;
            return Err(Reported.into());
        }
    };
    let client = args.whom.client()?;
    let replace = if replaces { "?replace=true" } else { "" };
    let path = format!("/dataflows/{}{replace}", encode(&name));
    let request = client
        .request(Method::PUT, &path)
        .header("content-type", "application/yaml")
        .body(text.text);
    let view = serve::async_runtime()?.block_on(client.json(request))?;
    match args.json {
        true => print_line(&view.to_string()),
        false => print_line(&line(&view)),
    }
}

pub(crate) fn remove(args: NameArgs) -> anyhow::Result<()> {
    let client = args.whom.client()?;
    let path = format!("/dataflows/{}", encode(&args.name));
    let request = client.request(Method::DELETE, &path);
    serve::async_runtime()?.block_on(client.done(request))?;
    print_line(&format!("{}: removed, with its table", args.name))
}

pub(crate) fn list(args: ListArgs) -> anyhow::Result<()> {
    let client = args.whom.client()?;
    let request = client.request(Method::GET, "/dataflows");
    let answer = serve::async_runtime()?.block_on(client.json(request))?;
    if args.json {
        return print_line(&answer.to_string());
    }
    let views = answer["views"].as_array().cloned().unwrap_or_default();
    for view in &views {
        print_line(&line(view))?;
    }
    if views.is_empty() {
        print_line("no views; `flightline dataflow add FILE` adds one")?;
    } else if let Some(bytes) = answer["shared"]["bytes"].as_u64() {
        print_line(&format!("all of them together: {} in memory", size(bytes)))?;
    }
    let files = &answer["files"];
    if let Some(problem) = files["problem"].as_str() {
        print_line(problem)?;
    }
    for file in files["tried"].as_array().into_iter().flatten() {
        if let (Some(name), Some(reason)) = (file["file"].as_str(), file["reason"].as_str()) {
            print_line(&format!(
                "{name}: refused, and what was there goes on\n  {reason}"
            ))?;
        }
    }
    Ok(())
}
