//! Commands between two moments of their way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use flightline_api::trace::TraceContext;
use flightline_ledger::order::OrderAction;
use flightline_ledger::{Command, FlightCommand};
use flightline_sinks::postgres::Committed;
use opentelemetry::KeyValue;
use parking_lot::Mutex;

use super::Telemetry;
use crate::sequencer::Job;
use crate::waiters::Waiter;

/// Commands that wait for their rows to be committed. More are not followed that far.
const WAITING_MAX: usize = 10_000;

/// What a recorded request asked for, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) context: TraceContext,
    pub(crate) at: SystemTime,
}

/// Somebody who waits for a command that is recorded.
#[derive(Debug)]
pub struct Traced {
    pub(crate) waiter: Waiter,
    pub(crate) context: TraceContext,
    /// When it was queued; `None` = the replica queued it by itself.
    pub(crate) asked_at: Option<SystemTime>,
    /// When its group was begun.
    pub(crate) begun_at: Option<SystemTime>,
}

impl Traced {
    /// Puts what a request asked for around who waits.
    pub(crate) fn around(waiter: Waiter, asked: Option<Asked>) -> Waiter {
        match asked {
            None => waiter,
            Some(Asked { context, at }) => Waiter::Traced(Box::new(Self {
                waiter,
                context,
                asked_at: Some(at),
                begun_at: None,
            })),
        }
    }
}

/// A command whose rows are on their way.
#[derive(Debug)]
struct Step {
    offset: u64,
    name: &'static str,
    context: TraceContext,
    /// The moment that its next step begins with.
    since: SystemTime,
    is_folded: bool,
}

/// What is between two moments, by partition and offset.
#[derive(Debug)]
pub(super) struct Steps {
    partitions: Vec<Mutex<VecDeque<Step>>>,
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl Steps {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn push(&self, partition: u32, step: Step) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut queue = self.partitions[partition as usize].lock();
        queue.push_back(step);
    }

    fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

impl Telemetry {
    /// A group is begun with this job. Gives what it belongs to, if that is recorded.
    pub(crate) fn begun(&self, job: &mut Job, at: SystemTime) -> Option<TraceContext> {
        if let Waiter::Traced(traced) = &mut job.waiter {
            traced.begun_at = Some(at);
            return Some(traced.context);
        }
        let order = match (&job.waiter, &job.submit.command) {
            (Waiter::Effect { order, .. }, _) | (_, Command::Order(order, _)) => *order,
            _ => return None,
        };
        let context = self.request_of(order)?;
        job.waiter = Waiter::Traced(Box::new(Traced {
            waiter: std::mem::replace(&mut job.waiter, Waiter::None),
            context,
            asked_at: None,
            begun_at: Some(at),
        }));
        Some(context)
    }

    /// The group is durable.
    pub(crate) fn group(&self, of: &[TraceContext], took: Duration, records: usize) {
        if !of.is_empty() {
            let records = KeyValue::new("flightline.records", records as i64);
            let now = SystemTime::now();
            let began = now.checked_sub(took).unwrap_or(now);
            self.shared_step("append group", of, began, now, vec![records]);
        }
    }

    /// The command has its place. Gives back who waits for it.
    pub(crate) fn placed(
        &self,
        waiter: Waiter,
        command: &Command,
        partition: u32,
        offset: u64,
    ) -> Waiter {
        let Waiter::Traced(traced) = waiter else {
            return waiter;
        };
        let Traced {
            waiter,
            context,
            asked_at,
            begun_at,
        } = *traced;
        let (now, name) = (SystemTime::now(), name_of(command));
        let begun = begun_at.unwrap_or(now);
        if let Some(asked) = asked_at {
            self.step(format!("queue {name}"), context, asked, begun, Vec::new());
        }
        let place = place(partition, offset);
        self.step(format!("append {name}"), context, begun, now, place);
        let step = Step {
            offset,
            name,
            context,
            since: now,
            is_folded: false,
        };
        self.steps.push(partition, step);
        waiter
    }

    /// An epoch went to the index and the sinks.
    pub(crate) fn folded(&self, covers: &[u64]) {
        if self.steps.is_empty() {
            return;
        }
        let now = SystemTime::now();
        for (partition, (queue, until)) in (0..).zip(self.steps.partitions.iter().zip(covers)) {
            let mut queue = queue.lock();
            for step in queue
                .iter_mut()
                .filter(|s| !s.is_folded && s.offset < *until)
            {
                let name = format!("fold {}", step.name);
                let place = place(partition, step.offset);
                self.step(name, step.context, step.since, now, place);
                (step.since, step.is_folded) = (now, true);
            }
        }
    }

    /// This replica committed rows.
    pub(crate) fn committed(&self, committed: Committed<'_>) {
        let now = SystemTime::now();
        let of = self.done(committed.until, now, "this replica");
        if of.is_empty() {
            return;
        }
        let began = now.checked_sub(committed.took).unwrap_or(now);
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let attributes = vec![
            KeyValue::new("flightline.rows", number(committed.rows)),
            KeyValue::new("flightline.epochs", number(committed.epochs)),
        ];
        self.shared_step("commit in PostgreSQL", &of, began, now, attributes);
    }

    /// The tables were seen to be so far, written by another replica.
    pub(crate) fn covered(&self, until: &[u64]) {
        self.done(until, SystemTime::now(), "another replica");
    }

    fn done(&self, until: &[u64], now: SystemTime, writer: &'static str) -> Vec<TraceContext> {
        let mut of = Vec::new();
        if self.steps.is_empty() {
            return of;
        }
        for (partition, (queue, until)) in (0..).zip(self.steps.partitions.iter().zip(until)) {
            let mut queue = queue.lock();
            while let Some(step) = queue.pop_front_if(|step| step.offset < *until) {
                self.steps.waiting.fetch_sub(1, Ordering::Relaxed);
                let mut attributes = place(partition, step.offset);
                attributes.push(KeyValue::new("flightline.tables_writer", writer));
                let name = format!("commit {}", step.name);
                // What was told by another replica may have been committed before it was folded here.
                let since = step.since.min(now);
                self.step(name, step.context, since, now, attributes);
                of.push(step.context);
            }
        }
        of
    }
}

fn place(partition: u32, offset: u64) -> Vec<KeyValue> {
    vec![
        KeyValue::new("flightline.partition", i64::from(partition)),
        KeyValue::new(
            "flightline.offset",
            i64::try_from(offset).unwrap_or(i64::MAX),
        ),
    ]
}

/// The command, in words; what is rare is called by its kind.
fn name_of(command: &Command) -> &'static str {
    match command {
        Command::Flight(_, FlightCommand::Hold(_)) => "hold",
        Command::Flight(_, FlightCommand::Confirm { .. }) => "confirm",
        Command::Flight(_, FlightCommand::Release { .. }) => "release",
        Command::Flight(_, FlightCommand::Cancel { .. }) => "cancel",
        Command::Flight(_, FlightCommand::Provider(_)) => "provider event",
        Command::Order(_, action) => match &**action {
            OrderAction::Create(_) => "order",
            OrderAction::Pay(_) => "payment",
            OrderAction::QuoteCancel => "cancellation quote",
            OrderAction::ConfirmCancel { .. } => "cancellation",
            OrderAction::EffectDone { .. } => "result of an effect",
            OrderAction::Claim { .. } => "claim of an effect",
            _ => "order action",
        },
        _ => "command",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use parking_lot::Mutex;

    use super::*;

    /// Keeps what it is given. The SDK's own would turn features on for every test in the workspace.
    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().extend(batch);
            Ok(())
        }
    }

    const CONTEXT: TraceContext = TraceContext {
        trace_id: 77,
        span_id: 5,
        is_sampled: true,
    };

    fn telemetry() -> (Telemetry, Kept) {
        let spans = Kept::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let telemetry = Telemetry::with_provider(provider, 2, Arc::default());
        (telemetry, spans)
    }

    fn named(spans: &Kept) -> Vec<SpanData> {
        spans.0.lock().clone()
    }

    fn placed(telemetry: &Telemetry, partition: u32, offset: u64) {
        let asked = Asked {
            context: CONTEXT,
            at: SystemTime::now(),
        };
        let waiter = Traced::around(Waiter::None, Some(asked));
        let back = telemetry.placed(waiter, &Command::Tick, partition, offset);
        assert!(matches!(back, Waiter::None));
    }

    #[test]
    fn the_steps_of_a_command_follow_each_other_in_its_trace() {
        let (telemetry, spans) = telemetry();
        placed(&telemetry, 1, 10);
        telemetry.folded(&[99, 10]);
        assert_eq!(named(&spans).len(), 2, "10 is not below 10");
        telemetry.folded(&[0, 11]);
        telemetry.folded(&[0, 12]);
        let took = Duration::from_millis(5);
        let commit = |until: &[u64]| {
            telemetry.committed(Committed {
                until,
                took,
                epochs: 3,
                rows: 7,
            });
        };
        commit(&[0, 10]);
        commit(&[0, 11]);
        commit(&[0, 12]);
        let all = named(&spans);
        let names: Vec<&str> = all.iter().map(|span| &*span.name).collect();
        let want = [
            "queue command",
            "append command",
            "fold command",
            "commit command",
            "commit in PostgreSQL",
        ];
        assert_eq!(names, want);
        for (before, after) in all.iter().zip(&all[1..4]) {
            assert_eq!(after.start_time, before.end_time, "{}", after.name);
        }
        for span in &all[..4] {
            assert_eq!(span.span_context.trace_id(), 77_u128.into());
            assert_eq!(span.parent_span_id, 5_u64.into());
        }
        let batch = &all[4];
        assert_ne!(batch.span_context.trace_id(), 77_u128.into());
        assert_eq!(batch.links.links.len(), 1);
        let link = &batch.links.links[0].span_context;
        assert_eq!(link.trace_id(), 77_u128.into());
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_over_is_counted() {
        let (telemetry, _spans) = telemetry();
        for offset in 0..WAITING_MAX as u64 + 5 {
            telemetry.steps.push(
                0,
                Step {
                    offset,
                    name: "hold",
                    context: CONTEXT,
                    since: SystemTime::now(),
                    is_folded: true,
                },
            );
        }
        assert_eq!(telemetry.counts(), (0, 5));
        telemetry.covered(&[u64::MAX, 0]);
        assert!(telemetry.steps.is_empty());
    }
}
