//! Appends to a Fluvio topic as a stream, beside plain records over the same kind of connection in
//! the same batches: what envelopes, the running hash, and the synced copy cost.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flightline_stream::fluvio::{BareProducer, delete_topic};
use flightline_stream::testing::{fluvio_for_tests, new_topic};
use flightline_stream::{EmbeddedConfig, FluvioConfig, FluvioLog, Group, StreamLog};

use super::{RECORD_BYTES, say};

const PARTITIONS: u32 = 8;

pub(super) fn run(dir: &Path, quick: bool) {
    let Some(controller) = fluvio_for_tests("the bench of appends") else {
        return;
    };
    let config = |name: &str| {
        let mut copy = EmbeddedConfig::new(dir.join(name));
        copy.partitions = PARTITIONS;
        FluvioConfig::new(&new_topic(&controller, name), copy)
    };
    let (bare, stream) = (config("bare"), config("stream"));
    let mut producer = BareProducer::open(&bare).expect("the cluster");
    let log = FluvioLog::open(stream.clone()).expect("the cluster");
    let record = vec![7_u8; RECORD_BYTES];
    for (records, groups) in [(1, 400), (100, 400), (1_000, 200), (16_000, 40)] {
        let groups = if quick { groups / 20 } else { groups };
        let mut ratios = Vec::new();
        let mut rates = Vec::new();
        // In turn, so that what else the machine does meets both.
        for _ in 0..5 {
            let plain = time(groups, || producer.append(&batches(records, &record)));
            let ours = time(groups, || {
                let mut group = Group::new();
                for n in 0..records {
                    group.push(n % PARTITIONS, &record);
                }
                log.append(&group).expect("append");
            });
            ratios.push(plain.as_secs_f64() / ours.as_secs_f64());
            rates.push(f64::from(records * groups) / ours.as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        rates.sort_by(f64::total_cmp);
        say(&format!(
            "fluvio, groups of {records:>6}: {:>9.0} records/s, {:.2} of the bare producer \
             (from {:.2} to {:.2})",
            rates[2], ratios[2], ratios[0], ratios[4]
        ));
    }
    drop(log);
    delete_topic(&bare)
        .and_then(|()| delete_topic(&stream))
        .expect("topics are deleted");
}

fn batches(records: u32, record: &[u8]) -> Vec<(u32, Vec<Bytes>)> {
    let of = |partition| {
        let count = (0..records).filter(|n| n % PARTITIONS == partition).count();
        (partition, vec![Bytes::copy_from_slice(record); count])
    };
    let all = (0..PARTITIONS).map(of);
    all.filter(|(_, values)| !values.is_empty()).collect()
}

fn time(times: u32, mut what: impl FnMut()) -> Duration {
    let started = Instant::now();
    (0..times).for_each(|_| what());
    started.elapsed()
}
