//! The cluster loses what it had acknowledged, and an operator mends it.

use flightline_stream::StreamError;

use super::run::{Ending, MACHINES, PARTITIONS, Run};
use super::topic::Topic;
use super::world::Rates;

impl Run {
    /// The cluster loses records that it had acknowledged.
    pub(super) fn lose_end(&mut self) {
        let world = &mut *self.world.lock();
        let partition = world.rng.below(PARTITIONS as usize);
        let count = world.rng.between(1, 4) as usize;
        let log = &mut world.topic.partitions[partition];
        let left = log.len().saturating_sub(count);
        log.truncate(left);
        world.note(format_args!(
            "the cluster loses the end of {partition}: {left} are left"
        ));
        world.has_lost = true;
    }

    /// What an operator does when the topic has lost records: stops all, and fills a new one from the copies.
    pub(super) fn rebuild(&mut self) -> Ending {
        for m in 0..MACHINES {
            self.end(m);
            let world = &mut *self.world.lock();
            world.database.end_of(m);
            // Folders that were moved, or put back: the copy says itself of which stream it is.
            if world.rng.chance(500) {
                self.machines[m].lose_place();
                world.note(format_args!("m{m} lost its place in the topic"));
            }
        }
        let mut copies = Vec::new();
        for machine in &self.machines {
            match machine.copied() {
                Ok(copied) => copies.push(copied),
                Err(why) => {
                    self.world
                        .lock()
                        .blame(format!("a copy cannot be read: {why}"));
                    return Ending::Parted;
                }
            }
        }
        let parted = (0..PARTITIONS as usize).find(|p| {
            let longest = copies.iter().max_by_key(|copy| copy[*p].len());
            let mut others = copies.iter();
            longest.is_some_and(|longest| !others.all(|copy| longest[*p].starts_with(&copy[*p])))
        });
        if let Some(partition) = parted {
            self.world
                .lock()
                .note(format_args!("copies of {partition} hold different records"));
            return Ending::Parted;
        }
        {
            let world = &mut *self.world.lock();
            world.rates = Rates::default();
            for outside in &mut world.machines {
                (outside.is_cut, outside.is_cut_from_tables) = (false, false);
            }
            world.topic = Topic::new(PARTITIONS);
        }
        let mut not_known = Vec::new();
        for (m, copy) in copies.iter().enumerate() {
            if copy.iter().all(Vec::is_empty) {
                // A replica that had not read anything yet has nothing to fill it with, and is told so.
                let refused = self.machines[m].rebuild("again");
                let world = &mut *self.world.lock();
                match refused {
                    Err(StreamError::NothingToFill { .. }) => {
                        world.note(format_args!("m{m} has nothing to fill it with"))
                    }
                    other => world.blame(format!(
                        "m{m} fills the new topic from an empty copy: {other:?}"
                    )),
                }
                continue;
            }
            self.fill(m, &mut not_known);
        }
        // Who does not know of which stream its records are may not name the topic, but fills one that has a name.
        for m in std::mem::take(&mut not_known) {
            self.fill(m, &mut not_known);
        }
        if !not_known.is_empty() {
            let world = &mut *self.world.lock();
            world.blame(format!(
                "{not_known:?} do not know the stream of their records"
            ));
        }
        self.world.lock().has_lost = false;
        self.complaints.clear();
        if self.world.lock().wrong.is_empty() {
            self.mend();
        }
        Ending::Rebuilt
    }

    /// One machine fills the new topic from its copy.
    fn fill(&mut self, m: usize, not_known: &mut Vec<usize>) {
        let filled = self.machines[m].rebuild("again");
        let world = &mut *self.world.lock();
        match filled {
            Ok(added) => world.note(format_args!("m{m} fills the new topic with {added}")),
            Err(StreamError::NameLost { .. }) => {
                world.note(format_args!("m{m} does not know the stream of its records"));
                not_known.push(m);
            }
            Err(why) => world.blame(format!("m{m} cannot fill the new topic: {why}")),
        }
    }
}
