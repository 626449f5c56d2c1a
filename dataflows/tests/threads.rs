//! The dataflow as a set of threads: how it ends, how it fails, how it is asked, how it holds back.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink, Record};
use flightline_dataflows::{Backlog, Config, Dataflow, Failure, StartError};
use flightline_ledger::{Command, CommandId, Decision, Input};
use support::history;
use support::sinks::{Decisions, Epochs};

fn tick(partition: u32, offset: u64) -> Record {
    Record {
        partition,
        input: Input {
            offset,
            at_ms: offset as i64,
            id: CommandId(u128::from(offset)),
            command: Command::Tick,
        },
        note: None,
    }
}

fn start(config: Config) -> (Dataflow, Arc<Decisions>, Epochs) {
    let (decisions, epochs) = (Arc::new(Decisions::default()), Epochs::default());
    let dataflow = Dataflow::start(config, decisions.clone(), epochs.clone()).unwrap();
    (dataflow, decisions, epochs)
}

/// Panics when it meets an offset.
struct Bomb(u64);

impl DecisionSink for Bomb {
    fn decided(&self, partition: u32, decisions: &[Decision]) {
        for decision in decisions {
            assert!(decision.offset != self.0, "boom in partition {partition}");
        }
    }
}

/// Sends until the dataflow says that it is dead.
fn send_until_dead(dataflow: &mut Dataflow, partition: u32) -> Failure {
    loop {
        let offset = dataflow.next_offsets()[partition as usize];
        assert!(offset < 1_000_000, "a dead dataflow takes records for ever");
        let sent = dataflow.send(vec![tick(partition, offset)]);
        if let Err(failure) = sent.and_then(|()| dataflow.close_epoch().map(|_| ())) {
            return failure;
        }
    }
}

#[test]
fn a_panic_on_a_worker_fails_every_call_and_is_told_at_once() {
    for workers in [1, 3] {
        let told: Arc<Mutex<Vec<Failure>>> = Arc::default();
        let hook = Arc::clone(&told);
        let mut config = Config::new(4).with_workers(workers);
        config.on_failure = Some(Arc::new(move |failure| {
            hook.lock().unwrap().push(failure.clone());
        }));
        let mut dataflow = Dataflow::start(config, Arc::new(Bomb(50)), Epochs::default()).unwrap();
        let reader = dataflow.reader();
        assert_eq!(reader.failure(), None);
        let failure = send_until_dead(&mut dataflow, 2);
        let worker = 2 % workers;
        assert_eq!(failure.thread, format!("worker {worker}"));
        assert_eq!(failure.message, "boom in partition 2");
        assert_eq!(
            failure.to_string(),
            format!("the dataflow stopped: worker {worker} failed: boom in partition 2")
        );
        assert_eq!(*told.lock().unwrap(), std::slice::from_ref(&failure));
        assert_eq!(reader.failure(), Some(failure.clone()));
        for partition in 0..4 {
            let asked = reader.with_ledger(partition, |ledger| ledger.clock_ms());
            assert_eq!(asked, Err(failure.clone()));
        }
        assert_eq!(dataflow.shutdown(), Err(failure));
    }
}

#[test]
fn a_panic_in_the_epoch_sink_fails_the_dataflow() {
    struct Breaks;
    impl EpochSink for Breaks {
        fn epoch(&mut self, epoch: Arc<Epoch>) {
            assert!(epoch.number < 3, "cannot take epoch {}", epoch.number);
        }
    }
    let mut dataflow =
        Dataflow::start(Config::new(1), Arc::new(Decisions::default()), Breaks).unwrap();
    let failure = send_until_dead(&mut dataflow, 0);
    assert_eq!(failure.thread, "the collector of epochs");
    assert_eq!(failure.message, "cannot take epoch 3");
    drop(dataflow);
}

#[test]
fn a_hole_or_a_double_in_the_stream_is_refused_before_it_is_folded() {
    for (second, due) in [(2, 1), (0, 1)] {
        let (mut dataflow, _, _) = start(Config::new(2));
        dataflow.send(vec![tick(1, 0)]).unwrap();
        let wrong = AssertUnwindSafe(|| dataflow.send(vec![tick(1, second)]));
        let panic = catch_unwind(wrong).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains(&format!(
                "partition 1: record {second} came where record {due} was due"
            )),
            "{message}"
        );
    }
    let (mut dataflow, _, _) = start(Config::new(2));
    let wrong = AssertUnwindSafe(|| dataflow.send(vec![tick(2, 0)]));
    assert!(catch_unwind(wrong).is_err(), "there is no partition 2");
}

#[test]
fn shutdown_finishes_what_was_sent_and_drop_does_not_wait_for_it() {
    let history = history::random(1, 3, 400);
    let (mut dataflow, decisions, epochs) = start(Config::new(3).with_workers(2));
    dataflow.send(history.clone()).unwrap();
    // Not closed: shutdown closes it.
    dataflow.shutdown().unwrap();
    let told: usize = decisions.0.lock().unwrap().values().map(Vec::len).sum();
    assert_eq!(told, history.len());
    let epochs = epochs.0.lock().unwrap();
    assert_eq!(epochs.len(), 1);
    assert_eq!(epochs[0].covers.iter().sum::<u64>(), 400);

    let (dataflow, _, epochs) = start(Config::new(3));
    dataflow.shutdown().unwrap();
    assert!(epochs.0.lock().unwrap().is_empty(), "nothing was sent");

    let (mut dataflow, _, _) = start(Config::new(3).with_workers(2));
    dataflow.send(history).unwrap();
    drop(dataflow);
}

#[test]
fn an_epoch_without_records_comes_out_empty() {
    let (mut dataflow, _, epochs) = start(Config::new(4).with_workers(2));
    assert_eq!(dataflow.close_epoch().unwrap(), 0);
    dataflow.send(vec![tick(3, 0)]).unwrap();
    assert_eq!(dataflow.close_epoch().unwrap(), 1);
    assert_eq!(dataflow.close_epoch().unwrap(), 2);
    dataflow.shutdown().unwrap();
    let epochs = epochs.0.lock().unwrap();
    let covers: Vec<_> = epochs.iter().map(|epoch| epoch.covers.clone()).collect();
    assert_eq!(covers, [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]);
    let mut blank = (**epochs.last().unwrap()).clone();
    blank.covers.clear();
    let number = blank.number;
    assert_eq!(
        blank,
        Epoch {
            number,
            ..Epoch::default()
        }
    );
}

#[test]
fn a_ledger_that_is_asked_holds_what_was_told() {
    /// Passes the highest offset told of each partition on.
    struct Tells(Mutex<std::sync::mpsc::Sender<(u32, u64)>>);
    impl DecisionSink for Tells {
        fn decided(&self, partition: u32, decisions: &[Decision]) {
            let last = decisions.last().unwrap().offset;
            self.0.lock().unwrap().send((partition, last)).unwrap();
        }
    }
    let (tell, told): (_, Receiver<(u32, u64)>) = channel();
    let config = Config::new(5).with_workers(3);
    let mut dataflow =
        Dataflow::start(config, Arc::new(Tells(Mutex::new(tell))), Epochs::default()).unwrap();
    let reader = dataflow.reader();
    for offset in 0..50 {
        for partition in 0..5 {
            dataflow.send(vec![tick(partition, offset)]).unwrap();
            assert_eq!(told.recv().unwrap(), (partition, offset));
            let clock = reader.with_ledger(partition, |ledger| ledger.clock_ms());
            assert_eq!(clock.unwrap(), offset as i64);
        }
    }
    dataflow.shutdown().unwrap();
    let asked = reader.with_ledger(0, |ledger| ledger.clock_ms());
    assert_eq!(asked.unwrap_err().message, "it was shut down");
}

#[test]
fn a_slow_sink_holds_the_sender_back_and_the_backlog_shows_it() {
    /// Waits for leave to go on.
    struct Gate(Mutex<Receiver<()>>, Arc<AtomicU64>);
    impl DecisionSink for Gate {
        fn decided(&self, _: u32, decisions: &[Decision]) {
            // When the gate is thrown open the channel is closed.
            let _ = self.0.lock().unwrap().recv();
            self.1.fetch_add(decisions.len() as u64, Ordering::SeqCst);
        }
    }
    let (open, gate) = channel();
    let seen = Arc::new(AtomicU64::new(0));
    let mut config = Config::new(1);
    config.queue_batches = 2;
    let sink = Arc::new(Gate(Mutex::new(gate), Arc::clone(&seen)));
    let epochs = Epochs::default();
    let mut dataflow = Dataflow::start(config, sink, epochs.clone()).unwrap();
    let reader = dataflow.reader();
    let sent = Arc::new(AtomicU64::new(0));
    let sender = {
        let sent = Arc::clone(&sent);
        std::thread::spawn(move || {
            for offset in 0..2_000 {
                dataflow.send(vec![tick(0, offset)]).unwrap();
                sent.store(offset + 1, Ordering::SeqCst);
                if offset % 10 == 9 {
                    dataflow.close_epoch().unwrap();
                }
            }
            dataflow.shutdown()
        })
    };
    // It comes to a stop: what fits the queue and the worker, and no more, whatever the time.
    let mut last = (0, 0);
    while last.1 < 50 {
        let now = sent.load(Ordering::SeqCst);
        last = if now == last.0 && now > 0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
    assert!(last.0 < 1_500, "{} records went in unheard", last.0);
    let backlog = reader.backlog();
    assert!(
        backlog.records >= last.0 && backlog.epochs >= (last.0 / 10).saturating_sub(1),
        "{backlog:?}"
    );
    drop(open);
    sender.join().unwrap().unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 2_000);
    assert_eq!(epochs.0.lock().unwrap().len(), 200);
    assert_eq!(reader.backlog(), Backlog::default());
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let message = |config: Config| {
        let sink = Arc::new(Decisions::default());
        match Dataflow::start(config, sink, Epochs::default()) {
            Err(error @ StartError::OutOfRange { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        message(Config::new(0)),
        "partitions is 0, but must be 1 to 65536"
    );
    assert_eq!(
        message(Config::new(1).with_workers(0)),
        "workers is 0, but must be 1 to 256"
    );
    assert_eq!(
        message(Config {
            queue_batches: 0,
            ..Config::new(1)
        }),
        "queue_batches is 0, but must be 1 to 1048576"
    );
}

#[test]
fn a_snapshot_must_come_first_and_end_where_it_said() {
    let (mut dataflow, _, _) = start(Config::new(1));
    dataflow.send(vec![tick(0, 0)]).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| dataflow.snapshot_epoch(&[1]))).is_err());

    let (mut dataflow, _, _) = start(Config::new(1));
    dataflow.snapshot_epoch(&[2]);
    dataflow.send(vec![tick(0, 0)]).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| dataflow.close_epoch())).is_err());
}
