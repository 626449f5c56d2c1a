//! JSON bodies, with errors that say what was wrong and where.

use serde::Deserialize;
use serde_json::error::Category;

use super::error::ApiError;
use super::faults::{self, Fault};

/// Reads a body that must be one JSON object.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    // A derived reader of a struct also takes an array of its fields: only objects are meant.
    let first = body.iter().find(|b| !b.is_ascii_whitespace());
    if first == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(body)
    {
        return Ok(value);
    }
    Err(fault::<T>(body))
}

/// Reads the body again, slowly, to find out what was wrong with it.
#[cold]
fn fault<'a, T: Deserialize<'a>>(body: &'a [u8]) -> ApiError {
    if body.iter().all(u8::is_ascii_whitespace) {
        return ApiError::new(
            &faults::BAD_REQUEST,
            "the body is empty; a JSON object is expected",
        );
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        return ApiError::new(
            &faults::BAD_REQUEST,
            format!("the body is not JSON: {error}"),
        );
    }
    if let Err(error) = std::str::from_utf8(body) {
        return ApiError::new(
            &faults::BAD_REQUEST,
            format!(
                "the body is not UTF-8 from byte {} on",
                error.valid_up_to() + 1
            ),
        );
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => error,
        // It reads as an array of fields, or with something after its end that is no object.
        Ok(_) => {
            return ApiError::new(&faults::VALIDATION_TYPE, "the body must be one JSON object");
        }
    };
    let mut path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let inner = error.into_inner();
    let text = inner.to_string();
    let place = format!("line {} column {}", inner.line(), inner.column());
    let what = text
        .strip_suffix(&format!(" at {place}"))
        .unwrap_or(&text)
        .to_owned();
    if inner.classify() != Category::Data {
        return ApiError::new(
            &faults::BAD_REQUEST,
            format!("the body is not JSON: {text}"),
        );
    }
    let fault = classify(&what);
    // A field that is missing, unknown or doubled is named by the text alone.
    if let Some(name) = quoted(&what)
        && path.rsplit('.').next() != Some(name)
    {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    }
    if path.is_empty() {
        return ApiError::new(
            &faults::VALIDATION_TYPE,
            format!("the body must be a JSON object: {what} ({place})"),
        );
    }
    let message = if std::ptr::eq(fault, &faults::VALIDATION_REQUIRED) {
        format!("field `{path}` is required ({place})")
    } else if std::ptr::eq(fault, &faults::UNKNOWN_FIELD) {
        format!("field `{path}` is not known here: {what} ({place})")
    } else {
        format!("`{path}`: {what} ({place})")
    };
    ApiError::new(fault, message).field(path)
}

fn classify(what: &str) -> &'static Fault {
    let is = |start| what.starts_with(start);
    if is("missing field") {
        &faults::VALIDATION_REQUIRED
    } else if is("unknown field") {
        &faults::UNKNOWN_FIELD
    } else if is("invalid type") || is("invalid value") || is("number out of range") {
        &faults::VALIDATION_TYPE
    } else {
        &faults::VALIDATION_FORMAT
    }
}

/// The first name in back quotes, as in: missing field `cabin`.
fn quoted(what: &str) -> Option<&str> {
    let fields = ["missing field", "unknown field", "duplicate field"];
    if !fields.iter().any(|start| what.starts_with(start)) {
        return None;
    }
    what.split('`').nth(1)
}
