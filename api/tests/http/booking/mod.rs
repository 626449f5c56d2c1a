//! The booking API: search, offers and reference data.
//!
//! Beside the usual flight EWR–IAH on 2027-01-05 there are an onward flight, flights back, and one from
//! JFK, so that there is something to connect and to choose from.

mod offers;
mod reference;
mod search;
mod shape;
mod sold_out;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use flightline_api::reference::{Aircraft, Airline, Airport, City, Reference};
use flightline_api::{ApiConfig, Clock, OfferKey};
use flightline_ledger::command::{CabinPlan, Fare, Leg, LegTimes, Schedule};
use flightline_ledger::{Money, ProviderBody, ProviderCode};
use serde_json::{Value, json};

use crate::client::{Reply, Request, Server};
use crate::replica::{DEPARTS_S, START_MS, provider};

/// A server whose clock stands until a test moves it.
pub struct Booking {
    pub server: Server,
    now_ms: Arc<AtomicI64>,
}

pub const KEY: OfferKey = OfferKey::new([5; 32]);

const DAY_S: i64 = 86_400;

impl Booking {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::with_auth(true, change).await
    }

    pub async fn with_auth(open: bool, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let clock = Arc::clone(&now_ms);
        let server = Server::with(open, |config| {
            config.clock = Clock::new(move || clock.load(Ordering::SeqCst));
            config.offer_key = KEY;
            config.reference = Arc::new(reference_data());
            change(config);
        })
        .await;
        let replica = &server.replica;
        let nyc = provider();
        // Onward from Houston, two hours after the usual flight arrives there.
        fly(
            &server,
            "UA20.2027-01-05.IAH",
            "LAX",
            DEPARTS_S + 4 * 3600,
            9,
            &[(nyc, 20_000)],
        );
        // Another way out, dearer and from another airport of the city; the aircraft is not known.
        fly(
            &server,
            "DL30.2027-01-05.JFK",
            "IAH",
            DEPARTS_S + 3600,
            9,
            &[(nyc, 15_000)],
        );
        // Two ways back on two days.
        fly(
            &server,
            "UA40.2027-01-07.IAH",
            "EWR",
            DEPARTS_S + 2 * DAY_S,
            9,
            &[(nyc, 11_000)],
        );
        fly(
            &server,
            "UA41.2027-01-07.IAH",
            "JFK",
            DEPARTS_S + 2 * DAY_S + 60,
            9,
            &[(nyc, 9_000)],
        );
        replica.settle();
        let booking = Self { server, now_ms };
        booking.covered().await;
        booking
    }

    /// Waits until the index reflects everything that was decided.
    pub async fn covered(&self) {
        use flightline_api::backend::Backend as _;
        self.server.replica.settle();
        let replica = &self.server.replica;
        for partition in 0..crate::replica::PARTITIONS {
            if let Some(last) = replica.answered(partition).checked_sub(1) {
                let timeout = std::time::Duration::from_secs(20);
                replica
                    .serving()
                    .wait_for(partition, last, timeout)
                    .await
                    .unwrap();
            }
        }
    }

    pub fn advance_ms(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.server.send(request("GET", path)).await
    }

    pub async fn search(&self, body: &Value) -> Reply {
        self.server.send(post(body)).await
    }

    /// The offers of a search that must succeed.
    pub async fn offers(&self, body: &Value) -> Vec<Value> {
        let reply = self.search(body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["data"]["offers"].as_array().unwrap().clone()
    }

    /// Every item of a list, page by page.
    pub async fn pages(&self, path: &str, limit: usize) -> Vec<Value> {
        let (mut out, mut after) = (Vec::new(), String::new());
        loop {
            let page = self
                .get(&format!("{path}limit={limit}{after}"))
                .await
                .is_ok();
            let items = page["data"].as_array().unwrap();
            assert!(items.len() <= limit);
            out.extend(items.clone());
            match page["meta"]["after"].as_str() {
                Some(cursor) => {
                    assert_eq!(items.len(), limit, "only the last page is short");
                    after = format!("&after={cursor}");
                }
                None => return out,
            }
        }
    }
}

pub fn request(method: &str, path: &str) -> Request {
    Request::new(method, path)
        .header("duffel-version", "v2")
        .header("accept", "application/json")
        .header("content-type", "application/json")
}

pub fn post(body: &Value) -> Request {
    let body = json!({"data": body}).to_string();
    request("POST", "/air/offer_requests").body(body.as_bytes())
}

pub fn slice(origin: &str, destination: &str, date: &str) -> Value {
    json!({"origin": origin, "destination": destination, "departure_date": date})
}

/// One adult on these slices.
pub fn trip(slices: &[Value]) -> Value {
    json!({"slices": slices, "passengers": [{"type": "adult"}]})
}

pub fn one_way() -> Value {
    trip(&[slice("EWR", "IAH", "2027-01-05")])
}

pub fn id(offer: &Value) -> &str {
    offer["id"].as_str().unwrap()
}

pub fn amount(offer: &Value) -> &str {
    offer["total_amount"].as_str().unwrap()
}

/// Flight keys by slice.
pub fn flights(offer: &Value) -> Vec<Vec<&str>> {
    let slices = offer["slices"].as_array().unwrap().iter();
    slices
        .map(|slice| {
            let segments = slice["segments"].as_array().unwrap().iter();
            segments
                .map(|s| s["flight_key"].as_str().unwrap())
                .collect()
        })
        .collect()
}

/// Schedules a flight of two hours with so many seats in economy, sold by these providers.
pub fn fly(
    server: &Server,
    flight: &str,
    off: &str,
    departs_s: i64,
    seats: u16,
    sold_by: &[(ProviderCode, i64)],
) {
    let board = crate::replica::key(flight).board;
    for (at, (code, minor)) in sold_by.iter().enumerate() {
        let leg = Leg {
            board,
            off: off.parse().unwrap(),
            times: LegTimes {
                board,
                departs_s,
                arrives_s: departs_s + 7200,
                departs_offset_min: -300,
                arrives_offset_min: -360,
            },
            aircraft: *b"7M8",
            service: b'J',
            cabins: vec![CabinPlan {
                cabin: "Y".parse().unwrap(),
                seats: Some(seats),
                authorised: None,
                classes: vec![],
            }],
        };
        let schedule = Schedule {
            legs: vec![leg],
            restricted: vec![],
            operating: None,
        };
        let at = at as u32 * 2;
        let replica = &server.replica;
        replica.event_of(
            flight,
            ProviderBody::Schedule(schedule),
            1_000_000 + at,
            *code,
        );
        let fare = Fare {
            segment: None,
            cabin: "Y".parse().unwrap(),
            class: None,
            price: Money {
                minor: *minor,
                currency: "USD".parse().unwrap(),
                exponent: 2,
            },
        };
        replica.event_of(
            flight,
            ProviderBody::Fares(vec![fare]),
            1_000_001 + at,
            *code,
        );
    }
}

fn reference_data() -> Reference {
    let airport = |iata: &str, name: &str, city: &str, at: (f64, f64)| Airport {
        iata: iata.parse().unwrap(),
        icao: format!("K{iata}").into(),
        name: name.into(),
        city_name: city.into(),
        country: "US".into(),
        latitude_deg: at.0,
        longitude_deg: at.1,
        time_zone: "America/New_York".into(),
    };
    Reference::new(
        vec![
            airport(
                "EWR",
                "Newark Liberty International Airport",
                "Newark",
                (40.69, -74.17),
            ),
            airport(
                "JFK",
                "John F Kennedy International Airport",
                "New York",
                (40.64, -73.78),
            ),
            airport(
                "IAH",
                "George Bush Intercontinental Airport",
                "Houston",
                (29.98, -95.34),
            ),
            airport(
                "LAX",
                "Los Angeles International Airport",
                "Los Angeles",
                (33.94, -118.41),
            ),
            airport(
                "ORD",
                "Chicago O'Hare International Airport",
                "Chicago",
                (41.98, -87.9),
            ),
        ],
        vec![City {
            iata: "NYC".parse().unwrap(),
            name: "New York".into(),
            country: "US".into(),
            airports: vec!["EWR".parse().unwrap(), "JFK".parse().unwrap()],
        }],
        vec![Airline {
            iata: "UA".parse().unwrap(),
            name: "United Airlines".into(),
        }],
        vec![Aircraft {
            iata: *b"738",
            name: "Boeing 737-800".into(),
        }],
    )
    .unwrap()
}
