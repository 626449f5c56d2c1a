//! Reading the topic with connections that may break at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::broker::{Broker, BrokerError, BrokerErrorKind, Cluster};
use super::chain::{Chain, ChainFault, PassedOver, Taken};
use super::topic::FETCH_BYTES;
use crate::error::StreamError;

/// A fault is read again this often, each time over new connections, before it is believed.
const HEALS_MAX: u32 = 5;

/// Before the first time; longer before each further one.
const HEAL_PAUSE: Duration = Duration::from_millis(50);

/// The most that is asked for in one fetch when a batch does not fit into less, in bytes.
const FETCH_BYTES_MAX: u32 = 48 << 20;

/// What happened on the way to the topic, for metrics and tests. All count up.
#[derive(Debug, Default)]
pub struct FluvioStats {
    /// Connections made after the first.
    pub reconnects: AtomicU64,
    /// Appends whose outcome had to be found out.
    pub settled: AtomicU64,
    /// Of those, envelopes that were found in the topic.
    pub found: AtomicU64,
    /// Of those, envelopes that were not, and were sent again.
    pub resent: AtomicU64,
    /// Envelopes that came twice and were passed over.
    pub doubles: AtomicU64,
    /// Envelopes of replaced writers that were passed over.
    pub stale: AtomicU64,
    /// Records of others in the topic that were passed over.
    pub foreign: AtomicU64,
    /// Faults that were gone when the topic was read again.
    pub healed: AtomicU64,
}

impl FluvioStats {
    /// The counters with their names and what they mean.
    pub fn named(&self) -> Vec<(&'static str, &'static str, u64)> {
        let all = [
            (
                "stream_reconnects",
                "Connections to the cluster made again",
                &self.reconnects,
            ),
            (
                "stream_settled",
                "Appends whose outcome had to be found out",
                &self.settled,
            ),
            (
                "stream_found",
                "Appends found in the topic when settled",
                &self.found,
            ),
            (
                "stream_resent",
                "Appends sent again when settled",
                &self.resent,
            ),
            (
                "stream_doubles",
                "Records that came twice and were passed over",
                &self.doubles,
            ),
            (
                "stream_stale",
                "Records of replaced writers, passed over",
                &self.stale,
            ),
            (
                "stream_foreign",
                "Records of others, passed over",
                &self.foreign,
            ),
            (
                "stream_healed",
                "Faults that were gone when read again",
                &self.healed,
            ),
        ];
        let read = all.map(|(name, help, n)| (name, help, n.load(Ordering::Relaxed)));
        read.to_vec()
    }
}

/// Why reading stopped before it came to what it was looking for.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The cluster cannot be reached just now.
    Away(BrokerError),
    /// The topic ends here.
    AtEnd,
    /// For good.
    Failed(StreamError),
}

impl From<StreamError> for Stopped {
    fn from(error: StreamError) -> Self {
        Stopped::Failed(error)
    }
}

/// Connections that are made when they are needed and dropped after an error.
pub(super) struct Session {
    cluster: Arc<dyn Cluster>,
    broker: Option<Box<dyn Broker>>,
    was_connected: bool,
    pub(super) stats: Arc<FluvioStats>,
}

impl Session {
    pub(super) fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self {
            cluster,
            broker: None,
            was_connected: false,
            stats: Arc::default(),
        }
    }

    /// Counts where others count.
    pub(super) fn counted_in(mut self, stats: Arc<FluvioStats>) -> Self {
        self.stats = stats;
        self
    }

    pub(super) fn name(&self) -> String {
        self.cluster.name()
    }

    /// Where it is, and what time it is there.
    pub(super) fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// The connections, new ones if there are none.
    pub(super) fn broker(&mut self) -> Result<&mut dyn Broker, BrokerError> {
        if self.broker.is_none() {
            self.broker = Some(self.cluster.connect()?);
            if std::mem::replace(&mut self.was_connected, true) {
                self.stats.reconnects.fetch_add(1, Ordering::Relaxed);
            }
        }
        match &mut self.broker {
            Some(broker) => Ok(&mut **broker),
            None => unreachable!("connected above"),
        }
    }

    /// Forgets the connections, and what they knew of leaders.
    pub(super) fn drop_connections(&mut self) {
        self.broker = None;
    }

    /// Reads on from the chain's place until `take` says that it has what it wants. What is read
    /// before an error stays taken.
    pub(super) fn read_until(
        &mut self,
        chain: &mut Chain,
        take: impl FnMut(Taken) -> Result<bool, StreamError>,
    ) -> Result<(), Stopped> {
        self.read(chain, true, take)
    }

    /// Reads on from the chain's place to where the partition ends now. Others may be writing faster than an
    /// empty answer could be had: one that is not full has come to the end as it was.
    pub(super) fn read_what_is_there(
        &mut self,
        chain: &mut Chain,
        mut take: impl FnMut(Taken) -> Result<(), StreamError>,
    ) -> Result<(), Stopped> {
        match self.read(chain, false, |taken| take(taken).map(|()| false)) {
            Err(Stopped::AtEnd) => Ok(()),
            other => other,
        }
    }

    fn read(
        &mut self,
        chain: &mut Chain,
        to_the_last: bool,
        mut take: impl FnMut(Taken) -> Result<bool, StreamError>,
    ) -> Result<(), Stopped> {
        let mut bytes_max = FETCH_BYTES;
        let mut heals = 0;
        loop {
            let broker = self.broker().map_err(Stopped::Away)?;
            let fetched = broker.fetch(chain.partition, chain.topic_next, bytes_max);
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(e) if e.kind == BrokerErrorKind::BeyondEnd && heals < HEALS_MAX => {
                    // A leader that has just changed may not know its end yet.
                    heals += 1;
                    self.drop_connections();
                    self.cluster.wait(HEAL_PAUSE * heals, None);
                    continue;
                }
                Err(e) if e.kind == BrokerErrorKind::BeyondEnd => {
                    return Err(self.lost(chain, &e.what).into());
                }
                Err(e) if e.is_final() => return Err(self.failed(chain, &e.what).into()),
                Err(e) => {
                    self.drop_connections();
                    return Err(Stopped::Away(e));
                }
            };
            let mut fault = None;
            let before = chain.topic_next;
            for (offset, value) in &fetched.values {
                match chain.take(*offset, value) {
                    Ok(taken) => {
                        self.note(chain, &taken);
                        if heals > 0 {
                            self.stats.healed.fetch_add(1, Ordering::Relaxed);
                            tracing::warn!(
                                partition = chain.partition,
                                "reading again has healed it"
                            );
                            heals = 0;
                        }
                        if take(taken)? {
                            return Ok(());
                        }
                    }
                    Err(e) => {
                        fault = Some(e);
                        break;
                    }
                }
            }
            let fault = match fault {
                Some(fault) => fault,
                None if chain.topic_next > before => {
                    let bytes: usize = fetched.values.iter().map(|(_, v)| v.len()).sum();
                    let is_full = fetched.left_over > 0 || bytes >= (FETCH_BYTES / 2) as usize;
                    if !to_the_last && !is_full {
                        return Err(Stopped::AtEnd);
                    }
                    bytes_max = FETCH_BYTES;
                    continue;
                }
                None if fetched.left_over == 0 => return Err(Stopped::AtEnd),
                // A batch larger than what was asked for: ask for more.
                None if bytes_max < FETCH_BYTES_MAX => {
                    bytes_max = bytes_max.saturating_mul(2).min(FETCH_BYTES_MAX);
                    continue;
                }
                None => ChainFault::Damaged("no whole batch is there"),
            };
            heals += 1;
            if heals > HEALS_MAX {
                return Err(self.failed(chain, &fault.to_string()).into());
            }
            tracing::warn!(
                partition = chain.partition,
                topic_offset = chain.topic_next,
                %fault,
                "what the topic gave is not right; reading it again over new connections"
            );
            self.drop_connections();
            self.cluster.wait(HEAL_PAUSE * heals, None);
        }
    }

    /// The end of reading for good, with what was before.
    pub(super) fn failed(&self, chain: &Chain, what: &str) -> StreamError {
        StreamError::TopicFault {
            cluster: self.name(),
            partition: chain.partition,
            topic_offset: chain.topic_next,
            what: what.to_owned(),
            before: chain.before(),
        }
    }

    /// The topic ends before what was read from it.
    pub(super) fn lost(&self, chain: &Chain, what: &str) -> StreamError {
        StreamError::TopicLost {
            cluster: self.name(),
            partition: chain.partition,
            what: format!("{what} ({})", chain.before()),
        }
    }

    pub(super) fn note(&self, chain: &Chain, taken: &Taken) {
        let (counter, what) = match taken {
            Taken::Records(_) | Taken::Shared(..) | Taken::Fence(_) | Taken::Joined(_) => return,
            Taken::PassedOver(PassedOver::Foreign) => (&self.stats.foreign, "not ours"),
            Taken::PassedOver(PassedOver::Stale(_)) => (&self.stats.stale, "of a replaced writer"),
            Taken::PassedOver(PassedOver::OtherStream(_)) => {
                (&self.stats.foreign, "another stream's")
            }
            Taken::PassedOver(PassedOver::Double) => (&self.stats.doubles, "a double"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            partition = chain.partition,
            topic_offset = chain.topic_next - 1,
            "passed over a record of the topic: {what}"
        );
    }
}
