//! Passengers of an order: checked when they come, sealed on their way into the stream.

use flightline_ledger::Date;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::duffel::fields::Object;
use crate::duffel::party::{PassengerType, passenger_id};
use crate::duffel::token;
use crate::duffel::wire::offer::LoyaltyAccount;
use crate::http::error::ApiError;
use crate::http::faults;

/// What is sealed of an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Hash of the request, so that the same request under the same key is known again.
    pub(crate) request: String,
    pub(crate) passengers: Vec<Person>,
}

/// A passenger as the client described him.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) gender: String,
    pub(crate) given_name: String,
    pub(crate) family_name: String,
    pub(crate) born_on: String,
    pub(crate) email: String,
    pub(crate) phone_number: String,
    pub(crate) infant_passenger_id: Option<String>,
    pub(crate) identity_documents: Vec<IdentityDocument>,
    pub(crate) loyalty_programme_accounts: Vec<(String, String)>,
    pub(crate) user_id: Option<String>,
}

/// A document of a passenger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityDocument {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) unique_identifier: String,
    pub(crate) issuing_country_code: Option<String>,
    pub(crate) expires_on: Option<String>,
}

impl Person {
    pub(crate) fn loyalty(&self) -> Vec<LoyaltyAccount> {
        let accounts = self.loyalty_programme_accounts.iter();
        accounts
            .map(|(airline, account)| LoyaltyAccount {
                airline_iata_code: airline.clone(),
                account_number: account.clone(),
            })
            .collect()
    }
}

const TITLES: [&str; 5] = ["mr", "ms", "mrs", "miss", "dr"];
const NAME_CHARACTERS_MAX: usize = 20;
const LIST_MAX: usize = 10;
const DOCUMENTS: [&str; 4] = [
    "passport",
    "tax_id",
    "known_traveler_number",
    "passenger_redress_number",
];

/// Reads the passengers of an order on an offer, in the offer's order.
pub(crate) fn parse(
    body: &Object<'_>,
    offer: &token::Offer,
    today: Date,
) -> Result<Vec<Person>, ApiError> {
    let most = offer.passengers.len().max(1);
    let given = body.some_objects("passengers", most.max(9))?;
    let mut people = Vec::new();
    for passenger in &given {
        people.push(person(passenger, today)?);
    }
    let wrong = |what: String| ApiError::new(&faults::WRONG_PASSENGERS, what).field("passengers");
    if people.len() != offer.passengers.len() {
        return Err(wrong(format!(
            "the offer is for {} passengers, the order names {}",
            offer.passengers.len(),
            people.len()
        )));
    }
    let mut ordered = Vec::with_capacity(people.len());
    for at in 0..offer.passengers.len() {
        let id = passenger_id(&offer.request, at);
        let Some(place) = people.iter().position(|person| person.id == id) else {
            return Err(wrong(format!(
                "passenger {id} of the offer is not in the order"
            )));
        };
        ordered.push(people.swap_remove(place));
    }
    check_together(&ordered, offer, &wrong)?;
    Ok(ordered)
}

/// What cannot be said of one passenger alone.
fn check_together(
    people: &[Person],
    offer: &token::Offer,
    wrong: &impl Fn(String) -> ApiError,
) -> Result<(), ApiError> {
    let last_day = last_day(offer);
    for (at, person) in people.iter().enumerate() {
        let name = |p: &Person| (p.given_name.to_lowercase(), p.family_name.to_lowercase());
        if people[..at].iter().any(|other| name(other) == name(person)) {
            return Err(ApiError::new(
                &faults::DUPLICATE_NAME,
                "two passengers have the same name: airlines take that for a double booking",
            )
            .field("passengers"));
        }
        let kind = offer.passengers[at].counts_as();
        let is_lap = kind == PassengerType::InfantWithoutSeat;
        let carried = people
            .iter()
            .filter(|p| p.infant_passenger_id.as_deref() == Some(&person.id))
            .count();
        if is_lap && carried != 1 {
            return Err(wrong(format!(
                "infant {} needs exactly one adult who names it in infant_passenger_id",
                person.id
            )));
        }
        if let Some(infant) = &person.infant_passenger_id {
            let place = people.iter().position(|p| p.id == *infant);
            let is_infant = place.is_some_and(|place| {
                offer.passengers[place].counts_as() == PassengerType::InfantWithoutSeat
            });
            if !is_infant || kind != PassengerType::Adult {
                return Err(wrong(format!(
                    "infant_passenger_id {infant} must be an infant of the offer, carried by an adult"
                )));
            }
        }
        let born: Option<Date> = person.born_on.parse().ok();
        if is_lap && born.is_some_and(|born| !is_below_two(born, last_day)) {
            return Err(wrong(format!(
                "passenger {} travels as an infant on the lap, but is two years old by {last_day}, when the last flight leaves: search with the age",
                person.id
            )));
        }
    }
    Ok(())
}

/// The local day on which the last flight leaves.
fn last_day(offer: &token::Offer) -> Date {
    let local_s = offer
        .segments()
        .map(|s| {
            s.departs_s
                .saturating_add(i64::from(s.departs_offset_min) * 60)
        })
        .max();
    let days = local_s.unwrap_or(0).div_euclid(24 * 3600);
    Date(days.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
}

/// Who was born on a 29 February is two years old on 1 March.
fn is_below_two(born: Date, on: Date) -> bool {
    let (year, month, day) = born.ymd();
    let birthday = Date::from_ymd(year + 2, month, day);
    birthday
        .or_else(|| Date::from_ymd(year + 2, 3, 1))
        .is_none_or(|birthday| on < birthday)
}

fn person(passenger: &Object<'_>, today: Date) -> Result<Person, ApiError> {
    let needed = |name: &str| -> Result<&str, ApiError> {
        match passenger.text(name)?.map(str::trim) {
            None | Some("") => Err(passenger.missing(name)),
            Some(text) => Ok(text),
        }
    };
    let title = needed("title")?;
    if !TITLES.contains(&title) {
        let what = format!("must be one of {}", TITLES.join(", "));
        return Err(passenger.fault(&faults::INVALID_TITLE, "title", &what));
    }
    let gender = needed("gender")?;
    if !["m", "f"].contains(&gender) {
        let what = "must be m or f, as in the passport";
        return Err(passenger.fault(&faults::VALIDATION_INCLUSION, "gender", what));
    }
    let born: Date = passenger.required("born_on")?;
    if born.0 > today.0 || today.0 - born.0 > 150 * 366 {
        let what = "must be a day in the past 150 years";
        return Err(passenger.fault(&faults::VALIDATION_INCLUSION, "born_on", what));
    }
    let email = needed("email")?;
    if !is_email(email) {
        let what = "is no email address";
        return Err(passenger.fault(&faults::INVALID_EMAIL, "email", what));
    }
    let phone = needed("phone_number")?;
    if !is_phone(phone) {
        let what = "must be in international form, such as +442080160509";
        return Err(passenger.fault(&faults::INVALID_PHONE, "phone_number", what));
    }
    let mut accounts = Vec::new();
    for account in few(passenger, "loyalty_programme_accounts")? {
        let text = |name| account.short_text(name, 64);
        if let (Some(airline), Some(number)) = (text("airline_iata_code")?, text("account_number")?)
        {
            accounts.push((airline.to_owned(), number.to_owned()));
        }
    }
    Ok(Person {
        id: needed("id")?.to_owned(),
        title: title.to_owned(),
        gender: gender.to_owned(),
        given_name: name(passenger, "given_name", needed("given_name")?)?,
        family_name: name(passenger, "family_name", needed("family_name")?)?,
        born_on: born.to_string(),
        email: email.to_owned(),
        phone_number: phone.to_owned(),
        infant_passenger_id: passenger
            .short_text("infant_passenger_id", 64)?
            .map(str::to_owned),
        identity_documents: documents(passenger)?,
        loyalty_programme_accounts: accounts,
        user_id: passenger.short_text("user_id", 64)?.map(str::to_owned),
    })
}

/// A list of at most ten.
fn few<'a>(passenger: &Object<'a>, field: &str) -> Result<Vec<Object<'a>>, ApiError> {
    let all = passenger.objects(field)?;
    if all.len() > LIST_MAX {
        let what = format!("has {} entries, but may have {LIST_MAX}", all.len());
        return Err(passenger.fault(&faults::VALIDATION_LENGTH, field, &what));
    }
    Ok(all)
}

fn documents(passenger: &Object<'_>) -> Result<Vec<IdentityDocument>, ApiError> {
    let mut documents = Vec::new();
    for document in few(passenger, "identity_documents")? {
        let choices = DOCUMENTS.map(|kind| (kind, kind));
        let kind = document.one_of("type", &choices)?;
        let kind = kind.ok_or_else(|| document.missing("type"))?;
        let number = document.short_text("unique_identifier", 64)?;
        let number = number.ok_or_else(|| document.missing("unique_identifier"))?;
        let expires: Option<Date> = document.parsed("expires_on")?;
        documents.push(IdentityDocument {
            kind: kind.to_owned(),
            unique_identifier: number.to_owned(),
            issuing_country_code: document
                .short_text("issuing_country_code", 2)?
                .map(str::to_owned),
            expires_on: expires.map(|day| day.to_string()),
        });
    }
    Ok(documents)
}

fn name(passenger: &Object<'_>, field: &str, text: &str) -> Result<String, ApiError> {
    // Some systems write `é` as two characters: it is one letter.
    let text: String = text.nfc().collect();
    let is_letter = |c: char| c.is_alphabetic() || is_combining_mark(c);
    let is_name = |c: char| is_letter(c) || matches!(c, ' ' | '-' | '\'');
    if text.chars().count() > NAME_CHARACTERS_MAX || !text.chars().all(is_name) {
        let what = format!(
            "must have 1 to {NAME_CHARACTERS_MAX} letters, spaces, hyphens and apostrophes, as in the passport"
        );
        return Err(passenger.fault(&faults::INVALID_NAME, field, &what));
    }
    Ok(text)
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else {
        return false;
    };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    let labels: Vec<&str> = host.split('.').collect();
    text.len() <= 254
        && !user.is_empty()
        && text.chars().all(is_plain)
        && labels.len() >= 2
        && labels.iter().all(|label| !label.is_empty())
}

/// E.164: a plus and 7 to 15 digits. Spaces, hyphens and brackets between them are left to people.
fn is_phone(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('+') else {
        return false;
    };
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    let others = rest.bytes().filter(|b| !b.is_ascii_digit());
    (7..=15).contains(&digits)
        && rest.len() <= 24
        && others
            .into_iter()
            .all(|b| matches!(b, b' ' | b'-' | b'(' | b')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infants_are_below_two_when_the_last_flight_leaves() {
        let day = |text: &str| -> Date { text.parse().unwrap() };
        for (born, on, is_below) in [
            ("2033-06-02", "2035-06-01", true),
            ("2033-06-01", "2035-06-01", false),
            ("2033-05-31", "2035-06-01", false),
            ("2032-02-29", "2034-02-28", true),
            ("2032-02-29", "2034-03-01", false),
        ] {
            assert_eq!(is_below_two(day(born), day(on)), is_below, "{born} {on}");
        }
    }

    #[test]
    fn names_are_letters_of_any_script() {
        let of = |text: &str| {
            let map = serde_json::Map::new();
            name(&Object::root(&map), "given_name", text).ok()
        };
        for good in ["Zoë", "Łukasz", "李", "محمد", "O'Brien", "Jean-Luc", "नेहा"] {
            assert_eq!(of(good).as_deref(), Some(good));
        }
        assert_eq!(of("Jose\u{301}").as_deref(), Some("José"));
        for bad in ["Anna1", "🙂", "a@b", "A\u{7}", &"A".repeat(21)] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_and_numbers() {
        for good in ["a@b.co", "amelia.earhart+x@example.com", "é@exämple.org"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "nobody", "@b.co", "a@b", "a@.co", "a b@c.de", "a@b."] {
            assert!(!is_email(bad), "{bad}");
        }
        for good in ["+442080160509", "+44 20 8016 0509", "+1 (212) 555-0100"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in [
            "12",
            "442080160509",
            "+12",
            "+4420801605091234567",
            "+44x20801605",
        ] {
            assert!(!is_phone(bad), "{bad}");
        }
    }
}
