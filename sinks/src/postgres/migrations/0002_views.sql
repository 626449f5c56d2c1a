-- Views of the dataflow, maintained as tables. Same conventions as the tables of flightline.

CREATE TABLE views.offers (
    flight_key     text COLLATE "C" NOT NULL,
    board          text COLLATE "C" NOT NULL,
    off            text COLLATE "C" NOT NULL,
    provider       text COLLATE "C" NOT NULL,
    cabin          text COLLATE "C" NOT NULL,
    class          text COLLATE "C" NOT NULL,
    date           date NOT NULL,
    price          numeric NOT NULL,
    currency       text NOT NULL,
    seats          integer NOT NULL,
    seats_is_floor boolean NOT NULL,
    departs_at     timestamptz NOT NULL,
    arrives_at     timestamptz NOT NULL,
    departs_local  timestamp NOT NULL,
    arrives_local  timestamp NOT NULL,
    aircraft       text NOT NULL,
    legs           smallint NOT NULL,
    PRIMARY KEY (flight_key, board, off, provider, cabin, class)
) WITH (fillfactor = 70);
CREATE INDEX offers_by_route_day ON views.offers (board, off, date);
COMMENT ON TABLE views.offers IS 'What can be bought, by segment, provider, cabin and class. One seat may be on offer several times.';
COMMENT ON COLUMN views.offers.flight_key IS 'The flight.';
COMMENT ON COLUMN views.offers.board IS 'Where the passenger boards.';
COMMENT ON COLUMN views.offers.off IS 'Where the passenger leaves.';
COMMENT ON COLUMN views.offers.provider IS 'Who sells.';
COMMENT ON COLUMN views.offers.cabin IS 'Cabin letter.';
COMMENT ON COLUMN views.offers.class IS 'Booking class letter; empty for the cabin.';
COMMENT ON COLUMN views.offers.date IS 'Local day of departure at board.';
COMMENT ON COLUMN views.offers.price IS 'Price of one seat, taxes included.';
COMMENT ON COLUMN views.offers.currency IS 'Currency of the price, ISO 4217.';
COMMENT ON COLUMN views.offers.seats IS 'Seats that can be sold now; 0 when closed, sold out or cancelled.';
COMMENT ON COLUMN views.offers.seats_is_floor IS 'The provider''s count was a floor: 9 means nine or more.';
COMMENT ON COLUMN views.offers.departs_at IS 'Departure at board.';
COMMENT ON COLUMN views.offers.arrives_at IS 'Arrival at off.';
COMMENT ON COLUMN views.offers.departs_local IS 'Departure on the clocks of board.';
COMMENT ON COLUMN views.offers.arrives_local IS 'Arrival on the clocks of off.';
COMMENT ON COLUMN views.offers.aircraft IS 'IATA aircraft type of the boarding leg; empty when unknown.';
COMMENT ON COLUMN views.offers.legs IS 'Legs flown.';

CREATE TABLE views.availability_by_route_day (
    board        text COLLATE "C" NOT NULL,
    off          text COLLATE "C" NOT NULL,
    date         date NOT NULL,
    cabin        text COLLATE "C" NOT NULL,
    flights      bigint NOT NULL,
    flights_open bigint NOT NULL,
    seats        bigint NOT NULL,
    PRIMARY KEY (board, off, date, cabin)
) WITH (fillfactor = 70);
COMMENT ON TABLE views.availability_by_route_day IS 'Seats left by route, day and cabin.';
COMMENT ON COLUMN views.availability_by_route_day.board IS 'Where the passenger boards.';
COMMENT ON COLUMN views.availability_by_route_day.off IS 'Where the passenger leaves.';
COMMENT ON COLUMN views.availability_by_route_day.date IS 'Local day of departure at board.';
COMMENT ON COLUMN views.availability_by_route_day.cabin IS 'Cabin letter.';
COMMENT ON COLUMN views.availability_by_route_day.flights IS 'Flights that sell the segment.';
COMMENT ON COLUMN views.availability_by_route_day.flights_open IS 'Flights of these with a seat left.';
COMMENT ON COLUMN views.availability_by_route_day.seats IS 'Seats left over all flights; a seat on offer several times counts once.';

CREATE TABLE views.cheapest_by_route_day (
    board      text COLLATE "C" NOT NULL,
    off        text COLLATE "C" NOT NULL,
    date       date NOT NULL,
    cabin      text COLLATE "C" NOT NULL,
    currency   text COLLATE "C" NOT NULL,
    price      numeric NOT NULL,
    flight_key text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    class      text COLLATE "C" NOT NULL,
    PRIMARY KEY (board, off, date, cabin, currency)
) WITH (fillfactor = 70);
COMMENT ON TABLE views.cheapest_by_route_day IS 'The lowest price with a seat left, by route, day, cabin and currency.';
COMMENT ON COLUMN views.cheapest_by_route_day.board IS 'Where the passenger boards.';
COMMENT ON COLUMN views.cheapest_by_route_day.off IS 'Where the passenger leaves.';
COMMENT ON COLUMN views.cheapest_by_route_day.date IS 'Local day of departure at board.';
COMMENT ON COLUMN views.cheapest_by_route_day.cabin IS 'Cabin letter.';
COMMENT ON COLUMN views.cheapest_by_route_day.currency IS 'Currency, ISO 4217.';
COMMENT ON COLUMN views.cheapest_by_route_day.price IS 'Price of one seat, taxes included.';
COMMENT ON COLUMN views.cheapest_by_route_day.flight_key IS 'The flight that has it, the first by key among equals.';
COMMENT ON COLUMN views.cheapest_by_route_day.provider IS 'Who sells it, the first by code among equals.';
COMMENT ON COLUMN views.cheapest_by_route_day.class IS 'Booking class letter, the first among equals; empty for the cabin.';

CREATE TABLE views.load_factor (
    flight_key    text COLLATE "C" NOT NULL,
    leg_no        smallint NOT NULL,
    cabin         text COLLATE "C" NOT NULL,
    capacity      integer NOT NULL,
    held          integer NOT NULL,
    sold          integer NOT NULL,
    load_permille integer NOT NULL,
    PRIMARY KEY (flight_key, leg_no, cabin)
) WITH (fillfactor = 70);
COMMENT ON TABLE views.load_factor IS 'How full each leg and cabin is, over all providers.';
COMMENT ON COLUMN views.load_factor.flight_key IS 'The flight.';
COMMENT ON COLUMN views.load_factor.leg_no IS 'Place of the leg in the flight, from 1.';
COMMENT ON COLUMN views.load_factor.cabin IS 'Cabin letter.';
COMMENT ON COLUMN views.load_factor.capacity IS 'Seats in the aircraft.';
COMMENT ON COLUMN views.load_factor.held IS 'Seats of live holds.';
COMMENT ON COLUMN views.load_factor.sold IS 'Seats sold.';
COMMENT ON COLUMN views.load_factor.load_permille IS 'Sold per thousand seats, rounded down; 0 when there are no seats.';

CREATE TABLE views.oversold (
    flight_key text COLLATE "C" NOT NULL,
    leg_no     smallint NOT NULL,
    cabin      text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    class      text COLLATE "C" NOT NULL,
    oversold   integer NOT NULL,
    PRIMARY KEY (flight_key, leg_no, cabin, provider, class)
);
COMMENT ON TABLE views.oversold IS 'Where more is held or sold than the bound; only rows above 0.';
COMMENT ON COLUMN views.oversold.flight_key IS 'The flight.';
COMMENT ON COLUMN views.oversold.leg_no IS 'Place of the leg in the flight, from 1.';
COMMENT ON COLUMN views.oversold.cabin IS 'Cabin letter.';
COMMENT ON COLUMN views.oversold.provider IS 'Whose allotment; empty for the aircraft over all providers.';
COMMENT ON COLUMN views.oversold.class IS 'Booking class letter; empty for the cabin.';
COMMENT ON COLUMN views.oversold.oversold IS 'Seats held or sold beyond the bound.';
