//! SipHash-2-4 with 128 bits of output, over 64-bit words: the one mixing function of orders.
//!
//! Ids derived with it are named in other streams and at payment services, and live as long as they
//! do. So it is a published function with published vectors and not one of our own: whoever has to
//! find out in ten years where an id came from can.

/// A running print of a sequence of numbers and texts. Never changes.
#[derive(Clone, Copy)]
pub(crate) struct Print {
    v: [u64; 4],
    words: u64,
}

impl Print {
    /// Starts one. `key` separates uses that must never meet; a purpose takes its own.
    pub(crate) const fn new(key: [u64; 2]) -> Self {
        Self {
            v: [
                key[0] ^ 0x736f_6d65_7073_6575,
                key[1] ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                key[0] ^ 0x6c79_6765_6e65_7261,
                key[1] ^ 0x7465_6462_7974_6573,
            ],
            words: 0,
        }
    }

    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.v = [a, b, c, d];
    }

    const fn block(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.round();
        self.v[0] ^= word;
    }

    /// Takes in a number. Order matters.
    pub(crate) const fn add(&mut self, word: u64) {
        self.words = self.words.wrapping_add(1);
        self.block(word);
    }

    /// Takes in a signed number.
    pub(crate) const fn add_signed(&mut self, value: i64) {
        self.add(value as u64);
    }

    /// Takes in 128 bits, the low half first.
    pub(crate) const fn add_wide(&mut self, value: u128) {
        self.add(value as u64);
        self.add((value >> 64) as u64);
    }

    /// Takes in bytes with their number, so that where one text ends is part of it.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    /// The print of all that was taken in.
    pub(crate) const fn get(mut self) -> u128 {
        // The last block carries the length in bytes, of which there are always eight to a word.
        self.block(self.words.wrapping_mul(8) << 56);
        self.v[2] ^= 0xee;
        let low = self.end();
        self.v[1] ^= 0xdd;
        (self.end() as u128) << 64 | low as u128
    }

    const fn end(&mut self) -> u64 {
        let mut round = 0;
        while round < 4 {
            self.round();
            round += 1;
        }
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the bytes 0, 1, 2, ... with the key 00 01 .. 0f, as `openssl mac ... SIPHASH` prints them.
    #[test]
    fn agrees_with_published_vectors() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        for (words, expected) in [
            (0, "a3817f04ba25a8e66df67214c7550293"),
            (1, "3b62a9ba6258f5610f83e264f31497b4"),
            (2, "6ee2a4ca67b054bbfd3315bf85230577"),
            (5, "df6a301e95c95dad97ae0cc8c6913bd8"),
        ] {
            let mut print = Print::new(key);
            for word in 0..words {
                let byte = |i: u64| word * 8 + i;
                let bytes: [u8; 8] = std::array::from_fn(|i| byte(i as u64) as u8);
                print.add(u64::from_le_bytes(bytes));
            }
            let text: String = print
                .get()
                .to_le_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(text, expected, "{words} words");
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let of = |texts: &[&str]| {
            let mut print = Print::new([1, 2]);
            texts
                .iter()
                .for_each(|text| print.add_bytes(text.as_bytes()));
            print.get()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["", "a"]), of(&["a", ""]));
        assert_ne!(of(&["a"]), of(&["a\0"]));
    }
}
