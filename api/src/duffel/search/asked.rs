//! What a client asks for, checked field by field.

use flightline_ledger::{Date, Station};
use flightline_sinks::serving::TimeWindow;
use serde_json::{Map, Value};

use super::travellers::{Names, passenger, read_names};
use crate::duffel::cabin::CabinClass;
use crate::duffel::fields::Object;
use crate::duffel::party::{PASSENGERS_MAX, Passenger, PassengerType};
use crate::duffel::reference::Reference;
use crate::duffel::token::{End, SLICES_MAX, SliceAsked};
use crate::http::error::ApiError;
use crate::http::faults;

/// A search as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) cabin: Option<CabinClass>,
    pub(crate) connections_max: u8,
    pub(crate) include_sold_out: bool,
    pub(crate) slices: Vec<SliceAsked>,
    pub(crate) passengers: Vec<Passenger>,
    /// Shown in the answer, and kept nowhere.
    pub(crate) names: Vec<Names>,
}

/// Twelve hours behind UTC the day ends last.
const LAST_ZONE_MS: i64 = 12 * 3_600_000;

const DAY_MS: i64 = 24 * 3_600_000;

/// Reads a search.
pub(crate) fn parse(
    data: &Map<String, Value>,
    reference: &Reference,
    now_ms: i64,
) -> Result<Asked, ApiError> {
    let data = Object::root(data);
    let today = Date(((now_ms - LAST_ZONE_MS).div_euclid(DAY_MS)) as i32);
    let mut slices: Vec<SliceAsked> = Vec::new();
    for object in data.some_objects("slices", SLICES_MAX)? {
        let slice = slice(&object, reference, today)?;
        if let Some(before) = slices.last()
            && before.date > slice.date
        {
            let what = format!("is before {}, the date of the slice before it", before.date);
            return Err(object.fault(&faults::VALIDATION_INCLUSION, "departure_date", &what));
        }
        slices.push(slice);
    }
    let (mut passengers, mut names) = (Vec::new(), Vec::new());
    for object in data.some_objects("passengers", PASSENGERS_MAX)? {
        passengers.push(passenger(&object)?);
        names.push(read_names(&object)?);
    }
    let count = |kind| passengers.iter().filter(|p| p.counts_as() == kind).count();
    let infants = count(PassengerType::InfantWithoutSeat);
    let adults = count(PassengerType::Adult);
    if infants > adults {
        let what = format!(
            "has {adults} {} and {infants} {} without a seat: every infant needs an adult's lap",
            if adults == 1 { "adult" } else { "adults" },
            if infants == 1 { "infant" } else { "infants" },
        );
        return Err(data.fault(&faults::VALIDATION_INCLUSION, "passengers", &what));
    }
    let cabin = data.one_of(
        "cabin_class",
        &CabinClass::ALL.map(|class| (class.name(), class)),
    )?;
    let connections_max = data.number("max_connections", 0, 2)?.unwrap_or(1) as u8;
    let include_sold_out = data.flag("include_sold_out")?.unwrap_or(false);
    Ok(Asked {
        cabin,
        connections_max,
        include_sold_out,
        slices,
        passengers,
        names,
    })
}

fn slice(object: &Object<'_>, reference: &Reference, today: Date) -> Result<SliceAsked, ApiError> {
    let end = |name| -> Result<End, ApiError> {
        let code: Station = object.required(name)?;
        let is_city = reference.city(code).is_some();
        Ok(End { code, is_city })
    };
    let (origin, destination) = (end("origin")?, end("destination")?);
    let from = reference.stations(origin.code);
    if reference
        .stations(destination.code)
        .iter()
        .any(|s| from.contains(s))
    {
        let what = format!("is {}, where the slice begins", destination.code);
        return Err(object.fault(&faults::VALIDATION_INCLUSION, "destination", &what));
    }
    let date: Date = object.required("departure_date")?;
    if date < today {
        let what = format!("is {date}, which is over everywhere");
        return Err(object.fault(&faults::VALIDATION_INCLUSION, "departure_date", &what));
    }
    Ok(SliceAsked {
        origin,
        destination,
        date,
        departure: window(object, "departure_time")?,
        arrival: window(object, "arrival_time")?,
    })
}

fn window(slice: &Object<'_>, name: &str) -> Result<Option<TimeWindow>, ApiError> {
    let Some(object) = slice.object(name)? else {
        return Ok(None);
    };
    let minute = |name: &str, otherwise| -> Result<u16, ApiError> {
        let Some(text) = object.text(name)? else {
            return Ok(otherwise);
        };
        minute_of(text).ok_or_else(|| {
            let what = "must be a time of day such as 09:45";
            object.fault(&faults::VALIDATION_FORMAT, name, what)
        })
    };
    Ok(Some(TimeWindow {
        from_min: minute("from", 0)?,
        to_min: minute("to", 24 * 60 - 1)?,
    }))
}

/// `HH:MM` as minutes since midnight.
fn minute_of(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str, below: u16| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let n = digits.then(|| text.parse::<u16>().ok()).flatten()?;
        (n < below).then_some(n)
    };
    Some(two(hour, 24)? * 60 + two(minute, 60)?)
}

/// An end that neither the reference data nor any offer knows: most likely a typing error.
pub(crate) fn unknown_end(slices: &[SliceAsked], reference: &Reference) -> Option<ApiError> {
    if reference.is_empty() {
        return None;
    }
    let ends = slices.iter().enumerate().flat_map(|(at, slice)| {
        let ends = [("origin", slice.origin), ("destination", slice.destination)];
        ends.map(|(name, end)| (at, name, end))
    });
    let mut unknown =
        ends.filter(|(_, _, end)| !end.is_city && reference.airport(end.code).is_none());
    unknown.next().map(|(at, name, end)| {
        ApiError::new(
            &faults::VALIDATION_INCLUSION,
            format!(
                "no airport or city with flights on that day has the code {}",
                end.code
            ),
        )
        .field(format!("slices.{at}.{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duffel::party::Given;

    /// 2027-01-01T00:00Z
    const NOW_MS: i64 = 1_798_761_600_000;

    fn read(text: &str) -> Result<Asked, ApiError> {
        let value: Value = serde_json::from_str(text).unwrap();
        parse(value.as_object().unwrap(), &Reference::default(), NOW_MS)
    }

    fn with(slices: &str, passengers: &str) -> String {
        format!(r#"{{"slices":[{slices}],"passengers":[{passengers}]}}"#)
    }

    const SLICE: &str = r#"{"origin":"EWR","destination":"IAH","departure_date":"2027-01-05"}"#;
    const ADULT: &str = r#"{"type":"adult"}"#;

    #[test]
    fn a_full_search_is_read() {
        let asked = read(
            r#"{"slices":[{"origin":"EWR","destination":"IAH","departure_date":"2026-12-31",
                "departure_time":{"from":"09:45","to":"23:59"},"arrival_time":null,"x":1}],
            "passengers":[{"type":"adult","given_name":"Amelia","family_name":"Earhart",
                "loyalty_programme_accounts":[{"airline_iata_code":"UA","account_number":"1"}]},{"age":14},
                {"fare_type":"student"},{"age":1}],
            "cabin_class":"economy","max_connections":2,"private_fares":{},"include_sold_out":true}"#,
        )
        .unwrap();
        assert!(asked.include_sold_out);
        assert!(!read(&with(SLICE, ADULT)).unwrap().include_sold_out);
        assert_eq!(
            (asked.connections_max, asked.cabin),
            (2, Some(CabinClass::Economy))
        );
        let window = asked.slices[0].departure.unwrap();
        assert_eq!((window.from_min, window.to_min), (585, 1439));
        assert_eq!(asked.passengers[1].given, Given::Age(14));
        assert_eq!(asked.passengers[2].fare_type_name(), Some("student"));
        assert_eq!(asked.names[0].loyalty.len(), 1);
        assert_eq!(read(&with(SLICE, ADULT)).unwrap().connections_max, 1);
    }

    #[test]
    fn faults_point_at_their_fields() {
        let slice = |from: &str, to: &str| SLICE.replace(from, to);
        let infant = r#"{"type":"infant_without_seat"}"#;
        let before = slice("01-05", "01-04");
        for (body, code, pointer) in [
            ("{}".to_owned(), "validation_required", "slices"),
            (with("", ADULT), "validation_required", "slices"),
            (with("1", ADULT), "validation_type", "slices.0"),
            (with(SLICE, ""), "validation_required", "passengers"),
            (
                with(&slice("EWR", "ewr"), ADULT),
                "validation_format",
                "slices.0.origin",
            ),
            (
                with(&slice("\"EWR\"", "null"), ADULT),
                "validation_required",
                "slices.0.origin",
            ),
            (
                with(&slice("\"EWR\"", "\"\""), ADULT),
                "validation_required",
                "slices.0.origin",
            ),
            (
                with(&slice("\"EWR\"", "5"), ADULT),
                "validation_type",
                "slices.0.origin",
            ),
            (
                with(&slice("IAH", "EWR"), ADULT),
                "validation_inclusion",
                "slices.0.destination",
            ),
            (
                with(&slice("01-05", "02-30"), ADULT),
                "validation_format",
                "slices.0.departure_date",
            ),
            (
                with(&slice("2027-01-05", "2026-12-30"), ADULT),
                "validation_inclusion",
                "slices.0.departure_date",
            ),
            (
                with(&format!("{SLICE},{before}"), ADULT),
                "validation_inclusion",
                "slices.1.departure_date",
            ),
            (
                with(&[SLICE; 7].join(","), ADULT),
                "validation_length",
                "slices",
            ),
            (
                with(
                    &slice(
                        "\"departure_date\"",
                        "\"departure_time\":{\"from\":\"9:45\"},\"departure_date\"",
                    ),
                    ADULT,
                ),
                "validation_format",
                "slices.0.departure_time.from",
            ),
            (
                with(SLICE, &[ADULT; 10].join(",")),
                "validation_length",
                "passengers",
            ),
            (
                with(SLICE, r#"{"type":"senior"}"#),
                "validation_inclusion",
                "passengers.0.type",
            ),
            (
                with(SLICE, r#"{"age":18}"#),
                "validation_inclusion",
                "passengers.0.age",
            ),
            (
                with(SLICE, r#"{"age":"4"}"#),
                "validation_type",
                "passengers.0.age",
            ),
            (
                with(SLICE, r#"{"fare_type":"x"}"#),
                "validation_inclusion",
                "passengers.0.fare_type",
            ),
            (
                with(SLICE, r#"{"type":"adult","age":4}"#),
                "invalid_field_sets",
                "passengers.0",
            ),
            (
                with(SLICE, &format!("{ADULT},{{}}")),
                "invalid_field_sets",
                "passengers.1",
            ),
            (with(SLICE, infant), "validation_inclusion", "passengers"),
            (
                with(SLICE, &[ADULT, infant, infant].join(",")),
                "validation_inclusion",
                "passengers",
            ),
            (
                with(SLICE, r#"{"type":"adult","given_name":""}"#),
                "validation_length",
                "passengers.0.given_name",
            ),
            (
                with(
                    SLICE,
                    r#"{"type":"adult","loyalty_programme_accounts":[{"airline_iata_code":"UA"}]}"#,
                ),
                "validation_required",
                "passengers.0.loyalty_programme_accounts.0.account_number",
            ),
            (
                with(SLICE, ADULT).replace("]}", r#"],"cabin_class":"cargo"}"#),
                "validation_inclusion",
                "cabin_class",
            ),
            (
                with(SLICE, ADULT).replace("]}", r#"],"include_sold_out":"yes"}"#),
                "validation_type",
                "include_sold_out",
            ),
            (
                with(SLICE, ADULT).replace("]}", r#"],"max_connections":3}"#),
                "validation_inclusion",
                "max_connections",
            ),
        ] {
            let error = read(&body).unwrap_err();
            assert_eq!(
                (error.code(), error.field_path()),
                (code, Some(pointer)),
                "{body}"
            );
        }
    }
}
