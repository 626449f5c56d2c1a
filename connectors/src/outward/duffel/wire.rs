//! Bodies that are sent, and what is read of answers.

use flightline_ledger::Date;
use serde_json::{Value, json};

use super::Stop;
use super::journal::Chosen;
use crate::outward::http::Reply;
use crate::outward::port::{Placement, Refusal, Traveller};

/// The key of the metadata that names the placement.
pub(super) const PLACEMENT: &str = "flightline_placement";

/// Who is younger is named by age.
const ADULT_FROM_YEARS: i32 = 18;

/// What looks for the flight.
pub(super) fn search(placement: &Placement) -> Value {
    let passengers: Vec<Value> = placement
        .travellers
        .iter()
        .map(|traveller| match years(traveller, placement.date) {
            Some(age) if age < ADULT_FROM_YEARS => json!({ "age": age.max(0) }),
            _ => json!({ "type": "adult" }),
        })
        .collect();
    json!({ "data": {
        "slices": [{
            "origin": placement.board.as_str(),
            "destination": placement.off.as_str(),
            "departure_date": placement.date.to_string(),
        }],
        "passengers": passengers,
        "max_connections": 0,
    } })
}

fn years(traveller: &Traveller, on: Date) -> Option<i32> {
    let born: Date = traveller.born_on.parse().ok()?;
    let ((by, bm, bd), (y, m, d)) = (born.ymd(), on.ymd());
    Some(y - by - i32::from((m, d) < (bm, bd)))
}

/// The cheapest offer of the very flight, if it costs no more than the client paid.
pub(super) fn choose<'a>(found: &'a Value, placement: &Placement) -> Result<&'a Value, Refusal> {
    let offers = found["data"]["offers"].as_array();
    let ours = offers.into_iter().flatten().filter(|offer| {
        let slices = offer["slices"].as_array().map_or(&[][..], Vec::as_slice);
        let [slice] = slices else { return false };
        let segments = slice["segments"].as_array().map_or(&[][..], Vec::as_slice);
        let [segment] = segments else { return false };
        is_flight(segment, placement)
    });
    let price = placement.price;
    // What is asked for in another money cannot be compared: it is taken for dearer than all that can.
    let is_foreign = |offer: &Value| offer["total_currency"] != price.currency.as_str();
    let priced = ours.filter_map(|offer| Some((minor(&offer["total_amount"], placement)?, offer)));
    let cheapest = priced.min_by_key(|(minor, offer)| (is_foreign(offer), *minor));
    let Some((minor, offer)) = cheapest else {
        let what = "the provider offers no seats on the flight";
        return Err(Refusal::new("no_offer", what));
    };
    let most = price.minor.saturating_mul(i64::from(placement.seats));
    if is_foreign(offer) || minor > most {
        let currency = offer["total_currency"].as_str().unwrap_or_default();
        let amount = offer["total_amount"].as_str().unwrap_or_default();
        let what = format!("the provider wants {amount} {currency} now, more than was paid");
        return Err(Refusal::new("price_changed", what));
    }
    Ok(offer)
}

fn is_flight(segment: &Value, placement: &Placement) -> bool {
    let flight = &placement.flight;
    let carrier = flight.carrier.to_string();
    let mut number = flight.number.to_string();
    if flight.suffix != 0 {
        number.push(char::from(flight.suffix));
    }
    let by = |who: &str| {
        let named = segment[format!("{who}_carrier")]["iata_code"].as_str();
        let numbered = segment[format!("{who}_carrier_flight_number")].as_str();
        let numbered = numbered.map(|text| text.trim_start_matches('0'));
        named == Some(carrier.as_str()) && numbered == Some(number.as_str())
    };
    let day = placement.date.to_string();
    let departs = segment["departing_at"].as_str().unwrap_or_default();
    let ends = (
        segment["origin"]["iata_code"].as_str(),
        segment["destination"]["iata_code"].as_str(),
    );
    (by("operating") || by("marketing"))
        && departs.starts_with(&day)
        && ends == (Some(placement.board.as_str()), Some(placement.off.as_str()))
}

/// An amount in minor units of the placement's price.
fn minor(amount: &Value, placement: &Placement) -> Option<i64> {
    let text = amount.as_str()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = usize::from(placement.price.exponent);
    // What is smaller than the smallest coin makes it dearer.
    let (kept, rest) = part.split_at_checked(digits).unwrap_or((part, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let padded = format!("{whole}{kept:0<digits$}");
    let minor: i64 = padded.parse().ok()?;
    minor.checked_add(i64::from(rest.bytes().any(|b| b != b'0')))
}

/// What has to be remembered of an offer to order it.
pub(super) fn chosen(found: &Value, offer: &Value, placement: &Placement) -> Option<Chosen> {
    let named = offer["passengers"].as_array();
    let named = named.or_else(|| found["data"]["passengers"].as_array())?;
    if named.len() != placement.travellers.len() {
        return None;
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Chosen {
        order: placement.order.clone(),
        offer: text(&offer["id"])?,
        passengers: named
            .iter()
            .map(|p| text(&p["id"]))
            .collect::<Option<_>>()?,
        amount: text(&offer["total_amount"])?,
        currency: text(&offer["total_currency"])?,
    })
}

/// What orders an offer for the travellers.
pub(super) fn order(chosen: &Chosen, placement: &Placement) -> Value {
    let ids = &chosen.passengers;
    let passengers: Vec<Value> = placement
        .travellers
        .iter()
        .zip(ids)
        .map(|(traveller, id)| {
            let mut passenger = json!({
                "id": id,
                "title": traveller.title,
                "gender": traveller.gender,
                "given_name": traveller.given_name,
                "family_name": traveller.family_name,
                "born_on": traveller.born_on,
                "email": traveller.email,
                "phone_number": traveller.phone_number,
            });
            if let Some(infant) = traveller.carries.and_then(|at| ids.get(at)) {
                passenger["infant_passenger_id"] = json!(infant);
            }
            passenger
        })
        .collect();
    json!({ "data": {
        "type": "instant",
        "selected_offers": [chosen.offer],
        "passengers": passengers,
        "payments": [{
            "type": "balance",
            "amount": chosen.amount,
            "currency": chosen.currency,
        }],
        "metadata": {
            PLACEMENT: placement.key.to_string(),
            "flightline_booking": placement.booking,
        },
    } })
}

/// The object of an answer.
pub(super) fn data(mut body: Value) -> Option<Value> {
    let data = body.get_mut("data")?.take();
    data.is_object().then_some(data)
}

/// The objects of an answer.
pub(super) fn list(mut body: Value) -> Vec<Value> {
    match body.get_mut("data").map(Value::take) {
        Some(Value::Array(all)) => all,
        _ => Vec::new(),
    }
}

/// When an order was made, Unix time in milliseconds.
pub(super) fn created_ms(order: &Value) -> Option<i64> {
    let text = order["created_at"].as_str()?;
    let at = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(at.timestamp_millis())
}

fn code(reply: &Reply) -> &str {
    reply.body["errors"][0]["code"].as_str().unwrap_or("")
}

/// Nothing was done, and nobody says for good that nothing will be.
pub(super) fn unknown(reply: &Reply, what: &str) -> Stop {
    let (status, code) = (reply.status, code(reply));
    Stop::Unknown(format!("{what}: answered {status} {code}"))
}

/// An answer that is no success: refused for good, when the request itself is what is wrong.
pub(super) fn stopped(reply: &Reply, what: &str) -> Stop {
    let code = code(reply);
    let message = reply.body["errors"][0]["message"].as_str();
    // Credentials, limits and faults go away; what is being made by an earlier ask comes to an end.
    let is_final = matches!(reply.status, 400 | 404 | 409 | 410 | 422)
        && !code.is_empty()
        && !code.contains("already")
        && !code.contains("idempotency")
        && code != "still_undoing";
    if is_final {
        Stop::Refused(Refusal::new(code, message.unwrap_or(what)))
    } else {
        unknown(reply, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outward::testing::placement;

    #[test]
    fn amounts_are_read_in_minor_units_and_rounded_up() {
        let placement = placement(1);
        for (text, minor_units) in [
            ("120.00", Some(12_000)),
            ("120", Some(12_000)),
            ("120.5", Some(12_050)),
            ("120.001", Some(12_001)),
            ("120.000", Some(12_000)),
            (".5", None),
            ("-1.00", None),
            ("1,000.00", None),
        ] {
            assert_eq!(minor(&json!(text), &placement), minor_units, "{text}");
        }
    }

    #[test]
    fn the_cheapest_offer_of_the_very_flight_is_taken_and_none_that_is_dearer() {
        let placement = placement(1);
        let offer = |id: &str, number: &str, amount: &str| {
            json!({
                "id": id, "total_amount": amount, "total_currency": "USD",
                "slices": [{ "segments": [{
                    "marketing_carrier": { "iata_code": "UA" },
                    "marketing_carrier_flight_number": number,
                    "departing_at": "2027-01-05T08:00:00",
                    "origin": { "iata_code": "EWR" },
                    "destination": { "iata_code": "IAH" },
                }] }],
            })
        };
        let found = |offers: Vec<Value>| json!({ "data": { "offers": offers } });
        let all = found(vec![
            offer("other", "1546", "1.00"),
            offer("dear", "1545", "119.00"),
            offer("cheap", "1545", "99.00"),
        ]);
        assert_eq!(choose(&all, &placement).unwrap()["id"], "cheap");
        let mut foreign = offer("foreign", "1545", "80.00");
        foreign["total_currency"] = json!("EUR");
        let all = found(vec![foreign.clone(), offer("ours", "1545", "99.00")]);
        assert_eq!(choose(&all, &placement).unwrap()["id"], "ours");
        let refused = choose(&found(vec![foreign]), &placement).unwrap_err();
        assert_eq!(refused.code, "price_changed");
        assert!(refused.message.contains("80.00 EUR"), "{}", refused.message);
        let dear = found(vec![offer("dear", "1545", "120.01")]);
        assert_eq!(choose(&dear, &placement).unwrap_err().code, "price_changed");
        let none = found(vec![offer("other", "1546", "1.00")]);
        assert_eq!(choose(&none, &placement).unwrap_err().code, "no_offer");
    }
}
