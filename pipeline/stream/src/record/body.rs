//! The bodies of all kinds but the provider's (`provider.rs`) and those of orders (`order.rs`).
//!
//! | kind | body |
//! |---|---|
//! | 1 tick, 2 fence | – |
//! | 3 configure | default time to hold, longest, closing before departure, retirement after: integers, ms |
//! | 4 feed reject | provider, message, line, code, reason, raw |
//! | 5 configure orders | see `order.rs` |
//! | 6–12 | a provider and what is said of its feed, see `feed.rs` |
//! | 16 hold | flight key, bits, cabin, seats, then what the bits say: provider 1, class 2, board 4, off 8, time to hold 16, price 32, time to wait 64 |
//! | 17 confirm, 18 release, 19 cancel | flight key, id of the hold |
//! | 20 reseat | flight key, id of the hold, time to hold, price |
//! | 32–42 | flight key and the provider's event |
//! | 48–56 | the order's id and what is asked of it |
//!
//! A flight key is the 13 bytes of `FlightKey::to_bytes`; a provider one length byte and its text;
//! stations three bytes, cabins and classes one; integers as in `wire.rs`.

use flightline_ledger::codes::{
    Cabin, Class, CommandId, Currency, FlightKey, Money, ProviderCode, Station,
};
use flightline_ledger::command::{
    Command, FeedReject, FlightCommand, HoldRequest, Reseat, Settings,
};

use super::error::{DecodeError, EncodeError};
use super::feed;
use super::order;
use super::provider;
use super::wire::{Reader, code, put_bytes, put_int, put_uint};

pub(super) mod kind {
    pub(crate) const TICK: u8 = 1;
    pub(crate) const FENCE: u8 = 2;
    pub(crate) const CONFIGURE: u8 = 3;
    pub(crate) const FEED_REJECT: u8 = 4;
    pub(crate) const CONFIGURE_ORDERS: u8 = 5;
    pub(crate) const HOLD: u8 = 16;
    pub(crate) const CONFIRM: u8 = 17;
    pub(crate) const RELEASE: u8 = 18;
    pub(crate) const CANCEL: u8 = 19;
    pub(crate) const RESEAT: u8 = 20;
}

mod hold_bits {
    pub(super) const PROVIDER: u8 = 1;
    pub(super) const CLASS: u8 = 2;
    pub(super) const BOARD: u8 = 4;
    pub(super) const OFF: u8 = 8;
    pub(super) const TTL: u8 = 16;
    pub(super) const PRICE: u8 = 32;
    pub(super) const WAIT: u8 = 64;
    pub(super) const ALL: u8 = 127;
}

pub(super) fn kind_of(command: &Command) -> u8 {
    match command {
        Command::Tick => kind::TICK,
        Command::Fence => kind::FENCE,
        Command::Configure(_) => kind::CONFIGURE,
        Command::FeedReject(_) => kind::FEED_REJECT,
        Command::ConfigureOrders(_) => kind::CONFIGURE_ORDERS,
        Command::Order(_, action) => order::kind_of(action),
        Command::Feed(_, command) => feed::kind_of(command),
        Command::Flight(_, FlightCommand::Hold(_)) => kind::HOLD,
        Command::Flight(_, FlightCommand::Confirm { .. }) => kind::CONFIRM,
        Command::Flight(_, FlightCommand::Release { .. }) => kind::RELEASE,
        Command::Flight(_, FlightCommand::Cancel { .. }) => kind::CANCEL,
        Command::Flight(_, FlightCommand::Reseat(_)) => kind::RESEAT,
        Command::Flight(_, FlightCommand::Provider(event)) => provider::kind_of(&event.body),
    }
}

pub(super) fn put(out: &mut Vec<u8>, command: &Command) -> Result<(), EncodeError> {
    match command {
        Command::Tick | Command::Fence => Ok(()),
        Command::Configure(settings) => {
            for ms in [
                settings.hold_ttl_default_ms,
                settings.hold_ttl_max_ms,
                settings.close_before_departure_ms,
                settings.retire_after_ms,
            ] {
                put_uint(out, ms);
            }
            Ok(())
        }
        Command::FeedReject(reject) => {
            put_provider(out, reject.provider)?;
            put_bytes(out, reject.message.as_bytes());
            put_uint(out, reject.line);
            put_bytes(out, reject.code.as_bytes());
            put_bytes(out, reject.reason.as_bytes());
            put_bytes(out, &reject.raw);
            Ok(())
        }
        Command::ConfigureOrders(settings) => order::put_settings(out, settings),
        Command::Order(id, action) => order::put(out, *id, action),
        Command::Feed(provider, command) => feed::put(out, *provider, command),
        Command::Flight(key, command) => {
            put_flight(out, key)?;
            match command {
                FlightCommand::Hold(request) => put_hold(out, request),
                FlightCommand::Confirm { hold }
                | FlightCommand::Release { hold }
                | FlightCommand::Cancel { hold } => {
                    out.extend_from_slice(&hold.0.to_le_bytes());
                    Ok(())
                }
                FlightCommand::Reseat(ask) => {
                    out.extend_from_slice(&ask.hold.0.to_le_bytes());
                    put_uint(out, ask.ttl_ms);
                    put_money(out, ask.price_max)
                }
                FlightCommand::Provider(event) => provider::put(out, event),
            }
        }
    }
}

pub(super) fn get(kind: u8, reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
    match kind {
        kind::TICK => Ok(Command::Tick),
        kind::FENCE => Ok(Command::Fence),
        kind::CONFIGURE => Ok(Command::Configure(Settings {
            hold_ttl_default_ms: reader.uint("hold_ttl_default_ms")?,
            hold_ttl_max_ms: reader.uint("hold_ttl_max_ms")?,
            close_before_departure_ms: reader.uint("close_before_departure_ms")?,
            retire_after_ms: reader.uint("retire_after_ms")?,
        })),
        kind::FEED_REJECT => Ok(Command::FeedReject(Box::new(FeedReject {
            provider: get_provider(reader)?,
            message: reader.text("message")?.to_owned(),
            line: reader.uint("line")?,
            code: reader.text("code")?.to_owned(),
            reason: reader.text("reason")?.to_owned(),
            raw: reader.bytes("raw")?.to_owned(),
        }))),
        kind::CONFIGURE_ORDERS => Ok(Command::ConfigureOrders(Box::new(order::get_settings(
            reader,
        )?))),
        kind::HOLD => {
            let key = get_flight(reader)?;
            Ok(Command::Flight(key, FlightCommand::Hold(get_hold(reader)?)))
        }
        kind::CONFIRM | kind::RELEASE | kind::CANCEL => {
            let key = get_flight(reader)?;
            let hold = get_id(reader)?;
            Ok(Command::Flight(
                key,
                match kind {
                    kind::CONFIRM => FlightCommand::Confirm { hold },
                    kind::RELEASE => FlightCommand::Release { hold },
                    _ => FlightCommand::Cancel { hold },
                },
            ))
        }
        kind::RESEAT => {
            let key = get_flight(reader)?;
            let ask = Reseat {
                hold: get_id(reader)?,
                ttl_ms: reader.uint("ttl_ms")?,
                price_max: get_money(reader)?,
            };
            Ok(Command::Flight(key, FlightCommand::Reseat(ask)))
        }
        other if feed::is_kind(other) => {
            let (provider, command) = feed::get(other, reader)?;
            Ok(Command::Feed(provider, Box::new(command)))
        }
        other if order::is_kind(other) => {
            let (id, action) = order::get(other, reader)?;
            Ok(Command::Order(id, Box::new(action)))
        }
        other if provider::is_kind(other) => {
            let key = get_flight(reader)?;
            let event = provider::get(other, reader)?;
            Ok(Command::Flight(
                key,
                FlightCommand::Provider(Box::new(event)),
            ))
        }
        other => Err(DecodeError::UnknownKind(other)),
    }
}

fn put_hold(out: &mut Vec<u8>, request: &HoldRequest) -> Result<(), EncodeError> {
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        bit(request.provider.is_some(), hold_bits::PROVIDER)
            | bit(request.class.is_some(), hold_bits::CLASS)
            | bit(request.board.is_some(), hold_bits::BOARD)
            | bit(request.off.is_some(), hold_bits::OFF)
            | bit(request.ttl_ms.is_some(), hold_bits::TTL)
            | bit(request.expected_price.is_some(), hold_bits::PRICE)
            | bit(request.wait_ms.is_some(), hold_bits::WAIT),
    );
    out.push(request.cabin.letter());
    put_uint(out, u64::from(request.seats));
    if let Some(provider) = request.provider {
        put_provider(out, provider)?;
    }
    if let Some(class) = request.class {
        out.push(class.letter());
    }
    for station in [request.board, request.off].into_iter().flatten() {
        put_station(out, station)?;
    }
    if let Some(ttl_ms) = request.ttl_ms {
        put_uint(out, ttl_ms);
    }
    if let Some(price) = request.expected_price {
        put_money(out, price)?;
    }
    if let Some(wait_ms) = request.wait_ms {
        put_uint(out, wait_ms);
    }
    Ok(())
}

fn get_hold(reader: &mut Reader<'_>) -> Result<HoldRequest, DecodeError> {
    let bits = reader.bits("hold", hold_bits::ALL)?;
    let has = |bit: u8| bits & bit != 0;
    let cabin = get_cabin(reader)?;
    let seats = reader.small("seats")?;
    Ok(HoldRequest {
        cabin,
        seats,
        provider: has(hold_bits::PROVIDER)
            .then(|| get_provider(reader))
            .transpose()?,
        class: has(hold_bits::CLASS)
            .then(|| get_class(reader))
            .transpose()?,
        board: has(hold_bits::BOARD)
            .then(|| get_station(reader))
            .transpose()?,
        off: has(hold_bits::OFF)
            .then(|| get_station(reader))
            .transpose()?,
        ttl_ms: has(hold_bits::TTL)
            .then(|| reader.uint("ttl_ms"))
            .transpose()?,
        expected_price: has(hold_bits::PRICE)
            .then(|| get_money(reader))
            .transpose()?,
        wait_ms: has(hold_bits::WAIT)
            .then(|| reader.uint("wait_ms"))
            .transpose()?,
    })
}

/// 1900-01-01 and 2999-12-31: the origin dates there are.
const ORIGIN_DAYS: core::ops::RangeInclusive<i32> = -25_567..=376_199;

pub(super) fn put_flight(out: &mut Vec<u8>, key: &FlightKey) -> Result<(), EncodeError> {
    // The fields are open, and a record that nobody can read back would stop every replica. What
    // cannot be wrong by its type (but for being a default) is not looked at twice: this is done for
    // every command.
    let is_key = (1..=9999).contains(&key.number)
        && (key.suffix == 0 || key.suffix.is_ascii_uppercase())
        && ORIGIN_DAYS.contains(&key.origin_date.0)
        && key.carrier.bytes()[0] != 0
        && key.board.bytes()[0] != 0;
    if !is_key {
        return Err(EncodeError::Bad {
            field: "flight key",
            what: "is none",
        });
    }
    out.extend_from_slice(&key.to_bytes());
    Ok(())
}

pub(super) fn get_flight(reader: &mut Reader<'_>) -> Result<FlightKey, DecodeError> {
    code("flight key", FlightKey::from_bytes(reader.array()?))
}

pub(super) fn get_id(reader: &mut Reader<'_>) -> Result<CommandId, DecodeError> {
    Ok(CommandId(u128::from_le_bytes(reader.array()?)))
}

pub(super) fn put_provider(out: &mut Vec<u8>, provider: ProviderCode) -> Result<(), EncodeError> {
    let bytes = provider.bytes();
    let len = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    if len == 0 {
        return Err(EncodeError::Bad {
            field: "provider",
            what: "is empty",
        });
    }
    // At most 16.
    out.push(len as u8);
    out.extend_from_slice(&bytes[..len]);
    Ok(())
}

pub(super) fn get_provider(reader: &mut Reader<'_>) -> Result<ProviderCode, DecodeError> {
    let len = usize::from(reader.byte()?);
    let text = core::str::from_utf8(reader.take(len)?)
        .map_err(|_| DecodeError::bad("provider", "is not UTF-8"))?;
    code("provider", text.parse())
}

pub(super) fn put_station(out: &mut Vec<u8>, station: Station) -> Result<(), EncodeError> {
    let bytes = station.bytes();
    if bytes[0] == 0 {
        return Err(EncodeError::Bad {
            field: "station",
            what: "is empty",
        });
    }
    out.extend_from_slice(&bytes);
    Ok(())
}

pub(super) fn get_station(reader: &mut Reader<'_>) -> Result<Station, DecodeError> {
    code("station", Station::from_bytes(reader.array()?))
}

pub(super) fn get_cabin(reader: &mut Reader<'_>) -> Result<Cabin, DecodeError> {
    code("cabin", Cabin::new(reader.byte()?))
}

pub(super) fn get_class(reader: &mut Reader<'_>) -> Result<Class, DecodeError> {
    code("class", Class::new(reader.byte()?))
}

/// Currency, decimals, minor units.
pub(super) fn put_money(out: &mut Vec<u8>, money: Money) -> Result<(), EncodeError> {
    let currency = money.currency.bytes();
    if currency[0] == 0 {
        return Err(EncodeError::Bad {
            field: "currency",
            what: "is empty",
        });
    }
    out.extend_from_slice(&currency);
    out.push(money.exponent);
    put_int(out, money.minor);
    Ok(())
}

pub(super) fn get_money(reader: &mut Reader<'_>) -> Result<Money, DecodeError> {
    let currency = code("currency", Currency::from_bytes(reader.array()?))?;
    let exponent = reader.byte()?;
    Ok(Money {
        minor: reader.int("amount")?,
        currency,
        exponent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flightline_ledger::Date;

    /// What is written must be what is read back, so the two checks must agree.
    #[test]
    fn flight_keys_are_taken_and_refused_as_the_ledger_does() {
        let good: FlightKey = "UA1545.2027-01-05.EWR".parse().unwrap();
        let days = [
            *ORIGIN_DAYS.start(),
            *ORIGIN_DAYS.end(),
            0,
            i32::MIN,
            i32::MAX,
        ];
        for day in days
            .into_iter()
            .flat_map(|d| [d.saturating_sub(1), d, d.saturating_add(1)])
        {
            for number in [0, 1, 9999, 10_000, u16::MAX] {
                for suffix in [0, b'A', b'Z', b'a', b'[', b'@'] {
                    let key = FlightKey {
                        number,
                        suffix,
                        origin_date: Date(day),
                        ..good
                    };
                    let read = FlightKey::from_bytes(key.to_bytes());
                    assert_eq!(
                        put_flight(&mut Vec::new(), &key).is_ok(),
                        read.is_ok(),
                        "{key:?}"
                    );
                }
            }
        }
    }
}
