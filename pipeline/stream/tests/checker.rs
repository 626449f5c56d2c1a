//! Every fault that a backend can have, on a log that is only a list.

use flightline_ledger::{Command, CommandId};
use flightline_stream::testing::Sampler;
use flightline_stream::{Checker, CheckerState, Draft, Fault, Stamp, record};

/// A record of a producer, told apart by its id.
fn record(producer: u64, epoch: u32, sequence: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let stamp = Stamp {
        producer,
        epoch,
        sequence,
    };
    let id = CommandId(u128::from(producer) << 64 | u128::from(sequence));
    record::encode(&mut out, stamp, &Draft::new(id, 0, &Command::Tick)).unwrap();
    out
}

/// One producer, two lives, and another one between.
fn clean() -> Vec<(u64, Vec<u8>)> {
    let stamps = [
        (1, 1, 0),
        (1, 1, 1),
        (2, 9, 0),
        (1, 1, 2),
        (1, 2, 0),
        (2, 9, 1),
        (1, 2, 1),
        (1, 5, 0),
    ];
    (0..).zip(stamps.map(|(p, e, s)| record(p, e, s))).collect()
}

fn run(log: &[(u64, Vec<u8>)]) -> Result<CheckerState, Fault> {
    let mut checker = Checker::new(3);
    for (offset, bytes) in log {
        let before = checker.state().clone();
        if let Err(fault) = checker.check(*offset, bytes) {
            assert_eq!(*checker.state(), before, "a fault changes nothing");
            return Err(fault);
        }
    }
    Ok(checker.state().clone())
}

/// Numbers the records anew, as a backend does that lost or doubled one and knows nothing of it.
fn renumbered(log: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
    (0..)
        .zip(log.iter().map(|(_, bytes)| bytes.clone()))
        .collect()
}

#[test]
fn a_clean_stream_passes() {
    let state = run(&clean()).unwrap();
    assert_eq!(state.next_offset, 8);
    assert_eq!(state.producers.len(), 2);
}

#[test]
fn a_left_out_record_is_found() {
    for n in 0..7 {
        let mut log = clean();
        log.remove(n);
        let fault = run(&log).unwrap_err();
        assert!(
            matches!(fault, Fault::OffsetHole { partition: 3, expected, found }
                if expected == n as u64 && found == n as u64 + 1),
            "{fault}"
        );
    }
}

#[test]
fn a_record_that_was_lost_before_it_got_an_offset_is_found() {
    // A whole life that was lost (the last one) cannot be seen from what is left.
    for n in 0..7 {
        let mut log = clean();
        log.remove(n);
        match run(&renumbered(&log)) {
            Err(Fault::SequenceHole { .. }) => {}
            // The last of a life or of all: nothing follows that could tell.
            other => assert!([3, 5, 6].contains(&n), "{n}: {other:?}"),
        }
    }
}

#[test]
fn a_doubled_record_is_found() {
    for n in 0..8 {
        let mut log = clean();
        log.insert(n, log[n].clone());
        assert!(
            matches!(run(&log), Err(Fault::OffsetDouble { .. })),
            "delivered twice"
        );
        let fault = run(&renumbered(&log)).unwrap_err();
        assert!(
            matches!(fault, Fault::SequenceDouble { .. }),
            "stored twice: {fault}"
        );
    }
}

#[test]
fn exchanged_records_are_found() {
    for n in 0..7 {
        let mut log = clean();
        log.swap(n, n + 1);
        let log = renumbered(&log);
        match run(&log) {
            Err(_) => {}
            // Records of two producers may come either way, but then it is another stream.
            Ok(state) => assert_ne!(state.hash, run(&clean()).unwrap().hash, "{n}"),
        }
    }
}

#[test]
fn a_changed_byte_is_found() {
    for n in 0..8 {
        for byte in 0..clean()[n].1.len() {
            let mut log = clean();
            log[n].1[byte] ^= 0x10;
            let fault = run(&log).unwrap_err();
            assert!(
                matches!(fault, Fault::Record { partition: 3, offset, .. } if offset == n as u64)
            );
        }
    }
}

#[test]
fn an_old_life_that_writes_on_is_found() {
    let mut log = clean();
    log.push((8, record(1, 2, 2)));
    let fault = run(&log).unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::StaleEpoch {
                producer: 1,
                current: 5,
                found: 2,
                ..
            }
        ),
        "{fault}"
    );
}

#[test]
fn a_life_that_does_not_begin_at_its_beginning_is_found() {
    let mut log = clean();
    log.push((8, record(1, 6, 1)));
    let fault = run(&log).unwrap_err();
    assert!(
        matches!(
            fault,
            Fault::SequenceHole {
                epoch: 6,
                expected: 0,
                found: 1,
                ..
            }
        ),
        "{fault}"
    );
    let first = run(&[(0, record(1, 1, 4))]).unwrap_err();
    assert!(
        matches!(
            first,
            Fault::SequenceHole {
                expected: 0,
                found: 4,
                ..
            }
        ),
        "{first}"
    );
}

#[test]
fn replicas_that_saw_different_streams_have_different_hashes() {
    let hash = |log: &[(u64, Vec<u8>)]| run(log).unwrap().hash;
    let whole = hash(&clean());
    let mut other = clean();
    // Valid in itself, and not what the others saw.
    other[7].1 = record(1, 6, 0);
    assert_ne!(hash(&other), whole);
    assert_ne!(hash(&clean()[..7]), whole);
    assert_eq!(hash(&clean()), whole);
    // Also where the same records come in another order.
    let ab = [(0, record(1, 1, 0)), (1, record(2, 1, 0))];
    let ba = [(0, record(2, 1, 0)), (1, record(1, 1, 0))];
    assert_ne!(hash(&ab), hash(&ba));
}

#[test]
fn a_reader_goes_on_where_it_was() {
    let log = clean();
    for cut in 0..=log.len() {
        let saved = run(&log[..cut]).unwrap().to_bytes();
        let state = CheckerState::from_bytes(&saved).unwrap();
        let mut checker = Checker::resume(3, state);
        for (offset, bytes) in &log[cut..] {
            checker.check(*offset, bytes).unwrap();
        }
        assert_eq!(*checker.state(), run(&log).unwrap());
        for len in 0..saved.len() {
            // Cut after a whole producer it is a state, of a reader that saw fewer.
            let is_whole = len >= 25 && (len - 25) % 20 == 0;
            assert_eq!(CheckerState::from_bytes(&saved[..len]).is_ok(), is_whole);
        }
        let mut newer = saved;
        newer[0] = 2;
        assert!(CheckerState::from_bytes(&newer).is_err());
    }
}

#[test]
fn random_damage_to_a_long_stream_is_always_found() {
    let mut log: Vec<(u64, Vec<u8>)> = (0..400).map(|n| (n, record(n % 3, 1, n / 3))).collect();
    let whole = run(&log).unwrap();
    for seed in 0..3_000 {
        let mut s = Sampler::new(seed);
        let saved = log.clone();
        let n = s.below(400) as usize;
        match s.below(4) {
            0 => drop(log.remove(n)),
            1 => log.insert(n, saved[s.below(400) as usize].clone()),
            2 => log.swap(n, (n + 1 + s.below(398) as usize) % 400),
            _ => {
                let bit = s.below(log[n].1.len() as u64 * 8) as usize;
                log[n].1[bit / 8] ^= 1 << (bit % 8);
            }
        }
        let renumber = s.below(2) == 0;
        let damaged = if renumber {
            renumbered(&log)
        } else {
            log.clone()
        };
        if let Ok(state) = run(&damaged) {
            assert_ne!(state, whole, "seed {seed}");
        }
        log = saved;
    }
}
