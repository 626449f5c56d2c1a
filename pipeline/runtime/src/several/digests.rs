//! Do all replicas fold the same records? Each compares the running hash of what it folded, at the same
//! offsets, with what the stream's backend has and with what the other replicas say of themselves.
//!
//! - Another hash than the **topic's** says that this replica's own copy is not the topic: it stops at once.
//! - Another hash than **another replica's** says that one of both is wrong, not which. One that is can find
//!   that out itself, as above, and takes back what it said: so this is looked at for a while. If it
//!   stays, the replica stops that has not more replicas on its side than against it; with two, both.
//!
//! A wrong count costs more than a stop. No decision waits for this, and while the database is away the
//! replicas are only compared with the topic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::RecvTimeoutError;
use flightline_connectors::database::{DatabaseError, Session};
use flightline_stream::StreamLog;

use super::rings::{At, Rings};
use super::shared;

/// How often replicas say where they are and compare.
const EVERY: Duration = Duration::from_secs(1);
/// A replica that has said nothing for so long is not compared with.
const SILENT_MAX_S: f64 = 10.0;
/// For how long another replica may differ, so that one that is wrong can find out by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Statements that wait until this replica has folded as far, of each source and partition.
const WAITING_MAX: usize = 16;
/// What is long past is removed this often.
const SWEEP: Duration = Duration::from_secs(600);

/// What was compared, for metrics.
#[derive(Debug, Default)]
pub(crate) struct DigestStats {
    /// Offsets of partitions at which hashes were compared.
    pub(crate) compared: AtomicU64,
    /// Other replicas that have said something lately.
    pub(crate) seen: AtomicU64,
    /// Of those, whose records differ from this one's.
    pub(crate) differing: AtomicU64,
}

/// Who said something about an offset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    Topic,
    Replica(String),
}

/// A difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    partition: u32,
    /// Up to here both were the same, as far as is known.
    agreed: u64,
    /// Here they are not.
    offset: u64,
}

/// Compares what sources say with what was folded. No I/O and no clock.
struct Comparison {
    rings: Arc<Rings>,
    /// By source and partition, what could not be compared yet.
    waiting: BTreeMap<(Source, u32), Vec<(u64, u128)>>,
    /// By source and partition, the last offset at which both were the same.
    agreed: HashMap<(Source, u32), u64>,
    /// By source, the first difference that was found.
    differs: BTreeMap<Source, Difference>,
    compared: u64,
}

impl Comparison {
    fn new(rings: Arc<Rings>) -> Self {
        Self {
            rings,
            waiting: BTreeMap::new(),
            agreed: HashMap::new(),
            differs: BTreeMap::new(),
            compared: 0,
        }
    }

    /// A source says that the hash of everything before this offset is that.
    fn said(&mut self, source: &Source, partition: u32, offset: u64, hash: u128) {
        let place = (source.clone(), partition);
        if self.agreed.get(&place) == Some(&offset) {
            return;
        }
        let waiting = self.waiting.entry(place).or_default();
        if waiting.last() != Some(&(offset, hash)) {
            if waiting.len() == WAITING_MAX {
                waiting.remove(0);
            }
            waiting.push((offset, hash));
        }
    }

    /// Compares all that can be compared by now.
    fn compare(&mut self) {
        let (rings, agreed, differs) = (&self.rings, &mut self.agreed, &mut self.differs);
        let mut compared = 0;
        self.waiting.retain(|(source, partition), said| {
            said.retain(|(offset, hash)| match rings.at(*partition, *offset) {
                At::NotYet => true,
                At::Gone => false,
                At::Hash(own) => {
                    compared += 1;
                    let place = (source.clone(), *partition);
                    if own == *hash {
                        let upto = agreed.entry(place).or_default();
                        *upto = (*upto).max(*offset);
                    } else {
                        let agreed = agreed.get(&place).copied().unwrap_or(0);
                        differs.entry(source.clone()).or_insert(Difference {
                            partition: *partition,
                            agreed,
                            offset: *offset,
                        });
                    }
                    false
                }
            });
            !said.is_empty()
        });
        self.compared += compared;
    }

    /// Forgets replicas that say nothing any more.
    fn only(&mut self, live: &BTreeSet<String>) {
        let is_live = |source: &Source| match source {
            Source::Topic => true,
            Source::Replica(id) => live.contains(id),
        };
        self.waiting.retain(|(source, _), _| is_live(source));
        self.agreed.retain(|(source, _), _| is_live(source));
        self.differs.retain(|source, _| is_live(source));
    }
}

/// What the replica is to say when it stops.
fn told(what: &str, difference: Difference) -> String {
    let Difference {
        partition,
        agreed,
        offset,
    } = difference;
    format!(
        "{what}: partition {partition}, between offsets {agreed} and {offset}. Nothing more is answered from what this \
         replica folded. Keep its data directory; `flightline verify --data-dir DIR --against URL` names the first \
         record that differs from a replica that is right. Then start it with an empty data directory: it \
         reads the topic anew. See docs/runbook.md"
    )
}

/// The thread that compares.
#[derive(Debug)]
pub(crate) struct Comparer {
    stop: crossbeam_channel::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

/// What it is started with.
pub(crate) struct Setup {
    pub(crate) log: Arc<dyn StreamLog>,
    pub(crate) rings: Arc<Rings>,
    pub(crate) connect: tokio_postgres::Config,
    /// The stream, and this replica among those that work on it.
    pub(crate) stream: String,
    pub(crate) replica: String,
    pub(crate) stats: Arc<DigestStats>,
}

impl Comparer {
    /// Begins to compare; `fail` is told why this replica must stop, once.
    pub(crate) fn start(
        setup: Setup,
        fail: impl FnOnce(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(1);
        let thread = std::thread::Builder::new()
            .name("flightline-digests".to_owned())
            .spawn(move || {
                let mut looks = Looks::new(setup);
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    if let Some(why) = looks.once(Instant::now()) {
                        looks.withdraw();
                        fail(&why);
                        return;
                    }
                }
                looks.withdraw();
            })
            .context("the thread that compares with other replicas cannot be started")?;
        Ok(Self { stop, thread })
    }

    /// Ends comparing. Blocking.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

struct Looks {
    setup: Setup,
    comparison: Comparison,
    session: Option<Session>,
    is_away: bool,
    /// Since when another replica differs.
    differs_since: Option<Instant>,
    swept: Option<Instant>,
}

const SAY: &str = "\
INSERT INTO flightline_shared.digest AS d (stream, replica, partition, next_offset, hash, seen_at)
SELECT $1, $2, s.*, clock_timestamp() FROM unnest($3::integer[], $4::bigint[], $5::bytea[]) AS s
ON CONFLICT (stream, replica, partition) DO UPDATE
  SET next_offset = excluded.next_offset, hash = excluded.hash, seen_at = excluded.seen_at";

const HEAR: &str = "\
SELECT replica, partition, next_offset, hash FROM flightline_shared.digest
WHERE stream = $1 AND replica <> $2 AND seen_at > clock_timestamp() - $3::double precision * interval '1 second'";

const WITHDRAW: &str = "DELETE FROM flightline_shared.digest WHERE stream = $1 AND replica = $2";

const REMOVE: &str = "\
DELETE FROM flightline_shared.digest WHERE seen_at < now() - interval '1 hour'";

/// What another replica says.
struct Said {
    replica: String,
    partition: u32,
    offset: u64,
    hash: u128,
}

impl Looks {
    fn new(setup: Setup) -> Self {
        Self {
            comparison: Comparison::new(setup.rings.clone()),
            setup,
            session: None,
            is_away: false,
            differs_since: None,
            swept: None,
        }
    }

    /// One look. Says why the replica must stop, if it must.
    fn once(&mut self, now: Instant) -> Option<String> {
        if let Some(hashes) = self.setup.log.backend_hashes() {
            for (partition, (offset, hash)) in (0..).zip(hashes) {
                let comparison = &mut self.comparison;
                comparison.said(&Source::Topic, partition, offset, hash);
            }
        }
        self.comparison.compare();
        // Before anything is said to others.
        if let Some(difference) = self.comparison.differs.get(&Source::Topic) {
            let what =
                "the copy of the stream in the data directory holds other records than the topic";
            return Some(told(what, *difference));
        }
        match self.exchange(now) {
            Ok(said) => {
                self.is_away = false;
                self.heard(said);
            }
            Err(error) => {
                self.session = None;
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(%error, "not compared with other replicas for now, only with the topic");
                }
            }
        }
        self.judge(now)
    }

    fn heard(&mut self, said: Vec<Said>) {
        let live: BTreeSet<String> = said.iter().map(|s| s.replica.clone()).collect();
        let stats = &self.setup.stats;
        stats.seen.store(live.len() as u64, Ordering::Relaxed);
        self.comparison.only(&live);
        for Said {
            replica,
            partition,
            offset,
            hash,
        } in said
        {
            let source = Source::Replica(replica);
            self.comparison.said(&source, partition, offset, hash);
        }
        self.comparison.compare();
    }

    /// Is this replica the one to stop?
    fn judge(&mut self, now: Instant) -> Option<String> {
        let (comparison, stats) = (&self.comparison, &self.setup.stats);
        stats.compared.store(comparison.compared, Ordering::Relaxed);
        let against = comparison.differs.len() as u64;
        if stats.differing.swap(against, Ordering::Relaxed) != against && against > 0 {
            tracing::error!(
                replicas = against,
                "other replicas have folded other records than this one"
            );
        }
        let Some((source, difference)) = comparison.differs.first_key_value() else {
            self.differs_since = None;
            return None;
        };
        let since = *self.differs_since.get_or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        let on_its_side: BTreeSet<&Source> = comparison
            .agreed
            .keys()
            .map(|(source, _)| source)
            .filter(|s| **s != Source::Topic && !comparison.differs.contains_key(*s))
            .collect();
        if on_its_side.len() as u64 >= against {
            return None;
        }
        let who = match source {
            Source::Topic => "the topic".to_owned(),
            Source::Replica(id) => format!("replica {id}"),
        };
        let what = format!(
            "this replica ({}) and {who} have folded different records of one stream, and nothing says which is right",
            self.setup.replica
        );
        Some(told(&what, *difference))
    }

    /// Says where this replica is, and hears where others are.
    fn exchange(&mut self, now: Instant) -> Result<Vec<Said>, DatabaseError> {
        let session = match &self.session {
            Some(session) => session,
            None => self.session.insert(shared::open(&self.setup.connect)?),
        };
        let Setup {
            rings,
            stream,
            replica,
            ..
        } = &self.setup;
        let ends = rings.ends();
        let partitions: Vec<i32> = (0..).take(ends.len()).collect();
        let signed = |offset: &u64| i64::try_from(*offset).unwrap_or(i64::MAX);
        let offsets: Vec<i64> = ends.iter().map(|(offset, _)| signed(offset)).collect();
        let hashes: Vec<Vec<u8>> = ends.iter().map(|(_, h)| h.to_be_bytes().to_vec()).collect();
        let is_due = self
            .swept
            .is_none_or(|at| now.saturating_duration_since(at) > SWEEP);
        let rows = session.call("comparing with other replicas", async |client| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [stream, replica, &partitions, &offsets, &hashes];
            client.execute(SAY, &values).await?;
            if is_due {
                client.execute(REMOVE, &[]).await?;
                client.execute(super::answers::REMOVE, &[]).await?;
            }
            client.query(HEAR, &[stream, replica, &SILENT_MAX_S]).await
        })?;
        if is_due {
            self.swept = Some(now);
        }
        let said = |row: &tokio_postgres::Row| {
            Some(Said {
                replica: row.get(0),
                partition: u32::try_from(row.get::<_, i32>(1)).ok()?,
                offset: u64::try_from(row.get::<_, i64>(2)).ok()?,
                hash: u128::from_be_bytes(row.get::<_, &[u8]>(3).try_into().ok()?),
            })
        };
        Ok(rows.iter().filter_map(said).collect())
    }

    /// Takes back what this replica said: it is not to be compared with any more.
    fn withdraw(&mut self) {
        let Some(session) = &self.session else { return };
        let Setup {
            stream, replica, ..
        } = &self.setup;
        let done = session.call("taking back what was said", async |client| {
            client.execute(WITHDRAW, &[stream, replica]).await
        });
        if let Err(error) = done {
            tracing::debug!(%error, "what this replica said of itself lapses by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(ends: &[(u64, u128)]) -> Comparison {
        Comparison::new(Arc::new(Rings::new(ends.iter().copied())))
    }

    fn replica(name: &str) -> Source {
        Source::Replica(name.to_owned())
    }

    #[test]
    fn what_is_ahead_is_compared_when_it_was_folded() {
        let mut c = comparison(&[(10, 1), (0, 0)]);
        c.said(&replica("b"), 0, 12, 3);
        c.said(&replica("b"), 0, 10, 1);
        c.said(&replica("b"), 0, 9, 77);
        c.compare();
        assert_eq!(c.compared, 1, "9 is long past, 12 is to come");
        assert!(c.differs.is_empty());
        c.rings.note(0, &[(11, 2), (12, 4)]);
        c.compare();
        let found = Difference {
            partition: 0,
            agreed: 10,
            offset: 12,
        };
        assert_eq!(c.differs, BTreeMap::from([(replica("b"), found)]));
        // What it said goes with it.
        c.only(&BTreeSet::new());
        assert!(c.differs.is_empty());
    }

    #[test]
    fn a_quiet_partition_is_compared_once() {
        let mut c = comparison(&[(10, 1)]);
        for _ in 0..3 {
            c.said(&Source::Topic, 0, 10, 1);
            c.compare();
        }
        assert_eq!((c.compared, c.waiting.len()), (1, 0));
    }

    #[test]
    fn no_more_wait_than_are_worth_it() {
        let mut c = comparison(&[(0, 0)]);
        for n in 1..100 {
            c.said(&Source::Topic, 0, n, u128::from(n));
        }
        assert_eq!(c.waiting[&(Source::Topic, 0)].len(), WAITING_MAX);
    }

    struct NoLog;

    impl StreamLog for NoLog {
        fn partitions(&self) -> u32 {
            1
        }
        fn submit(
            &self,
            _: &flightline_stream::Group,
        ) -> Result<flightline_stream::Ticket, flightline_stream::StreamError> {
            unreachable!()
        }
        fn wait(
            &self,
            _: &flightline_stream::Ticket,
        ) -> Result<(), flightline_stream::StreamError> {
            unreachable!()
        }
        fn read(
            &self,
            _: u32,
            _: u64,
            _: usize,
            _: usize,
        ) -> Result<flightline_stream::Batch, flightline_stream::StreamError> {
            unreachable!()
        }
        fn scan(
            &self,
            _: &[u64],
        ) -> Result<flightline_stream::Scan, flightline_stream::StreamError> {
            unreachable!()
        }
        fn follow(
            &self,
            _: &[u64],
        ) -> Result<Box<dyn flightline_stream::Follower>, flightline_stream::StreamError> {
            unreachable!()
        }
        fn end_offset(&self, _: u32) -> Result<u64, flightline_stream::StreamError> {
            unreachable!()
        }
        fn low_water(&self, _: u32) -> Result<u64, flightline_stream::StreamError> {
            unreachable!()
        }
        fn trim_all(&self, _: &[(u32, u64)]) -> Result<(), flightline_stream::StreamError> {
            unreachable!()
        }
        fn end_offsets(&self) -> Result<Vec<u64>, flightline_stream::StreamError> {
            unreachable!()
        }
        fn low_waters(&self) -> Result<Vec<u64>, flightline_stream::StreamError> {
            unreachable!()
        }
    }

    fn looks() -> Looks {
        Looks::new(Setup {
            log: Arc::new(NoLog),
            rings: Arc::new(Rings::new([(10, 1)])),
            connect: tokio_postgres::Config::new(),
            stream: "s".to_owned(),
            replica: "a".to_owned(),
            stats: Arc::default(),
        })
    }

    fn said(replica: &str, hash: u128) -> Said {
        Said {
            replica: replica.to_owned(),
            partition: 0,
            offset: 10,
            hash,
        }
    }

    /// Who stops: by what others say, after the time in which one that is wrong finds out by itself.
    #[test]
    fn the_smaller_side_stops_and_with_two_both() {
        let later = Instant::now() + PATIENCE;
        for (others, stops) in [
            (vec![said("b", 1)], false),
            (vec![said("b", 2)], true),
            (vec![said("b", 1), said("c", 2)], false),
            (vec![said("b", 2), said("c", 2)], true),
            (vec![said("b", 2), said("c", 2), said("d", 1)], true),
            (vec![said("b", 1), said("c", 1), said("d", 2)], false),
        ] {
            let mut looks = looks();
            let now = Instant::now();
            let differing = others.iter().filter(|s| s.hash != 1).count() as u64;
            looks.heard(others);
            assert_eq!(looks.judge(now), None, "not at once");
            assert_eq!(
                looks.setup.stats.differing.load(Ordering::Relaxed),
                differing
            );
            let why = looks.judge(later + PATIENCE);
            assert_eq!(why.is_some(), stops);
            if let Some(why) = why {
                assert!(
                    why.contains("partition 0, between offsets 0 and 10"),
                    "{why}"
                );
                assert!(why.contains("verify") && why.contains("replica b"), "{why}");
            }
        }
    }

    #[test]
    fn one_that_takes_back_what_it_said_stops_nobody() {
        let mut looks = looks();
        let now = Instant::now();
        looks.heard(vec![said("b", 2)]);
        assert_eq!(looks.judge(now), None);
        looks.heard(Vec::new());
        assert_eq!(looks.judge(now + 2 * PATIENCE), None);
        assert_eq!(looks.setup.stats.differing.load(Ordering::Relaxed), 0);
    }
}
