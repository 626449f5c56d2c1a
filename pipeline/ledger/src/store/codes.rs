//! The vocabulary of the field, commands and answers.

use super::{BadState, Reader, Stored, Writer, stored, variants, wrapped};
use crate::codes::{Cabin, Class, CommandId, Currency, FlightKey, Money, ProviderCode, Station};
use crate::command::{Counts, HoldRequest, LegTimes, SaleStatus, Settings, SourceVersion};
use crate::outcome::{Outcome, Reason};
use crate::record::PackedMoney;
use crate::seller::{Pause, Seller};
use crate::view::LegView;

wrapped!(CommandId);

/// Writes and reads the bytes that a code is made of.
macro_rules! codes {
    ($($name:ident: $bytes:ident, $of_bytes:ident;)*) => { $(
        impl Stored for $name {
            #[inline]
            fn put(&self, out: &mut Writer) {
                self.$bytes().put(out);
            }
            #[inline]
            fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
                let bytes = Stored::get(input)?;
                Self::$of_bytes(bytes).map_err(|bad| input.bad(bad.0))
            }
        }
    )* };
}

codes! {
    FlightKey: to_bytes, from_bytes;
    Station: bytes, from_bytes;
    Currency: bytes, from_bytes;
    Cabin: letter, new;
    Class: letter, new;
}

impl Stored for ProviderCode {
    fn put(&self, out: &mut Writer) {
        let text: Box<str> = self.as_str().into();
        text.put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let text: Box<str> = Stored::get(input)?;
        text.parse().map_err(|_| input.bad("no provider's name"))
    }
}

impl Stored for PackedMoney {
    fn put(&self, out: &mut Writer) {
        self.get().put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let money: Option<Money> = Stored::get(input)?;
        if money.is_some_and(|money| money.exponent == u8::MAX) {
            return Err(input.bad("a price without decimals"));
        }
        Ok(Self::new(money))
    }
}

stored!(Money {
    minor,
    currency,
    exponent
});
stored!(SourceVersion {
    time_ms,
    group,
    sequence
});
stored!(LegTimes {
    board,
    departs_s,
    arrives_s,
    departs_offset_min,
    arrives_offset_min
});
stored!(LegView {
    board,
    off,
    times,
    aircraft,
    service
});
stored!(Settings {
    hold_ttl_default_ms,
    hold_ttl_max_ms,
    close_before_departure_ms,
    retire_after_ms,
});
stored!(HoldRequest {
    provider,
    cabin,
    class,
    board,
    off,
    seats,
    ttl_ms,
    expected_price,
    wait_ms,
});

variants!(Counts { 1 = Total, 2 = Remaining });
variants!(Pause { 1 = Stopped, 2 = Silent });
stored!(Seller {
    silence_max_ms,
    heard_ms,
    stopped,
    pause,
});
variants!(SaleStatus {
    1 = Open,
    2 = Request,
    3 = WaitlistOpen,
    4 = Closed,
    5 = NotOperating,
});
variants!(Reason {
    1 = SoldOut { available },
    2 = UnknownFlight,
    3 = FlightCancelled,
    4 = Departed,
    5 = Retired,
    6 = UnknownSegment,
    7 = SegmentRestricted,
    8 = UnknownCabin,
    9 = UnknownClass,
    10 = UnknownProvider,
    11 = Closed,
    12 = PriceChanged { now },
    13 = NotOperating,
    14 = InvalidSeats,
    15 = InvalidTtl,
    16 = UnknownHold,
    17 = Expired,
    18 = AlreadyReleased,
    19 = AlreadyCancelled,
    20 = AlreadyConfirmed,
    21 = Displaced,
    22 = InvalidEvent,
    23 = NotScheduled,
    24 = NotOwner,
    25 = StillWaiting,
    26 = ProviderStopped,
    27 = ProviderSilent,
});
variants!(Outcome {
    1 = Held { provider, seats, deadline_ms, price },
    2 = Waiting { deadline_ms, ahead },
    3 = Confirmed { seats, already },
    4 = Released { seats, already },
    5 = Cancelled { seats, already },
    6 = Accepted { displaced, partly_stale },
    7 = Stale,
    8 = Noted,
    9 = Refused(reason),
});
