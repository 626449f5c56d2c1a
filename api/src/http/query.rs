//! Parameters in the query of an address.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::error::ApiError;
use super::faults;
use super::route::percent_decode;

/// The most parameters an address can have.
const PARAMETERS_MAX: usize = 16;

/// The parameters of one request, each given at most once.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pairs: [Option<(&'a str, Cow<'a, str>)>; PARAMETERS_MAX],
}

/// The name of a parameter that may stand several times.
fn list_name(name: &str) -> Option<&str> {
    let encoded = ["[]", "%5B%5D", "%5b%5d", "%5B]", "[%5D"];
    encoded.iter().find_map(|end| name.strip_suffix(end))
}

impl<'a> Query<'a> {
    /// Splits a query; a name that is not in `known` is refused, so that a misspelt parameter is
    /// never silently without effect.
    pub(crate) fn parse(query: Option<&'a str>, known: &[&str]) -> Result<Self, ApiError> {
        let out = Self::parse_any(query)?;
        for (name, _) in out.pairs.iter().flatten() {
            if !known.contains(name) {
                let name = printable(name);
                return Err(ApiError::new(
                    &faults::UNKNOWN_FIELD,
                    format!("unknown parameter `{name}`; known are {}", known.join(", ")),
                )
                .field(name));
            }
        }
        Ok(out)
    }

    /// As [`Query::parse`], with parameters of any name.
    pub(crate) fn parse_any(query: Option<&'a str>) -> Result<Self, ApiError> {
        let mut out = Self {
            pairs: [const { None }; PARAMETERS_MAX],
        };
        let parts = query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty());
        for (at, part) in parts.enumerate() {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent_decode(value, true).ok_or_else(|| {
                bad(
                    &faults::VALIDATION_FORMAT,
                    name,
                    "is not well-formed percent-encoded UTF-8",
                )
            })?;
            if out.get(name).is_some() && list_name(name).is_none() {
                return Err(bad(&faults::VALIDATION_FORMAT, name, "is given twice"));
            }
            let Some(slot) = out.pairs.get_mut(at) else {
                return Err(ApiError::new(
                    &faults::BAD_REQUEST,
                    format!("the address has more than {PARAMETERS_MAX} parameters"),
                ));
            };
            *slot = Some((name, value));
        }
        Ok(out)
    }

    /// The text of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pairs = self.pairs.iter().flatten();
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.as_ref())
            .next()
    }

    /// The texts of a parameter that may stand several times, `name[]`.
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> + '_ {
        let pairs = self.pairs.iter().flatten();
        pairs
            .filter(move |(key, _)| list_name(key) == Some(name))
            .map(|(_, value)| value.as_ref())
    }

    /// All parameters but those named.
    pub(crate) fn others(&self, named: &[&str]) -> Vec<(String, String)> {
        let pairs = self.pairs.iter().flatten();
        pairs
            .filter(|(name, _)| !named.contains(name))
            .map(|(name, value)| ((*name).to_owned(), value.clone().into_owned()))
            .collect()
    }

    /// A parameter that must be there.
    pub(crate) fn required<T: FromStr>(&self, name: &'static str) -> Result<T, ApiError>
    where
        T::Err: fmt::Display,
    {
        self.optional(name)?.ok_or_else(|| {
            ApiError::new(
                &faults::VALIDATION_REQUIRED,
                format!("parameter `{name}` is required"),
            )
            .field(name)
        })
    }

    /// A parameter that may be there.
    pub(crate) fn optional<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ApiError>
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|why: T::Err| {
            bad(
                &faults::VALIDATION_FORMAT,
                name,
                &format!("is `{}`: {why}", printable(text)),
            )
        })
    }

    /// A whole number within bounds.
    pub(crate) fn number(
        &self,
        name: &'static str,
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let digits = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(n) if digits && (min..=max).contains(&n) => Ok(Some(n)),
            _ => Err(bad(
                &faults::VALIDATION_INCLUSION,
                name,
                &format!(
                    "must be a whole number from {min} to {max}, not `{}`",
                    printable(text)
                ),
            )),
        }
    }
}

fn bad(fault: &'static faults::Fault, name: &str, what: &str) -> ApiError {
    let name = printable(name);
    ApiError::new(fault, format!("parameter `{name}` {what}")).field(name)
}

/// What a client sent, fit to be shown back: short and without control characters.
pub(crate) fn printable(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut out: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["a", "b", "limit"];

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse(Some("a=1+2%26&&b="), &KNOWN).unwrap();
        assert_eq!(
            (query.get("a"), query.get("b"), query.get("limit")),
            (Some("1 2&"), Some(""), None)
        );
        assert!(Query::parse(None, &KNOWN).unwrap().get("a").is_none());
    }

    #[test]
    fn faults_have_codes() {
        let code = |text| Query::parse(Some(text), &KNOWN).unwrap_err().code();
        assert_eq!(code("c=1"), "unknown_field");
        assert_eq!(code("a=1&a=2"), "validation_format");
        assert_eq!(code("a=%zz"), "validation_format");
        for text in [
            "0",
            "201",
            "-1",
            "x",
            "",
            "1.0",
            "99999999999999999999",
            "+5",
        ] {
            let text = format!("limit={}", text.replace('+', "%2B"));
            let query = Query::parse(Some(&text), &KNOWN).unwrap();
            let error = query.number("limit", 1, 200).unwrap_err();
            assert_eq!(error.code(), "validation_inclusion", "{text}");
        }
        let query = Query::parse(Some("limit=200"), &KNOWN).unwrap();
        assert_eq!(query.number("limit", 1, 200).unwrap(), Some(200));
        assert_eq!(
            query.required::<u64>("a").unwrap_err().code(),
            "validation_required"
        );
    }
}
