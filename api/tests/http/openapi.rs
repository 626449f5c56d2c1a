//! The document against its golden file, and against itself.

use serde_json::Value;

/// To accept a change: `UPDATE_GOLDEN=1 cargo test -p flightline-api --test http openapi`.
#[test]
fn the_document_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.golden.json");
    let document = flightline_api::openapi_json();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, document).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == document,
        "the API changed: if that is meant, run UPDATE_GOLDEN=1 cargo test -p flightline-api --test http openapi"
    );
}

#[test]
fn the_document_is_whole() {
    let document: Value = serde_json::from_str(flightline_api::openapi_json()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut calls = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            calls += 1;
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("500"), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
    assert_eq!(calls, 64);
    references(&document, &document);
}

/// Every reference leads somewhere.
fn references(document: &Value, at: &Value) {
    match at {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let pointer = reference.trim_start_matches('#');
                assert!(
                    document.pointer(pointer).is_some(),
                    "{reference} leads nowhere"
                );
            }
            fields
                .values()
                .for_each(|value| references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| references(document, value)),
        _ => {}
    }
}
