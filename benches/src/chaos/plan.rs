//! What is sold, how fast, and which faults strike.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};

/// A replica under load and faults; then everything that clients were told is checked.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos", version)]
pub struct Plan {
    /// How long load and faults last.
    #[arg(long, default_value_t = 5.0, value_name = "N")]
    pub minutes: f64,
    /// Seat requests in a second that clients try to make, over HTTP.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub rate: u32,
    /// Clients that sell seats, each with one request at a time.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub clients: u32,
    /// Clients that order and pay trips.
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub shoppers: u32,
    /// Flights that seats are sold on: half of them scarce, half of them that do not sell out.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub flights: u32,
    /// Seconds from the end of a fault to the next.
    #[arg(long, default_value_t = 5.0, value_name = "N")]
    pub every: f64,
    /// The faults; all of them when none is named.
    #[arg(long, value_delimiter = ',', value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// How long PostgreSQL stands still each time; up to 3 seconds when it is not said. With it, the table also says how
    /// fast the tables catch up.
    #[arg(long, value_name = "SECONDS")]
    pub postgres_pause: Option<f64>,
    /// Stop after so many faults, if that is earlier.
    #[arg(long, value_name = "N")]
    pub strikes: Option<u32>,
    /// Decides which fault strikes when, and what clients ask for.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// The controller of a Fluvio cluster: replicas share a new topic in it, and one PostgreSQL. Without it one
    /// replica keeps its stream in its folder.
    #[arg(long, value_name = "HOST:PORT")]
    pub fluvio: Option<String>,
    /// Replicas, each request goes to the next of them.
    #[arg(long, default_value_t = 2, value_name = "N", requires = "fluvio")]
    pub replicas: u32,
    /// Copies of each partition in the cluster.
    #[arg(long, default_value_t = 1, value_name = "N", requires = "fluvio")]
    pub replication: u32,
    /// A program that does a fault of the cluster, named by its one argument (spu-kill, spu-pause, sc-kill), to one
    /// server, and returns when that server is started again. Without it these faults are left out.
    #[arg(long, value_name = "PROGRAM", requires = "fluvio")]
    pub cluster_faults: Option<std::path::PathBuf>,
    /// Small: half a minute, little load. For trying it out.
    #[arg(long)]
    pub smoke: bool,
    /// Print one JSON object beside the table.
    #[arg(long)]
    pub json: bool,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Fault {
    /// kill -9 of the replica, and its start.
    Kill,
    /// The replica is told to stop, and started again.
    Restart,
    /// The replica stands still for some seconds (SIGSTOP).
    Pause,
    /// kill -9 of its PostgreSQL.
    PostgresKill,
    /// Its PostgreSQL stands still for some seconds.
    PostgresPause,
    /// kill -9 of a server of the cluster that holds partitions, and its start.
    SpuKill,
    /// A server of the cluster stands still for some seconds.
    SpuPause,
    /// kill -9 of the cluster's controller, and its start.
    ScKill,
}

impl Fault {
    /// Does it strike the cluster?
    pub const fn is_clusters(self) -> bool {
        matches!(self, Fault::SpuKill | Fault::SpuPause | Fault::ScKill)
    }

    /// As it is named on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Restart => "restart",
            Fault::Pause => "pause",
            Fault::PostgresKill => "postgres-kill",
            Fault::PostgresPause => "postgres-pause",
            Fault::SpuKill => "spu-kill",
            Fault::SpuPause => "spu-pause",
            Fault::ScKill => "sc-kill",
        }
    }
}

/// A flight on which seats are sold one by one.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Its key.
    pub key: String,
    /// Its seats.
    pub seats: u32,
}

/// Seats of a scarce flight, and of a trip's.
const FEW: u32 = 180;
/// Seats of a flight that does not sell out: the most that a cabin can have.
const MANY: u32 = 9_999;
/// Flights of trips, each way.
const TRIP_FLIGHTS: u32 = 200;

/// The provider of all flights.
pub const PROVIDER: &str = "bench";

impl Plan {
    /// With the sizes of a small run where that is wanted.
    #[must_use]
    pub fn sized(mut self) -> Self {
        if self.smoke {
            self.minutes = self.minutes.min(0.5);
            self.rate = self.rate.min(300);
            self.clients = self.clients.min(8);
            self.shoppers = self.shoppers.min(2);
            self.flights = self.flights.min(50);
            self.every = self.every.min(1.0);
            self.strikes = Some(self.strikes.unwrap_or(5).min(5));
        }
        if self.faults.is_empty() {
            self.faults = Fault::value_variants().to_vec();
            if self.cluster_faults.is_none() {
                self.faults.retain(|fault| !fault.is_clusters());
            }
        }
        self
    }

    /// How long load and faults last.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.minutes.clamp(0.05, 24.0 * 60.0) * 60.0)
    }

    /// The flights on which seats are sold one by one.
    pub fn seat_flights(&self) -> Vec<Flight> {
        (0..self.flights.clamp(2, 9_000))
            .map(|n| Flight {
                key: format!("CH{}.2035-06-10.JFK", n + 1),
                seats: if n % 2 == 0 { FEW } else { MANY },
            })
            .collect()
    }

    /// The flights of trips: the ways there, then the ways back.
    pub fn trip_flights(&self) -> Vec<Flight> {
        let out = (1..=TRIP_FLIGHTS).map(|n| format!("TR{n}.2035-06-01.JFK"));
        let back = (1..=TRIP_FLIGHTS).map(|n| format!("TR{}.2035-06-05.LAX", n + 1_000));
        let flight = |key| Flight { key, seats: FEW };
        out.chain(back).map(flight).collect()
    }

    /// What their provider says of all of them, as lines.
    pub fn events(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for flight in self.seat_flights().iter().chain(&self.trip_flights()) {
            for event in events(flight) {
                lines.extend_from_slice(event.to_string().as_bytes());
                lines.push(b'\n');
            }
        }
        lines
    }
}

/// A schedule and a fare.
fn events(flight: &Flight) -> [Value; 2] {
    let mut parts = flight.key.split('.');
    let number = parts.next().unwrap_or_default();
    let (date, board) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let off = if board == "JFK" { "LAX" } else { "JFK" };
    let version = json!({"time": "2026-01-01T00:00:00Z", "sequence": 1});
    let digits = number.bytes().filter(u8::is_ascii_digit);
    let price = 100 + digits.map(|digit| u32::from(digit - b'0')).sum::<u32>();
    [
        json!({
            "type": "schedule", "flight_key": flight.key, "source_version": version,
            "legs": [{
                "board": board, "off": off,
                "departs": format!("{date}T14:00:00Z"), "arrives": format!("{date}T20:00:00Z"),
                "aircraft": "738", "service": "J",
                "cabins": [{"cabin": "Y", "authorised": flight.seats}],
            }],
        }),
        json!({
            "type": "fares", "flight_key": flight.key, "source_version": version,
            "fares": [{"cabin": "Y", "amount": format!("{price}.00"), "currency": "USD"}],
        }),
    ]
}
