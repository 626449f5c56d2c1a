//! Which fields are always there, added to the document.

use serde_json::{Value, json};

/// Fields of answers that can be null are always there: says so. Fields that may be missing are
/// never null, and requests may leave out what may be null.
pub(super) fn require(document: &mut Value) {
    const REQUESTS: [&str; 16] = [
        "HoldBody",
        "HoldLine",
        "ExpectedPrice",
        "CreateOfferRequest",
        "CreateSlice",
        "CreateTimeRange",
        "CreatePassenger",
        "CreateOrder",
        "CreateOrderPassenger",
        "CreateWaitlist",
        "CreatePaymentDetails",
        "PatchOrder",
        "CreatePayment",
        "CreateCancellation",
        "CreateWebhook",
        "PatchWebhook",
    ];
    let is_nullable = |property: &Value| {
        let has_null = |list: &Value| {
            list.as_array()
                .is_some_and(|list| list.contains(&json!("null")))
        };
        let options = property["oneOf"].as_array();
        has_null(&property["type"])
            || options.is_some_and(|all| all.iter().any(|one| one["type"] == "null"))
    };
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    for (name, schema) in schemas {
        if REQUESTS.contains(&name.as_str()) {
            continue;
        }
        let is_composed = schema.get("allOf").is_some();
        let part = if is_composed {
            schema["allOf"]
                .as_array_mut()
                .and_then(|parts| parts.last_mut())
        } else {
            Some(schema)
        };
        let Some(part) = part else {
            continue;
        };
        let properties = part["properties"].as_object().into_iter().flatten();
        let nullable = properties.filter(|(_, property)| is_nullable(property));
        let names: Vec<Value> = nullable.map(|(name, _)| json!(name)).collect();
        if names.is_empty() {
            continue;
        }
        match part["required"].as_array_mut() {
            Some(required) => required.extend(names),
            None => part["required"] = Value::Array(names),
        }
    }
}
