//! The topic: how it is created, and what an existing one must be like.

use fluvio_sc_schema::topic::{
    CleanupPolicy, CompressionAlgorithm, SegmentBasedPolicy, TopicSpec, TopicStorageConfig,
};

use super::config::FluvioConfig;

/// The largest batch that is sent, in bytes. Fluvio's own limit is 2 MiB.
pub(super) const BATCH_BYTES_MAX: usize = 1_500_000;

/// The largest request, in bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 8 << 20;

/// What is asked for in one fetch, in bytes.
pub(super) const FETCH_BYTES: u32 = 8 << 20;

/// A segment of a topic that is created here, in bytes.
const SEGMENT_BYTES: u32 = 64 << 20;

/// A segment holds at least this, in bytes: one batch of Fluvio's largest and room for another.
const SEGMENT_BYTES_MIN: u32 = 4 << 20;

/// Fluvio deletes the oldest segments of a partition that has grown to this, in bytes: so large that
/// no disk has it.
const PARTITION_BYTES: u64 = 1 << 50;
const PARTITION_BYTES_MIN: u64 = 1 << 40;

/// Fluvio deletes what is older than this, in seconds. The most that it takes is 136 years.
const RETENTION_S: u32 = u32::MAX;
const RETENTION_S_MIN: u32 = 50 * 365 * 24 * 3600;

/// What `fluvio topic create` needs, for messages.
const HOW: &str = "create it with --segment-size 64MiB --max-partition-size 1PiB \
                   --retention-time 100y, or let this program create it";

pub(super) fn spec(config: &FluvioConfig) -> TopicSpec {
    let mut spec = TopicSpec::new_computed(config.copy.partitions, config.replication, None);
    spec.set_cleanup_policy(CleanupPolicy::Segment(SegmentBasedPolicy {
        time_in_seconds: RETENTION_S,
    }));
    spec.set_storage(TopicStorageConfig {
        segment_size: Some(SEGMENT_BYTES),
        max_partition_size: Some(PARTITION_BYTES),
    });
    spec.set_compression_type(CompressionAlgorithm::Any);
    spec
}

/// Says what is wrong with an existing topic, and what to do; nothing when it will do.
pub(super) fn check(spec: &TopicSpec, partitions: u32) -> Result<(), String> {
    if spec.partitions() != partitions {
        return Err(format!(
            "it has {} partitions and {partitions} are configured: the count is fixed when a topic \
             is created; set stream.partitions to {}, or name another topic",
            spec.partitions(),
            spec.partitions()
        ));
    }
    let retention = spec.retention_secs();
    if retention < RETENTION_S_MIN {
        return Err(format!(
            "it deletes records after {retention} s (7 days is Fluvio's default), and a stream is \
             kept: {HOW}"
        ));
    }
    let storage = spec.get_storage();
    let partition_bytes = storage.and_then(|s| s.max_partition_size);
    // Fluvio's default is 100 GB.
    if partition_bytes.unwrap_or(0) < PARTITION_BYTES_MIN {
        let has = partition_bytes.map_or("100 GB (Fluvio's default)".to_owned(), |b| {
            format!("{b} bytes")
        });
        return Err(format!(
            "it deletes the oldest records of a partition that grows to {has}, and a stream is \
             kept; at least {PARTITION_BYTES_MIN} bytes are needed: {HOW}"
        ));
    }
    if let Some(segment) = storage.and_then(|s| s.segment_size)
        && segment < SEGMENT_BYTES_MIN
    {
        return Err(format!(
            "its segments of {segment} bytes are too small for batches of up to 2 MiB; at least \
             {SEGMENT_BYTES_MIN} are needed: {HOW}"
        ));
    }
    match spec.get_compression_type() {
        CompressionAlgorithm::Any | CompressionAlgorithm::None => {}
        other => {
            return Err(format!(
                "it takes nothing but {other} batches, and ours are not compressed: create it \
                 without --compression-type"
            ));
        }
    }
    if spec.get_deduplication().is_some() {
        return Err(
            "it removes what it takes for doubles: create it without deduplication".to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> TopicSpec {
        let url = "fluvio://h:1/t".parse().unwrap();
        let mut copy = crate::EmbeddedConfig::new("/nowhere");
        copy.partitions = 8;
        spec(&FluvioConfig::new(&url, copy))
    }

    #[test]
    fn what_is_created_passes() {
        check(&good(), 8).unwrap();
        assert_eq!(good().validate_config(), None, "Fluvio takes it");
    }

    #[test]
    fn every_mismatch_is_refused_with_what_to_set() {
        let refused = |change: &dyn Fn(&mut TopicSpec), says: &str| {
            let mut spec = good();
            change(&mut spec);
            let error = check(&spec, 8).unwrap_err();
            assert!(error.contains(says), "{error}");
        };
        let storage = |segment, partition| TopicStorageConfig {
            segment_size: segment,
            max_partition_size: partition,
        };
        let error = check(&good(), 64).unwrap_err();
        assert!(error.contains("set stream.partitions to 8"), "{error}");
        refused(
            &|s| {
                s.set_cleanup_policy(CleanupPolicy::Segment(SegmentBasedPolicy {
                    time_in_seconds: 604_800,
                }));
            },
            "--retention-time",
        );
        refused(
            &|s| s.set_storage(storage(None, None)),
            "100 GB (Fluvio's default)",
        );
        refused(
            &|s| s.set_storage(storage(None, Some(1 << 30))),
            "--max-partition-size",
        );
        refused(
            &|s| s.set_storage(storage(Some(1 << 20), Some(1 << 50))),
            "--segment-size",
        );
        refused(
            &|s| s.set_compression_type(CompressionAlgorithm::Gzip),
            "--compression-type",
        );
    }
}
