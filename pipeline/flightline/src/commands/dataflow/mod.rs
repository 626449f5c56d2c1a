//! `flightline dataflow`: files of views in SQL, checked and explained.

mod live;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use flightline_dataflows::sql::{Problem, Text, compile, explain, run_examples};
use flightline_runtime::ViewFiles;

use super::{print, print_line};
use crate::cli::{Reported, Usage};

#[derive(Debug, Subcommand)]
pub(crate) enum DataflowCommand {
    /// Check files of views and run their examples. Views that read each other are checked together.
    Check {
        /// Files, and folders whose .yaml files are meant.
        #[arg(required = true, value_name = "DIR|FILE")]
        paths: Vec<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show how a view would run: its operators, and what they keep in memory.
    Explain {
        /// The file.
        file: PathBuf,
        /// Further files and folders, with the views that it reads.
        #[arg(long = "with", value_name = "DIR|FILE")]
        with: Vec<PathBuf>,
    },
    /// Add a view to a running replica. Returns when its table has all rows, and follows.
    Add(live::FileArgs),
    /// Put another version of a view into the place of the one that runs, table and all, in one step.
    Replace(live::FileArgs),
    /// Remove a view from a running replica, with its table and its file.
    Remove(live::NameArgs),
    /// List the views of a running replica, and how they stand.
    List(live::ListArgs),
}

pub(crate) fn run(command: DataflowCommand) -> anyhow::Result<()> {
    match command {
        DataflowCommand::Check { paths, json } => check(&paths, json),
        DataflowCommand::Explain { file, with } => explain_file(&file, &with),
        DataflowCommand::Add(args) => live::put(args, false),
        DataflowCommand::Replace(args) => live::put(args, true),
        DataflowCommand::Remove(args) => live::remove(args),
        DataflowCommand::List(args) => live::list(args),
    }
}

/// The texts of files, and of the files in folders.
fn read(paths: &[PathBuf], may_be_empty: bool) -> anyhow::Result<Vec<Text>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let cannot = || format!("the folder {} cannot be read", path.display());
            let entries = std::fs::read_dir(path).with_context(cannot)?;
            let mut within = Vec::new();
            for entry in entries {
                within.push(entry.with_context(cannot)?.path());
            }
            within.retain(|file| {
                let extension = file.extension().and_then(|extension| extension.to_str());
                matches!(extension, Some("yaml" | "yml"))
            });
            within.sort();
            anyhow::ensure!(
                may_be_empty || !within.is_empty(),
                "{}: no file ends in .yaml: name the folder that the views are in",
                path.display()
            );
            files.extend(within);
        } else {
            files.push(path.clone());
        }
    }
    files.dedup();
    let text = |file: &PathBuf| -> anyhow::Result<Text> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the file {} cannot be read", file.display()))?;
        Ok(Text {
            file: file.display().to_string(),
            text,
        })
    };
    files.iter().map(text).collect()
}

fn told(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    all.join("\n")
}

/// The views that a configuration names; `None` when it names none. The first folder is where views are added.
/// `is_copy`: several replicas have the same, and the start finds out what they are; the files are compiled then.
pub(crate) fn configured(paths: &[PathBuf], is_copy: bool) -> anyhow::Result<Option<ViewFiles>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let texts = read(paths, true).context("dataflow.views")?;
    let compiled = match is_copy {
        true => Ok(Vec::new()),
        false => compile(texts.clone()),
    };
    let views = compiled.map_err(|problems| {
        anyhow::anyhow!(
            "dataflow.views: nothing was started, since there are problems\n{}",
            told(&problems)
        )
    })?;
    Ok(Some(ViewFiles {
        folder: paths.iter().find(|path| path.is_dir()).cloned(),
        paths: paths.to_vec(),
        texts,
        views,
    }))
}

fn check(paths: &[PathBuf], json: bool) -> anyhow::Result<()> {
    let texts = read(paths, false).map_err(Usage)?;
    let files = texts.len();
    let (views, mut problems) = match compile(texts) {
        Ok(views) => (views, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let mut examples = 0;
    for view in &views {
        for outcome in run_examples(view) {
            examples += 1;
            problems.extend(outcome.problem);
        }
    }
    if json {
        let problems: Vec<serde_json::Value> = problems
            .iter()
            .map(|problem| {
                serde_json::json!({
                    "file": problem.file,
                    "line": problem.place.line,
                    "column": problem.place.column,
                    "message": problem.what,
                    "help": problem.help,
                })
            })
            .collect();
        let report = serde_json::json!({
            "files": files,
            "views": views.len(),
            "examples": examples,
            "problems": problems,
        });
        print_line(&report.to_string())?;
    } else if problems.is_empty() {
        for view in &views {
            let key: Vec<&str> = view.columns[..view.key]
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            print_line(&format!(
                "{}: {} fills {}.{}, key {}",
                view.file,
                view.name,
                view.schema,
                view.table,
                key.join(", ")
            ))?;
        }
        print_line(&format!(
            "{}, {}: all in order",
            counted(views.len(), "view"),
            counted(examples, "example")
        ))?;
    } else {
        print_line(&told(&problems))?;
        print_line(&format!(
            "{} in {}",
            counted(problems.len(), "problem"),
            counted(files, "file")
        ))?;
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Reported.into())
    }
}

fn counted(n: usize, of: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {of}{s}")
}

fn explain_file(file: &Path, with: &[PathBuf]) -> anyhow::Result<()> {
    let mut paths = vec![file.to_owned()];
    paths.extend(with.iter().cloned());
    let texts = read(&paths, false).map_err(Usage)?;
    let views = match compile(texts) {
        Ok(views) => views,
        Err(problems) => {
            print_line(&told(&problems))?;
            return Err(Reported.into());
        }
    };
    let Some(view) = views.first() else {
        anyhow::bail!("{} has no view", file.display());
    };
    let mut text = format!(
        "{}: {}\ntable {}.{}\n",
        view.name, view.description, view.schema, view.table
    );
    for (at, column) in view.columns.iter().enumerate() {
        let key = if at < view.key { ", key" } else { "" };
        let null = if column.nullable { ", may be NULL" } else { "" };
        text += &format!("  {} {}{key}{null}\n", column.name, column.ty);
    }
    text += "\n";
    text += &explain(&view.plan);
    print(text.as_bytes())
}
