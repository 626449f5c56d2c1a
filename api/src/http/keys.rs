//! Idempotency keys, as far as the stream does not remember them by itself.
//!
//! A key makes the id of its command, and ids are remembered by the stream: per flight for ever,
//! and for holds over all flights. What the stream cannot see is one key on requests of different
//! kinds, or about holds of different flights, or about different orders, since these are different ids. This
//! memory sees it. It is bounded,
//! forgets the oldest, and is gone after a restart: then such a request is taken for what it says.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use flightline_ledger::order::OrderId;
use flightline_ledger::{CommandId, FlightCommand, FlightKey};
use parking_lot::Mutex;

use super::error::{ApiError, key_reused};

/// The hash under which a key is remembered.
pub(crate) type KeyHash = [u8; 16];

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// One command.
    Command(CommandId, FlightKey, FlightCommand),
    /// A command about an order.
    Order(CommandId, OrderId),
    /// An order that was answered: the hash of what was asked. Under a hash of its own.
    Told(CommandId, [u8; 32]),
    /// A batch; its lines are remembered by the stream.
    Batch,
    /// A feed that was taken to its end: the hash of format, options and body, and the answer.
    Feed { body: [u8; 32], answer: Bytes },
    /// A search of the booking API: the hash of query and body, and the id of the offer request.
    Search { body: [u8; 32], id: Box<str> },
}

/// Parts that lock apart.
const SHARDS: usize = 16;

/// The memory.
#[derive(Debug)]
pub(crate) struct Keys {
    shards: [Mutex<Shard>; SHARDS],
    per_shard_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    requests: HashMap<KeyHash, Request>,
    oldest_first: VecDeque<KeyHash>,
}

/// Hashes a key, apart for every client.
pub(crate) fn hash(client: &str, key: &[u8]) -> KeyHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(client.len() as u64).to_be_bytes());
    hasher.update(client.as_bytes());
    hasher.update(key);
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

impl Keys {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            shards: Default::default(),
            per_shard_max: max.div_ceil(SHARDS).max(1),
        }
    }

    /// Binds a key to a request, or finds that it is bound to another.
    pub(crate) fn bind(&self, key: KeyHash, request: Request) -> Result<(), ApiError> {
        let mut shard = self.shard(&key);
        match shard.requests.get(&key) {
            Some(bound) if *bound == request => return Ok(()),
            Some(_) => return Err(reused()),
            None => {}
        }
        if shard.requests.len() >= self.per_shard_max
            && let Some(oldest) = shard.oldest_first.pop_front()
        {
            shard.requests.remove(&oldest);
        }
        shard.requests.insert(key, request);
        shard.oldest_first.push_back(key);
        Ok(())
    }

    /// What a key stands for, if that is remembered.
    pub(crate) fn get(&self, key: &KeyHash) -> Option<Request> {
        self.shard(key).requests.get(key).cloned()
    }

    fn shard(&self, key: &KeyHash) -> parking_lot::MutexGuard<'_, Shard> {
        self.shards[usize::from(key[0]) % SHARDS].lock()
    }
}

/// The error for a key that stands for something else.
pub(crate) fn reused() -> ApiError {
    key_reused(
        "this idempotency key came with another request before; give every request a key of its own",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(n: u128) -> Request {
        Request::Command(
            CommandId(n),
            FlightKey::NONE,
            FlightCommand::Confirm { hold: CommandId(n) },
        )
    }

    #[test]
    fn a_key_stands_for_one_request_of_one_client() {
        let keys = Keys::new(100);
        let a = hash("a", b"key");
        keys.bind(a, confirm(1)).unwrap();
        keys.bind(a, confirm(1)).unwrap();
        assert_eq!(
            keys.bind(a, confirm(2)).unwrap_err().code(),
            "idempotency_key_reused"
        );
        keys.bind(hash("b", b"key"), confirm(2)).unwrap();
        assert_ne!(hash("ab", b"c"), hash("a", b"bc"));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let keys = Keys::new(SHARDS);
        let of = |n: u8| {
            let mut key = [0; 16];
            key[1] = n;
            key
        };
        keys.bind(of(1), confirm(1)).unwrap();
        keys.bind(of(2), confirm(2)).unwrap();
        assert_eq!(keys.get(&of(1)), None);
        keys.bind(of(1), confirm(3)).unwrap();
        assert_eq!(keys.get(&of(1)), Some(confirm(3)));
    }
}
