//! What the fold of orders tells the outside while it runs.

use super::effect::Effect;
use super::ids::OrderId;
use super::outcome::OrderDecision;

/// Index of an order in its [`Orders`](super::Orders): dense, counted from 0 in the order in which
/// orders were first created, and never given to another order. It is also the number that the
/// booking reference is made of.
pub type OrderIx = u32;

/// Hears what one call of [`Orders::apply`](super::Orders::apply) decides, changes and asks for,
/// while it happens. Read the state when the call has returned; an order that was retired in the call
/// can still be read then, until the next call.
///
/// Within one record the order is: orders whose time had come, then what the command changed and
/// asked for, then [`OrderObserver::decided`].
pub trait OrderObserver {
    /// A record was decided. Called once for every record, after its changes.
    fn decided(&mut self, decision: &OrderDecision) {
        let _ = decision;
    }

    /// An effect is due: claim it, run it, and report with
    /// [`OrderAction::EffectDone`](super::OrderAction::EffectDone). It is due again after a while
    /// when nobody claims or reports it. Whoever did not listen finds it in
    /// [`Orders::outstanding`](super::Orders::outstanding).
    fn effect_due(&mut self, effect: &Effect) {
        let _ = effect;
    }

    /// What can be read of the order may differ now. Called at least once per record and order that
    /// changed.
    fn order_changed(&mut self, order: OrderIx) {
        let _ = order;
    }

    /// The order is over. Only its id and booking reference are remembered when the next call begins.
    fn order_retired(&mut self, order: OrderIx, id: OrderId) {
        let _ = (order, id);
    }
}

impl OrderObserver for crate::observer::Silent {}

impl<O: OrderObserver + ?Sized> OrderObserver for &mut O {
    fn decided(&mut self, decision: &OrderDecision) {
        (**self).decided(decision);
    }
    fn effect_due(&mut self, effect: &Effect) {
        (**self).effect_due(effect);
    }
    fn order_changed(&mut self, order: OrderIx) {
        (**self).order_changed(order);
    }
    fn order_retired(&mut self, order: OrderIx, id: OrderId) {
        (**self).order_retired(order, id);
    }
}
