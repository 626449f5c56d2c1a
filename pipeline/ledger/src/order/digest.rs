//! One number for the whole state, to compare folds with each other.

use super::orders::Orders;
use super::print::Print;
use crate::store::Writer;

const KEY: [u64; 2] = [
    u64::from_le_bytes(*b"flightli"),
    u64::from_le_bytes(*b"ne-state"),
];

impl Orders {
    /// Digest of everything that later decisions can depend on, and of everything that can be read:
    /// of the stored form, which has it all. Equal histories give equal digests, on any machine.
    pub fn hash_state(&self) -> u128 {
        let mut print = Print::new(KEY);
        self.put_pieces(&mut Writer::default(), |piece| {
            print.add_bytes(&piece.0);
            piece.0.clear();
        });
        print.get()
    }
}
