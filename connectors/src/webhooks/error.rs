//! What can go wrong with webhooks, and what to do about it.

use std::path::PathBuf;

use super::address::UrlError;
use crate::database::DatabaseError;

/// Why a call could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhooksError {
    /// The address of an endpoint.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No event types.
    #[error("field 'events' must name at least one event type, each once")]
    NoEvents,
    /// A type that does not exist.
    #[error("{given:?} is no event type: use one of {known}")]
    UnknownKind {
        /// What was given.
        given: String,
        /// Those that exist.
        known: String,
    },
    /// The client has its share of endpoints.
    #[error("a client may have {max} webhooks: delete one first")]
    TooManyEndpoints {
        /// The limit.
        max: usize,
    },
    /// Nothing of this id, or it is another client's.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// `webhook` or `event`.
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// A ping for an endpoint that is switched off.
    #[error("webhook {id:?} is not active: set 'active' to true first")]
    Inactive {
        /// Which.
        id: String,
    },
    /// The limit of a page.
    #[error("'limit' is {0} and must be 1 to 200")]
    Limit(usize),
    /// The cursor of a page.
    #[error("'after' or 'before' is not a cursor of this list: take one from its 'meta', not both")]
    Cursor,
    /// A name of a client that cannot be one.
    #[error("{0:?} is no name of a client: 1 to 128 characters, without control characters")]
    Client(String),
    /// An event too large to be sent.
    #[error("event {id} has {bytes} bytes, {max} at most: put less into its object")]
    TooLarge {
        /// Its id.
        id: String,
        /// Length of its body.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Another process has the folder.
    #[error(
        "the webhooks in {} are in use by another process: stop it, or give this one a folder of \
         its own",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be read or written.
    #[error("{doing} the webhooks in {}: {reason}", path.display())]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system or the library says.
        reason: String,
    },
    /// What was read back makes no sense.
    #[error(
        "the webhooks in {} are damaged ({what}): restore the folder from a backup, or move it away \
         to start without endpoints and events",
        path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The database that keeps them.
    #[error("the webhooks: {0}")]
    Database(#[from] DatabaseError),
    /// A row of the database that makes no sense.
    #[error(
        "the webhooks in PostgreSQL are damaged ({0}): restore the schema flightline_webhooks from a backup"
    )]
    BadRow(String),
    /// The system has no random numbers.
    #[error("the system gives no random numbers for ids and secrets: {0}")]
    Random(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client of the webhooks: {0}")]
    Http(#[source] reqwest::Error),
}
