//! The stored form of the orders of a partition; see [`crate::store`].
//!
//! - `parts`: what an order is made of. `choices`: what each of these can be.

mod choices;
mod parts;

use super::ids::OrderId;
use super::observer::OrderIx;
use super::orders::Orders;
use super::reference::{BookingReference, References};
use super::state::{Order, Pending, Queued};
use crate::store::{BadState, Reader, STATE_FORMAT, Stored, Writer, stored};

stored!(Order {
    attempt,
    created_offset,
    created_ms,
    seated_ms,
    waited,
    hold_ttl_ms,
    details,
    segments,
    stage,
    charge,
    ticket,
    ticketed_ms,
    ending,
    ended_ms,
    place_by_ms,
    changes_pending,
    quote,
    quotes,
    pending,
    revision,
    milestones,
    retimed,
    told,
    memos,
    log,
} given {
    // These follow from the order's place.
    id: OrderId,
    at: OrderIx,
    booking: BookingReference,
    // One that is retired is not stored.
    retired: bool,
    // Derived from the rest.
    queued: Queued,
});

impl Orders {
    /// Appends the stored form of the state to `out`. Equal histories give equal bytes.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut writer = Writer(core::mem::take(out));
        self.put_pieces(&mut writer, |_| {});
        *out = writer.0;
    }

    /// Writes what is not about one order, and then order after order. `each` is called after each of
    /// these, and may take away what was written.
    pub(super) fn put_pieces(&self, out: &mut Writer, mut each: impl FnMut(&mut Writer)) {
        out.number(u64::from(STATE_FORMAT));
        self.clock_ms.put(out);
        self.settings.put(out);
        out.len(self.ids.len());
        each(out);
        for (id, order) in self.ids.iter().zip(&self.orders) {
            id.put(out);
            let order = order.as_deref().filter(|order| !order.retired);
            order.is_some().put(out);
            if let Some(order) = order {
                order.put(out);
            }
            each(out);
        }
    }

    /// Reads what [`Orders::save`] wrote, of the same partition and with the same references: a state
    /// that decides every further record alike.
    ///
    /// # Errors
    /// When the bytes are not a state of this version, with where. Bytes whose checksum was right
    /// are trusted to be as they were written.
    pub fn load(partition: u32, references: References, bytes: &[u8]) -> Result<Self, BadState> {
        let mut input = Reader::new(bytes);
        if input.number()? != u64::from(STATE_FORMAT) {
            return Err(input.bad("its version is not the one of this release"));
        }
        let mut orders = Self::new(partition, references);
        orders.clock_ms = Stored::get(&mut input)?;
        orders.settings = Stored::get(&mut input)?;
        let len = input.len()?;
        for at in 0..len as OrderIx {
            let id = Stored::get(&mut input)?;
            let order = if bool::get(&mut input)? {
                let booking = references.name(partition, u64::from(at));
                let order = Order::get(&mut input, id, at, booking, false, Queued::default())?;
                check(&order, &input)?;
                Some(Box::new(order))
            } else {
                None
            };
            orders.put_back(id, order);
        }
        input.end()?;
        Ok(orders)
    }
}

/// Every index leads somewhere: what follows them later does not look.
fn check(order: &Order, input: &Reader<'_>) -> Result<(), BadState> {
    let segments = order.segments.len();
    let is_segment = |pending: &Pending| usize::from(pending.segment) < segments;
    if segments > 0 && order.pending.iter().all(is_segment) {
        Ok(())
    } else {
        Err(input.bad("an order whose parts do not belong together"))
    }
}
