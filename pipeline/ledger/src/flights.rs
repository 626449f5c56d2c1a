//! All flights of a partition, side by side in memory.

use crate::flight::Flight;
use crate::observer::FlightIx;

/// Flights by index. They lie in blocks that never move: neighbours share pages, and a block goes
/// back to the system when the last of its flights is over.
#[derive(Default)]
pub(crate) struct Flights {
    blocks: Vec<Vec<Option<Flight>>>,
    len: FlightIx,
}

impl Clone for Flights {
    /// A copied vector has no room to spare, but a block must not move when it is filled up.
    fn clone(&self) -> Self {
        let copy = |block: &Vec<Option<Flight>>| {
            let mut copy = Self::block(block.is_empty());
            copy.extend(block.iter().cloned());
            copy
        };
        Self {
            blocks: self.blocks.iter().map(copy).collect(),
            len: self.len,
        }
    }
}

impl Flights {
    const BLOCK: usize = 64;

    fn block(is_over: bool) -> Vec<Option<Flight>> {
        Vec::with_capacity(if is_over { 0 } else { Self::BLOCK })
    }

    /// How many there ever were.
    pub(crate) fn len(&self) -> FlightIx {
        self.len
    }

    /// Adds a flight behind all others.
    pub(crate) fn push(&mut self, flight: Flight) -> FlightIx {
        let at = self.len;
        assert!(at < FlightIx::MAX, "a partition has 2^32 flights");
        if (at as usize).is_multiple_of(Self::BLOCK) {
            self.blocks.push(Self::block(false));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(Some(flight));
        }
        self.len += 1;
        at
    }

    /// Leaves the place of a flight that was removed.
    pub(crate) fn push_removed(&mut self) {
        if (self.len as usize).is_multiple_of(Self::BLOCK) {
            self.blocks.push(Self::block(false));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(None);
        }
        self.len += 1;
        self.remove(self.len - 1);
    }

    /// A flight that was not removed.
    #[inline(always)]
    pub(crate) fn get(&self, at: FlightIx) -> Option<&Flight> {
        let block = self.blocks.get(at as usize / Self::BLOCK)?;
        block.get(at as usize % Self::BLOCK)?.as_ref()
    }

    /// A flight that was not removed.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, at: FlightIx) -> Option<&mut Flight> {
        let block = self.blocks.get_mut(at as usize / Self::BLOCK)?;
        block.get_mut(at as usize % Self::BLOCK)?.as_mut()
    }

    /// Where a flight lies, or would, without a look at it.
    #[inline(always)]
    pub(crate) fn address(&self, at: FlightIx) -> Option<*const Option<Flight>> {
        let block = self.blocks.get(at as usize / Self::BLOCK)?;
        Some(block.as_ptr().wrapping_add(at as usize % Self::BLOCK))
    }

    /// Removes a flight.
    pub(crate) fn remove(&mut self, at: FlightIx) {
        let Some(block) = self.blocks.get_mut(at as usize / Self::BLOCK) else {
            return;
        };
        if let Some(flight) = block.get_mut(at as usize % Self::BLOCK) {
            *flight = None;
        }
        if block.len() == Self::BLOCK && block.iter().all(Option::is_none) {
            *block = Vec::new();
        }
    }

    /// Those that were not removed, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FlightIx, &Flight)> {
        let blocks = self.blocks.iter().enumerate();
        blocks.flat_map(|(block_at, block)| {
            let flights = block.iter().enumerate();
            flights.filter_map(move |(at, flight)| {
                let at = block_at * Self::BLOCK + at;
                Some((at as FlightIx, flight.as_ref()?))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flights_are_found_until_removed_and_blocks_go_when_empty() {
        let mut flights = Flights::default();
        let key = |number| format!("UA{number}.2033-05-18.AAA").parse().unwrap();
        for number in 0..150 {
            assert_eq!(flights.push(Flight::new(key(number + 1))), number);
        }
        for number in 0..150 {
            assert_eq!(flights.get(number).unwrap().key, key(number + 1));
        }
        let start = flights.address(130);
        let copy = flights.clone();
        for number in (0..140).filter(|number| number % 2 == 0 || *number < 64) {
            flights.remove(number);
        }
        assert_eq!(flights.blocks[0].capacity(), 0);
        assert_eq!(flights.address(130), start);
        assert!(flights.get(64).is_none() && flights.get(65).is_some());
        assert!(flights.get(150).is_none() && flights.get(u32::MAX).is_none());
        let left: Vec<_> = flights
            .iter()
            .map(|(at, flight)| (at, flight.key))
            .collect();
        assert_eq!(left.len(), 38 + 10);
        assert!(left.iter().all(|(at, found)| *found == key(at + 1)));
        assert_eq!(copy.iter().count(), 150);
        let mut copy = flights.clone();
        assert_eq!(copy.push(Flight::new(key(151))), 150);
        assert_eq!(copy.blocks[2].capacity(), Flights::BLOCK);
    }
}
