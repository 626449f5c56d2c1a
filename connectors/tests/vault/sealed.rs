//! Round trips, and that nothing changed opens.

use flightline_connectors::vault::{Key, KeyId, Sealed, SealedError};
use proptest::prelude::*;

fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32])
}

proptest! {
    #[test]
    fn what_was_sealed_opens(data in prop::collection::vec(any::<u8>(), 0..300), context in prop::collection::vec(any::<u8>(), 0..40), id: u64) {
        let sealed = Sealed::seal(&data, &context, KeyId(id), &key(1)).unwrap();
        prop_assert_eq!(sealed.key_id(), KeyId(id));
        prop_assert_eq!(&*sealed.open(&context, &key(1)).unwrap(), &data);
        let text = Sealed::from_text(&sealed.to_text()).unwrap();
        prop_assert_eq!(&text, &sealed);
        prop_assert_eq!(Sealed::from_bytes(sealed.as_bytes()).unwrap(), sealed);
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
        if let Ok(sealed) = Sealed::from_bytes(bytes) {
            prop_assert!(sealed.open(b"", &key(1)).is_err());
        }
        let _ = Sealed::from_text(&text);
    }
}

#[test]
fn a_changed_byte_does_not_open() {
    let sealed = Sealed::seal(b"Amelia Earhart", b"ord_1", KeyId(7), &key(1)).unwrap();
    for at in 0..sealed.as_bytes().len() {
        for bit in 0..8 {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let opened = Sealed::from_bytes(bytes).and_then(|s| s.open(b"ord_1", &key(1)));
            assert!(opened.is_err(), "byte {at}, bit {bit}");
        }
    }
    for len in 0..sealed.as_bytes().len() {
        let cut = Sealed::from_bytes(&sealed.as_bytes()[..len]);
        assert!(
            matches!(cut, Err(SealedError::Length { .. })),
            "{len} bytes"
        );
    }
}

#[test]
fn another_order_or_key_does_not_open() {
    let sealed = Sealed::seal(b"x", b"ord_1", KeyId(7), &key(1)).unwrap();
    let failed = Err(SealedError::DoesNotOpen { key: KeyId(7) });
    assert_eq!(sealed.open(b"ord_2", &key(1)), failed);
    assert_eq!(sealed.open(b"", &key(1)), failed);
    assert_eq!(sealed.open(b"ord_1", &key(2)), failed);
}

#[test]
fn lengths_tell_little_and_nonces_differ() {
    let len = |n: usize| {
        let sealed = Sealed::seal(&vec![b'x'; n], b"", KeyId(1), &key(1)).unwrap();
        sealed.as_bytes().len()
    };
    assert_eq!(len(0), 33 + 64 + 16);
    assert_eq!(len(63), len(0));
    assert_eq!(len(64), len(0) + 64);
    let again = || Sealed::seal(b"x", b"", KeyId(1), &key(1)).unwrap();
    assert_ne!(again(), again());
}

#[test]
fn too_much_and_too_new_are_refused() {
    let long = vec![0; (256 << 10) + 1];
    let refused = Sealed::seal(&long, b"", KeyId(1), &key(1));
    assert_eq!(refused, Err(SealedError::TooLong { bytes: long.len() }));
    assert_eq!(Sealed::from_bytes([2; 113]), Err(SealedError::Version(2)));
    assert_eq!(Sealed::from_text("+/="), Err(SealedError::NotText));
}
