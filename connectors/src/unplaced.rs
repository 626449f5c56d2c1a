//! Reports that name a flight by number and day alone.
//!
//! The key of a flight has its first station, and a teletype message such as a cancellation has
//! not. Which flights there are is known where commands are appended: the caller looks them up and
//! makes the commands with [`Unplaced::command`]. What comes before the flight is scheduled waits in
//! [`Late`](crate::Late).

use std::fmt;

use flightline_ledger::command::{SourceVersion, UnplacedReport};
use flightline_ledger::{
    Carrier, Date, FlightCommand, FlightKey, ProviderBody, ProviderCode, ProviderEvent, Station,
};

use crate::canonical::{self, CanonicalEvent};
use crate::ids;
use crate::push::PushCommand;

const DAY_S: i64 = 86_400;

/// Which flights a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flights {
    /// The airline.
    pub carrier: Carrier,
    /// The number, 1 to 9999.
    pub number: u16,
    /// Operational suffix letter, 0 when there is none.
    pub suffix: u8,
    /// Day of departure at the first station.
    pub date: Date,
    /// The day is counted in UTC, not in local time.
    pub utc: bool,
    /// All but the one that departs from here.
    pub but: Option<Station>,
}

impl Flights {
    /// The origin dates, in local time, among which the flights are.
    pub fn dates(&self) -> (Date, Date) {
        let around = i32::from(self.utc);
        (Date(self.date.0 - around), Date(self.date.0 + around))
    }

    /// Whether a flight is one of them. `departs_s`: when it departs from its first station, Unix time in
    /// seconds, where that is known; without it a day in UTC is taken for a local one.
    pub fn contains(&self, flight: &FlightKey, departs_s: Option<i64>) -> bool {
        let day = match departs_s {
            Some(departs_s) if self.utc => i64::from(self.date.0) == departs_s.div_euclid(DAY_S),
            _ => flight.origin_date == self.date,
        };
        day && (flight.carrier, flight.number, flight.suffix)
            == (self.carrier, self.number, self.suffix)
            && self.but != Some(flight.board)
    }
}

impl fmt::Display for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.carrier, self.number)?;
        if self.suffix != 0 {
            write!(f, "{}", char::from(self.suffix))?;
        }
        write!(f, " of {}", self.date)?;
        if self.utc {
            f.write_str(" (UTC)")?;
        }
        if let Some(but) = self.but {
            write!(f, " other than from {but}")?;
        }
        Ok(())
    }
}

/// A provider's report about flights that are known by number and day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// Which.
    pub flights: Flights,
    /// Its place in the provider's own order.
    pub version: SourceVersion,
    /// What was repaired or guessed: bits of [`flightline_ledger::command::quality`].
    pub quality: u32,
    /// What is reported.
    pub body: ProviderBody,
}

impl Unplaced {
    /// Whether it only tidies up behind another report, so that it is no fault when there is no such flight.
    pub fn is_tidying(&self) -> bool {
        self.flights.but.is_some()
    }

    /// As the stream keeps it.
    pub fn to_report(&self, provider: ProviderCode, authority: u8) -> UnplacedReport {
        let Flights {
            carrier,
            number,
            suffix,
            date,
            utc,
            but,
        } = self.flights;
        UnplacedReport {
            carrier,
            number,
            suffix,
            date,
            utc,
            but,
            event: ProviderEvent {
                provider,
                version: self.version,
                authority,
                quality: self.quality,
                body: self.body.clone(),
            },
        }
    }

    /// Out of the stream.
    pub fn of_report(report: &UnplacedReport) -> Self {
        Self {
            flights: Flights {
                carrier: report.carrier,
                number: report.number,
                suffix: report.suffix,
                date: report.date,
                utc: report.utc,
                but: report.but,
            },
            version: report.event.version,
            quality: report.event.quality,
            body: report.event.body.clone(),
        }
    }

    /// The report about one of the flights, as a command.
    pub fn command(
        &self,
        flight: FlightKey,
        provider: ProviderCode,
        authority: u8,
        line: u64,
    ) -> PushCommand {
        let event = ProviderEvent {
            provider,
            version: self.version,
            authority,
            quality: self.quality,
            body: self.body.clone(),
        };
        PushCommand {
            observed: None,
            line,
            id: ids::provider_event_id(&flight, &event),
            flight,
            command: FlightCommand::Provider(Box::new(event)),
        }
    }

    /// The report as a canonical line in which `*` stands for the station that is not known, with
    /// `Z` behind a day that is counted in UTC. For people: it cannot be pushed.
    pub fn to_line(&self) -> String {
        const ANY: &str = "ZZZ";
        let Ok(board) = ANY.parse() else {
            return String::new();
        };
        let flight = FlightKey {
            carrier: self.flights.carrier,
            number: self.flights.number,
            suffix: self.flights.suffix,
            origin_date: self.flights.date,
            board,
        };
        let line = canonical::to_line(&CanonicalEvent {
            observed: None,
            flight,
            version: self.version,
            message_id: None,
            quality: self.quality,
            body: self.body.clone(),
        });
        let any = match (self.flights.utc, self.flights.but) {
            (false, None) => ".*\"".to_owned(),
            (true, None) => "Z.*\"".to_owned(),
            (false, Some(but)) => format!(".!{but}\""),
            (true, Some(but)) => format!("Z.!{but}\""),
        };
        line.replacen(&format!(".{ANY}\""), &any, 1)
    }
}
