//! By what way a provider is reached.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::duffel::Duffel;
use super::port::OutwardService;
use super::teletype::Teletype;
use super::webhook::Webhook;

/// Something that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How a provider is told of what was sold from its seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutwardConfig {
    /// By signed JSON.
    Webhook {
        /// The address.
        url: String,
        /// What signs it.
        secret: Secret,
        /// How long an answer may take.
        timeout: Duration,
    },
    /// By the order interface of Duffel.
    Duffel {
        /// Its base, without `/air`.
        url: String,
        /// The bearer token.
        token: Secret,
        /// How long an answer may take.
        timeout: Duration,
    },
    /// By teletype lines in files.
    Teletype {
        /// The folder; `out`, `in` and `journal` are made in it.
        folder: PathBuf,
        /// Where messages go: seven letters or digits.
        address: String,
        /// Where they come from: seven letters or digits.
        origin: String,
    },
}

/// Why a provider cannot be reached by what was configured.
#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    /// The address is none.
    #[error("url {0}: {1}")]
    Url(String, String),
    /// The client of HTTP cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
    /// The token or secret cannot be used.
    #[error("the token has characters that no header can carry")]
    Token,
    /// An address of teletype is none.
    #[error("{0} is '{1}': it must be seven capital letters or digits, such as NYCRMUA")]
    Address(&'static str, String),
    /// A folder cannot be used.
    #[error("folder {}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl OutwardConfig {
    /// The name of the way, as the configuration has it.
    pub fn way(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Duffel { .. } => "duffel",
            Self::Teletype { .. } => "teletype",
        }
    }

    /// Sets it up. `journal`: a folder for what has to be remembered of asks; made when it is needed.
    ///
    /// # Errors
    /// What was configured cannot be used.
    pub fn connect(&self, journal: PathBuf) -> Result<Arc<dyn OutwardService>, OutwardError> {
        Ok(match self {
            Self::Webhook {
                url,
                secret,
                timeout,
            } => Arc::new(Webhook::new(url, secret.clone(), *timeout)?),
            Self::Duffel {
                url,
                token,
                timeout,
            } => Arc::new(Duffel::new(url, token, *timeout, journal)?),
            Self::Teletype {
                folder,
                address,
                origin,
            } => Arc::new(Teletype::open(folder, address, origin)?),
        })
    }
}
