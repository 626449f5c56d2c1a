//! Seats open for sale, as a provider reports them.

use std::collections::BTreeSet;

use flightline_ledger::command::{Availability, Counts, SourceVersion};
use flightline_ledger::{Cabin, Class, ProviderCode, ProviderEvent};

use super::event::Aspects;
use super::flight::{Allotment, CabinOnLeg, Flight, Moment, Reported};
use super::usage::Bucket;

impl Flight {
    pub(crate) fn availability(
        &mut self,
        event: &ProviderEvent,
        availability: &Availability,
    ) -> Aspects {
        let mut aspects = Aspects::default();
        let code = event.provider;
        let Some(concerned) = self.concerned(availability.level) else {
            return aspects;
        };
        let cabins = self.cabins_concerned(code, availability, &concerned.legs);
        let class = availability.class;
        let buckets: Vec<Bucket> = match concerned.segment {
            Some((board, off)) => {
                let cabins: BTreeSet<Cabin> = cabins.into_iter().map(|(_, c)| c).collect();
                cabins
                    .into_iter()
                    .map(|cabin| Bucket::Segment(code, board, off, cabin, class))
                    .collect()
            }
            None => cabins
                .into_iter()
                .map(|(leg, cabin)| match class {
                    Some(class) => Bucket::Class(code, leg, cabin, class),
                    None => Bucket::Cabin(code, leg, cabin),
                })
                .collect(),
        };
        for bucket in buckets {
            self.create_bucket(bucket);
            let counted = self.counted(bucket);
            let stored = self.version_of(bucket);
            if !self.fresh(event.version, stored) {
                aspects.stale += 1;
                continue;
            }
            aspects.applied += 1;
            let now = self.now;
            if let Some(allotment) = self.allotment(bucket) {
                set(allotment, now, event.version, availability, counted);
            }
            let remaining = availability.counts == Counts::Remaining;
            if remaining && availability.seats.is_some() && counted > 0 {
                self.met("remaining count with counted sales");
            }
        }
        aspects
    }

    fn version_of(&mut self, bucket: Bucket) -> Option<SourceVersion> {
        self.allotment(bucket)?.version
    }

    fn create_bucket(&mut self, bucket: Bucket) {
        let code = match bucket {
            Bucket::Aircraft(..) => return,
            Bucket::Cabin(code, leg, cabin) => {
                self.create_cabin(code, leg, cabin);
                return;
            }
            Bucket::Class(code, leg, cabin, class) => {
                self.create_cabin(code, leg, cabin);
                self.create_class(code, leg, cabin, class);
                return;
            }
            Bucket::Segment(code, ..) => code,
        };
        if let Bucket::Segment(_, board, off, cabin, class) = bucket {
            self.provider(code)
                .segments
                .entry((board, off, cabin, class))
                .or_insert_with(Allotment::open);
        }
    }

    fn create_cabin(&mut self, code: ProviderCode, leg: usize, cabin: Cabin) {
        let cabins = &mut self.provider(code).cabins;
        if cabins.contains_key(&(leg, cabin)) {
            return;
        }
        cabins.insert((leg, cabin), CabinOnLeg::new());
        self.met("availability created a cabin");
    }

    fn create_class(&mut self, code: ProviderCode, leg: usize, cabin: Cabin, class: Class) {
        let Some(line) = self.provider(code).cabins.get_mut(&(leg, cabin)) else {
            return;
        };
        if line.class(class).is_some() {
            return;
        }
        line.classes.push((class, Allotment::open()));
        self.met("availability created a class");
    }
}

fn set(
    allotment: &mut Allotment,
    now: Moment,
    version: SourceVersion,
    availability: &Availability,
    counted: i64,
) {
    allotment.version = Some(version);
    allotment.status = availability.status;
    // The last moment there is never comes.
    let until_ms = availability.expires_ms.filter(|ms| *ms != i64::MAX);
    let Some(seats) = availability.seats else {
        allotment.until_ms = until_ms;
        return;
    };
    let known = match availability.counts {
        Counts::Total => 0,
        Counts::Remaining => counted,
    };
    allotment.reported = Some(Reported {
        counts: availability.counts,
        seats,
        expected: allotment.bound.map(|bound| bound - known),
        at: now,
    });
    allotment.set_bound(Some(i64::from(seats) + known));
    allotment.is_floor = availability.is_floor;
    allotment.until_ms = until_ms;
    if availability.counts == Counts::Remaining {
        allotment.remaining_at = Some(now.offset);
    }
}
