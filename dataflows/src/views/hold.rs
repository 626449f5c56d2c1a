//! Table `hold`: every hold of the flights that are not over, whatever became of it.

use flightline_ledger::FlightKey;
use flightline_ledger::view::HoldView;

use crate::rows::HoldRow;

/// The row of a hold as it stands.
pub(crate) fn row(partition: u32, flight: FlightKey, hold: &HoldView) -> HoldRow {
    HoldRow {
        partition,
        offset: hold.offset,
        id: hold.id,
        flight,
        provider: hold.provider,
        cabin: hold.cabin,
        class: hold.class,
        board: hold.board,
        off: hold.off,
        seats: hold.seats,
        status: hold.state,
        deadline_ms: hold.deadline_ms,
        price: hold.price,
        created_at_ms: hold.created_at_ms,
        changed_at_ms: hold.changed_at_ms,
        changed_offset: hold.changed_offset,
    }
}
