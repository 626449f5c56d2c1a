//! Fingerprint of what a command asks for: a retry with the same id must ask for the same.
//!
//! Two commands with one id are called equal when 64 bits of this are. The function is ours and does
//! not change: states folded by different builds can be compared.

use crate::codes::{Class, CommandId, FlightKey, Money, ProviderCode, Station};
use crate::command::{
    Availability, CabinPlan, Fare, FlightCommand, HoldRequest, LegTimes, Level, ProviderBody,
    ProviderEvent, Schedule,
};
use crate::mix::Fingerprint;

/// The fingerprint of a command's details.
#[inline]
pub(crate) fn fingerprint(command: &FlightCommand) -> u64 {
    match command {
        FlightCommand::Hold(request) => hold(request),
        FlightCommand::Confirm { hold } => about(2, *hold),
        FlightCommand::Release { hold } => about(3, *hold),
        FlightCommand::Cancel { hold } => about(4, *hold),
        FlightCommand::Reseat(ask) => {
            let mut print = Fingerprint::new(5);
            print.add_wide(ask.hold.0);
            print.add(ask.ttl_ms);
            money(&mut print, ask.price_max);
            print.get()
        }
        FlightCommand::Provider(event) => provider(event),
    }
}

#[inline(always)]
fn about(kind: u64, hold: CommandId) -> u64 {
    let mut print = Fingerprint::new(kind);
    print.add_wide(hold.0);
    print.get()
}

#[inline(always)]
fn hold(request: &HoldRequest) -> u64 {
    let mut print = Fingerprint::new(1);
    let optional = |station: Option<Station>| station.map_or(0, |s| three(s) | 1 << 24);
    print.add(optional(request.board) | optional(request.off) << 32);
    print.add(
        u64::from(request.seats)
            | u64::from(request.cabin.letter()) << 16
            | letter(request.class) << 24
            | u64::from(request.ttl_ms.is_some()) << 32
            | u64::from(request.expected_price.is_some()) << 33
            | u64::from(request.provider.is_some()) << 34
            | u64::from(request.wait_ms.is_some()) << 35,
    );
    if let Some(code) = request.provider {
        provider_code(&mut print, code);
    }
    if let Some(ttl_ms) = request.ttl_ms {
        print.add(ttl_ms);
    }
    if let Some(price) = request.expected_price {
        money(&mut print, price);
    }
    if let Some(wait_ms) = request.wait_ms {
        print.add(wait_ms);
    }
    print.get()
}

#[inline(always)]
fn three(station: Station) -> u64 {
    let [a, b, c] = station.bytes();
    u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16
}

/// No class is letter 0.
#[inline(always)]
fn letter(class: Option<Class>) -> u64 {
    class.map_or(0, |class| u64::from(class.letter()))
}

#[inline(always)]
fn provider_code(print: &mut Fingerprint, code: ProviderCode) {
    print.add_wide(u128::from_le_bytes(code.bytes()));
}

#[inline(always)]
fn money(print: &mut Fingerprint, money: Money) {
    let [a, b, c] = money.currency.bytes();
    print.add_signed(money.minor);
    print.add(u64::from(u32::from_le_bytes([a, b, c, money.exponent])));
}

fn key(print: &mut Fingerprint, key: Option<FlightKey>) {
    let mut bytes = [0; 16];
    if let Some(key) = key {
        bytes[..13].copy_from_slice(&key.to_bytes());
        bytes[13] = 1;
    }
    print.add_wide(u128::from_le_bytes(bytes));
}

#[inline(never)]
fn provider(event: &ProviderEvent) -> u64 {
    let mut print = Fingerprint::new(5);
    let print = &mut print;
    provider_code(print, event.provider);
    print.add_signed(event.version.time_ms);
    print.add(u64::from(event.version.group) << 32 | u64::from(event.version.sequence));
    print.add(u64::from(event.authority) << 32 | u64::from(event.quality));
    match &event.body {
        ProviderBody::Schedule(plan) => {
            print.add(1);
            schedule(print, plan);
        }
        ProviderBody::TimeChange(all) => {
            print.add(2);
            print.add(all.len() as u64);
            all.iter().for_each(|leg| times(print, leg));
        }
        ProviderBody::Equipment(equipment) => {
            print.add(3);
            let [a, b, c] = equipment.aircraft;
            print.add(u64::from(u32::from_le_bytes([a, b, c, 0])));
            print.add_optional(equipment.board.map(three));
            cabins(print, &equipment.cabins);
        }
        ProviderBody::Availability(report) => {
            print.add(4);
            availability(print, report);
        }
        ProviderBody::Fares(fares) => {
            print.add(5);
            print.add(fares.len() as u64);
            fares.iter().for_each(|one| fare(print, one));
        }
        ProviderBody::Terms(terms) => {
            print.add(6);
            print.add(terms.len() as u64);
            for (cabin, allowance) in terms {
                print.add(u64::from(cabin.letter()) << 16 | u64::from(*allowance));
            }
        }
        ProviderBody::Cancel => print.add(7),
        ProviderBody::Reinstate => print.add(8),
        ProviderBody::Withdraw => print.add(9),
        ProviderBody::Acknowledge(ids) => {
            print.add(10);
            print.add(ids.len() as u64);
            ids.iter().for_each(|id| print.add_wide(id.0));
        }
        ProviderBody::Refuse(ids) => {
            print.add(11);
            print.add(ids.len() as u64);
            ids.iter().for_each(|id| print.add_wide(id.0));
        }
    }
    print.get()
}

fn schedule(print: &mut Fingerprint, plan: &Schedule) {
    key(print, plan.operating);
    print.add(plan.restricted.len() as u64);
    for (board, off) in &plan.restricted {
        print.add(three(*board) << 24 | three(*off));
    }
    print.add(plan.legs.len() as u64);
    for leg in &plan.legs {
        let [a, b, c] = leg.aircraft;
        print.add(three(leg.board) << 24 | three(leg.off));
        print.add(u64::from(u32::from_le_bytes([a, b, c, leg.service])));
        times(print, &leg.times);
        cabins(print, &leg.cabins);
    }
}

fn times(print: &mut Fingerprint, times: &LegTimes) {
    print.add(three(times.board));
    print.add_signed(times.departs_s);
    print.add_signed(times.arrives_s);
    print.add(
        u64::from(times.departs_offset_min as u16) << 16
            | u64::from(times.arrives_offset_min as u16),
    );
}

fn cabins(print: &mut Fingerprint, cabins: &[CabinPlan]) {
    print.add(cabins.len() as u64);
    for plan in cabins {
        print.add(u64::from(plan.cabin.letter()));
        print.add_optional(plan.seats.map(u64::from));
        print.add_optional(plan.authorised.map(u64::from));
        print.add(plan.classes.len() as u64);
        for class in &plan.classes {
            print.add(letter(Some(class.class)));
            print.add_optional(class.limit.map(u64::from));
        }
    }
}

fn availability(print: &mut Fingerprint, report: &Availability) {
    match report.level {
        Level::Leg(board) => print.add(1 << 48 | three(board)),
        Level::Segment(board, off) => print.add(2 << 48 | three(board) << 24 | three(off)),
        Level::Flight => print.add(3 << 48),
    }
    let cabin = report.cabin.map_or(0, |cabin| u64::from(cabin.letter()));
    print.add(cabin << 8 | letter(report.class));
    print.add(
        (report.status as u64) << 16 | (report.counts as u64) << 8 | u64::from(report.is_floor),
    );
    print.add_optional(report.seats.map(|seats| seats as u32 as u64));
    // Without one the number is that of before there could be any.
    if let Some(expires_ms) = report.expires_ms {
        print.add_signed(expires_ms);
    }
}

fn fare(print: &mut Fingerprint, fare: &Fare) {
    let segment = |(board, off)| three(board) << 24 | three(off);
    print.add_optional(fare.segment.map(segment));
    print.add(u64::from(fare.cabin.letter()) << 8 | letter(fare.class));
    money(print, fare.price);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Cabin;
    use crate::command::SourceVersion;

    /// Another build must call the same retries equal: a change of these numbers breaks replicas.
    #[test]
    fn fingerprints_never_change() {
        let hold = FlightCommand::Hold(HoldRequest {
            provider: Some("own".parse().unwrap()),
            cabin: Cabin::new(b'Y').unwrap(),
            class: Class::new(b'Q').ok(),
            board: Some("EWR".parse().unwrap()),
            off: None,
            seats: 2,
            ttl_ms: Some(900_000),
            expected_price: Some(Money {
                minor: 12_000,
                currency: "USD".parse().unwrap(),
                exponent: 2,
            }),
            wait_ms: None,
        });
        let cancel = FlightCommand::Cancel {
            hold: CommandId(u128::MAX / 3),
        };
        let withdraw = FlightCommand::Provider(Box::new(ProviderEvent {
            provider: "own".parse().unwrap(),
            version: SourceVersion::default(),
            authority: 1,
            quality: 2,
            body: ProviderBody::Withdraw,
        }));
        let prints = [hold, cancel, withdraw].map(|command| fingerprint(&command));
        assert_eq!(
            prints,
            [
                16988808188020267438,
                17354255931121000185,
                16498420019364614405
            ]
        );
    }
}
