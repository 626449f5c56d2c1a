//! One partition of a checkpoint: everything that a start would otherwise fold the stream for.
//!
//! As bytes: eight bytes of magic, the length of the head (`u32`, little-endian), the head in JSON,
//! the sections that it gives the lengths of, and XXH3-128 over all of it.

use std::collections::BTreeMap;

use flightline_connectors::vault::KeyId;
use flightline_dataflows::Folded;
use flightline_dataflows::changelog::Record;
use flightline_ledger::command::SourceVersion;
use flightline_ledger::order::OrderId;
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, Outcome, ProviderCode, Replay, STATE_FORMAT,
};
use flightline_stream::{Checker, CheckerState};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::{CheckpointError, FORMAT, kept};
use crate::late::Kept;
use crate::people::key_named;
use crate::provider_stats::{Counts, DayCounts};
use crate::reading::{ReadError, take};
use crate::sequencer::report_of;
use crate::serials::{Serials, StoredGroup};

const MAGIC: &[u8; 8] = b"FLCKPART";
const DIGEST_BYTES: usize = 16;
const KEY_BYTES: usize = 13;
const CLAIM_BYTES: usize = KEY_BYTES + 16;
const SEALED_BYTES: usize = 24;

/// A partition folded plainly, with what the indexes beside the fold know of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) folded: Folded,
    checker: Checker,
    /// Ids that clients used for holds that were refused: they stay refused, on their flight. Those of
    /// holds that were made are in the ledger.
    claims: Vec<(FlightKey, CommandId)>,
    /// Which keys sealed the persons of which order, retired ones included: erasing needs them.
    sealed: Vec<(OrderId, KeyId)>,
    providers: BTreeMap<ProviderCode, Counts>,
    /// Reports that came before their flights.
    kept: Kept,
}

/// What stands in front of the sections.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    state_format: u32,
    partition: u32,
    partitions: u32,
    next_offset: u64,
    /// [`CheckerState::to_bytes`], hexadecimal.
    checker: String,
    providers: Vec<StoredCounts>,
    /// Lengths of the sections, in bytes: seats, orders, reports, claims, sealed, kept.
    sections: [u64; 6],
}

/// [`Counts`] of a provider.
#[derive(Debug, Serialize, Deserialize)]
struct StoredCounts {
    provider: String,
    accepted: u64,
    duplicate: u64,
    stale: u64,
    rejected: u64,
    last_version: Option<(i64, u32, u32)>,
    last_at_ms: Option<i64>,
    /// Day, accepted, duplicate, stale, rejected.
    days: Vec<(i32, u64, u64, u64, u64)>,
    /// Messages that are numbered.
    #[serde(default)]
    serials: Vec<StoredGroup>,
}

impl Part {
    /// The state before the first record.
    pub(crate) fn new(partition: u32, partitions: u32) -> Self {
        Self {
            folded: Folded::new(partition, partitions),
            checker: Checker::new(partition),
            claims: Vec::new(),
            sealed: Vec::new(),
            providers: BTreeMap::new(),
            kept: Kept::default(),
        }
    }

    /// Every partition of a stream, before the first record.
    pub(crate) fn all(partitions: u32) -> Vec<Self> {
        (0..partitions).map(|p| Self::new(p, partitions)).collect()
    }

    /// Checks, decodes and folds the next record.
    pub(crate) fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ReadError> {
        let partition = self.folded.partition();
        let record = take(&mut self.checker, partition, offset, bytes)?;
        self.apply(&record);
        Ok(())
    }

    fn apply(&mut self, record: &Record) {
        let input = &record.input;
        let (decision, _) = self.folded.apply(input);
        if let Command::Flight(flight, FlightCommand::Hold(_) | FlightCommand::Reseat(_)) =
            &input.command
            && decision.replay == Replay::First
            && matches!(decision.outcome, Outcome::Refused(_))
        {
            self.claims.push((*flight, input.id));
        }
        if let Command::Order(order, _) = &input.command
            && let Some(key) = key_named(&input.command)
        {
            self.sealed.push((*order, key));
        }
        self.kept
            .take(input.at_ms, &input.command, input.id, &decision);
        if let Some((provider, report)) = report_of(&input.command) {
            self.providers
                .entry(provider)
                .or_default()
                .note(report, &decision);
        }
    }

    /// What the reader of its records knows: continuity and the running hash.
    pub(crate) fn checker(&self) -> &Checker {
        &self.checker
    }

    /// Ids of holds that belong to flights which are not over: made ones and refused ones.
    pub(crate) fn each_claim(&self, mut give: impl FnMut(&FlightKey, CommandId)) {
        let ledger = self.folded.ledger();
        for (_, flight) in ledger.unpacked_flights() {
            let key = flight.key();
            flight.hold_ids().for_each(|id| give(&key, id));
        }
        for (flight, id) in &self.claims {
            if !ledger.is_retired(flight) {
                give(flight, *id);
            }
        }
    }

    /// How many they are at most.
    pub(crate) fn claims_max(&self) -> usize {
        let flights = self.folded.ledger().unpacked_flights();
        flights.map(|(_, f)| f.hold_ids().len()).sum::<usize>() + self.claims.len()
    }

    /// Keys of personal data, by order.
    pub(crate) fn sealed(&self) -> &[(OrderId, KeyId)] {
        &self.sealed
    }

    /// Counts of provider feeds.
    pub(crate) fn providers(&self) -> impl Iterator<Item = (ProviderCode, &Counts)> {
        self.providers.iter().map(|(code, counts)| (*code, counts))
    }

    /// Reports that came before their flights.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Its bytes.
    pub(crate) fn encode(&mut self, partitions: u32) -> Vec<u8> {
        let ledger = self.folded.ledger();
        self.claims.retain(|(flight, _)| !ledger.is_retired(flight));
        self.claims.sort_unstable();
        // An unknown flight remembers no id: each retry was refused anew.
        self.claims.dedup();
        self.sealed
            .sort_unstable_by_key(|(order, key)| (*order, key.0));
        self.sealed.dedup();
        self.kept.tidy(ledger.clock_ms());
        let late = kept::put(&self.kept);
        let state = self.folded.save();
        let mut claims = Vec::with_capacity(self.claims.len() * CLAIM_BYTES);
        for (flight, id) in &self.claims {
            claims.extend_from_slice(&flight.to_bytes());
            claims.extend_from_slice(&id.0.to_le_bytes());
        }
        let mut sealed = Vec::with_capacity(self.sealed.len() * SEALED_BYTES);
        for (order, key) in &self.sealed {
            sealed.extend_from_slice(&order.0.to_le_bytes());
            sealed.extend_from_slice(&key.0.to_le_bytes());
        }
        let sections = [
            &state.ledger,
            &state.orders,
            &state.versions,
            &claims,
            &sealed,
            &late,
        ];
        let head = Head {
            format: FORMAT,
            state_format: STATE_FORMAT,
            partition: self.folded.partition(),
            partitions,
            next_offset: self.folded.next_offset(),
            checker: hex(&self.checker.state().to_bytes()),
            providers: self.providers.iter().map(StoredCounts::of).collect(),
            sections: sections.map(|section| section.len() as u64),
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let body: usize = sections.iter().map(|section| section.len()).sum();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + head.len() + body + DIGEST_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&head);
        sections
            .iter()
            .for_each(|section| bytes.extend_from_slice(section));
        let digest = xxh3_128(&bytes);
        bytes.extend_from_slice(&digest.to_le_bytes());
        bytes
    }

    /// Reads what [`Part::encode`] gave, as a part of checkpoint `id`.
    pub(crate) fn decode(
        id: u64,
        partition: u32,
        partitions: u32,
        bytes: &[u8],
    ) -> Result<Self, CheckpointError> {
        let bad = |what: String| CheckpointError::Damaged {
            id,
            what: format!("partition {partition}: {what}"),
        };
        let cut = || bad("it is cut off".to_owned());
        let (body, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or_else(cut)?;
        if xxh3_128(body) != u128::from_le_bytes(*digest) {
            return Err(bad("its checksum is another one".to_owned()));
        }
        let (magic, rest) = body.split_first_chunk::<8>().ok_or_else(cut)?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        if magic != MAGIC {
            return Err(bad("it is no part of a checkpoint".to_owned()));
        }
        let (head, mut rest) = rest
            .split_at_checked(u32::from_le_bytes(*len) as usize)
            .ok_or_else(cut)?;
        let head: Head =
            serde_json::from_slice(head).map_err(|error| bad(format!("its head: {error}")))?;
        if (head.partition, head.partitions) != (partition, partitions) {
            return Err(bad(format!(
                "it is of partition {} of {}",
                head.partition, head.partitions
            )));
        }
        let mut sections = [&[][..]; 6];
        for (section, len) in sections.iter_mut().zip(head.sections) {
            let len = usize::try_from(len).map_err(|_| cut())?;
            (*section, rest) = rest.split_at_checked(len).ok_or_else(cut)?;
        }
        let [ledger, orders, versions, claims, sealed, late] = sections;
        let kept = kept::get(late)
            .ok_or_else(|| bad("the reports that were kept cannot be read".to_owned()))?;
        let checker = unhex(&head.checker)
            .and_then(|bytes| CheckerState::from_bytes(&bytes).ok())
            .filter(|state| state.next_offset == head.next_offset)
            .ok_or_else(|| bad("its running hash cannot be read".to_owned()))?;
        let folded = Folded::load(
            partition,
            partitions,
            head.next_offset,
            ledger,
            orders,
            versions,
        )
        .map_err(|error| bad(error.to_string()))?;
        let (claims, rest) = claims.as_chunks::<CLAIM_BYTES>();
        let (sealed, more) = sealed.as_chunks::<SEALED_BYTES>();
        if !rest.is_empty() || !more.is_empty() {
            return Err(cut());
        }
        let claims = claims.iter().map(|bytes| {
            let mut key = [0; KEY_BYTES];
            key.copy_from_slice(&bytes[..KEY_BYTES]);
            let key = FlightKey::from_bytes(key).map_err(|error| bad(error.to_string()))?;
            Ok((key, CommandId(wide(&bytes[KEY_BYTES..]))))
        });
        let claims = claims.collect::<Result<_, CheckpointError>>()?;
        let sealed = sealed.iter().map(|bytes| {
            let key = wide(&bytes[16..]) as u64;
            (OrderId(wide(&bytes[..16])), KeyId(key))
        });
        let providers = head.providers.iter().map(|stored| {
            let code = stored.provider.parse();
            let code = code.map_err(|_| bad(format!("provider '{}'", stored.provider)))?;
            Ok((code, stored.counts()))
        });
        Ok(Self {
            folded,
            checker: Checker::resume(partition, checker),
            claims,
            sealed: sealed.collect(),
            providers: providers.collect::<Result<_, CheckpointError>>()?,
            kept,
        })
    }
}

impl StoredCounts {
    fn of((provider, counts): (&ProviderCode, &Counts)) -> Self {
        Self {
            provider: provider.as_str().to_owned(),
            accepted: counts.accepted,
            duplicate: counts.duplicate,
            stale: counts.stale,
            rejected: counts.rejected,
            last_version: counts
                .last_version
                .map(|v| (v.time_ms, v.group, v.sequence)),
            last_at_ms: counts.last_at_ms,
            days: counts
                .days
                .iter()
                .map(|(day, c)| (*day, c.accepted, c.duplicate, c.stale, c.rejected))
                .collect(),
            serials: counts.serials.stored(),
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            serials: Serials::of_stored(&self.serials),
            accepted: self.accepted,
            duplicate: self.duplicate,
            stale: self.stale,
            rejected: self.rejected,
            last_version: self
                .last_version
                .map(|(time_ms, group, sequence)| SourceVersion {
                    time_ms,
                    group,
                    sequence,
                }),
            last_at_ms: self.last_at_ms,
            days: self
                .days
                .iter()
                .map(|(day, accepted, duplicate, stale, rejected)| {
                    let counts = DayCounts {
                        accepted: *accepted,
                        duplicate: *duplicate,
                        stale: *stale,
                        rejected: *rejected,
                    };
                    (*day, counts)
                })
                .collect(),
        }
    }
}

/// At most sixteen bytes, little-endian.
fn wide(bytes: &[u8]) -> u128 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |value, byte| value << 8 | u128::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let pair = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    pairs.iter().map(pair).collect()
}
