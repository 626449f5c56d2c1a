//! Judges the seat ledger by the naive model over random histories.
//!
//! `cargo run --release -p flightline-tests --bin model-check -- --commands 10000000 --seed 1`
//!
//! Ends with a table of what came up; exit 1 when an answer or a state differs, or when something
//! that must come up did not.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use flightline_ledger::Input;
use flightline_tests::history::{
    Closeness, Coverage, Difference, Judged, LedgerSubject, batches_agree, derive, judge_history,
    shrink,
};
use flightline_tests::model::{Fault, Model};

const USAGE: &str = "\
usage: model-check [--commands N] [--seed N] [--threads N] [--length N] [--history N] [--fault NAME]

  --commands N  commands to judge in all (1000000)
  --seed N      seed of the run (1)
  --threads N   histories judged at once (1)
  --length N    commands of one history (2000); every 128th has eight times as many
  --history N   judge only the N-th history of the run
  --fault NAME  judge a model that is wrong on purpose instead of the ledger, to see that it is
                noticed; a wrong name lists them";

struct Options {
    commands: u64,
    seed: u64,
    threads: u64,
    length: u64,
    history: Option<u64>,
    fault: Option<Fault>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        commands: 1_000_000,
        seed: 1,
        threads: 1,
        length: 2000,
        history: None,
        fault: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--help" {
            return Err(USAGE.to_owned());
        }
        let value = args
            .next()
            .ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        if name == "--fault" {
            let named = |fault: &Fault| format!("{fault:?}") == value;
            options.fault = Some(Fault::ALL.into_iter().find(named).ok_or_else(|| {
                format!(
                    "--fault {value}: there is no such; there are {:?}",
                    Fault::ALL
                )
            })?);
            continue;
        }
        let number: u64 = value
            .parse()
            .map_err(|_| format!("{name} {value}: not a number\n{USAGE}"))?;
        match name.as_str() {
            "--commands" => options.commands = number,
            "--seed" => options.seed = number,
            "--threads" => options.threads = number.max(1),
            "--length" => options.length = number.max(1),
            "--history" => options.history = Some(number),
            _ => return Err(format!("{name}: there is no such option\n{USAGE}")),
        }
    }
    Ok(options)
}

/// One history of the run. Every 32nd is compared after every record, every 128th is a long one.
fn judge_one(options: &Options, index: u64) -> Judged {
    let seed = derive(options.seed, index);
    let length = options.length * if index % 128 == 127 { 8 } else { 1 };
    let closeness = if index.is_multiple_of(32) {
        Closeness::Always
    } else {
        Closeness::Every(64)
    };
    match options.fault {
        Some(fault) => judge_history(seed, length, Model::with_fault(fault), closeness),
        None => {
            let mut judged = judge_history(seed, length, LedgerSubject::default(), closeness);
            if judged.difference.is_none() {
                judged.difference = batches_agree(&judged.history, seed).err();
            }
            judged
        }
    }
}

fn shrunk(options: &Options, judged: &Judged) -> Option<(Vec<Input>, Difference)> {
    match options.fault {
        Some(fault) => shrink(&judged.history, || Model::with_fault(fault)),
        None => shrink(&judged.history, LedgerSubject::default),
    }
}

fn report(out: &mut impl std::io::Write, options: &Options, index: u64, judged: &Judged) {
    let Some(difference) = &judged.difference else {
        return;
    };
    let input = judged.history.get(difference.step);
    let _ = writeln!(
        out,
        "DIFFERENCE: seed {}, history {index} (its own seed {}), step {}\ncommand: {input:#?}\n{}\n\
         again: --seed {} --length {} --history {index}\n",
        options.seed,
        derive(options.seed, index),
        difference.step,
        difference.what,
        options.seed,
        options.length,
    );
    match shrunk(options, judged) {
        Some((least, difference)) => {
            let _ = writeln!(out, "the shortest history found ({} records):", least.len());
            for input in &least {
                let _ = writeln!(out, "{input:?}");
            }
            let _ = writeln!(out, "where:\n{}", difference.what);
        }
        None => {
            let _ = writeln!(out, "it does not show when the history is judged alone");
        }
    }
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            return ExitCode::from(2);
        }
    };
    // A ledger that panics is a difference, reported with its history: no need for a trace each.
    std::panic::set_hook(Box::new(|_| {}));
    let (first, histories) = match options.history {
        Some(index) => (index, index + 1),
        None => (0, options.commands.div_ceil(options.length)),
    };
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let commands = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let total: Mutex<(Coverage, Vec<(u64, Judged)>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                let mut coverage = Coverage::default();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= histories || failed.load(Ordering::Relaxed) {
                        break;
                    }
                    let judged = judge_one(&options, index);
                    commands.fetch_add(judged.history.len() as u64, Ordering::Relaxed);
                    coverage.add(&judged.coverage);
                    if judged.difference.is_some() {
                        failed.store(true, Ordering::Relaxed);
                        if let Ok(mut total) = total.lock() {
                            total.1.push((index, judged));
                        }
                    }
                }
                if let Ok(mut total) = total.lock() {
                    total.0.add(&coverage);
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let (coverage, mut differences) = match total.into_inner() {
        Ok(total) => total,
        Err(poisoned) => poisoned.into_inner(),
    };
    let commands = commands.into_inner();
    let _ = writeln!(out, "{coverage}");
    let _ = writeln!(
        out,
        "{commands} commands in {} histories, seed {}: {seconds:.1} s, {:.0} commands/s on {} thread(s)",
        histories - first,
        options.seed,
        commands as f64 / seconds,
        options.threads,
    );
    differences.sort_by_key(|(index, _)| *index);
    if let Some((index, judged)) = differences.first() {
        report(&mut out, &options, *index, judged);
        return ExitCode::FAILURE;
    }
    let missing = coverage.missing();
    if options.history.is_none() && !missing.is_empty() {
        let _ = writeln!(out, "these never came up:");
        for what in missing {
            let _ = writeln!(out, "  {what}");
        }
        return ExitCode::FAILURE;
    }
    let _ = writeln!(out, "no difference");
    ExitCode::SUCCESS
}
