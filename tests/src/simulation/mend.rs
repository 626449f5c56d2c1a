//! Everything works again, and what is left to do is done.

use super::baton::At;
use super::judge;
use super::machine::Which;
use super::run::{MACHINES, Run, Step};
use super::world::Rates;

/// Rounds in which everything that is left to do is done.
const ROUNDS_MAX: u32 = 1_500;

impl Run {
    /// Everything works from here on, and what is left to do is done.
    pub(super) fn mend(&mut self) {
        {
            let world = &mut *self.world.lock();
            world.rates = Rates::default();
            for outside in &mut world.machines {
                outside.is_cut = false;
                outside.is_cut_from_tables = false;
                outside.skew_ms = 0;
            }
            world.note("everything is mended");
        }
        self.frozen_ms.fill(0);
        // The stream's clock may be ahead by as much as one of the machines' was: what is due by it comes when
        // the others' have got there.
        let mut wait_ms = 250;
        for round in 0..ROUNDS_MAX {
            for m in 0..MACHINES {
                if !self.machines[m].is_up() {
                    self.do_step(Step::Start(m));
                }
            }
            let is_quiet = self.round();
            self.look_after();
            if !self.world.lock().wrong.is_empty() || !self.complaints.is_empty() {
                return;
            }
            if is_quiet && self.is_settled() {
                return;
            }
            if is_quiet {
                self.world.lock().now_ms += wait_ms;
                wait_ms = (wait_ms + wait_ms / 8).min(60_000);
                for m in 0..MACHINES {
                    self.do_step(Step::Tick(m));
                }
            }
            if round + 1 == ROUNDS_MAX {
                let left = judge::what_is_left(self);
                self.world.lock().blame(format!("it never settles: {left}"));
            }
        }
    }

    /// Everybody does what there is to do, once. True when nobody had anything.
    pub(super) fn round(&mut self) -> bool {
        let mut is_quiet = true;
        while !self.world.lock().topic.late.is_empty() {
            self.do_step(Step::Late);
        }
        let unanswered: Vec<usize> = self.clients.unanswered().collect();
        for at in unanswered {
            is_quiet = false;
            self.send(at);
        }
        for m in 0..MACHINES {
            for which in [Which::Writer, Which::Reader] {
                is_quiet &= self.finish(m, which);
            }
            if self.machines[m].replica().is_none() {
                is_quiet = false;
                continue;
            }
            if self.machines[m].is_behind() {
                is_quiet = false;
                self.fold(m);
            }
            self.do_step(Step::Tasks(m));
            self.do_step(Step::Turn(m));
            self.do_step(Step::Tables(m));
            is_quiet &= self.machines[m].sink().is_none_or(|sink| sink.is_done());
            is_quiet &= self.machines[m].replica().is_some_and(|r| r.waiting() == 0);
        }
        while !self.world.lock().payments.waiting.is_empty() {
            is_quiet = false;
            self.pay();
        }
        is_quiet
    }

    /// Lets a thread do what it is at to its end, and begin what there is. True when there was nothing.
    pub(super) fn finish(&mut self, m: usize, which: Which) -> bool {
        let mut was_quiet = true;
        if self.machines[m].at(which) == At::Idle && self.machines[m].replica().is_some() {
            match which {
                Which::Writer if self.machines[m].replica().is_some_and(|r| r.waiting() > 0) => {
                    was_quiet = false;
                    if self.machines[m].may_run(which, u64::MAX) {
                        self.machines[m].append();
                    }
                }
                Which::Reader if self.machines[m].may_run(which, u64::MAX) => {
                    self.machines[m].look();
                }
                _ => {}
            }
        }
        let mut steps = 0;
        while self.machines[m].at(which) != At::Idle && steps < 200 {
            steps += 1;
            let now_ms = self.world.lock().now_ms;
            if let At::Asleep { until_ms, .. } = self.machines[m].at(which)
                && until_ms > now_ms
            {
                self.world.lock().now_ms = until_ms;
            }
            if !self.machines[m].may_run(which, u64::MAX) {
                return false;
            }
            self.machines[m].go_on(which);
        }
        was_quiet && self.machines[m].at(which) == At::Idle
    }

    /// The first machine alone does what there is to do.
    pub(super) fn settle_first(&mut self) {
        self.finish(0, Which::Writer);
        self.finish(0, Which::Reader);
        self.fold(0);
        self.write_tables(0);
        self.turn(0);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.clients.all_answered() && judge::what_is_left(self).is_empty()
    }
}
