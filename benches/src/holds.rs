//! Requests for seats over HTTP, and the check of what comes back.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use flightline_connectors::canonical::{CanonicalEvent, to_line};
use flightline_ledger::Station;

use crate::fleet::{self, Plan};
use crate::http::{self, Answer, Client, bulk};
use crate::random::Dice;

/// Flights that seats are asked for on, and what was granted of them.
#[derive(Clone, Debug)]
pub struct Flights {
    /// Their keys as text.
    pub keys: Vec<String>,
    /// Cabins of each, from A on.
    pub cabins: u8,
    /// Seats of each cabin.
    pub seats: u64,
    /// By flight, seats that clients were told they hold.
    pub granted: Vec<u64>,
}

impl Flights {
    /// `count` flights from number `first` of the fleet on, each with so many cabins of 9,999 seats.
    pub fn new(first: usize, count: usize, cabins: u8) -> Self {
        Self {
            keys: (first..first + count)
                .map(|n| fleet::key(n, 40).to_string())
                .collect(),
            cabins,
            seats: 9_999,
            granted: vec![0; count],
        }
    }

    /// The same with one cabin of few seats.
    pub fn scarce(first: usize, count: usize, seats: u16) -> Self {
        Self {
            seats: u64::from(seats),
            ..Self::new(first, count, 1)
        }
    }

    /// What their provider says of them, as lines.
    pub fn events(&self) -> anyhow::Result<Vec<u8>> {
        let mut plan = Plan::endless(self.cabins);
        for cabin in &mut plan.cabins {
            cabin.authorised = Some(u16::try_from(self.seats)?);
        }
        let mut lines = Vec::new();
        for (n, key) in self.keys.iter().enumerate() {
            let key = key.parse().context("a key of the fleet")?;
            for body in fleet::events(&key, destination(n), &plan) {
                let event = CanonicalEvent {
                    flight: key,
                    version: fleet::version(1),
                    message_id: None,
                    quality: 0,
                    body,
                    observed: None,
                };
                lines.extend_from_slice(to_line(&event).as_bytes());
                lines.push(b'\n');
            }
        }
        Ok(lines)
    }

    /// By flight, the search that finds it.
    pub fn searches(&self) -> Vec<String> {
        let path = |(n, key): (usize, &String)| {
            let mut parts = key.split('.').skip(1);
            let date = parts.next().unwrap_or_default();
            let origin = parts.next().unwrap_or_default();
            let destination = destination(n);
            format!("/search?origin={origin}&destination={destination}&date={date}&limit=20")
        };
        self.keys.iter().enumerate().map(path).collect()
    }

    /// Asks for every flight and compares with what clients were told: nothing is oversold, and
    /// everything granted is held.
    pub fn check(&self, address: SocketAddr) -> anyhow::Result<()> {
        let mut pool = http::Pool::connect(address, 8)?;
        let mut look = Look {
            flights: self,
            asked: 0,
            on: vec![0; 8],
        };
        let outcome = http::closed(&mut pool, &mut look, std::time::Duration::from_secs(600))?;
        ensure!(outcome.answered == self.keys.len() as u64);
        Ok(())
    }
}

/// Where the n-th flight goes.
fn destination(n: usize) -> Station {
    fleet::station(100 + n % 50)
}

struct Look<'a> {
    flights: &'a Flights,
    asked: usize,
    /// By connection, the flight that was asked for.
    on: Vec<usize>,
}

impl Client for Look<'_> {
    fn request(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        let Some(key) = self.flights.keys.get(self.asked) else {
            return false;
        };
        self.on[connection] = self.asked;
        self.asked += 1;
        out.extend_from_slice(
            format!("GET /flights/{key} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes(),
        );
        true
    }

    fn answer(&mut self, connection: usize, answer: &Answer<'_>) -> anyhow::Result<()> {
        let at = self.on[connection];
        let json: serde_json::Value = serde_json::from_slice(answer.body)?;
        let flight = json.get("data").unwrap_or(&json);
        let cabins = flight["legs"][0]["cabins"].as_array();
        let mut taken = 0;
        for line in cabins.context("cabins of a leg")? {
            let number = |name: &str| line[name].as_u64().context("a number");
            let used = number("held")? + number("sold")?;
            ensure!(
                used <= number("authorised")? && number("oversold")? == 0,
                "{} is oversold: {line}",
                self.flights.keys[at]
            );
            taken += used;
        }
        let granted = self.flights.granted[at];
        ensure!(
            taken == granted,
            "{}: clients were told of {granted} seats, the replica counts {taken}",
            self.flights.keys[at]
        );
        Ok(())
    }
}

/// Clients that ask for one seat each, on one of the flights, with an id of their own.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Whose seats; what is granted is added here.
    pub flights: &'a mut Flights,
    /// Beginnings of requests, up to the length, by flight.
    heads: Vec<Vec<u8>>,
    dice: Dice,
    /// Tells the ids of turns apart.
    turn: u32,
    asked: u64,
    on: Vec<usize>,
    /// Requests granted.
    pub held: u64,
    /// Requests refused for want of seats.
    pub sold_out: u64,
}

/// Bytes of an id: `TTTTTTTT-NNNNNNNNNN`.
const ID_BYTES: usize = 19;

fn write_body(out: &mut Vec<u8>, turn: u32, n: u64, cabin: char) {
    use std::io::Write as _;
    // Writing to a vector does not fail.
    let _ = write!(
        out,
        r#"{{"id":"{turn:08x}-{n:010}","cabin":"{cabin}","seats":1}}"#
    );
}

impl<'a> Asking<'a> {
    /// Over so many connections. `turn` must be another one each time.
    pub fn new(flights: &'a mut Flights, connections: usize, turn: u32) -> Self {
        let mut body = Vec::new();
        write_body(&mut body, turn, 0, 'A');
        let heads = flights
            .keys
            .iter()
            .map(|key| {
                format!(
                    "POST /flights/{key}/holds HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                )
                .into_bytes()
            })
            .collect();
        Self {
            flights,
            heads,
            dice: Dice::new(u64::from(turn)),
            turn,
            asked: 0,
            on: vec![0; connections],
            held: 0,
            sold_out: 0,
        }
    }
}

impl Asking<'_> {
    /// The flight that a connection asked for last.
    pub fn asked_on(&self, connection: usize) -> usize {
        self.on[connection]
    }
}

impl Client for Asking<'_> {
    fn request(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        let flight = self.dice.below(self.heads.len() as u64) as usize;
        let cabin = self.dice.below(u64::from(self.flights.cabins)) as u8;
        self.on[connection] = flight;
        out.extend_from_slice(&self.heads[flight]);
        write_body(out, self.turn, self.asked, char::from(b'A' + cabin));
        self.asked += 1;
        true
    }

    fn answer(&mut self, connection: usize, answer: &Answer<'_>) -> anyhow::Result<()> {
        match answer.status {
            201 => {
                self.held += 1;
                self.flights.granted[self.on[connection]] += 1;
            }
            409 if memchr::memmem::find(answer.body, b"\"sold_out\"").is_some() => {
                self.sold_out += 1;
            }
            status => bail!(
                "a hold was answered {status}: {}",
                String::from_utf8_lossy(answer.body)
            ),
        }
        Ok(())
    }
}

/// Lines of a batch, and the check of its answers.
#[derive(Debug)]
pub struct BatchAnswers {
    /// By line, the flight.
    on: Vec<u32>,
    ids: (u32, u64),
    /// Lines answered.
    pub answered: usize,
    /// By flight, seats granted.
    pub granted: Vec<u64>,
    /// Requests granted.
    pub held: u64,
    /// Requests refused for want of seats.
    pub sold_out: u64,
}

/// Requests from number `first` on, `count` of them, as a body, with what checks the answers.
pub fn batch(flights: &Flights, turn: u32, first: u64, count: usize) -> (Vec<u8>, BatchAnswers) {
    use std::io::Write as _;
    let mut dice = Dice::new(u64::from(turn) << 32 | first);
    let mut body = Vec::with_capacity(count * 100);
    let mut on = Vec::with_capacity(count);
    for n in 0..count as u64 {
        let flight = dice.below(flights.keys.len() as u64) as usize;
        let cabin = dice.below(u64::from(flights.cabins)) as u8;
        on.push(flight as u32);
        // Writing to a vector does not fail.
        let _ = writeln!(
            body,
            r#"{{"flight_key":"{}","id":"{turn:08x}-{:010}","cabin":"{}","seats":1}}"#,
            flights.keys[flight],
            first + n,
            char::from(b'A' + cabin)
        );
    }
    let answers = BatchAnswers {
        on,
        ids: (turn, first),
        answered: 0,
        granted: vec![0; flights.keys.len()],
        held: 0,
        sold_out: 0,
    };
    (body, answers)
}

impl bulk::Lines for BatchAnswers {
    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let flight = *self
            .on
            .get(self.answered)
            .context("more answers came than were asked for")?;
        const ID_AT: usize = br#"{"id":""#.len();
        const STATE: &[u8] = br#"","state":"held","#;
        let text = || String::from_utf8_lossy(line).into_owned();
        if line
            .get(ID_AT + ID_BYTES..)
            .is_some_and(|rest| rest.starts_with(STATE))
        {
            // Answers come in the order of requests: each has the next id.
            let (turn, first) = self.ids;
            let id = format!("{turn:08x}-{:010}", first + self.answered as u64);
            ensure!(
                &line[ID_AT..ID_AT + ID_BYTES] == id.as_bytes(),
                "the answer to {id} is {}",
                text()
            );
            self.held += 1;
            self.granted[flight as usize] += 1;
        } else {
            ensure!(
                memchr::memmem::find(line, b"\"sold_out\"").is_some(),
                "a hold was answered {}",
                text()
            );
            self.sold_out += 1;
        }
        self.answered += 1;
        Ok(())
    }
}
