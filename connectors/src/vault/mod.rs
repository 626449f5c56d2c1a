//! Keys for personal data, one per order, and the sealing of data with them.
//!
//! The stream is kept for ever and is copied to every replica, so no name or passport number may
//! stand in it as text. What goes into the order's record is a [`Sealed`]; its key is kept here.
//! Erasing the key makes every copy of the ciphertext unreadable, in backups of the stream too.
//!
//! - [`store`]: [`KeyStore`], the port. Keys are durable before they are handed out, in blocks, so
//!   that an order costs no sync of its own.
//! - [`file`](mod@file): keys in one file, for one replica.
//! - [`postgres`]: keys in a database, for several replicas.
//! - [`sealed`]: the ciphertext, its bytes and its text.
//! - [`key`]: keys and their numbers. `pool`: blocks made ahead of need.
//!
//! What is deliberately absent: who may read what, and when a key has to go. That is decided where
//! orders are.

pub mod error;
pub mod file;
pub mod key;
mod pool;
pub mod postgres;
pub mod sealed;
pub mod store;

pub use error::VaultError;
pub use file::{FileKeyStore, FileKeyStoreConfig, Report};
pub use key::{Key, KeyId};
pub use postgres::{PostgresKeyStore, PostgresKeyStoreConfig};
pub use sealed::{Sealed, SealedError};
pub use store::KeyStore;
