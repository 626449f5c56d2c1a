//! A line to an event, with the fault named by code and field.

use std::borrow::Cow;

use flightline_ledger::command::{SourceVersion, quality};
use flightline_ledger::{FlightKey, Station};
use serde::Deserialize;
use serde_json::error::Category;

use super::wire::{self, Common};
use super::{CanonicalEvent, LineItem, MESSAGE_ID_BYTES_MAX, body, time};
use crate::observed::Observed;
use crate::reject::{Code, Fault, quoted};
use crate::replacement::{Replacement, Scope};

/// What was noticed while an event was read that is no reason to refuse it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Bits to add to the event's quality marks.
    pub(super) quality: u32,
    /// For people.
    pub(super) warnings: Vec<String>,
    /// Stations that are no known airport: told once per source, since a private code can be in
    /// every event.
    pub(super) stations_unknown: Vec<Station>,
}

/// Reads one line.
pub(super) fn line(text: &str, notes: &mut Notes) -> Result<LineItem, Fault> {
    let kind = match leading_type(text) {
        Some(kind) => Cow::Borrowed(kind),
        None => json::<wire::Head<'_>>(text)?.r#type,
    };
    macro_rules! event {
        ($wire:ty, $body:expr) => {{
            let mut wire: $wire = json(text)?;
            let (flight, version, message_id, quality, observed) = common(wire.common(), notes)?;
            let body = $body(&flight, &wire, notes)?;
            Ok(LineItem::Event(CanonicalEvent {
                flight,
                version,
                message_id,
                quality: quality | notes.quality,
                body,
                observed,
            }))
        }};
    }
    match &*kind {
        "schedule" => event!(wire::Schedule<'_>, body::schedule),
        "time_change" => event!(wire::TimeChange<'_>, body::time_change),
        "equipment" => event!(wire::Equipment<'_>, body::equipment),
        "availability" => event!(wire::Availability<'_>, body::availability),
        "fares" => event!(wire::Fares<'_>, body::fares),
        "terms" => event!(wire::Terms<'_>, body::terms),
        "cancel" | "reinstate" | "withdraw" => event!(wire::Status<'_>, body::status),
        "acknowledge" => event!(wire::Acknowledge<'_>, body::acknowledge).and_then(versioned),
        "replace_begin" | "replace_end" => replace(json(text)?),
        other => Err(Fault::at(
            Code::UnknownType,
            "type",
            format!("{} is none of {}", quoted(other), wire::TYPES),
        )),
    }
}

/// The type of a line that begins with it, as those that we print do, without reading the rest
/// once more for it.
fn leading_type(text: &str) -> Option<&str> {
    let (kind, _) = text.strip_prefix("{\"type\":\"")?.split_once('"')?;
    kind.bytes()
        .all(|b| b.is_ascii_lowercase() || b == b'_')
        .then_some(kind)
}

/// The flight a line names, where that much of it can be read.
pub(super) fn flight_named(text: &str) -> Option<FlightKey> {
    serde_json::from_str::<wire::FlightOnly<'_>>(text)
        .ok()?
        .flight_key
        .parse()
        .ok()
}

type CommonParts = (
    FlightKey,
    SourceVersion,
    Option<Box<str>>,
    u32,
    Option<Box<Observed>>,
);

fn common(common: Common<'_>, notes: &mut Notes) -> Result<CommonParts, Fault> {
    let flight = common.flight_key.parse().map_err(|e| {
        Fault::at(
            Code::BadFlightKey,
            "flight_key",
            format!("{}: {e}", quoted(&common.flight_key)),
        )
    })?;
    let mut bits = 0;
    for (n, name) in common.quality.iter().enumerate() {
        let Some(bit) = quality::NAMES.iter().position(|known| known == name) else {
            return Err(Fault::at(
                Code::BadCode,
                format_args!("quality[{n}]"),
                format!("{} is none of {}", quoted(name), quality::NAMES.join(", ")),
            ));
        };
        bits |= 1 << bit;
    }
    Ok((
        flight,
        version(&common.source_version)?,
        message_id(common.message_id)?,
        bits,
        match common.observed {
            None => None,
            Some(seen) => Some(Box::new(body::observed(&seen, notes)?)),
        },
    ))
}

fn version(version: &wire::Version<'_>) -> Result<SourceVersion, Fault> {
    let part = |field: &str, count: wire::Count| {
        u32::try_from(count.0).map_err(|_| {
            Fault::at(
                Code::BadCount,
                format_args!("source_version.{field}"),
                format!("{} is not 0 to {}", count.0, u32::MAX),
            )
        })
    };
    Ok(SourceVersion {
        time_ms: time::instant_ms("source_version.time", &version.time)?,
        group: part("group", version.group)?,
        sequence: part("sequence", version.sequence)?,
    })
}

/// What a provider says of sales in its feed has a version. Without one it would be taken for its answer to an order,
/// by which a provider is not heard.
fn versioned(item: LineItem) -> Result<LineItem, Fault> {
    match &item {
        LineItem::Event(event) if event.version == SourceVersion::default() => Err(Fault::at(
            Code::BadTime,
            "source_version.time",
            "1970-01-01T00:00:00Z stands for no time at all; say when the report was made",
        )),
        _ => Ok(item),
    }
}

fn message_id(id: Option<Cow<'_, str>>) -> Result<Option<Box<str>>, Fault> {
    match id {
        Some(id) if id.len() > MESSAGE_ID_BYTES_MAX => Err(Fault::at(
            Code::BadCode,
            "message_id",
            format!("has more than {MESSAGE_ID_BYTES_MAX} bytes"),
        )),
        id => Ok(id.map(|id| id.into_owned().into_boxed_str())),
    }
}

fn replace(mark: wire::Replace<'_>) -> Result<LineItem, Fault> {
    let date = |field: &str, text: &str| {
        text.parse()
            .map_err(|e| Fault::at(Code::BadTime, field, format!("{}: {e}", quoted(text))))
    };
    let carrier = match &mark.carrier {
        None => None,
        Some(text) => Some(body::code("carrier", text)?),
    };
    let scope = Scope {
        carrier,
        from: date("from", &mark.from)?,
        to: date("to", &mark.to)?,
    };
    if scope.from > scope.to {
        return Err(Fault::at(
            Code::Inconsistent,
            "to",
            format!("{} is before from, {}", scope.to, scope.from),
        ));
    }
    let replacement = Replacement {
        scope,
        version: version(&mark.source_version)?,
        message_id: message_id(mark.message_id)?,
    };
    let is_end = mark.r#type == "replace_end";
    match mark.events {
        Some(_) if !is_end => Err(Fault::at(
            Code::UnknownField,
            "events",
            "stands in replace_end only",
        )),
        Some(count) if count.0 < 0 => Err(Fault::at(
            Code::BadCount,
            "events",
            format!("{} is below 0", count.0),
        )),
        count if is_end => Ok(LineItem::ReplaceEnd(
            replacement,
            count.map(|n| n.0.unsigned_abs()),
        )),
        _ => Ok(LineItem::ReplaceBegin(replacement)),
    }
}

/// Reads JSON; a fault names the field.
fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    serde_json::from_str::<wire::Object<T>>(text)
        .map(|object| object.0)
        .map_err(|error| explain::<wire::Object<T>>(text, &error))
}

/// Names the fault. The text is read again with the path kept, which only the bad lines pay for.
fn explain<'a, T: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> Fault {
    let column = error.column();
    let place = |message: String| {
        // One line is read at a time, so the line that serde_json adds is always 1.
        match message.rfind(" at line ") {
            Some(at) => message[..at].to_owned(),
            None => message,
        }
    };
    match error.classify() {
        Category::Eof => {
            return Fault::new(
                Code::BadJson,
                format!(
                    "the JSON ends too early, at column {column}: {}; {}",
                    place(error.to_string()),
                    Code::BadJson.remedy()
                ),
            );
        }
        Category::Syntax | Category::Io => {
            return Fault::new(
                Code::BadJson,
                format!(
                    "not JSON at column {column}: {}; {}",
                    place(error.to_string()),
                    Code::BadJson.remedy()
                ),
            );
        }
        Category::Data => {}
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let (path, message) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => (error.path().to_string(), place(error.inner().to_string())),
        Ok(_) => (String::new(), place(error.to_string())),
    };
    let code = [
        ("unknown field", Code::UnknownField),
        ("missing field", Code::MissingField),
        ("duplicate field", Code::DuplicateField),
    ]
    .iter()
    .find(|(start, _)| message.starts_with(start))
    .map_or(Code::BadType, |(_, code)| *code);
    let message: String = message.chars().take(REASON_CHARS_MAX).collect();
    match path.as_str() {
        "" | "." => Fault::new(code, message),
        // The path may hold names from the input.
        path => Fault::at(
            code,
            path.chars().take(PATH_CHARS_MAX).collect::<String>(),
            message,
        ),
    }
}

/// The most that is quoted of a message of the JSON reader, which may hold values of the input.
const REASON_CHARS_MAX: usize = 400;
const PATH_CHARS_MAX: usize = 100;
