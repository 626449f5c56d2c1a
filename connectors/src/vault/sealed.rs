//! Sealed data: XChaCha20-Poly1305 under a key of its own, as bytes for a record and as text.
//!
//! Version 1, every number big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 8 | number of the key |
//! | 24 | nonce, random |
//! | 64·n + 16 | ciphertext of the padded data, with its tag |
//!
//! The data is padded with 0x80 and zeros to the next multiple of 64 bytes, so that the length
//! tells little of a name. Version, key number and the caller's context are authenticated too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::key::{Key, KeyId};

const VERSION: u8 = 1;
const NONCE_AT: usize = 9;
const CIPHERTEXT_AT: usize = NONCE_AT + 24;
const TAG_BYTES: usize = 16;
/// Data is padded to multiples of this.
const UNIT_BYTES: usize = 64;
/// The longest data that is sealed: far above any order, and far below what a record takes.
const DATA_BYTES_MAX: usize = 256 << 10;
const PAD: u8 = 0x80;

/// Why data cannot be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// Too long to be sealed.
    #[error("{bytes} bytes are too many to seal: {DATA_BYTES_MAX} at most")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// No random number for the nonce.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The text is not base64url.
    #[error("this is no sealed data: it must be base64url without padding")]
    NotText,
    /// Written by a newer release, or something else altogether.
    #[error("sealed data of version {0} is unknown here: read it with the release that wrote it")]
    Version(u8),
    /// Too short, or of a length that no sealed data has.
    #[error("this is no sealed data: {bytes} bytes are not a length that it can have")]
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// Changed, sealed for something else, or with another key.
    #[error(
        "the data sealed with key {key} does not open: it was changed, belongs to another order, or \
         the key store is not the one it was sealed with"
    )]
    DoesNotOpen {
        /// The key that it names.
        key: KeyId,
    },
}

/// Sealed data. The form was checked; that it opens was not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Seals data. It opens only with the same context, such as the bytes of the order's id: sealed
    /// data that is moved to another order does not open there.
    ///
    /// # Errors
    /// More than 256 KiB, or no random numbers.
    pub fn seal(data: &[u8], context: &[u8], id: KeyId, key: &Key) -> Result<Self, SealedError> {
        let mut nonce = [0; 24];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(|error| SealedError::Random(error.to_string()))?;
        seal_with(nonce, data, context, id, key)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`SealedError::DoesNotOpen`]: nothing in it can be trusted.
    pub fn open(&self, context: &[u8], key: &Key) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let failed = || SealedError::DoesNotOpen { key: self.key_id() };
        let nonce = XNonce::try_from(&self.0[NONCE_AT..CIPHERTEXT_AT]).map_err(|_| failed())?;
        let payload = Payload {
            msg: &self.0[CIPHERTEXT_AT..],
            aad: &[&self.0[..NONCE_AT], context].concat(),
        };
        let data = cipher(key).decrypt(&nonce, payload).map_err(|_| failed())?;
        let mut data = Zeroizing::new(data);
        let end = data.iter().rposition(|byte| *byte != 0);
        let end = end.filter(|at| data[*at] == PAD).ok_or_else(failed)?;
        data.truncate(end);
        Ok(data)
    }

    /// The number of the key that it was sealed with.
    pub fn key_id(&self) -> KeyId {
        let number = self.0[1..NONCE_AT].iter();
        KeyId(number.fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }

    /// As bytes, for a record.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From bytes; checks their form.
    ///
    /// # Errors
    /// Another version, or a length that sealed data cannot have.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, SealedError> {
        let bytes = bytes.into();
        match bytes.first() {
            None | Some(&VERSION) => {}
            Some(&version) => return Err(SealedError::Version(version)),
        }
        let padded = bytes.len().checked_sub(CIPHERTEXT_AT + TAG_BYTES);
        match padded {
            Some(padded) if padded > 0 && padded % UNIT_BYTES == 0 => Ok(Self(bytes)),
            _ => Err(SealedError::Length { bytes: bytes.len() }),
        }
    }

    /// As text: base64url without padding.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// From text.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], or no base64url.
    pub fn from_text(text: &str) -> Result<Self, SealedError> {
        let bytes = URL_SAFE_NO_PAD.decode(text);
        Self::from_bytes(bytes.map_err(|_| SealedError::NotText)?)
    }
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.as_bytes().into())
}

fn seal_with(
    nonce: [u8; 24],
    data: &[u8],
    context: &[u8],
    id: KeyId,
    key: &Key,
) -> Result<Sealed, SealedError> {
    if data.len() > DATA_BYTES_MAX {
        return Err(SealedError::TooLong { bytes: data.len() });
    }
    let padded_len = (data.len() + 1).next_multiple_of(UNIT_BYTES);
    // Of its final size from the start: growing would leave copies of the data behind.
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_len));
    padded.extend_from_slice(data);
    padded.push(PAD);
    padded.resize(padded_len, 0);
    let mut bytes = Vec::with_capacity(CIPHERTEXT_AT + padded_len + TAG_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&id.0.to_be_bytes());
    let payload = Payload {
        msg: &padded,
        aad: &[bytes.as_slice(), context].concat(),
    };
    let ciphertext = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| SealedError::TooLong { bytes: data.len() })?;
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&ciphertext);
    Ok(Sealed(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of version 1, which must open for ever.
    const GOLDEN: &str = "AQECAwQFBgcIQEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXrxtiGaaFF0nhlerbjaZH0__fwa1yey4aajH9RQkEI5AW-QJuVZKEEP-y9EwK2trxm2t96G-FtJy2_Aj0E7JMVGsiAfoQqIN3JTR4Py62lKo";

    #[test]
    fn version_1_stays_readable() {
        let key = Key::from_bytes(&std::array::from_fn(|i| i as u8));
        let id = KeyId(0x0102_0304_0506_0708);
        let nonce = std::array::from_fn(|i| 0x40 + i as u8);
        let data = "{\"given_name\":\"Amelia\"}".as_bytes();
        let sealed = seal_with(nonce, data, b"ord_1", id, &key).unwrap();
        assert_eq!(sealed.to_text(), GOLDEN);
        let golden = Sealed::from_text(GOLDEN).unwrap();
        assert_eq!(golden.key_id(), id);
        assert_eq!(*golden.open(b"ord_1", &key).unwrap(), data);
    }
}
