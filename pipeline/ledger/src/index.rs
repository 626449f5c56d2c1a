//! From a 32-bit hash to the dense index of what was hashed: open addressing, nothing is removed.
//!
//! A slot is 8 bytes, hash above and value below, so that a look-up touches one cache line and
//! growing never has to look at what is indexed. The place of a hash is its top bits: a larger
//! table keeps the order of a smaller one, and growing streams through both.

/// A table of `u32` values below [`Index::VALUE_MAX`].
#[derive(Clone, Default)]
pub(crate) struct Index {
    slots: Box<[u64]>,
    shift: u32,
    len: u32,
}

impl Index {
    /// Values are smaller than this: 0 below marks an empty slot.
    pub(crate) const VALUE_MAX: u32 = u32::MAX;
    const SLOTS_MIN: usize = 16;

    /// The value with this hash for which `is` holds.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            let slot = self.slots[at & mask];
            if slot == 0 {
                return None;
            }
            if (slot >> 32) as u32 == hash {
                let value = (slot as u32) - 1;
                if is(value) {
                    return Some(value);
                }
            }
            at += 1;
        }
    }

    /// Adds a value; that it is not there yet is for the caller to know.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32, value: u32) {
        assert!(value < Self::VALUE_MAX, "an index is full");
        // At most 5/8 full: a look-up of something new reads 4 slots on average at worst.
        if self.len as usize * 8 >= self.slots.len() * 5 {
            self.grow();
        }
        self.len += 1;
        Self::place(&mut self.slots, self.shift, Self::slot(hash, value));
    }

    /// The slot where the search for a hash begins, to be fetched ahead.
    #[inline(always)]
    pub(crate) fn slot_of(&self, hash: u32) -> Option<&u64> {
        self.slots.get((hash >> (self.shift & 31)) as usize)
    }

    const fn slot(hash: u32, value: u32) -> u64 {
        (hash as u64) << 32 | (value as u64 + 1)
    }

    #[inline(always)]
    fn place(slots: &mut [u64], shift: u32, slot: u64) {
        let mask = slots.len() - 1;
        let mut at = (slot >> 32 >> shift) as usize;
        while slots[at & mask] != 0 {
            at += 1;
        }
        slots[at & mask] = slot;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(Self::SLOTS_MIN);
        let shift = 32 - len.trailing_zeros();
        let mut slots = vec![0_u64; len].into_boxed_slice();
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            Self::place(&mut slots, shift, *slot);
        }
        self.slots = slots;
        self.shift = shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in_and_nothing_else() {
        let mut index = Index::default();
        assert_eq!(index.find(7, |_| true), None);
        let hash = |i: u32| i.wrapping_mul(0x9e37_79b9);
        for i in 0..10_000 {
            index.insert(hash(i), i);
        }
        for i in 0..10_000 {
            assert_eq!(index.find(hash(i), |v| v == i), Some(i));
            assert_eq!(index.find(hash(i), |v| v != i), None);
        }
        assert_eq!(index.find(hash(10_001), |_| true), None);
    }

    #[test]
    fn equal_hashes_and_the_end_of_the_table_are_no_obstacle() {
        let mut index = Index::default();
        for i in 0..200 {
            index.insert(u32::MAX, i);
        }
        for i in 0..200 {
            assert_eq!(index.find(u32::MAX, |v| v == i), Some(i));
        }
        assert_eq!(index.find(u32::MAX - 1, |_| true), None);
    }
}
