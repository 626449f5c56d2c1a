//! Whether providers sell at all: limits to their silence, and stops by hand.
//!
//! Both are data in every partition, since each is folded alone. A provider that reports on one flight is
//! heard in one partition; the others are told here, with the time at which it was heard, so that how
//! often they are told changes no outcome but when a silent one goes on.

use std::sync::Arc;

use flightline_api::backend::{SaleState, Submit, SubmitError};
use flightline_dataflows::{Failure, Reader};
use flightline_ledger::command::FeedCommand;
use flightline_ledger::{Command, CommandId, FeedView, ProviderCode};
use tokio::sync::oneshot;

use crate::backend::Inner;
use crate::sequencer::Job;
use crate::waiters::{BatchWaiter, Waiter};

fn job(partition: u32, provider: ProviderCode, command: FeedCommand) -> Job {
    Job {
        partition,
        submit: Submit {
            id: CommandId(0),
            command: Command::Feed(provider, Box::new(command)),
            ref_text: None,
            actor: None,
        },
        waiter: Waiter::None,
    }
}

/// Appends the configured limits where partitions fold with others.
pub(crate) fn configure(inner: &Inner) -> anyhow::Result<()> {
    let Some(reader) = inner.dataflow.get() else {
        return Ok(());
    };
    for partition in 0..inner.partitions {
        let mut known: Vec<(ProviderCode, Option<u64>)> =
            reader.with_ledger(partition, |ledger| {
                let feeds = ledger.feeds();
                feeds
                    .map(|(provider, feed)| (provider, feed.silence_max_ms))
                    .collect()
            })?;
        let configured = inner.feeds.iter();
        let wanted = configured.map(|feed| (feed.provider, feed.silence_max_ms));
        for (provider, silence_max_ms) in wanted {
            let place = known.iter().position(|(code, _)| *code == provider);
            let found = place.and_then(|at| known.swap_remove(at).1);
            if found != silence_max_ms {
                let command = FeedCommand::Configure { silence_max_ms };
                inner.sequencer.push_own(job(partition, provider, command));
            }
        }
        // Those that are not configured any more.
        for (provider, found) in known {
            if found.is_some() {
                let command = FeedCommand::Configure {
                    silence_max_ms: None,
                };
                inner.sequencer.push_own(job(partition, provider, command));
            }
        }
    }
    Ok(())
}

/// How a provider's feed stands in every partition.
fn views(
    inner: &Inner,
    reader: &Reader,
    provider: ProviderCode,
) -> Result<Vec<Option<FeedView>>, Failure> {
    let all = 0..inner.partitions;
    all.map(|partition| reader.with_ledger(partition, move |ledger| ledger.feed(provider)))
        .collect()
}

/// Tells partitions that providers were heard elsewhere, where it matters: where they are silent, and
/// where half of what they may be silent for is over.
pub(crate) fn tell_heard(inner: &Inner, now_ms: i64) -> Result<(), Failure> {
    let Some(reader) = inner.dataflow.get() else {
        return Ok(());
    };
    for feed in &inner.feeds {
        let Some(silence_max_ms) = feed.silence_max_ms else {
            continue;
        };
        let views = views(inner, reader, feed.provider)?;
        let here = views.iter().flatten().map(|view| view.heard_ms).max();
        // An answer that says that nothing changed is a word as well.
        let fetched = inner.last_good_ms(feed.provider);
        let Some(heard_ms) = here.max(fetched).map(|at_ms| at_ms.min(now_ms)) else {
            continue;
        };
        let half_ms = i64::try_from(silence_max_ms / 2).unwrap_or(i64::MAX);
        for (view, partition) in views.iter().zip(0..) {
            let Some(view) = view else { continue };
            let is_due = view.silent || view.heard_ms.saturating_add(half_ms) <= now_ms;
            if heard_ms > view.heard_ms && is_due {
                let command = FeedCommand::Heard { at_ms: heard_ms };
                inner
                    .sequencer
                    .push_own(job(partition, feed.provider, command));
            }
        }
    }
    Ok(())
}

/// Stops a provider in every partition, or lets it go on. Blocking; when it returns, it is decided.
pub(crate) fn set(
    inner: &Inner,
    provider: ProviderCode,
    sells: bool,
    actor: &str,
) -> Result<SaleState, SubmitError> {
    let (sender, receiver) = oneshot::channel();
    let waiter = BatchWaiter::new(inner.partitions as usize, sender);
    inner
        .sequencer
        .push_with(inner.partitions as usize, |jobs| {
            jobs.extend((0..inner.partitions).map(|partition| {
                let command = match sells {
                    true => FeedCommand::Resume,
                    false => FeedCommand::Stop,
                };
                let mut job = job(partition, provider, command);
                job.submit.actor = Some(actor.into());
                job.waiter = Waiter::Place(waiter.clone(), partition);
                job
            }));
        })?;
    let gone = |_| SubmitError::Unavailable {
        why: Arc::from("it stopped before this was decided: ask again"),
    };
    receiver.blocking_recv().map_err(gone)?;
    inner.await_index();
    Ok(state(inner, provider))
}

/// How a provider's sale stands over all partitions.
pub(crate) fn state(inner: &Inner, provider: ProviderCode) -> SaleState {
    let views = inner
        .dataflow
        .get()
        .and_then(|reader| views(inner, reader, provider).ok());
    let views: Vec<FeedView> = views.into_iter().flatten().flatten().collect();
    SaleState {
        stopped: views.iter().any(|view| view.stopped),
        silent: views.iter().any(|view| view.silent),
        silence_max_ms: views.iter().find_map(|view| view.silence_max_ms),
        heard_at_ms: views.iter().map(|view| view.heard_ms).max(),
    }
}
