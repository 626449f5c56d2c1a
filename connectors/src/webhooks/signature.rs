//! What proves to the client who sent a delivery.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Name of the header.
pub const HEADER: &str = "x-duffel-signature";

/// The header's value: `t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 under the secret's text over
/// `SECONDS.BODY`.
pub fn sign(secret: &str, now_s: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{now_s}.").as_bytes());
    mac.update(body);
    let mut text = format!("t={now_s},v1=");
    for byte in mac.finalize().into_bytes() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_that_of_other_programs() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
        let value = sign("whsec_test", 1_700_000_000, b"{\"a\":1}");
        assert_eq!(
            value,
            "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"
        );
    }
}
