//! Identity of commands, made from what clients and providers give.
//!
//! An id lives as long as the stream it stands in, so the functions here never change: what they
//! hash, in which order and with which prefix is fixed, and the golden values below hold it. A new
//! kind of content gets a new tag at the end, never a change to an old one.
//!
//! Ids are the first 16 bytes of BLAKE3, big-endian, in key derivation mode: each function has a
//! context of its own, so that ids of different functions never meet. Texts are prefixed by their
//! length, so that `("ab", "c")` and `("a", "bc")` differ. With 128 bits, the chance of any two
//! ids meeting among 10^15 commands is below 10^-8.

use flightline_ledger::codes::{FlightKey, Money, Station};
use flightline_ledger::command::{
    CabinPlan, Counts, FeedReject, LegTimes, Level, SaleStatus, SourceVersion,
};
use flightline_ledger::{CommandId, ProviderBody, ProviderEvent};

const PROVIDER_EVENT: &str = "flightline command id of a provider event, version 1";
const CONFIGURED_TERMS: &str = "flightline command id of configured terms, version 1";
const FEED_REJECT: &str = "flightline command id of a feed reject, version 1";
const CLIENT_COMMAND: &str = "flightline command id of a client's text, version 1";

/// The client whose name stands in ids where no client is known by name, as when the server runs
/// without tokens.
pub const UNNAMED_CLIENT: &str = "open";

/// The id of a command that a client named by a text of its own: an idempotency key, or the `id`
/// of a hold.
///
/// `client` keeps the texts of different clients apart, `kind` those of different kinds of command
/// (`hold`, `confirm`, ...), so that one text may name one of each.
pub fn client_command_id(client: &str, kind: &str, text: &str) -> CommandId {
    let mut hash = Hash::new(CLIENT_COMMAND);
    hash.text(client);
    hash.text(kind);
    hash.text(text);
    hash.id()
}

/// The hold that a text names: 32 lower-case hexadecimal digits are the hold's own id, anything
/// else is the text that the client gave when it asked for the hold.
pub fn hold_id(client: &str, text: &str) -> CommandId {
    text.parse()
        .unwrap_or_else(|_| client_command_id(client, "hold", text))
}

/// The id of a provider's event: everything it says and about which flight, but not in which
/// message or line it came. The same report sent again has the same id, and is a duplicate.
pub fn provider_event_id(flight: &FlightKey, event: &ProviderEvent) -> CommandId {
    let mut hash = Hash::new(PROVIDER_EVENT);
    hash.bytes(&event.provider.bytes());
    hash.bytes(&flight.to_bytes());
    hash.version(event.version);
    hash.u8(event.authority);
    hash.u32(event.quality);
    hash.body(&event.body);
    hash.id()
}

/// The id of a provider's overbooking terms that the configuration states, found missing at a Unix time
/// in milliseconds. Unlike a report's it depends on when: the configuration may come back to what it
/// said before, and is no duplicate then.
pub fn configured_terms_id(flight: &FlightKey, event: &ProviderEvent, at_ms: i64) -> CommandId {
    let mut hash = Hash::new(CONFIGURED_TERMS);
    hash.bytes(&event.provider.bytes());
    hash.bytes(&flight.to_bytes());
    hash.u64(at_ms as u64);
    hash.body(&event.body);
    hash.id()
}

/// The id of a record that was set aside. Unlike an event's it depends on message and line, since
/// two bad lines are two faults even when they read the same.
pub fn feed_reject_id(reject: &FeedReject) -> CommandId {
    let mut hash = Hash::new(FEED_REJECT);
    hash.bytes(&reject.provider.bytes());
    hash.text(&reject.message);
    hash.u64(reject.line);
    hash.text(&reject.code);
    hash.text(&reject.reason);
    hash.u64(reject.raw.len() as u64);
    hash.bytes(&reject.raw);
    hash.id()
}

/// Numbers are big-endian, options are a 0 or 1 in front, lists their length in front.
///
/// The bytes are collected before they are hashed: one call over a few hundred bytes is several
/// times as fast as a call for every field.
struct Hash {
    context: &'static str,
    bytes: Vec<u8>,
}

impl Hash {
    fn new(context: &'static str) -> Self {
        Self {
            context,
            bytes: Vec::with_capacity(256),
        }
    }

    fn id(&self) -> CommandId {
        let hash = blake3::derive_key(self.context, &self.bytes);
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        CommandId(u128::from_be_bytes(first))
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn u8(&mut self, n: u8) {
        self.bytes.push(n);
    }

    fn u16(&mut self, n: u16) {
        self.bytes(&n.to_be_bytes());
    }

    fn u32(&mut self, n: u32) {
        self.bytes(&n.to_be_bytes());
    }

    fn u64(&mut self, n: u64) {
        self.bytes(&n.to_be_bytes());
    }

    fn i64(&mut self, n: i64) {
        self.bytes(&n.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, each: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                each(self, value);
            }
        }
    }

    fn list<T>(&mut self, values: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.u64(values.len() as u64);
        for value in values {
            each(self, value);
        }
    }

    fn version(&mut self, version: SourceVersion) {
        self.i64(version.time_ms);
        self.u32(version.group);
        self.u32(version.sequence);
    }

    fn station(&mut self, station: Station) {
        self.bytes(&station.bytes());
    }

    fn pair(&mut self, (board, off): (Station, Station)) {
        self.station(board);
        self.station(off);
    }

    fn times(&mut self, times: &LegTimes) {
        self.station(times.board);
        self.i64(times.departs_s);
        self.i64(times.arrives_s);
        self.u16(times.departs_offset_min.cast_unsigned());
        self.u16(times.arrives_offset_min.cast_unsigned());
    }

    fn cabin(&mut self, plan: &CabinPlan) {
        self.u8(plan.cabin.letter());
        self.option(plan.seats, Self::u16);
        self.option(plan.authorised, Self::u16);
        self.list(&plan.classes, |hash, class| {
            hash.u8(class.class.letter());
            hash.option(class.limit, Self::u16);
        });
    }

    fn money(&mut self, money: Money) {
        self.i64(money.minor);
        self.bytes(&money.currency.bytes());
        self.u8(money.exponent);
    }

    fn body(&mut self, body: &ProviderBody) {
        match body {
            ProviderBody::Schedule(schedule) => {
                self.u8(1);
                self.list(&schedule.legs, |hash, leg| {
                    hash.station(leg.board);
                    hash.station(leg.off);
                    hash.times(&leg.times);
                    hash.bytes(&leg.aircraft);
                    hash.u8(leg.service);
                    hash.list(&leg.cabins, Self::cabin);
                });
                self.list(&schedule.restricted, |hash, pair| hash.pair(*pair));
                self.option(schedule.operating, |hash, key| hash.bytes(&key.to_bytes()));
            }
            ProviderBody::TimeChange(legs) => {
                self.u8(2);
                self.list(legs, Self::times);
            }
            ProviderBody::Equipment(equipment) => {
                self.u8(3);
                self.option(equipment.board, Self::station);
                self.bytes(&equipment.aircraft);
                self.list(&equipment.cabins, Self::cabin);
            }
            ProviderBody::Availability(availability) => {
                self.u8(4);
                match availability.level {
                    Level::Flight => self.u8(0),
                    Level::Leg(board) => {
                        self.u8(1);
                        self.station(board);
                    }
                    Level::Segment(board, off) => {
                        self.u8(2);
                        self.pair((board, off));
                    }
                }
                self.option(availability.cabin, |hash, cabin| hash.u8(cabin.letter()));
                self.option(availability.class, |hash, class| hash.u8(class.letter()));
                self.u8(match availability.status {
                    SaleStatus::Open => 0,
                    SaleStatus::Request => 1,
                    SaleStatus::WaitlistOpen => 2,
                    SaleStatus::Closed => 3,
                    SaleStatus::NotOperating => 4,
                });
                self.option(availability.seats, |hash, n| hash.u32(n.cast_unsigned()));
                self.u8(u8::from(availability.is_floor));
                self.u8(match availability.counts {
                    Counts::Total => 0,
                    Counts::Remaining => 1,
                });
                // Ids of what holds for good are those of before anything could lapse.
                if let Some(expires_ms) = availability.expires_ms {
                    self.u64(expires_ms.cast_unsigned());
                }
            }
            ProviderBody::Fares(fares) => {
                self.u8(5);
                self.list(fares, |hash, fare| {
                    hash.option(fare.segment, Self::pair);
                    hash.u8(fare.cabin.letter());
                    hash.option(fare.class, |hash, class| hash.u8(class.letter()));
                    hash.money(fare.price);
                });
            }
            ProviderBody::Terms(terms) => {
                self.u8(6);
                self.list(terms, |hash, (cabin, seats)| {
                    hash.u8(cabin.letter());
                    hash.u16(*seats);
                });
            }
            ProviderBody::Cancel => self.u8(7),
            ProviderBody::Reinstate => self.u8(8),
            ProviderBody::Withdraw => self.u8(9),
            ProviderBody::Acknowledge(holds) => {
                self.u8(10);
                self.list(holds, |hash, hold| hash.bytes(&hold.0.to_be_bytes()));
            }
            ProviderBody::Refuse(holds) => {
                self.u8(11);
                self.list(holds, |hash, hold| hash.bytes(&hold.0.to_be_bytes()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flightline_ledger::command::{Availability, ClassPlan, Equipment, Fare, Leg, Schedule};

    use super::*;

    fn event(body: ProviderBody) -> ProviderEvent {
        ProviderEvent {
            provider: "acme".parse().unwrap(),
            version: SourceVersion {
                time_ms: 1_795_341_600_123,
                group: 7,
                sequence: 9,
            },
            authority: 3,
            quality: 5,
            body,
        }
    }

    fn cabins() -> Vec<CabinPlan> {
        vec![CabinPlan {
            cabin: "Y".parse().unwrap(),
            seats: Some(180),
            authorised: None,
            classes: vec![
                ClassPlan {
                    class: "Y".parse().unwrap(),
                    limit: None,
                },
                ClassPlan {
                    class: "Q".parse().unwrap(),
                    limit: Some(40),
                },
            ],
        }]
    }

    /// One of every body.
    fn bodies() -> Vec<(&'static str, ProviderBody)> {
        let (ewr, iah): (Station, Station) = ("EWR".parse().unwrap(), "IAH".parse().unwrap());
        let times = LegTimes {
            board: ewr,
            departs_s: 1_799_144_100,
            arrives_s: 1_799_158_740,
            departs_offset_min: -300,
            arrives_offset_min: -360,
        };
        let availability = |level| {
            ProviderBody::Availability(Availability {
                level,
                cabin: Some("Y".parse().unwrap()),
                class: None,
                status: SaleStatus::Open,
                seats: Some(-3),
                is_floor: true,
                counts: Counts::Remaining,
                expires_ms: None,
            })
        };
        vec![
            (
                "schedule",
                ProviderBody::Schedule(Schedule {
                    legs: vec![Leg {
                        board: ewr,
                        off: iah,
                        times,
                        aircraft: *b"738",
                        service: b'J',
                        cabins: cabins(),
                    }],
                    restricted: vec![(ewr, iah)],
                    operating: Some("BA15.2027-01-05.LHR".parse().unwrap()),
                }),
            ),
            ("time_change", ProviderBody::TimeChange(vec![times])),
            (
                "equipment",
                ProviderBody::Equipment(Equipment {
                    board: Some(ewr),
                    aircraft: [0; 3],
                    cabins: cabins(),
                }),
            ),
            ("availability flight", availability(Level::Flight)),
            ("availability leg", availability(Level::Leg(ewr))),
            (
                "availability segment",
                availability(Level::Segment(ewr, iah)),
            ),
            (
                "fares",
                ProviderBody::Fares(vec![Fare {
                    segment: Some((ewr, iah)),
                    cabin: "Y".parse().unwrap(),
                    class: Some("Q".parse().unwrap()),
                    price: Money {
                        minor: 13_300,
                        currency: "USD".parse().unwrap(),
                        exponent: 2,
                    },
                }]),
            ),
            (
                "terms",
                ProviderBody::Terms(vec![("Y".parse().unwrap(), 4)]),
            ),
            ("cancel", ProviderBody::Cancel),
            ("reinstate", ProviderBody::Reinstate),
            ("withdraw", ProviderBody::Withdraw),
            (
                "acknowledge",
                ProviderBody::Acknowledge(vec![CommandId(17)]),
            ),
        ]
    }

    fn flight() -> FlightKey {
        "UA1545.2027-01-05.EWR".parse().unwrap()
    }

    /// These values stand in streams. They never change; new ones are added below.
    #[test]
    fn ids_are_those_of_ever() {
        let provider: Vec<_> = bodies()
            .into_iter()
            .map(|(name, body)| format!("{name} {}", provider_event_id(&flight(), &event(body))))
            .collect();
        assert_eq!(provider, GOLDEN_EVENTS);
        for (client, kind, text, want) in GOLDEN_CLIENTS {
            assert_eq!(client_command_id(client, kind, text).to_string(), want);
        }
        let reject = FeedReject {
            provider: "acme".parse().unwrap(),
            message: "m".to_owned(),
            line: 3,
            code: "bad_json".to_owned(),
            reason: "r".to_owned(),
            raw: b"{".to_vec(),
        };
        assert_eq!(feed_reject_id(&reject).to_string(), GOLDEN_REJECT);
    }

    const GOLDEN_EVENTS: [&str; 12] = [
        "schedule 48c2524786cb7e6cb2b368f8b2f38b82",
        "time_change c2ed43c43aaa45aeddc5a7c69375002a",
        "equipment b89adba8db581f690e0855c15adab1b6",
        "availability flight a5b31cf3a7536d88fea80c825dcf7525",
        "availability leg a41843e9dbbf53607495ea29b5245697",
        "availability segment fcfeb4ec0fffa6ffd9315bbca94921f8",
        "fares cd7e26d9191d636d337afa230e2da471",
        "terms 9f7191453328ed7c2905b97b6372c9a3",
        "cancel 2a8163707dd79a9a974eba516ae86ccb",
        "reinstate 73e4087ad7cd797a8ec3e3f2f432d24f",
        "withdraw aa07b56698f66561485d2a80781ae7e9",
        "acknowledge f4d6559ba8cc2c43cfae7ab141a48922",
    ];
    const GOLDEN_CLIENTS: [(&str, &str, &str, &str); 3] = [
        (
            "acme-shop",
            "hold",
            "order-17-seat-1",
            "0c0ecafe5e76defe90ffc78cd7f240ac",
        ),
        ("open", "confirm", "", "19f5301e4cd9a3823727f4d2e3233bdc"),
        ("", "", "ü", "0ca78f10189546aefcedc75018343fc5"),
    ];
    const GOLDEN_REJECT: &str = "f740b7e90870834826eece24e942737d";

    #[test]
    fn everything_that_is_said_counts() {
        let one = event(ProviderBody::Cancel);
        let id = |flight: &str, event: &ProviderEvent| {
            provider_event_id(&flight.parse().unwrap(), event)
        };
        let base = id("UA1545.2027-01-05.EWR", &one);
        assert_eq!(id("UA1545.2027-01-05.EWR", &one.clone()), base);
        assert_ne!(id("UA1545.2027-01-06.EWR", &one), base);
        assert_ne!(id("UA1545A.2027-01-05.EWR", &one), base);
        let mut others = vec![one.clone(); 6];
        others[0].provider = "acme2".parse().unwrap();
        others[1].version.time_ms += 1;
        others[2].version.group += 1;
        others[3].version.sequence += 1;
        others[4].authority += 1;
        others[5].quality += 1;
        let mut seen = vec![base];
        for other in &others {
            let id = id("UA1545.2027-01-05.EWR", other);
            assert!(!seen.contains(&id), "{other:?}");
            seen.push(id);
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let id = client_command_id;
        assert_ne!(id("ab", "c", "d"), id("a", "bc", "d"));
        assert_ne!(id("a", "hold", "x"), id("a", "confirm", "x"));
        assert_ne!(id("a", "hold", "x"), id("b", "hold", "x"));
    }

    #[test]
    fn a_hold_is_named_by_id_or_text() {
        let hex = "0123456789abcdef0123456789abcdef";
        assert_eq!(hold_id("a", hex).to_string(), hex);
        let upper = hex.to_uppercase();
        assert_eq!(hold_id("a", &upper), client_command_id("a", "hold", &upper));
    }
}
