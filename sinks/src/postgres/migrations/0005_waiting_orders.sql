COMMENT ON COLUMN flightline.order_segment.state IS 'holding, waiting (sold out, and waited for), held, confirming, confirmed, releasing, cancelling, free (not ours any more) or kept (flown before the rest was cancelled).';
COMMENT ON COLUMN flightline.order_segment.held_until IS 'When the hold lapses, once held. While it waits: until when.';
