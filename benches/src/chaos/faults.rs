//! One fault after the other, and how long nobody was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::plan::{Fault, Plan};
use super::target::Target;
use crate::random::Dice;

/// A fault that struck.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Which.
    pub fault: Fault,
    /// From the fault to the next definite answer to anybody.
    pub silent: Duration,
    /// From the start of the replica's process to its word that it listens, where it was started.
    pub start: Option<Duration>,
}

/// The longest that a process is made to stand still.
const PAUSE_MAX_MS: u64 = 3_000;

/// Waits for the next definite answer; says since when nobody had one.
fn next_answer(answers: &AtomicU64, since: Instant, at_most: Duration) -> anyhow::Result<Duration> {
    let before = answers.load(Ordering::Relaxed);
    while answers.load(Ordering::Relaxed) == before {
        anyhow::ensure!(
            since.elapsed() < at_most,
            "nobody was answered for {at_most:?} after a fault"
        );
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Ok(since.elapsed())
}

/// Strikes until the time is over. Blocks.
///
/// # Errors
///
/// The replica did not come back.
pub fn strike(
    plan: &Plan,
    target: &mut Target,
    answers: &Arc<AtomicU64>,
    mut told: impl FnMut(&Strike),
) -> anyhow::Result<Vec<Strike>> {
    let mut dice = Dice::new(plan.seed ^ 0xfa17);
    let until = Instant::now() + plan.length();
    let mut strikes = Vec::new();
    let most = plan.strikes.unwrap_or(u32::MAX) as usize;
    while strikes.len() < most {
        // Anywhere in the work.
        let pause = Duration::from_secs_f64(plan.every.max(0.05) * (0.5 + dice.share()));
        if Instant::now() + pause >= until {
            break;
        }
        wait(pause);
        // Each in turn at first, so that a short run has every one of them.
        let at = match strikes.len() < plan.faults.len() {
            true => strikes.len(),
            false => dice.below(plan.faults.len() as u64) as usize,
        };
        let strike = one(plan.faults[at], target, answers, &mut dice)?;
        told(&strike);
        strikes.push(strike);
    }
    let now = Instant::now();
    if most == usize::try_from(u32::MAX).unwrap_or(usize::MAX) && now < until {
        wait(until - now);
    }
    Ok(strikes)
}

/// Lets the load go on for so long.
fn wait(pause: Duration) {
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

fn one(
    fault: Fault,
    target: &mut Target,
    answers: &AtomicU64,
    dice: &mut Dice,
) -> anyhow::Result<Strike> {
    let patience = Duration::from_secs(300);
    let pause = Duration::from_millis(dice.below(PAUSE_MAX_MS) + 1);
    let begun = Instant::now();
    let mut start = None;
    match fault {
        Fault::Kill => {
            target.kill();
            start = Some(target.up()?);
        }
        Fault::Restart => {
            target.stop()?;
            start = Some(target.up()?);
        }
        Fault::Pause => {
            target.signal(Signal::STOP)?;
            wait(pause);
            target.signal(Signal::CONT)?;
        }
        Fault::PostgresKill => target.signal_postgres(Signal::KILL)?,
        Fault::PostgresPause => {
            target.signal_postgres(Signal::STOP)?;
            let silent = next_answer(answers, begun, patience)?;
            wait(pause);
            target.signal_postgres(Signal::CONT)?;
            return Ok(Strike {
                fault,
                silent,
                start,
            });
        }
    }
    Ok(Strike {
        fault,
        silent: next_answer(answers, begun, patience)?,
        start,
    })
}
