//! From a 32-bit hash to the dense index of what was hashed: open addressing, nothing is removed.
//!
//! Slots come in cache lines of seven, which fill up from the front: a look-up compares a byte of all
//! seven hashes at once, and knows by their number whether to go on. The place of a hash is its top
//! bits, and the slots hold the hash: growing never has to look at what is indexed.

/// Seven slots.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line {
    /// The lowest byte of every hash, and in the highest byte how many slots are filled.
    tags: u64,
    hashes: [u32; Line::SLOTS],
    values: [u32; Line::SLOTS],
}

impl Line {
    const SLOTS: usize = 7;
    /// One in every slot's byte.
    const ONES: u64 = 0x0001_0101_0101_0101;

    /// The highest bit of every slot's byte whose tag may be that of the hash: no slot is missed,
    /// and the others are few.
    #[inline(always)]
    const fn candidates(&self, hash: u32) -> u64 {
        let difference = self.tags ^ (Self::ONES * (hash as u8 as u64));
        difference.wrapping_sub(Self::ONES) & !difference & (Self::ONES << 7)
    }

    #[inline(always)]
    const fn filled(&self) -> usize {
        (self.tags >> 56) as usize
    }

    #[inline(always)]
    const fn is_full(&self) -> bool {
        self.filled() >= Self::SLOTS
    }
}

/// A table of `u32` values below [`Index::VALUE_MAX`].
#[derive(Clone, Default)]
pub(crate) struct Index {
    lines: Box<[Line]>,
    shift: u32,
    len: u32,
}

impl Index {
    /// Values are smaller than this.
    pub(crate) const VALUE_MAX: u32 = u32::MAX;
    const LINES_MIN: usize = 2;

    /// A table that takes so many values without growing.
    pub(crate) fn with_capacity(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        // As many lines as growing would have made; see `insert`.
        let lines = (len * 2 / 9 + 1).next_power_of_two().max(Self::LINES_MIN);
        Self {
            lines: vec![Line::default(); lines].into_boxed_slice(),
            shift: 32 - lines.trailing_zeros(),
            len: 0,
        }
    }

    /// The value with this hash for which `is` holds.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.lines.is_empty() {
            return None;
        }
        let mask = self.lines.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            let line = &self.lines[at & mask];
            let mut candidates = line.candidates(hash);
            while candidates != 0 {
                let slot = candidates.trailing_zeros() as usize / 8 % Line::SLOTS;
                if line.hashes[slot] == hash && slot < line.filled() && is(line.values[slot]) {
                    return Some(line.values[slot]);
                }
                candidates &= candidates - 1;
            }
            if !line.is_full() {
                return None;
            }
            at += 1;
        }
    }

    /// Adds a value; that it is not there yet is for the caller to know.
    #[inline(always)]
    pub(crate) fn insert(&mut self, hash: u32, value: u32) {
        assert!(value < Self::VALUE_MAX, "an index is full");
        // With 4.5 of 7 slots filled, 9 % of the lines spill into the next one.
        if self.len as usize * 2 >= self.lines.len() * 9 {
            self.grow();
        }
        self.len += 1;
        Self::place(&mut self.lines, self.shift, hash, value);
    }

    /// The line where the search for a hash begins, to be fetched ahead.
    #[inline(always)]
    pub(crate) fn address(&self, hash: u32) -> *const u8 {
        let at = (hash >> (self.shift & 31)) as usize;
        self.lines.as_ptr().wrapping_add(at).cast()
    }

    #[inline(always)]
    fn place(lines: &mut [Line], shift: u32, hash: u32, value: u32) {
        let mask = lines.len() - 1;
        let mut at = (hash >> shift) as usize;
        while lines[at & mask].is_full() {
            at += 1;
        }
        let line = &mut lines[at & mask];
        let slot = line.filled() % Line::SLOTS;
        line.tags |= u64::from(hash as u8) << (slot * 8);
        line.tags += 1 << 56;
        line.hashes[slot] = hash;
        line.values[slot] = value;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let len = (self.lines.len() * 2).max(Self::LINES_MIN);
        let shift = 32 - len.trailing_zeros();
        let mut lines = vec![Line::default(); len].into_boxed_slice();
        for line in &self.lines {
            let slots = line.hashes.iter().zip(&line.values);
            for (hash, value) in slots.take(line.filled()) {
                Self::place(&mut lines, shift, *hash, *value);
            }
        }
        self.lines = lines;
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
    fn a_table_of_the_right_size_is_the_one_that_grew() {
        for len in [1, 8, 9, 10, 36, 37, 100, 1000, 5000] {
            let hash = |i: u32| i.wrapping_mul(0x9e37_79b9);
            let mut ready = Index::with_capacity(len as usize);
            let before = ready.lines.len();
            let mut grown = Index::default();
            for i in 0..len {
                ready.insert(hash(i), i);
                grown.insert(hash(i), i);
            }
            assert_eq!(ready.lines.len(), before, "{len} values");
            assert!(grown.lines.len() <= before && before <= grown.lines.len() * 2);
            assert!((0..len).all(|i| ready.find(hash(i), |v| v == i) == Some(i)));
        }
        assert_eq!(Index::with_capacity(0).find(1, |_| true), None);
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
