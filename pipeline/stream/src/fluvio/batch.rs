//! Fluvio's record batch, as it is sent and stored: written with Fluvio's own types, read without
//! them, since they pass over what they cannot read.
//!
//! Big-endian: base offset (8), length of what follows (4), leader epoch (4), magic (1), CRC-32C (4),
//! attributes (2), last offset delta (4), two timestamps (16), producer id, epoch, sequence (14),
//! number of records (4), then each record: length, attributes (1), timestamp and offset deltas,
//! key, value, headers, all lengths and deltas as zigzag varints.

use bytes::{Buf, Bytes};
use fluvio_protocol::Encoder;
use fluvio_protocol::record::{Batch, RawRecords, RecordSet};

/// Base offset and length.
const PREAMBLE_BYTES: usize = 12;
/// From the leader epoch up to the records.
const HEADER_BYTES: usize = 45;
const ATTRIBUTE_COMPRESSION: i16 = 0x07;
const ATTRIBUTE_SCHEMA: i16 = 0x10;

/// The values as one batch.
pub(super) fn encode(values: &[Bytes]) -> RecordSet<RawRecords> {
    let bytes = values.iter().map(|v| v.len() + 24).sum::<usize>();
    let mut records = Vec::with_capacity(4 + bytes);
    records.extend_from_slice(&(values.len() as u32).to_be_bytes());
    for (delta, value) in (0_i64..).zip(values) {
        let delta = varint(delta);
        let len = varint(value.len() as i64);
        // Attributes, timestamp delta, no key, no headers.
        let inner = 4 + delta.as_slice().len() + len.as_slice().len() + value.len();
        records.extend_from_slice(varint(inner as i64).as_slice());
        records.extend_from_slice(&[0, 0]);
        records.extend_from_slice(delta.as_slice());
        records.push(0);
        records.extend_from_slice(len.as_slice());
        records.extend_from_slice(value);
        records.push(0);
    }
    let mut batch = Batch::<RawRecords>::default();
    batch.header.last_offset_delta = i32::try_from(values.len()).unwrap_or(i32::MAX) - 1;
    // Fluvio deletes by age: without a time every batch would be from 1970.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    batch.header.first_timestamp = now;
    batch.header.max_time_stamp = now;
    *batch.mut_records() = RawRecords(records.into());
    batch.batch_len =
        i32::try_from(HEADER_BYTES + batch.records().write_size(0)).unwrap_or(i32::MAX);
    RecordSet {
        batches: vec![batch],
    }
}

/// One batch that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadBatch {
    pub(super) base_offset: u64,
    pub(super) values: Vec<Bytes>,
    /// Offset after the batch.
    pub(super) end_offset: u64,
}

/// Takes the next batch off the front; `None`, and nothing taken, when there is no whole one.
pub(super) fn take(bytes: &mut Bytes) -> Option<ReadBatch> {
    let mut preamble = bytes.get(..PREAMBLE_BYTES)?;
    let base_offset = u64::try_from(preamble.get_i64()).ok()?;
    let len = usize::try_from(preamble.get_i32()).ok()?;
    let end = PREAMBLE_BYTES.checked_add(len)?;
    if len < HEADER_BYTES || bytes.len() < end {
        return None;
    }
    let body = bytes.slice(PREAMBLE_BYTES..end);
    let crc = u32::from_be_bytes(*body.get(5..)?.first_chunk()?);
    if crc != crc32c::crc32c(body.get(9..)?) {
        return None;
    }
    let attributes = i16::from_be_bytes(*body.get(9..)?.first_chunk()?);
    if attributes & (ATTRIBUTE_COMPRESSION | ATTRIBUTE_SCHEMA) != 0 {
        // Not written by us, and not readable here: it holds the places of its records.
        let last_delta = i32::from_be_bytes(*body.get(11..)?.first_chunk()?);
        let count = u64::try_from(last_delta).ok()?.checked_add(1)?;
        bytes.advance(end);
        return Some(ReadBatch {
            base_offset,
            values: vec![Bytes::new(); usize::try_from(count.min(1 << 20)).ok()?],
            end_offset: base_offset.checked_add(count)?,
        });
    }
    let mut rest = body.slice(HEADER_BYTES..);
    let count = u32::from_be_bytes(*rest.first_chunk()?);
    rest.advance(4);
    let mut values = Vec::with_capacity(count.min(1024) as usize);
    for _ in 0..count {
        values.push(take_value(&mut rest)?);
    }
    bytes.advance(end);
    Some(ReadBatch {
        base_offset,
        end_offset: base_offset.checked_add(u64::from(count))?,
        values,
    })
}

fn take_value(rest: &mut Bytes) -> Option<Bytes> {
    let inner = usize::try_from(take_varint(rest)?).ok()?;
    if rest.len() < inner {
        return None;
    }
    let mut record = rest.split_to(inner);
    record.try_get_i8().ok()?;
    take_varint(&mut record)?;
    take_varint(&mut record)?;
    if record.try_get_u8().ok()? != 0 {
        let key = usize::try_from(take_varint(&mut record)?).ok()?;
        if record.len() < key {
            return None;
        }
        record.advance(key);
    }
    let value = usize::try_from(take_varint(&mut record)?).ok()?;
    (record.len() >= value).then(|| record.split_to(value))
}

struct Varint {
    bytes: [u8; 10],
    len: usize,
}

impl Varint {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn varint(value: i64) -> Varint {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Varint {
        bytes: [0; 10],
        len: 0,
    };
    loop {
        let last = rest < 0x80;
        out.bytes[out.len] = rest as u8 & 0x7f | if last { 0 } else { 0x80 };
        out.len += 1;
        if last {
            return out;
        }
        rest >>= 7;
    }
}

fn take_varint(bytes: &mut Bytes) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use fluvio_protocol::Decoder;
    use fluvio_protocol::record::Record;

    use super::*;

    fn stored(values: &[Bytes], base_offset: i64) -> Bytes {
        let mut set = encode(values);
        set.batches[0].base_offset = base_offset;
        set.as_bytes(0).unwrap().slice(4..)
    }

    fn values(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|t| Bytes::from(*t)).collect()
    }

    #[test]
    fn fluvios_own_types_read_what_we_write() {
        let long = Bytes::from(vec![7; 70_000]);
        let ours = [&values(&["a", "", "ccc"])[..], &[long]].concat();
        let set = encode(&ours);
        let read: Batch = set.batches[0].clone().try_into().unwrap();
        let found: Vec<_> = read.records().iter().map(|r| r.value.as_ref()).collect();
        assert_eq!(found, ours);
        let deltas: Vec<_> = read.records().iter().map(Record::offset_delta).collect();
        assert_eq!(deltas, [0, 1, 2, 3]);
        let mut decoded = RecordSet::<RawRecords>::default();
        decoded.decode(&mut set.as_bytes(0).unwrap(), 0).unwrap();
        assert!(decoded.batches[0].validate_decoding());
        assert_eq!(decoded.total_records(), 4);
    }

    #[test]
    fn we_read_what_fluvios_own_types_write() {
        let mut batch = Batch::default();
        batch.add_record(Record::new(b"one".to_vec()));
        batch.add_record(Record::new_key_value(b"key".to_vec(), b"two".to_vec()));
        batch.base_offset = 40;
        let mut bytes = batch.as_bytes(0).unwrap();
        let read = take(&mut bytes).unwrap();
        assert_eq!((read.base_offset, read.end_offset), (40, 42));
        assert_eq!(read.values, values(&["one", "two"]));
        assert!(bytes.is_empty());
    }

    #[test]
    fn a_cut_batch_is_left_where_it_is() {
        let first = stored(&values(&["a", "b"]), 10);
        let second = stored(&values(&["c"]), 12);
        for cut in 0..second.len() {
            let mut bytes = Bytes::from([&first[..], &second[..cut]].concat());
            assert_eq!(take(&mut bytes).unwrap().end_offset, 12);
            assert_eq!(take(&mut bytes), None, "cut at {cut}");
            assert_eq!(bytes.len(), cut);
        }
    }

    #[test]
    fn a_changed_byte_is_never_a_batch_with_other_values() {
        let good = stored(&values(&["abc", "de"]), 5);
        let original = take(&mut good.clone()).unwrap();
        for byte in 0..good.len() {
            let mut bad = good.to_vec();
            bad[byte] ^= 0x41;
            if let Some(read) = take(&mut bad.into()) {
                // Offset, leader epoch and magic are outside of the checksum, as in Kafka.
                assert!(byte < 17, "byte {byte} went unseen");
                assert_eq!(read.values, original.values);
            }
        }
    }
}
