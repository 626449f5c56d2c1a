//! Views in SQL while a dataflow runs: they come, are replaced and go, and nothing else stops for it.
//!
//! ```text
//!  Dataflow ─► epochs ─► Views ─┬─► workers (threads of their own): sources ─► traces ─► a dataflow per view ─┐
//!                               │                                                                          rows
//!                               └─► assembler: waits until the live views have said what the epoch brings ◄─┘
//!                                      └─► EpochSink: the same epochs, with `views` put in
//! ```
//!
//! **Apart from the ledger.** Whoever waits for a decision must not wait for a view, least of all for one that
//! reads a million rows because it is new. So views have workers of their own, which take whole epochs, after
//! search and everything else that does not need them has had its share.
//!
//! **Sources are shared.** Rows of the sources (`feed`) are kept once, in traces of one dataflow; what several
//! views need of a source by the same key is kept once too (`index`). A view is a dataflow of its own, made from
//! these traces whenever it comes (`install`): it reads what is there, a piece at a time, so that others get
//! their turn, and goes on with what comes.
//!
//! **A view that others read** is computed once for them (`shared`). What is kept is counted (`kept`).
//!
//! **Decisions** grow for ever: only what views want of them is kept, and what was decided before they came is folded
//! again (`recent`).
//!
//! **Coming and going** (`assembler`). A view that comes is *filling* until it has said everything up to the last
//! epoch that went out, then *ready*: it is held to what views must keep to ([`ViewFailure`]), and kept back. A
//! [`Preparation`] is a set of them; [`Preparation::commit`] makes all of them live at once, and ends those
//! that they replace, in one epoch: before it nothing of them can be seen, and if any of them fails before, or
//! the preparation is dropped, nothing ever is.
//!
//! **Exactness.** An epoch goes on when every live view has said all that it has to say about it; its rows are
//! what the query gives over the tables of the same epoch.
//!
//! What is deliberately absent: files, and what is wrong with them ([`crate::sql`]); tables (the sinks).
//!
//! [`ViewFailure`]: crate::changelog::ViewFailure

mod assembler;
mod board;
mod evaluate;
mod feed;
mod handle;
mod index;
mod inlet;
mod install;
mod keeper;
mod kept;
mod recent;
mod shared;
mod worker;

pub use board::{Phase, ViewStatus};
pub use evaluate::rows_of;
pub use handle::{Preparation, Refusal, Views, ViewsConfig, ViewsHandle};
pub use kept::Kept;
pub use recent::History;
