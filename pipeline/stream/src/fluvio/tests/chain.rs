//! What a reader accepts, case by case.

use bytes::Bytes;

use super::super::chain::{Chain, ChainFault, PassedOver, Taken};
use super::super::envelope::{Envelope, Holder};

const A: Holder = Holder { term: 1, writer: 5 };
const B: Holder = Holder { term: 2, writer: 3 };

fn fenced() -> Chain {
    let mut chain = Chain::new(0);
    chain.take(0, &Envelope::fence(9, A).encode()).unwrap();
    chain
}

fn payload(text: &str) -> Bytes {
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.into()
}

fn next(chain: &Chain, text: &str) -> Bytes {
    chain.next_envelope(1, payload(text)).encode()
}

fn take(chain: &mut Chain, value: &Bytes) -> Result<Taken, ChainFault> {
    chain.take(chain.topic_next, value)
}

#[test]
fn records_follow_one_another() {
    let mut chain = fenced();
    for n in 0..5 {
        let value = next(&chain, &format!("r{n}"));
        let Ok(Taken::Records(frame)) = take(&mut chain, &value) else {
            panic!("record {n} was not taken");
        };
        assert_eq!(frame.base_offset(), n);
    }
    // The same hash as everybody's checker has.
    let mut hash = 0;
    for n in 0..5 {
        hash = crate::checker::running_hash(hash, format!("r{n}").as_bytes());
    }
    assert_eq!((chain.next_offset, chain.hash), (5, hash));
}

#[test]
fn an_offset_left_out_is_a_hole() {
    let mut chain = fenced();
    let value = next(&chain, "a");
    let before = chain.clone();
    assert_eq!(
        chain.take(2, &value),
        Err(ChainFault::TopicHole {
            expected: 1,
            found: 2
        })
    );
    assert_eq!(chain, before, "a fault changes nothing");
    assert!(matches!(chain.take(1, &value), Ok(Taken::Records(_))));
}

#[test]
fn an_envelope_left_out_is_a_hole_although_offsets_go_on() {
    let mut chain = fenced();
    let mut writer = chain.clone();
    let lost = next(&writer, "lost");
    take(&mut writer, &lost).unwrap();
    let second = next(&writer, "second");
    let fault = take(&mut chain, &second);
    assert!(
        matches!(
            fault,
            Err(ChainFault::SequenceHole {
                expected: 0,
                found: 1,
                ..
            })
        ),
        "{fault:?}"
    );
}

#[test]
fn a_double_is_passed_over_wherever_it_comes() {
    let mut chain = fenced();
    let first = next(&chain, "first");
    take(&mut chain, &first).unwrap();
    let double = Ok(Taken::PassedOver(PassedOver::Double));
    assert_eq!(take(&mut chain, &first), double);
    let second = next(&chain, "second");
    take(&mut chain, &second).unwrap();
    assert_eq!(take(&mut chain, &first), double);
    assert_eq!(take(&mut chain, &second), double);
    assert_eq!(chain.next_offset, 2);
}

#[test]
fn what_comes_behind_a_higher_fence_is_stale() {
    let mut chain = fenced();
    let late = next(&chain, "late");
    assert_eq!(
        take(&mut chain, &Envelope::fence(9, B).encode()),
        Ok(Taken::Fence(B))
    );
    assert_eq!(
        take(&mut chain, &late),
        Ok(Taken::PassedOver(PassedOver::Stale(A)))
    );
    // A fence that comes late takes nothing back.
    assert_eq!(
        take(&mut chain, &Envelope::fence(9, A).encode()),
        Ok(Taken::Fence(A))
    );
    assert_eq!(chain.holder, B);
    let value = next(&chain, "of b");
    assert!(matches!(take(&mut chain, &value), Ok(Taken::Records(_))));
}

#[test]
fn of_two_fences_of_one_term_the_higher_writer_holds() {
    let low = Holder { term: 7, writer: 1 };
    let high = Holder { term: 7, writer: 2 };
    for order in [[low, high], [high, low]] {
        let mut chain = fenced();
        for holder in order {
            take(&mut chain, &Envelope::fence(9, holder).encode()).unwrap();
        }
        assert_eq!(chain.holder, high);
    }
}

#[test]
fn records_of_others_are_passed_over() {
    let mut chain = fenced();
    for text in ["", "hello", "FLs", "{\"json\": true}"] {
        let taken = take(&mut chain, &Bytes::from(text.as_bytes().to_vec()));
        assert_eq!(taken, Ok(Taken::PassedOver(PassedOver::Foreign)));
    }
    let value = next(&chain, "ours");
    assert!(matches!(take(&mut chain, &value), Ok(Taken::Records(_))));
}

#[test]
fn a_writer_that_folded_something_else_is_found_at_its_next_record() {
    let mut chain = fenced();
    let mut other = chain.clone();
    let (ours, theirs) = (next(&chain, "ours"), next(&other, "other"));
    take(&mut chain, &ours).unwrap();
    take(&mut other, &theirs).unwrap();
    let value = next(&other, "next");
    let fault = take(&mut chain, &value).unwrap_err();
    assert!(matches!(fault, ChainFault::Diverged { .. }), "{fault}");
    let text = fault.to_string();
    assert!(text.contains("folded different records"), "{text}");
}

#[test]
fn another_streams_envelope_and_a_missing_start_are_faults() {
    let mut chain = fenced();
    // Of two who name a new stream at the same time the first is right.
    assert_eq!(
        take(&mut chain, &Envelope::fence(8, B).encode()),
        Ok(Taken::PassedOver(PassedOver::OtherStream(B)))
    );
    let mut alien = chain.next_envelope(1, payload("alien"));
    alien.stream = 8;
    assert!(matches!(
        take(&mut chain, &alien.encode()),
        Err(ChainFault::OtherStream { .. })
    ));
    let value = next(&chain, "a");
    let mut late = Chain::new(0);
    assert!(matches!(late.take(0, &value), Err(ChainFault::NoFence(A))));
}
