//! Filling a topic from a replica's copy: one that lost its end, or a new one.

use std::sync::Arc;

use super::broker::Cluster;
use super::cluster::TcpCluster;
use super::config::FluvioConfig;
use super::interrupt::Interrupt;
use super::open::{Start, attach};
use crate::embedded::EmbeddedLog;
use crate::error::StreamError;
use crate::group::Group;
use crate::port::StreamLog;

/// What is read from the copy and appended to the topic in one go, in bytes.
const PIECE_BYTES: usize = 8 << 20;

/// What [`rebuild`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Records that the topic had already, each compared with the copy.
    pub compared: u64,
    /// Records that the copy had not, and has now.
    pub added_to_copy: u64,
    /// Records that the topic had not, and has now.
    pub added_to_topic: u64,
}

/// Brings a topic up to what the copy holds: compares what is there, and appends what is missing at
/// the end. The topic is created when it is not there. Nobody else may have the copy open.
///
/// `progress` is told the number of records that were appended, and of all that are to be.
///
/// A topic with a hole, or with records that the copy has not the same, is left as it is: name a new
/// one. An interrupted rebuild goes on where it was when it is run again.
pub fn rebuild(
    config: &FluvioConfig,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<RebuildReport, StreamError> {
    let cluster = TcpCluster::new(config)?;
    // Before anything is created.
    let copy = open_copy(config)?;
    cluster.prepare()?;
    rebuild_on(config, &copy, Arc::new(cluster), progress)
}

fn open_copy(config: &FluvioConfig) -> Result<EmbeddedLog, StreamError> {
    let copy = EmbeddedLog::open(config.copy.clone())?;
    let trimmed = (0..).zip(copy.low_waters()?).find(|(_, low)| *low > 0);
    if let Some((partition, low)) = trimmed {
        return Err(StreamError::BadConfig {
            setting: "stream rebuild",
            what: format!(
                "the copy in {} does not go back to the start: partition {partition} is trimmed up \
                 to offset {low}; use the copy of a replica that keeps everything",
                config.copy.path.display()
            ),
        });
    }
    refuse_empty(config, &copy)?;
    Ok(copy)
}

/// Refuses a copy in which nothing is.
fn refuse_empty(config: &FluvioConfig, copy: &EmbeddedLog) -> Result<(), StreamError> {
    let ends = copy.end_offsets()?;
    if ends.iter().all(|end| *end == 0) {
        // It knows no stream's name, and the topic would get one by which no other copy could fill it.
        return Err(StreamError::NothingToFill {
            topic: config.topic.clone(),
            path: config.copy.path.clone(),
        });
    }
    Ok(())
}

#[cfg(any(test, feature = "testing"))]
pub(super) fn rebuild_copy(
    config: &FluvioConfig,
    copy: &EmbeddedLog,
    cluster: Arc<dyn Cluster>,
) -> Result<RebuildReport, StreamError> {
    refuse_empty(config, copy)?;
    rebuild_on(config, copy, cluster, &mut |_, _| {})
}

#[cfg(test)]
pub(super) fn rebuild_for_tests(
    config: &FluvioConfig,
    cluster: Arc<dyn Cluster>,
) -> Result<RebuildReport, StreamError> {
    rebuild_on(config, &open_copy(config)?, cluster, &mut |_, _| {})
}

fn rebuild_on(
    config: &FluvioConfig,
    copy: &EmbeddedLog,
    cluster: Arc<dyn Cluster>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<RebuildReport, StreamError> {
    // Everything is compared: the place that was written down says nothing about a topic that lost
    // records.
    let interrupt = Arc::new(Interrupt::default());
    let (mut writer, opened) = attach(config, copy, cluster, &interrupt, Start::Zero)?;
    let ends = copy.end_offsets()?;
    let missing = |chains: &[super::chain::Chain]| -> u64 {
        let pairs = chains.iter().zip(&ends);
        pairs
            .map(|(c, end)| end.saturating_sub(c.next_offset))
            .sum()
    };
    let total = missing(&writer.chains);
    let mut report = RebuildReport {
        compared: opened.compared,
        added_to_copy: opened.added,
        added_to_topic: 0,
    };
    progress(0, total);
    let mut piece = Group::new();
    for partition in (0..).take(ends.len()) {
        loop {
            let from = writer.chains[partition as usize].next_offset;
            if from >= ends[partition as usize] {
                break;
            }
            let batch = copy.read(partition, from, usize::MAX, PIECE_BYTES)?;
            piece.clear();
            for frame in &batch.frames {
                let count = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                piece.push_payload(partition, count, frame.payload());
            }
            writer.append(&piece)?;
            report.added_to_topic += batch.len() as u64;
            progress(report.added_to_topic, total);
        }
    }
    super::cursor::save(&config.cursor_path(), &config.topic, &writer.chains)?;
    Ok(report)
}
