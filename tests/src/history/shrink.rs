//! Makes a history on which a ledger and the model differ as short as it gets.

use flightline_ledger::command::{CabinPlan, Equipment, Schedule};
use flightline_ledger::{Command, FlightCommand, Input, ProviderBody, ProviderEvent};

use super::judge::{Closeness, Difference, judge};
use super::subject::Subject;

/// Offsets from 0 without gaps again, after records were dropped.
pub fn renumber(mut history: Vec<Input>) -> Vec<Input> {
    for (offset, input) in (0..).zip(&mut history) {
        input.offset = offset;
    }
    history
}

/// Drops records, in ever smaller pieces, and then parts of records, while the subject still differs
/// from the model in any way. Returns what is left, and the difference it shows.
pub fn shrink<S: Subject>(
    history: &[Input],
    subject: impl Fn() -> S,
) -> Option<(Vec<Input>, Difference)> {
    let differs = |history: &[Input]| judge(history, subject(), Closeness::Always);
    let mut least = renumber(history.to_vec());
    let mut difference = differs(&least)?;
    least.truncate(difference.step + 1);
    let mut piece = least.len().div_ceil(2);
    loop {
        let mut dropped_any = false;
        let mut from = 0;
        while from < least.len() {
            let to = (from + piece).min(least.len());
            let mut candidate = least.clone();
            candidate.drain(from..to);
            let candidate = renumber(candidate);
            match differs(&candidate) {
                Some(found) => {
                    least = candidate;
                    least.truncate(found.step + 1);
                    difference = found;
                    dropped_any = true;
                }
                None => from = to,
            }
        }
        if piece == 1 && !dropped_any {
            break;
        }
        piece = if dropped_any {
            piece
        } else {
            piece.div_ceil(2)
        };
        piece = piece.min(least.len().max(1));
    }
    // What is left is made simpler, part by part.
    let mut at = 0;
    while at < least.len() {
        let simpler = simpler(&least[at].command).into_iter().find_map(|command| {
            let mut candidate = least.clone();
            candidate[at].command = command;
            let found = differs(&candidate)?;
            // A difference that comes sooner is for the records before it to show.
            (found.step + 1 == candidate.len()).then_some((candidate, found))
        });
        match simpler {
            Some((candidate, found)) => (least, difference) = (candidate, found),
            None => at += 1,
        }
    }
    Some((least, difference))
}

/// The same command with one part less, for each of its parts.
fn simpler(command: &Command) -> Vec<Command> {
    let Command::Flight(key, FlightCommand::Provider(event)) = command else {
        return Vec::new();
    };
    let bodies = match &event.body {
        ProviderBody::Schedule(schedule) => simpler_schedules(schedule),
        ProviderBody::Equipment(equipment) => {
            let with = |cabins| Equipment {
                cabins,
                ..equipment.clone()
            };
            let all = simpler_cabins(&equipment.cabins).into_iter();
            all.map(|cabins| ProviderBody::Equipment(with(cabins)))
                .collect()
        }
        ProviderBody::TimeChange(times) => one_less(times, ProviderBody::TimeChange),
        ProviderBody::Fares(fares) => one_less(fares, ProviderBody::Fares),
        ProviderBody::Terms(terms) => one_less(terms, ProviderBody::Terms),
        ProviderBody::Acknowledge(ids) => one_less(ids, ProviderBody::Acknowledge),
        ProviderBody::Refuse(ids) => one_less(ids, ProviderBody::Refuse),
        _ => Vec::new(),
    };
    let with = |body| {
        let event = ProviderEvent {
            body,
            ..(**event).clone()
        };
        Command::Flight(*key, FlightCommand::Provider(Box::new(event)))
    };
    bodies.into_iter().map(with).collect()
}

/// The items without each one of the first few.
fn one_less<T: Clone, U>(items: &[T], with: impl Fn(Vec<T>) -> U) -> Vec<U> {
    let without = |at: usize| {
        let mut rest = items.to_vec();
        rest.remove(at);
        with(rest)
    };
    (0..items.len().min(30)).map(without).collect()
}

fn simpler_schedules(schedule: &Schedule) -> Vec<ProviderBody> {
    let mut all = one_less(&schedule.legs, |legs| Schedule {
        legs,
        ..schedule.clone()
    });
    all.extend(one_less(&schedule.restricted, |restricted| Schedule {
        restricted,
        ..schedule.clone()
    }));
    for (at, leg) in schedule.legs.iter().enumerate() {
        for cabins in simpler_cabins(&leg.cabins) {
            let mut simpler = schedule.clone();
            simpler.legs[at].cabins = cabins;
            all.push(simpler);
        }
    }
    all.into_iter().map(ProviderBody::Schedule).collect()
}

fn simpler_cabins(cabins: &[CabinPlan]) -> Vec<Vec<CabinPlan>> {
    let mut all = one_less(cabins, |cabins| cabins);
    for (at, cabin) in cabins.iter().enumerate() {
        for classes in one_less(&cabin.classes, |classes| classes) {
            let mut simpler = cabins.to_vec();
            simpler[at].classes = classes;
            all.push(simpler);
        }
    }
    all
}
