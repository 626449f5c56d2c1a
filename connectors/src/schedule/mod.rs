//! What the schedule formats of the industry share: SSIM files and SSM and ASM messages write days,
//! flight numbers, aircraft configurations and restrictions in the same way.
//!
//! - `calendar`: `05JAN27`, days of operation, periods.
//! - `cabins`: `J14W34Y316VV364` and `JWY` to cabins, seats and booking classes.
//! - `clock`: local times, UTC and the zone database brought together.
//! - `designator`: an airline, a number and a suffix.

pub(crate) mod cabins;
pub(crate) mod calendar;
pub(crate) mod clock;
pub(crate) mod designator;
