//! Wire types: what stands in bodies, and nowhere else. Every type here is in the OpenAPI document.

pub(crate) mod change;
pub(crate) mod codes;
pub(crate) mod flight;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod ops;
pub(crate) mod provider;
pub(crate) mod search;
pub(crate) mod text;
pub(crate) mod view;
