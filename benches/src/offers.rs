//! Offers by route and day, the same ones for the serving index and for a table.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use flightline_connectors::canonical::{CanonicalEvent, to_line};
use flightline_ledger::FlightKey;
use flightline_ledger::command::{CabinPlan, ClassPlan};

use crate::fleet::{self, Plan};
use crate::http::{Answer, Client};
use crate::random::Dice;

/// Classes of economy and of business; each cabin is also an offer as a whole.
const ECONOMY: &str = "YBMHQKLVSNTXGE";
const BUSINESS: &str = "CJDI";

/// Offers of a flight.
pub const PER_FLIGHT: usize = ECONOMY.len() + 1 + BUSINESS.len() + 1;

/// Routes, days and flights of each on each.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    /// Routes.
    pub routes: usize,
    /// Days.
    pub days: usize,
    /// Flights a day on each route.
    pub flights: usize,
}

/// One flight and its prices.
struct Flight {
    key: FlightKey,
    route: usize,
    day: usize,
    plan: Plan,
}

impl Market {
    /// How many offers there are.
    pub fn offers(&self) -> usize {
        self.routes * self.days * self.flights * PER_FLIGHT
    }

    fn board(route: usize) -> usize {
        route % 20
    }

    fn off(route: usize) -> usize {
        100 + route / 20
    }

    fn all(self) -> impl Iterator<Item = Flight> {
        let Self {
            routes,
            days,
            flights,
        } = self;
        (0..days).flat_map(move |day| {
            (0..routes).flat_map(move |route| {
                (0..flights).map(move |n| {
                    let number = route * flights + n;
                    let key = FlightKey {
                        number: number as u16 + 1,
                        origin_date: fleet::day(day),
                        board: fleet::station(Self::board(route)),
                        ..fleet::key(0, 1)
                    };
                    let plan = plan((day * 10_000 + number) as u64);
                    Flight {
                        key,
                        route,
                        day,
                        plan,
                    }
                })
            })
        })
    }

    /// What the provider says, in pieces of whole lines.
    pub fn events(self) -> impl Iterator<Item = Vec<u8>> {
        let market = self;
        let mut all = market.all().peekable();
        std::iter::from_fn(move || {
            all.peek()?;
            let mut lines = Vec::new();
            for flight in all.by_ref().take(5_000) {
                let off = fleet::station(Self::off(flight.route));
                for body in fleet::events(&flight.key, off, &flight.plan) {
                    let event = CanonicalEvent {
                        flight: flight.key,
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
            Some(lines)
        })
    }

    /// The same as lines for `COPY`: board, off, day, cabin, class, price, seats, flight, provider,
    /// departure, arrival, currency. Stations of the route and the day are numbers: PostgreSQL
    /// compares them faster than texts.
    pub fn copy_lines(self) -> impl Iterator<Item = String> {
        self.all().flat_map(|flight| {
            let seats = |cabin: &CabinPlan| cabin.seats.unwrap_or(0);
            let plan = flight.plan.clone();
            plan.fares
                .into_iter()
                .map(|(cabin, class, minor)| {
                    let of_cabin = flight.plan.cabins.iter().find(|plan| plan.cabin == cabin);
                    format!(
                        "{}\t{}\t{}\t{cabin}\t{}\t{minor}\t{}\t{}\t{}\t{}T10:00:00Z\t{}T12:00:00Z\tUSD\n",
                        Self::board(flight.route),
                        Self::off(flight.route),
                        flight.day,
                        class.map_or_else(|| "\\N".to_owned(), |class| class.to_string()),
                        of_cabin.map_or(0, seats),
                        flight.key,
                        fleet::provider(),
                        fleet::day(flight.day),
                        fleet::day(flight.day),
                    )
                })
                .collect::<Vec<_>>()
        })
    }
}

fn plan(seed: u64) -> Plan {
    let mut dice = Dice::new(seed);
    let cabin = |letter: char, seats, classes: &str| CabinPlan {
        cabin: fleet::cabin(letter),
        seats: Some(seats),
        authorised: None,
        classes: classes
            .chars()
            .map(|class| ClassPlan {
                class: fleet::class(class),
                limit: None,
            })
            .collect(),
    };
    let mut fares = Vec::with_capacity(PER_FLIGHT);
    for (letter, classes, base) in [('Y', ECONOMY, 6_000), ('C', BUSINESS, 60_000)] {
        let whole = std::iter::once(None);
        for class in whole.chain(classes.chars().map(|class| Some(fleet::class(class)))) {
            fares.push((
                fleet::cabin(letter),
                class,
                base + dice.below(50_000) as i64,
            ));
        }
    }
    Plan {
        cabins: vec![cabin('Y', 180, ECONOMY), cabin('C', 16, BUSINESS)],
        fares,
    }
}

/// People who search: any route, any day, economy, the cheapest first.
#[derive(Debug)]
pub struct Searching {
    paths: Vec<Vec<u8>>,
    /// Offers that each answer must have.
    offers: usize,
    dice: Dice,
    /// Answers with what was asked for.
    pub answered: u64,
}

impl Searching {
    /// `options` are further parameters, from `&` on; each answer must have so many offers.
    pub fn new(market: &Market, options: &str, offers: usize, seed: u64) -> Self {
        let mut paths = Vec::with_capacity(market.routes * market.days);
        for route in 0..market.routes {
            for day in 0..market.days {
                let mut path = Vec::new();
                // Writing to a vector does not fail.
                let _ = write!(
                    path,
                    "GET /search?origin={}&destination={}&date={}&cabin=Y&passengers=1&sort=price{options} \
                     HTTP/1.1\r\nhost: bench\r\n\r\n",
                    fleet::station(Market::board(route)),
                    fleet::station(Market::off(route)),
                    fleet::day(day),
                );
                paths.push(path);
            }
        }
        Self {
            paths,
            offers,
            dice: Dice::new(seed),
            answered: 0,
        }
    }

    /// Asks once and looks at every offer of the answer.
    pub fn look(&self, address: SocketAddr, path_of: usize) -> anyhow::Result<()> {
        let request = String::from_utf8_lossy(&self.paths[path_of]).into_owned();
        let path = request.split(' ').nth(1).context("a path")?;
        let reply = crate::http::get(address, path)?;
        let json = reply.json()?;
        let data = json["data"].as_array().context("data")?;
        ensure!(
            reply.status == 200 && data.len() == self.offers,
            "{path} was answered {} with {} offers where {} were expected: {json}",
            reply.status,
            data.len(),
            self.offers
        );
        Ok(())
    }
}

impl Client for Searching {
    fn request(&mut self, _connection: usize, out: &mut Vec<u8>) -> bool {
        let path = self.dice.below(self.paths.len() as u64) as usize;
        out.extend_from_slice(&self.paths[path]);
        true
    }

    fn answer(&mut self, _connection: usize, answer: &Answer<'_>) -> anyhow::Result<()> {
        // Each offer takes about 250 bytes; that they are right is looked at before and after.
        ensure!(
            answer.status == 200 && answer.body.len() > 100 * self.offers,
            "a search was answered {} with {}",
            answer.status,
            String::from_utf8_lossy(answer.body)
        );
        self.answered += 1;
        Ok(())
    }
}
