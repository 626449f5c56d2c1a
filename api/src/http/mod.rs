//! What every request goes through.

pub(crate) mod access;
pub(crate) mod body;
pub(crate) mod dispatch;
pub(crate) mod error;
pub(crate) mod faults;
pub(crate) mod ids;
pub(crate) mod json;
pub(crate) mod keys;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod shared_keys;
