//! Places at which a test can end the process, or make the step fail that stands there.
//!
//! A point stands beside every write that something else is promised on: see `docs/failpoints.md`, whose table
//! is compared with [`Point::ALL`]. Without the feature `armed` (that is, in every release build) [`reach`] is
//! an empty function. With it, `FLIGHTLINE_FAILPOINT` says what happens:
//!
//! ```text
//! stream.synced:abort      the process ends, as by a signal, when it first gets there
//! stream.synced:abort:5    the fifth time
//! tables.commit:error:2    the second time the step fails, before and after it does not
//! ```
//!
//! A list of our own and not the `fail` crate: a name that is not in the list does not compile, an unarmed build
//! has no dependency more, and ending the process is an action.

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Point {
    /// A group of the stream is about to be written.
    StreamAppend,
    /// It is written and synced, and nobody has been told.
    StreamSynced,
    /// The stream is about to be trimmed.
    StreamTrim,
    /// A part of a checkpoint is about to be written.
    CheckpointPart,
    /// All parts are written; what makes a checkpoint of them is not.
    CheckpointManifest,
    /// The checkpoint is there, and what it makes superfluous is too.
    CheckpointPublished,
    /// A checkpoint that is not kept is about to be removed.
    CheckpointRemove,
    /// A transaction of the tables is about to begin.
    TablesBegin,
    /// Its rows are written, `sink_progress` is not.
    TablesRows,
    /// It is about to be committed.
    TablesCommit,
    /// It is committed, and this side does not know.
    TablesCommitted,
    /// A flight is about to be asked for an order's seats.
    EffectSeats,
    /// The payment service is about to be asked.
    EffectAsk,
    /// It has answered.
    EffectAnswered,
    /// A ticket is about to be issued.
    EffectTicket,
    /// The result of an effect is about to be told to its order.
    EffectReport,
    /// Keys of personal data are about to be written.
    KeysWrite,
    /// They are written and synced, and none has been used.
    KeysSynced,
    /// Something of webhooks is about to be written.
    WebhooksWrite,
    /// It is written.
    WebhooksWritten,
}

impl Point {
    /// Every point.
    pub const ALL: [Self; 20] = [
        Self::StreamAppend,
        Self::StreamSynced,
        Self::StreamTrim,
        Self::CheckpointPart,
        Self::CheckpointManifest,
        Self::CheckpointPublished,
        Self::CheckpointRemove,
        Self::TablesBegin,
        Self::TablesRows,
        Self::TablesCommit,
        Self::TablesCommitted,
        Self::EffectSeats,
        Self::EffectAsk,
        Self::EffectAnswered,
        Self::EffectTicket,
        Self::EffectReport,
        Self::KeysWrite,
        Self::KeysSynced,
        Self::WebhooksWrite,
        Self::WebhooksWritten,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StreamAppend => "stream.append",
            Self::StreamSynced => "stream.synced",
            Self::StreamTrim => "stream.trim",
            Self::CheckpointPart => "checkpoint.part",
            Self::CheckpointManifest => "checkpoint.manifest",
            Self::CheckpointPublished => "checkpoint.published",
            Self::CheckpointRemove => "checkpoint.remove",
            Self::TablesBegin => "tables.begin",
            Self::TablesRows => "tables.rows",
            Self::TablesCommit => "tables.commit",
            Self::TablesCommitted => "tables.committed",
            Self::EffectSeats => "effect.seats",
            Self::EffectAsk => "effect.ask",
            Self::EffectAnswered => "effect.answered",
            Self::EffectTicket => "effect.ticket",
            Self::EffectReport => "effect.report",
            Self::KeysWrite => "keys.write",
            Self::KeysSynced => "keys.synced",
            Self::WebhooksWrite => "webhooks.write",
            Self::WebhooksWritten => "webhooks.written",
        }
    }
}

/// The step failed because it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the failpoint {} was told to fail", .0.name())]
pub struct Injected(pub Point);

impl From<Injected> for std::io::Error {
    fn from(injected: Injected) -> Self {
        Self::other(injected)
    }
}

/// The process is at a point. Does nothing, unless it was armed and told to.
///
/// # Errors
/// It was told to fail here.
#[cfg(not(feature = "armed"))]
#[inline(always)]
pub fn reach(_: Point) -> Result<(), Injected> {
    Ok(())
}

#[cfg(feature = "armed")]
pub use armed::reach;

#[cfg(feature = "armed")]
mod armed {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Injected, Point};

    #[derive(Debug, PartialEq, Eq)]
    enum Act {
        Abort,
        Error,
    }

    #[derive(Debug)]
    struct Plan {
        point: Point,
        act: Act,
        at: u64,
        reached: AtomicU64,
    }

    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();

    fn parse(text: &str) -> Option<Plan> {
        let mut words = text.split(':');
        let name = words.next()?;
        let point = Point::ALL.into_iter().find(|p| p.name() == name)?;
        let act = match words.next()? {
            "abort" => Act::Abort,
            "error" => Act::Error,
            _ => return None,
        };
        let at = words.next().map_or(Some(1), |n| n.parse().ok())?;
        words.next().is_none().then_some(Plan {
            point,
            act,
            at,
            reached: AtomicU64::new(0),
        })
    }

    /// The process is at a point.
    ///
    /// # Errors
    /// It was told to fail here.
    ///
    /// # Panics
    /// When `FLIGHTLINE_FAILPOINT` cannot be read.
    pub fn reach(point: Point) -> Result<(), Injected> {
        let plan = PLAN.get_or_init(|| {
            let text = std::env::var("FLIGHTLINE_FAILPOINT").ok()?;
            let plan = parse(&text);
            assert!(
                plan.is_some(),
                "FLIGHTLINE_FAILPOINT is `{text}`; it must be POINT:abort or POINT:error, with :N for the Nth time"
            );
            plan
        });
        let Some(plan) = plan.as_ref().filter(|plan| plan.point == point) else {
            return Ok(());
        };
        if plan.reached.fetch_add(1, Ordering::SeqCst) + 1 != plan.at {
            return Ok(());
        }
        // The one who told it wants to know that it was there.
        let _ = writeln!(
            std::io::stderr(),
            "failpoint {} reached: {:?}",
            point.name(),
            plan.act
        );
        match plan.act {
            Act::Abort => std::process::abort(),
            Act::Error => Err(Injected(point)),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn plans() {
            let plan = parse("stream.synced:abort:5").unwrap();
            assert_eq!(
                (plan.point, plan.act, plan.at),
                (Point::StreamSynced, Act::Abort, 5)
            );
            assert_eq!(parse("tables.commit:error").unwrap().at, 1);
            for bad in [
                "",
                "stream.synced",
                "nowhere:abort",
                "tables.commit:panic",
                "tables.commit:error:x",
                "keys.write:abort:1:2",
            ] {
                assert!(parse(bad).is_none(), "{bad}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Point;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_table_in_the_docs_has_every_point_and_no_other() {
        let page = fs::read_to_string(root().join("docs/failpoints.md")).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let named: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        let all: Vec<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(named, all);
    }

    /// Text of all product code, but for this crate's.
    fn code(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                code(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn every_point_stands_in_the_code_once() {
        let mut text = String::new();
        for folder in ["pipeline/stream", "pipeline/runtime", "sinks", "connectors"] {
            code(&root().join(folder).join("src"), &mut text);
        }
        for point in Point::ALL {
            let call = format!("reach(Point::{point:?})");
            assert_eq!(text.matches(&call).count(), 1, "{call}");
        }
    }

    #[test]
    fn names_are_of_their_own_and_none_is_left_out() {
        for (at, point) in Point::ALL.into_iter().enumerate() {
            assert_eq!(point as usize, at, "{point:?} is not where it is declared");
            let same = Point::ALL.into_iter().filter(|p| p.name() == point.name());
            assert_eq!(same.count(), 1, "{}", point.name());
        }
    }
}
