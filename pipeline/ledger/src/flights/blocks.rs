//! Where flights lie while they are worked on.

use super::Place;
use crate::flight::Flight;

/// Unpacked flights. They lie in blocks that never move: neighbours share pages, and a block goes
/// back to the system when the last of its flights has gone.
#[derive(Clone, Default)]
pub(super) struct Blocks {
    pub(super) blocks: Vec<Block>,
    /// Every place with nothing in it is here; so may others be, which were given away since.
    free: Vec<u32>,
    /// Blocks that went back.
    pub(super) returned: Vec<usize>,
}

#[derive(Clone, Default)]
pub(super) struct Block {
    pub(super) flights: Vec<Option<Flight>>,
    /// How many there are.
    len: usize,
}

impl Block {
    const LEN: usize = 64;
}

impl Blocks {
    #[inline(always)]
    pub(super) fn get(&self, place: usize) -> Option<&Flight> {
        let block = self.blocks.get(place / Block::LEN)?;
        block.flights.get(place % Block::LEN)?.as_ref()
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Flight> {
        let block = self.blocks.get_mut(place / Block::LEN)?;
        block.flights.get_mut(place % Block::LEN)?.as_mut()
    }

    #[inline(always)]
    pub(super) fn address(&self, place: usize) -> Option<*const Option<Flight>> {
        let block = self.blocks.get(place / Block::LEN)?;
        let start = block.flights.as_ptr();
        Some(start.wrapping_add(place % Block::LEN))
    }

    pub(super) fn put(&mut self, flight: Flight) -> Place {
        loop {
            let Some(free) = self.free.pop() else {
                self.add_block();
                continue;
            };
            let block = &mut self.blocks[free as usize / Block::LEN];
            let place = block.flights.get_mut(free as usize % Block::LEN);
            if let Some(place @ None) = place {
                *place = Some(flight);
                block.len += 1;
                return Place::unpacked(free as usize);
            }
        }
    }

    fn add_block(&mut self) {
        let at = self.returned.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() - 1
        });
        self.blocks[at].flights.resize_with(Block::LEN, || None);
        let first = at * Block::LEN;
        let _ = Place::unpacked(first + Block::LEN);
        self.free
            .extend((first..first + Block::LEN).rev().map(|place| place as u32));
    }

    pub(super) fn take(&mut self, place: usize) -> Option<Flight> {
        let block = self.blocks.get_mut(place / Block::LEN)?;
        let flight = block.flights.get_mut(place % Block::LEN)?.take()?;
        block.len -= 1;
        if block.len == 0 {
            block.flights = Vec::new();
            self.returned.push(place / Block::LEN);
        } else {
            self.free.push(place as u32);
        }
        Some(flight)
    }
}
