//! One number for the whole state, to compare folds with each other.

use crate::book::{Provider, Report, Tally};
use crate::command::{LegTimes, SourceVersion};
use crate::flight::Flight;
use crate::ledger::Ledger;
use crate::mix;
use crate::outcome::{Outcome, Reason};
use crate::record::Seated;
use crate::shelf::Row;
use crate::view::LegView;

impl Ledger {
    /// Digest of everything that later decisions can depend on, and of everything that can be read.
    /// Equal histories give equal digests, on any machine and however they were cut into calls.
    pub fn hash_state(&self) -> u128 {
        let mut print = Fingerprint::default();
        print.add_signed(self.clock_ms);
        let settings = &self.settings;
        print.add(settings.hold_ttl_default_ms);
        print.add(settings.hold_ttl_max_ms);
        print.add(settings.close_before_departure_ms);
        print.add(settings.retire_after_ms);
        print.add(self.sellers.0.len() as u64);
        for (provider, seller) in &self.sellers.0 {
            print.add_wide(u128::from_le_bytes(provider.bytes()));
            print.add_optional(seller.silence_max_ms);
            print.add_signed(seller.heard_ms);
            print.add(u64::from(seller.stopped));
        }
        let mut order: Vec<usize> = (0..self.flights.keys.len()).collect();
        order.sort_by_key(|at| self.flights.keys[*at]);
        for at in order {
            key(&mut print, self.flights.keys[at].to_bytes());
            let state = self.get(at as u32).filter(|flight| !flight.retired);
            match state {
                None => print.add(0),
                Some(state) => {
                    print.add(1);
                    flight(&mut print, &state);
                }
            }
        }
        print.get()
    }
}

/// Two fingerprints of the same, in 128 bits.
struct Fingerprint([mix::Fingerprint; 2]);

impl Default for Fingerprint {
    fn default() -> Self {
        Self([100, 101].map(mix::Fingerprint::new))
    }
}

impl Fingerprint {
    fn add(&mut self, value: u64) {
        self.0[0].add(value);
        self.0[1].add(value.rotate_left(32));
    }

    fn add_signed(&mut self, value: i64) {
        self.add(value as u64);
    }

    fn add_wide(&mut self, value: u128) {
        self.add(value as u64);
        self.add((value >> 64) as u64);
    }

    fn add_optional(&mut self, value: Option<u64>) {
        self.add(u64::from(value.is_some()));
        self.add(value.unwrap_or(0));
    }

    fn get(&self) -> u128 {
        u128::from(self.0[0].get()) << 64 | u128::from(self.0[1].get())
    }
}

fn key(print: &mut Fingerprint, bytes: [u8; 13]) {
    let mut wide = [0; 16];
    wide[..13].copy_from_slice(&bytes);
    print.add_wide(u128::from_le_bytes(wide));
}

fn three(bytes: [u8; 3]) -> u64 {
    let [a, b, c] = bytes;
    u64::from(u32::from_le_bytes([a, b, c, 1]))
}

fn version(print: &mut Fingerprint, version: Option<SourceVersion>) {
    print.add_optional(version.map(|v| u64::from(v.group) << 32 | u64::from(v.sequence)));
    print.add_signed(version.map_or(0, |v| v.time_ms));
}

fn tally(print: &mut Fingerprint, tally: &Tally) {
    print.add_signed(tally.held);
    print.add_signed(tally.sold);
    print.add_signed(tally.acknowledged);
}

fn report(print: &mut Fingerprint, report: &Report) {
    version(print, report.version);
    print.add_optional(report.remaining_at);
    print.add_signed(report.lapses_ms);
    print.add_optional(report.drift.map(|drift| drift.offset));
    if let Some(drift) = &report.drift {
        print.add(drift.counts as u64);
        print.add_signed(i64::from(drift.reported));
        print.add_optional(drift.expected.map(|expected| expected as u64));
        print.add_signed(drift.at_ms);
    }
}

fn leg(print: &mut Fingerprint, leg: &LegView) {
    let LegTimes {
        departs_s,
        arrives_s,
        departs_offset_min,
        arrives_offset_min,
        board: _,
    } = leg.times;
    print.add(three(leg.board.bytes()));
    print.add(three(leg.off.bytes()));
    print.add_signed(departs_s);
    print.add_signed(arrives_s);
    print.add(u64::from(departs_offset_min as u16) << 16 | u64::from(arrives_offset_min as u16));
    print.add(three(leg.aircraft) << 8 | u64::from(leg.service));
}

fn flight(print: &mut Fingerprint, flight: &Flight) {
    print.add(u64::from(flight.cancelled));
    print.add(u64::from(flight.book.authority) << 32 | u64::from(flight.book.owner));
    print.add(u64::from(flight.book.quality));
    key(print, flight.book.operating.unwrap_or_default().to_bytes());
    print.add(flight.book.legs.len() as u64);
    flight.book.legs.iter().for_each(|one| leg(print, one));
    for (board, off) in &flight.book.restricted {
        print.add(three(board.bytes()));
        print.add(three(off.bytes()));
    }
    let mut aircraft: Vec<_> = flight.book.aircraft.iter().filter(|c| c.named).collect();
    aircraft.sort_by_key(|cabin| (cabin.leg, cabin.cabin));
    print.add(aircraft.len() as u64);
    for cabin in aircraft {
        print.add(u64::from(cabin.leg) << 8 | u64::from(cabin.cabin.letter()));
        print.add_optional(cabin.seats.map(u64::from));
        print.add_signed(i64::from(flight.shelf.rows()[cabin.row as usize].used));
    }
    print.add(flight.book.providers.len() as u64);
    for one in &flight.book.providers {
        provider(print, one, flight.shelf.rows());
    }
    commands(print, flight);
}

fn row(print: &mut Fingerprint, row: &Row) {
    print.add(u64::from(row.held as u32) << 32 | u64::from(row.sold as u32));
    print.add(u64::from(row.used as u32));
}

fn provider(print: &mut Fingerprint, provider: &Provider, rows: &[Row]) {
    print.add_wide(u128::from_le_bytes(provider.code.bytes()));
    print.add(u64::from(provider.sells));
    print.add(provider.pause.map_or(0, |pause| pause as u64 + 1));
    for stored in [
        provider.timing,
        provider.equipment,
        provider.status,
        provider.terms,
    ] {
        version(print, stored);
    }
    for (cabin, allowance) in &provider.allowances {
        print.add(u64::from(cabin.letter()) << 16 | u64::from(*allowance));
    }
    print.add(provider.cabins.len() as u64);
    for cabin in &provider.cabins {
        let flags = u64::from(cabin.known) << 1 | u64::from(cabin.is_floor);
        print.add(u64::from(cabin.leg) << 16 | u64::from(cabin.cabin.letter()) << 8 | flags);
        print.add(cabin.status as u64);
        print.add_signed(cabin.authorised);
        row(print, &rows[cabin.row as usize]);
        print.add_signed(cabin.acknowledged);
        report(print, &cabin.report);
        print.add(cabin.nest.len() as u64);
        for class in &cabin.nest {
            print.add(u64::from(class.class.letter()) << 8 | u64::from(class.is_floor));
            print.add(class.status as u64);
            print.add_signed(class.limit);
            row(print, &rows[class.row as usize]);
            print.add_signed(class.acknowledged);
            report(print, &class.report);
        }
    }
    print.add(provider.fares.len() as u64);
    for (scope, fare) in &provider.fares {
        print.add(scope.raw());
        print.add_signed(fare.price.minor);
        print.add(three(fare.price.currency.bytes()) << 8 | u64::from(fare.price.exponent));
        version(print, Some(fare.version));
    }
    print.add(provider.segments.len() as u64);
    for (scope, limit) in &provider.segments {
        print.add(scope.raw());
        print.add(u64::from(limit.is_floor) << 8 | limit.status as u64);
        print.add_signed(limit.bound);
        tally(print, &limit.tally);
        report(print, &limit.report);
    }
}

/// Everything that was decided, and where the holds stand.
fn commands(print: &mut Fingerprint, flight: &Flight) {
    print.add(flight.memos.len() as u64);
    for (memo, at) in flight.memos.iter().zip(0..) {
        let (offset, answer) = flight.answer(at);
        print.add_wide(memo.id.0);
        print.add(memo.details);
        print.add(offset);
        outcome(print, &answer);
    }
    print.add(flight.holds.len() as u64);
    for ((hold, origin), at) in flight.holds.iter().zip(&flight.origins).zip(0..) {
        print.add_wide(hold.id.0);
        print.add(origin.details);
        print.add(origin.offset);
        print.add_signed(origin.created_at_ms);
        print.add_signed(hold.deadline_ms);
        print.add(hold.changed_offset);
        print.add_signed(hold.changed_at_ms);
        print.add(u64::from(hold.provider) << 32 | u64::from(hold.acknowledged));
        let class = hold.class.map_or(0, |class| class.letter());
        print.add(u64::from(hold.seats) << 32 | u64::from(hold.cabin.letter()) << 16);
        print.add(u64::from(class) << 8 | hold.state as u64);
        print.add(three(hold.segment.board.bytes()));
        print.add(three(hold.segment.off.bytes()));
        // Where a station repeats, the stations alone do not tell the legs.
        if hold.state.takes_seats() {
            print.add(u64::from(hold.segment.first) << 8 | u64::from(hold.segment.last));
        }
        outcome(print, &flight.answer_of_hold(at));
        if hold.seated != Seated::AtOnce {
            print.add(hold.seated as u64);
            print.add(flight.ask_of(at).ttl_ms);
        }
    }
}

fn outcome(print: &mut Fingerprint, outcome: &Outcome) {
    let reason = outcome.reason().map_or("", |reason| reason.code());
    for name in [outcome.name(), reason] {
        print.add(name.len() as u64);
        for chunk in name.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            print.add(u64::from_le_bytes(bytes));
        }
    }
    let (number, flag, price) = match *outcome {
        Outcome::Held { price, .. } => (0, false, price),
        Outcome::Waiting { ahead, .. } => (ahead, false, None),
        Outcome::Confirmed { seats, already }
        | Outcome::Released { seats, already }
        | Outcome::Cancelled { seats, already } => (u32::from(seats), already, None),
        Outcome::Accepted {
            displaced,
            partly_stale,
        } => (displaced, partly_stale, None),
        Outcome::Refused(Reason::SoldOut { available }) => (u32::from(available), false, None),
        Outcome::Refused(Reason::PriceChanged { now }) => (0, false, now),
        Outcome::Refused(_) | Outcome::Stale | Outcome::Noted => (0, false, None),
    };
    if let Outcome::Waiting { deadline_ms, .. } = *outcome {
        print.add_signed(deadline_ms);
    }
    print.add(u64::from(number) << 1 | u64::from(flag));
    print.add_optional(price.map(|price| price.minor as u64));
    if let Some(price) = price {
        print.add(three(price.currency.bytes()) << 8 | u64::from(price.exponent));
    }
}
