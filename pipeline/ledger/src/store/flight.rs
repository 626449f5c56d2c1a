//! One flight: what providers said of it, what is sold from, what it remembers.

use super::{BadState, Reader, Stored, Writer, holds, stored};
use crate::book::{
    AircraftCabin, Book, BookCabin, BookClass, Drift, PricedFare, Provider, Report, SegmentKey,
    SegmentLimit, Tally,
};
use crate::codes::FlightKey;
use crate::flight::Flight;
use crate::record::{NO_LEG, Segment};
use crate::shelf::{Row, Shelf};
use crate::waiting::{Ask, Waitlist};

stored!(Tally {
    held,
    sold,
    acknowledged
});
stored!(Report {
    version,
    remaining_at,
    drift,
    lapses_ms
});
stored!(Drift {
    counts,
    reported,
    expected,
    offset,
    at_ms
});
stored!(BookCabin {
    leg,
    cabin,
    status,
    is_floor,
    known,
    row,
    authorised,
    acknowledged,
    report,
    nest,
    strays,
});
stored!(BookClass {
    class,
    status,
    is_floor,
    row,
    limit,
    acknowledged,
    report
});
stored!(SegmentLimit {
    status,
    is_floor,
    bound,
    tally,
    report
});
stored!(PricedFare { price, version });
stored!(AircraftCabin {
    leg,
    cabin,
    named,
    seats,
    row
});
stored!(Provider {
    code,
    sells,
    pause,
    cabins,
    fares,
    segments,
    allowances,
    timing,
    equipment,
    status,
    terms,
});
stored!(Book {
    legs,
    restricted,
    providers,
    aircraft,
    authority,
    owner,
    operating,
    quality,
    answers,
    waitlist,
});
stored!(Waitlist { queue, asks });
stored!(Ask {
    request,
    ttl_ms,
    deadline_ms,
    ahead
});
stored!(Segment {
    first,
    last,
    board,
    off
});
stored!(Row {
    bound,
    used,
    held,
    sold,
    provider,
    allowance,
    aircraft,
    leg,
    letter,
    nest,
    strays,
});

impl Stored for SegmentKey {
    fn put(&self, out: &mut Writer) {
        out.wide(self.raw());
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        input.wide().map(Self::from_raw)
    }
}

impl Stored for Shelf {
    fn put(&self, out: &mut Writer) {
        out.len(self.aircraft());
        out.len(self.rows().len());
        for (at, row) in self.rows().iter().enumerate() {
            row.put(out);
            self.price(at).put(out);
        }
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let (aircraft, len) = (input.len()?, input.len()?);
        let (mut rows, mut prices) = (Vec::with_capacity(len), Vec::with_capacity(len));
        for _ in 0..len {
            rows.push(Stored::get(input)?);
            prices.push(Stored::get(input)?);
        }
        if aircraft > len {
            return Err(input.bad("a shelf with more cabins than rows"));
        }
        let mut shelf = Self::default();
        shelf.set(aircraft, rows, prices);
        Ok(shelf)
    }
}

/// The stored form of a flight, to be kept in memory; its key is kept beside it.
pub(crate) fn pack(flight: &Flight) -> Box<[u8]> {
    let mut out = Writer(Vec::with_capacity(512));
    put(flight, &mut out);
    out.0.into()
}

/// Reads what [`pack`] gave.
pub(crate) fn unpack(key: FlightKey, stored: &[u8]) -> Flight {
    let mut input = Reader::new(stored);
    match get(key, &mut input) {
        Ok(flight) if input.end().is_ok() => flight,
        _ => unreachable!("{key} was packed otherwise than it is unpacked"),
    }
}

/// Writes a flight; its key is known to the reader.
pub(super) fn put(flight: &Flight, out: &mut Writer) {
    // Taken apart, so that nothing added later is forgotten here.
    let Flight {
        key: _,
        // Made from what is remembered.
        ids: _,
        departs_ms,
        whole,
        cancelled,
        retired: _,
        is_codeshare,
        has_restrictions,
        has_limits,
        has_segment_fares,
        // It says nothing of what will be decided.
        is_recent: _,
        // The first of the book's, and their number.
        first_provider: _,
        providers: _,
        seats,
        live,
        holds: _,
        waiting,
        memos: _,
        origins: _,
        book,
        shelf,
    } = flight;
    book.put(out);
    shelf.put(out);
    departs_ms.put(out);
    whole.put(out);
    for flag in [
        cancelled,
        is_codeshare,
        has_restrictions,
        has_limits,
        has_segment_fares,
    ] {
        flag.put(out);
    }
    for count in [seats, live, waiting] {
        count.put(out);
    }
    holds::put(flight, out);
}

/// Reads what [`put`] wrote.
pub(super) fn get(key: FlightKey, input: &mut Reader<'_>) -> Result<Flight, BadState> {
    let mut flight = Flight::new(key);
    flight.book = Stored::get(input)?;
    flight.shelf = Stored::get(input)?;
    flight.departs_ms = Stored::get(input)?;
    flight.whole = Stored::get(input)?;
    for flag in [
        &mut flight.cancelled,
        &mut flight.is_codeshare,
        &mut flight.has_restrictions,
        &mut flight.has_limits,
        &mut flight.has_segment_fares,
    ] {
        *flag = Stored::get(input)?;
    }
    for count in [&mut flight.seats, &mut flight.live, &mut flight.waiting] {
        *count = Stored::get(input)?;
    }
    flight.providers = flight.book.providers.len() as u32;
    if let Some(first) = flight.book.providers.first() {
        flight.first_provider = first.code;
    }
    check_book(&flight, input)?;
    holds::get(&mut flight, input)?;
    Ok(flight)
}

/// Every index leads somewhere: what follows them later does not look.
fn check_book(flight: &Flight, input: &Reader<'_>) -> Result<(), BadState> {
    let book = &flight.book;
    let legs = book.legs.len();
    let rows = flight.shelf.rows().len();
    let is_row = |row: u32| (row as usize) < rows;
    let cabins = || book.providers.iter().flat_map(|provider| &provider.cabins);
    let classes = || cabins().flat_map(|cabin| cabin.nest.iter().chain(&cabin.strays));
    let fine = (1..=usize::from(NO_LEG)).contains(&legs)
        && (book.owner as usize) < book.providers.len()
        && is_on_route(&flight.whole, legs)
        && book.aircraft.iter().all(|cabin| is_row(cabin.row))
        && cabins().all(|cabin| is_row(cabin.row))
        && classes().all(|class| is_row(class.row));
    if fine {
        Ok(())
    } else {
        Err(input.bad("a flight whose parts do not belong together"))
    }
}

/// Are its legs the flight's, or none?
pub(super) fn is_on_route(segment: &Segment, legs: usize) -> bool {
    !segment.is_flown() || segment.first <= segment.last && usize::from(segment.last) < legs
}
