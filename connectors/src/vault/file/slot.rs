//! Bytes of the file's slots.
//!
//! | bytes | header | key |
//! |---|---|---|
//! | 0–7 | `FLTKEYS` and 0 | state: 1 = key, 2 = erased; then zeros |
//! | 8–15 | version and slot length, u32 each | number of the key |
//! | 16–47 | zeros | the key; zeros when erased |
//! | 48–59 | zeros | zeros |
//! | 60–63 | CRC-32 of the rest | CRC-32 of the rest |
//!
//! Numbers are big-endian. The CRC of an erased slot is that of its zeros, so that nothing of the
//! key stays.

use zeroize::Zeroizing;

use crate::vault::key::{Key, KeyId};

/// Length of a slot, and of the header.
pub(super) const SLOT_BYTES: u64 = 64;

const LEN: usize = SLOT_BYTES as usize;
const MAGIC: [u8; 8] = *b"FLTKEYS\0";
const VERSION: u32 = 1;
const KEY: u8 = 1;
const ERASED: u8 = 2;
const ID_AT: usize = 8;
const KEY_AT: usize = 16;
const CRC_AT: usize = LEN - 4;

/// What a slot holds.
pub(super) enum Slot {
    Key(Key),
    Erased,
    /// Neither, or of another number.
    Damaged,
}

impl Slot {
    pub(super) fn decode(bytes: &[u8; LEN], id: KeyId) -> Self {
        if !is_whole(bytes) || bytes[ID_AT..KEY_AT] != id.0.to_be_bytes() {
            return Self::Damaged;
        }
        let key = bytes[KEY_AT..].first_chunk::<{ Key::BYTES }>();
        match (bytes[0], key) {
            (KEY, Some(key)) => Self::Key(Key::from_bytes(key)),
            (ERASED, _) => Self::Erased,
            _ => Self::Damaged,
        }
    }
}

pub(super) fn filled(id: KeyId, key: &Key) -> Zeroizing<[u8; LEN]> {
    let mut bytes = Zeroizing::new([0; LEN]);
    bytes[0] = KEY;
    bytes[ID_AT..KEY_AT].copy_from_slice(&id.0.to_be_bytes());
    bytes[KEY_AT..KEY_AT + Key::BYTES].copy_from_slice(key.as_bytes());
    finish(&mut bytes);
    bytes
}

pub(super) fn erased(id: KeyId) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[0] = ERASED;
    bytes[ID_AT..KEY_AT].copy_from_slice(&id.0.to_be_bytes());
    finish(&mut bytes);
    bytes
}

pub(super) fn header() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
    bytes[12..16].copy_from_slice(&(LEN as u32).to_be_bytes());
    finish(&mut bytes);
    bytes
}

/// Says what is wrong with a header.
pub(super) fn check_header(bytes: &[u8; LEN]) -> Result<(), String> {
    if bytes[..8] != MAGIC {
        return Err("it does not begin as one".to_owned());
    }
    if !is_whole(bytes) {
        return Err("its first 64 bytes are damaged".to_owned());
    }
    if bytes[..16] != header()[..16] {
        return Err("it was made by a newer release".to_owned());
    }
    Ok(())
}

fn finish(bytes: &mut [u8; LEN]) {
    let crc = crc32fast::hash(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
}

fn is_whole(bytes: &[u8; LEN]) -> bool {
    bytes[CRC_AT..] == crc32fast::hash(&bytes[..CRC_AT]).to_be_bytes()
}
