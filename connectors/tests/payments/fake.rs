//! A small Stripe in this process: PaymentIntents with manual capture, refunds, search, and
//! idempotency keys that store faults too, as the real one's do and stand-ins' mostly do not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use flightline_connectors::payments::{Payment, PaymentService, PaymentState};
use flightline_ledger::Money;
use serde_json::{Value, json};

use crate::http::{Request, Response, serve};
use crate::support::{Method, Soon, Subject, stripe_at};

/// A fault of the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does nothing and stores a 500 under the key.
    Before,
    /// It acts and stores a 500 under the key.
    After,
}

#[derive(Default)]
pub(crate) struct State {
    intents: BTreeMap<String, Value>,
    refunds: Vec<Value>,
    keys: HashMap<String, (String, Response)>,
    /// Faults to come, by the end of the path they hit.
    faults: Vec<(&'static str, Fault)>,
    pub(crate) requests: Vec<Request>,
}

#[derive(Clone)]
pub(crate) struct FakeStripe {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) base: String,
}

impl FakeStripe {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        let base = serve(move |request| served.lock().unwrap().answer(request)).await;
        Self { state, base }
    }

    pub(crate) fn fail_next(&self, path_end: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.push((path_end, fault));
    }

    /// Forgets every idempotency key, as the real one does after a day.
    pub(crate) fn forget_keys(&self) {
        self.forget_keys_of("");
    }

    /// Forgets the keys that end so: not all of an effect's are equally old.
    pub(crate) fn forget_keys_of(&self, step: &str) {
        let mut state = self.state.lock().unwrap();
        state.keys.retain(|key, _| !key.ends_with(step));
    }

    /// How many intents there are at all, empty ones too.
    pub(crate) fn intents(&self) -> usize {
        self.state.lock().unwrap().intents.len()
    }

    pub(crate) fn payments(&self) -> Vec<Payment> {
        let state = self.state.lock().unwrap();
        state.intents.values().map(|i| state.payment(i)).collect()
    }
}

impl Subject for FakeStripe {
    fn service(&self) -> Arc<dyn PaymentService> {
        stripe_at(&self.base, 10_000)
    }

    fn method(&self, method: Method) -> String {
        match method {
            Method::Good => "pm_good",
            Method::Declined => "pm_declined",
            Method::NoFunds => "pm_nofunds",
            Method::Authentication => "pm_threeds",
        }
        .into()
    }

    fn books(&self) -> Soon<'_, Vec<Payment>> {
        Box::pin(async { self.payments() })
    }
}

fn error(status: u16, fields: Value) -> Response {
    Response::new(status, json!({ "error": fields }).to_string())
}

fn invalid(status: u16, code: &str, message: &str) -> Response {
    error(
        status,
        json!({ "type": "invalid_request_error", "code": code, "message": message }),
    )
}

fn wrong_state() -> Response {
    invalid(400, "payment_intent_unexpected_state", "Not in this state.")
}

fn metadata(request: &Request) -> Value {
    let pairs = request.form.iter().filter_map(|(key, value)| {
        let key = key.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((key.to_owned(), json!(value)))
    });
    Value::Object(pairs.collect())
}

impl State {
    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    fn answer(&mut self, request: Request) -> Response {
        self.requests.push(request.clone());
        if request.header("authorization") != Some("Bearer sk_test_flightline") {
            return error(401, json!({ "type": "invalid_request_error" }));
        }
        if request.method == "GET" {
            return self.get(&request);
        }
        let key = request
            .header("idempotency-key")
            .expect("every POST has a key")
            .to_owned();
        let details = format!("{} {:?}", request.path, request.form);
        if let Some((first, response)) = self.keys.get(&key) {
            if *first != details {
                return error(
                    400,
                    json!({ "type": "idempotency_error", "message": "Other parameters." }),
                );
            }
            return response.clone().with("Idempotent-Replayed", "true");
        }
        let at = self
            .faults
            .iter()
            .position(|(end, _)| request.path.ends_with(end));
        let fault = at.map(|at| self.faults.remove(at).1);
        let mut response = Response::new(500, r#"{"error":{"type":"api_error"}}"#);
        if fault != Some(Fault::Before) {
            let acted = self.post(&request);
            if fault.is_none() {
                response = acted;
            }
        }
        self.keys.insert(key, (details, response.clone()));
        response
    }

    fn get(&self, request: &Request) -> Response {
        let list = |data: Vec<&Value>| {
            json!({ "object": "list", "has_more": false, "data": data }).to_string()
        };
        if request.path == "/v1/payment_intents/search" {
            let query = request.field("query").unwrap();
            let wanted = query.split('"').nth(3).unwrap();
            let found = self
                .intents
                .values()
                .filter(|i| i["metadata"]["flightline_effect"] == wanted)
                .collect();
            return Response::new(200, list(found));
        }
        if request.path == "/v1/refunds" {
            let intent = request.field("payment_intent").unwrap();
            if !self.intents.contains_key(intent) {
                return invalid(400, "resource_missing", "No such payment_intent");
            }
            // Pages of one, so that paging is in every test.
            let mut of_intent = self
                .refunds
                .iter()
                .rev()
                .filter(|r| r["payment_intent"] == intent);
            if let Some(after) = request.field("starting_after") {
                of_intent.find(|r| r["id"] == after);
            }
            let page: Vec<&Value> = of_intent.by_ref().take(1).collect();
            let has_more = of_intent.next().is_some();
            let body = json!({ "object": "list", "has_more": has_more, "data": page });
            return Response::new(200, body.to_string());
        }
        let id = request.path.trim_start_matches("/v1/payment_intents/");
        match self.intents.get(id) {
            Some(intent) => {
                let mut intent = intent.clone();
                if request.field("expand[]") == Some("latest_charge") {
                    let refunded = self.refunded(id);
                    if !intent["latest_charge"].is_null() {
                        intent["latest_charge"] =
                            json!({ "object": "charge", "amount_refunded": refunded });
                    }
                }
                Response::new(200, intent.to_string())
            }
            None => invalid(404, "resource_missing", "No such payment_intent"),
        }
    }

    fn post(&mut self, request: &Request) -> Response {
        let path = request.path.trim_start_matches("/v1/").to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["payment_intents"] => self.create(request),
            ["refunds"] => self.refund(request),
            ["payment_intents", id, step] => {
                let Some(mut intent) = self.intents.get(*id).cloned() else {
                    return invalid(404, "resource_missing", "No such payment_intent");
                };
                let response = match *step {
                    "confirm" => confirm(&mut intent, request),
                    "capture" => capture(&mut intent, request),
                    "cancel" => cancel(&mut intent, request),
                    other => panic!("no such step: {other}"),
                };
                self.intents.insert((*id).to_owned(), intent);
                response
            }
            other => panic!("no such path: {other:?}"),
        }
    }

    fn create(&mut self, request: &Request) -> Response {
        let method = request.field("payment_method").unwrap();
        if method == "pm_missing" {
            return invalid(400, "resource_missing", "No such PaymentMethod");
        }
        let id = format!("pi_fake{}", self.intents.len() + 1);
        let amount: i64 = request.field("amount").unwrap().parse().unwrap();
        let intent = json!({
            "id": id, "object": "payment_intent", "status": "requires_confirmation",
            "amount": amount, "amount_received": 0,
            "currency": request.field("currency"), "latest_charge": null,
            "last_payment_error": null, "cancellation_reason": null,
            "payment_method": method, "metadata": metadata(request),
        });
        self.intents.insert(id, intent.clone());
        Response::new(200, intent.to_string())
    }

    fn refunded(&self, intent: &str) -> i64 {
        let of_intent = self
            .refunds
            .iter()
            .filter(|r| r["payment_intent"] == intent);
        of_intent.map(|r| r["amount"].as_i64().unwrap()).sum()
    }

    fn refund(&mut self, request: &Request) -> Response {
        let id = request.field("payment_intent").unwrap();
        let amount: i64 = request.field("amount").unwrap().parse().unwrap();
        let Some(intent) = self.intents.get(id) else {
            return invalid(404, "resource_missing", "No such payment_intent");
        };
        if intent["status"] != "succeeded" {
            return error(
                400,
                json!({ "type": "invalid_request_error", "message": "Uncaptured." }),
            );
        }
        let left = intent["amount_received"].as_i64().unwrap() - self.refunded(id);
        if left == 0 {
            return invalid(400, "charge_already_refunded", "Already refunded.");
        }
        if amount > left {
            return error(
                400,
                json!({ "type": "invalid_request_error", "param": "amount",
                        "message": "Greater than unrefunded amount." }),
            );
        }
        let refund = json!({
            "id": format!("re_fake{}", self.refunds.len() + 1), "object": "refund",
            "amount": amount, "currency": intent["currency"], "status": "succeeded",
            "payment_intent": id, "metadata": metadata(request),
        });
        self.refunds.push(refund.clone());
        Response::new(200, refund.to_string())
    }

    fn payment(&self, intent: &Value) -> Payment {
        let currency = intent["currency"].as_str().unwrap().to_ascii_uppercase();
        let exponent = match currency.as_str() {
            "JPY" => 0,
            "KWD" => 3,
            _ => 2,
        };
        let id = intent["id"].as_str().unwrap();
        Payment {
            reference: id.to_owned(),
            effect: intent["metadata"]["flightline_effect"]
                .as_str()
                .map(|text| text.parse().unwrap()),
            state: state_of(intent),
            amount: Money {
                minor: intent["amount"].as_i64().unwrap(),
                currency: currency.parse().unwrap(),
                exponent,
            },
            captured_minor: intent["amount_received"].as_i64().unwrap(),
            refunded_minor: self.refunded(id),
        }
    }
}

/// Written apart from the adapter's own reading of states: it judges it.
pub(crate) fn state_of(intent: &Value) -> PaymentState {
    match intent["status"].as_str().unwrap() {
        "requires_capture" => PaymentState::Authorised,
        "succeeded" => PaymentState::Captured,
        "canceled" if intent["latest_charge"].is_null() => PaymentState::Declined,
        "canceled" => PaymentState::Voided,
        "requires_payment_method" => PaymentState::Declined,
        "requires_action" => panic!("left open, so that it could hold money later: {intent}"),
        _ => PaymentState::Open,
    }
}

fn confirm(intent: &mut Value, _request: &Request) -> Response {
    if intent["status"] != "requires_confirmation" {
        return wrong_state();
    }
    let declined = match intent["payment_method"].as_str().unwrap() {
        "pm_threeds" => {
            intent["status"] = json!("requires_action");
            return Response::new(200, intent.to_string());
        }
        "pm_declined" => "generic_decline",
        "pm_nofunds" => "insufficient_funds",
        _ => {
            intent["status"] = json!("requires_capture");
            intent["latest_charge"] = json!("ch_fake");
            return Response::new(200, intent.to_string());
        }
    };
    let failure = json!({
        "type": "card_error", "code": "card_declined", "decline_code": declined,
        "message": "Your card was declined.", "charge": "ch_failed",
    });
    intent["status"] = json!("requires_payment_method");
    intent["payment_method"] = Value::Null;
    intent["latest_charge"] = json!("ch_failed");
    intent["last_payment_error"] = failure.clone();
    error(402, failure)
}

fn capture(intent: &mut Value, request: &Request) -> Response {
    if intent["status"] != "requires_capture" {
        return wrong_state();
    }
    let amount: i64 = request.field("amount_to_capture").unwrap().parse().unwrap();
    if amount > intent["amount"].as_i64().unwrap() {
        return invalid(400, "amount_too_large", "More than authorised.");
    }
    intent["status"] = json!("succeeded");
    intent["amount_received"] = json!(amount);
    Response::new(200, intent.to_string())
}

fn cancel(intent: &mut Value, request: &Request) -> Response {
    if matches!(intent["status"].as_str(), Some("succeeded" | "canceled")) {
        return wrong_state();
    }
    intent["status"] = json!("canceled");
    intent["cancellation_reason"] = json!(request.field("cancellation_reason"));
    Response::new(200, intent.to_string())
}
