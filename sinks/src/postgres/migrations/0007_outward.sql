ALTER TABLE flightline.order_segment
    ADD COLUMN outward_state text NOT NULL DEFAULT 'none',
    ADD COLUMN outward_reference text,
    ADD COLUMN outward_code text;
COMMENT ON COLUMN flightline.order_segment.outward_state IS 'Where the sale stands with the provider that granted the seats: none (it is not told), due, placing (asked to take it), placed, acknowledged (taken, and the flight knows), refused, withdrawing (asked to forget it), withdrawn or kept (it refused to forget it: people have to look).';
COMMENT ON COLUMN flightline.order_segment.outward_reference IS 'The provider''s own name for the sale, once it has taken it.';
COMMENT ON COLUMN flightline.order_segment.outward_code IS 'The provider''s code when it last refused to take or to forget a sale.';
COMMENT ON COLUMN flightline.order_segment.state IS 'holding, waiting (sold out, and waited for), held, confirming, confirmed, refusing (the provider does not take it), releasing, cancelling, free (not ours any more) or kept (flown before the rest was cancelled).';
COMMENT ON COLUMN flightline.order_segment.hold_id IS 'Id of the hold in flightline.hold: of the last one, when seats were found at another provider after a refusal.';
COMMENT ON COLUMN flightline.orders.state IS 'holding, waiting (for seats of a flight that is sold out), awaiting_payment, authorising, confirming, placing (sold, and the providers are told), capturing, ticketing, booked, undoing, refused, expired or cancelled.';
COMMENT ON COLUMN flightline.orders.cause IS 'Why it is or was undone: seats_refused, holds_timed_out, times_changed, declined, payment_timed_out, placement_refused (by the provider, and nobody else had the seats), placing_timed_out, capture_failed, ticket_failed, not_paid, by_client, flight_cancelled or displaced.';
COMMENT ON COLUMN flightline.orders.cause_code IS 'The flight''s reason, or the code of the payment service or the provider.';
