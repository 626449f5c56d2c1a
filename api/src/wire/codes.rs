//! Codes in request bodies: parsed where they stand, with the code's own message when they are
//! malformed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A value that parses from a JSON string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code<T>(pub(crate) T);

impl<'de, T> Deserialize<'de> for Code<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<T> Visitor<'_> for Visit<T>
        where
            T: FromStr,
            T::Err: fmt::Display,
        {
            type Value = Code<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Code<T>, E> {
                text.parse().map(Code).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visit(PhantomData))
    }
}

/// A string that is borrowed from the body unless it has escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Borrowed<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Borrowed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Borrowed<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visit)
    }
}

/// Longest id or idempotency key, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 200;

/// What an id or idempotency key must be.
pub(crate) const ID_RULE: &str = "1 to 200 printable ASCII characters";

/// May this text be an id or an idempotency key?
pub(crate) fn is_id(text: &[u8]) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.iter().all(|b| matches!(b, b' '..=b'~'))
}
