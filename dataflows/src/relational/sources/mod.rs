//! The relations that views are made from: what the fold shows, column by column as in the tables of
//! schema `flightline` (and `views`), so that a query over them means the same here and in PostgreSQL.
//!
//! - this file: what they are. `write`: their rows.
//!
//! `decisions` is not like the others: it grows for ever, so that each view reads it as far back as its file says, and
//! only that is kept (`live/recent.rs`).

mod write;

use super::Type;

pub(crate) use write::SourceWriter;

/// A column of a source.
#[derive(Debug)]
pub struct SourceColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Can it be NULL?
    pub nullable: bool,
    /// What it says.
    pub help: &'static str,
}

/// A relation that queries can name.
#[derive(Debug)]
pub struct Source {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub help: &'static str,
    /// Its columns; the first ones are the key.
    pub columns: &'static [SourceColumn],
    /// Number of columns of the key.
    pub key: usize,
    /// The table of the same rows in PostgreSQL, when there is one.
    pub table: Option<&'static str>,
}

/// One line a column: name, type, `NULL` when it can be, and what it says. The first ones are the key.
macro_rules! sources {
    (@null) => { false };
    (@null NULL) => { true };
    (@table) => { None };
    (@table $table:literal) => { Some($table) };
    ($($id:ident = $name:ident, key $key:literal $(, in $table:literal)?: $help:literal {
        $($column:ident $ty:ident $($null:ident)? $what:literal;)*
    })*) => {
        /// Places of the sources in [`ALL`].
        pub(crate) mod id {
            #[allow(clippy::upper_case_acronyms, non_camel_case_types, reason = "names of constants")]
            enum Place { $($id),* }
            $(pub(crate) const $id: usize = Place::$id as usize;)*
        }

        /// Every source.
        pub static ALL: [Source; [$($key),*].len()] = [$(Source {
            name: stringify!($name),
            help: $help,
            key: $key,
            table: sources!(@table $($table)?),
            columns: &[$(SourceColumn {
                name: stringify!($column),
                ty: Type::$ty,
                nullable: sources!(@null $($null)?),
                help: $what,
            }),*],
        }),*];
    };
}

sources! {
    FLIGHTS = flights, key 1, in "flightline.flight":
        "A flight as its owner has it." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        carrier Text "Code of the airline.";
        number Int4 "Flight number.";
        suffix Text "Letter after the number; empty as a rule.";
        origin_date Date "Local day of departure at the first station.";
        board Text "First station.";
        status Text "scheduled or cancelled.";
        owner Text "The provider whose schedule it is.";
        operating Text NULL "The flight behind a codeshare's number.";
    }
    LEGS = legs, key 2, in "flightline.leg":
        "One take-off to the next landing of a flight." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        leg_no Int2 "Place of the leg in the flight, from 1.";
        board Text "Departure station.";
        off Text "Arrival station.";
        departs_at TimestampTz "Departure.";
        arrives_at TimestampTz "Arrival.";
        departs_local Timestamp "Departure on the clocks of board.";
        arrives_local Timestamp "Arrival on the clocks of off.";
        aircraft Text "IATA aircraft type; empty when unknown.";
        service Text "IATA service type letter.";
    }
    INVENTORY = inventory, key 5, in "flightline.inventory":
        "Seats of a provider on a leg, by cabin and class. The row with an empty class is the cabin as a whole; classes are nested in it and must not be added to it." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        provider Text "Whose allotment.";
        leg_no Int2 "Place of the leg in the flight, from 1.";
        cabin Text "Cabin letter.";
        class Text "Booking class letter; empty for the cabin.";
        board Text "Departure station of the leg.";
        off Text "Arrival station of the leg.";
        authorised Int4 NULL "What may be sold; NULL = not stated, no limit.";
        held Int4 "Seats of live holds.";
        sold Int4 "Seats sold.";
        available Int4 "Seats that can be sold now.";
        oversold Int4 "Seats held or sold beyond what is authorised.";
        status Text "open, request, waitlist_open, closed or not_operating.";
    }
    CABINS = cabins, key 3, in "views.load_factor":
        "A cabin of a leg over all providers: how many seats the aircraft has, and how many are taken." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        leg_no Int2 "Place of the leg in the flight, from 1.";
        cabin Text "Cabin letter.";
        capacity Int4 "Seats in the aircraft.";
        held Int4 "Seats of live holds.";
        sold Int4 "Seats sold.";
    }
    OFFERS = offers, key 6, in "views.offers":
        "What can be bought, by segment, provider, cabin and class. One seat may be on offer several times." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        board Text "Where the passenger boards.";
        off Text "Where the passenger leaves.";
        provider Text "Who sells.";
        cabin Text "Cabin letter.";
        class Text "Booking class letter; empty for the cabin.";
        date Date "Local day of departure at board.";
        price Numeric "Price of one seat, taxes included.";
        currency Text "Currency of the price.";
        seats Int4 "Seats that can be sold now; 0 when closed, sold out or cancelled.";
        seats_is_floor Bool "The provider's count was a floor: 9 means nine or more.";
        departs_at TimestampTz "Departure at board.";
        arrives_at TimestampTz "Arrival at off.";
        departs_local Timestamp "Departure on the clocks of board.";
        arrives_local Timestamp "Arrival on the clocks of off.";
        aircraft Text "IATA aircraft type of the boarding leg; empty when unknown.";
        legs Int2 "Legs flown.";
    }
    FARES = fares, key 6:
        "What a provider asks for a seat, as it was filed. `offers` says at which of them something can be bought." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        provider Text "Who filed it.";
        board Text "First station of the segment that it is for; empty = the whole flight.";
        off Text "Last station of the segment; empty = the whole flight.";
        cabin Text "Cabin letter.";
        class Text "Booking class letter; empty = every class of the cabin without a fare of its own.";
        price Numeric "Price of one seat, taxes included.";
        currency Text "Currency of the price.";
        version_at TimestampTz "When the provider filed it: the time of the message's version.";
    }
    HOLDS = holds, key 2, in "flightline.hold":
        "A hold and what became of it. A confirmed hold is a sale." {
        partition Int4 "Partition of the flight's stream.";
        offset Int8 "Offset of the record that made the hold.";
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        provider Text "From whose allotment.";
        cabin Text "Cabin letter.";
        class Text "Booking class letter; empty for the cabin.";
        board Text "Where the passenger boards.";
        off Text "Where the passenger leaves.";
        seats Int4 "Seats held, sold or waited for.";
        status Text "waiting, held, confirmed, released, cancelled, expired or displaced.";
        deadline TimestampTz "When it lapses unless it is confirmed before.";
        price Numeric NULL "Price of one seat; NULL when the provider gave none.";
        currency Text NULL "Currency of the price.";
        created_at TimestampTz "When it was made.";
        changed_at TimestampTz "When its status changed last.";
        changed_offset Int8 "Offset of the record that changed it last.";
    }
    DECISIONS = decisions, key 2, in "flightline.decision":
        "What was asked of the stream and what was decided, as far back as the file says under `decisions`." {
        partition Int4 "Partition of the record.";
        offset Int8 "Offset of the record in its partition.";
        command_id Text "The command's id: the client's own text when it gave one, else 32 hexadecimal digits.";
        flight_key Text NULL "The flight; NULL for records about no flight.";
        kind Text "What was asked, such as hold, confirm, availability or order_create.";
        outcome Text "What was decided, such as held, accepted or refused. Of a replay: the answer of the first time.";
        reason Text NULL "Why it was refused, such as sold_out; NULL when it was not.";
        at TimestampTz "The partition's clock when it was decided.";
        replay Text NULL "same or different when the id was seen before; NULL the first time. A replay changes nothing.";
        first_offset Int8 NULL "Of a replay: the offset at which it was decided.";
        detail Text NULL "What the outcome adds to its name, such as available=3.";
        ref_text Text NULL "The client's or provider's own name for the command.";
        actor Text NULL "Who sent it: the name of a token, or a provider.";
        order_id Text NULL "The order; NULL for records about no order.";
    }
    PROVIDER_REPORTS = provider_reports, key 5, in "flightline.inventory_drift":
        "The last count each provider gave, beside what the ledger expected when it came." {
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        provider Text "Who reported.";
        leg_no Int2 "Place of the leg in the flight, from 1.";
        cabin Text "Cabin letter.";
        class Text "Booking class letter; empty for the cabin.";
        counts Text "total: what may be sold in all; remaining: what is left.";
        reported Int4 "What was reported.";
        expected Int4 "What the ledger expected, in the same terms.";
        drift Int4 "reported - expected.";
        version_at TimestampTz "Version of the report: its time.";
        version_group Int8 "Its group.";
        version_sequence Int8 "Its number.";
        offset Int8 "Offset of the report.";
    }
    ORDERS = orders, key 1, in "flightline.orders":
        "An order: seats on the flights of an offer for a party, with its payment." {
        order_id Text "The order.";
        booking_reference Text "What travellers call it.";
        client Text "Who asked.";
        type Text "instant: paid at once; hold: held first.";
        state Text "Where it stands.";
        cause Text NULL "Why it is or was undone.";
        cause_code Text NULL "The reason or code of whoever refused.";
        passengers Int4 "Travellers.";
        total Numeric "What the client pays in all.";
        currency Text "Currency of the amounts.";
        refund Numeric NULL "What goes back, once it is undone.";
        offer_request Text "The search it came from.";
        created_at TimestampTz "When it was created.";
        payment_required_by TimestampTz NULL "Until when it can be paid.";
        paid_at TimestampTz NULL "When the money was taken.";
        ticket Text NULL "Number of the ticket.";
        ticketed_at TimestampTz NULL "When it was issued.";
        ended_at TimestampTz NULL "When everything was undone.";
        changes_pending Bool "The airline changed times, and the client has not agreed.";
        attempt Int4 "Number of the attempt, from 1.";
        revision Int8 "Counts its changes.";
        partition Int4 "Partition of its stream.";
        created_offset Int8 "Offset of the record that created it.";
    }
    ORDER_SEGMENTS = order_segments, key 2, in "flightline.order_segment":
        "Seats of an order on one flight." {
        order_id Text "The order.";
        segment Int2 "Place in the order, from 0.";
        slice Int2 "Its slice, from 0.";
        flight_key Text "The flight, such as UA1545.2027-01-05.EWR.";
        provider Text NULL "Whose allotment.";
        cabin Text "Cabin letter.";
        class Text "Booking class letter; empty for the cabin.";
        board Text NULL "Where the passenger boards; NULL = the first station.";
        off Text NULL "Where the passenger leaves; NULL = the last station.";
        seats Int4 "Seats.";
        price Numeric "Price of one seat.";
        currency Text "Currency of the price.";
        departs_at TimestampTz "Departure as known to the order.";
        state Text "Where the seats stand.";
        hold_id Text "The hold.";
        held_until TimestampTz NULL "When the hold lapses, once held.";
        held_offset Int8 NULL "Offset of the hold, once held.";
        outward_state Text "Where the sale stands with the provider that granted the seats.";
        outward_reference Text NULL "The provider's name for it.";
        outward_code Text NULL "The provider's code when it refused something last.";
    }
    AIRPORTS = airports, key 1:
        "Airports, as they come with the program: about 7,900. They change with a release, never with the stream." {
        iata Text "IATA code, which board and off are.";
        icao Text "ICAO code; empty when there is none.";
        name Text "Name in English.";
        city Text "City it serves.";
        area Text NULL "IATA code of the metropolitan area, such as NYC.";
        country Text "ISO 3166 code of the country, two letters.";
        latitude Numeric "Degrees, north positive.";
        longitude Numeric "Degrees, east positive.";
        time_zone Text "Name of the time zone, such as America/New_York.";
    }
    AIRLINES = airlines, key 1:
        "Names of airlines, as they come with the program; not every code has one. They change with a release, never with the stream." {
        iata Text "IATA designator, which carrier is.";
        name Text "Name.";
    }
    PAYMENTS = payments, key 2, in "flightline.payment":
        "The newest payment of an order." {
        order_id Text "The order.";
        number Int8 "Its number among the order's payments, from 1.";
        state Text "Where it stands.";
        method Text "How it is paid.";
        amount Numeric "How much.";
        currency Text "Currency.";
        reference Text NULL "The payment service's name for it.";
        code Text NULL "The service's code when it refused last.";
        failures Int8 "How often a void or refund was refused.";
        captured_at TimestampTz NULL "When the money was taken.";
    }
}

/// [`Reference::fingerprint`](crate::reference::Reference::fingerprint) of the names that come with this release:
/// part of what a view means that reads them, so that its table is made anew when a release brings others.
pub const REFERENCE: u64 = 0x379c_6882_ccec_0d35;

/// Place of the column `at` of [`id::DECISIONS`].
pub(crate) const DECIDED_AT: usize = 7;
