//! What stands in answers of the booking API. Every key is always there, null when there is nothing
//! to say, unless its comment says otherwise: clients drop whole lists when a key is missing.

pub(crate) mod asked;
pub(crate) mod carrier;
pub(crate) mod offer;
pub(crate) mod offer_request;
pub(crate) mod order;
pub(crate) mod ordered;
pub(crate) mod place;
pub(crate) mod slice;
pub(crate) mod text;
pub(crate) mod webhook;

use serde::Serialize;
use utoipa::ToSchema;

/// An answer with one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct One<T> {
    pub(crate) data: T,
}

/// An answer with a page of things.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Many<T> {
    pub(crate) data: Vec<T>,
    pub(crate) meta: super::page::ListMeta,
}

/// An answer with all there is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct All<T> {
    pub(crate) data: Vec<T>,
}
