//! Print of what a client's command asks for: a retry with the same id must ask for the same.

use super::command::{CreateOrder, Metadata, OrderAction, RefundTerms, SegmentRequest, Terms};
use super::outcome::OrderKind;
use super::print::Print;
use crate::codes::{Money, Station};

const KEY: [u64; 2] = [
    u64::from_le_bytes(*b"flightli"),
    u64::from_le_bytes(*b"ne-print"),
];

impl OrderAction {
    /// What kind of command it is.
    pub const fn kind(&self) -> OrderKind {
        match self {
            OrderAction::Create(_) => OrderKind::Create,
            OrderAction::Pay(_) => OrderKind::Pay,
            OrderAction::QuoteCancel => OrderKind::QuoteCancel,
            OrderAction::ConfirmCancel { .. } => OrderKind::ConfirmCancel,
            OrderAction::SetMetadata(_) => OrderKind::SetMetadata,
            OrderAction::AcceptChanges => OrderKind::AcceptChanges,
            OrderAction::EffectDone { .. } => OrderKind::EffectDone,
            OrderAction::Claim { .. } => OrderKind::Claim,
            OrderAction::FlightChanged(_) => OrderKind::FlightChanged,
        }
    }
}

impl OrderKind {
    /// Is it asked by clients, and so remembered by its command id?
    pub const fn is_client(self) -> bool {
        matches!(
            self,
            OrderKind::Create
                | OrderKind::Pay
                | OrderKind::QuoteCancel
                | OrderKind::ConfirmCancel
                | OrderKind::SetMetadata
                | OrderKind::AcceptChanges
        )
    }
}

/// The print of a client's command.
///
/// # Panics
/// For the commands of replicas, which are not remembered.
pub(super) fn print(action: &OrderAction) -> u128 {
    let mut print = Print::new(KEY);
    print.add(action.kind() as u64);
    match action {
        OrderAction::Create(details) => {
            create(&mut print, details);
            print.add(details.slices.len() as u64);
            for slice in &details.slices {
                print.add(slice.len() as u64);
                slice.iter().for_each(|s| segment(&mut print, s));
            }
        }
        OrderAction::Pay(payment) => {
            money(&mut print, payment.amount);
            print.add_bytes(payment.method.as_bytes());
        }
        OrderAction::QuoteCancel | OrderAction::AcceptChanges => {}
        OrderAction::ConfirmCancel { quote } => print.add_wide(quote.0),
        OrderAction::SetMetadata(pairs) => metadata(&mut print, pairs),
        OrderAction::EffectDone { .. }
        | OrderAction::Claim { .. }
        | OrderAction::FlightChanged(_) => panic!("{} is not remembered", action.kind().name()),
    }
    print.get()
}

/// All but the slices.
fn create(print: &mut Print, details: &CreateOrder) {
    print.add_wide(details.offer_request.0);
    for text in [&details.offer, &details.client, &details.sealed] {
        print.add_bytes(text.as_bytes());
    }
    let waits = details.wait_ms.map_or(0, |_| 2);
    match &details.terms {
        Terms::Instant { method } => {
            print.add(1 + waits);
            print.add_bytes(method.as_bytes());
        }
        Terms::Hold { pay_by_ms } => {
            print.add(2 + waits);
            print.add(*pay_by_ms);
        }
    }
    if let Some(wait_ms) = details.wait_ms {
        print.add(wait_ms);
    }
    print.add(u64::from(details.passengers));
    money(print, details.total);
    let (kind, minor) = match details.refund {
        RefundTerms::Full => (1, 0),
        RefundTerms::Penalty(minor) => (2, minor),
        RefundTerms::Nothing => (3, 0),
    };
    print.add(kind);
    print.add_signed(minor);
    metadata(print, &details.metadata);
}

fn metadata(print: &mut Print, pairs: &Metadata) {
    print.add(pairs.len() as u64);
    for (key, value) in pairs {
        print.add_bytes(key.as_bytes());
        print.add_bytes(value.as_bytes());
    }
}

fn segment(print: &mut Print, segment: &SegmentRequest) {
    print.add_bytes(&segment.flight.to_bytes());
    print.add_bytes(&segment.provider.map_or([0; 16], |code| code.bytes()));
    print.add(u64::from(segment.cabin.letter()));
    print.add(u64::from(segment.class.map_or(0, |class| class.letter())));
    print.add(station(segment.board) << 32 | station(segment.off));
    print.add(u64::from(segment.seats));
    money(print, segment.price);
    print.add_signed(segment.departs_ms);
}

fn station(station: Option<Station>) -> u64 {
    let [a, b, c] = station.map_or([0; 3], |station| station.bytes());
    u64::from(u32::from_le_bytes([a, b, c, 0]))
}

fn money(print: &mut Print, money: Money) {
    let [a, b, c] = money.currency.bytes();
    print.add_signed(money.minor);
    print.add(u64::from(u32::from_le_bytes([a, b, c, money.exponent])));
}
