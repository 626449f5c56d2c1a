//! `flightline verify`: is everything as the stream says?

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use flightline_runtime::control::{self, Answer, Question};
use flightline_runtime::offline;
use flightline_runtime::verify::{Folded, VerifyReport};

use super::client::Client;
use super::{print, print_line};
use crate::cli::{ConfigArgs, Reported, Usage};
use crate::config::Overrides;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The PostgreSQL with the tables. Default: the configured one, else the private one of the
    /// data directory.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Folder of view files (or one file) whose tables are compared too; adds to dataflow.views of the
    /// configuration. A running replica compares those that it runs.
    #[arg(long, value_name = "DIR|FILE")]
    views: Vec<PathBuf>,
    /// Compare the stream and its state with those of the replica at this address, too.
    #[arg(long, value_name = "URL")]
    against: Option<String>,
    /// A token of the role operator for that replica. Default: FLIGHTLINE_TOKEN.
    #[arg(long, requires = "against")]
    token: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let config = args.config.load(Overrides {
        database_url: args.database_url.clone(),
        views: args.views.clone(),
        ..Overrides::default()
    })?;
    let runtime = super::serve::async_runtime()?;
    if args.database_url.is_some() && runtime.block_on(control::is_answered(&config.data_dir)) {
        return Err(Usage(anyhow::anyhow!(
            "a replica runs on {}, and compares the tables that it writes itself: leave --database-url out, or stop the replica first",
            config.data_dir.display()
        ))
        .into());
    }
    let mut report: VerifyReport = runtime.block_on(async {
        // The stream has one owner at a time: while a replica runs, it is the one that looks.
        match control::ask(&config.data_dir, &Question::Verify).await? {
            Some(Answer::Verified(report)) => Ok(report),
            Some(Answer::Failed(why)) => Err(anyhow::anyhow!(why)),
            Some(_) => Err(anyhow::anyhow!("the replica answered something else")),
            None => {
                let policy = config.checkpoint.policy();
                let files =
                    super::dataflow::configured(&config.dataflow.views, false).map_err(Usage)?;
                let views = files.map(|files| files.views).unwrap_or_default();
                let url = config.database.url.as_deref();
                offline::verify(&config.data_dir, url, &policy, views).await
            }
        }
    })?;
    let mut same = None;
    if let Some(url) = &args.against {
        let client = Client::new(Some(url), args.token.clone(), &config.data_dir)?;
        let compared = runtime.block_on(compare(&config.data_dir, &client, url))?;
        match compared {
            Ok(text) => same = Some(text),
            Err(difference) => {
                report.clean = false;
                report.difference.get_or_insert(difference);
            }
        }
    }
    if args.json {
        print_line(&serde_json::to_string(&report)?)?;
    } else {
        if let Some(same) = same {
            print_line(&same)?;
        }
        print(text(&report).as_bytes())?;
    }
    if report.clean {
        Ok(())
    } else {
        Err(Reported.into())
    }
}

/// What a fold up to these offsets gives here.
async fn folded_here(data_dir: &Path, until: Option<Vec<u64>>) -> anyhow::Result<Vec<Folded>> {
    match control::ask(data_dir, &Question::Digest(until.clone())).await? {
        Some(Answer::Digest(found)) => Ok(found),
        Some(Answer::Failed(why)) => Err(anyhow::anyhow!(why)),
        Some(_) => Err(anyhow::anyhow!("the replica answered something else")),
        None => offline::digest(data_dir, until.as_deref()),
    }
}

/// Compares with another replica, up to where both are: what is the same, or what differs first.
async fn compare(
    data_dir: &Path,
    client: &Client,
    url: &str,
) -> anyhow::Result<Result<String, String>> {
    let mut here = folded_here(data_dir, None).await?;
    let offsets =
        |folded: &[Folded]| -> Vec<u64> { folded.iter().map(|f| f.next_offset).collect() };
    let until: Vec<String> = offsets(&here).iter().map(u64::to_string).collect();
    let path = format!("/stream/digest?until={}", until.join(","));
    let answer = client
        .json(client.request(reqwest::Method::GET, &path))
        .await?;
    let there: Vec<Folded> = serde_json::from_value(answer["partitions"].clone())
        .with_context(|| format!("{url} answered something else than hashes of its stream"))?;
    if offsets(&here) != offsets(&there) {
        // The other one is not as far.
        here = folded_here(data_dir, Some(offsets(&there))).await?;
    }
    for (partition, (here, there)) in here.iter().zip(&there).enumerate() {
        let at = format!(
            "partition {partition} up to offset {}: this replica and {url}",
            here.next_offset
        );
        if here.next_offset != there.next_offset || here.stream_hash != there.stream_hash {
            return Ok(Err(format!(
                "{at} hold different records (running hash {} here, {} there)",
                here.stream_hash, there.stream_hash
            )));
        }
        if here.state_hash != there.state_hash {
            return Ok(Err(format!(
                "{at} made different states of the same records (digest {} here, {} there): are both of one release?",
                here.state_hash, there.state_hash
            )));
        }
    }
    let records: u64 = offsets(&here).iter().sum();
    Ok(Ok(format!(
        "against  {url}: the same {records} records in {} partitions, and the same state",
        here.len()
    )))
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
    for line in &report.left_out {
        t.push_str(&format!("         not compared: {line}\n"));
    }
    match &report.difference {
        None => t.push_str(&format!("clean, in {:.1} s\n", report.seconds)),
        Some(difference) => t.push_str(&format!("DIFFERENT: {difference}\n")),
    }
    t
}
