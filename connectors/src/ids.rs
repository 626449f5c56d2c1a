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
        }
    }
}
