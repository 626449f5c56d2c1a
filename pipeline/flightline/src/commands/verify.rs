//! `flightline verify`: is everything as the stream says?

use clap::Args;
use flightline_runtime::control::{self, Answer, Question};
use flightline_runtime::offline;
use flightline_runtime::verify::VerifyReport;

use super::{print, print_line};
use crate::cli::{ConfigArgs, Reported};
use crate::config::Overrides;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The PostgreSQL with the tables. Default: the configured one, else the private one of the
    /// data directory.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let config = args.config.load(Overrides {
        database_url: args.database_url.clone(),
        ..Overrides::default()
    })?;
    let runtime = super::serve::async_runtime()?;
    let report: VerifyReport = runtime.block_on(async {
        // The stream has one owner at a time: while a replica runs, it is the one that looks.
        match control::ask(&config.data_dir, &Question::Verify).await? {
            Some(Answer::Verified(report)) => Ok(report),
            Some(Answer::Failed(why)) => Err(anyhow::anyhow!(why)),
            Some(_) => Err(anyhow::anyhow!("the replica answered something else")),
            None => {
                let policy = config.checkpoint.policy();
                offline::verify(&config.data_dir, config.database.url.as_deref(), &policy).await
            }
        }
    })?;
    if args.json {
        print_line(&serde_json::to_string(&report)?)?;
    } else {
        print(text(&report).as_bytes())?;
    }
    if report.clean {
        Ok(())
    } else {
        Err(Reported.into())
    }
}

fn text(report: &VerifyReport) -> String {
    let mut t = format!(
        "stream   {} records in {} partitions, hash {}\n\
         state    {} flights, {} orders, {} seats held or sold, {} oversold, digest {}\n",
        report.records,
        report.partitions,
        report.stream_hash,
        report.flights,
        report.orders,
        report.seats_used,
        report.oversold,
        report.state_hash
    );
    for (id, records) in &report.checkpoints {
        t.push_str(&format!(
            "checkpoint {id} is the fold of its {records} records\n"
        ));
    }
    for why in &report.passed_over {
        t.push_str(&format!("not compared: {why}\n"));
    }
    if report.tables.is_empty() {
        t.push_str("tables   not compared\n");
    } else {
        t.push_str(&format!("tables   cover {} records\n", report.covered));
        for (name, rows) in &report.tables {
            t.push_str(&format!("         {rows:>10} rows equal  {name}\n"));
        }
    }
    match &report.difference {
        None => t.push_str(&format!("clean, in {:.1} s\n", report.seconds)),
        Some(difference) => t.push_str(&format!("DIFFERENT: {difference}\n")),
    }
    t
}
