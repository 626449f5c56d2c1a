//! What broke on the way to somebody else, in words.

/// Why a request has no answer. Its address is left out, as it may hold secrets and whoever asks knows it; the
/// causes say where it broke.
pub(crate) fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    chain(error)
}

/// The error and its causes, without the address.
pub(crate) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
