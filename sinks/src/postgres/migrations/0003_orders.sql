CREATE TABLE flightline.orders (
    order_id            text COLLATE "C" NOT NULL,
    booking_reference   text COLLATE "C" NOT NULL,
    client              text COLLATE "C" NOT NULL,
    type                text NOT NULL,
    state               text NOT NULL,
    cause               text,
    cause_code          text,
    passengers          integer NOT NULL,
    total               numeric NOT NULL,
    currency            text NOT NULL,
    refund              numeric,
    offer_request       text COLLATE "C" NOT NULL,
    created_at          timestamptz NOT NULL,
    payment_required_by timestamptz,
    paid_at             timestamptz,
    ticket              text,
    ticketed_at         timestamptz,
    ended_at            timestamptz,
    changes_pending     boolean NOT NULL,
    attempt             integer NOT NULL,
    revision            bigint NOT NULL,
    partition           integer NOT NULL,
    created_offset      bigint NOT NULL,
    PRIMARY KEY (order_id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX orders_booking_reference ON flightline.orders (booking_reference);
CREATE INDEX orders_client ON flightline.orders (client, created_at);
COMMENT ON TABLE flightline.orders IS 'Orders, as they stand. No personal data: passengers are sealed in the stream, and the clients'' own notes stay there too.';
COMMENT ON COLUMN flightline.orders.order_id IS 'The order''s id, as the API shows it.';
COMMENT ON COLUMN flightline.orders.booking_reference IS 'Booking reference (PNR), unique.';
COMMENT ON COLUMN flightline.orders.client IS 'Name of the token that made the order.';
COMMENT ON COLUMN flightline.orders.type IS 'instant: paid at once. hold: seats are held until payment_required_by.';
COMMENT ON COLUMN flightline.orders.state IS 'holding, awaiting_payment, authorising, confirming, capturing, ticketing, booked, undoing, refused, expired or cancelled.';
COMMENT ON COLUMN flightline.orders.cause IS 'Why it is or was undone: seats_refused, holds_timed_out, declined, payment_timed_out, capture_failed, ticket_failed, not_paid, by_client, flight_cancelled or displaced.';
COMMENT ON COLUMN flightline.orders.cause_code IS 'The flight''s reason or the payment service''s code.';
COMMENT ON COLUMN flightline.orders.passengers IS 'Travellers, infants on lap included.';
COMMENT ON COLUMN flightline.orders.total IS 'What the client pays in all.';
COMMENT ON COLUMN flightline.orders.currency IS 'Currency of total and refund, ISO 4217.';
COMMENT ON COLUMN flightline.orders.refund IS 'What goes back if money is taken; null while the order is not undone.';
COMMENT ON COLUMN flightline.orders.offer_request IS 'The search that it came from; one search has one order.';
COMMENT ON COLUMN flightline.orders.created_at IS 'When it was created (the last attempt).';
COMMENT ON COLUMN flightline.orders.payment_required_by IS 'Until when it can be paid; null when there is nothing to pay.';
COMMENT ON COLUMN flightline.orders.paid_at IS 'When the money was taken.';
COMMENT ON COLUMN flightline.orders.ticket IS 'Number of the ticket.';
COMMENT ON COLUMN flightline.orders.ticketed_at IS 'When the ticket was issued.';
COMMENT ON COLUMN flightline.orders.ended_at IS 'When everything was undone.';
COMMENT ON COLUMN flightline.orders.changes_pending IS 'The airline changed times and the client has not agreed.';
COMMENT ON COLUMN flightline.orders.attempt IS 'Number of the attempt: one more each time it was created again after a refusal.';
COMMENT ON COLUMN flightline.orders.revision IS 'Counts the changes of the order.';
COMMENT ON COLUMN flightline.orders.partition IS 'Partition of the order''s stream.';
COMMENT ON COLUMN flightline.orders.created_offset IS 'Offset of the record that created it (the last attempt).';

CREATE TABLE flightline.order_segment (
    order_id    text COLLATE "C" NOT NULL,
    segment     smallint NOT NULL,
    slice       smallint NOT NULL,
    flight_key  text COLLATE "C" NOT NULL,
    provider    text COLLATE "C",
    cabin       text COLLATE "C" NOT NULL,
    class       text COLLATE "C" NOT NULL,
    board       text COLLATE "C",
    off         text COLLATE "C",
    seats       integer NOT NULL,
    price       numeric NOT NULL,
    currency    text NOT NULL,
    departs_at  timestamptz NOT NULL,
    state       text NOT NULL,
    hold_id     text COLLATE "C" NOT NULL,
    held_until  timestamptz,
    held_offset bigint,
    PRIMARY KEY (order_id, segment)
) WITH (fillfactor = 70);
CREATE INDEX order_segment_flight ON flightline.order_segment (flight_key);
COMMENT ON TABLE flightline.order_segment IS 'Flights of orders.';
COMMENT ON COLUMN flightline.order_segment.order_id IS 'The order.';
COMMENT ON COLUMN flightline.order_segment.segment IS 'Place in the order, from 0 over all slices.';
COMMENT ON COLUMN flightline.order_segment.slice IS 'Slice of the journey, from 0.';
COMMENT ON COLUMN flightline.order_segment.flight_key IS 'The flight.';
COMMENT ON COLUMN flightline.order_segment.provider IS 'Whose seats; null when any will do and none are held yet.';
COMMENT ON COLUMN flightline.order_segment.cabin IS 'Cabin letter.';
COMMENT ON COLUMN flightline.order_segment.class IS 'Booking class letter; empty for the cabin.';
COMMENT ON COLUMN flightline.order_segment.board IS 'Where the passengers board; null = the first station.';
COMMENT ON COLUMN flightline.order_segment.off IS 'Where they leave; null = the last station.';
COMMENT ON COLUMN flightline.order_segment.seats IS 'Seats.';
COMMENT ON COLUMN flightline.order_segment.price IS 'Price of one seat.';
COMMENT ON COLUMN flightline.order_segment.currency IS 'Its currency, ISO 4217.';
COMMENT ON COLUMN flightline.order_segment.departs_at IS 'Departure, as the order knows it.';
COMMENT ON COLUMN flightline.order_segment.state IS 'holding, held, confirming, confirmed, releasing, cancelling, free (not ours any more) or kept (flown before the rest was cancelled).';
COMMENT ON COLUMN flightline.order_segment.hold_id IS 'Id of the hold in flightline.hold.';
COMMENT ON COLUMN flightline.order_segment.held_until IS 'When the hold lapses, once held.';
COMMENT ON COLUMN flightline.order_segment.held_offset IS 'Offset of the hold in the partition of the flight, once held.';

CREATE TABLE flightline.payment (
    order_id    text COLLATE "C" NOT NULL,
    number      bigint NOT NULL,
    state       text NOT NULL,
    method      text NOT NULL,
    amount      numeric NOT NULL,
    currency    text NOT NULL,
    reference   text,
    code        text,
    failures    bigint NOT NULL,
    captured_at timestamptz,
    PRIMARY KEY (order_id, number)
) WITH (fillfactor = 70);
COMMENT ON TABLE flightline.payment IS 'The newest payment of each order that had one. Earlier ones, which were declined, stand in decision.';
COMMENT ON COLUMN flightline.payment.order_id IS 'The order.';
COMMENT ON COLUMN flightline.payment.number IS 'Number of the payment among those of the order, from 1.';
COMMENT ON COLUMN flightline.payment.state IS 'authorising, declined, authorised, capturing, captured, voiding, voided, refunding or refunded.';
COMMENT ON COLUMN flightline.payment.method IS 'The payment method, as the client or its configuration named it.';
COMMENT ON COLUMN flightline.payment.amount IS 'How much.';
COMMENT ON COLUMN flightline.payment.currency IS 'Its currency, ISO 4217.';
COMMENT ON COLUMN flightline.payment.reference IS 'The payment service''s name for it.';
COMMENT ON COLUMN flightline.payment.code IS 'The payment service''s code when it refused last.';
COMMENT ON COLUMN flightline.payment.failures IS 'How often a void or refund was refused so far: above a few, somebody must look.';
COMMENT ON COLUMN flightline.payment.captured_at IS 'When the money was taken.';

ALTER TABLE flightline.decision ADD COLUMN order_id text COLLATE "C";
COMMENT ON COLUMN flightline.decision.order_id IS 'The order; null for records about no order.';
COMMENT ON COLUMN flightline.decision.kind IS 'What was asked. Of flights: hold, confirm, release, cancel, schedule, time_change, equipment, availability, fares, terms, flight_cancel, flight_reinstate, flight_withdraw, acknowledge. Of orders: order_create, order_pay, order_quote_cancel, order_confirm_cancel, order_set_metadata, order_accept_changes, order_effect_done, order_claim, order_flight_changed. Of neither: configure, configure_orders, feed_reject.';
COMMENT ON COLUMN flightline.decision.outcome IS 'Of flights: held, confirmed, released, cancelled, accepted, stale, noted or refused. Of orders: created, payment_started, quoted, cancel_started, metadata_set, changes_accepted, heard, asked_again, claimed, stale or refused. Of a replay: the answer of the first time.';
CREATE INDEX decision_order ON flightline.decision (order_id, at) WHERE order_id IS NOT NULL;
