//! Commands of every kind from a seed: usual ones and hostile ones.

use flightline_ledger::codes::{Cabin, Class, Currency, Date, Money};
use flightline_ledger::command::{
    Availability, CabinPlan, ClassPlan, Counts, Equipment, Fare, FeedCommand, FeedReject, Leg,
    LegTimes, Level, Numbered, Replaced, Reseat, SaleStatus, Schedule, Series, Settings,
    SourceVersion, UnplacedReport,
};
use flightline_ledger::order::{
    CreateOrder, EffectId, EffectResult, FlightChange, FlightNotice, Metadata, OfferRequestId,
    OrderAction, OrderId, OrderSettings, Payment, QuoteId, RefundTerms, SegmentRequest, Terms,
};
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, ProviderBody, ProviderCode,
    ProviderEvent, Reason, Station,
};

/// A stream of commands that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub struct Sampler(u64);

impl Sampler {
    /// How many kinds of commands there are.
    pub const KINDS: u64 = 37;

    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// An id.
    pub fn id(&mut self) -> CommandId {
        CommandId(u128::from(self.bits()) << 64 | u128::from(self.bits()))
    }

    /// A command of any kind.
    pub fn command(&mut self) -> Command {
        let kind = self.below(Self::KINDS);
        self.command_of(kind)
    }

    /// A command of one kind, 0 to [`Sampler::KINDS`] less one.
    ///
    /// # Panics
    /// When there is no such kind.
    pub fn command_of(&mut self, kind: u64) -> Command {
        let flight = match kind {
            0 => return Command::Tick,
            1 => return Command::Fence,
            2 => {
                return Command::Configure(Settings {
                    hold_ttl_default_ms: self.number(),
                    hold_ttl_max_ms: self.number(),
                    close_before_departure_ms: self.number(),
                    retire_after_ms: self.number(),
                });
            }
            3 => return Command::FeedReject(Box::new(self.reject())),
            4 => FlightCommand::Hold(self.hold()),
            5 => FlightCommand::Confirm { hold: self.id() },
            6 => FlightCommand::Release { hold: self.id() },
            7 => FlightCommand::Cancel { hold: self.id() },
            18 => return Command::ConfigureOrders(Box::new(self.order_settings())),
            34 => FlightCommand::Reseat(Reseat {
                hold: self.id(),
                ttl_ms: self.number(),
                price_max: self.money(),
            }),
            35 => {
                let body = self.body(10);
                FlightCommand::Provider(Box::new(self.event(body)))
            }
            28.. => {
                let provider = self.provider();
                let command = self.feed_command(kind - 28, provider);
                return Command::Feed(provider, Box::new(command));
            }
            19.. => {
                let id = OrderId(self.id().0);
                return Command::Order(id, Box::new(self.order_action(kind - 19)));
            }
            _ => {
                let body = self.body(kind - 8);
                FlightCommand::Provider(Box::new(self.event(body)))
            }
        };
        Command::Flight(self.flight(), flight)
    }

    /// Small, large, or at an edge.
    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(300),
            1 => self.below(1 << 40),
            2 => [0, 127, 128, u64::MAX - 1, u64::MAX][self.below(5) as usize],
            _ => self.bits(),
        }
    }

    fn signed(&mut self) -> i64 {
        match self.below(3) {
            0 => [0, -1, 1, i64::MIN, i64::MAX][self.below(5) as usize],
            1 => self.below(4_000_000_000) as i64,
            _ => self.bits() as i64,
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn list<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    fn letter(&mut self) -> u8 {
        b'A' + self.below(26) as u8
    }

    fn letters(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(self.letter())).collect()
    }

    fn parsed<T: std::str::FromStr>(text: &str) -> T {
        match text.parse() {
            Ok(value) => value,
            Err(_) => panic!("{text} is made to be one"),
        }
    }

    /// A station.
    pub fn station(&mut self) -> Station {
        Self::parsed(&self.letters(3))
    }

    fn cabin(&mut self) -> Cabin {
        Self::parsed(&self.letters(1))
    }

    fn class(&mut self) -> Class {
        Self::parsed(&self.letters(1))
    }

    /// A provider.
    pub fn provider(&mut self) -> ProviderCode {
        let len = 1 + self.below(16) as usize;
        Self::parsed(&self.letters(len).to_lowercase())
    }

    fn money(&mut self) -> Money {
        Money {
            minor: self.signed(),
            currency: Self::parsed::<Currency>(&self.letters(3)),
            exponent: self.below(256) as u8,
        }
    }

    /// A flight.
    pub fn flight(&mut self) -> FlightKey {
        let carrier = match self.below(3) {
            0 => "9E".to_owned(),
            1 => self.letters(2),
            _ => self.letters(3),
        };
        let first = Date::from_ymd(1900, 1, 1).map_or(0, |d| d.0);
        let last = Date::from_ymd(2999, 12, 31).map_or(0, |d| d.0);
        FlightKey {
            carrier: Self::parsed(&carrier),
            number: 1 + self.below(9999) as u16,
            suffix: self.maybe(Self::letter).unwrap_or(0),
            origin_date: Date(first + self.below((last - first + 1) as u64) as i32),
            board: self.station(),
        }
    }

    /// A hold request.
    pub fn hold(&mut self) -> HoldRequest {
        HoldRequest {
            provider: self.maybe(Self::provider),
            cabin: self.cabin(),
            class: self.maybe(Self::class),
            board: self.maybe(Self::station),
            off: self.maybe(Self::station),
            seats: self.bits() as u16,
            ttl_ms: self.maybe(Self::number),
            expected_price: self.maybe(Self::money),
            wait_ms: self.maybe(Self::number),
        }
    }

    fn text(&mut self) -> String {
        let word = ["", "bad_time", "línea 3: ¿qué?", "a\0b\n", "時刻"];
        word[self.below(5) as usize].to_owned()
    }

    fn reject(&mut self) -> FeedReject {
        FeedReject {
            provider: self.provider(),
            message: self.text(),
            line: self.number(),
            code: self.text(),
            reason: self.text(),
            raw: self.list(300, |s| s.bits() as u8),
        }
    }

    fn feed_command(&mut self, kind: u64, provider: ProviderCode) -> FeedCommand {
        match kind {
            0 => FeedCommand::Configure {
                silence_max_ms: self.maybe(Self::number).filter(|ms| *ms < u64::MAX),
            },
            1 => FeedCommand::Heard {
                at_ms: self.signed(),
            },
            2 => FeedCommand::Stop,
            3 => FeedCommand::Resume,
            4 => {
                let flight = self.flight();
                let body = self.below(11);
                let body = self.body(body);
                FeedCommand::Unplaced(Box::new(UnplacedReport {
                    carrier: flight.carrier,
                    number: flight.number,
                    suffix: flight.suffix,
                    date: flight.origin_date,
                    utc: self.below(2) == 0,
                    but: self.maybe(Self::station),
                    event: ProviderEvent {
                        provider,
                        ..self.event(body)
                    },
                }))
            }
            8 => FeedCommand::Numbered(Numbered {
                series: match self.below(2) {
                    0 => Series::Ssm,
                    _ => Series::Asm,
                },
                day: Date(self.bits() as i32),
                group: self.bits() as u32,
                number: self.bits() as u32,
                is_last: self.below(2) == 0,
            }),
            _ => FeedCommand::Replaced(Replaced {
                version: SourceVersion {
                    time_ms: self.signed(),
                    group: self.bits() as u32,
                    sequence: self.bits() as u32,
                },
                carrier: self.maybe(|s| s.flight().carrier),
                from: Date(self.bits() as i32),
                to: Date(self.bits() as i32),
            }),
        }
    }

    fn event(&mut self, body: ProviderBody) -> ProviderEvent {
        ProviderEvent {
            provider: self.provider(),
            version: SourceVersion {
                time_ms: self.signed(),
                group: self.bits() as u32,
                sequence: self.below(200) as u32,
            },
            authority: self.bits() as u8,
            quality: self.bits() as u32,
            body,
        }
    }

    fn body(&mut self, kind: u64) -> ProviderBody {
        match kind {
            0 => ProviderBody::Schedule(Schedule {
                legs: self.list(4, Self::leg),
                restricted: self.list(3, |s| (s.station(), s.station())),
                operating: self.maybe(Self::flight),
            }),
            1 => ProviderBody::TimeChange(self.list(4, Self::times)),
            2 => ProviderBody::Equipment(Equipment {
                board: self.maybe(Self::station),
                aircraft: *b"73H",
                cabins: self.list(4, Self::cabin_plan),
            }),
            3 => ProviderBody::Availability(self.availability()),
            4 => ProviderBody::Fares(self.list(5, |s| Fare {
                segment: s.maybe(|s| (s.station(), s.station())),
                cabin: s.cabin(),
                class: s.maybe(Self::class),
                price: s.money(),
            })),
            5 => ProviderBody::Terms(self.list(5, |s| (s.cabin(), s.bits() as u16))),
            6 => ProviderBody::Cancel,
            7 => ProviderBody::Reinstate,
            8 => ProviderBody::Withdraw,
            9 => ProviderBody::Acknowledge(self.list(60, Self::id)),
            10 => ProviderBody::Refuse(self.list(60, Self::id)),
            other => panic!("there is no kind {other}"),
        }
    }

    fn order_settings(&mut self) -> OrderSettings {
        OrderSettings {
            instant_hold_ms: self.number(),
            pay_by_max_ms: self.number(),
            pay_grace_ms: self.number(),
            quote_ms: self.number(),
            ask_again_first_ms: self.number(),
            ask_again_max_ms: self.number(),
            claim_max_ms: self.number(),
            retire_after_ms: self.number(),
            place_within_ms: [900_000, 0, self.number()][self.below(3) as usize],
            outward: {
                let mut all = self.list(3, Self::provider);
                all.sort_unstable();
                all.dedup();
                all
            },
        }
    }

    fn order_action(&mut self, kind: u64) -> OrderAction {
        match kind {
            0 => OrderAction::Create(Box::new(self.create_order())),
            1 => OrderAction::Pay(Payment {
                amount: self.money(),
                method: self.text().into(),
            }),
            2 => OrderAction::QuoteCancel,
            3 => OrderAction::ConfirmCancel {
                quote: QuoteId(self.id().0),
            },
            4 => OrderAction::SetMetadata(self.metadata()),
            5 => OrderAction::AcceptChanges,
            6 => OrderAction::EffectDone {
                effect: EffectId(self.id().0),
                result: self.effect_result(),
            },
            7 => OrderAction::Claim {
                effect: EffectId(self.id().0),
                replica: self.bits(),
                until_ms: self.signed(),
            },
            8 => OrderAction::FlightChanged(FlightNotice {
                flight: self.flight(),
                offset: self.number(),
                change: match self.below(3) {
                    0 => FlightChange::Cancelled,
                    1 => FlightChange::Displaced { hold: self.id() },
                    _ => FlightChange::Times {
                        board: self.station(),
                        departs_ms: self.signed(),
                    },
                },
            }),
            other => panic!("there is no kind {other} of orders"),
        }
    }

    fn create_order(&mut self) -> CreateOrder {
        CreateOrder {
            offer_request: OfferRequestId(self.id().0),
            offer: self.text().into(),
            client: self.text().into(),
            terms: match self.below(2) {
                0 => Terms::Instant {
                    method: self.text().into(),
                },
                _ => Terms::Hold {
                    pay_by_ms: self.number(),
                },
            },
            wait_ms: self.maybe(Self::number),
            slices: self.list(3, |s| {
                s.list(3, |s| SegmentRequest {
                    flight: s.flight(),
                    provider: s.maybe(Self::provider),
                    cabin: s.cabin(),
                    class: s.maybe(Self::class),
                    board: s.maybe(Self::station),
                    off: s.maybe(Self::station),
                    seats: s.bits() as u16,
                    price: s.money(),
                    departs_ms: s.signed(),
                })
            }),
            passengers: self.bits() as u16,
            sealed: self.text().into(),
            total: self.money(),
            refund: match self.below(3) {
                0 => RefundTerms::Full,
                1 => RefundTerms::Penalty(self.signed()),
                _ => RefundTerms::Nothing,
            },
            metadata: self.metadata(),
        }
    }

    fn metadata(&mut self) -> Metadata {
        self.list(3, |s| (s.text().into(), s.text().into()))
    }

    fn effect_result(&mut self) -> EffectResult {
        match self.below(19) {
            16 => EffectResult::Placed {
                reference: self.text().into(),
            },
            17 => EffectResult::Noted,
            18 => EffectResult::Withdrawn,
            15 => EffectResult::Waiting {
                deadline_ms: self.signed(),
            },
            0 => EffectResult::Held {
                provider: self.provider(),
                deadline_ms: self.signed(),
                offset: self.number(),
            },
            1 => EffectResult::Confirmed,
            2 => EffectResult::Released,
            3 => EffectResult::Cancelled,
            4 => EffectResult::Refused(Reason::SoldOut {
                available: self.bits() as u16,
            }),
            5 => EffectResult::Refused(Reason::PriceChanged {
                now: self.maybe(Self::money),
            }),
            6 => EffectResult::Refused(Reason::Displaced),
            7 => EffectResult::Authorised {
                reference: self.text().into(),
            },
            8 => EffectResult::Declined {
                code: self.text().into(),
            },
            9 => EffectResult::Captured,
            10 => EffectResult::Voided,
            11 => EffectResult::Refunded,
            12 => EffectResult::Ticketed {
                number: self.text().into(),
            },
            13 => EffectResult::Failed {
                code: self.text().into(),
            },
            _ => EffectResult::Unknown,
        }
    }

    fn leg(&mut self) -> Leg {
        Leg {
            board: self.station(),
            off: self.station(),
            times: self.times(),
            aircraft: [self.letter(), 0, self.bits() as u8],
            service: self.bits() as u8,
            cabins: self.list(3, Self::cabin_plan),
        }
    }

    fn times(&mut self) -> LegTimes {
        LegTimes {
            board: self.station(),
            departs_s: self.signed(),
            arrives_s: self.signed(),
            departs_offset_min: self.bits() as i16,
            arrives_offset_min: self.bits() as i16,
        }
    }

    fn count(&mut self) -> Option<u16> {
        self.maybe(|s| [0, u16::MAX, s.bits() as u16][s.below(3) as usize])
    }

    fn cabin_plan(&mut self) -> CabinPlan {
        CabinPlan {
            cabin: self.cabin(),
            seats: self.count(),
            authorised: self.count(),
            classes: self.list(6, |s| ClassPlan {
                class: s.class(),
                limit: s.count(),
            }),
        }
    }

    fn availability(&mut self) -> Availability {
        const STATUS: [SaleStatus; 5] = [
            SaleStatus::Open,
            SaleStatus::Request,
            SaleStatus::WaitlistOpen,
            SaleStatus::Closed,
            SaleStatus::NotOperating,
        ];
        Availability {
            level: match self.below(3) {
                0 => Level::Flight,
                1 => Level::Leg(self.station()),
                _ => Level::Segment(self.station(), self.station()),
            },
            cabin: self.maybe(Self::cabin),
            class: self.maybe(Self::class),
            status: STATUS[self.below(5) as usize],
            seats: self.maybe(|s| [0, i32::MIN, i32::MAX, s.bits() as i32][s.below(4) as usize]),
            is_floor: self.below(2) == 0,
            counts: [Counts::Total, Counts::Remaining][self.below(2) as usize],
            expires_ms: self.maybe(Self::signed),
        }
    }
}
