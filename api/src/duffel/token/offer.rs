//! An offer: flights at a price, for a party, until an instant. What an order is made of.

use flightline_ledger::{Cabin, Class, Currency, FlightKey, Money, ProviderCode, Station};

use super::bytes::{Reader, Writer};
use super::request::{SLICES_MAX, read_party, write_party};
use super::{End, Nonce, Signer};
use crate::duffel::party::{Passenger, seats};

const PREFIX: &str = "off_";
const VERSION: u8 = 1;

/// The most segments of one slice.
const SEGMENTS_MAX: usize = 3;

/// An offer. It says all that is needed to show it and to book it, but for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The offer request's: one order may come of it.
    pub(crate) request: Nonce,
    /// When it was searched for, Unix time in milliseconds.
    pub(crate) created_at_ms: i64,
    /// Until when it is good, Unix time in milliseconds.
    pub(crate) expires_at_ms: i64,
    pub(crate) passengers: Vec<Passenger>,
    /// What all pay together: the seats' price on every segment times the seats.
    pub(crate) total: Money,
    /// In flying order.
    pub(crate) slices: Vec<Slice>,
}

/// A slice of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// What was asked for: the first and last station may be others of the city.
    pub(crate) origin: End,
    pub(crate) destination: End,
    /// One to three, in flying order.
    pub(crate) segments: Vec<Segment>,
}

/// One flight of an offer, from where the passengers board to where they leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The flight whose seats are offered; its carrier markets it.
    pub(crate) flight: FlightKey,
    /// The flight that flies: another one when `flight` is a codeshare's number.
    pub(crate) operating: FlightKey,
    pub(crate) provider: ProviderCode,
    pub(crate) cabin: Cabin,
    /// `None` = the cabin as a whole.
    pub(crate) class: Option<Class>,
    pub(crate) board: Station,
    pub(crate) off: Station,
    /// Of one seat, in minor units of the offer's currency.
    pub(crate) price_minor: i64,
    /// Unix time in seconds.
    pub(crate) departs_s: i64,
    /// Local time minus UTC, in minutes.
    pub(crate) departs_offset_min: i16,
    /// Unix time in seconds.
    pub(crate) arrives_s: i64,
    /// Local time minus UTC, in minutes.
    pub(crate) arrives_offset_min: i16,
    /// IATA type, zeros when unknown.
    pub(crate) aircraft: [u8; 3],
    /// Had it too few seats when the offer was made? Then it was offered to wait for.
    pub(crate) is_sold_out: bool,
    /// How far the flight's partition was reflected when the offer was made: the partition, and the
    /// offset after the last record.
    pub(crate) seen: (u32, u64),
}

impl Offer {
    /// Seats that the party takes on every segment.
    pub(crate) fn seats(&self) -> u16 {
        seats(&self.passengers)
    }

    /// All segments, in flying order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.slices.iter().flat_map(|slice| &slice.segments)
    }

    /// What all pay at these prices; `None` when it does not fit.
    pub(crate) fn sum(&self) -> Option<i64> {
        let mut segments = self.segments();
        let seat = segments.try_fold(0_i64, |sum, s| sum.checked_add(s.price_minor))?;
        seat.checked_mul(i64::from(self.seats()))
    }

    /// The price of one seat on a segment.
    pub(crate) fn price_of(&self, segment: &Segment) -> Money {
        Money {
            minor: segment.price_minor,
            ..self.total
        }
    }

    /// The id.
    pub(crate) fn encode(&self, signer: &Signer, client: &str) -> String {
        signer.seal(PREFIX, client, self.body())
    }

    /// What the id says; `None` when it was not made here for this client.
    pub(crate) fn decode(signer: &Signer, client: &str, text: &str) -> Option<Self> {
        Self::read(&signer.open(PREFIX, client, text)?)
    }

    /// What an id in an order says: it was checked when the order was made, and says the same for
    /// ever, also when the key has been lost since.
    pub(crate) fn trusted(text: &str) -> Option<Self> {
        Self::read(&super::unsigned(PREFIX, text)?)
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(512));
        out.byte(VERSION);
        out.bytes(&self.request);
        out.signed(self.created_at_ms);
        out.signed(self.expires_at_ms.saturating_sub(self.created_at_ms));
        write_party(&mut out, &self.passengers);
        out.bytes(&self.total.currency.bytes());
        out.byte(self.total.exponent);
        out.signed(self.total.minor);
        let mut providers: Vec<ProviderCode> = Vec::new();
        for segment in self.segments() {
            if !providers.contains(&segment.provider) {
                providers.push(segment.provider);
            }
        }
        out.byte(providers.len() as u8);
        for provider in &providers {
            out.text(provider.as_str());
        }
        out.byte(self.slices.len() as u8);
        for slice in &self.slices {
            slice.origin.write(&mut out);
            slice.destination.write(&mut out);
            out.byte(slice.segments.len() as u8);
            for segment in &slice.segments {
                let provider = providers.iter().position(|p| *p == segment.provider);
                segment.write(&mut out, provider.unwrap_or_default() as u8);
            }
        }
        // What changes with every search comes last, so that ids of one search keep their order.
        for segment in self.segments() {
            out.number(u64::from(segment.seen.0));
            out.number(segment.seen.1);
        }
        out.0
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut body = Reader(body);
        if body.byte()? != VERSION {
            return None;
        }
        let request = body.array()?;
        let created_at_ms = body.signed()?;
        let expires_at_ms = created_at_ms.checked_add(body.signed()?)?;
        let passengers = read_party(&mut body)?;
        let total = Money {
            currency: Currency::from_bytes(body.array()?).ok()?,
            exponent: body.byte()?,
            minor: body.signed()?,
        };
        let mut providers: Vec<ProviderCode> = Vec::new();
        for _ in 0..body.count(SLICES_MAX * SEGMENTS_MAX)? {
            providers.push(body.text()?.parse().ok()?);
        }
        let mut slices = Vec::new();
        for _ in 0..body.count(SLICES_MAX)? {
            let origin = End::read(&mut body)?;
            let destination = End::read(&mut body)?;
            let mut segments = Vec::new();
            for _ in 0..body.count(SEGMENTS_MAX)? {
                segments.push(Segment::read(&mut body, &providers)?);
            }
            slices.push(Slice {
                origin,
                destination,
                segments,
            });
        }
        for segment in slices.iter_mut().flat_map(|slice| &mut slice.segments) {
            segment.seen = (u32::try_from(body.number()?).ok()?, body.number()?);
        }
        body.end()?;
        Some(Self {
            request,
            created_at_ms,
            expires_at_ms,
            passengers,
            total,
            slices,
        })
    }
}

impl Segment {
    fn write(&self, out: &mut Writer, provider: u8) {
        out.bytes(&self.flight.to_bytes());
        let is_codeshare = self.operating != self.flight;
        out.byte(u8::from(self.is_sold_out) << 7 | provider << 1 | u8::from(is_codeshare));
        if is_codeshare {
            out.bytes(&self.operating.to_bytes());
        }
        out.byte(self.cabin.letter());
        out.byte(self.class.map_or(0, Class::letter));
        out.bytes(&self.board.bytes());
        out.bytes(&self.off.bytes());
        out.signed(self.price_minor);
        out.signed(self.departs_s);
        out.signed(i64::from(self.departs_offset_min));
        out.signed(self.arrives_s.saturating_sub(self.departs_s));
        out.signed(i64::from(self.arrives_offset_min));
        out.bytes(&self.aircraft);
    }

    fn read(body: &mut Reader<'_>, providers: &[ProviderCode]) -> Option<Self> {
        let flight = read_flight(body)?;
        let flags = body.byte()?;
        let operating = if flags & 1 == 1 {
            read_flight(body)?
        } else {
            flight
        };
        // At most 18 providers: the high bit is free.
        let provider = *providers.get(usize::from((flags & 0x7f) >> 1))?;
        let cabin = Cabin::new(body.byte()?).ok()?;
        let class = match body.byte()? {
            0 => None,
            letter => Some(Class::new(letter).ok()?),
        };
        let board = Station::from_bytes(body.array()?).ok()?;
        let off = Station::from_bytes(body.array()?).ok()?;
        let price_minor = body.signed()?;
        let departs_s = body.signed()?;
        let departs_offset_min = i16::try_from(body.signed()?).ok()?;
        let arrives_s = departs_s.checked_add(body.signed()?)?;
        Some(Self {
            flight,
            operating,
            provider,
            cabin,
            class,
            board,
            off,
            price_minor,
            departs_s,
            departs_offset_min,
            arrives_s,
            arrives_offset_min: i16::try_from(body.signed()?).ok()?,
            aircraft: body.array()?,
            is_sold_out: flags & 0x80 != 0,
            seen: (0, 0),
        })
    }
}

fn read_flight(body: &mut Reader<'_>) -> Option<FlightKey> {
    FlightKey::from_bytes(body.array()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duffel::party::Given;
    use crate::duffel::terms::OfferKey;

    fn segment(flight: &str, board: &str, off: &str, departs_s: i64) -> Segment {
        let flight = flight.parse().unwrap();
        Segment {
            flight,
            operating: flight,
            provider: "nycflights13".parse().unwrap(),
            cabin: "Y".parse().unwrap(),
            class: Some("M".parse().unwrap()),
            board: board.parse().unwrap(),
            off: off.parse().unwrap(),
            price_minor: 12_345_600,
            departs_s,
            departs_offset_min: -300,
            arrives_s: departs_s + 40_000,
            arrives_offset_min: 345,
            aircraft: *b"738",
            is_sold_out: false,
            seen: (4095, 1 << 40),
        }
    }

    /// Two slices of three segments, nine passengers.
    fn offer() -> Offer {
        let end = |code: &str, is_city| End {
            code: code.parse().unwrap(),
            is_city,
        };
        let mut out = vec![
            segment("UA1545.2027-01-05.EWR", "EWR", "IAH", 1_799_150_400),
            segment("BAW1234A.2027-01-06.IAH", "IAH", "LAX", 1_799_250_400),
            segment("9E1.2027-01-07.LAX", "LAX", "HNL", 1_799_350_400),
        ];
        out[1].operating = "AA9.2027-01-06.IAH".parse().unwrap();
        out[1].class = None;
        out[2].provider = "sixteen-letters-".parse().unwrap();
        let back = vec![
            segment("9E2.2027-01-17.HNL", "HNL", "LAX", 1_800_150_400),
            segment("UA9999.2027-01-18.LAX", "LAX", "IAH", 1_800_250_400),
            segment("UA1546.2027-01-19.IAH", "IAH", "EWR", 1_800_350_400),
        ];
        let passenger = Passenger {
            given: Given::Adult,
            fare_type: None,
        };
        let mut offer = Offer {
            request: [7; 16],
            created_at_ms: 1_798_761_600_123,
            expires_at_ms: 1_798_762_800_123,
            passengers: vec![passenger; 9],
            total: Money {
                minor: 0,
                currency: "USD".parse().unwrap(),
                exponent: 2,
            },
            slices: vec![
                Slice {
                    origin: end("NYC", true),
                    destination: end("HNL", false),
                    segments: out,
                },
                Slice {
                    origin: end("HNL", false),
                    destination: end("NYC", true),
                    segments: back,
                },
            ],
        };
        offer.passengers[8].given = Given::Age(1);
        offer.total.minor = offer.sum().unwrap();
        offer
    }

    /// Ids of version 1 must decode for ever.
    const GOLDEN: &str = include_str!("../../../golden/offer-1.txt");

    #[test]
    fn version_1_is_read_and_written() {
        let signer = Signer::new(&OfferKey::new([9; 32]));
        assert_eq!(offer().encode(&signer, "client"), GOLDEN.trim());
        let read = Offer::decode(&signer, "client", GOLDEN.trim()).unwrap();
        assert_eq!(read, offer());
        assert_eq!(read.total.minor, 8 * 6 * 12_345_600);
    }

    #[test]
    fn what_was_sold_out_is_told_from_what_was_not() {
        let mut offer = offer();
        offer.slices[0].segments[2].is_sold_out = true;
        let read = Offer::read(&offer.body()).unwrap();
        assert_eq!(read, offer);
        let sold_out = read.segments().filter(|s| s.is_sold_out);
        assert_eq!(sold_out.count(), 1);
    }

    #[test]
    fn six_segments_fit_an_address() {
        let signer = Signer::new(&OfferKey::new([9; 32]));
        let id = offer().encode(&signer, "client");
        assert!(id.len() <= 1024, "{} bytes", id.len());
    }

    #[test]
    fn bodies_that_are_cut_are_none() {
        let body = offer().body();
        for len in 0..body.len() {
            assert_eq!(Offer::read(&body[..len]), None, "{len}");
        }
        assert!(Offer::read(&body).is_some());
        assert_eq!(Offer::read(&[body.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn sums_that_do_not_fit_are_none() {
        let mut offer = offer();
        offer.slices[0].segments[0].price_minor = i64::MAX / 2;
        assert_eq!(offer.sum(), None);
    }

    #[test]
    fn bodies_that_are_damaged_are_read_as_far_as_they_make_sense() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let body = offer().body();
        for _ in 0..20_000 {
            let mut damaged = body.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..damaged.len());
                damaged[at] = rng.random();
            }
            // What is read at all is written again as something that reads the same.
            if let Some(read) = Offer::read(&damaged) {
                assert_eq!(Offer::read(&read.body()), Some(read));
            }
        }
    }
}
