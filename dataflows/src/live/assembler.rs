//! Puts what the views say into the epochs that it belongs to, and makes views live.
//!
//! It runs on a thread of its own, between the workers of the views and the sink.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::board::{Board, Progress, Stage};
use super::keeper::Keeper;
use crate::changelog::{Change, Epoch, EpochSink, ViewChanges, ViewFailure};
use crate::collector::consolidate;
use crate::failure::Shared;
use crate::part::Updates;
use crate::relational::{Row, RowFault};
use crate::sql::View;

/// How long it takes at most to notice that everything was given up.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// What the assembler hears.
pub(super) enum Report {
    /// An epoch came in.
    Epoch(Arc<Epoch>),
    /// A worker has something to say about a view, and what it said before `reached` is all there is.
    View {
        number: u64,
        worker: usize,
        rows: Updates<Row>,
        faults: Updates<RowFault>,
        reached: u64,
    },
    /// Views come: `told` hears when all are ready, or the first has failed.
    Prepare {
        adds: Vec<(u64, Arc<View>, Arc<Progress>)>,
        told: Sender<Result<(), Arc<ViewFailure>>>,
    },
    /// Views that are ready become live, and others end. `told` hears that it is done, or which has failed.
    Commit {
        adds: Vec<u64>,
        drops: Vec<u64>,
        told: Sender<Result<(), Arc<ViewFailure>>>,
    },
    /// Views that came are not wanted any more.
    Abort { adds: Vec<u64> },
}

/// A view on its way.
struct Line {
    keeper: Keeper,
    /// By worker: before which epoch it has said everything.
    reached: Vec<u64>,
    rows: Updates<Row>,
    faults: Updates<RowFault>,
    stage: Stage,
    /// What a view has that is ready and not yet live.
    held: Vec<Change<Row>>,
    updates: u64,
    /// Sinks know it.
    is_out: bool,
}

impl Line {
    fn new(view: Arc<View>, workers: usize, stage: Stage) -> Self {
        let is_out = matches!(stage, Stage::Live);
        Self {
            keeper: Keeper::new(view),
            reached: vec![0; workers],
            rows: Vec::new(),
            faults: Vec::new(),
            stage,
            held: Vec::new(),
            updates: 0,
            is_out,
        }
    }

    fn reached(&self) -> u64 {
        self.reached.iter().copied().min().unwrap_or(0)
    }

    /// What it says up to an epoch, held to what it must keep to.
    fn take(&mut self, epoch: u64) -> ViewChanges {
        fn until<R>(all: &mut Updates<R>, epoch: u64) -> Updates<R> {
            // As a rule that is everything.
            if all.iter().all(|(_, at, _)| *at <= epoch) {
                return std::mem::take(all);
            }
            let (now, later) = std::mem::take(all)
                .into_iter()
                .partition(|(_, at, _)| *at <= epoch);
            *all = later;
            now
        }
        let rows = consolidate([&mut until(&mut self.rows, epoch)].into_iter());
        let faults = consolidate([&mut until(&mut self.faults, epoch)].into_iter());
        let changes = self.keeper.pass(rows, faults);
        self.updates += changes.rows.len() as u64;
        changes
    }
}

/// Views that come together.
struct Coming {
    adds: Vec<(u64, Arc<Progress>)>,
    told: Sender<Result<(), Arc<ViewFailure>>>,
}

pub(super) struct Assembler<S> {
    pub(super) sink: S,
    pub(super) board: Arc<Board>,
    pub(super) workers: usize,
    lines: BTreeMap<u64, Line>,
    /// Epochs that came in and have not gone out.
    epochs: VecDeque<Arc<Epoch>>,
    coming: Vec<Coming>,
    /// The last epoch that went out.
    last: Option<u64>,
}

impl<S: EpochSink> Assembler<S> {
    /// With views that are live from the first epoch on.
    pub(super) fn new(
        sink: S,
        board: Arc<Board>,
        workers: usize,
        views: Vec<(u64, Arc<View>)>,
    ) -> Self {
        let lines = views
            .into_iter()
            .map(|(number, view)| (number, Line::new(view, workers, Stage::Live)));
        Self {
            sink,
            board,
            workers,
            lines: lines.collect(),
            epochs: VecDeque::new(),
            coming: Vec::new(),
            last: None,
        }
    }

    /// Until every sender of reports is gone.
    pub(super) fn run(mut self, reports: &Receiver<Report>, shared: &Shared) {
        loop {
            let report = match reports.recv_timeout(WAIT_MAX) {
                Ok(report) => Some(report),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Who waits for something that will not come is let go with this.
            if shared.is_stopped() {
                return;
            }
            let Some(report) = report else { continue };
            self.hear(report);
            // What waits is heard first: what an epoch brings comes in many small pieces.
            while let Ok(report) = reports.try_recv() {
                self.hear(report);
            }
            self.send_epochs(shared);
            self.look_at_coming();
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Epoch(epoch) => self.epochs.push_back(epoch),
            Report::View {
                number,
                worker,
                mut rows,
                mut faults,
                reached,
            } => {
                if let Some(line) = self.lines.get_mut(&number) {
                    line.rows.append(&mut rows);
                    line.faults.append(&mut faults);
                    line.reached[worker] = reached;
                }
            }
            Report::Prepare { adds, told } => {
                let mut numbers = Vec::new();
                for (number, view, progress) in adds {
                    let line = Line::new(Arc::clone(&view), self.workers, Stage::Filling);
                    self.lines.insert(number, line);
                    self.board
                        .add(number, view, Arc::clone(&progress), Stage::Filling);
                    numbers.push((number, progress));
                }
                self.coming.push(Coming {
                    adds: numbers,
                    told,
                });
            }
            Report::Commit { adds, drops, told } => {
                let done = self.commit(&adds, &drops);
                // Who asked may have gone away.
                let _ = told.send(done);
            }
            Report::Abort { adds } => self.forget(&adds),
        }
    }

    /// Sends what is complete.
    fn send_epochs(&mut self, shared: &Shared) {
        while let Some(epoch) = self.epochs.front() {
            let number = epoch.number;
            let is_waited_for = |line: &Line| !matches!(line.stage, Stage::Filling);
            let mut waited_for = self.lines.values().filter(|line| is_waited_for(line));
            if !waited_for.all(|line| line.reached() > number) {
                break;
            }
            let Some(epoch) = self.epochs.pop_front() else {
                break;
            };
            let mut views = Vec::new();
            for (number_of_view, line) in &mut self.lines {
                if matches!(line.stage, Stage::Filling) {
                    continue;
                }
                let changes = line.take(number);
                if let (Some(failure), Stage::Live | Stage::Ready) = (&changes.failed, &line.stage)
                {
                    line.stage = Stage::Failed(Arc::clone(failure));
                }
                self.board.change(*number_of_view, |entry| {
                    entry.stage = line.stage.clone();
                    entry.rows = line.keeper.rows();
                    entry.updates = line.updates;
                    entry.reached = number + 1;
                });
                match line.stage {
                    Stage::Ready => line.held.extend(changes.rows),
                    _ if line.is_out => views.push(changes),
                    _ => {}
                }
            }
            self.last = Some(number);
            let epoch = match views.is_empty() {
                true => epoch,
                false => {
                    let mut epoch = Arc::unwrap_or_clone(epoch);
                    epoch.views = views;
                    Arc::new(epoch)
                }
            };
            if shared.is_stopped() {
                return;
            }
            self.sink.epoch(epoch);
        }
    }

    /// Has anything that comes caught up with what went out?
    fn look_at_coming(&mut self) {
        let last = self.last.map_or(0, |number| number + 1);
        let mut coming = std::mem::take(&mut self.coming);
        coming.retain(|change| {
            let reached = |(number, progress): &(u64, Arc<Progress>)| {
                let line = self.lines.get(number);
                // Also with what was there when it came: a worker may have taken epochs that did not go out yet.
                line.is_none_or(|line| {
                    line.reached() >= last && progress.from.load(Ordering::Acquire) <= last
                })
            };
            if !change.adds.iter().all(reached) {
                return true;
            }
            let mut failed = None;
            for (number, _) in &change.adds {
                let Some(line) = self.lines.get_mut(number) else {
                    continue;
                };
                if let Some(until) = last.checked_sub(1) {
                    let changes = line.take(until);
                    failed = failed.or(changes.failed);
                    line.held = changes.rows;
                }
                line.stage = Stage::Ready;
                self.board.change(*number, |entry| {
                    entry.stage = Stage::Ready;
                    entry.rows = line.keeper.rows();
                    entry.updates = line.updates;
                    entry.reached = last;
                });
            }
            // Who waits may have gone away, and then gives it up.
            let _ = change.told.send(failed.map_or(Ok(()), Err));
            false
        });
        self.coming.append(&mut coming);
    }

    /// Makes views live that are ready, and ends others, in an epoch that tells of nothing else.
    fn commit(&mut self, adds: &[u64], drops: &[u64]) -> Result<(), Arc<ViewFailure>> {
        for number in adds {
            let line = self.lines.get(number);
            if let Some(Stage::Failed(failure)) = line.map(|line| &line.stage) {
                let failure = Arc::clone(failure);
                self.forget(adds);
                return Err(failure);
            }
        }
        let mut ended = Vec::new();
        for number in drops {
            if let Some(line) = self.lines.remove(number) {
                ended.push(line.keeper.view());
                self.board.remove(*number);
            }
        }
        let mut views = Vec::new();
        for number in adds {
            if let Some(line) = self.lines.get_mut(number) {
                let held = std::mem::take(&mut line.held).into_iter();
                let mut held: Updates<Row> = held.map(|(row, diff)| (row, 0, diff)).collect();
                views.push(ViewChanges {
                    view: line.keeper.view(),
                    begins: true,
                    rows: consolidate([&mut held].into_iter()),
                    failed: None,
                });
                line.stage = Stage::Live;
                line.is_out = true;
                self.board
                    .change(*number, |entry| entry.stage = Stage::Live);
            }
        }
        self.sink.epoch(Arc::new(Epoch {
            number: self.last.unwrap_or(0),
            views,
            ended_views: ended,
            ..Epoch::default()
        }));
        Ok(())
    }

    fn forget(&mut self, adds: &[u64]) {
        for number in adds {
            self.lines.remove(number);
            self.board.remove(*number);
        }
        self.coming
            .retain(|change| !change.adds.iter().any(|(number, _)| adds.contains(number)));
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{TryRecvError, bounded};

    use super::*;
    use crate::relational::Datum;
    use crate::sql::{Text, compile};

    struct Nobody;

    impl EpochSink for Nobody {
        fn epoch(&mut self, _: Arc<Epoch>) {}
    }

    fn view(name: &str) -> Arc<View> {
        let text = format!(
            "name: {name}\ndescription: A test.\nsql: |\n  SELECT provider, seats FROM holds\n\
             sink: {{postgres: {{key: [provider]}}}}\n"
        );
        let file = format!("{name}.yaml");
        compile(vec![Text { file, text }]).unwrap().remove(0)
    }

    fn rows(of: &[(&str, i64)]) -> Updates<Row> {
        let row = |(provider, seats): &(&str, i64)| {
            let values = [Datum::text(provider), Datum::Int(*seats)];
            (Row::of(&values), 0, 1)
        };
        of.iter().map(row).collect()
    }

    fn said(number: u64, rows: Updates<Row>, reached: u64) -> Report {
        Report::View {
            number,
            worker: 0,
            rows,
            faults: Vec::new(),
            reached,
        }
    }

    #[test]
    fn a_view_is_not_ready_before_what_was_there_when_it_came_has_been_checked() {
        let shared = Shared::new(None);
        let board = Arc::new(Board::default());
        let live = vec![(0, view("live"))];
        let mut assembler = Assembler::new(Nobody, board, 1, live);
        // The first epoch has come in and waits for the live view; the worker has taken it already when the other
        // view comes, which reads what it brought as there.
        assembler.hear(Report::Epoch(Arc::new(Epoch::default())));
        let progress = Arc::new(Progress::default());
        progress.from.store(1, Ordering::Release);
        let (told, ready) = bounded(1);
        assembler.hear(Report::Prepare {
            adds: vec![(1, view("coming"), progress)],
            told,
        });
        assembler.send_epochs(&shared);
        assembler.look_at_coming();
        assert_eq!(
            ready.try_recv(),
            Err(TryRecvError::Empty),
            "nothing of it was seen"
        );
        // It says what it read, and its key does not tell the rows apart.
        assembler.hear(said(1, rows(&[("ua", 1), ("ua", 2)]), 1));
        assembler.send_epochs(&shared);
        assembler.look_at_coming();
        assert_eq!(
            ready.try_recv(),
            Err(TryRecvError::Empty),
            "the epoch is not out"
        );
        assembler.hear(said(0, Vec::new(), 1));
        assembler.send_epochs(&shared);
        assembler.look_at_coming();
        let failure = ready.try_recv().unwrap().unwrap_err();
        assert!(
            failure.what.starts_with("two rows have the key"),
            "{failure}"
        );
    }
}
