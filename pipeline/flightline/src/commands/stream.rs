//! `flightline stream`: a stream in a cluster.

use anyhow::bail;
use clap::{Args, Subcommand};
use flightline_runtime::StreamPlace;
use indicatif::{ProgressBar, ProgressStyle};

use super::{print, print_line};
use crate::cli::{ConfigArgs, Usage};
use crate::config::Overrides;

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// Put records back that the topic has lost, or fill a new topic, from this data directory's
    /// copy. No replica may run on the directory. Run again after an interruption, it goes on where
    /// it was.
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Fill this topic of the cluster, and not the one in stream.url. It is created when it is not
    /// there; afterwards name it in stream.url.
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &StreamCommand) -> anyhow::Result<()> {
    let StreamCommand::Rebuild(args) = command;
    let config = args.config.load(Overrides::default())?;
    crate::logging::start(&config.log)?;
    let StreamPlace::Fluvio(mut options) = config.stream.place().map_err(Usage)? else {
        bail!(Usage(anyhow::anyhow!(
            "stream.url is 'embedded:', and there is nothing to rebuild: name the topic to fill, \
             fluvio://HOST:PORT/TOPIC"
        )));
    };
    if let Some(topic) = &args.topic {
        let url = format!("fluvio://{}/{topic}", options.url.controller);
        options.url = url
            .parse()
            .map_err(|e| Usage(anyhow::anyhow!("--topic: {e}")))?;
    }
    let bar = bar();
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let report = flightline_runtime::stream::rebuild(
        config.data_dir.clone(),
        config.stream.partitions,
        &options,
        &mut progress,
    );
    bar.finish_and_clear();
    let report = report?;
    if args.json {
        let json = serde_json::json!({
            "topic": options.url.to_string(),
            "compared": report.compared,
            "added_to_topic": report.added_to_topic,
            "added_to_copy": report.added_to_copy,
        });
        return print_line(&json.to_string());
    }
    print(
        format!(
            "{}\n\
             {:>12} records were there and are the same\n\
             {:>12} records were missing there and are back\n\
             {:>12} records were missing in the copy and are in it\n",
            options.url, report.compared, report.added_to_topic, report.added_to_copy
        )
        .as_bytes(),
    )
}

fn bar() -> ProgressBar {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("filling the topic {bar:30} {pos}/{len} {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
