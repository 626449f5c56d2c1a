//! Any sequence of commands: the ledger never panics, its invariants hold after every record, and
//! batches of any size fold to the same answers and the same state as record by record.
//!
//! `cargo install cargo-fuzz`, then in `pipeline/ledger`:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none apply -- -max_total_time=60`

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, Leg, LegTimes, Level, Reseat,
    SaleStatus, Schedule, Settings, SourceVersion,
};
use flightline_ledger::{
    Cabin, Class, Command, CommandId, Date, Decision, FlightCommand, FlightKey, HoldRequest, Input,
    Ledger, Money, Observer, ProviderBody, ProviderCode, ProviderEvent, Silent, Station,
};
use libfuzzer_sys::fuzz_target;

type Result<T> = arbitrary::Result<T>;

/// Departure of the first leg, in seconds.
const DEPARTS_S: i64 = 2_000_000;

/// Few of everything, so that commands meet; hostile values now and then.
struct Maker<'a, 'b>(&'b mut Unstructured<'a>);

impl Maker<'_, '_> {
    fn one_of<T: Copy>(&mut self, of: &[T]) -> Result<T> {
        self.0.choose(of).copied()
    }

    fn chance(&mut self, one_in: u8) -> Result<bool> {
        Ok(self.0.int_in_range(1..=one_in)? == 1)
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.chance(2)? {
            make(self).map(Some)
        } else {
            Ok(None)
        }
    }

    fn many<T>(
        &mut self,
        most: u8,
        mut make: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = self.0.int_in_range(0..=most)?;
        (0..count).map(|_| make(self)).collect()
    }

    fn id(&mut self) -> Result<CommandId> {
        if self.chance(20)? {
            return Ok(CommandId(self.0.arbitrary()?));
        }
        Ok(CommandId(
            u128::from(self.0.arbitrary::<u8>()?) << self.one_of(&[0, 64])?,
        ))
    }

    fn station(&mut self) -> Result<Station> {
        Ok(self
            .one_of(&["AAA", "BBB", "CCC", "DDD"])?
            .parse()
            .expect("a station"))
    }

    fn cabin(&mut self) -> Result<Cabin> {
        Ok(Cabin::new(self.one_of(b"YYYCW")?).expect("a cabin"))
    }

    fn class(&mut self) -> Result<Class> {
        Ok(Class::new(self.one_of(b"YBQK")?).expect("a class"))
    }

    fn provider(&mut self) -> Result<ProviderCode> {
        Ok(self
            .one_of(&["own", "two", "three"])?
            .parse()
            .expect("a provider"))
    }

    fn key(&mut self) -> Result<FlightKey> {
        Ok(FlightKey {
            carrier: "UA".parse().expect("a carrier"),
            number: self.one_of(&[1, 1, 1, 2])?,
            suffix: 0,
            origin_date: Date(23),
            board: "AAA".parse().expect("a station"),
        })
    }

    fn seats(&mut self) -> Result<u16> {
        if self.chance(30)? {
            self.0.arbitrary()
        } else {
            self.0.int_in_range(0..=12)
        }
    }

    fn money(&mut self) -> Result<Money> {
        Ok(Money {
            minor: if self.chance(20)? {
                self.0.arbitrary()?
            } else {
                self.0.int_in_range(0..=3)?
            },
            currency: self.one_of(&["USD", "EUR"])?.parse().expect("a currency"),
            exponent: if self.chance(30)? {
                self.0.arbitrary()?
            } else {
                2
            },
        })
    }

    fn times(&mut self, board: Station, at: i64) -> Result<LegTimes> {
        let departs_s = if self.chance(40)? {
            self.0.arbitrary()?
        } else {
            DEPARTS_S + at * 7200 + i64::from(self.0.arbitrary::<u8>()?)
        };
        Ok(LegTimes {
            board,
            departs_s,
            arrives_s: departs_s.saturating_add(3600),
            departs_offset_min: self.0.arbitrary()?,
            arrives_offset_min: 0,
        })
    }

    fn cabins(&mut self) -> Result<Vec<CabinPlan>> {
        self.many(2, |m| {
            Ok(CabinPlan {
                cabin: m.cabin()?,
                seats: m.maybe(Self::seats)?,
                authorised: m.maybe(Self::seats)?,
                classes: m.many(3, |m| {
                    Ok(ClassPlan {
                        class: m.class()?,
                        limit: m.maybe(Self::seats)?,
                    })
                })?,
            })
        })
    }

    fn schedule(&mut self) -> Result<Schedule> {
        const ROUTES: [&[&str]; 7] = [
            &["AAA", "BBB"],
            &["AAA", "BBB", "CCC"],
            &["AAA", "CCC"],
            &["AAA", "BBB", "AAA"],
            &["AAA", "BBB", "AAA", "BBB"],
            &["AAA", "CCC", "BBB", "DDD"],
            &["AAA"],
        ];
        let route = self.one_of(&ROUTES)?;
        let mut legs = Vec::new();
        for (pair, at) in route.windows(2).zip(0..) {
            let board: Station = pair[0].parse().expect("a station");
            legs.push(Leg {
                board,
                off: if self.chance(50)? {
                    self.station()?
                } else {
                    pair[1].parse().expect("a station")
                },
                times: self.times(board, at)?,
                aircraft: *b"320",
                service: b'J',
                cabins: self.cabins()?,
            });
        }
        let restricted = if self.chance(6)? {
            self.many(2, |m| Ok((m.station()?, m.station()?)))?
        } else {
            Vec::new()
        };
        Ok(Schedule {
            legs,
            restricted,
            operating: if self.chance(20)? {
                Some(self.key()?)
            } else {
                None
            },
        })
    }

    fn availability(&mut self) -> Result<Availability> {
        use SaleStatus::{Closed, NotOperating, Open, Request, WaitlistOpen};
        let level = match self.0.int_in_range(0..=3)? {
            0 => Level::Leg(self.station()?),
            1 => Level::Segment(self.station()?, self.station()?),
            _ => Level::Flight,
        };
        Ok(Availability {
            level,
            cabin: self.maybe(Self::cabin)?,
            class: self.maybe(Self::class)?,
            status: self.one_of(&[
                Open,
                Open,
                Open,
                Request,
                WaitlistOpen,
                Closed,
                NotOperating,
            ])?,
            seats: if self.chance(30)? {
                Some(self.0.arbitrary()?)
            } else {
                self.maybe(|m| m.0.int_in_range(-5..=15))?
            },
            is_floor: self.0.arbitrary()?,
            counts: self.one_of(&[Counts::Total, Counts::Remaining])?,
            expires_ms: self.maybe(|m| m.0.int_in_range(0..=20_000))?,
        })
    }

    fn event(&mut self) -> Result<ProviderEvent> {
        let body = match self.0.int_in_range(0..=14)? {
            0..=2 => ProviderBody::Schedule(self.schedule()?),
            3 => ProviderBody::TimeChange(self.many(2, |m| {
                let board = m.station()?;
                m.times(board, 0)
            })?),
            4 => ProviderBody::Equipment(Equipment {
                board: self.maybe(Self::station)?,
                aircraft: *b"738",
                cabins: self.cabins()?,
            }),
            5..=7 => ProviderBody::Availability(self.availability()?),
            8 => ProviderBody::Fares(self.many(3, |m| {
                Ok(Fare {
                    segment: m.maybe(|m| Ok((m.station()?, m.station()?)))?,
                    cabin: m.cabin()?,
                    class: m.maybe(Self::class)?,
                    price: m.money()?,
                })
            })?),
            9 => ProviderBody::Terms(self.many(2, |m| Ok((m.cabin()?, m.seats()?)))?),
            10 => ProviderBody::Acknowledge(self.many(4, Self::id)?),
            11 => ProviderBody::Reinstate,
            12 => ProviderBody::Cancel,
            13 => ProviderBody::Refuse(self.many(4, Self::id)?),
            _ => ProviderBody::Withdraw,
        };
        Ok(ProviderEvent {
            provider: self.provider()?,
            version: SourceVersion {
                time_ms: self.0.int_in_range(0..=20)?,
                group: 0,
                sequence: self.0.int_in_range(0..=1)?,
            },
            authority: self.0.int_in_range(0..=3)?,
            quality: 0,
            body,
        })
    }

    fn hold(&mut self) -> Result<HoldRequest> {
        Ok(HoldRequest {
            provider: self.maybe(Self::provider)?,
            cabin: self.cabin()?,
            class: self.maybe(Self::class)?,
            board: self.maybe(Self::station)?,
            off: self.maybe(Self::station)?,
            seats: if self.chance(10)? {
                self.seats()?
            } else {
                self.0.int_in_range(1..=3)?
            },
            ttl_ms: self.maybe(|m| {
                if m.chance(10)? {
                    m.0.arbitrary()
                } else {
                    m.0.int_in_range(1..=9000)
                }
            })?,
            expected_price: if self.chance(8)? {
                Some(self.money()?)
            } else {
                None
            },
            wait_ms: if self.chance(3)? {
                Some(self.0.int_in_range(0..=9000)?)
            } else {
                None
            },
        })
    }

    fn settings(&mut self) -> Result<Settings> {
        if self.chance(3)? {
            return Ok(Settings::default());
        }
        Ok(Settings {
            hold_ttl_default_ms: self.0.arbitrary()?,
            hold_ttl_max_ms: self.0.arbitrary()?,
            close_before_departure_ms: self.0.arbitrary()?,
            retire_after_ms: self.0.arbitrary()?,
        })
    }

    fn command(&mut self) -> Result<Command> {
        let kind = self.0.int_in_range(0..=40)?;
        let command = match kind {
            0 => return Ok(Command::Tick),
            1 => return Ok(Command::Configure(self.settings()?)),
            2..=16 => FlightCommand::Hold(self.hold()?),
            17..=22 => FlightCommand::Confirm { hold: self.id()? },
            23..=24 => FlightCommand::Release { hold: self.id()? },
            25..=27 => FlightCommand::Cancel { hold: self.id()? },
            28 => FlightCommand::Reseat(Reseat {
                hold: self.id()?,
                ttl_ms: self.0.int_in_range(0..=9000)?,
                price_max: self.money()?,
            }),
            _ => FlightCommand::Provider(Box::new(self.event()?)),
        };
        Ok(Command::Flight(self.key()?, command))
    }
}

#[derive(Debug)]
struct History {
    records: Vec<Input>,
    batch: usize,
}

impl<'a> Arbitrary<'a> for History {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let batch = u.int_in_range(1..=70)?;
        let mut records = Vec::new();
        let mut at_ms = 0_i64;
        while !u.is_empty() && records.len() < 300 {
            let mut maker = Maker(u);
            at_ms = match maker.0.int_in_range(0..=60)? {
                0 => maker.0.arbitrary()?,
                1 => at_ms.saturating_add(i64::from(maker.0.arbitrary::<u32>()?)),
                steps => at_ms.saturating_add(steps * 10),
            };
            let id = maker.id()?;
            let command = maker.command()?;
            let offset = records.len() as u64;
            records.push(Input {
                offset,
                at_ms,
                id,
                command,
            });
        }
        Ok(History { records, batch })
    }
}

#[derive(Default)]
struct Decisions(Vec<Decision>);

impl Observer for Decisions {
    fn decided(&mut self, _: &Input, decision: &Decision) {
        self.0.push(*decision);
    }
}

fuzz_target!(|history: History| {
    let mut ledger = Ledger::new();
    let mut decisions = Vec::new();
    for record in &history.records {
        decisions.push(ledger.apply(record, &mut Silent));
        ledger.check_invariants();
        for (_, flight) in ledger.flights() {
            // Reading never panics either.
            let _ = (
                flight.offers().count(),
                flight.inventory().count(),
                flight.drift().count(),
            );
        }
    }
    let mut batched = Ledger::new();
    batched.keep_unpacked(1);
    let mut heard = Decisions::default();
    for batch in history.records.chunks(history.batch) {
        batched.apply_batch(batch, &mut heard);
    }
    assert_eq!(heard.0, decisions);
    assert_eq!(batched.hash_state(), ledger.hash_state());
});
