//! Who may do what.

use flightline_ledger::ProviderCode;
use warp::http::HeaderMap;
use warp::http::header::AUTHORIZATION;

use super::error::ApiError;
use super::faults;
use crate::backend::{Authenticator, Caller, Role};

/// What a call needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Hold and book: clients and operators.
    Sell,
    /// Read: everybody who is let in.
    Read,
    /// Send or see the feed of this provider: itself and operators.
    Feed(ProviderCode),
    /// Operators.
    Operate,
}

/// Finds the caller and checks that he may.
pub(crate) fn authorize(
    auth: &dyn Authenticator,
    headers: &HeaderMap,
    need: Need,
) -> Result<Caller, ApiError> {
    let caller = auth.authenticate(bearer(headers)?).map_err(refused)?;
    let may = match (need, caller.role) {
        (_, Role::Operator) | (Need::Read, _) | (Need::Sell, Role::Client) => true,
        (Need::Feed(provider), Role::Provider) => caller.provider == Some(provider),
        (Need::Sell, Role::Provider)
        | (Need::Feed(_), Role::Client)
        | (Need::Operate, Role::Provider | Role::Client) => false,
    };
    if may {
        return Ok(caller);
    }
    let message = match need {
        Need::Sell => "holds are for tokens of the role client".to_owned(),
        Need::Operate => "this is for tokens of the role operator".to_owned(),
        Need::Read => "this token may not read".to_owned(),
        Need::Feed(provider) => match caller.provider {
            Some(own) => format!("this token speaks for provider {own}, not for {provider}"),
            None => format!("this is for tokens of provider {provider}"),
        },
    };
    Err(ApiError::new(&faults::INSUFFICIENT_PERMISSIONS, message))
}

/// The token, when there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty());
    match token {
        Some(token) => Ok(Some(token)),
        None => Err(ApiError::new(
            &faults::INVALID_AUTHORIZATION,
            "the authorization header must be `Bearer` and a token",
        )),
    }
}

fn refused(code: &'static str) -> ApiError {
    match code {
        "missing_authorization_header" => ApiError::new(
            &faults::MISSING_AUTHORIZATION,
            "send the header `Authorization: Bearer TOKEN`; the operator makes tokens with `flightline token create`",
        ),
        "invalid_authorization_header" => ApiError::new(
            &faults::INVALID_AUTHORIZATION,
            "the authorization header holds no token of this system",
        ),
        _ => ApiError::new(
            &faults::TOKEN_NOT_FOUND,
            "this token is not known here; ask the operator for a new one",
        ),
    }
}
