//! Cabin classes, and the letters of cabins that belong to them.

use flightline_ledger::Cabin;

/// A cabin class as clients name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CabinClass {
    First,
    Business,
    PremiumEconomy,
    Economy,
}

impl CabinClass {
    pub(crate) const ALL: [CabinClass; 4] = [
        CabinClass::First,
        CabinClass::Business,
        CabinClass::PremiumEconomy,
        CabinClass::Economy,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            CabinClass::First => "first",
            CabinClass::Business => "business",
            CabinClass::PremiumEconomy => "premium_economy",
            CabinClass::Economy => "economy",
        }
    }

    pub(crate) const fn marketing_name(self) -> &'static str {
        match self {
            CabinClass::First => "First",
            CabinClass::Business => "Business",
            CabinClass::PremiumEconomy => "Premium Economy",
            CabinClass::Economy => "Economy",
        }
    }

    /// Letters under which providers sell it, the usual one first.
    const fn letters(self) -> &'static [u8] {
        match self {
            CabinClass::First => b"F",
            CabinClass::Business => b"JC",
            CabinClass::PremiumEconomy => b"WP",
            CabinClass::Economy => b"YM",
        }
    }

    /// The cabins that belong to it.
    pub(crate) fn cabins(self) -> impl Iterator<Item = Cabin> {
        self.letters().iter().filter_map(|l| Cabin::new(*l).ok())
    }

    /// The class of a cabin. A letter that means nothing in particular is economy.
    pub(crate) fn of(cabin: Cabin) -> Self {
        let letter = cabin.letter();
        let found = Self::ALL
            .into_iter()
            .find(|class| class.letters().contains(&letter));
        found.unwrap_or(CabinClass::Economy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_belong_to_one_class() {
        for class in CabinClass::ALL {
            assert_eq!(class.cabins().count(), class.letters().len());
            assert!(class.cabins().all(|cabin| CabinClass::of(cabin) == class));
        }
        assert_eq!(CabinClass::of("Q".parse().unwrap()), CabinClass::Economy);
    }
}
