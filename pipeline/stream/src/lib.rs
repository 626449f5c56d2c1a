//! Ordered, durable streams of commands.
//!
//! A stream key (`flight/…`, `order/…`, `feed/…`) lives in one of P partitions ([`key`]); a partition
//! is one totally ordered log of records. This crate is:
//!
//! - the port, [`StreamLog`]: append, read, scan, follow, trim; and the suite that every
//!   implementation of it passes (`testing`, behind the feature of that name);
//! - the durable format of a record ([`record`]), its writer's identity ([`Producer`]) and its
//!   reader's suspicion ([`Checker`]);
//! - the implementation for one machine, [`EmbeddedLog`];
//! - the implementation for a Fluvio cluster with a copy on every machine, [`FluvioLog`].
//!
//! What commands mean is the ledger's business. What is deliberately absent: serialisation of the
//! ledger's types by derive (formats live as long as logs, types do not), any clock (the time of a
//! record is given by whoever appends it), and asynchronous calls.

pub mod checker;
pub mod embedded;
pub mod error;
pub mod fluvio;
pub mod frame;
pub mod group;
pub mod key;
pub mod mutant;
pub mod port;
pub mod producer;
pub mod record;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use checker::{Checker, CheckerState, Fault};
pub use embedded::{EmbeddedConfig, EmbeddedLog};
pub use error::{Place, StreamError};
pub use fluvio::{FluvioConfig, FluvioLog, FluvioUrl};
pub use frame::{Batch, Frame};
pub use group::Group;
pub use key::{PartitionId, StreamKey, partition_of_flight};
pub use port::{Follower, Scan, StreamLog, Ticket};
pub use producer::Producer;
pub use record::{DecodeError, Draft, EncodeError, Header, Record, RecordView, Stamp};
