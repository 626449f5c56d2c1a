COMMENT ON COLUMN flightline.hold.provider IS 'From whose allotment. Of a hold that waits for any provider''s seats, or ended so: the flight''s first provider, which means nothing.';
COMMENT ON COLUMN flightline.hold.seats IS 'Seats held, sold or waited for.';
COMMENT ON COLUMN flightline.hold.status IS 'waiting, held, confirmed, released, cancelled, expired or displaced. Only held and confirmed take seats.';
COMMENT ON COLUMN flightline.hold.deadline IS 'When it lapses unless it is confirmed before. While it waits: until when.';
COMMENT ON COLUMN flightline.hold.price IS 'Price of one seat; null when the provider gave none, and while it waits.';
COMMENT ON COLUMN flightline.decision.outcome IS 'Of flights: held, waiting, confirmed, released, cancelled, accepted, stale, noted or refused. Of orders: created, payment_started, quoted, cancel_started, metadata_set, changes_accepted, heard, asked_again, claimed, stale or refused. Of a replay: the answer of the first time.';
