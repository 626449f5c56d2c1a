//! Passengers of a search: what a client says of them, and which of them take a seat.

/// What a client says of a passenger's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Adult,
    Child,
    InfantWithoutSeat,
    /// In years, 0 to 17.
    Age(u8),
    /// Only a fare type.
    Nothing,
}

/// A passenger of a search. No names: these are personal data, and ids carry passengers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passenger {
    pub(crate) given: Given,
    /// Place in [`FARE_TYPES`].
    pub(crate) fare_type: Option<u8>,
}

/// The most passengers of one search.
pub(crate) const PASSENGERS_MAX: usize = 9;

/// Ages below this are lap infants'.
const LAP_AGE: u8 = 2;

/// Names of special fares. None of them changes a price here: providers send one fare for all.
/// The order is part of the format of ids: append only.
pub(crate) const FARE_TYPES: [&str; 18] = [
    "accompanying_adult",
    "contract_bulk",
    "contract_bulk_child",
    "contract_bulk_infant_with_seat",
    "contract_bulk_infant_without_seat",
    "frequent_flyer",
    "group_inclusive_tour",
    "group_inclusive_tour_child",
    "humanitarian",
    "individual_inclusive_tour_child",
    "marine",
    "seat_only",
    "student",
    "teacher",
    "tour_operator_inclusive",
    "tour_operator_inclusive_infant",
    "unaccompanied_child",
    "visiting_friends_and_family",
];

/// What a passenger counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassengerType {
    Adult,
    Child,
    InfantWithoutSeat,
}

impl PassengerType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            PassengerType::Adult => "adult",
            PassengerType::Child => "child",
            PassengerType::InfantWithoutSeat => "infant_without_seat",
        }
    }
}

impl Passenger {
    /// What the passenger counts as: for seats, prices, and orders.
    pub(crate) fn counts_as(&self) -> PassengerType {
        let fare_type = self.fare_type_name().unwrap_or_default();
        match self.given {
            Given::Adult => PassengerType::Adult,
            Given::Child => PassengerType::Child,
            Given::InfantWithoutSeat => PassengerType::InfantWithoutSeat,
            Given::Age(_) if fare_type.ends_with("infant_with_seat") => PassengerType::Child,
            Given::Age(age) if age < LAP_AGE => PassengerType::InfantWithoutSeat,
            Given::Age(_) => PassengerType::Child,
            Given::Nothing if fare_type.ends_with("infant_with_seat") => PassengerType::Child,
            Given::Nothing if fare_type.contains("infant") => PassengerType::InfantWithoutSeat,
            Given::Nothing if fare_type.ends_with("child") => PassengerType::Child,
            Given::Nothing => PassengerType::Adult,
        }
    }

    /// Lap infants take no seat and cost nothing.
    pub(crate) fn takes_seat(&self) -> bool {
        self.counts_as() != PassengerType::InfantWithoutSeat
    }

    /// The type that the client gave, if it gave one.
    pub(crate) const fn type_name(&self) -> Option<&'static str> {
        match self.given {
            Given::Adult => Some(PassengerType::Adult.name()),
            Given::Child => Some(PassengerType::Child.name()),
            Given::InfantWithoutSeat => Some(PassengerType::InfantWithoutSeat.name()),
            Given::Age(_) | Given::Nothing => None,
        }
    }

    pub(crate) const fn age(&self) -> Option<u8> {
        match self.given {
            Given::Age(age) => Some(age),
            _ => None,
        }
    }

    pub(crate) fn fare_type_name(&self) -> Option<&'static str> {
        FARE_TYPES.get(usize::from(self.fare_type?)).copied()
    }
}

/// How many seats a party takes.
pub(crate) fn seats(party: &[Passenger]) -> u16 {
    party.iter().filter(|p| p.takes_seat()).count() as u16
}

/// The id of a passenger: the same in the offer request and all its offers.
pub(crate) fn passenger_id(nonce: &[u8; 16], index: usize) -> String {
    super::token::derived_id("pas_", nonce, &[index as u8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lap_infants_take_no_seat() {
        let fare = |name| {
            FARE_TYPES
                .iter()
                .position(|f| *f == name)
                .map(|at| at as u8)
        };
        for (given, fare_type, want) in [
            (Given::Adult, None, PassengerType::Adult),
            (Given::Child, None, PassengerType::Child),
            (
                Given::InfantWithoutSeat,
                None,
                PassengerType::InfantWithoutSeat,
            ),
            (Given::Age(0), None, PassengerType::InfantWithoutSeat),
            (Given::Age(1), None, PassengerType::InfantWithoutSeat),
            (Given::Age(2), None, PassengerType::Child),
            (Given::Age(17), None, PassengerType::Child),
            (Given::Nothing, fare("student"), PassengerType::Adult),
            (
                Given::Nothing,
                fare("unaccompanied_child"),
                PassengerType::Child,
            ),
            (
                Given::Nothing,
                fare("tour_operator_inclusive_infant"),
                PassengerType::InfantWithoutSeat,
            ),
            (
                Given::Age(1),
                fare("contract_bulk_infant_with_seat"),
                PassengerType::Child,
            ),
            (
                Given::Nothing,
                fare("contract_bulk_infant_without_seat"),
                PassengerType::InfantWithoutSeat,
            ),
        ] {
            let passenger = Passenger { given, fare_type };
            assert_eq!(passenger.counts_as(), want, "{passenger:?}");
            assert_eq!(
                passenger.takes_seat(),
                want != PassengerType::InfantWithoutSeat
            );
        }
    }
}
