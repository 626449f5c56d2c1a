//! The errors that calls can give, added to the document.

use serde_json::{Value, json};

/// Method and path.
type Call = (&'static str, &'static str);

/// Errors, and the calls that can give them. Those that any call can give are in [`ERRORS_OF_ALL`].
const ERRORS: &[(&[u16], &[Call])] = &[
    (
        &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504],
        &[
            ("post", "/flights/{flight_key}/holds"),
            ("post", "/holds/{id}/confirm"),
            ("post", "/holds/{id}/release"),
            ("post", "/holds/{id}/cancel"),
        ],
    ),
    (
        &[400, 401, 403, 404, 409, 422, 429, 503, 504],
        &[("get", "/holds/{id}")],
    ),
    (
        &[400, 401, 403, 408, 409, 415, 429, 503],
        &[("post", "/holds/batch")],
    ),
    (
        &[400, 401, 404, 409, 422, 429],
        &[
            ("get", "/flights/{flight_key}"),
            ("get", "/flights/{flight_key}/history"),
        ],
    ),
    (&[400, 401, 409, 422, 429], &[("get", "/search")]),
    (&[400, 401, 403, 409, 422, 429], &[("get", "/changes")]),
    (
        &[400, 401, 403, 404, 408, 409, 415, 422, 429, 503],
        &[
            ("post", "/providers/{provider}/events"),
            ("post", "/providers/{provider}/files"),
        ],
    ),
    (
        &[400, 401, 403, 404, 409, 422, 429],
        &[
            ("get", "/providers/{provider}/status"),
            ("get", "/providers/{provider}/report"),
        ],
    ),
    (
        &[400, 401, 403, 404, 408, 415, 422, 429, 503],
        &[("post", "/providers/{provider}/reconcile")],
    ),
    (
        &[400, 401, 403, 404, 422, 429, 503],
        &[
            ("post", "/providers/{provider}/stop"),
            ("post", "/providers/{provider}/resume"),
        ],
    ),
    (
        &[400, 404, 408, 413, 415, 429, 503],
        &[("post", "/payments/stripe/notices")],
    ),
    (&[400, 401, 403, 404, 429], &[("get", "/dataflows")]),
    (
        &[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503],
        &[("put", "/dataflows/{name}")],
    ),
    (
        &[400, 401, 403, 404, 409, 429, 503],
        &[("delete", "/dataflows/{name}")],
    ),
    (&[], &[("get", "/health/live"), ("get", "/health/ready")]),
    (&[401, 403], &[("get", "/metrics")]),
    (
        &[400, 401, 403, 422, 429, 503],
        &[("get", "/stream/digest")],
    ),
    (&[429], &[("get", "/openapi.json")]),
    (
        &[400, 401, 406, 422, 429],
        &[
            ("get", "/places/suggestions"),
            ("get", "/air/airports"),
            ("get", "/air/airlines"),
            ("get", "/air/aircraft"),
            ("get", "/air/offer_requests"),
        ],
    ),
    (
        &[400, 401, 404, 406, 429],
        &[
            ("get", "/air/airports/{id}"),
            ("get", "/air/airlines/{id}"),
            ("get", "/air/aircraft/{id}"),
        ],
    ),
    (
        &[400, 401, 403, 406, 408, 409, 413, 415, 422, 429, 504],
        &[("post", "/air/offer_requests")],
    ),
    (
        &[400, 401, 404, 406, 409, 429, 504],
        &[("get", "/air/offer_requests/{id}")],
    ),
    (
        &[400, 401, 404, 406, 409, 422, 429, 504],
        &[
            ("get", "/air/offers"),
            ("get", "/air/orders"),
            ("get", "/air/orders/{id}"),
            ("get", "/air/orders/{id}/explanation"),
            ("get", "/air/orders/{id}/available_services"),
            ("get", "/air/seat_maps"),
            ("get", "/air/airline_initiated_changes"),
            ("get", "/air/payments"),
            ("get", "/air/payments/{id}"),
            ("get", "/air/order_cancellations"),
            ("get", "/air/order_cancellations/{id}"),
        ],
    ),
    (
        &[400, 401, 404, 406, 409, 422, 429],
        &[("get", "/air/offers/{id}")],
    ),
    (
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 502, 503, 504,
        ],
        &[("post", "/air/orders")],
    ),
    (
        &[
            400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504,
        ],
        &[
            ("patch", "/air/orders/{id}"),
            ("post", "/air/airline_initiated_changes/{id}/actions/accept"),
            ("post", "/air/payments"),
            ("post", "/air/order_cancellations"),
            ("post", "/air/order_cancellations/{id}/actions/confirm"),
        ],
    ),
    (
        &[400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503],
        &[
            ("post", "/air/webhooks"),
            ("get", "/air/webhooks"),
            ("get", "/air/webhooks/{id}"),
            ("patch", "/air/webhooks/{id}"),
            ("delete", "/air/webhooks/{id}"),
            ("post", "/air/webhooks/{id}/actions/ping"),
            ("get", "/air/webhooks/events"),
            ("get", "/air/webhooks/events/{id}"),
            ("post", "/air/webhooks/events/{id}/actions/redeliver"),
            ("get", "/air/webhooks/deliveries"),
        ],
    ),
];

const ERRORS_OF_ALL: [u16; 1] = [500];

const fn describe(status: u16) -> &'static str {
    match status {
        400 => "The request is malformed",
        401 => "There is no token, or an unknown one",
        403 => "The token may not do this",
        404 => "There is nothing of this name or id",
        406 => "The header `Accept` leaves no room for JSON",
        408 => "The body did not arrive in time",
        409 => {
            "Refused: the state of the flight or hold, or a key that was used for something else"
        }
        413 => "The body is too large",
        415 => "The body is of a type or encoding that is not taken",
        422 => "A field or parameter is wrong",
        429 => "Too many requests: try again at the time in `ratelimit-reset`",
        502 => "The order could not be completed: seats and money are back",
        503 => "No commands are taken now: ask again with the same id",
        504 => "Not decided in time: ask again with the same id",
        _ => "A fault of ours",
    }
}

/// Adds to every call the errors that it can give, and to every answer its request id.
pub(super) fn add(document: &mut Value) {
    let calls = ERRORS
        .iter()
        .flat_map(|(errors, calls)| calls.iter().map(move |call| (call, errors)));
    for ((method, path), errors) in calls {
        let operation = &mut document["paths"][path][method];
        assert!(
            operation.is_object(),
            "{method} {path} has errors but is not described"
        );
        for status in errors.iter().chain(&ERRORS_OF_ALL) {
            let mut response = json!({
                "description": describe(*status),
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}},
            });
            if *status == 429 {
                for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
                    response["headers"][name] = json!({"schema": {"type": "string"}});
                }
            }
            operation["responses"][status.to_string()] = response;
        }
        let Some(responses) = operation["responses"].as_object_mut() else {
            continue;
        };
        for response in responses.values_mut() {
            response["headers"]["x-request-id"] = json!({
                "description": "Yours if you sent a sane one, else made here",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            });
        }
    }
}
