-- Tables that equal the fold of the stream up to sink_progress, and what grows with history.
-- Conventions: keys are text with the C collation, so that they sort by bytes everywhere; an empty
-- text stands for "none" in keys and in columns that say so; instants are timestamptz, beyond the
-- calendar's bounds ±infinity; columns that change with every booking are in no index, so that
-- PostgreSQL updates rows in place.

CREATE TABLE flightline.flight (
    flight_key  text COLLATE "C" NOT NULL,
    carrier     text COLLATE "C" NOT NULL,
    number      integer NOT NULL,
    suffix      text COLLATE "C" NOT NULL,
    origin_date date NOT NULL,
    board       text COLLATE "C" NOT NULL,
    status      text NOT NULL,
    owner       text COLLATE "C" NOT NULL,
    operating   text COLLATE "C",
    quality     text[] NOT NULL,
    PRIMARY KEY (flight_key)
);
CREATE INDEX flight_by_date ON flightline.flight (origin_date, carrier, number);
COMMENT ON TABLE flightline.flight IS 'Flights that are known and not yet retired.';
COMMENT ON COLUMN flightline.flight.flight_key IS 'Identity: carrier, number, suffix, origin date and first station, such as UA1545.2027-01-05.EWR.';
COMMENT ON COLUMN flightline.flight.carrier IS 'Airline designator, IATA or three letters.';
COMMENT ON COLUMN flightline.flight.number IS 'Flight number, 1 to 9999.';
COMMENT ON COLUMN flightline.flight.suffix IS 'Operational suffix letter; empty when there is none.';
COMMENT ON COLUMN flightline.flight.origin_date IS 'Local day of departure at the first station, as first scheduled.';
COMMENT ON COLUMN flightline.flight.board IS 'First station.';
COMMENT ON COLUMN flightline.flight.status IS 'scheduled or cancelled.';
COMMENT ON COLUMN flightline.flight.owner IS 'Provider whose schedule the flight has.';
COMMENT ON COLUMN flightline.flight.operating IS 'The flight that operates this one when this is only a codeshare''s number, else null.';
COMMENT ON COLUMN flightline.flight.quality IS 'Marks about what the connector repaired or guessed, such as synthetic_fare.';

CREATE TABLE flightline.leg (
    flight_key     text COLLATE "C" NOT NULL,
    leg_no         smallint NOT NULL,
    board          text COLLATE "C" NOT NULL,
    off            text COLLATE "C" NOT NULL,
    departs_at     timestamptz NOT NULL,
    arrives_at     timestamptz NOT NULL,
    departs_local  timestamp NOT NULL,
    arrives_local  timestamp NOT NULL,
    aircraft       text NOT NULL,
    service        text NOT NULL,
    PRIMARY KEY (flight_key, leg_no)
);
CREATE INDEX leg_by_route ON flightline.leg (board, off, departs_at);
COMMENT ON TABLE flightline.leg IS 'Legs of flights, with their times.';
COMMENT ON COLUMN flightline.leg.flight_key IS 'The flight.';
COMMENT ON COLUMN flightline.leg.leg_no IS 'Place in the flight, from 1.';
COMMENT ON COLUMN flightline.leg.board IS 'Departure station.';
COMMENT ON COLUMN flightline.leg.off IS 'Arrival station.';
COMMENT ON COLUMN flightline.leg.departs_at IS 'Departure.';
COMMENT ON COLUMN flightline.leg.arrives_at IS 'Arrival.';
COMMENT ON COLUMN flightline.leg.departs_local IS 'Departure on the clocks of the departure station.';
COMMENT ON COLUMN flightline.leg.arrives_local IS 'Arrival on the clocks of the arrival station.';
COMMENT ON COLUMN flightline.leg.aircraft IS 'IATA aircraft type; empty when unknown.';
COMMENT ON COLUMN flightline.leg.service IS 'IATA service type, J for scheduled passenger; empty when unknown.';

CREATE TABLE flightline.inventory (
    flight_key text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    leg_no     smallint NOT NULL,
    cabin      text COLLATE "C" NOT NULL,
    class      text COLLATE "C" NOT NULL,
    board      text COLLATE "C" NOT NULL,
    off        text COLLATE "C" NOT NULL,
    authorised integer,
    held       integer NOT NULL,
    sold       integer NOT NULL,
    available  integer NOT NULL,
    oversold   integer NOT NULL,
    status     text NOT NULL,
    PRIMARY KEY (flight_key, provider, leg_no, cabin, class)
) WITH (fillfactor = 70);
COMMENT ON TABLE flightline.inventory IS 'Seats by flight, provider, leg, cabin and booking class. The line with an empty class is the cabin as a whole; classes are nested in it and must not be added to it.';
COMMENT ON COLUMN flightline.inventory.flight_key IS 'The flight.';
COMMENT ON COLUMN flightline.inventory.provider IS 'Whose allotment.';
COMMENT ON COLUMN flightline.inventory.leg_no IS 'Place of the leg in the flight, from 1.';
COMMENT ON COLUMN flightline.inventory.cabin IS 'Cabin letter.';
COMMENT ON COLUMN flightline.inventory.class IS 'Booking class letter; empty for the cabin as a whole.';
COMMENT ON COLUMN flightline.inventory.board IS 'Departure station of the leg.';
COMMENT ON COLUMN flightline.inventory.off IS 'Arrival station of the leg.';
COMMENT ON COLUMN flightline.inventory.authorised IS 'What may be sold, overbooking allowance included; null when not stated or without limit.';
COMMENT ON COLUMN flightline.inventory.held IS 'Seats of live holds.';
COMMENT ON COLUMN flightline.inventory.sold IS 'Seats sold.';
COMMENT ON COLUMN flightline.inventory.available IS 'Seats that can be sold now; never below 0.';
COMMENT ON COLUMN flightline.inventory.oversold IS 'Seats held or sold beyond what is authorised.';
COMMENT ON COLUMN flightline.inventory.status IS 'open, request, waitlist_open, closed or not_operating.';

CREATE TABLE flightline.hold (
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    id             text NOT NULL,
    flight_key     text COLLATE "C" NOT NULL,
    provider       text COLLATE "C" NOT NULL,
    cabin          text COLLATE "C" NOT NULL,
    class          text COLLATE "C" NOT NULL,
    board          text COLLATE "C" NOT NULL,
    off            text COLLATE "C" NOT NULL,
    seats          integer NOT NULL,
    status         text NOT NULL,
    deadline       timestamptz NOT NULL,
    price          numeric,
    currency       text,
    created_at     timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL,
    changed_offset bigint NOT NULL,
    PRIMARY KEY (partition, "offset")
) WITH (fillfactor = 80);
COMMENT ON TABLE flightline.hold IS 'Holds and what became of them. A confirmed hold is a sale.';
COMMENT ON COLUMN flightline.hold.partition IS 'Partition of the flight''s stream.';
COMMENT ON COLUMN flightline.hold."offset" IS 'Offset of the record that made the hold.';
COMMENT ON COLUMN flightline.hold.id IS 'The hold''s id: the client''s own text when it gave one, else 32 hexadecimal digits.';
COMMENT ON COLUMN flightline.hold.flight_key IS 'The flight.';
COMMENT ON COLUMN flightline.hold.provider IS 'From whose allotment.';
COMMENT ON COLUMN flightline.hold.cabin IS 'Cabin letter.';
COMMENT ON COLUMN flightline.hold.class IS 'Booking class letter; empty when the cabin was asked for.';
COMMENT ON COLUMN flightline.hold.board IS 'Where the passenger boards.';
COMMENT ON COLUMN flightline.hold.off IS 'Where the passenger leaves.';
COMMENT ON COLUMN flightline.hold.seats IS 'Seats.';
COMMENT ON COLUMN flightline.hold.status IS 'held, confirmed, released, cancelled, expired or displaced.';
COMMENT ON COLUMN flightline.hold.deadline IS 'When it lapses unless it is confirmed before.';
COMMENT ON COLUMN flightline.hold.price IS 'Price of one seat; null when the provider gave none.';
COMMENT ON COLUMN flightline.hold.currency IS 'Currency of the price, ISO 4217.';
COMMENT ON COLUMN flightline.hold.created_at IS 'When it was made, by the clock of the partition.';
COMMENT ON COLUMN flightline.hold.changed_at IS 'When its status last changed, by the clock of the partition.';
COMMENT ON COLUMN flightline.hold.changed_offset IS 'Offset of the record at which its status last changed.';

CREATE TABLE flightline.decision (
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    command_id   text NOT NULL,
    flight_key   text COLLATE "C",
    kind         text NOT NULL,
    outcome      text NOT NULL,
    reason       text,
    at           timestamptz NOT NULL,
    replay       text,
    first_offset bigint,
    detail       text,
    ref_text     text,
    actor        text,
    PRIMARY KEY (partition, "offset")
);
COMMENT ON TABLE flightline.decision IS 'Every record of the stream and what was decided, in order. Only ever appended to. Ticks and fences are left out: their offsets are missing here.';
COMMENT ON COLUMN flightline.decision.partition IS 'Partition of the stream.';
COMMENT ON COLUMN flightline.decision."offset" IS 'Offset of the record in its partition.';
COMMENT ON COLUMN flightline.decision.command_id IS 'The command''s id: the client''s own text when it gave one, else 32 hexadecimal digits.';
COMMENT ON COLUMN flightline.decision.flight_key IS 'The flight; null for records about no flight.';
COMMENT ON COLUMN flightline.decision.kind IS 'What was asked: hold, confirm, release, cancel, schedule, time_change, equipment, availability, fares, terms, flight_cancel, flight_reinstate, flight_withdraw, acknowledge, configure, feed_reject.';
COMMENT ON COLUMN flightline.decision.outcome IS 'held, confirmed, released, cancelled, accepted, stale, noted or refused. Of a replay: the answer of the first time.';
COMMENT ON COLUMN flightline.decision.reason IS 'Why it was refused, such as sold_out; null otherwise.';
COMMENT ON COLUMN flightline.decision.at IS 'The partition''s clock when it was decided.';
COMMENT ON COLUMN flightline.decision.replay IS 'Null the first time; same or different when the id was seen before, with the same or other details. A replay changes nothing.';
COMMENT ON COLUMN flightline.decision.first_offset IS 'Of a replay: the offset at which it was decided.';
COMMENT ON COLUMN flightline.decision.detail IS 'What the outcome adds to its name, such as available=3. What was held stands in hold, under the same partition and offset.';
COMMENT ON COLUMN flightline.decision.ref_text IS 'The client''s or provider''s own name for the command; null when it gave none.';
COMMENT ON COLUMN flightline.decision.actor IS 'Who sent it: the name of a token, or a provider; null when not known.';

CREATE TABLE flightline.feed_reject (
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    at        timestamptz NOT NULL,
    provider  text COLLATE "C" NOT NULL,
    message   text NOT NULL,
    line      bigint NOT NULL,
    code      text NOT NULL,
    reason    text NOT NULL,
    raw       bytea NOT NULL,
    PRIMARY KEY (partition, "offset")
);
COMMENT ON TABLE flightline.feed_reject IS 'Records of providers that could not be read. Only ever appended to.';
COMMENT ON COLUMN flightline.feed_reject.partition IS 'Partition of the stream that keeps it.';
COMMENT ON COLUMN flightline.feed_reject."offset" IS 'Offset of the record that keeps it.';
COMMENT ON COLUMN flightline.feed_reject.at IS 'When it came.';
COMMENT ON COLUMN flightline.feed_reject.provider IS 'Who sent it.';
COMMENT ON COLUMN flightline.feed_reject.message IS 'File or message it came in.';
COMMENT ON COLUMN flightline.feed_reject.line IS 'Line or record in it, from 1.';
COMMENT ON COLUMN flightline.feed_reject.code IS 'Stable code of the fault, such as bad_time.';
COMMENT ON COLUMN flightline.feed_reject.reason IS 'What was wrong.';
COMMENT ON COLUMN flightline.feed_reject.raw IS 'The record as received; the connector may have cut it.';

CREATE TABLE flightline.inventory_drift (
    flight_key       text COLLATE "C" NOT NULL,
    provider         text COLLATE "C" NOT NULL,
    leg_no           smallint NOT NULL,
    cabin            text COLLATE "C" NOT NULL,
    class            text COLLATE "C" NOT NULL,
    counts           text NOT NULL,
    reported         integer NOT NULL,
    expected         integer NOT NULL,
    drift            integer NOT NULL,
    version_at       timestamptz NOT NULL,
    version_group    bigint NOT NULL,
    version_sequence bigint NOT NULL,
    "offset"         bigint NOT NULL,
    PRIMARY KEY (flight_key, provider, leg_no, cabin, class)
);
COMMENT ON TABLE flightline.inventory_drift IS 'The last count each provider gave, beside what the ledger expected when it came.';
COMMENT ON COLUMN flightline.inventory_drift.flight_key IS 'The flight.';
COMMENT ON COLUMN flightline.inventory_drift.provider IS 'Who reported.';
COMMENT ON COLUMN flightline.inventory_drift.leg_no IS 'Place of the leg in the flight, from 1.';
COMMENT ON COLUMN flightline.inventory_drift.cabin IS 'Cabin letter.';
COMMENT ON COLUMN flightline.inventory_drift.class IS 'Booking class letter; empty for the cabin.';
COMMENT ON COLUMN flightline.inventory_drift.counts IS 'total: an allotment. remaining: what is left for anyone to sell.';
COMMENT ON COLUMN flightline.inventory_drift.reported IS 'The provider''s count.';
COMMENT ON COLUMN flightline.inventory_drift.expected IS 'What the ledger expected, in the same terms.';
COMMENT ON COLUMN flightline.inventory_drift.drift IS 'reported less expected.';
COMMENT ON COLUMN flightline.inventory_drift.version_at IS 'Version of the report: when the provider made it.';
COMMENT ON COLUMN flightline.inventory_drift.version_group IS 'Version of the report: message group or file serial.';
COMMENT ON COLUMN flightline.inventory_drift.version_sequence IS 'Version of the report: position in the group.';
COMMENT ON COLUMN flightline.inventory_drift."offset" IS 'Offset of the report in its partition.';

CREATE TABLE flightline.sink_progress (
    partition   integer PRIMARY KEY,
    next_offset bigint NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE flightline.sink_progress IS 'How far the tables follow the stream. Committed together with the rows, so that all tables equal the fold of the stream up to here, always.';
COMMENT ON COLUMN flightline.sink_progress.partition IS 'Partition of the stream.';
COMMENT ON COLUMN flightline.sink_progress.next_offset IS 'Offset after the last record that the tables reflect.';

CREATE TABLE flightline.stream_identity (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    identity text NOT NULL
);
COMMENT ON TABLE flightline.stream_identity IS 'The stream that the tables were made from, so that another one is never mixed in.';
COMMENT ON COLUMN flightline.stream_identity.only_row IS 'Always true: there is one row at most.';
COMMENT ON COLUMN flightline.stream_identity.identity IS 'Name of the stream, as the replica knows it.';
