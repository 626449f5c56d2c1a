//! What a flight remembers: by far the most of a state. Neighbours are alike, so most numbers are
//! written as distances from the one before.

use super::flight::is_on_route;
use super::{BadState, Reader, Stored, Writer};
use crate::flight::Flight;
use crate::index::Index;
use crate::mix;
use crate::record::{Hold, Memo, NO_MEMO, Origin, PackedMoney, Seated, Segment};
use crate::view::HoldState;

/// Flags above the state (three bits) and how the seats came (two bits).
const IS_WHOLE: u8 = 1 << 5;
const HAS_CLASS: u8 = 1 << 6;
/// It never changed since it was made.
const IS_FRESH: u8 = 1 << 7;

/// How a price is written.
const SAME_PRICE: u8 = 0;
const OTHER_PRICE: u8 = 1;

const STATES: [HoldState; 7] = [
    HoldState::Held,
    HoldState::Confirmed,
    HoldState::Released,
    HoldState::Cancelled,
    HoldState::Expired,
    HoldState::Displaced,
    HoldState::Waiting,
];

const SEATED: [Seated; 3] = [Seated::AtOnce, Seated::NotYet, Seated::AfterWaiting];

/// What the next hold is told apart from.
struct Before {
    offset: i64,
    created_ms: i64,
    price: PackedMoney,
}

impl Before {
    fn new() -> Self {
        Self {
            offset: 0,
            created_ms: 0,
            price: PackedMoney::new(None),
        }
    }

    fn set(&mut self, origin: &Origin) {
        self.offset = origin.offset as i64;
        self.created_ms = origin.created_at_ms;
        self.price = origin.price;
    }
}

/// Does a hold in this state have and want no seats, for good?
fn is_over(state: HoldState) -> bool {
    !(state.takes_seats() || state == HoldState::Waiting)
}

/// Writes holds and memos.
pub(super) fn put(flight: &Flight, out: &mut Writer) {
    out.len(flight.holds.len());
    let mut before = Before::new();
    for (hold, origin) in flight.holds.iter().zip(&flight.origins) {
        put_hold(hold, origin, &flight.whole, &before, out);
        before.set(origin);
    }
    out.len(flight.memos.len());
    let mut offset = 0;
    for memo in &flight.memos {
        let (packed_offset, answer) = memo.packed();
        memo.id.put(out);
        out.wide(memo.details);
        out.distance(offset, packed_offset as i64);
        answer.put(out);
        offset = packed_offset as i64;
    }
}

/// Reads holds and memos, and indexes their ids.
pub(super) fn get(flight: &mut Flight, input: &mut Reader<'_>) -> Result<(), BadState> {
    let holds = input.len()?;
    let mut before = Before::new();
    flight.holds = Vec::with_capacity(holds);
    flight.origins = Vec::with_capacity(holds);
    let (legs, providers) = (flight.book.legs.len(), flight.providers);
    for at in 0..holds {
        let (hold, origin) = get_hold(&flight.whole, &before, input)?;
        let is_listed = || {
            let list = flight.book.waitlist.as_deref();
            list.is_some_and(|list| list.asks.contains_key(&(at as u32)))
        };
        let fine = hold.provider < providers
            // What has ended stays with the legs that the flight had then.
            && (is_on_route(&hold.segment, legs) || is_over(hold.state))
            && (hold.seated == Seated::AtOnce || is_listed());
        if !fine {
            return Err(input.bad("a hold that is not the flight's"));
        }
        before.set(&origin);
        flight.holds.push(hold);
        flight.origins.push(origin);
    }
    let memos = input.len()?;
    flight.memos = Vec::with_capacity(memos);
    let mut offset = 0;
    for at in 0..memos {
        let id = Stored::get(input)?;
        let details = input.wide()?;
        offset = input.distance(offset)?;
        let answer = Stored::get(input)?;
        let memo = Memo::from_packed(id, details, offset as u64, answer)
            .ok_or_else(|| input.bad("an answer that is none"))?;
        let elsewhere = memo.answer_is_elsewhere();
        if elsewhere != flight.book.answers.contains_key(&(at as u32)) {
            return Err(input.bad("an answer that is neither here nor there"));
        }
        flight.memos.push(memo);
    }
    let known = |hold: &Hold| hold.acknowledged == NO_MEMO || hold.acknowledged < memos as u32;
    if holds + memos > (Index::VALUE_MAX >> 1) as usize || !flight.holds.iter().all(known) {
        return Err(input.bad("a sale that is acknowledged by nothing"));
    }
    flight.index_ids();
    Ok(())
}

#[inline]
fn put_hold(hold: &Hold, origin: &Origin, whole: &Segment, before: &Before, out: &mut Writer) {
    let Hold {
        id,
        deadline_ms,
        changed_offset,
        changed_at_ms,
        provider,
        acknowledged,
        seats,
        state,
        seated,
        cabin,
        class,
        segment,
    } = hold;
    let Origin {
        details,
        offset,
        created_at_ms,
        price,
    } = origin;
    let is_fresh = changed_offset == offset && changed_at_ms == created_at_ms;
    let mut flags = *state as u8 | (*seated as u8) << 3;
    flags |= if segment == whole { IS_WHOLE } else { 0 };
    flags |= if class.is_some() { HAS_CLASS } else { 0 };
    flags |= if is_fresh { IS_FRESH } else { 0 };
    out.byte(flags);
    id.put(out);
    out.wide(*details);
    out.distance(before.offset, *offset as i64);
    out.distance(before.created_ms, *created_at_ms);
    out.distance(*created_at_ms, *deadline_ms);
    if !is_fresh {
        out.distance(*offset as i64, *changed_offset as i64);
        out.distance(*created_at_ms, *changed_at_ms);
    }
    provider.put(out);
    acknowledged.wrapping_add(1).put(out);
    seats.put(out);
    cabin.put(out);
    if let Some(class) = class {
        class.put(out);
    }
    if segment != whole {
        segment.put(out);
    }
    if price.get() == before.price.get() {
        out.byte(SAME_PRICE);
    } else {
        out.byte(OTHER_PRICE);
        price.put(out);
    }
}

#[inline]
fn get_hold(
    whole: &Segment,
    before: &Before,
    input: &mut Reader<'_>,
) -> Result<(Hold, Origin), BadState> {
    let flags = input.byte()?;
    let state = STATES.get(usize::from(flags & 7));
    let seated = SEATED.get(usize::from(flags >> 3 & 3));
    let (Some(state), Some(seated)) = (state, seated) else {
        return Err(input.bad("a hold in no state"));
    };
    let id = Stored::get(input)?;
    let details = input.wide()?;
    let offset = input.distance(before.offset)?;
    let created_at_ms = input.distance(before.created_ms)?;
    let deadline_ms = input.distance(created_at_ms)?;
    let (changed_offset, changed_at_ms) = if flags & IS_FRESH != 0 {
        (offset, created_at_ms)
    } else {
        (input.distance(offset)?, input.distance(created_at_ms)?)
    };
    let provider = Stored::get(input)?;
    let acknowledged = u32::get(input)?.wrapping_sub(1);
    let seats = Stored::get(input)?;
    let cabin = Stored::get(input)?;
    let class = if flags & HAS_CLASS != 0 {
        Some(Stored::get(input)?)
    } else {
        None
    };
    let segment = if flags & IS_WHOLE != 0 {
        *whole
    } else {
        Stored::get(input)?
    };
    let price = match input.byte()? {
        SAME_PRICE => before.price,
        OTHER_PRICE => Stored::get(input)?,
        _ => return Err(input.bad("a price of no kind")),
    };
    let hold = Hold {
        id,
        deadline_ms,
        changed_offset: changed_offset as u64,
        changed_at_ms,
        provider,
        acknowledged,
        seats,
        state: *state,
        seated: *seated,
        cabin,
        class,
        segment,
    };
    Ok((
        hold,
        Origin::new(details, offset as u64, created_at_ms, price),
    ))
}

impl Flight {
    /// Makes the index of ids from what is remembered.
    fn index_ids(&mut self) {
        let mut ids = Index::with_capacity(self.holds.len() + self.memos.len());
        for (hold, at) in self.holds.iter().zip(0..) {
            ids.insert(mix::hash_id(hold.id), Self::value_of_hold(at));
        }
        for (memo, at) in self.memos.iter().zip(0..) {
            ids.insert(mix::hash_id(memo.id), Self::value_of_memo(at));
        }
        self.ids = ids;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_where_its_number_says() {
        for (at, state) in STATES.iter().enumerate() {
            assert_eq!(*state as usize, at);
        }
        for (at, seated) in SEATED.iter().enumerate() {
            assert_eq!(*seated as usize, at);
        }
    }
}
