//! How an observation was made: until when it holds, and for which journey.
//!
//! A provider's own statement (this flight has 180 seats) holds until it states another. What an
//! offer or an availability display shows was asked for a journey, at a point of sale, for so many
//! passengers, and lapses. What is known of that travels with the event.

use std::fmt::Write as _;

use flightline_ledger::codes::Money;
use flightline_ledger::{FlightKey, Station};

use crate::canonical::time;

/// The most bytes of an offer's name and of a point of sale.
pub const TEXT_BYTES_MAX: usize = 200;

/// The most flights of a journey that are named.
pub const JOURNEY_FLIGHTS_MAX: usize = 32;

/// The most bytes of [`Observed::note`]: what the stream keeps beside a record.
pub const NOTE_BYTES_MAX: usize = 200;

/// An instant in Unix milliseconds as events and options write it: `2027-01-05T10:15:00Z`.
pub fn time_text(ms: i64) -> String {
    time::instant_text(ms)
}

/// How an observation was made. All of it is optional: formats tell more or less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Not to be relied on from then on. Unix time in milliseconds.
    pub expires_ms: Option<i64>,
    /// The provider's name for the offer.
    pub offer: Option<Box<str>>,
    /// Where the journey begins that was asked for; may be a city such as LON.
    pub origin: Option<Station>,
    /// Where it ends.
    pub destination: Option<Station>,
    /// Where it was asked, in the provider's own terms: a country, a city, an office.
    pub point_of_sale: Option<Box<str>>,
    /// The flights of the journey in their order, when there are others than the event's.
    pub journey: Vec<FlightKey>,
    /// Price of the whole offer, all flights and passengers.
    pub total: Option<Money>,
    /// For how many passengers.
    pub passengers: Option<u16>,
}

impl Observed {
    /// The same in one short line, at most [`NOTE_BYTES_MAX`] bytes: what the stream keeps beside the
    /// event. What does not fit is cut at the end: other flights of a long journey.
    pub fn note(&self) -> String {
        let mut note = String::new();
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            let space = if note.is_empty() { "" } else { " " };
            // Writing to a text cannot fail.
            let _ = write!(note, "{space}{name}={value}");
        };
        if let Some(ms) = self.expires_ms {
            add("until", &time::instant_text(ms));
        }
        if let (Some(origin), Some(destination)) = (self.origin, self.destination) {
            add("journey", &format_args!("{origin}-{destination}"));
        }
        if let Some(place) = &self.point_of_sale {
            add("pos", place);
        }
        if let Some(total) = self.total {
            add("total", &format_args!("{total}{}", total.currency));
        }
        if let Some(passengers) = self.passengers {
            add("passengers", &passengers);
        }
        if let Some(offer) = &self.offer {
            add("offer", offer);
        }
        for flight in &self.journey {
            add("with", flight);
        }
        // Providers' texts may hold anything; a note is one line.
        note = note.replace(char::is_control, " ");
        let mut end = note.len().min(NOTE_BYTES_MAX);
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_all_and_is_cut_between_letters() {
        let seen = Observed {
            expires_ms: Some(1_640_100_313_167),
            offer: Some("off_1".into()),
            origin: "LHR".parse().ok(),
            destination: "JFK".parse().ok(),
            point_of_sale: Some("GB".into()),
            journey: vec!["EI151.2022-04-16.LHR".parse().unwrap()],
            total: Money::from_decimal("661.88", "GBP".parse().unwrap(), 2).ok(),
            passengers: Some(1),
        };
        assert_eq!(
            seen.note(),
            "until=2021-12-21T15:25:13.167Z journey=LHR-JFK pos=GB total=661.88GBP passengers=1 offer=off_1 with=EI151.2022-04-16.LHR"
        );
        assert_eq!(Observed::default().note(), "");
        let long = Observed {
            offer: Some("é".repeat(150).into()),
            ..seen
        };
        let note = long.note();
        assert!(note.len() <= NOTE_BYTES_MAX && note.len() > NOTE_BYTES_MAX - 2);
    }
}
