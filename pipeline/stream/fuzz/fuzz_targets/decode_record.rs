//! Any bytes are a record or an error, never a panic; and what is a record is written the same again.

#![no_main]

use flightline_stream::{Checker, CheckerState, Frame, Record, record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Record::decode(data);
    let _ = record::peek(data);
    let _ = Checker::new(0).check(0, data);
    if let Ok(state) = CheckerState::from_bytes(data) {
        assert_eq!(state.to_bytes(), data);
    }
    for count in 0..3 {
        let payload = data.to_vec().into();
        if let Some(frame) = Frame::from_payload(0, 0, count, payload) {
            assert_eq!(frame.iter().count(), count as usize);
            assert_eq!(frame.from_offset(1).len(), (count as usize).saturating_sub(1));
        }
    }
    // Behind a checksum that holds, where chance would never get.
    let mut sealed = data.to_vec();
    if sealed.len() < 8 {
        return;
    }
    let crc = crc32fast::hash(&sealed[4..]);
    sealed[..4].copy_from_slice(&crc.to_le_bytes());
    if let Ok(decoded) = Record::decode(&sealed) {
        let mut again = Vec::new();
        let done = record::encode(&mut again, decoded.header.stamp, &decoded.draft());
        assert_eq!(done, Ok(()), "what was read cannot be written");
        assert_eq!(again, sealed, "one record, one encoding");
    }
});
