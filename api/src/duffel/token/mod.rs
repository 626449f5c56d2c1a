//! Ids that carry what they name, signed: `orq_…` an offer request, `off_…` an offer.
//!
//! An id is its prefix and base64url of `body ‖ tag`. The tag is HMAC-SHA256, cut to 16 bytes, over
//! what kind of id it is, the client that it was made for, and the body: an id that was changed, made
//! by another system or for another client is none. Bodies begin with their version. Ids stand in
//! orders for as long as the stream lives: every version that was ever written must decode.

mod bytes;
mod offer;
mod request;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::terms::OfferKey;

pub(crate) use offer::{Offer, Segment, Slice};
pub(crate) use request::{End, OfferRequest, SLICES_MAX, SliceAsked};

/// Bytes of a tag.
const TAG_BYTES: usize = 16;

/// The longest id that is looked at.
const TEXT_BYTES_MAX: usize = 4096;

/// What tells the ids of one search from those of others: random.
pub(crate) type Nonce = [u8; 16];

/// Signs ids and checks them.
#[derive(Clone)]
pub(crate) struct Signer(Hmac<Sha256>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(secret)")
    }
}

impl Signer {
    pub(crate) fn new(key: &OfferKey) -> Self {
        // HMAC takes keys of any length.
        let mac = Hmac::new_from_slice(key.bytes());
        Self(mac.unwrap_or_else(|_| unreachable!("HMAC takes any key")))
    }

    fn mac(&self, prefix: &str, client: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(prefix.as_bytes());
        mac.update(&(client.len() as u64).to_be_bytes());
        mac.update(client.as_bytes());
        mac.update(body);
        mac
    }

    fn seal(&self, prefix: &str, client: &str, mut body: Vec<u8>) -> String {
        let tag = self.mac(prefix, client, &body).finalize().into_bytes();
        body.extend_from_slice(&tag[..TAG_BYTES]);
        let mut out = String::with_capacity(prefix.len() + body.len().div_ceil(3) * 4);
        out.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(body, &mut out);
        out
    }

    fn open(&self, prefix: &str, client: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut body = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
        let tag = body.split_off(body.len().checked_sub(TAG_BYTES)?);
        let mac = self.mac(prefix, client, &body);
        mac.verify_truncated_left(&tag).ok()?;
        Some(body)
    }
}

/// The body of an id, whoever signed it.
fn unsigned(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let mut body = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
    body.truncate(body.len().checked_sub(TAG_BYTES)?);
    Some(body)
}

/// An id that follows from others: `parts` name a thing within a search.
pub(crate) fn derived_id(prefix: &str, nonce: &Nonce, parts: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(prefix.as_bytes());
    hasher.update(nonce);
    hasher.update(parts);
    let hash = hasher.finalize();
    let mut out = String::from(prefix);
    URL_SAFE_NO_PAD.encode_string(&hash.as_bytes()[..15], &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_opens() {
        let signer = Signer::new(&OfferKey::new([1; 32]));
        let id = signer.seal("off_", "client", vec![1, 2, 3]);
        assert_eq!(signer.open("off_", "client", &id), Some(vec![1, 2, 3]));
        for other in ["other", "clienu", ""] {
            assert_eq!(signer.open("off_", other, &id), None);
        }
        let as_request = id.replace("off_", "orq_");
        assert_eq!(signer.open("orq_", "client", &as_request), None);
        let foreign = Signer::new(&OfferKey::new([2; 32]));
        assert_eq!(foreign.open("off_", "client", &id), None);
        for at in 4..id.len() {
            let mut bytes = id.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(signer.open("off_", "client", &changed), None, "{at}");
            assert_eq!(signer.open("off_", "client", &id[..at]), None, "{at}");
        }
        for other in ["", "off_", "off_é", "off_AAAA", &format!("{id}=")] {
            assert_eq!(signer.open("off_", "client", other), None, "{other}");
        }
    }

    #[test]
    fn derived_ids_differ_by_every_part() {
        let a = derived_id("pas_", &[0; 16], &[0]);
        assert_ne!(a, derived_id("pas_", &[0; 16], &[1]));
        assert_ne!(a, derived_id("pas_", &[1; 16], &[0]));
        assert_eq!(a.len(), 24);
    }
}
