//! Keys that never reach a log.

use std::fmt;

/// A key or password. Debug prints that there is one, never what it is, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why there is no usable secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("the environment variable {0} is not set: set it to the key and start again")]
    Missing(String),
    /// The value cannot be a key. It is not shown.
    #[error(
        "the key in {0} has blanks, line ends or other characters that no key has: set it again, \
         without quotes around it"
    )]
    Malformed(String),
}

impl Secret {
    /// A secret from where the program keeps it; `source` names that place in the error.
    pub fn new(value: impl Into<String>, source: &str) -> Result<Self, SecretError> {
        let value = value.into();
        if value.is_empty() {
            return Err(SecretError::Missing(source.to_owned()));
        }
        if !value.bytes().all(|b| b.is_ascii_graphic()) || value.starts_with(['"', '\'']) {
            return Err(SecretError::Malformed(source.to_owned()));
        }
        Ok(Self(value))
    }

    /// A secret from an environment variable.
    pub fn from_env(name: &str) -> Result<Self, SecretError> {
        match std::env::var(name) {
            Ok(value) => Self::new(value, name),
            Err(std::env::VarError::NotPresent) => Err(SecretError::Missing(name.to_owned())),
            Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::Malformed(name.to_owned())),
        }
    }

    /// The secret itself, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("sk_test_51abc", "TEST").unwrap();
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
        for bad in ["", "sk test", "sk\n", "\"sk\""] {
            let message = Secret::new(bad, "STRIPE_SECRET_KEY")
                .unwrap_err()
                .to_string();
            assert!(message.contains("STRIPE_SECRET_KEY"), "{message}");
            assert!(bad.is_empty() || !message.contains(bad), "{message}");
        }
    }
}
