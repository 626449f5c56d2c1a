//! Who calls, and whether the replica can answer.

use std::sync::Arc;

use flightline_ledger::ProviderCode;

/// Is the replica fit to serve?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// True when history is folded, the index is filled and writes are taken.
    pub ready: bool,
    /// One line per part: name, fine or not, what is going on.
    pub parts: Vec<(&'static str, bool, String)>,
}

/// A caller that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token, or `open` when the replica asks for none.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// For a provider's token: the only provider it may speak for.
    pub provider: Option<ProviderCode>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Push feeds of one provider, and read.
    Provider,
    /// Hold, book and read.
    Client,
    /// Everything.
    Operator,
}

/// Checks bearer tokens.
pub trait Authenticator: Send + Sync + 'static {
    /// Who is it? `bearer` is the token without the word `Bearer`. `Err` says what is wrong with it
    /// (`access_token_not_found`, `missing_authorization_header`).
    fn authenticate(&self, bearer: Option<&str>) -> Result<Caller, &'static str>;
}
