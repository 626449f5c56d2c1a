//! Runs seeds of the simulation: see `docs/simulation.md`.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use flightline_tests::simulation::{Ending, Mutant, Options, Sabotage, simulate_twice};

const HELP: &str = "\
Runs several simulated replicas under faults, every seed twice.

  --seed N         this seed alone
  --from N         the first of many [0]
  --seeds N        how many [1000]
  --minutes N      as many as fit
  --steps N        choices before everything is mended [900]
  --losing          the cluster loses acknowledged records, once in each run
  --sabotage NAME  with a deliberate fault: settle-by-guess, take-stale, take-doubles, fold-holes, no-fence,
                   new-payment-ids
  --trace FILE     write down what happened in the last run

Exit code 1 when a seed finds something wrong.
";

fn sabotage(name: &str) -> Option<Sabotage> {
    Some(match name {
        "settle-by-guess" => Sabotage::Stream(Mutant::SettleByGuess),
        "take-stale" => Sabotage::Stream(Mutant::TakeStale),
        "take-doubles" => Sabotage::Stream(Mutant::TakeDoubles),
        "fold-holes" => Sabotage::Stream(Mutant::FoldHoles),
        "no-fence" => Sabotage::NoFence,
        "new-payment-ids" => Sabotage::NewPaymentIds,
        _ => return None,
    })
}

struct Asked {
    from: u64,
    seeds: u64,
    until: Option<Instant>,
    options: Options,
    trace: Option<String>,
}

fn parse(words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        from: 0,
        seeds: 1000,
        until: None,
        options: Options::default(),
        trace: None,
    };
    let mut words = words;
    while let Some(word) = words.next() {
        if word == "--losing" {
            asked.options.loses_end = true;
            continue;
        }
        let value = words.next().ok_or_else(|| HELP.to_owned())?;
        let number = || {
            let parsed = value.parse::<u64>();
            parsed.map_err(|_| format!("{word} takes a number, not `{value}`"))
        };
        match word.as_str() {
            "--seed" => (asked.from, asked.seeds) = (number()?, 1),
            "--from" => asked.from = number()?,
            "--seeds" => asked.seeds = number()?,
            "--minutes" => {
                asked.until = Some(Instant::now() + Duration::from_secs(number()? * 60));
                asked.seeds = u64::MAX;
            }
            "--steps" => asked.options.steps = usize::try_from(number()?).unwrap_or(usize::MAX),
            "--sabotage" => {
                let found = sabotage(&value);
                asked.options.sabotage = Some(found.ok_or_else(|| HELP.to_owned())?);
            }
            "--trace" => asked.trace = Some(value),
            _ => return Err(HELP.to_owned()),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let asked = match parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(help) => {
            let _ = write!(out, "{help}");
            return ExitCode::from(2);
        }
    };
    let (started, mut answers, mut records, mut bad, mut ran) = (Instant::now(), 0, 0, 0_u64, 0);
    let (mut rebuilt, mut parted) = (0, 0);
    for seed in asked.from..asked.from.saturating_add(asked.seeds) {
        if asked.until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let report = simulate_twice(seed, asked.options);
        ran += 1;
        answers += report.answers;
        records += report.records;
        rebuilt += u32::from(report.ending == Ending::Rebuilt);
        parted += u32::from(report.ending == Ending::Parted);
        if !report.wrong.is_empty() {
            bad += 1;
            let _ = writeln!(out, "seed {seed}: {}", report.wrong.join("; "));
        }
        if let Some(file) = &asked.trace
            && let Err(error) = std::fs::write(file, &report.trace)
        {
            let _ = writeln!(out, "{file} cannot be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    let _ = writeln!(
        out,
        "{ran} seeds, each twice: {answers} answers, {records} records, {rebuilt} rebuilt, {parted} parted, {bad} \
         seeds with something wrong; {:.1} s",
        started.elapsed().as_secs_f64()
    );
    match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
