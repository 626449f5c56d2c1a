//! Fields of requests, read one by one, so that every fault points at its field. Fields that nobody
//! asks for are left alone, as Duffel's clients expect.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::http::error::ApiError;
use crate::http::faults::{self, Fault};
use crate::http::query::printable;

/// An object of a request, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    /// Dots between levels, list places by number; empty = `data` itself.
    path: String,
}

impl<'a> Object<'a> {
    pub(crate) fn root(map: &'a Map<String, Value>) -> Self {
        let path = String::new();
        Self { map, path }
    }

    /// The path of one of its fields.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// An error about one of its fields; `what` follows the field's name.
    pub(crate) fn fault(&self, fault: &'static Fault, name: &str, what: &str) -> ApiError {
        let path = self.path(name);
        ApiError::new(fault, format!("field `{path}` {what}")).field(path)
    }

    /// An error about the object as a whole.
    pub(crate) fn fault_here(&self, fault: &'static Fault, what: &str) -> ApiError {
        ApiError::new(fault, format!("`{}` {what}", self.path)).field(self.path.clone())
    }

    /// A field; null is as good as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn missing(&self, name: &str) -> ApiError {
        self.fault(&faults::VALIDATION_REQUIRED, name, "can't be blank")
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(&faults::VALIDATION_TYPE, name, "must be a text")),
        }
    }

    /// A text of so many characters, if it is there.
    pub(crate) fn short_text(
        &self,
        name: &str,
        characters_max: usize,
    ) -> Result<Option<&'a str>, ApiError> {
        let text = self.text(name)?;
        if text.is_some_and(|text| !(1..=characters_max).contains(&text.chars().count())) {
            let what = format!("must have 1 to {characters_max} characters");
            return Err(self.fault(&faults::VALIDATION_LENGTH, name, &what));
        }
        Ok(text)
    }

    /// A text that reads as something.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|why: T::Err| {
            let what = format!("is `{}`: {why}", printable(text));
            self.fault(&faults::VALIDATION_FORMAT, name, &what)
        })
    }

    /// As [`Object::parsed`], but it must be there.
    pub(crate) fn required<T: FromStr>(&self, name: &str) -> Result<T, ApiError>
    where
        T::Err: fmt::Display,
    {
        if self.text(name)?.is_some_and(|text| text.trim().is_empty()) {
            return Err(self.missing(name));
        }
        self.parsed(name)?.ok_or_else(|| self.missing(name))
    }

    /// One of some names.
    pub(crate) fn one_of<T: Copy>(
        &self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let found = choices.iter().find(|(choice, _)| *choice == text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
            let what = format!("must be {}, not `{}`", names.join(", "), printable(text));
            self.fault(&faults::VALIDATION_INCLUSION, name, &what)
        })
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let Value::Number(number) = value else {
            return Err(self.fault(&faults::VALIDATION_TYPE, name, "must be a whole number"));
        };
        match number.as_u64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ => {
                let what = format!("must be a whole number from {min} to {max}, not {number}");
                Err(self.fault(&faults::VALIDATION_INCLUSION, name, &what))
            }
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.fault(&faults::VALIDATION_TYPE, name, "must be true or false")),
        }
    }

    /// An object that may be there.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Object<'a>>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Object {
                map,
                path: self.path(name),
            })),
            Some(_) => Err(self.fault(&faults::VALIDATION_TYPE, name, "must be an object")),
        }
    }

    /// A list of objects, empty when it is not there.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, ApiError> {
        let items = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.fault(&faults::VALIDATION_TYPE, name, "must be a list")),
        };
        let item = |(at, item): (usize, &'a Value)| {
            let path = format!("{}.{at}", self.path(name));
            match item {
                Value::Object(map) => Ok(Object { map, path }),
                _ => Err(ApiError::new(
                    &faults::VALIDATION_TYPE,
                    format!("`{path}` must be an object"),
                )
                .field(path)),
            }
        };
        items.iter().enumerate().map(item).collect()
    }

    /// As [`Object::objects`], but there must be 1 to `max`.
    pub(crate) fn some_objects(&self, name: &str, max: usize) -> Result<Vec<Object<'a>>, ApiError> {
        let items = self.objects(name)?;
        if items.is_empty() {
            return Err(self.missing(name));
        }
        if items.len() > max {
            let what = format!("has {} entries, but may have {max}", items.len());
            return Err(self.fault(&faults::VALIDATION_LENGTH, name, &what));
        }
        Ok(items)
    }
}
