//! What changes in a partition's ledger while it folds: the list of what to look at when the epoch
//! closes.

use flightline_ledger::command::{Availability, ProviderBody, SourceVersion};
use flightline_ledger::{
    Command, Decision, Flight, FlightCommand, FlightIx, FlightKey, HoldIx, HoldState, Input,
    Observer, Outcome, Replay,
};

use crate::image::Image;
use crate::shown::Shown;

/// What changed in a partition's ledger in the open epoch.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) is_touched: bool,
    /// The epoch began before the partition's first record: all its holds are new, and none needs
    /// to be remembered to have changed. So a history of any length is folded without a list of it.
    pub(crate) is_whole: bool,
    pub(crate) next_offset: u64,
    /// Offset of the first record of the partition in the epoch.
    pub(crate) since: u64,
    /// Flights that may have changed.
    pub(crate) dirty: Vec<FlightIx>,
    /// By flight, what is known of it.
    pub(crate) marks: Vec<Mark>,
    /// Every change of a hold.
    pub(crate) holds: Vec<HoldChange>,
    /// The flight that was last told to have changed.
    last_changed: FlightIx,
    pub(crate) retired: Vec<(FlightIx, FlightKey)>,
    /// Flights that were packed in the open epoch.
    pub(crate) packed: Vec<FlightIx>,
    /// Offset and version of the counts that providers reported.
    pub(crate) reports: Vec<(u64, SourceVersion)>,
    /// Rejects in the run at hand: place in it, and the clock.
    pub(crate) rejects: Vec<(usize, i64)>,
    /// There was a command about orders in the run at hand.
    pub(crate) about_orders: bool,
}

/// What is known of a flight that may have changed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    pub(crate) extent: Extent,
    /// Its last hold that changed, as index + 1 in the list of changes; 0 = none.
    pub(crate) last_hold: u32,
}

/// How much of a flight may have changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    #[default]
    Nothing,
    /// Counts of seats, and what follows from them.
    Seats,
    /// Anything: a provider spoke.
    Anything,
}

/// One change of a hold.
#[derive(Clone, Copy)]
pub(crate) struct HoldChange {
    pub(crate) hold: HoldIx,
    /// Its state before; absent = it was made.
    pub(crate) before: Option<HoldState>,
    /// The change before this one of a hold of the same flight, like [`Mark::last_hold`].
    pub(crate) previous: u32,
}

impl Watch {
    /// The partition's first record in an epoch is about to be folded.
    pub(crate) fn begin(&mut self) {
        self.is_touched = true;
        self.is_whole = self.next_offset == 0;
        self.since = self.next_offset;
    }

    /// The partition was folded up to `next_offset` before. To the rows all of it happens in the first
    /// epoch: `flights` are new, with the counts that were reported.
    pub(crate) fn resume(
        &mut self,
        next_offset: u64,
        flights: impl Iterator<Item = FlightIx>,
        reports: Vec<(u64, SourceVersion)>,
    ) {
        self.begin();
        self.next_offset = next_offset;
        self.reports = reports;
        for flight in flights {
            self.mark(flight).extent = Extent::Anything;
        }
    }

    /// Puts a flight on the dirty list.
    #[inline]
    fn mark(&mut self, flight: FlightIx) -> &mut Mark {
        let at = flight as usize;
        if at >= self.marks.len() {
            self.marks.resize(at + 1, Mark::default());
        }
        let mark = &mut self.marks[at];
        if mark.extent == Extent::Nothing {
            mark.extent = Extent::Seats;
            self.dirty.push(flight);
        }
        mark
    }

    /// The changes of a flight's holds, newest first.
    pub(crate) fn holds_of(&self, mark: Mark) -> impl Iterator<Item = HoldChange> + '_ {
        let at = |link: u32| self.holds.get((link as usize).wrapping_sub(1)).copied();
        std::iter::successors(at(mark.last_hold), move |change| at(change.previous))
    }

    /// Everything on the list has been looked at. `dirty` is its memory.
    pub(crate) fn end(&mut self, mut dirty: Vec<FlightIx>) {
        dirty.clear();
        self.dirty = dirty;
        self.is_touched = false;
        self.holds.clear();
        self.reports.clear();
    }
}

/// Hears one run of records folded.
pub(crate) struct Listener<'a> {
    pub(crate) partition: u32,
    /// Offset of the first record of the run.
    pub(crate) first: u64,
    pub(crate) watch: &'a mut Watch,
    pub(crate) shown: &'a mut Vec<Option<Box<Shown>>>,
    pub(crate) decisions: &'a mut Vec<Decision>,
}

impl Observer for Listener<'_> {
    #[inline]
    fn decided(&mut self, input: &Input, decision: &Decision) {
        let watch = &mut *self.watch;
        assert_eq!(
            input.offset, watch.next_offset,
            "partition {}: record {} came where record {} was due: the stream has a hole or a double",
            self.partition, input.offset, watch.next_offset
        );
        watch.next_offset += 1;
        match &input.command {
            Command::Flight(_, FlightCommand::Provider(event)) => {
                if let (Outcome::Accepted { .. }, Replay::First) =
                    (decision.outcome, decision.replay)
                {
                    if let ProviderBody::Availability(Availability { seats: Some(_), .. }) =
                        event.body
                    {
                        watch.reports.push((input.offset, event.version));
                    }
                    // What the command itself changed was told last.
                    watch.mark(watch.last_changed).extent = Extent::Anything;
                }
            }
            Command::Order(..) | Command::ConfigureOrders(_) => watch.about_orders = true,
            Command::FeedReject(_) => {
                let at = (input.offset - self.first) as usize;
                watch.rejects.push((at, decision.at_ms));
            }
            _ => {}
        }
        self.decisions.push(*decision);
    }

    #[inline]
    fn flight_changed(&mut self, flight: FlightIx) {
        self.watch.mark(flight);
        self.watch.last_changed = flight;
    }

    fn sale_changed(&mut self, flight: FlightIx) {
        self.watch.mark(flight).extent = Extent::Anything;
    }

    #[inline]
    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        let watch = &mut *self.watch;
        // The flight is told to have changed too.
        if watch.is_whole {
            return;
        }
        let last = watch.holds.len() as u32 + 1;
        let previous = std::mem::replace(&mut watch.mark(flight).last_hold, last);
        watch.holds.push(HoldChange {
            hold,
            before,
            previous,
        });
    }

    fn flight_unpacked(&mut self, flight: FlightIx, as_it_was: &Flight) {
        // Without an image though nothing of it changed since the last epoch: its rows are those that follow
        // from its state.
        let at = flight as usize;
        let mark = self.watch.marks.get(at);
        if mark.is_some_and(|mark| mark.extent == Extent::Nothing)
            && let Some(shown @ None) = self.shown.get_mut(at)
        {
            let mut image = Image::default();
            image.read(as_it_was, &Image::default(), |_| None);
            let new = shown.insert(Box::default());
            new.image = image;
        }
    }

    fn flight_packed(&mut self, flight: FlightIx) {
        self.watch.packed.push(flight);
    }

    fn flight_retired(&mut self, flight: FlightIx, key: FlightKey) {
        self.watch.retired.push((flight, key));
    }
}
