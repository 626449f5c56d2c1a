//! Seats open for sale: statuses and counts, per cabin or class, per leg or exact segment.

use super::{Aspects, Told, is_fresh, valid};
use crate::book::{Drift, NO_BOUND, Report, SegmentKey, SegmentLimit, Tally};
use crate::codes::{Cabin, Class, ProviderCode};
use crate::command::{Availability, Counts, Level, ProviderEvent};
use crate::flight::Flight;
use crate::outcome::Reason;
use crate::record::Segment;
use crate::view::HoldState;

/// A bucket that a report is about.
#[derive(Clone, Copy)]
enum Bucket {
    Leg(u8, Cabin, Option<Class>),
    Segment(SegmentKey, Cabin, Option<Class>),
}

/// What a report does to one bucket: its new bound, if it gives one.
fn report_on(
    stored: &mut Report,
    event: &ProviderEvent,
    report: &Availability,
    bound: i64,
    acknowledged: i64,
    step: &Told<'_>,
) -> Option<i64> {
    stored.version = Some(event.version);
    stored.holds_until(report.expires_ms, step.clock_ms);
    let seats = report.seats?;
    let known_sales = match report.counts {
        Counts::Total => 0,
        Counts::Remaining => acknowledged,
    };
    stored.drift = Some(Drift {
        counts: report.counts,
        reported: seats,
        expected: (bound != NO_BOUND).then_some(bound - known_sales),
        offset: step.offset,
        at_ms: step.clock_ms,
    });
    stored.remaining_at = (report.counts == Counts::Remaining).then_some(step.offset);
    Some(i64::from(seats) + known_sales)
}

impl Flight {
    pub(super) fn hear_availability(
        &mut self,
        event: &ProviderEvent,
        report: &Availability,
        step: &mut Told<'_>,
    ) -> Result<Aspects, Reason> {
        let in_range = |seats: i32| seats.unsigned_abs() <= u32::from(valid::COUNT_MAX);
        let segment = self.scope(report.level).ok_or(Reason::InvalidEvent)?;
        if !report.seats.is_none_or(in_range) {
            return Err(Reason::InvalidEvent);
        }
        let mut buckets = self
            .buckets(event.provider, report, &segment)
            .ok_or(Reason::InvalidEvent)?;
        let known = self.provider_at(event.provider);
        let mut aspects = Aspects::default();
        buckets.retain(|bucket| {
            let stored = known.and_then(|at| self.version_of(at, bucket));
            aspects.note(is_fresh(stored, event.version))
        });
        if aspects.applied > 0 {
            let at = self.provider_or_new(event.provider);
            for bucket in buckets {
                self.set_bucket(at, bucket, event, report, step);
            }
        }
        Ok(aspects)
    }

    /// The legs that a level is about.
    fn scope(&self, level: Level) -> Option<Segment> {
        match level {
            Level::Flight => self.segment(None, None),
            Level::Segment(board, off) => self.segment(Some(board), Some(off)),
            Level::Leg(board) => {
                let leg = self.book.legs.iter().position(|leg| leg.board == board)?;
                Some(Segment {
                    first: leg as u8,
                    last: leg as u8,
                    board,
                    off: self.book.legs[leg].off,
                })
            }
        }
    }

    /// The buckets that a report is about; absent = its cabin cannot be told.
    fn buckets(
        &self,
        provider: ProviderCode,
        report: &Availability,
        segment: &Segment,
    ) -> Option<Vec<Bucket>> {
        let known = self.provider_at(provider);
        let has = |leg: u8| {
            let cabins = known.map_or(&[][..], |at| &self.book.providers[at].cabins);
            cabins.iter().filter(move |c| c.known && c.leg == leg)
        };
        let legs = segment.first..=segment.last;
        let told = match (report.cabin, report.class) {
            (Some(cabin), _) => vec![cabin],
            (None, Some(class)) => {
                let cabin = has(segment.first).find(|cabin| cabin.class_at(class).is_some())?;
                vec![cabin.cabin]
            }
            (None, None) => {
                let mut cabins: Vec<_> = legs.clone().flat_map(has).map(|c| c.cabin).collect();
                cabins.sort_unstable();
                cabins.dedup();
                if cabins.is_empty() || (report.seats.is_some() && cabins.len() > 1) {
                    return None;
                }
                cabins
            }
        };
        let is_told = report.cabin.is_some() || report.class.is_some();
        Some(match report.level {
            Level::Segment(board, off) => told
                .into_iter()
                .map(|cabin| {
                    let key = SegmentKey::new(Some((board, off)), cabin, report.class);
                    Bucket::Segment(key, cabin, report.class)
                })
                .collect(),
            Level::Leg(_) | Level::Flight if is_told => legs
                .map(|leg| Bucket::Leg(leg, told[0], report.class))
                .collect(),
            Level::Leg(_) | Level::Flight => legs
                .flat_map(|leg| has(leg).map(move |c| Bucket::Leg(leg, c.cabin, None)))
                .collect(),
        })
    }

    fn version_of(
        &self,
        provider: usize,
        bucket: &Bucket,
    ) -> Option<crate::command::SourceVersion> {
        let provider = &self.book.providers[provider];
        match bucket {
            Bucket::Segment(key, ..) => provider.segments.get(key)?.report.version,
            Bucket::Leg(leg, cabin, class) => {
                let seats = provider.cabin(*leg, *cabin)?;
                match class {
                    None => seats.report.version,
                    Some(class) => seats.nest[seats.class_at(*class)?].report.version,
                }
            }
        }
    }

    fn set_bucket(
        &mut self,
        provider: usize,
        bucket: Bucket,
        event: &ProviderEvent,
        report: &Availability,
        step: &Told<'_>,
    ) {
        match bucket {
            Bucket::Leg(leg, cabin, None) => {
                let provider = &mut self.book.providers[provider];
                let at = provider.cabin_or_new(leg, cabin, true);
                let seats = &mut provider.cabins[at];
                let (bound, counted) = (seats.authorised, seats.acknowledged);
                seats.status = report.status;
                if let Some(bound) =
                    report_on(&mut seats.report, event, report, bound, counted, step)
                {
                    seats.authorised = bound;
                    seats.is_floor = report.is_floor;
                }
            }
            Bucket::Leg(leg, cabin, Some(class)) => {
                let provider = &mut self.book.providers[provider];
                let at = provider.cabin_or_new(leg, cabin, true);
                let seats = &mut provider.cabins[at];
                let at = seats.class_or_new(class);
                let counted = seats.acknowledged_from(at);
                let nested = &mut seats.nest[at];
                nested.status = report.status;
                if let Some(bound) = report_on(
                    &mut nested.report,
                    event,
                    report,
                    nested.limit,
                    counted,
                    step,
                ) {
                    nested.limit = bound;
                    nested.is_floor = report.is_floor;
                }
            }
            Bucket::Segment(key, cabin, class) => {
                if !self.book.providers[provider].segments.contains_key(&key) {
                    let tally = self.tally_segment(provider as u32, key, cabin, class);
                    let segments = &mut self.book.providers[provider].segments;
                    segments.insert(key, SegmentLimit::new(tally));
                }
                let Some(limit) = self.book.providers[provider].segments.get_mut(&key) else {
                    unreachable!("the limit was made above");
                };
                let (bound, counted) = (limit.bound, limit.tally.acknowledged);
                limit.status = report.status;
                if let Some(bound) =
                    report_on(&mut limit.report, event, report, bound, counted, step)
                {
                    limit.bound = bound;
                    limit.is_floor = report.is_floor;
                }
            }
        }
    }

    /// Seats that already use an exact segment when its first limit is made.
    pub(crate) fn tally_segment(
        &self,
        provider: u32,
        key: SegmentKey,
        cabin: Cabin,
        class: Option<Class>,
    ) -> Tally {
        let mut tally = Tally::default();
        for hold in &self.holds {
            let stations = Some((hold.segment.board, hold.segment.off));
            let uses = hold.provider == provider
                && hold.cabin == cabin
                && hold.segment.is_flown()
                && (class.is_none() || hold.class == class)
                && SegmentKey::new(stations, cabin, class) == key;
            let seats = i64::from(hold.seats);
            match hold.state {
                HoldState::Held if uses => tally.held += seats,
                HoldState::Confirmed if uses => {
                    tally.sold += seats;
                    if hold.acknowledged != crate::record::NO_MEMO {
                        tally.acknowledged += seats;
                    }
                }
                _ => {}
            }
        }
        tally
    }
}
