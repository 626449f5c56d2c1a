//! One fault after the other, and how long nobody was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
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
    /// How the tables caught up, where that was asked for.
    pub caught_up: Option<CaughtUp>,
}

/// How the tables caught up with the stream, while the load went on.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp {
    /// How long PostgreSQL stood still.
    pub lasted: Duration,
    /// Records that came in that time.
    pub behind: u64,
    /// From its going on until the tables were less than a second behind.
    pub after: Duration,
    /// Records that came in that time.
    pub more: u64,
}

impl CaughtUp {
    /// Records in a second that came while PostgreSQL stood still.
    pub fn arrived(&self) -> f64 {
        self.behind as f64 / self.lasted.as_secs_f64().max(1e-3)
    }

    /// Records in a second that the tables took afterwards.
    pub fn taken(&self) -> f64 {
        (self.behind + self.more) as f64 / self.after.as_secs_f64().max(1e-3)
    }
}

/// The longest that a process is made to stand still.
const PAUSE_MAX_MS: u64 = 3_000;

/// The longest that the tables may take to catch up.
const CATCHING_UP_MAX: Duration = Duration::from_secs(3_600);

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
        let strike = one(plan, plan.faults[at], target, answers, &mut dice)?;
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

/// How long a fault may last for everybody.
const PATIENCE: Duration = Duration::from_secs(300);

/// Does something, and says what the longest time was in which nobody was answered meanwhile, up to the first
/// answer after it.
fn longest_silence<T>(
    answers: &AtomicU64,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Duration)> {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            let (mut last, mut since) = (answers.load(Ordering::Relaxed), Instant::now());
            while since.elapsed() < PATIENCE {
                std::thread::park_timeout(Duration::from_millis(1));
                let was_done = is_done.load(Ordering::Relaxed);
                let now = answers.load(Ordering::Relaxed);
                if now == last {
                    continue;
                }
                longest = longest.max(since.elapsed());
                (last, since) = (now, Instant::now());
                if was_done {
                    return Some(longest);
                }
            }
            None
        });
        let done = work();
        is_done.store(true, Ordering::Relaxed);
        let silent = watching.join();
        let silent = silent.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let silent = silent
            .with_context(|| format!("nobody was answered for {PATIENCE:?} after a fault"))?;
        Ok((done?, silent))
    })
}

fn one(
    plan: &Plan,
    fault: Fault,
    target: &mut Target,
    answers: &AtomicU64,
    dice: &mut Dice,
) -> anyhow::Result<Strike> {
    if let (Fault::PostgresPause, Some(pause)) = (fault, plan.postgres_pause) {
        let pause = Duration::from_secs_f64(pause.clamp(0.0, 24.0 * 3600.0));
        return postgres_away(target, answers, pause);
    }
    // Of several, others may answer all the time.
    if target.count() > 1 && fault != Fault::PostgresPause {
        let (strike, silent) = longest_silence(answers, || strike_one(fault, target, None, dice))?;
        return Ok(Strike { silent, ..strike });
    }
    strike_one(fault, target, Some(answers), dice)
}

/// `answers`: waits until somebody is answered after it.
fn strike_one(
    fault: Fault,
    target: &mut Target,
    answers: Option<&AtomicU64>,
    dice: &mut Dice,
) -> anyhow::Result<Strike> {
    let next_answer = |begun| match answers {
        Some(answers) => next_answer(answers, begun, PATIENCE),
        None => Ok(Duration::ZERO),
    };
    let pause = Duration::from_millis(dice.below(PAUSE_MAX_MS) + 1);
    let replica = dice.below(target.count() as u64) as usize;
    let begun = Instant::now();
    let mut start = None;
    match fault {
        Fault::Kill => {
            target.kill(replica);
            start = Some(target.up(replica)?);
        }
        Fault::Restart => {
            target.stop(replica)?;
            start = Some(target.up(replica)?);
        }
        Fault::Pause => {
            target.signal(replica, Signal::STOP)?;
            wait(pause);
            target.signal(replica, Signal::CONT)?;
        }
        Fault::SpuKill | Fault::SpuPause | Fault::ScKill => target.strike_cluster(fault)?,
        Fault::PostgresKill => target.signal_postgres(Signal::KILL)?,
        Fault::PostgresPause => {
            target.signal_postgres(Signal::STOP)?;
            let silent = next_answer(begun)?;
            wait(pause);
            target.signal_postgres(Signal::CONT)?;
            return Ok(Strike {
                fault,
                silent,
                start,
                caught_up: None,
            });
        }
    }
    Ok(Strike {
        fault,
        silent: next_answer(begun)?,
        start,
        caught_up: None,
    })
}

/// PostgreSQL stands still for so long; then the tables catch up, while the load goes on.
fn postgres_away(target: &Target, answers: &AtomicU64, pause: Duration) -> anyhow::Result<Strike> {
    let (begun, at_first) = (Instant::now(), target.records()?);
    target.signal_postgres(Signal::STOP)?;
    let waited = longest_silence(answers, || {
        wait(pause);
        Ok(())
    });
    let lasted = begun.elapsed();
    let at_last = target.records()?;
    target.signal_postgres(Signal::CONT)?;
    let ((), silent) = waited?;
    let begun = Instant::now();
    target.nearly_caught_up(CATCHING_UP_MAX)?;
    Ok(Strike {
        fault: Fault::PostgresPause,
        silent,
        start: None,
        caught_up: Some(CaughtUp {
            after: begun.elapsed(),
            behind: at_last - at_first,
            more: target.records()? - at_last,
            lasted,
        }),
    })
}
