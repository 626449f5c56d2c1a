//! Passengers of a search, checked field by field.

use crate::duffel::fields::Object;
use crate::duffel::party::{FARE_TYPES, Given, Passenger, PassengerType};
use crate::duffel::wire::offer::LoyaltyAccount;
use crate::http::error::ApiError;
use crate::http::faults;

/// What a client says of a passenger that is personal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) given: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) loyalty: Vec<LoyaltyAccount>,
}

/// The longest name, in characters.
const NAME_MAX: usize = 20;

/// The most loyalty accounts of one passenger.
const LOYALTY_MAX: usize = 20;

/// Who travels.
pub(super) fn passenger(object: &Object<'_>) -> Result<Passenger, ApiError> {
    let kind = object.one_of(
        "type",
        &[
            (PassengerType::Adult.name(), Given::Adult),
            (PassengerType::Child.name(), Given::Child),
            (
                PassengerType::InfantWithoutSeat.name(),
                Given::InfantWithoutSeat,
            ),
        ],
    )?;
    let age = object.number("age", 0, 17)?.map(|age| age as u8);
    let mut fare_types = Vec::with_capacity(FARE_TYPES.len());
    for (at, name) in FARE_TYPES.iter().enumerate() {
        fare_types.push((*name, at as u8));
    }
    let fare_type = object.one_of("fare_type", &fare_types)?;
    if kind.is_some() && (age.is_some() || fare_type.is_some()) {
        return Err(object.fault_here(
            &faults::INVALID_FIELD_SETS,
            "has `type` beside `age` or `fare_type`: send one of `type`, `age`, and `fare_type` with or without `age`",
        ));
    }
    let given = match (kind, age) {
        (Some(kind), _) => kind,
        (None, Some(age)) => Given::Age(age),
        (None, None) if fare_type.is_some() => Given::Nothing,
        (None, None) => {
            return Err(object.fault_here(
                &faults::INVALID_FIELD_SETS,
                "has none of `type`, `age` and `fare_type`: send one",
            ));
        }
    };
    Ok(Passenger { given, fare_type })
}

/// What the answer to the search shows of them.
pub(super) fn read_names(object: &Object<'_>) -> Result<Names, ApiError> {
    let name = |name| -> Result<Option<String>, ApiError> {
        Ok(object.short_text(name, NAME_MAX)?.map(str::to_owned))
    };
    let accounts = object.objects("loyalty_programme_accounts")?;
    if accounts.len() > LOYALTY_MAX {
        let what = format!("has more than {LOYALTY_MAX} entries");
        return Err(object.fault(
            &faults::VALIDATION_LENGTH,
            "loyalty_programme_accounts",
            &what,
        ));
    }
    let mut loyalty = Vec::with_capacity(accounts.len());
    for account in accounts {
        let airline: flightline_ledger::Carrier = account.required("airline_iata_code")?;
        let number = account.short_text("account_number", 64)?;
        loyalty.push(LoyaltyAccount {
            airline_iata_code: airline.to_string(),
            account_number: number
                .ok_or_else(|| account.missing("account_number"))?
                .to_owned(),
        });
    }
    Ok(Names {
        given: name("given_name")?,
        family: name("family_name")?,
        loyalty,
    })
}
