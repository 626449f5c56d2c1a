//! Random histories of everything that a stream can hold, small enough to collide all the time.

use flightline_dataflows::changelog::Record;
use flightline_dataflows::rows::Note;
use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, FeedCommand, FeedReject, Leg,
    LegTimes, Level, SaleStatus, Schedule, Settings, SourceVersion,
};
use flightline_ledger::{
    Cabin, Class, Command, CommandId, Currency, Date, FlightCommand, FlightKey, HoldRequest, Input,
    Money, ProviderBody, ProviderCode, ProviderEvent, Station,
};

use super::Dice;

const DAY_S: i64 = 86_400;
/// 2027-01-01.
const START_MS: i64 = 1_798_761_600_000;

/// A history over `partitions`, in one order that keeps each partition's offsets contiguous.
pub fn random(seed: u64, partitions: u32, records: usize) -> Vec<Record> {
    make(seed, partitions, records, false)
}

/// The same of many flights of which next to nothing is booked, while their providers stop and go on.
pub fn quiet(seed: u64, partitions: u32, records: usize) -> Vec<Record> {
    make(seed, partitions, records, true)
}

fn make(seed: u64, partitions: u32, records: usize, is_quiet: bool) -> Vec<Record> {
    let mut maker = Maker {
        dice: Dice(seed),
        is_busy: false,
        is_quiet,
        partitions,
        offsets: vec![0; partitions as usize],
        now_ms: START_MS,
        ids: 0,
        flights: Vec::new(),
        holds: Vec::new(),
        sent: Vec::new(),
    };
    maker.is_busy = maker.dice.one_in(2);
    let count = if is_quiet {
        maker.is_busy = false;
        100
    } else if maker.is_busy {
        1 + maker.dice.below(4)
    } else {
        6 + maker.dice.below(20)
    };
    for _ in 0..count {
        let flight = maker.flight();
        maker.flights.push(flight);
    }
    let mut out = Vec::with_capacity(records);
    while out.len() < records {
        let (partition, id, command) = maker.command();
        maker.now_ms += match maker.dice.below(100) {
            0..=2 => 20 * 60 * 1000,
            3 => 3 * 3600 * 1000,
            4 if maker.dice.one_in(8) => 2 * DAY_S * 1000,
            5 => -5_000,
            _ => maker.dice.below(3_000) as i64,
        };
        let offset = maker.offsets[partition as usize];
        maker.offsets[partition as usize] += 1;
        let note = maker.dice.one_in(3).then(|| {
            Box::new(Note {
                ref_text: Some(format!("ref-{partition}-{offset}").into()),
                actor: maker.dice.one_in(2).then(|| "desk".into()),
            })
        });
        out.push(Record {
            partition,
            input: Input {
                offset,
                at_ms: maker.now_ms,
                id,
                command,
            },
            note,
        });
    }
    out
}

struct Maker {
    dice: Dice,
    /// Few flights, full soon, of which much the same is asked: holds wait and get their turn.
    is_busy: bool,
    /// Many flights, of which little is heard and next to nothing booked.
    is_quiet: bool,
    partitions: u32,
    offsets: Vec<u64>,
    now_ms: i64,
    ids: u128,
    flights: Vec<FlightKey>,
    holds: Vec<(FlightKey, CommandId)>,
    sent: Vec<(CommandId, FlightKey, FlightCommand)>,
}

/// Where the stream of a flight lies.
pub fn partition_of(flight: &FlightKey, partitions: u32) -> u32 {
    let sum = flight.to_bytes().iter().fold(7_u32, |sum, b| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*b))
    });
    sum % partitions
}

fn station(code: &str) -> Station {
    code.parse().unwrap()
}

impl Maker {
    fn flight(&mut self) -> FlightKey {
        let carriers = ["UA", "B6", "9E"];
        FlightKey {
            carrier: self.dice.pick(&carriers).parse().unwrap(),
            number: 1 + self.dice.below(40) as u16,
            suffix: 0,
            origin_date: Date(20_820 + self.dice.below(5) as i32),
            board: station(self.dice.pick(&["EWR", "JFK"])),
        }
    }

    fn partition_of(&self, flight: &FlightKey) -> u32 {
        partition_of(flight, self.partitions)
    }

    fn command(&mut self) -> (u32, CommandId, Command) {
        self.ids += 1;
        let id = CommandId(self.ids);
        let any = self.dice.below(u64::from(self.partitions)) as u32;
        if self.is_quiet && self.dice.one_in(12) {
            return (any, id, self.feed());
        }
        match self.dice.below(100) {
            0 => return (any, id, Command::Tick),
            1 => return (any, id, Command::Fence),
            2 => return (any, id, self.reject()),
            3 if self.dice.one_in(8) => return (any, id, self.settings()),
            8 if self.dice.one_in(4) => return (any, id, self.feed()),
            // The same id again, with the same or other details.
            4..=7 if !self.sent.is_empty() => {
                let (id, flight, command) = self.dice.pick(&self.sent);
                let command = if self.dice.one_in(3) {
                    FlightCommand::Release { hold: id }
                } else {
                    command
                };
                return (
                    self.partition_of(&flight),
                    id,
                    Command::Flight(flight, command),
                );
            }
            _ => {}
        }
        if self.dice.one_in(40) {
            let flight = self.flight();
            self.flights.push(flight);
        }
        // Later flights are met more often: the first retire.
        let from = self.dice.below(self.flights.len() as u64);
        let flight = self.dice.pick(&self.flights[from as usize / 2..]);
        let events = match (self.is_quiet, self.is_busy) {
            (true, _) => 97,
            (_, true) => 9,
            (_, false) => 24,
        };
        let (flight, command) = match self.dice.below(100) {
            n if n <= events => (flight, self.provider_event(flight)),
            0..=60 => {
                let hold = self.hold(flight);
                self.holds.push((flight, id));
                (flight, FlightCommand::Hold(hold))
            }
            _ if self.holds.is_empty() => (flight, FlightCommand::Confirm { hold: id }),
            n => {
                let recent = self.holds.len().min(30) as u64;
                let at = self.holds.len() - 1 - self.dice.below(recent) as usize;
                let (flight, hold) = self.holds[at];
                let command = match n {
                    61..=80 => FlightCommand::Confirm { hold },
                    81..=90 => FlightCommand::Release { hold },
                    _ => FlightCommand::Cancel { hold },
                };
                (flight, command)
            }
        };
        self.sent.push((id, flight, command.clone()));
        if self.sent.len() > 50 {
            self.sent.remove(0);
        }
        (
            self.partition_of(&flight),
            id,
            Command::Flight(flight, command),
        )
    }

    fn reject(&mut self) -> Command {
        Command::FeedReject(Box::new(FeedReject {
            provider: self.provider(),
            message: "file.csv".to_owned(),
            line: self.dice.below(1000),
            code: "bad_time".to_owned(),
            reason: "2561 is no time".to_owned(),
            raw: vec![1, 2, 3],
        }))
    }

    fn feed(&mut self) -> Command {
        let command = match self.dice.below(5) {
            0 => FeedCommand::Stop,
            1 | 2 => FeedCommand::Resume,
            3 => FeedCommand::Heard { at_ms: self.now_ms },
            _ => FeedCommand::Configure {
                silence_max_ms: (!self.dice.one_in(3)).then(|| 1 + self.dice.below(60_000)),
            },
        };
        Command::Feed(self.provider(), Box::new(command))
    }

    fn settings(&mut self) -> Command {
        Command::Configure(Settings {
            hold_ttl_default_ms: 60_000 + self.dice.below(3_600_000),
            retire_after_ms: self.dice.below(4) * 86_400_000,
            ..Settings::default()
        })
    }

    fn provider(&mut self) -> ProviderCode {
        self.dice.pick(&["alpha", "beta", "gamma"]).parse().unwrap()
    }

    fn cabin(&mut self) -> Cabin {
        self.dice.pick(&["Y", "C"]).parse().unwrap()
    }

    fn class(&mut self) -> Class {
        self.dice.pick(&["Y", "B", "M"]).parse().unwrap()
    }

    fn maybe_class(&mut self) -> Option<Class> {
        self.dice.one_in(2).then(|| self.class())
    }

    fn hold(&mut self, flight: FlightKey) -> HoldRequest {
        let stops = ["EWR", "JFK", "IAH", "MIA", "BQN"];
        if self.is_busy && !self.dice.one_in(4) {
            return HoldRequest {
                provider: None,
                cabin: "Y".parse().unwrap(),
                class: None,
                board: None,
                off: None,
                seats: 1 + self.dice.below(3) as u16,
                ttl_ms: Some(1_000 + self.dice.below(600_000)),
                expected_price: None,
                wait_ms: Some(1_000 + self.dice.below(7_200_000)),
            };
        }
        HoldRequest {
            provider: self.dice.one_in(3).then(|| self.provider()),
            cabin: self.cabin(),
            class: self.dice.one_in(3).then(|| self.class()),
            board: self.dice.one_in(4).then_some(flight.board),
            off: self.dice.one_in(5).then(|| station(self.dice.pick(&stops))),
            seats: 1 + self.dice.below(4) as u16,
            ttl_ms: self
                .dice
                .one_in(3)
                .then(|| 1_000 + self.dice.below(7_200_000)),
            expected_price: None,
            wait_ms: self
                .dice
                .one_in(2)
                .then(|| 1_000 + self.dice.below(7_200_000)),
        }
    }

    fn provider_event(&mut self, flight: FlightKey) -> FlightCommand {
        let body = match self.dice.below(26) {
            0..=7 => ProviderBody::Schedule(self.schedule(flight)),
            8 => {
                let schedule = self.schedule(flight);
                ProviderBody::TimeChange(schedule.legs.iter().map(|leg| leg.times).collect())
            }
            9..=10 => ProviderBody::Equipment(Equipment {
                board: self.dice.one_in(3).then_some(flight.board),
                aircraft: *b"73H",
                cabins: self.cabins(),
            }),
            11..=13 => ProviderBody::Availability(self.availability(flight)),
            14..=18 => ProviderBody::Fares(self.fares()),
            19 => ProviderBody::Terms(vec![(self.cabin(), self.dice.below(4) as u16)]),
            20 => ProviderBody::Cancel,
            21..=23 => ProviderBody::Reinstate,
            24 => ProviderBody::Withdraw,
            _ => {
                let recent = self.holds.iter().rev().take(8).map(|(_, id)| *id);
                ProviderBody::Acknowledge(recent.collect())
            }
        };
        FlightCommand::Provider(Box::new(ProviderEvent {
            provider: self.provider(),
            version: SourceVersion {
                time_ms: self.now_ms - self.dice.below(4) as i64 * 1_000,
                group: self.dice.below(3) as u32,
                sequence: 0,
            },
            authority: self.dice.below(3) as u8,
            quality: self.dice.below(4) as u32,
            body,
        }))
    }

    fn schedule(&mut self, flight: FlightKey) -> Schedule {
        let home = flight.board.to_string();
        let path: &[&str] = match self.dice.below(6) {
            // Out, back, and out again: two stations that name several segments.
            3 => &["IAH", &home, "IAH"],
            0 => &["IAH", "MIA"],
            1 => &["MIA", "BQN", "IAH"],
            2 => &["MIA"],
            _ => &["IAH"],
        };
        let mut board = flight.board;
        let mut at = i64::from(flight.origin_date.0) * DAY_S
            + 5 * 3600
            + (5 + self.dice.below(18) as i64) * 3600;
        let mut legs = Vec::new();
        for off in path {
            let off = station(off);
            let arrives = at + 7_200;
            legs.push(Leg {
                board,
                off,
                times: LegTimes {
                    board,
                    departs_s: at,
                    arrives_s: arrives,
                    departs_offset_min: -300,
                    arrives_offset_min: -360,
                },
                aircraft: *b"320",
                service: b'J',
                cabins: self.cabins(),
            });
            at = arrives + 3_000;
            board = off;
        }
        let restricted = if self.dice.one_in(6) && legs.len() > 1 {
            vec![(legs[1].board, legs[1].off)]
        } else {
            Vec::new()
        };
        let operating = self.dice.one_in(25).then_some(FlightKey {
            number: 99,
            ..flight
        });
        Schedule {
            legs,
            restricted,
            operating,
        }
    }

    fn cabins(&mut self) -> Vec<CabinPlan> {
        let mut cabins = vec![CabinPlan {
            cabin: "Y".parse().unwrap(),
            seats: (!self.dice.one_in(8)).then(|| 1 + self.dice.below(20) as u16),
            authorised: self.dice.one_in(4).then(|| self.dice.below(14) as u16),
            classes: Vec::new(),
        }];
        if self.dice.one_in(2) {
            cabins[0].classes = ["Y", "B", "M"]
                .iter()
                .map(|class| ClassPlan {
                    class: class.parse().unwrap(),
                    limit: self.dice.one_in(2).then(|| self.dice.below(9) as u16),
                })
                .collect();
        }
        if self.dice.one_in(2) {
            cabins.push(CabinPlan {
                cabin: "C".parse().unwrap(),
                seats: Some(self.dice.below(6) as u16),
                authorised: None,
                classes: Vec::new(),
            });
        }
        cabins
    }

    fn availability(&mut self, flight: FlightKey) -> Availability {
        let level = match self.dice.below(4) {
            0 => Level::Leg(flight.board),
            1 => Level::Segment(flight.board, station("IAH")),
            _ => Level::Flight,
        };
        let statuses = [
            SaleStatus::Open,
            SaleStatus::Open,
            SaleStatus::Open,
            SaleStatus::Closed,
            SaleStatus::Request,
        ];
        let cabin = (!self.dice.one_in(5)).then(|| self.cabin());
        Availability {
            level,
            cabin,
            class: self.maybe_class(),
            status: self.dice.pick(&statuses),
            seats: (!self.dice.one_in(4)).then(|| self.dice.below(14) as i32 - 2),
            is_floor: self.dice.one_in(5),
            counts: if self.dice.one_in(2) {
                Counts::Total
            } else {
                Counts::Remaining
            },
            expires_ms: self
                .dice
                .one_in(8)
                .then(|| self.now_ms + self.dice.below(120_000) as i64),
        }
    }

    fn fares(&mut self) -> Vec<Fare> {
        let count = 1 + self.dice.below(3);
        (0..count)
            .map(|_| {
                let (currency, exponent): (&str, u8) =
                    self.dice
                        .pick(&[("USD", 2), ("USD", 2), ("EUR", 2), ("USD", 3)]);
                let currency: Currency = currency.parse().unwrap();
                // Some name stations, of which some are no segment of the flight.
                let stations = ["EWR", "JFK", "IAH"];
                let segment = self.dice.one_in(8).then(|| {
                    let two = [self.dice.pick(&stations), self.dice.pick(&stations)];
                    (station(two[0]), station(two[1]))
                });
                Fare {
                    segment,
                    cabin: self.cabin(),
                    class: self.maybe_class(),
                    price: Money {
                        minor: 9_000 + 500 * self.dice.below(6) as i64,
                        currency,
                        exponent,
                    },
                }
            })
            .collect()
    }
}
