//! `flightline checkpoint`: the fold, kept, so that a start need not begin at the first record.

use clap::Subcommand;
use flightline_runtime::checkpoint::{Manifest, Store, Taken};
use flightline_runtime::control::{self, Answer, Question};
use flightline_runtime::offline;
use serde_json::json;

use super::{print, print_line};
use crate::cli::ConfigArgs;
use crate::config::{Config, Overrides};

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// List checkpoints, newest first, with those that cannot be used and why.
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Make one now of what the tables have. A running replica goes on meanwhile.
    Take {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Forget what of the stream is before the oldest checkpoint. Reads every one of them whole first,
    /// and refuses when none is good. `verify`, `history` and `explain` need the stream from its first
    /// record: they are refused afterwards.
    Trim {
        #[command(flatten)]
        config: ConfigArgs,
        /// Yes: this cannot be undone.
        #[arg(long, required = true)]
        yes: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &CheckpointCommand) -> anyhow::Result<()> {
    let runtime = super::serve::async_runtime()?;
    match command {
        CheckpointCommand::List { config, json } => {
            let config = config.load(Overrides::default())?;
            let _inside = runtime.enter();
            list(&config, *json)
        }
        CheckpointCommand::Take { config, json } => {
            let config = config.load(Overrides::default())?;
            let taken = runtime.block_on(take(&config))?;
            if *json {
                print_line(&serde_json::to_string(&taken)?)
            } else {
                print_line(&told(&taken))
            }
        }
        CheckpointCommand::Trim { config, json, .. } => {
            let config = config.load(Overrides::default())?;
            let trimmed = runtime.block_on(trim(&config))?;
            if *json {
                print_line(&json!({ "trimmed": trimmed }).to_string())
            } else {
                print_line(&format!("{trimmed} records were trimmed away"))
            }
        }
    }
}

async fn take(config: &Config) -> anyhow::Result<Taken> {
    match control::ask(&config.data_dir, &Question::Checkpoint).await? {
        Some(Answer::Checkpointed(taken)) => Ok(taken),
        Some(Answer::Failed(why)) => Err(anyhow::anyhow!(why)),
        Some(_) => Err(anyhow::anyhow!("the replica answered something else")),
        None => {
            let policy = config.checkpoint.policy();
            let url = config.database.url.as_deref();
            offline::take_checkpoint(&config.data_dir, url, &policy).await
        }
    }
}

async fn trim(config: &Config) -> anyhow::Result<u64> {
    match control::ask(&config.data_dir, &Question::Trim).await? {
        Some(Answer::Trimmed(records)) => Ok(records),
        Some(Answer::Failed(why)) => Err(anyhow::anyhow!(why)),
        Some(_) => Err(anyhow::anyhow!("the replica answered something else")),
        None => offline::trim(&config.data_dir, &config.checkpoint.policy()).await,
    }
}

fn told(taken: &Taken) -> String {
    let Taken {
        id,
        records,
        bytes,
        took_ms,
        is_new,
        trimmed,
    } = taken;
    let mut text = if *is_new {
        format!("checkpoint {id} covers {records} records, {bytes} bytes, made in {took_ms} ms")
    } else {
        format!("checkpoint {id} covers all {records} records that the tables have already")
    };
    if *trimmed > 0 {
        text.push_str(&format!("; {trimmed} records were trimmed away"));
    }
    text
}

fn list(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let store = Store::open(config.checkpoint.url.as_deref(), &config.data_dir)?;
    let mut text = String::new();
    for entry in store.list()? {
        let line = match (&entry.manifest, as_json) {
            (Ok(manifest), true) => shown(manifest).to_string(),
            (Err(error), true) => json!({"id": entry.id, "error": error.to_string()}).to_string(),
            (Ok(manifest), false) => format!(
                "{:>6}  {}  {:>12} records  {:>12} bytes  made in {} ms",
                entry.id,
                instant(manifest.taken_at_ms),
                manifest.records(),
                manifest.bytes(),
                manifest.took_ms
            ),
            (Err(error), false) => format!("{:>6}  cannot be used: {error}", entry.id),
        };
        text.push_str(&line);
        text.push('\n');
    }
    if text.is_empty() && !as_json {
        text.push_str("there are no checkpoints yet\n");
    }
    print(text.as_bytes())
}

fn instant(at_ms: i64) -> String {
    flightline_connectors::webhooks::event::instant(at_ms)
}

fn shown(manifest: &Manifest) -> serde_json::Value {
    json!({
        "id": manifest.id,
        "release": manifest.release,
        "stream": manifest.stream,
        "taken_at": instant(manifest.taken_at_ms),
        "took_ms": manifest.took_ms,
        "records": manifest.records(),
        "bytes": manifest.bytes(),
        "offsets": manifest.offsets(),
    })
}
