//! The threads that append and fold, and what becomes of the replica when they cannot go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;
use flightline_dataflows::Dataflow;
use flightline_stream::{Checker, Producer};
use tokio::sync::watch;

use crate::backend::Inner;
use crate::several::feeder;

/// Starts the thread that folds what comes, and on a stream of several replicas the one that appends.
pub(super) fn start_writer(
    inner: &Arc<Inner>,
    mut dataflow: Dataflow,
    mut checkers: Vec<Checker>,
    producer: Producer,
    tell_failure: watch::Sender<Option<Arc<str>>>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let inner = inner.clone();
    let thread = std::thread::Builder::new().name("flightline-stream".to_owned());
    let started = thread.spawn(move || {
        let done = match inner.log.is_shared() {
            false => inner
                .sequencer
                .run(&*inner.log, producer, &mut dataflow, &inner.waiters)
                .map_err(|e| e.to_string()),
            true => run_shared(&inner, producer, &mut checkers, &mut dataflow),
        };
        if let Err(why) = &done {
            // What is folded stays readable; nothing more is taken.
            fail_writes(&inner, why);
            inner.sequencer.wait_for_stop();
        }
        if let Err(failure) = dataflow.shutdown() {
            fail(&inner, &tell_failure, &failure.to_string());
        }
    });
    started.context("the stream's thread cannot be started")
}

/// Appends and folds side by side, until the sequencer is stopped or either fails.
fn run_shared(
    inner: &Inner,
    producer: Producer,
    checkers: &mut [Checker],
    dataflow: &mut Dataflow,
) -> Result<(), String> {
    let own = feeder::Own::new(&producer, inner.partitions);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("flightline-append".to_owned());
        let appending = thread.spawn_scoped(scope, || feeder::append(inner, &own, producer));
        let appending = appending.map_err(|e| format!("the thread of appends: {e}"))?;
        let folded = feeder::fold(inner, &own, checkers, dataflow);
        if let Err(why) = &folded {
            // Nothing is appended that cannot be answered.
            fail_writes(inner, &why.to_string());
            inner.sequencer.stop_taking();
        }
        let appended = match appending.join() {
            Ok(appended) => appended,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        own.drop_all();
        folded.map_err(|e| e.to_string())?;
        appended.map_err(|e| e.to_string())
    })
}

/// The stream cannot be written any more: reads go on.
pub(super) fn fail_writes(inner: &Inner, why: &str) {
    inner
        .sequencer
        .close(&format!("its stream cannot be written: {why}"));
    inner.waiters.drop_all();
}

/// A broken invariant or a dead part: nothing this replica says can be trusted any more.
pub(super) fn fail(inner: &Inner, tell: &watch::Sender<Option<Arc<str>>>, why: &str) {
    tracing::error!("the replica failed: {why}");
    inner.sequencer.close(why);
    inner.ready.store(false, Ordering::Release);
    inner.waiters.drop_all();
    tell.send_if_modified(|told| {
        let first = told.is_none();
        if first {
            *told = Some(why.into());
        }
        first
    });
}
