//! Every error code there is, with its HTTP status: the one list from which answers, the OpenAPI
//! document and the table in `docs/booking-client.md` are made or checked.

/// Families of errors, as Duffel names them. Clients test the code first, the family second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    InvalidRequest,
    Authentication,
    Validation,
    InvalidState,
    RateLimit,
    Api,
}

impl Family {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Family::InvalidRequest => "invalid_request_error",
            Family::Authentication => "authentication_error",
            Family::Validation => "validation_error",
            Family::InvalidState => "invalid_state_error",
            Family::RateLimit => "rate_limit_error",
            Family::Api => "api_error",
        }
    }
}

/// One kind of error.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) family: Family,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
}

macro_rules! faults {
    ($($name:ident = $status:literal $family:ident $code:literal $title:literal;)*) => {
        $(pub(crate) static $name: Fault = Fault {
            status: $status,
            family: Family::$family,
            code: $code,
            title: $title,
        };)*
        /// All of them, in the order of their status.
        pub(crate) static ALL: &[&Fault] = &[$(&$name),*];
    };
}

faults! {
    BAD_REQUEST = 400 InvalidRequest "bad_request" "Bad request";
    MISSING_VERSION = 400 InvalidRequest "missing_version_header" "Missing version header";
    INVALID_VERSION = 400 InvalidRequest "invalid_version_header" "Invalid version header";
    UNSUPPORTED_VERSION = 400 InvalidRequest "unsupported_version" "Unsupported version";
    MISSING_CONTENT_TYPE = 400 InvalidRequest "missing_content_type_header" "Missing content type";
    BOOKING_CONTENT_TYPE = 400 InvalidRequest "invalid_content_type_header" "Invalid content type";
    MISSING_DATA = 400 InvalidRequest "missing_data_param" "Missing data";
    INVALID_DATA = 400 InvalidRequest "invalid_data_param" "Invalid data";
    MALFORMED_DATA = 400 InvalidRequest "malformed_data_param" "Malformed data";
    INVALID_IDEMPOTENCY_KEY = 400 InvalidRequest "invalid_idempotency_key" "Invalid idempotency key";
    INVALID_SIGNATURE = 400 InvalidRequest "invalid_signature" "Invalid signature";
    FEED_BROKE_OFF = 400 InvalidRequest "feed_broke_off" "The feed broke off";
    MISSING_AUTHORIZATION = 401 Authentication "missing_authorization_header" "Missing authorization header";
    INVALID_AUTHORIZATION = 401 Authentication "invalid_authorization_header" "Invalid authorization header";
    TOKEN_NOT_FOUND = 401 Authentication "access_token_not_found" "Access token not found";
    UNAVAILABLE_FEATURE = 403 Authentication "unavailable_feature" "Not available";
    INSUFFICIENT_PERMISSIONS = 403 Authentication "insufficient_permissions" "Insufficient permissions";
    NOT_FOUND = 404 InvalidRequest "not_found" "Not found";
    UNKNOWN_FLIGHT = 404 InvalidRequest "unknown_flight" "Unknown flight";
    UNKNOWN_HOLD = 404 InvalidRequest "unknown_hold" "Unknown hold";
    NOT_SCHEDULED = 404 InvalidRequest "not_scheduled" "Flight not scheduled";
    METHOD_NOT_ALLOWED = 405 InvalidRequest "method_not_allowed" "Method not allowed";
    UNSUPPORTED_FORMAT = 406 InvalidRequest "unsupported_format" "Unsupported format";
    REQUEST_TIMEOUT = 408 InvalidRequest "request_timeout" "Request timeout";
    SOLD_OUT = 409 InvalidState "sold_out" "Sold out";
    DEPARTED = 409 InvalidState "departed" "Departed";
    FLIGHT_CANCELLED = 409 InvalidState "flight_cancelled" "Flight cancelled";
    RETIRED = 409 InvalidState "retired" "Flight is over";
    SEGMENT_RESTRICTED = 409 InvalidState "segment_restricted" "Segment not sold";
    CLOSED = 409 InvalidState "closed" "Closed for sale";
    PRICE_CHANGED = 409 InvalidState "price_changed" "Price changed";
    NOT_OPERATING = 409 InvalidState "not_operating" "Codeshare number";
    EXPIRED = 409 InvalidState "expired" "Hold expired";
    ALREADY_RELEASED = 409 InvalidState "already_released" "Already released";
    ALREADY_CANCELLED = 409 InvalidState "already_cancelled" "Already cancelled";
    ALREADY_CONFIRMED = 409 InvalidState "already_confirmed" "Already confirmed";
    DISPLACED = 409 InvalidState "displaced" "Hold displaced";
    STILL_WAITING = 409 InvalidState "still_waiting" "Hold still waits";
    PROVIDER_STOPPED = 409 InvalidState "provider_stopped" "Provider stopped";
    PROVIDER_SILENT = 409 InvalidState "provider_silent" "Provider silent";
    NOT_OWNER = 409 InvalidState "not_owner" "Not the owner";
    KEY_REUSED = 409 InvalidState "idempotency_key_reused" "Idempotency key reused";
    VIEW_CONFLICT = 409 InvalidState "view_conflict" "View conflict";
    VIEW_FAILED = 409 InvalidState "view_failed" "View failed";
    NOT_YET = 409 InvalidState "not_yet" "Not yet";
    BODY_TOO_LARGE = 413 InvalidRequest "body_too_large" "Body too large";
    INVALID_CONTENT_TYPE = 415 InvalidRequest "invalid_content_type_header" "Invalid content type";
    INVALID_CONTENT_ENCODING = 415 InvalidRequest "invalid_content_encoding_header" "Invalid content encoding";
    VALIDATION_REQUIRED = 422 Validation "validation_required" "Required field";
    VALIDATION_TYPE = 422 Validation "validation_type" "Wrong type";
    VALIDATION_FORMAT = 422 Validation "validation_format" "Wrong format";
    VALIDATION_INCLUSION = 422 Validation "validation_inclusion" "Value not allowed";
    VALIDATION_LENGTH = 422 Validation "validation_length" "Wrong length";
    INVALID_FIELD_SETS = 422 Validation "invalid_field_sets" "Fields that exclude each other";
    UNKNOWN_FIELD = 422 Validation "unknown_field" "Unknown field";
    UNKNOWN_SEGMENT = 422 Validation "unknown_segment" "Unknown segment";
    UNKNOWN_CABIN = 422 Validation "unknown_cabin" "Unknown cabin";
    UNKNOWN_CLASS = 422 Validation "unknown_class" "Unknown class";
    UNKNOWN_PROVIDER = 422 Validation "unknown_provider" "Unknown provider";
    INVALID_SEATS = 422 Validation "invalid_seats" "Invalid number of seats";
    INVALID_TTL = 422 Validation "invalid_ttl" "Invalid time to hold";
    INVALID_EVENT = 422 Validation "invalid_event" "Invalid event";
    UNKNOWN_FORMAT = 422 Validation "unknown_format" "Unknown format";
    INVALID_VIEW = 422 Validation "invalid_view" "Invalid view";
    UNKNOWN_VIEW = 422 Validation "unknown_view" "Unknown view";
    ALREADY_BOOKED = 422 Validation "offer_request_already_booked" "Offer request already booked";
    PAYMENT_AMOUNT = 422 Validation "payment_amount_does_not_match_order_amount" "Wrong amount";
    PAYMENT_CURRENCY = 422 Validation "payment_currency_does_not_match_order_currency" "Wrong currency";
    DUPLICATE_NAME = 422 Validation "duplicate_passenger_name" "Duplicate passenger name";
    INVALID_PHONE = 422 Validation "invalid_phone_number" "Invalid phone number";
    INVALID_EMAIL = 422 Validation "invalid_email_address" "Invalid email address";
    INVALID_NAME = 422 Validation "invalid_passenger_name" "Invalid passenger name";
    INVALID_TITLE = 422 Validation "invalid_passenger_title" "Invalid passenger title";
    WRONG_PASSENGERS = 422 Validation "order_passengers_incompatible_with_offer" "Passengers do not fit the offer";
    PAYMENTS_NOT_ALLOWED = 422 Validation "payments_not_allowed_for_order_type" "No payment for this type of order";
    SERVICES_NOT_ALLOWED = 422 Validation "services_not_allowed_for_order_type" "No services for this type of order";
    NOT_PAYABLE = 422 Validation "order_type_not_eligible_for_payment" "Nothing to pay";
    BOOKING_PRICE_CHANGED = 422 InvalidState "price_changed" "Price changed";
    INVALID_ORDER_TYPE = 422 InvalidState "invalid_order_create_type" "The offer cannot be held";
    CREATION_ATTEMPTED = 422 InvalidState "order_creation_already_attempted" "Order creation already attempted";
    INSUFFICIENT_BALANCE = 422 InvalidState "insufficient_balance" "Insufficient balance";
    PAYMENT_DECLINED = 422 InvalidState "payment_declined" "Payment declined";
    ALREADY_PAID = 422 InvalidState "already_paid" "Already paid";
    ORDER_CANCELLED = 422 InvalidState "already_cancelled" "Already cancelled";
    PAST_PAYMENT_DATE = 422 InvalidState "past_payment_required_by_date" "Too late to pay";
    SCHEDULE_CHANGED = 422 InvalidState "schedule_changed" "Schedule changed";
    NOT_CANCELLABLE = 422 InvalidState "order_not_cancellable" "Order not cancellable";
    CANCELLATION_STALE = 422 InvalidState "order_cancellation_stale" "Cancellation stale";
    NOTHING_TO_ACCEPT = 422 InvalidState "nothing_to_accept" "Nothing to accept";
    OFFER_GONE = 422 InvalidState "offer_no_longer_available" "Offer no longer available";
    OFFER_EXPIRED = 422 InvalidState "offer_expired" "Offer expired";
    RATE_LIMIT = 429 RateLimit "rate_limit_exceeded" "Too many requests";
    INTERNAL = 500 Api "internal_server_error" "Internal server error";
    ORDER_NOT_CREATED = 502 Api "order_not_created" "Order not created";
    UNAVAILABLE = 503 Api "service_unavailable" "Service unavailable";
    TIMEOUT = 504 Api "gateway_timeout_error" "No answer in time";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_unique_by_status_and_sorted() {
        for pair in ALL.windows(2) {
            assert!(pair[0].status <= pair[1].status, "{}", pair[1].code);
        }
        // The booking API has statuses of its own for some codes.
        let mut codes: Vec<_> = ALL.iter().map(|f| (f.status, f.code)).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
    }

    #[test]
    fn every_code_stands_in_the_page_for_clients() {
        let page = include_str!("../../../docs/booking-client.md");
        for fault in ALL {
            let row = format!("| {} | `{}` |", fault.status, fault.code);
            assert!(
                page.contains(&row),
                "docs/booking-client.md has no row `{row}`"
            );
        }
    }
}
