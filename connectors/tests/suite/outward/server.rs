//! A provider over HTTP: signed JSON at `/orders`, and as much of Duffel's order interface as orders
//! out use.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::{Shared, request};

/// What Duffel has: orders by the offer that they were made of.
#[derive(Default)]
struct Desk {
    searches: usize,
    orders: BTreeMap<String, Value>,
}

#[derive(Clone)]
struct Server {
    books: Shared,
    desk: Arc<Mutex<Desk>>,
}

pub(crate) async fn start(books: Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server {
        books,
        desk: Arc::default(),
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server.clone().serve(stream));
        }
    });
    url
}

impl Server {
    async fn serve(self, mut stream: TcpStream) {
        while let Some((head, body)) = request::read(&mut stream).await {
            if self.books.lock().down {
                return;
            }
            let mut words = head.split(' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (status, answer, is_lasting) = self.answer(method, target, &body);
            if is_lasting && self.books.lock().loses {
                return;
            }
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            if stream.write_all((head + &answer).as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Status, body, and whether it changed anything.
    fn answer(&self, method: &str, target: &str, body: &Value) -> (u16, Value, bool) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut desk = self.desk.lock();
        let error = |status: u16, code: &str| {
            let error = json!({ "code": code, "message": "no", "type": "invalid_request_error" });
            (status, json!({ "errors": [error] }), false)
        };
        match (method, path) {
            ("POST", "/orders") => self.signed(body),
            ("POST", "/air/offer_requests") => {
                desk.searches += 1;
                let number = desk.searches;
                let passengers = body["data"]["passengers"].as_array().unwrap();
                assert_eq!(passengers[1]["age"], 6, "{body}");
                let named: Vec<_> = (0..passengers.len())
                    .map(|n| json!({ "id": format!("pas_{number}_{n}") }))
                    .collect();
                let airport = |code: &Value| json!({ "iata_code": code });
                let slice = &body["data"]["slices"][0];
                let offer = json!({
                    "id": format!("off_{number}"), "total_amount": "200.00",
                    "total_currency": "USD", "passengers": named,
                    "slices": [{ "segments": [{
                        "operating_carrier": { "iata_code": "UA" },
                        "operating_carrier_flight_number": "1545",
                        "departing_at": "2027-01-05T08:00:00",
                        "origin": airport(&slice["origin"]),
                        "destination": airport(&slice["destination"]),
                    }] }],
                });
                (
                    201,
                    json!({ "data": { "offers": [offer], "passengers": named } }),
                    false,
                )
            }
            ("POST", "/air/orders") => {
                let data = &body["data"];
                let offer = data["selected_offers"][0].as_str().unwrap();
                if desk.orders.contains_key(offer) {
                    return error(422, "offer_request_already_booked");
                }
                let key = data["metadata"]["flightline_placement"].as_str().unwrap();
                assert_eq!(data["payments"][0]["amount"], "200.00");
                if let Err(code) = self.books.lock().take(key) {
                    return error(422, code);
                }
                let order = json!({
                    "id": format!("ord_{key}"), "cancelled_at": null,
                    "metadata": data["metadata"], "documents": [{ "type": "electronic_ticket" }],
                    "payment_status": { "paid_at": "2027-01-01T00:00:00Z" },
                });
                desk.orders.insert(offer.to_owned(), order.clone());
                (201, json!({ "data": order }), true)
            }
            ("GET", "/air/orders") => {
                let offer = query.strip_prefix("offer_id=");
                let found: Vec<_> = desk
                    .orders
                    .iter()
                    .filter(|(of, _)| offer.is_none_or(|offer| offer == of.as_str()))
                    .map(|(_, order)| order.clone())
                    .collect();
                (200, json!({ "data": found, "meta": null }), false)
            }
            ("POST", "/air/order_cancellations") => {
                let order = body["data"]["order_id"].as_str().unwrap();
                (
                    201,
                    json!({ "data": { "id": format!("ore_{order}") } }),
                    false,
                )
            }
            ("POST", path) if path.ends_with("/actions/confirm") => {
                let quote = path.split('/').nth(3).unwrap();
                let id = quote.strip_prefix("ore_").unwrap();
                let order = desk.orders.values_mut().find(|order| order["id"] == id);
                order.unwrap()["cancelled_at"] = json!("2027-01-02T00:00:00Z");
                self.books.lock().forget(id.strip_prefix("ord_").unwrap());
                (200, json!({ "data": {} }), true)
            }
            ("GET", path) => {
                let id = path.strip_prefix("/air/orders/").unwrap();
                match desk.orders.values().find(|order| order["id"] == id) {
                    Some(order) => (200, json!({ "data": order }), false),
                    None => error(404, "not_found"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn signed(&self, body: &Value) -> (u16, Value, bool) {
        let key = body["id"].as_str().unwrap();
        let mut books = self.books.lock();
        if body["type"] == "order.withdraw" {
            books.forget(key);
            return (200, json!({ "status": "withdrawn" }), true);
        }
        match books.take(key) {
            Ok(()) => {
                let reference = format!("R{}", &key[26..]);
                let answer = json!({ "status": "accepted", "reference": reference });
                (200, answer, true)
            }
            Err(code) => (409, json!({ "status": "refused", "code": code }), true),
        }
    }
}
