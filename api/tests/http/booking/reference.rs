//! Places, airports, airlines and aircraft.

use serde_json::{Value, json};

use super::Booking;

fn codes(list: &Value) -> Vec<&str> {
    let items = list["data"].as_array().unwrap().iter();
    items
        .map(|item| item["iata_code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn places_are_suggested_by_code_name_and_place() {
    let booking = Booking::start().await;
    for (query, want) in [
        ("query=nyc", vec!["NYC"]),
        ("name=new", vec!["NYC", "JFK", "EWR"]),
        ("query=kjfk", vec!["JFK"]),
        ("query=houst", vec!["IAH"]),
        ("query=ohare", vec![]),
        ("query=hare", vec!["ORD"]),
        ("query=", vec![]),
        ("lat=40.65&lng=-73.8&rad=50000", vec!["JFK", "EWR"]),
        ("lat=0&lng=0&rad=1000", vec![]),
    ] {
        let found = booking
            .get(&format!("/places/suggestions?{query}"))
            .await
            .is_ok();
        let mut got = codes(&found);
        if query == "name=new" {
            assert_eq!(got[0], "NYC", "cities first");
            got.sort_unstable();
            assert_eq!(got, ["EWR", "JFK", "NYC"]);
        } else {
            assert_eq!(got, want, "{query}");
        }
        assert!(found.get("meta").is_none());
    }
    for (query, code) in [
        ("", "validation_required"),
        ("lat=1&lng=1", "validation_required"),
        ("lat=91&lng=1&rad=5", "validation_inclusion"),
        ("lat=1&lng=x&rad=5", "validation_inclusion"),
        ("lat=1&lng=1&rad=0", "validation_inclusion"),
    ] {
        booking
            .get(&format!("/places/suggestions?{query}"))
            .await
            .is(422, code);
    }
}

#[tokio::test]
async fn a_place_has_every_key() {
    let booking = Booking::start().await;
    let city = booking.get("/places/suggestions?query=NYC").await.is_ok();
    let city = &city["data"][0];
    assert_eq!(
        (&city["type"], &city["id"]),
        (&json!("city"), &json!("cit_nyc_us"))
    );
    assert_eq!(city["airports"].as_array().unwrap().len(), 2);
    for name in [
        "latitude",
        "longitude",
        "time_zone",
        "icao_code",
        "city_name",
        "city",
    ] {
        assert_eq!(city.get(name), Some(&Value::Null), "{name}");
    }
    let airport = booking.get("/places/suggestions?query=JFK").await.is_ok();
    let airport = &airport["data"][0];
    assert_eq!(airport["id"], "arp_jfk_us");
    assert_eq!(airport["city"]["iata_code"], "NYC");
    assert_eq!(airport["iata_city_code"], "NYC");
    assert_eq!(airport.get("airports"), Some(&Value::Null));
    assert!(airport["latitude"].is_f64());
}

#[tokio::test]
async fn lists_are_paged_to_the_end_and_filtered() {
    let booking = Booking::start().await;
    let all = booking.pages("/air/airports?", 2).await;
    let ids: Vec<&str> = all
        .iter()
        .map(|a| a["iata_code"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["EWR", "IAH", "JFK", "LAX", "ORD"]);
    let one = booking
        .get("/air/airports?iata_code=IAH&iata_country_code=US")
        .await
        .is_ok();
    assert_eq!(codes(&one), ["IAH"]);
    assert_eq!(
        one["meta"],
        json!({"limit": 50, "after": null, "before": null})
    );
    let none = booking
        .get("/air/airports?iata_country_code=GB")
        .await
        .is_ok();
    assert_eq!(none["data"], json!([]));
    booking
        .get("/air/airports?limit=201")
        .await
        .is(422, "validation_inclusion");
    booking
        .get("/air/airports?after=x")
        .await
        .is(422, "validation_format");
}

#[tokio::test]
async fn things_answer_by_their_ids() {
    let booking = Booking::start().await;
    for (path, name) in [
        (
            "/air/airports/arp_ewr_us",
            "Newark Liberty International Airport",
        ),
        ("/air/airlines/arl_ua", "United Airlines"),
        ("/air/airlines/arl_zz", "ZZ"),
        ("/air/aircraft/arc_738", "Boeing 737-800"),
        ("/air/aircraft/arc_7m8", "7M8"),
    ] {
        let found = booking.get(path).await.is_ok();
        assert_eq!(found["data"]["name"], name, "{path}");
        let id = path.rsplit('/').next().unwrap();
        assert_eq!(found["data"]["id"], id);
    }
    for path in [
        "/air/airports/arp_ewr_gb",
        "/air/airports/arp_xxx_zz",
        "/air/airports/EWR",
        "/air/airports/arp_%C3%A9%C3%A9",
        "/air/airlines/arl_",
        "/air/airlines/arl_UA",
        "/air/airlines/arl_00009VME7DAGiJjwomhv32",
        "/air/aircraft/arc_1",
    ] {
        booking.get(path).await.is(404, "not_found");
    }
    for path in ["/air/airlines", "/air/aircraft"] {
        let list = booking.get(path).await.is_ok();
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
    }
}
