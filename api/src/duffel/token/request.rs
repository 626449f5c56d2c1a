//! An offer request: what was searched for.

use flightline_ledger::{Date, Station};
use flightline_sinks::serving::TimeWindow;

use super::bytes::{Reader, Writer};
use super::{Nonce, Signer};
use crate::duffel::cabin::CabinClass;
use crate::duffel::party::{FARE_TYPES, Given, PASSENGERS_MAX, Passenger};

const PREFIX: &str = "orq_";
const VERSION: u8 = 1;

/// The most slices of one trip.
pub(crate) const SLICES_MAX: usize = 6;

/// What was searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferRequest {
    pub(crate) nonce: Nonce,
    /// Unix time in milliseconds.
    pub(crate) created_at_ms: i64,
    pub(crate) cabin: Option<CabinClass>,
    /// 0 to 2.
    pub(crate) connections_max: u8,
    /// Are flights wanted, too, that the party would have to wait for?
    pub(crate) include_sold_out: bool,
    pub(crate) slices: Vec<SliceAsked>,
    pub(crate) passengers: Vec<Passenger>,
}

/// One slice that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SliceAsked {
    pub(crate) origin: End,
    pub(crate) destination: End,
    /// Local day of departure.
    pub(crate) date: Date,
    pub(crate) departure: Option<TimeWindow>,
    pub(crate) arrival: Option<TimeWindow>,
}

/// Where a slice begins or ends: an airport, or any of a city.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: Station,
    pub(crate) is_city: bool,
}

impl OfferRequest {
    /// The id.
    pub(crate) fn encode(&self, signer: &Signer, client: &str) -> String {
        let mut out = Writer::default();
        out.byte(VERSION);
        out.bytes(&self.nonce);
        out.signed(self.created_at_ms);
        let cabin = self
            .cabin
            .and_then(|cabin| CabinClass::ALL.iter().position(|c| *c == cabin));
        out.byte(cabin.map_or(0, |at| at as u8 + 1));
        out.byte(self.connections_max | u8::from(self.include_sold_out) << 7);
        out.byte(self.slices.len() as u8);
        for slice in &self.slices {
            slice.origin.write(&mut out);
            slice.destination.write(&mut out);
            out.signed(i64::from(slice.date.0));
            for window in [slice.departure, slice.arrival] {
                out.byte(u8::from(window.is_some()));
                if let Some(window) = window {
                    out.number(u64::from(window.from_min));
                    out.number(u64::from(window.to_min));
                }
            }
        }
        write_party(&mut out, &self.passengers);
        signer.seal(PREFIX, client, out.0)
    }

    /// What the id says; `None` when it was not made here for this client.
    pub(crate) fn decode(signer: &Signer, client: &str, text: &str) -> Option<Self> {
        let body = signer.open(PREFIX, client, text)?;
        let mut body = Reader(&body);
        if body.byte()? != VERSION {
            return None;
        }
        let nonce = body.array()?;
        let created_at_ms = body.signed()?;
        let cabin = match body.byte()? {
            0 => None,
            n => Some(*CabinClass::ALL.get(usize::from(n) - 1)?),
        };
        // The number's high bit is free.
        let connections = body.byte()?;
        let (connections_max, include_sold_out) = (connections & 0x7f, connections & 0x80 != 0);
        let mut slices = Vec::new();
        for _ in 0..body.count(SLICES_MAX)? {
            slices.push(SliceAsked {
                origin: End::read(&mut body)?,
                destination: End::read(&mut body)?,
                date: Date(i32::try_from(body.signed()?).ok()?),
                departure: window(&mut body)?,
                arrival: window(&mut body)?,
            });
        }
        let passengers = read_party(&mut body)?;
        body.end()?;
        Some(Self {
            nonce,
            created_at_ms,
            cabin,
            connections_max,
            include_sold_out,
            slices,
            passengers,
        })
    }
}

impl End {
    pub(super) fn write(self, out: &mut Writer) {
        // The first letter's high bit is free.
        let [a, b, c] = self.code.bytes();
        out.bytes(&[a | u8::from(self.is_city) << 7, b, c]);
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Option<Self> {
        let [a, b, c] = body.array()?;
        Some(Self {
            code: Station::from_bytes([a & 0x7f, b, c]).ok()?,
            is_city: a & 0x80 != 0,
        })
    }
}

#[allow(clippy::option_option)]
fn window(body: &mut Reader<'_>) -> Option<Option<TimeWindow>> {
    if body.byte()? == 0 {
        return Some(None);
    }
    Some(Some(TimeWindow {
        from_min: u16::try_from(body.number()?).ok()?,
        to_min: u16::try_from(body.number()?).ok()?,
    }))
}

/// Ages are their own bytes; the rest lies above.
const ADULT: u8 = 0x80;
const CHILD: u8 = 0x81;
const INFANT: u8 = 0x82;
const NOTHING: u8 = 0x83;

pub(super) fn write_party(out: &mut Writer, party: &[Passenger]) {
    out.byte(party.len() as u8);
    for passenger in party {
        out.byte(match passenger.given {
            Given::Age(age) => age,
            Given::Adult => ADULT,
            Given::Child => CHILD,
            Given::InfantWithoutSeat => INFANT,
            Given::Nothing => NOTHING,
        });
        out.byte(passenger.fare_type.map_or(0, |at| at + 1));
    }
}

pub(super) fn read_party(body: &mut Reader<'_>) -> Option<Vec<Passenger>> {
    let mut party = Vec::new();
    for _ in 0..body.count(PASSENGERS_MAX)? {
        let given = match body.byte()? {
            age @ 0..=17 => Given::Age(age),
            ADULT => Given::Adult,
            CHILD => Given::Child,
            INFANT => Given::InfantWithoutSeat,
            NOTHING => Given::Nothing,
            _ => return None,
        };
        let fare_type = match body.byte()? {
            0 => None,
            n => Some(n - 1).filter(|at| usize::from(*at) < FARE_TYPES.len()),
        };
        party.push(Passenger { given, fare_type });
    }
    Some(party)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duffel::terms::OfferKey;

    fn request() -> OfferRequest {
        let end = |code: &str, is_city| End {
            code: code.parse().unwrap(),
            is_city,
        };
        OfferRequest {
            nonce: [7; 16],
            created_at_ms: 1_798_761_600_123,
            cabin: Some(CabinClass::Economy),
            connections_max: 2,
            include_sold_out: false,
            slices: vec![
                SliceAsked {
                    origin: end("NYC", true),
                    destination: end("IAH", false),
                    date: "2027-01-05".parse().unwrap(),
                    departure: Some(TimeWindow {
                        from_min: 360,
                        to_min: 1439,
                    }),
                    arrival: None,
                },
                SliceAsked {
                    origin: end("IAH", false),
                    destination: end("NYC", true),
                    date: "2027-01-09".parse().unwrap(),
                    departure: None,
                    arrival: Some(TimeWindow {
                        from_min: 0,
                        to_min: 0,
                    }),
                },
            ],
            passengers: vec![
                Passenger {
                    given: Given::Adult,
                    fare_type: None,
                },
                Passenger {
                    given: Given::Nothing,
                    fare_type: Some(12),
                },
                Passenger {
                    given: Given::Age(1),
                    fare_type: None,
                },
            ],
        }
    }

    /// Ids of version 1 must decode for ever.
    const GOLDEN: &str = include_str!("../../../golden/offer-request-1.txt");

    #[test]
    fn version_1_is_read_and_written() {
        let signer = Signer::new(&OfferKey::new([9; 32]));
        let id = request().encode(&signer, "client");
        assert_eq!(id, GOLDEN.trim());
        let read = OfferRequest::decode(&signer, "client", GOLDEN.trim());
        assert_eq!(read, Some(request()));
    }

    #[test]
    fn a_search_for_sold_out_flights_is_told_from_others() {
        let signer = Signer::new(&OfferKey::new([9; 32]));
        let mut asked = request();
        asked.include_sold_out = true;
        let id = asked.encode(&signer, "client");
        assert_ne!(id, GOLDEN.trim());
        assert_eq!(OfferRequest::decode(&signer, "client", &id), Some(asked));
    }

    #[test]
    fn bodies_that_are_cut_or_too_long_are_none() {
        let signer = Signer::new(&OfferKey::new([9; 32]));
        let id = request().encode(&signer, "c");
        let body = signer.open(PREFIX, "c", &id).unwrap();
        for len in 0..body.len() {
            let cut = signer.seal(PREFIX, "c", body[..len].to_vec());
            assert_eq!(OfferRequest::decode(&signer, "c", &cut), None, "{len}");
        }
        let mut longer = body;
        longer.push(0);
        let longer = signer.seal(PREFIX, "c", longer);
        assert_eq!(OfferRequest::decode(&signer, "c", &longer), None);
    }
}
