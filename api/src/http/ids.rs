//! Ids made here: of requests, and of holds whose client gave none.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt as _;
use warp::http::HeaderValue;

use crate::wire::text::Text;

/// Letters that cannot be mistaken for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes ids of requests: a random start of this process, then a counter, so that two never meet
/// and the order can be seen.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: [u8; 13],
    next: AtomicU64,
}

/// The id of a request: in the header and in bodies of errors.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

/// The longest `x-request-id` taken from a client.
const REQUEST_ID_BYTES_MAX: usize = 128;

impl RequestIds {
    pub(crate) fn new() -> Self {
        let mut prefix = *b"req_00000000_";
        write_base32(&mut prefix[4..12], rand::rng().random::<u64>().into());
        Self {
            prefix,
            next: AtomicU64::new(0),
        }
    }

    /// The client's own id when it is sane, else a new one.
    pub(crate) fn of(&self, given: Option<&HeaderValue>) -> RequestId {
        if let Some(given) = given {
            let bytes = given.as_bytes();
            let sane = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(b);
            if (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(sane) {
                return RequestId(given.clone());
            }
        }
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; 21];
        text[..13].copy_from_slice(&self.prefix);
        write_base32(&mut text[13..], n.into());
        // The alphabet is plain ASCII, which a header takes.
        RequestId(HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("req")))
    }
}

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("req")
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// A new name for a hold: `hld_` and 130 random bits, of which a clash is not to be expected while
/// the earth stands.
pub(crate) fn new_hold_id() -> Text<30> {
    let mut rng = rand::rng();
    let mut letters = [0; 26];
    write_base32(&mut letters[..13], rng.random());
    write_base32(&mut letters[13..], rng.random());
    let mut out = Text::new();
    out.push_str("hld_");
    for letter in letters {
        out.push(letter);
    }
    out
}

/// The low bits of `n`, five to a letter.
fn write_base32(out: &mut [u8], mut n: u128) {
    for byte in out.iter_mut().rev() {
        *byte = ALPHABET[(n & 31) as usize];
        n >>= 5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_request_ids_are_kept_and_others_replaced() {
        let ids = RequestIds::new();
        let given = HeaderValue::from_static("abc-123");
        assert_eq!(ids.of(Some(&given)).as_str(), "abc-123");
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\"b", "a\tb", &long] {
            let bad = HeaderValue::from_str(bad).unwrap();
            let id = ids.of(Some(&bad));
            assert!(
                id.as_str().starts_with("req_") && id.as_str().len() == 21,
                "{id:?}"
            );
        }
        assert_ne!(ids.of(None).as_str(), ids.of(None).as_str());
    }

    #[test]
    fn hold_ids_have_30_characters_and_differ() {
        let (a, b) = (new_hold_id(), new_hold_id());
        assert_eq!(a.as_str().len(), 30);
        assert_ne!(a.as_str(), b.as_str());
    }
}
