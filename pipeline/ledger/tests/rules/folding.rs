//! The fold: the same in any cut, and nothing that is said can break it.

use flightline_ledger::command::{Availability, Counts, SaleStatus, Settings};
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, Input, Ledger, ProviderBody, Silent,
};

use crate::support::*;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Records of several flights with every kind of command, some of them nonsense.
fn history(seed: u64, length: u64) -> Vec<Input> {
    let mut random = Random(seed);
    let mut at_ms = 1_000;
    (0..length)
        .map(|offset| {
            at_ms += random.below(400) as i64 - 20;
            let number = random.below(5);
            let flight: FlightKey = format!("UA{}.2033-05-18.AAA", number + 1).parse().unwrap();
            let name = CommandId(random.below(length).into());
            let earlier = CommandId(random.below(length).into());
            let from = ["own", "two", "three"][random.below(3) as usize];
            let version = random.below(100) as i64;
            let seats = random.below(30) as u16;
            let route = ["AAA-BBB", "AAA-BBB-CCC", "AAA-CCC-BBB"][random.below(3) as usize];
            let nest = [('Y', None), ('B', Some(seats)), ('Q', Some(seats / 2))];
            let mut of = || [None, Some(class('Y')), Some(class('Q'))][random.below(3) as usize];
            let class = of();
            let counts = [Counts::Total, Counts::Remaining][random.below(2) as usize];
            let body = match random.below(60) {
                0..6 => ProviderBody::Schedule(schedule(route, &[plan('Y', seats, &nest)])),
                6 => ProviderBody::Cancel,
                7 => ProviderBody::Reinstate,
                8 => ProviderBody::Withdraw,
                9..14 => available(Availability {
                    class,
                    ..count('Y', counts, seats.into())
                }),
                14 => available(Availability {
                    class,
                    ..status('Y', SaleStatus::Closed)
                }),
                15 => ProviderBody::Terms(vec![(cabin('Y'), seats / 4)]),
                16 => ProviderBody::Fares(vec![fare('Y', None, seats.into())]),
                17..20 => ProviderBody::Acknowledge(vec![earlier]),
                pick => {
                    let hold = earlier;
                    let command = match pick % 4 {
                        0 => FlightCommand::Confirm { hold },
                        1 => FlightCommand::Release { hold },
                        2 => FlightCommand::Cancel { hold },
                        _ => FlightCommand::Hold(HoldRequest {
                            provider: (version % 2 == 0).then(|| provider(from)),
                            class,
                            ttl_ms: Some(random.below(20_000)),
                            ..ask(seats / 6)
                        }),
                    };
                    let command = match pick {
                        58 => Command::Tick,
                        59 => Command::Configure(Settings {
                            hold_ttl_max_ms: 5_000 + random.below(20_000),
                            ..Settings::default()
                        }),
                        _ => Command::Flight(flight, command),
                    };
                    return Input {
                        offset,
                        at_ms,
                        id: name,
                        command,
                    };
                }
            };
            let command = event(random.below(3) as u8, from, version, body);
            Input {
                offset,
                at_ms,
                id: name,
                command: Command::Flight(flight, command),
            }
        })
        .collect()
}

#[test]
fn batches_of_any_size_fold_alike() {
    for seed in 0..20 {
        let records = history(seed, 600);
        let mut single = Ledger::new();
        let mut decisions = Vec::new();
        for record in &records {
            decisions.push(single.apply(record, &mut Silent));
            single.check_invariants();
        }
        for size in [1, 2, 7, 31, 33, 600] {
            #[derive(Default)]
            struct Decisions(Vec<flightline_ledger::Decision>);
            impl flightline_ledger::Observer for Decisions {
                fn decided(&mut self, _: &Input, decision: &flightline_ledger::Decision) {
                    self.0.push(*decision);
                }
            }
            let mut batched = Ledger::new();
            // Of five flights.
            batched.keep_unpacked(1 + size % 3);
            let mut heard = Decisions::default();
            for batch in records.chunks(size) {
                batched.apply_batch(batch, &mut heard);
                batched.check_invariants();
            }
            assert_eq!(heard.0, decisions, "seed {seed}, batches of {size}");
            assert_eq!(batched.hash_state(), single.hash_state());
        }
    }
}

#[test]
fn a_copy_at_any_point_goes_on_alike() {
    let records = history(99, 400);
    let mut ledger = Ledger::new();
    ledger.keep_unpacked(2);
    let mut copies = Vec::new();
    for record in &records {
        copies.push(ledger.clone());
        ledger.apply(record, &mut Silent);
    }
    for (at, mut copy) in copies.into_iter().enumerate() {
        copy.apply_batch(&records[at..], &mut Silent);
        assert_eq!(
            copy.hash_state(),
            ledger.hash_state(),
            "copied before record {at}"
        );
    }
}

#[test]
fn every_record_changes_the_digest_or_nothing() {
    let records = history(5, 400);
    let mut ledger = Ledger::new();
    let mut last = ledger.hash_state();
    for record in &records {
        let clock = ledger.clock_ms();
        let decision = ledger.apply(record, &mut Silent);
        let now = ledger.hash_state();
        let is_first = decision.replay == flightline_ledger::Replay::First;
        let remembered = is_first
            && ledger.find(&decision.flight).is_some()
            && !matches!(record.command, Command::Tick | Command::Configure(_));
        if remembered || ledger.clock_ms() != clock {
            assert_ne!(now, last, "{record:?}");
        }
        last = now;
    }
}

#[test]
fn flight_indices_are_given_once_and_in_order() {
    let mut world = World::empty();
    for number in 1..=20 {
        let key: FlightKey = format!("UA{number}.2033-05-18.AAA").parse().unwrap();
        let body = ProviderBody::Schedule(schedule("AAA-BBB", &[]));
        world.about(key, "s", event(1, "own", 1, body));
        assert_eq!(world.ledger.find(&key), Some(number - 1));
    }
    world.tick(i64::MAX);
    let again: FlightKey = "UA99.2033-05-18.AAA".parse().unwrap();
    let body = ProviderBody::Schedule(schedule("AAA-BBB", &[]));
    world.about(again, "s", event(1, "own", 1, body));
    assert_eq!(world.ledger.find(&again), Some(20));
    assert_eq!(world.ledger.flights_ever(), 21);
}
