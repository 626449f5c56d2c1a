//! The port: where keys are kept.

use super::error::VaultError;
use super::key::{Key, KeyId};

/// Keeps keys until they are erased. Calls block, for a disk or a database: make them off the async
/// threads. Any number of threads may call at once.
///
/// - A key that [`take`](Self::take) returned is durable, and no other call, process or later run
///   gets it.
/// - After [`erase`](Self::erase) returned, no call returns the key, after any crash.
pub trait KeyStore: Send + Sync {
    /// A fresh key. Usually from memory: blocks of keys are made durable ahead of need.
    ///
    /// # Errors
    /// The store cannot make keys durable. A later call tries again.
    fn take(&self) -> Result<(KeyId, Key), VaultError>;

    /// The key with this number; `None` when it was erased or never handed out.
    ///
    /// # Errors
    /// The store cannot be read, or the key in it is damaged.
    fn get(&self, id: KeyId) -> Result<Option<Key>, VaultError>;

    /// Destroys the key; what it sealed can never be read again. `false` when there was none, be it
    /// erased earlier or never handed out: repeating does no harm. Durable when it returns, with
    /// either answer.
    ///
    /// # Errors
    /// The store cannot be written; the key may or may not be gone. Ask again.
    fn erase(&self, id: KeyId) -> Result<bool, VaultError>;
}
