//! Keys of the keyspaces. Numbers are big-endian, so that their order is that of the bytes.

pub(super) const NEXT_ENDPOINT: &[u8] = b"next_endpoint";
pub(super) const PROGRESS: &[u8] = b"progress/";

pub(super) fn progress(partition: u32) -> Vec<u8> {
    [PROGRESS, &partition.to_be_bytes()].concat()
}

/// A zero ends the client's name, which has none.
pub(super) fn client_event(client: &str, sequence: u64) -> Vec<u8> {
    [client.as_bytes(), &[0], &sequence.to_be_bytes()].concat()
}

pub(super) fn state(sequence: u64, endpoint: u32) -> Vec<u8> {
    [sequence.to_be_bytes().as_slice(), &endpoint.to_be_bytes()].concat()
}

pub(super) fn due(endpoint: u32, at_ms: i64, sequence: u64) -> Vec<u8> {
    // No time before 1970 is ever due.
    let at = at_ms.max(0).unsigned_abs();
    [
        endpoint.to_be_bytes().as_slice(),
        &at.to_be_bytes(),
        &sequence.to_be_bytes(),
    ]
    .concat()
}

pub(super) fn log(endpoint: u32, entry: u64) -> Vec<u8> {
    [endpoint.to_be_bytes().as_slice(), &entry.to_be_bytes()].concat()
}

/// The number that a key ends with.
pub(super) fn tail(key: &[u8]) -> Option<[u8; 8]> {
    key.last_chunk().copied()
}

/// The endpoint that the key of a state ends with.
pub(super) fn endpoint_of_state(key: &[u8]) -> Option<u32> {
    key.last_chunk().copied().map(u32::from_be_bytes)
}

/// The time in a key of `due`.
pub(super) fn time_of_due(key: &[u8]) -> Option<i64> {
    let bytes = key.get(4..)?.first_chunk().copied()?;
    i64::try_from(u64::from_be_bytes(bytes)).ok()
}
