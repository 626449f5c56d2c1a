//! Ways to be wrong.

/// A way in which [`Model`](super::Model) is made wrong, to prove that the random histories and the
/// comparison notice a ledger that is wrong in that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// As the page says.
    None,
    /// Sells one seat more than there is.
    OversellsByOne,
    /// Does not remember the ids of refused commands.
    ForgetsRefusedIds,
    /// Tells a replay by its id and never compares the details.
    ReplayByIdAlone,
    /// Displaces the oldest hold first.
    DisplacesOldestFirst,
    /// Takes a lower time as the clock.
    ClockGoesBack,
    /// Lets a hold live through its deadline's own millisecond.
    ExpiresLate,
    /// Ignores what other providers took from the aircraft.
    IgnoresAircraft,
    /// Counts a class's bucket without the classes nested after it.
    IgnoresNest,
    /// Ignores limits on exact segments.
    IgnoresSegmentLimits,
    /// Holds an event of equal version for stale.
    EqualVersionIsStale,
    /// Gives the flight to a schedule of equal authority.
    TieTakesOwnership,
    /// Adds all sales, not only the acknowledged ones, to a remaining count.
    CountsUnacknowledgedSales,
    /// Leaves the bound when a counted sale is cancelled.
    KeepsBoundOnCancel,
    /// Lets an expired hold be confirmed.
    ConfirmsExpired,
    /// Takes the first provider by code instead of the cheapest.
    CheapestByCode,
    /// Applies settings after the retirements of the same record.
    SettingsAfterRetirement,
    /// Never forgets a flight.
    NeverRetires,
    /// Drops every leg's inventory when the stations change.
    StationChangeDropsInventory,
    /// Keeps what was authorised for a cabin that an equipment event no longer names.
    KeepsUnnamedCabins,
    /// Keeps the mark of the last remaining count when equipment sets the bound.
    KeepsRemainingMark,
    /// Displaces without regard to the overbooking allowance.
    DisplacesWithoutAllowance,
    /// Leaves the flight cancelled when its ownership is taken over.
    TakeoverKeepsStatus,
    /// Ignores that a withdrawn provider does not sell.
    SellsWithdrawn,
    /// Takes a station change half when its equipment is stale.
    HalfStationChange,
    /// Finds the price without regard to the class.
    PriceIgnoresClass,
    /// Lets a request wait that could never fit.
    WaitsWithoutRoom,
    /// Decides a command before those who wait get the seats that lapsed.
    NewRequestsFirst,
    /// Gives free seats to whoever came last.
    YoungestWaiterFirst,
    /// Lets nobody pass the first of those who wait.
    HeadOfQueueBlocks,
    /// Leaves a hold that got its seats the deadline until which it waited.
    TurnKeepsDeadline,
    /// Gives seats to whoever waits without a look at the price that was expected.
    WaiterTakesAnyPrice,
    /// Lets holds wait beyond their deadline.
    WaitsForEver,
    /// Lets holds wait on when their flight is cancelled.
    WaitsOverCancellation,
    /// Repeats of a request that waited what became of it, not what was answered.
    ReplaysTheTurn,
    /// Relies on what a provider said for ever.
    NobodyFallsSilent,
    /// Sells what was seen after its time.
    NothingLapses,
}

impl Fault {
    /// Every way there is but [`Fault::None`].
    pub const ALL: [Fault; 36] = [
        Fault::OversellsByOne,
        Fault::ForgetsRefusedIds,
        Fault::ReplayByIdAlone,
        Fault::DisplacesOldestFirst,
        Fault::ClockGoesBack,
        Fault::ExpiresLate,
        Fault::IgnoresAircraft,
        Fault::IgnoresNest,
        Fault::IgnoresSegmentLimits,
        Fault::EqualVersionIsStale,
        Fault::TieTakesOwnership,
        Fault::CountsUnacknowledgedSales,
        Fault::KeepsBoundOnCancel,
        Fault::ConfirmsExpired,
        Fault::CheapestByCode,
        Fault::SettingsAfterRetirement,
        Fault::NeverRetires,
        Fault::StationChangeDropsInventory,
        Fault::KeepsUnnamedCabins,
        Fault::KeepsRemainingMark,
        Fault::DisplacesWithoutAllowance,
        Fault::TakeoverKeepsStatus,
        Fault::SellsWithdrawn,
        Fault::HalfStationChange,
        Fault::PriceIgnoresClass,
        Fault::WaitsWithoutRoom,
        Fault::NewRequestsFirst,
        Fault::YoungestWaiterFirst,
        Fault::HeadOfQueueBlocks,
        Fault::TurnKeepsDeadline,
        Fault::WaiterTakesAnyPrice,
        Fault::WaitsForEver,
        Fault::WaitsOverCancellation,
        Fault::ReplaysTheTurn,
        Fault::NobodyFallsSilent,
        Fault::NothingLapses,
    ];
}
