//! The dataflow: records of the stream in; decisions out at once, rows of every view out per epoch.
//!
//! # What flows where, and why
//!
//! ```text
//!                 a worker thread, W of them, the same graph on each
//!            ┌───────────────────────────────────────────────────────────────────────┐
//!            │                   decided                                             │
//!  send ─────┼─► Stream ─► Ledger ──────► Decisions ──────────────────────┐           │
//!  (records, │              │  │              └─► DecisionSink, at once   │           │
//!  grouped by│              │  │ flight, leg, inventory, hold, offers, ...▼           │
//!  partition)│              │  └───────────────────────────────────────► Export ──────┼──► collector
//!  close ────┼─►            │ seats  ┌─► count ─► availability_by_route_day ▲          │   (a thread)
//!  _epoch    │              └────────┤                                     │          │      │
//!            │                prices └─► reduce ─► cheapest_by_route_day ──┘          │      ▼
//!            └───────────────────────────────────────────────────────────────────────┘  EpochSink
//! ```
//!
//! **Time** is the epoch: a number that the caller of [`Dataflow::close_epoch`] turns. All that is
//! sent between two turns has one timestamp, and comes out as one [`changelog::Epoch`]. Where the
//! turns are changes how often rows come out, never what they add up to.
//!
//! **Stream** (`source`) is where a worker's records enter, from a bounded channel. Partition `p`
//! belongs to worker `p % W`: a flight's records are all in one partition, so nothing has to move
//! between workers to be decided.
//!
//! **Ledger** (`fold`, `shard`, `watch`) is one stateful operator. It holds the ledgers of the
//! worker's partitions and applies records in offset order, as they arrive: timely may hand an
//! operator its messages sorted by time, and is not asked to. A record that does not follow the one
//! before it means that our stream has a hole, and stops everything. Decisions leave at once, since
//! somebody waits for them. Row changes wait until the epoch closes: whatever happens to a flight
//! within it, each row goes at most once and comes at most once. The operator keeps a small image
//! of every flight as its rows last showed it (`image`, `shown`), and compares. Rows come out whole,
//! with flight, route and price in them, so that no view needs a join.
//!
//! **Views** (`views`) of one flight are computed right there, by a pure function each: an
//! arrangement would store every row a second time to find what the operator has in its hands.
//! Views across flights are differential operators. What goes into them is boiled down first, to what
//! they are about: a flight's best price with a seat left, not its seats, which change with every
//! booking. Both kinds end up as the same thing, a collection of updates (row, epoch, difference),
//! and none reads another's output.
//!
//! **Export** is one operator that all collections end in. A small epoch costs mostly as many
//! wake-ups as there are operators. Once no input can bring anything for an epoch, on any worker,
//! its part goes to the **collector**, which merges the parts of all workers, cancels what cancels,
//! sorts, and hands the epoch on, in order. The sorting is what makes an epoch the same bytes for any
//! number of workers; it is done off the workers, which have decisions to make.
//!
//! **Views in SQL** ([`live`]) take the same epochs, on workers of their own, and put in what they say: they come, are
//! replaced and go while all this runs.
//!
//! Nothing is kept that grows with the stream: arrangements are compacted by the operators that own
//! them as epochs pass, images go when flights retire, and buffers travel back to be used again.
//!
//! # Starting again
//! The state is a fold of the stream, so a start is a replay. [`Dataflow::snapshot_epoch`] makes the
//! replay up to what a sink has taken already one epoch: rows as they stand then, without the
//! decisions on the way. [`Dataflow::resume`] spares most of it: it begins with partitions that were
//! folded before ([`Folded`]), whose rows belong to the snapshot too.
//!
//! # When something breaks
//! A panic in a worker (an invariant of ours) or in a sink poisons the dataflow: no epoch comes out
//! after it, every call fails with the [`Failure`], and [`Config::on_failure`] is told at once.
//!
//! # What is deliberately absent
//! Reading the stream, choosing when an epoch closes and making it larger when the
//! [backlog](Dataflow::backlog) grows, stamping ticks, and writing anything anywhere: the runtime's
//! and the sinks' business. Keeping checkpoints: a [`Folded`] has a stored form, where it lies is the
//! runtime's business too.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//!
//! use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink, Record};
//! use flightline_dataflows::{Config, Dataflow};
//! use flightline_ledger::{Command, CommandId, Decision, Input};
//!
//! struct Answers;
//! impl DecisionSink for Answers {
//!     fn decided(&self, partition: u32, decisions: &[Decision]) {
//!         println!("partition {partition}: {} decided", decisions.len());
//!     }
//! }
//!
//! struct Tables;
//! impl EpochSink for Tables {
//!     fn epoch(&mut self, epoch: Arc<Epoch>) {
//!         assert_eq!(epoch.covers, [0, 1, 0, 0]);
//!     }
//! }
//!
//! let mut dataflow = Dataflow::start(Config::new(4), Arc::new(Answers), Tables)?;
//! dataflow.send(vec![Record {
//!     partition: 1,
//!     input: Input { offset: 0, at_ms: 1_000, id: CommandId(1), command: Command::Tick },
//!     note: None,
//! }])?;
//! dataflow.close_epoch()?;
//! let clock = dataflow.reader().with_ledger(1, |ledger| ledger.clock_ms())?;
//! assert!(clock <= 1_000);
//! dataflow.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
pub mod changelog;
mod collector;
mod config;
mod decided;
mod export;
mod failure;
mod fold;
mod folded;
mod graph;
mod handle;
mod image;
pub mod live;
mod orders;
mod part;
mod prefix;
pub mod reference;
pub mod relational;
pub mod rows;
mod shard;
mod shown;
mod source;
pub mod sql;
mod supply;
mod views;
mod watch;
mod worker;

pub use config::{Config, OnFailure, PARTITIONS_MAX, StartError, WORKERS_MAX};
pub use failure::Failure;
pub use folded::{BadFolded, Folded, FoldedBytes, hash_of};
pub use handle::{Backlog, Dataflow, Reader};
pub use orders::{OrderChange, OrderNews, references};
