//! The record format against arbitrary commands and arbitrary damage.

use flightline_ledger::codes::{Currency, Date};
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, Money, ProviderCode, Station,
};
use flightline_stream::record::{
    ACTOR_BYTES_MAX, HEADER_BYTES, REF_TEXT_BYTES_MAX, RecordView, encode, peek,
};
use flightline_stream::testing::Sampler;
use flightline_stream::{DecodeError, Draft, EncodeError, Record, Stamp};

struct Sample {
    command: Command,
    id: CommandId,
    at_ms: i64,
    stamp: Stamp,
    ref_text: Option<String>,
    actor: Option<String>,
}

impl Sample {
    fn new(seed: u64) -> Self {
        let mut s = Sampler::new(seed);
        let mut text = |most: usize| {
            let len = s.below(most as u64 * 2) as usize;
            // Nothing, or anything up to the limit, some of it in several bytes.
            (len <= most).then(|| "é".repeat(len / 2) + &"x".repeat(len % 2))
        };
        let (ref_text, actor) = (text(REF_TEXT_BYTES_MAX), text(ACTOR_BYTES_MAX));
        Self {
            command: s.command(),
            id: s.id(),
            at_ms: s.bits() as i64,
            stamp: Stamp {
                producer: s.bits(),
                epoch: s.bits() as u32,
                sequence: s.bits(),
            },
            ref_text,
            actor,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let draft = Draft {
            id: self.id,
            at_ms: self.at_ms,
            command: &self.command,
            ref_text: self.ref_text.as_deref(),
            actor: self.actor.as_deref(),
        };
        encode(&mut out, self.stamp, &draft).unwrap();
        assert!(out.starts_with(b"before"), "it appends");
        out.split_off(6)
    }
}

#[test]
fn any_command_round_trips() {
    for seed in 0..50_000 {
        let sample = Sample::new(seed);
        let bytes = sample.bytes();
        let record = Record::decode(&bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(record.command, sample.command, "seed {seed}");
        assert_eq!(record.header.stamp, sample.stamp, "seed {seed}");
        assert_eq!(record.header.id, sample.id, "seed {seed}");
        assert_eq!(record.header.at_ms, sample.at_ms, "seed {seed}");
        assert_eq!(record.ref_text, sample.ref_text, "seed {seed}");
        assert_eq!(record.actor, sample.actor, "seed {seed}");
        assert_eq!(peek(&bytes), Some(record.header), "seed {seed}");
        let mut again = Vec::new();
        encode(&mut again, record.header.stamp, &record.draft()).unwrap();
        assert_eq!(again, bytes, "seed {seed}: one record, one encoding");
        let input = RecordView::parse(&bytes).unwrap().input(9).unwrap();
        assert_eq!(
            (input.offset, input.at_ms, input.id),
            (9, sample.at_ms, sample.id)
        );
        assert_eq!(input.command, sample.command);
    }
}

#[test]
fn every_flipped_bit_is_found() {
    for seed in 0..300 {
        let mut bytes = Sample::new(seed).bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = Record::decode(&bytes);
            assert!(
                matches!(found, Err(DecodeError::Checksum { .. })),
                "seed {seed}, bit {bit}: {found:?}"
            );
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for seed in 0..500 {
        let bytes = Sample::new(seed).bytes();
        for len in 0..bytes.len() {
            assert!(
                Record::decode(&bytes[..len]).is_err(),
                "seed {seed}, {len} bytes"
            );
            assert_eq!(peek(&bytes[..len]).is_some(), len >= HEADER_BYTES);
        }
        for extra in [0, 1, 0xff] {
            let mut longer = bytes.clone();
            longer.push(extra);
            assert!(
                Record::decode(&longer).is_err(),
                "seed {seed}, longer by {extra}"
            );
        }
    }
}

/// Behind the checksum: damage that a checksum cannot see, such as a writer with a fault.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn what_decodes_behind_a_valid_checksum_is_written_the_same_again() {
    let mut taken = 0;
    for seed in 0..12_000 {
        let mut sampler = Sampler::new(!seed);
        let mut bytes = Sample::new(seed).bytes();
        for _ in 0..=sampler.below(3) {
            match sampler.below(3) {
                0 => {
                    let at = 4 + sampler.below(bytes.len() as u64 - 4) as usize;
                    bytes[at] = sampler.bits() as u8;
                }
                1 => bytes.truncate(4 + sampler.below(bytes.len() as u64 - 3) as usize),
                _ => bytes.push(sampler.bits() as u8),
            }
            if bytes.len() < 8 {
                bytes.resize(8, 0);
            }
        }
        let bytes = resealed(bytes);
        if let Ok(record) = Record::decode(&bytes) {
            taken += 1;
            let mut again = Vec::new();
            encode(&mut again, record.header.stamp, &record.draft()).unwrap();
            assert_eq!(again, bytes, "seed {seed}");
        }
    }
    assert!(
        taken > 900,
        "only {taken} of the damaged ones decoded: the test sees little"
    );
}

#[test]
fn newer_versions_and_unknown_kinds_say_what_to_do() {
    let bytes = Sample::new(1).bytes();
    let mut newer = bytes.clone();
    newer[4] = 2;
    let error = Record::decode(&resealed(newer)).unwrap_err();
    assert_eq!(error, DecodeError::NewerVersion(2));
    assert!(
        error.to_string().contains("upgrade this replica"),
        "{error}"
    );
    let mut unknown = bytes.clone();
    unknown[6] = 200;
    let error = Record::decode(&resealed(unknown)).unwrap_err();
    assert_eq!(error, DecodeError::UnknownKind(200));
    assert!(
        error.to_string().contains("upgrade this replica"),
        "{error}"
    );
    let mut zero = bytes.clone();
    zero[4] = 0;
    assert!(Record::decode(&resealed(zero)).is_err());
    let mut flags = bytes;
    flags[5] |= 0x80;
    assert!(Record::decode(&resealed(flags)).is_err());
}

#[test]
fn a_record_of_another_version_is_not_peeked_at() {
    let mut bytes = Sample::new(1).bytes();
    bytes[4] = 2;
    assert_eq!(peek(&bytes), None);
    assert_eq!(peek(&[]), None);
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    // An acknowledgement of 2^60 ids, in a record of 90 bytes.
    let mut sampler = Sampler::new(3);
    let command = sampler.command_of(17);
    let mut bytes = Vec::new();
    let draft = Draft::new(CommandId(1), 0, &command);
    encode(&mut bytes, Stamp::default(), &draft).unwrap();
    let Command::Flight(_, FlightCommand::Provider(event)) = &command else {
        panic!("{command:?}");
    };
    let flightline_ledger::ProviderBody::Acknowledge(ids) = &event.body else {
        panic!("{event:?}");
    };
    bytes.truncate(bytes.len() - ids.len() * 16 - 1);
    bytes.extend_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    bytes.extend_from_slice(&[7; 20]);
    assert_eq!(Record::decode(&resealed(bytes)), Err(DecodeError::Short));
}

#[test]
fn what_nobody_could_read_back_is_not_written() {
    let hold = |request: HoldRequest, key: FlightKey| {
        let command = Command::Flight(key, FlightCommand::Hold(request));
        let mut out = Vec::new();
        encode(
            &mut out,
            Stamp::default(),
            &Draft::new(CommandId(1), 0, &command),
        )
    };
    let mut s = Sampler::new(5);
    let (key, mut request) = (s.flight(), s.hold());
    request.provider = None;
    assert_eq!(hold(request, key), Ok(()));
    for bad in [
        FlightKey::NONE,
        FlightKey { number: 0, ..key },
        FlightKey {
            number: 10_000,
            ..key
        },
        FlightKey {
            suffix: b'a',
            ..key
        },
        FlightKey {
            origin_date: Date(i32::MAX),
            ..key
        },
        FlightKey {
            board: Station::default(),
            ..key
        },
    ] {
        assert!(
            matches!(hold(request, bad), Err(EncodeError::Bad { .. })),
            "{bad:?}"
        );
    }
    for bad in [
        HoldRequest {
            provider: Some(ProviderCode::default()),
            ..request
        },
        HoldRequest {
            board: Some(Station::default()),
            ..request
        },
        HoldRequest {
            off: Some(Station::default()),
            ..request
        },
        HoldRequest {
            expected_price: Some(Money {
                minor: 1,
                currency: Currency::default(),
                exponent: 2,
            }),
            ..request
        },
    ] {
        assert!(
            matches!(hold(bad, key), Err(EncodeError::Bad { .. })),
            "{bad:?}"
        );
    }
    let text = "x".repeat(REF_TEXT_BYTES_MAX + 1);
    for draft in [
        Draft {
            ref_text: Some(&text),
            ..Draft::new(CommandId(1), 0, &Command::Tick)
        },
        Draft {
            actor: Some(&text),
            ..Draft::new(CommandId(1), 0, &Command::Tick)
        },
    ] {
        let error = encode(&mut Vec::new(), Stamp::default(), &draft).unwrap_err();
        assert!(matches!(error, EncodeError::TooLong { .. }), "{error}");
    }
}
