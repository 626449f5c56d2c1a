//! One run: chooses what happens next, until the clients have had enough; then everything is mended, and what is
//! left to do is done.

use std::path::Path;
use std::sync::Arc;

use flightline_connectors::payments::Sandbox;
use flightline_runtime::simulation::{Next, turn};
use flightline_stream::mutant::Mutant;

use super::baton::At;
use super::clients::Clients;
use super::database::{OnCommit, Sink, Wrote};
use super::judge;
use super::machine::{Machine, Mutants, Which};
use super::payments::Fate;
use super::world::{BEGINS_MS, Rates, Shared, World};

/// Machines of a run.
pub(super) const MACHINES: usize = 3;

/// Partitions of the stream.
pub(super) const PARTITIONS: u32 = 3;

/// A deliberate fault, to show that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// One of the stream's.
    Stream(Mutant),
    /// The tables are written without a look at who has the lock and where they are.
    NoFence,
    /// Payments are asked for under a new id each time.
    NewPaymentIds,
}

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Choices before everything is mended.
    pub steps: usize,
    /// The deliberate fault; none = the product as it is.
    pub sabotage: Option<Sabotage>,
    /// The cluster loses the end of a partition, acknowledged records too, once in the run.
    pub loses_end: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: 900,
            sabotage: None,
            loses_end: false,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every choice, fault, answer and commit, a line each.
    pub trace: String,
    /// What must never happen, and did.
    pub wrong: Vec<String>,
    /// Answers that clients got.
    pub answers: usize,
    /// Records in the stream at the end.
    pub records: u64,
    /// How it ended.
    pub ending: Ending,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nothing that counts was lost.
    #[default]
    Whole,
    /// The loss was seen, the topic filled again from the copies, and nothing that was answered was missing.
    Rebuilt,
    /// The loss was seen, and before that others had written where it was: copies hold different records, and
    /// people decide.
    Parted,
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Write(usize),
    Read(usize),
    Fold(usize),
    Tasks(usize),
    Tick(usize),
    Tables(usize),
    Turn(usize),
    Come,
    Send(usize),
    SendAgain(usize),
    Pay,
    Late,
    Time,
    Kill(usize),
    Start(usize),
    Cut(usize),
    CutTables(usize),
    Freeze(usize),
    Skew(usize),
    Checkpoint(usize),
}

pub(super) struct Run {
    pub(super) world: Shared,
    pub(super) machines: Vec<Machine>,
    pub(super) clients: Clients,
    pub(super) books: Arc<Sandbox>,
    /// Machines that do nothing, as after SIGSTOP, until then.
    pub(super) frozen_ms: Vec<u64>,
    /// Of the files of this run, in messages.
    folder: String,
    /// The step before which the cluster loses the end of a partition.
    loses_at: Option<usize>,
    /// Machines that have found out, and stopped.
    pub(super) complaints: Vec<usize>,
}

impl Run {
    pub(super) fn new(seed: u64, options: Options, folder: &Path) -> Self {
        let rates = Rates {
            produce: 60,
            fetch: 40,
            disk: 4,
            commit: 120,
            payment: 250,
        };
        let mut world = World::new(seed, MACHINES, PARTITIONS, rates);
        let third = options.steps / 3;
        let loses_at = options.loses_end.then(|| third + world.rng.below(third));
        world.database.is_unfenced = options.sabotage == Some(Sabotage::NoFence);
        let world = Shared::new(world);
        let books = Arc::new(Sandbox::in_memory());
        let mutants = Mutants {
            stream: match options.sabotage {
                Some(Sabotage::Stream(mutant)) => Some(mutant),
                _ => None,
            },
            forgets_ids: options.sabotage == Some(Sabotage::NewPaymentIds),
        };
        let machines = (0..MACHINES).map(|index| {
            let folder = folder.join(format!("m{index}"));
            let _ = std::fs::create_dir_all(&folder);
            Machine::new(
                index,
                world.clone(),
                books.clone(),
                folder,
                PARTITIONS,
                mutants,
            )
        });
        Self {
            machines: machines.collect(),
            clients: Clients::new(),
            books,
            frozen_ms: vec![0; MACHINES],
            loses_at,
            folder: folder.display().to_string(),
            complaints: Vec::new(),
            world,
        }
    }

    pub(super) fn go(mut self, options: Options) -> Report {
        for machine in &mut self.machines {
            machine.start();
        }
        let mut ending = Ending::Whole;
        for n in 0..options.steps {
            if self.loses_at == Some(n) {
                self.lose_end();
            }
            if !self.complaints.is_empty() && self.world.lock().rng.chance(100) {
                // Somebody has read the log, and stops all of them.
                break;
            }
            let step = self.choose();
            self.do_step(step);
            self.look_after();
            if !self.world.lock().wrong.is_empty() {
                break;
            }
        }
        if self.world.lock().wrong.is_empty() {
            if self.complaints.is_empty() {
                self.mend();
            }
            if !self.complaints.is_empty() {
                ending = self.rebuild();
            }
        }
        if ending != Ending::Parted {
            let parted = std::mem::take(&mut self.world.lock().parted);
            for what in parted {
                self.world
                    .lock()
                    .blame(format!("nothing has parted, and {what}"));
            }
        }
        if ending != Ending::Parted && self.world.lock().wrong.is_empty() {
            judge::judge(&mut self);
        }
        for machine in &mut self.machines {
            machine.kill();
        }
        let world = self.world.lock();
        Report {
            trace: world.trace().to_owned(),
            wrong: world.wrong.clone(),
            answers: self.clients.told.len(),
            records: world.database.progress.iter().sum(),
            ending,
        }
    }

    fn choose(&self) -> Step {
        let world = &mut *self.world.lock();
        let mut can: Vec<(u32, Step)> = vec![(3, Step::Time), (1, Step::Come)];
        can.extend(
            self.clients
                .unanswered()
                .take(4)
                .map(|at| (4, Step::Send(at))),
        );
        can.extend(
            self.clients
                .impatient()
                .take(2)
                .map(|at| (1, Step::SendAgain(at))),
        );
        if !world.payments.waiting.is_empty() {
            can.push((6, Step::Pay));
        }
        if !world.topic.late.is_empty() {
            can.push((2, Step::Late));
        }
        for (m, machine) in self.machines.iter().enumerate() {
            if !machine.is_up() {
                if !self.complaints.contains(&m) {
                    can.push((4, Step::Start(m)));
                }
                continue;
            }
            if self.frozen_ms[m] > world.now_ms {
                continue;
            }
            let is_started = machine.replica().is_some();
            let waits = machine.replica().is_some_and(|r| r.waiting() > 0);
            let writes = machine.at(Which::Writer) != At::Idle;
            if machine.may_run(Which::Writer, world.now_ms) && (writes || waits) {
                can.push((14, Step::Write(m)));
            }
            let reads = machine.at(Which::Reader) != At::Idle;
            if is_started && machine.may_run(Which::Reader, world.now_ms) {
                can.push((if reads { 10 } else { 4 }, Step::Read(m)));
            }
            if machine.is_behind() {
                can.push((8, Step::Fold(m)));
            }
            if is_started {
                can.push((3, Step::Tasks(m)));
                can.push((1, Step::Tick(m)));
                can.push((3, Step::Tables(m)));
                can.push((2, Step::Turn(m)));
            }
        }
        // The last of the dice: something bad.
        if world.rng.chance(25) {
            let m = world.rng.below(MACHINES);
            let bad = [
                (4, Step::Kill(m)),
                (3, Step::Cut(m)),
                (3, Step::CutTables(m)),
                (3, Step::Freeze(m)),
                (2, Step::Skew(m)),
                (2, Step::Checkpoint(m)),
            ];
            return world.rng.weighted(&bad);
        }
        world.rng.weighted(&can)
    }

    pub(super) fn do_step(&mut self, step: Step) {
        match step {
            Step::Write(m) => match self.machines[m].at(Which::Writer) {
                At::Idle => self.machines[m].append(),
                _ => self.machines[m].go_on(Which::Writer),
            },
            Step::Read(m) => match self.machines[m].at(Which::Reader) {
                At::Idle => self.machines[m].look(),
                _ => self.machines[m].go_on(Which::Reader),
            },
            Step::Fold(m) => self.fold(m),
            Step::Tasks(m) => {
                if let Some(replica) = self.machines[m].replica() {
                    replica.run_tasks();
                }
            }
            Step::Tick(m) => {
                if let Some(replica) = self.machines[m].replica()
                    && let Err(why) = replica.tick()
                {
                    self.machines[m].fail(why);
                }
            }
            Step::Tables(m) => self.write_tables(m),
            Step::Turn(m) => self.turn(m),
            Step::Come => self.clients.come(&mut self.world.lock().rng),
            Step::Send(at) | Step::SendAgain(at) => self.send(at),
            Step::Pay => self.pay(),
            Step::Late => {
                let world = &mut *self.world.lock();
                let at = world.rng.below(world.topic.late.len());
                let partition = world.topic.arrive(at);
                world.note(format_args!("a late request arrives in {partition}"));
            }
            Step::Time => self.pass_time(),
            Step::Kill(m) => self.kill(m),
            Step::Start(m) => {
                self.world.lock().note(format_args!("m{m} starts"));
                self.machines[m].start();
            }
            Step::Cut(m) => self.toggle(m, "the cluster", |outside| &mut outside.is_cut),
            Step::CutTables(m) => {
                self.toggle(m, "the tables", |outside| &mut outside.is_cut_from_tables);
            }
            Step::Freeze(m) => {
                let world = &mut *self.world.lock();
                let ms = world.rng.between(50, 9_000) as u64;
                self.frozen_ms[m] = world.now_ms + ms;
                world.note(format_args!("m{m} stands still for {ms} ms"));
            }
            Step::Skew(m) => {
                let world = &mut *self.world.lock();
                let skew_ms = world
                    .rng
                    .pick(&[0, 1_500, -1_500, 20_000, -20_000, 3_600_000]);
                world.machines[m].skew_ms = skew_ms;
                world.note(format_args!("m{m}'s clock is {skew_ms} ms ahead"));
            }
            Step::Checkpoint(m) => self.checkpoint(m),
        }
    }

    fn toggle(&self, m: usize, what: &str, flag: impl Fn(&mut super::world::Outside) -> &mut bool) {
        let world = &mut *self.world.lock();
        let flag = flag(&mut world.machines[m]);
        *flag = !*flag;
        let now = *flag;
        world.note(format_args!("m{m} is cut from {what}: {now}"));
    }

    pub(super) fn fold(&self, m: usize) {
        let Some(replica) = self.machines[m].replica() else {
            return;
        };
        match replica.fold() {
            Ok(0) => {}
            Ok(records) => {
                let folded = replica.folded();
                let mut world = self.world.lock();
                world.note(format_args!("m{m} folds {records} up to {folded:?}"));
            }
            Err(why) => self.machines[m].fail(why),
        }
    }

    pub(super) fn send(&mut self, at: usize) {
        let up: Vec<usize> = (0..MACHINES)
            .filter(|m| self.machines[*m].replica().is_some())
            .collect();
        let Some(m) = self.world.lock().rng.pick_some(&up) else {
            return;
        };
        if let Some(replica) = self.machines[m].replica() {
            let backend = replica.backend();
            let world = &mut *self.world.lock();
            self.clients.send(at, m, &*backend, world);
        }
    }

    pub(super) fn pay(&self) {
        let (ask, fate) = {
            let world = &mut *self.world.lock();
            if world.payments.waiting.is_empty() {
                return;
            }
            let at = world.rng.below(world.payments.waiting.len());
            let ask = world.payments.waiting.swap_remove(at);
            let mut fate = Fate::Good;
            if world.rng.chance(world.rates.payment) {
                fate = world.rng.pick(&[Fate::LoseRequest, Fate::LoseAnswer]);
            }
            world.note(format_args!(
                "ask {} of m{}: {fate:?}",
                ask.number, ask.machine
            ));
            (ask, fate)
        };
        ask.let_through(fate);
    }

    fn pass_time(&self) {
        let world = &mut *self.world.lock();
        let ms = match world.rng.below(20) {
            0 => world.rng.between(1_000, 6_000),
            1..6 => world.rng.between(20, 400),
            _ => world.rng.between(1, 20),
        };
        world.now_ms += ms as u64;
    }

    fn kill(&mut self, m: usize) {
        if !self.machines[m].is_up() {
            return;
        }
        let lingers = {
            let world = &mut *self.world.lock();
            world.note(format_args!("m{m} is killed"));
            world.rng.chance(300)
        };
        self.end(m);
        let world = &mut *self.world.lock();
        if !lingers {
            world.database.end_of(m);
        }
        if world.rng.chance(120) {
            self.machines[m].lose_place();
            world.note(format_args!("m{m} lost its place in the topic"));
        }
        if self.loses_at.is_some() {
            // Of records that cluster and machine have lost at the same time nobody can know.
            return;
        }
        if world.rng.chance(60) {
            self.machines[m].lose_disk();
            world.note(format_args!("m{m} lost its disk"));
        }
    }

    pub(super) fn end(&mut self, m: usize) {
        self.machines[m].kill();
        self.frozen_ms[m] = 0;
        self.clients.hear(&mut self.world.lock());
    }

    /// One transaction of whoever writes the tables.
    pub(super) fn write_tables(&self, m: usize) {
        let Some(sink) = self.machines[m].sink() else {
            return;
        };
        let world = &mut *self.world.lock();
        if world.machines[m].is_cut_from_tables {
            return;
        }
        let mut what = OnCommit::Good;
        if world.rng.chance(world.rates.commit) {
            what = world
                .rng
                .pick(&[OnCommit::LoseAnswer, OnCommit::LoseRequest]);
        }
        let most = world.rng.between(1, 4) as usize;
        let now_ms = world.now_ms;
        let wrote = sink.step(&mut world.database, now_ms, most, what);
        if wrote != Wrote::Nothing {
            let progress = world.database.progress.clone();
            world.note(format_args!("m{m} writes tables: {wrote:?} {progress:?}"));
        }
        let failed = sink.lock().failed.clone();
        if let Some(why) = failed.filter(|why| why.starts_with("INCONSISTENT")) {
            world.blame_unless_parted(format!("m{m} wrote what does not fit: {why}"));
        }
    }

    /// Who writes the tables?
    pub(super) fn turn(&self, m: usize) {
        let machine = &self.machines[m];
        let Some(replica) = machine.replica() else {
            return;
        };
        if let Some(sink) = machine.sink() {
            let failed = sink.lock().failed.clone();
            if let Some(why) = failed {
                replica.stand();
                machine.set_sink(None);
                let world = &mut *self.world.lock();
                world.note(format_args!("m{m} writes the tables no more: {why}"));
            }
            if machine.sink().is_some() {
                return;
            }
        }
        let (ahead_ms, next, progress) = {
            let world = &mut *self.world.lock();
            if world.machines[m].is_cut_from_tables {
                return;
            }
            let ahead_ms = BEGINS_MS + world.now_ms as i64 - world.clock_of(m);
            let holder = world.database.holder();
            let silent = holder.map(|holder| {
                let ms = world.now_ms.saturating_sub(holder.heard_ms);
                std::time::Duration::from_millis(ms)
            });
            let next = turn(silent);
            if let (Next::Unseat, Some(holder)) = (next, holder) {
                world.database.end(holder.id);
                world.note(format_args!("m{m} ends the session of m{}", holder.machine));
            }
            (ahead_ms, next, world.database.progress.clone())
        };
        replica.set_clock(ahead_ms);
        if next != Next::Take {
            return;
        }
        let session = {
            let world = &mut *self.world.lock();
            world.database.take_lock(m, world.now_ms)
        };
        let Some(session) = session else { return };
        let Some(until) = replica.gather(&progress) else {
            // Behind the tables: gives the lock back.
            self.world.lock().database.end(session);
            return;
        };
        let sink = Sink::new(m, session, &progress);
        let taken = replica.take_over(&progress, &until, sink.clone());
        let mut world = self.world.lock();
        match taken {
            Ok(()) => {
                world.note(format_args!("m{m} takes the tables over at {progress:?}"));
                drop(world);
                machine.set_sink(Some(sink));
            }
            Err(error) => world.blame(format!("m{m} cannot take the tables over: {error:#}")),
        }
    }

    fn checkpoint(&self, m: usize) {
        let Some(replica) = self.machines[m].replica() else {
            return;
        };
        let covered = self.world.lock().database.progress.clone();
        let ends = replica.folded();
        if covered.iter().zip(&ends).any(|(have, end)| have > end) {
            return;
        }
        let made = replica.checkpoint(&covered);
        let mut world = self.world.lock();
        match made {
            Ok(_) => world.note(format_args!("m{m} makes a checkpoint at {covered:?}")),
            Err(error) => world.blame(format!("m{m} cannot make a checkpoint: {error:#}")),
        }
    }

    /// Hears answers, and looks for processes that cannot go on.
    pub(super) fn look_after(&mut self) {
        self.clients.hear(&mut self.world.lock());
        for m in 0..MACHINES {
            let Some(why) = self.machines[m].failed() else {
                continue;
            };
            let why = why.replace(&self.folder, "");
            if !self.machines[m].is_up() {
                continue;
            }
            {
                let world = &mut *self.world.lock();
                world.note(format_args!("m{m} cannot go on: {why}"));
                if world.has_lost && !why.starts_with("PANIC") {
                    self.complaints.push(m);
                } else if !world.machines[m].disk_failed {
                    world.blame(format!("m{m} cannot go on, and nothing was lost: {why}"));
                    return;
                }
            }
            self.end(m);
            self.world.lock().database.end_of(m);
        }
    }
}
