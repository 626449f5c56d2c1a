//! Which service a configured address means.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;

use super::port::PaymentService;
use super::sandbox::{BooksError, Sandbox};
use super::secret::{Secret, SecretError};
use super::stripe::{SECRET_ENV, Stripe, StripeConfig, StripeError};

/// The address of a payment service, as `payments.url` gives it.
///
/// - `sandbox:` the sandbox, with books in memory;
/// - `sandbox:PATH` the sandbox, with books in a file, so that they outlive the process as a real
///   service's do;
/// - `https://api.stripe.com` or another base of Stripe's interface. Plain `http` is taken for
///   this machine only, since the key would be readable on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentsUrl {
    /// The sandbox; the file of its books, if they are kept.
    Sandbox(Option<PathBuf>),
    /// Stripe's interface at this base.
    Stripe(Url),
}

/// Why an address names no payment service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentsUrlError {
    /// Neither of the known forms.
    #[error(
        "{0:?} names no payment service: write `sandbox:`, `sandbox:PATH`, or the base of Stripe's \
         interface such as https://api.stripe.com"
    )]
    Unknown(String),
    /// `http` to another machine.
    #[error(
        "{0} would send the service's key over an unencrypted connection to another machine: use \
         https"
    )]
    NotEncrypted(Url),
    /// User, password, query or fragment in the address.
    #[error(
        "the payment service's address must have no user, password, query or fragment: the key \
         comes from the environment"
    )]
    Decorated,
}

/// Why the service that an address names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No key for Stripe.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Stripe's settings.
    #[error(transparent)]
    Stripe(#[from] StripeError),
    /// The sandbox's books.
    #[error(transparent)]
    Books(#[from] BooksError),
}

impl PaymentsUrl {
    /// The service at this address, with its usual settings. Stripe's key comes from the
    /// environment variable [`SECRET_ENV`]; nothing is asked of it yet.
    pub fn connect(&self) -> Result<Arc<dyn PaymentService>, ConnectError> {
        Ok(match self {
            PaymentsUrl::Sandbox(None) => Arc::new(Sandbox::in_memory()),
            PaymentsUrl::Sandbox(Some(path)) => Arc::new(Sandbox::open(path)?),
            PaymentsUrl::Stripe(base) => {
                let secret = Secret::from_env(SECRET_ENV)?;
                Arc::new(Stripe::new(&StripeConfig::new(base.clone(), secret))?)
            }
        })
    }
}

impl FromStr for PaymentsUrl {
    type Err = PaymentsUrlError;

    fn from_str(text: &str) -> Result<Self, PaymentsUrlError> {
        if let Some(path) = text.strip_prefix("sandbox:") {
            return Ok(PaymentsUrl::Sandbox(
                (!path.is_empty()).then(|| PathBuf::from(path)),
            ));
        }
        let url = Url::parse(text).map_err(|_| PaymentsUrlError::Unknown(text.to_owned()))?;
        check_base(&url)?;
        Ok(PaymentsUrl::Stripe(url))
    }
}

impl fmt::Display for PaymentsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PaymentsUrl::Sandbox(None) => f.write_str("sandbox:"),
            PaymentsUrl::Sandbox(Some(path)) => write!(f, "sandbox:{}", path.display()),
            PaymentsUrl::Stripe(url) => url.fmt(f),
        }
    }
}

/// What a base address must be like before a key is sent to it.
pub(crate) fn check_base(url: &Url) -> Result<(), PaymentsUrlError> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(PaymentsUrlError::Unknown(url.to_string()));
    }
    let is_decorated = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    if is_decorated {
        return Err(PaymentsUrlError::Decorated);
    }
    if url.scheme() == "http" && !is_this_machine(url) {
        return Err(PaymentsUrlError::NotEncrypted(url.clone()));
    }
    Ok(())
}

pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_is_connected_by_its_address() {
        let service = PaymentsUrl::Sandbox(None).connect().unwrap();
        assert_eq!((service.name(), service.is_test()), ("sandbox", true));
        let missing = PaymentsUrl::Sandbox(Some("/no/such/folder/books".into())).connect();
        let message = missing.unwrap_err().to_string();
        assert!(message.contains("/no/such/folder/books"), "{message}");
    }

    #[test]
    fn addresses_are_read_and_bad_ones_say_what_is_wrong() {
        let read = |text: &str| text.parse::<PaymentsUrl>();
        assert_eq!(read("sandbox:"), Ok(PaymentsUrl::Sandbox(None)));
        assert_eq!(
            read("sandbox:/var/lib/x"),
            Ok(PaymentsUrl::Sandbox(Some("/var/lib/x".into())))
        );
        for good in [
            "https://api.stripe.com",
            "http://127.0.0.1:4740/worlds/a",
            "http://[::1]:1/",
            "http://localhost:1",
        ] {
            assert!(matches!(read(good), Ok(PaymentsUrl::Stripe(_))), "{good}");
        }
        for bad in ["", "stripe", "ftp://api.stripe.com", "mailto:a@b"] {
            assert!(
                matches!(read(bad), Err(PaymentsUrlError::Unknown(_))),
                "{bad}"
            );
        }
        assert!(matches!(
            read("http://api.stripe.com"),
            Err(PaymentsUrlError::NotEncrypted(_))
        ));
        assert!(matches!(
            read("http://localhost.example.com"),
            Err(PaymentsUrlError::NotEncrypted(_))
        ));
        let decorated = read("https://sk_live_1@api.stripe.com").unwrap_err();
        assert_eq!(decorated, PaymentsUrlError::Decorated);
        assert!(!decorated.to_string().contains("sk_live"));
    }
}
