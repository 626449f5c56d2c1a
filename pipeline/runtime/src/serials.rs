//! Which of the messages that a provider numbers have come, and which are missing.
//!
//! The messages of a group are numbered from 1, and the last one is marked: a hole, or an end that does not come, is a
//! message that is missing. Whether groups are numbered without gaps is for a provider to promise
//! (`numbered = "daily"`); then a group that is missing between others of its day is told too.
//!
//! All of it follows from the records of the stream, in whatever order they came.

use std::collections::{BTreeMap, BTreeSet};

use flightline_ledger::Date;
use flightline_ledger::command::{Numbered, Series};

/// How many days are looked at; those far ahead are given up first, then the oldest.
const DAYS_MAX: usize = 8;
/// How many groups of all days together; days go in the same order.
const GROUPS_MAX: usize = 50_000;
/// The highest number of a message that is believed: the format has three digits.
const NUMBER_MAX: u32 = 999;

/// What came of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    seen: BTreeSet<u32>,
    /// The number of its last message.
    last: Option<u32>,
    /// When something of it last came, by the stream's clock.
    at_ms: i64,
}

/// What has come, by day and series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serials {
    days: BTreeMap<(i32, Series), BTreeMap<u32, Group>>,
}

/// Messages that are missing: of one group, or groups in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Which kind of message.
    pub series: Series,
    /// The day of their references.
    pub day: Date,
    /// The first group.
    pub from_group: u32,
    /// The last group.
    pub to_group: u32,
    /// The numbers that are missing in the one group, to the end of it when the second is absent; absent: all of
    /// every group.
    pub numbers: Option<(u32, Option<u32>)>,
    /// Since when it is known, Unix time in milliseconds by the stream's clock.
    pub since_ms: i64,
}

/// A group as a checkpoint keeps it: day, series, group, numbers, last number, when.
pub(crate) type StoredGroup = (i32, u8, u32, Vec<u32>, Option<u32>, i64);

impl Serials {
    /// Nothing that is numbered has come.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Is a message known to have come?
    pub fn has(&self, numbered: &Numbered) -> bool {
        let groups = self.days.get(&(numbered.day.0, numbered.series));
        let group = groups.and_then(|groups| groups.get(&numbered.group));
        group.is_some_and(|group| {
            let has_end = !numbered.is_last || group.last >= Some(numbered.number);
            has_end && group.seen.contains(&numbered.number)
        })
    }

    /// A message came.
    pub fn note(&mut self, numbered: &Numbered, at_ms: i64) {
        if !(1..=NUMBER_MAX).contains(&numbered.number) {
            return;
        }
        let day = (numbered.day.0, numbered.series);
        let group = self.days.entry(day).or_default();
        let group = group.entry(numbered.group).or_default();
        group.seen.insert(numbered.number);
        if numbered.is_last {
            // Of several that say so the highest: the same in whatever order they come.
            group.last = group.last.max(Some(numbered.number));
        }
        group.at_ms = group.at_ms.max(at_ms);
        self.give_up(at_ms);
    }

    /// Days beyond tomorrow are a sender's mistake: they must not push out those on which messages come.
    fn give_up(&mut self, now_ms: i64) {
        let days = |all: &Self| {
            let days: BTreeSet<i32> = all.days.keys().map(|(day, _)| *day).collect();
            days.len()
        };
        let groups = |all: &Self| all.days.values().map(BTreeMap::len).sum::<usize>();
        let tomorrow = now_ms.div_euclid(86_400_000).saturating_add(1);
        while days(self) > DAYS_MAX || (self.days.len() > 1 && groups(self) > GROUPS_MAX) {
            let last = self.days.last_key_value();
            match last.is_some_and(|((day, _), _)| i64::from(*day) > tomorrow) {
                true => self.days.pop_last(),
                false => self.days.pop_first(),
            };
        }
    }

    /// Takes in what was noted elsewhere, of other records.
    pub fn add(&mut self, other: &Self) {
        let mut now_ms = i64::MIN;
        for (day, groups) in &other.days {
            for (number, group) in groups {
                now_ms = now_ms.max(group.at_ms);
                let known = self.days.entry(*day).or_default();
                let known = known.entry(*number).or_default();
                known.seen.extend(&group.seen);
                known.last = known.last.max(group.last);
                known.at_ms = known.at_ms.max(group.at_ms);
            }
        }
        self.give_up(now_ms);
    }

    /// What is missing, oldest day first: other messages of its group, or a later group, came before this time.
    /// `daily`: groups of a day are numbered from 1 without gaps.
    pub fn gaps(&self, before_ms: i64, daily: bool) -> Vec<Gap> {
        let mut all = Vec::new();
        for ((day, series), groups) in &self.days {
            let (series, day) = (*series, Date(*day));
            let of_groups = |from_group, to_group, numbers, since_ms| Gap {
                series,
                day,
                from_group,
                to_group,
                numbers,
                since_ms,
            };
            let mut next = 1;
            for (number, group) in groups {
                if daily && next < *number {
                    all.push(of_groups(next, number - 1, None, group.at_ms));
                }
                next = next.max(number.saturating_add(1));
                let missing = group.missing().into_iter();
                all.extend(
                    missing.map(|(from, to)| {
                        of_groups(*number, *number, Some((from, to)), group.at_ms)
                    }),
                );
            }
        }
        all.retain(|gap| gap.since_ms <= before_ms);
        all
    }

    /// For a checkpoint.
    pub(crate) fn stored(&self) -> Vec<StoredGroup> {
        let days = self.days.iter();
        let groups = days.flat_map(|((day, series), groups)| {
            groups.iter().map(|(number, group)| {
                let seen = group.seen.iter().copied().collect();
                (*day, *series as u8, *number, seen, group.last, group.at_ms)
            })
        });
        groups.collect()
    }

    /// From a checkpoint. A series that is not known is another release's: it is left out.
    pub(crate) fn of_stored(stored: &[StoredGroup]) -> Self {
        let mut all = Self::default();
        for (day, series, number, seen, last, at_ms) in stored {
            let series = match series {
                1 => Series::Ssm,
                2 => Series::Asm,
                _ => continue,
            };
            let group = Group {
                seen: seen.iter().copied().collect(),
                last: *last,
                at_ms: *at_ms,
            };
            let groups = all.days.entry((*day, series)).or_default();
            groups.insert(*number, group);
        }
        all
    }
}

impl Group {
    /// First and last number of what is missing; without a last one: to an end that is not known.
    fn missing(&self) -> Vec<(u32, Option<u32>)> {
        let mut holes = Vec::new();
        let mut next = 1;
        for number in self.seen.iter().copied().chain(self.last) {
            if next < number {
                holes.push((next, Some(number - 1)));
            }
            next = next.max(number + 1);
        }
        if self.last.is_none() {
            holes.push((next, None));
        }
        holes
    }
}

impl Gap {
    /// How a message of the provider's own would name it: `SSM 21JAN00052 002-003`.
    pub fn name(&self) -> String {
        const MONTHS: [&str; 12] = [
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ];
        let (_, month, day) = self.day.ymd();
        let month = usize::try_from(month).unwrap_or(1).clamp(1, 12);
        let groups = format!(
            "{} {day:02}{}{:05}",
            self.series.name(),
            MONTHS[month - 1],
            self.from_group
        );
        match self.numbers {
            None if self.from_group == self.to_group => groups,
            None => format!("{groups}-{:05}", self.to_group),
            Some((from, Some(to))) if from == to => format!("{groups} {from:03}"),
            Some((from, Some(to))) => format!("{groups} {from:03}-{to:03}"),
            Some((from, None)) => format!("{groups} {from:03}-END"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i32 = 20_839;
    const DAY_MS: i64 = 86_400_000;
    /// On that day.
    const NOW_MS: i64 = DAY as i64 * DAY_MS + 1_000;

    fn message(group: u32, number: u32, is_last: bool) -> Numbered {
        Numbered {
            series: Series::Ssm,
            day: Date(DAY),
            group,
            number,
            is_last,
        }
    }

    fn noted(messages: &[(u32, u32, bool)]) -> Serials {
        let mut serials = Serials::default();
        for (group, number, is_last) in messages {
            serials.note(&message(*group, *number, *is_last), NOW_MS);
        }
        serials
    }

    fn names(serials: &Serials, daily: bool) -> Vec<String> {
        let gaps = serials.gaps(i64::MAX, daily);
        gaps.iter().map(Gap::name).collect()
    }

    #[test]
    fn holes_and_ends_that_do_not_come_are_missing() {
        for (came, daily, want) in [
            (&[(52, 1, true)][..], false, &[][..]),
            (&[(52, 1, true)], true, &["SSM 21JAN00001-00051"]),
            (&[(1, 1, true), (3, 1, true)], false, &[]),
            (&[(1, 1, true), (3, 1, true)], true, &["SSM 21JAN00002"]),
            (
                &[(7, 2, false), (7, 3, true)],
                false,
                &["SSM 21JAN00007 001"],
            ),
            (
                &[(7, 1, false), (7, 4, true)],
                false,
                &["SSM 21JAN00007 002-003"],
            ),
            (
                &[(7, 1, false), (7, 2, false)],
                false,
                &["SSM 21JAN00007 003-END"],
            ),
            (
                &[(7, 3, false)],
                false,
                &["SSM 21JAN00007 001-002", "SSM 21JAN00007 004-END"],
            ),
            // Whatever the order, and twice.
            (&[(7, 2, true), (7, 1, false), (7, 2, true)], false, &[]),
            // One that marks two of them as the last one has the higher, whichever comes first.
            (
                &[(7, 1, true), (7, 3, true)],
                false,
                &["SSM 21JAN00007 002"],
            ),
            (
                &[(7, 3, true), (7, 1, true)],
                false,
                &["SSM 21JAN00007 002"],
            ),
            // None that the format has.
            (
                &[(7, 1, true), (7, 0, false), (7, 1_000, false)],
                false,
                &[],
            ),
        ] {
            assert_eq!(names(&noted(came), daily), want, "{came:?}");
        }
    }

    #[test]
    fn what_may_still_come_is_not_missing() {
        let mut serials = noted(&[(7, 1, false)]);
        assert_eq!(serials.gaps(NOW_MS - 1, false), []);
        let later_ms = NOW_MS + 4_000;
        serials.note(&message(7, 3, true), later_ms);
        assert_eq!(serials.gaps(later_ms - 1, false), []);
        let gaps = serials.gaps(later_ms, false);
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].since_ms, later_ms);
        assert!(!serials.has(&message(7, 2, false)));
        serials.note(&message(7, 2, false), i64::MAX);
        assert!(serials.has(&message(7, 2, false)));
        assert!(!serials.has(&message(7, 4, true)), "it did not come");
        assert_eq!(serials.gaps(i64::MAX, false), []);
    }

    #[test]
    fn series_are_numbered_apart_and_old_days_are_given_up() {
        let mut serials = noted(&[(1, 1, true)]);
        let asm = Numbered {
            series: Series::Asm,
            ..message(2, 1, true)
        };
        serials.note(&asm, NOW_MS);
        assert_eq!(names(&serials, true), ["ASM 21JAN00001"]);
        let on = |days: i32| Numbered {
            day: Date(DAY + days),
            ..asm
        };
        for later in 1..20 {
            serials.note(&on(later), NOW_MS + i64::from(later) * DAY_MS);
        }
        let now_ms = NOW_MS + 19 * DAY_MS;
        assert_eq!(names(&serials, true).len(), DAYS_MAX);
        assert!(!serials.has(&on(11)) && serials.has(&on(12)));
        // What comes of a day that was given up is not looked at.
        serials.note(&on(11), now_ms);
        assert!(!serials.has(&on(11)) && serials.has(&on(12)));
        let groups = |serials: &Serials| serials.days.values().map(BTreeMap::len).sum::<usize>();
        for group in 0..GROUPS_MAX as u32 {
            let one = Numbered { group, ..on(19) };
            serials.note(&one, now_ms);
        }
        assert_eq!(groups(&serials), GROUPS_MAX);
        assert!(!serials.has(&on(18)), "the others made room");
    }

    /// A day that is a sender's mistake lies far ahead for months: those on which messages come are looked at.
    #[test]
    fn days_far_ahead_push_out_no_other() {
        let mut serials = noted(&[(1, 1, true)]);
        let on = |days: i32| Numbered {
            day: Date(DAY + days),
            ..message(1, 2, false)
        };
        for ahead in 2..20 {
            serials.note(&on(100 + ahead), NOW_MS);
        }
        assert_eq!(serials.days.len(), DAYS_MAX);
        assert!(serials.has(&message(1, 1, true)));
        for later in 1..20 {
            serials.note(&on(later), NOW_MS + i64::from(later) * DAY_MS);
            assert!(serials.has(&on(later)), "{later} days later");
        }
        assert!(serials.days.keys().all(|(day, _)| *day <= DAY + 19));
    }

    #[test]
    fn parts_of_the_stream_add_up_and_a_checkpoint_keeps_all() {
        let all = [(7, 1, false), (7, 4, true), (7, 2, true), (9, 1, true)];
        for cut in 0..=all.len() {
            let (one, two) = all.split_at(cut);
            let mut sum = noted(one);
            sum.add(&noted(two));
            assert_eq!(sum, noted(&all));
            assert_eq!(Serials::of_stored(&sum.stored()), sum);
        }
        let newer = (DAY, 9, 1, vec![1], None, 0);
        assert_eq!(Serials::of_stored(&[newer]), Serials::default());
    }
}
