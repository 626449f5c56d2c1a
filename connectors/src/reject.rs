//! Records that were set aside, and the codes that say why.

use std::fmt;
use std::sync::Arc;

use flightline_ledger::command::FeedReject;
use flightline_ledger::{Command, CommandId, FlightKey, ProviderCode};

use crate::ids;

/// A reject keeps at most this many bytes of the record as it came: 4 KiB.
pub const RAW_BYTES_MAX: usize = 4096;

/// The most bytes of a reason.
pub const REASON_BYTES_MAX: usize = 1500;

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal, $remedy:literal;)+) => {
        /// Why a record was set aside. The names are stable: programs may compare them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The stable name, such as `bad_time`.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// What the sender can do about it, one sentence without a full stop.
            pub const fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy),+ }
            }
        }
    };
}

codes! {
    /// The bytes of the line are not UTF-8.
    NotUtf8 = "not_utf8", "send the file as UTF-8";
    /// The line is longer than the format allows; its beginning is kept.
    LineTooLong = "line_too_long", "put one record on a line, and split very long lists over several events";
    /// The input ends inside a record, or inside its compressed data.
    Truncated = "truncated", "send the whole file again; what was read before stands and counts as duplicate";
    /// The input could not be read on: damaged compression, or the connection broke.
    Unreadable = "unreadable", "check the file (`gzip -t` for a compressed one) and send it again; what was read before stands and counts as duplicate";
    /// The line is not JSON.
    BadJson = "bad_json", "write one JSON object per line";
    /// A field has the wrong JSON type, such as a text where a number belongs.
    BadType = "bad_type", "write the field with the type that the reason names";
    /// A field that the format does not have.
    UnknownField = "unknown_field", "correct the field's name or leave it out";
    /// A field that must be there is not.
    MissingField = "missing_field", "add the field";
    /// A field stands in the object twice.
    DuplicateField = "duplicate_field", "keep one of them";
    /// The `type` of the event is none of those known.
    UnknownType = "unknown_type", "use one of the types that the reason names";
    /// The flight key is malformed.
    BadFlightKey = "bad_flight_key", "write CARRIER NUMBER SUFFIX? . ORIGIN DATE . FIRST STATION, such as UA1545.2027-01-05.EWR";
    /// A time or date is malformed, does not exist, or needs an offset.
    BadTime = "bad_time", "write the time as the reason shows";
    /// A count is outside its range.
    BadCount = "bad_count", "send a whole number in the range that the reason names";
    /// An amount of money is malformed, negative, or has more decimals than its currency.
    BadAmount = "bad_amount", "send a decimal text such as \"129.00\"";
    /// A code (station, carrier, cabin, class, currency, status and the like) is malformed or unknown.
    BadCode = "bad_code", "send the code that the reason describes";
    /// The parts of the event contradict each other.
    Inconsistent = "inconsistent", "correct the event as the reason says";
    /// A begin or end mark of a full replacement that does not fit what came before it: nothing
    /// was withdrawn.
    BadReplace = "bad_replace", "send the whole replacement again, from its begin mark to its end mark";
    /// A CSV line that does not have the columns it must have.
    BadCsv = "bad_csv", "write every column of the header, separated by commas";
    /// The first line of a CSV file names not the columns that the format has.
    BadHeader = "bad_header", "send the file with its header line";
    /// The report is about a flight that was never scheduled.
    NoFlight = "no_flight", "send the flight's schedule: the report is kept, and is applied behind it";
    /// The record is none of the format, has not its length, or stands where it does not belong.
    BadRecord = "bad_record", "write each record as the format lays it out, in the order that it has";
    /// The XML is not well-formed.
    BadXml = "bad_xml", "send well-formed XML; what was whole before the fault stands";
    /// The EDIFACT message breaks its grammar: a segment, an element, a count or a reference.
    BadEdifact = "bad_edifact", "correct the segment that the reason names and send the message again";
    /// A line of a teletype message that is none of the forms that the format has.
    BadLine = "bad_line", "write the line in one of the forms that the reason shows";
    /// An availability code that is not in the provider's table. It is never read as open.
    UnknownStatus = "unknown_status", "agree what the code means and add it to the provider's table (`codes`)";
    /// The flight is operated by another airline, and which of its flights that is cannot be told: its seats would be counted twice.
    UnknownOperating = "unknown_operating", "send the number of the operating flight, or the operating flight itself in the same message";
    /// The message is larger than the format allows, or names more flights.
    MessageTooLarge = "message_too_large", "send it in several messages";
    /// The provider answered with an error and not with data.
    ProviderError = "provider_error", "look the error up at the provider; there is nothing to read in it";
    /// The observation had expired when it came in.
    Expired = "expired", "ask the provider again and push what it answers at once";
    /// The station has no time zone that we know, so that its local times mean nothing.
    UnknownAirport = "unknown_airport", "use an IATA airport code, or send canonical events with UTC offsets";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A record that was set aside, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The file or message it came in.
    pub message: Arc<str>,
    /// Line in it, from 1.
    pub line: u64,
    /// The fault.
    pub code: Code,
    /// What was wrong and what to do, for people: names the field, the value, and what is right.
    pub reason: String,
    /// The record as it came, cut to [`RAW_BYTES_MAX`].
    pub raw: Vec<u8>,
    /// The flight it was about, where that could still be told.
    pub flight: Option<FlightKey>,
}

impl Reject {
    /// Sets a record aside. `raw` may be of any length: it is cut here.
    pub fn new(
        message: &Arc<str>,
        line: u64,
        code: Code,
        reason: impl Into<String>,
        raw: &[u8],
    ) -> Self {
        Self {
            message: Arc::clone(message),
            line,
            code,
            reason: bounded(reason.into()),
            raw: raw[..raw.len().min(RAW_BYTES_MAX)].to_vec(),
            flight: None,
        }
    }

    /// The command that keeps it in the stream, with its id.
    pub fn to_command(&self, provider: ProviderCode) -> (CommandId, Command) {
        let record = self.to_feed_reject(provider);
        let id = ids::feed_reject_id(&record);
        (id, Command::FeedReject(Box::new(record)))
    }

    /// The same as the record that the stream keeps.
    pub fn to_feed_reject(&self, provider: ProviderCode) -> FeedReject {
        FeedReject {
            provider,
            message: self.message.to_string(),
            line: self.line,
            code: self.code.name().to_owned(),
            reason: self.reason.clone(),
            raw: self.raw.clone(),
        }
    }
}

impl fmt::Display for Reject {
    /// `flights.ndjson:17: bad_time: legs[0].departs: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.message, self.line, self.code, self.reason
        )
    }
}

/// A fault found inside a record, before it is known which record that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// A fault in a named field: `field: reason`.
    pub(crate) fn at(code: Code, field: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::new(code, format!("{field}: {reason}"))
    }
}

/// Keeps the beginning and the end of a reason, which says what to do: a parser's own words may repeat much
/// of what it read.
fn bounded(reason: String) -> String {
    const END_BYTES: usize = 400;
    if reason.len() <= REASON_BYTES_MAX {
        return reason;
    }
    let begin = reason.floor_char_boundary(REASON_BYTES_MAX - END_BYTES - "…".len());
    let end = reason.ceil_char_boundary(reason.len() - END_BYTES);
    format!("{}…{}", &reason[..begin], &reason[end..])
}

/// A value as it stands in a reason: quoted, escaped, and short whatever its length.
pub(crate) fn quoted(value: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    let mut out = String::from("\"");
    let mut chars = value.chars();
    for c in chars.by_ref().take(SHOWN_CHARS_MAX) {
        out.extend(c.escape_debug());
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_keeps_its_beginning_and_end() {
        for len in [10, REASON_BYTES_MAX, REASON_BYTES_MAX + 1, 100_000] {
            for letter in ["x", "é", "€"] {
                let reason = format!("begin {} end", letter.repeat(len / letter.len()));
                let reject = Reject::new(&"m".into(), 1, Code::BadXml, reason.clone(), b"");
                assert!(reject.reason.len() <= REASON_BYTES_MAX);
                assert!(reject.reason.starts_with("begin ") && reject.reason.ends_with(" end"));
                assert_eq!(reject.reason == reason, reason.len() <= REASON_BYTES_MAX);
            }
        }
    }

    #[test]
    fn code_names_are_distinct_and_say_what_to_do() {
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                code.name()
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'_' | b'8')),
                "{code}"
            );
            assert!(code.remedy().len() > 10, "{code} has no remedy");
        }
    }

    #[test]
    fn raw_bytes_are_cut_and_values_shown_short() {
        let message: Arc<str> = "m".into();
        let reject = Reject::new(&message, 1, Code::BadJson, "x", &[b'a'; 10_000]);
        assert_eq!(reject.raw.len(), RAW_BYTES_MAX);
        assert_eq!(quoted("a\"b\n"), "\"a\\\"b\\n\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 43);
    }
}
