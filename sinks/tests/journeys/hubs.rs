//! GENERATED schedules over real airports: hubs that are joined with each other, and stations around
//! them. Airports, coordinates, zones and distances are real; flights, times, prices and seats are
//! made up from a seed. For tests and benchmarks; nothing in here is anybody's timetable.
//!
//! With the defaults some 3,000 flights a day over 9 hubs and 130 other stations. One flight in
//! four has a codeshare's number, as in the ledger without offers of its own.

use flightline_connectors::airports::airports;
use flightline_dataflows::changelog::Epoch;
use flightline_dataflows::rows::{FlightRow, FlightStatus, OfferRow};
use flightline_ledger::{Cabin, Carrier, Class, Date, FlightKey, Money, ProviderCode, Station};
use flightline_sinks::serving::{Place, Places};

/// How many hubs there are.
pub(crate) const HUBS: usize = 9;

const HUBS_AND_CARRIERS: [(&str, &str); HUBS] = [
    ("ATL", "DL"),
    ("ORD", "UA"),
    ("DFW", "AA"),
    ("DEN", "F9"),
    ("EWR", "B6"),
    ("LAX", "AS"),
    ("SFO", "WN"),
    ("LHR", "BA"),
    ("FRA", "LH"),
];

const OTHERS: &str = "\
ABQ ALB ANC AUS BDL BHM BNA BOI BOS BTV BUF BUR BWI CAE CHS CLE CLT CMH CVG DAY DCA DTW ELP EUG FAT \
FLL GEG GRR GSO GSP HNL HOU HSV IAD IAH ICT IND JAX JFK LAS LEX LGA LGB LGW LIT MCI MCO MDW MEM MIA \
MKE MSN MSP MSY OAK OKC OMA ONT ORF ORY PBI PDX PHL PHX PIT PNS PSP PVD RDU RIC RNO ROC RSW SAN SAT \
SAV SDF SEA SJC SJU SLC SMF SNA STL SYR TPA TUL TUS TYS XNA YUL YVR YYZ AMS ARN ATH BCN BRU BUD CDG \
CPH DUB DUS EDI FCO GVA HAM HEL LIS MAD MAN MUC MXP NCE OSL PRG STR VCE VIE WAW ZRH";

const CITIES: [(&str, &str); 7] = [
    ("NYC", "EWR JFK LGA"),
    ("CHI", "ORD MDW"),
    ("WAS", "DCA IAD BWI"),
    ("LON", "LHR LGW"),
    ("PAR", "CDG ORY"),
    ("QLA", "LAX BUR LGB ONT SNA"),
    ("QSF", "SFO OAK SJC"),
];

/// How large a schedule is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// First day.
    pub(crate) first: Date,
    /// Days.
    pub(crate) days: i32,
    /// Flights a day from each hub to each other.
    pub(crate) between_hubs: u64,
    /// Flights a day from a hub to a station around it, and back: 1 to twice this less 1.
    pub(crate) around_hubs: u64,
    /// Every so many of the other stations is left out; 0 = none.
    pub(crate) leave_out: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            first: Date(20_820),
            days: 5,
            between_hubs: 6,
            around_hubs: 4,
            leave_out: 0,
        }
    }
}

/// SplitMix64: the same on every machine and in every run.
#[derive(Clone, Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// 0 to `n` less 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((u128::from(z) * u128::from(n)) >> 64) as u64
    }
}

/// A schedule.
#[derive(Debug)]
pub(crate) struct Hubs {
    /// Hubs first, then the others.
    pub(crate) stations: Vec<Station>,
    /// City of each station that is not a city by itself.
    pub(crate) cities: Vec<(Station, Station)>,
    /// Flights, codeshares' numbers among them.
    pub(crate) flights: Vec<FlightRow>,
    /// What they are sold for.
    pub(crate) offers: Vec<OfferRow>,
    /// Flights with offers.
    pub(crate) flown: usize,
}

fn code(text: &str) -> Station {
    text.parse().expect("the codes above are sound")
}

/// Coordinates of a station, in degrees.
pub(crate) fn degrees(station: Station) -> Option<(f64, f64)> {
    let airport = airports().get(station)?;
    Some((airport.latitude_deg, airport.longitude_deg))
}

fn km(a: Station, b: Station) -> f64 {
    let (Some(a), Some(b)) = (degrees(a), degrees(b)) else {
        return 1000.0;
    };
    // Good enough to choose the nearest hubs and to make up block times.
    let x = (b.1 - a.1).to_radians() * f64::midpoint(a.0, b.0).to_radians().cos();
    let y = (b.0 - a.0).to_radians();
    6371.0 * x.hypot(y)
}

impl Hubs {
    /// Makes one.
    pub(crate) fn new(size: Size, seed: u64) -> Self {
        let mut dice = Seeded(seed);
        let others = OTHERS.split_whitespace().enumerate();
        let others = others.filter(|(at, _)| size.leave_out == 0 || at % size.leave_out != 0);
        let hubs: Vec<Station> = HUBS_AND_CARRIERS.iter().map(|hub| code(hub.0)).collect();
        let others: Vec<Station> = others.map(|(_, text)| code(text)).collect();
        let cities = CITIES.iter().flat_map(|(city, stations)| {
            let stations = stations.split_whitespace();
            stations.map(|station| (code(station), code(city)))
        });
        let mut made = Self {
            cities: cities.collect(),
            flights: Vec::new(),
            offers: Vec::new(),
            flown: 0,
            stations: hubs.iter().chain(&others).copied().collect(),
        };
        for (at, hub) in hubs.iter().enumerate() {
            for other in hubs.iter().filter(|other| *other != hub) {
                made.fly(size, &mut dice, at, *hub, *other, size.between_hubs);
            }
        }
        for station in others {
            let mut near: Vec<usize> = (0..hubs.len()).collect();
            near.sort_by(|a, b| km(station, hubs[*a]).total_cmp(&km(station, hubs[*b])));
            // Two to four hubs around it, and now and then one that is far.
            near.truncate(2 + dice.below(3) as usize);
            if dice.below(4) == 0 {
                near.push(dice.below(hubs.len() as u64) as usize);
                near.dedup();
            }
            for at in near {
                let daily = 1 + dice.below(2 * size.around_hubs - 1);
                made.fly(size, &mut dice, at, hubs[at], station, daily);
                made.fly(size, &mut dice, at, station, hubs[at], daily);
            }
        }
        made.flights.sort();
        made.flights.dedup_by_key(|row| row.flight);
        made.offers.sort();
        made.offers.dedup_by_key(|row| {
            let segment = (row.flight, row.board, row.off);
            (segment, row.provider, row.cabin, row.class)
        });
        made
    }

    fn fly(
        &mut self,
        size: Size,
        dice: &mut Seeded,
        hub: usize,
        board: Station,
        off: Station,
        daily: u64,
    ) {
        let offset_s = |station, at_s| {
            let airport = airports().get(station);
            airport.map_or(0, |airport| i64::from(airport.zone.offset_min(at_s)) * 60)
        };
        let block_s = (km(board, off) / 800.0 * 3600.0) as i64 + 1800;
        let carrier: Carrier = HUBS_AND_CARRIERS[hub]
            .1
            .parse()
            .expect("the carriers above are sound");
        let base = 4000 + (km(board, off) * 8.0) as u64;
        for n in 0..daily {
            // Spread over the day, from 05:00 to 22:00 local time, on whole five minutes.
            let minute = 300 + (n * 1020 + dice.below(1020)) / daily / 5 * 5;
            let number = 1 + dice.below(9_000) as u16;
            let level = base / 2 + dice.below(base);
            for day in 0..size.days {
                let date = Date(size.first.0 + day);
                let local_s = i64::from(date.0) * 86_400 + minute as i64 * 60;
                let departs_s = local_s - offset_s(board, local_s);
                let arrives_s = departs_s + block_s;
                let flight = FlightKey {
                    carrier,
                    number,
                    suffix: 0,
                    origin_date: date,
                    board,
                };
                let template = OfferRow {
                    board,
                    off,
                    date,
                    flight,
                    provider: ProviderCode::default(),
                    cabin: Cabin::new(b'Y').expect("Y is a cabin"),
                    class: None,
                    price: Money {
                        minor: level as i64,
                        currency: "USD".parse().expect("USD is a currency"),
                        exponent: 2,
                    },
                    seats: 0,
                    seats_is_floor: false,
                    departs_s,
                    departs_offset_min: (offset_s(board, departs_s) / 60) as i16,
                    arrives_s,
                    arrives_offset_min: (offset_s(off, arrives_s) / 60) as i16,
                    aircraft: *b"320",
                    legs: 1,
                };
                self.sell(dice, &template);
            }
        }
    }

    fn sell(&mut self, dice: &mut Seeded, template: &OfferRow) {
        let row = |flight, operating| FlightRow {
            flight,
            status: FlightStatus::Scheduled,
            owner: "gds-1".parse().expect("a provider"),
            operating,
            quality: 0,
        };
        let flight = template.flight;
        self.flights.push(row(flight, None));
        self.flown += 1;
        if dice.below(4) == 0 {
            let number = FlightKey {
                carrier: "XQ".parse().expect("a carrier"),
                ..flight
            };
            self.flights.push(row(number, Some(flight)));
        }
        let providers: &[&str] = match dice.below(3) {
            0 => &["gds-1", "direct"],
            _ => &["gds-1"],
        };
        for provider in providers {
            let markup = dice.below(8) as i64 * 100;
            for (cabin, classes) in [(b'Y', "YBMHQK"), (b'J', "JC")] {
                for (at, class) in classes.bytes().enumerate() {
                    let mut offer = template.clone();
                    offer.provider = provider.parse().expect("a provider");
                    offer.cabin = Cabin::new(cabin).expect("a cabin");
                    offer.class = Class::new(class).ok();
                    let times = if cabin == b'J' { 30 } else { 12 };
                    let level = template.price.minor * (times - at as i64) / 10;
                    offer.price.minor = level / 100 * 100 + markup;
                    // The cheaper, the sooner sold out.
                    offer.seats = dice.below(10).saturating_sub(at as u64) as u16;
                    self.offers.push(offer);
                }
            }
        }
    }

    /// Everything, as the first epoch of an index over one partition.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch {
            number: 0,
            covers: vec![1],
            flights: self.flights.iter().map(|row| (row.clone(), 1)).collect(),
            offers: self.offers.iter().map(|row| (row.clone(), 1)).collect(),
            ..Epoch::default()
        }
    }

    /// Cities and coordinates of the stations.
    pub(crate) fn places(&self) -> Places {
        let city = |station: Station| {
            let known = self.cities.iter().find(|(of, _)| *of == station);
            known.map(|(_, city)| *city)
        };
        let places = self.stations.iter().map(|station| Place {
            station: *station,
            city: city(*station),
            coordinates: degrees(*station),
        });
        Places::new(places).expect("no station stands there twice")
    }

    /// A station, or all stations of its city.
    pub(crate) fn ends(&self, dice: &mut Seeded) -> Vec<Station> {
        let station = self.stations[dice.below(self.stations.len() as u64) as usize];
        let city = self.cities.iter().find(|(of, _)| *of == station);
        match city {
            Some((_, city)) if dice.below(2) == 0 => {
                let all = self.cities.iter().filter(|(_, of)| of == city);
                all.map(|(station, _)| *station).collect()
            }
            _ => vec![station],
        }
    }
}
