//! Faults of canonical lines: the code, and that the reason names the field.

use flightline_connectors::{Code, Parsed};
use flightline_ledger::ProviderBody;
use flightline_ledger::command::{Counts, Level, quality};

use crate::support::{events, parse, rejects, warnings};

const COMMON: &str =
    r#""flight_key":"UA1545.2027-01-05.EWR","source_version":{"time":"2026-11-22T10:00:00Z"}"#;

fn one(kind: &str, rest: &str) -> Vec<Parsed> {
    parse(
        "canonical",
        format!("{{\"type\":\"{kind}\",{COMMON}{rest}}}\n").as_bytes(),
    )
}

fn body(kind: &str, rest: &str) -> ProviderBody {
    let items = one(kind, rest);
    assert!(rejects(&items).is_empty(), "{:?}", rejects(&items));
    events(&items).remove(0).body
}

#[track_caller]
fn refused(kind: &str, rest: &str, code: Code, reason: &str) {
    let items = one(kind, rest);
    let rejects = rejects(&items);
    assert_eq!(rejects.len(), 1, "{items:?}");
    assert_eq!(rejects[0].code, code, "{}", rejects[0].reason);
    assert!(rejects[0].reason.contains(reason), "{}", rejects[0].reason);
    assert_eq!(
        rejects[0].flight.map(|f| f.to_string()).as_deref(),
        Some("UA1545.2027-01-05.EWR"),
        "the flight can be told"
    );
}

#[track_caller]
fn refused_line(line: &str, code: Code, reason: &str) {
    let items = parse("canonical", format!("{line}\n").as_bytes());
    let rejects = rejects(&items);
    assert_eq!(rejects.len(), 1, "{items:?}");
    assert_eq!(rejects[0].code, code, "{}", rejects[0].reason);
    assert!(rejects[0].reason.contains(reason), "{}", rejects[0].reason);
}

const LEG: &str = r#""board":"EWR","off":"IAH","departs":"2027-01-05T05:15:00-05:00","arrives":"2027-01-05T08:19:00-06:00""#;

fn with_leg(leg: &str) -> String {
    format!(r#","legs":[{{{leg}}}]"#)
}

#[test]
fn faults_of_json_are_told_with_their_place() {
    refused_line("{", Code::BadJson, "column 1");
    refused_line("not json", Code::BadJson, "not JSON at column 2");
    refused_line(
        &format!("{{\"type\":\"cancel\",{COMMON}}} x"),
        Code::BadJson,
        "trailing characters",
    );
    refused_line(
        "[{\"type\":\"cancel\"}]",
        Code::BadType,
        "expected a JSON object",
    );
    refused_line("17", Code::BadType, "expected a JSON object");
    refused_line("{}", Code::MissingField, "missing field `type`");
    refused_line(
        "{\"type\":5}",
        Code::BadType,
        "type: invalid type: integer `5`",
    );
    refused_line(
        "{\"type\":\"kancel\"}",
        Code::UnknownType,
        "type: \"kancel\" is none of schedule, ",
    );
    refused_line(
        "{\"type\":\"cancel\"}",
        Code::MissingField,
        "missing field `flight_key`",
    );
    refused_line(
        r#"{"type":"cancel","flight_key":"UA1545.2027-01-05.EWR"}"#,
        Code::MissingField,
        "missing field `source_version`",
    );
    refused_line(
        r#"{"type":"cancel","flight_key":"UA1","source_version":{"time":"2026-11-22T10:00:00Z"}}"#,
        Code::BadFlightKey,
        "flight_key: \"UA1\": a flight key is",
    );
    refused_line(
        r#"{"type":"cancel","flight_key":"UA1.2027-02-30.EWR","source_version":{"time":"2026-11-22T10:00:00Z"}}"#,
        Code::BadFlightKey,
        "a date is YYYY-MM-DD",
    );
    refused_line(
        r#"{"type":"cancel","type":"cancel"}"#,
        Code::DuplicateField,
        "duplicate field `type`",
    );
}

#[test]
fn common_fields_are_checked() {
    refused(
        "cancel",
        r#","seats":1"#,
        Code::UnknownField,
        "unknown field `seats`",
    );
    refused(
        "cancel",
        r#","quality":["good"]"#,
        Code::BadCode,
        "quality[0]: \"good\" is none of",
    );
    refused(
        "cancel",
        r#","quality":"good""#,
        Code::BadType,
        "quality: invalid type",
    );
    let long = format!(r#","message_id":"{}""#, "x".repeat(201));
    refused(
        "cancel",
        &long,
        Code::BadCode,
        "message_id: has more than 200",
    );
    for (version, code, reason) in [
        (
            r#"{"time":"2026-11-22"}"#,
            Code::BadTime,
            "source_version.time: ",
        ),
        (
            r#"{"time":"2026-11-22T10:00:00"}"#,
            Code::BadTime,
            "needs an offset",
        ),
        (
            r#"{"time":1795341600}"#,
            Code::BadType,
            "source_version.time: invalid type",
        ),
        (
            r#"{"time":"2026-11-22T10:00:00Z","group":-1}"#,
            Code::BadCount,
            "source_version.group: -1",
        ),
        (
            r#"{"time":"2026-11-22T10:00:00Z","sequence":4294967296}"#,
            Code::BadCount,
            "source_version.sequence",
        ),
        (
            r#"{"time":"2026-11-22T10:00:00Z","sequence":1.5}"#,
            Code::BadType,
            "a whole number",
        ),
        (
            r#"{"time":"2026-11-22T10:00:00Z","seq":1}"#,
            Code::UnknownField,
            "seq",
        ),
        (r#"{"group":1}"#, Code::MissingField, "missing field `time`"),
    ] {
        refused_line(
            &format!(
                r#"{{"type":"cancel","flight_key":"UA1545.2027-01-05.EWR","source_version":{version}}}"#
            ),
            code,
            reason,
        );
    }
}

#[test]
fn schedules_are_checked() {
    let cabins = |cabins: &str| with_leg(&format!(r#"{LEG},"cabins":[{cabins}]"#));
    body("schedule", &cabins(r#"{"cabin":"Y","seats":180}"#));
    for (rest, code, reason) in [
        (String::new(), Code::MissingField, "missing field `legs`"),
        (
            r#","legs":[]"#.to_owned(),
            Code::Inconsistent,
            "legs: 0 legs",
        ),
        (
            r#","legs":[["EWR","IAH","2027-01-05T05:15","2027-01-05T08:19",null,null,[]]]"#
                .to_owned(),
            Code::BadType,
            "legs[0]: invalid type: sequence, expected a JSON object",
        ),
        (
            with_leg(LEG),
            Code::MissingField,
            "legs[0]: missing field `cabins`",
        ),
        (
            with_leg(&format!(r#"{LEG},"cabins":[],"seats":1"#)),
            Code::UnknownField,
            "legs[0]",
        ),
        (
            with_leg(&format!(r#"{LEG},"cabins":[]"#).replace("\"EWR\"", "\"ewr\"")),
            Code::BadCode,
            "legs[0].board: \"ewr\": a station",
        ),
        (
            with_leg(&format!(r#"{LEG},"cabins":[]"#).replace("EWR", "JFK")),
            Code::Inconsistent,
            "legs[0].board: departs at JFK, but the flight key's station is EWR",
        ),
        (
            with_leg(&format!(r#"{LEG},"cabins":[]"#).replace("08:19:00-06:00", "04:14:00-06:00")),
            Code::Inconsistent,
            "legs[0].arrives: is 1 minutes before",
        ),
        (
            with_leg(&format!(r#"{LEG},"cabins":[],"aircraft":"B738""#)),
            Code::BadCode,
            "legs[0].aircraft",
        ),
        (
            with_leg(&format!(r#"{LEG},"cabins":[],"service":"JJ""#)),
            Code::BadCode,
            "legs[0].service",
        ),
        (
            cabins(r#"{"cabin":"Y","seats":2001}"#),
            Code::BadCount,
            "legs[0].cabins[0].seats: 2001 is not 0 to 2000",
        ),
        (
            cabins(r#"{"cabin":"Y","seats":-1}"#),
            Code::BadCount,
            "-1 is not",
        ),
        (
            cabins(r#"{"cabin":"Y","seats":99999999999999999999}"#),
            Code::BadType,
            "seats: ",
        ),
        (
            cabins(r#"{"cabin":"Y","seats":"180"}"#),
            Code::BadType,
            "legs[0].cabins[0].seats: invalid type: string \"180\", expected a whole number",
        ),
        (
            cabins(r#"{"cabin":"Y","authorised":10000}"#),
            Code::BadCount,
            "authorised",
        ),
        (
            cabins(r#"{"cabin":"Y"},{"cabin":"Y"}"#),
            Code::Inconsistent,
            "legs[0].cabins[1].cabin: cabin Y stands twice",
        ),
        (
            cabins(
                r#"{"cabin":"F","classes":[{"class":"A"}]},{"cabin":"Y","classes":[{"class":"A"}]}"#,
            ),
            Code::Inconsistent,
            "class A stands twice",
        ),
        (
            cabins(r#"{"cabin":"Y","classes":[{"class":"A","limit":-3}]}"#),
            Code::BadCount,
            "legs[0].cabins[0].classes[0].limit",
        ),
        (
            format!(r#"{},"restricted":[["EWR","JFK"]]"#, cabins("")),
            Code::Inconsistent,
            "restricted[0]",
        ),
        (
            format!(r#"{},"restricted":[["EWR"]]"#, cabins("")),
            Code::BadType,
            "restricted[0]",
        ),
        (
            format!(r#"{},"operating":"UA1545.2027-01-05.EWR""#, cabins("")),
            Code::Inconsistent,
            "operating",
        ),
        (
            format!(r#"{},"operating":"UA""#, cabins("")),
            Code::BadFlightKey,
            "operating",
        ),
    ] {
        refused("schedule", &rest, code, reason);
    }
    let two = |second: &str| format!(r#","legs":[{{{LEG},"cabins":[]}},{{{second},"cabins":[]}}]"#);
    let second = r#""board":"IAH","off":"LAX","departs":"2027-01-05T09:00:00","arrives":"2027-01-05T11:00:00""#;
    body("schedule", &two(second));
    refused(
        "schedule",
        &two(&second.replace("IAH", "DFW")),
        Code::Inconsistent,
        "legs[1].board: departs at DFW, but the leg before arrives at IAH",
    );
    refused(
        "schedule",
        &two(&second.replace("2027-01-05T09", "2027-01-05T03")),
        Code::Inconsistent,
        "legs[1].departs: is before the departure",
    );
}

#[test]
fn odd_but_readable_schedules_are_taken_with_a_mark_and_a_warning() {
    let take = |leg: &str| {
        let items = one("schedule", &with_leg(&format!(r#"{leg},"cabins":[]"#)));
        let event = events(&items).remove(0);
        let texts: Vec<_> = warnings(&items).iter().map(|w| w.text.clone()).collect();
        (event.quality, texts.join("\n"))
    };
    assert_eq!(take(LEG), (0, String::new()));
    let (marks, text) = take(&LEG.replace("-06:00", "-05:00"));
    assert_eq!(marks, quality::OFFSET_MISMATCH);
    assert!(text.contains("the offset at IAH is -06:00"), "{text}");
    let (marks, text) = take(&LEG.replace("IAH", "QQQ"));
    assert_eq!(marks, quality::UNKNOWN_CODE);
    assert!(text.contains("QQQ is no IATA airport"), "{text}");
    let (marks, text) = take(&LEG.replace("2027-01-05", "2027-01-06"));
    assert_eq!(marks, 0);
    assert!(text.contains("departs on 2027-01-06"), "{text}");
    // Told once, marked every time.
    let line = format!(
        "{{\"type\":\"schedule\",{COMMON},\"legs\":[{{{},\"cabins\":[]}}]}}\n",
        LEG.replace("IAH", "QQQ")
    );
    let items = parse("canonical", line.repeat(3).as_bytes());
    assert_eq!(warnings(&items).len(), 1);
    let marks = events(&items).iter().map(|e| e.quality).collect::<Vec<_>>();
    assert_eq!(marks, [quality::UNKNOWN_CODE; 3]);
    // A local time at a station that is unknown means nothing.
    let leg = LEG.replace("IAH", "QQQ").replace("-06:00", "");
    refused(
        "schedule",
        &with_leg(&format!(r#"{leg},"cabins":[]"#)),
        Code::UnknownAirport,
        "legs[0].arrives",
    );
}

#[test]
fn availability_is_checked() {
    let level = |rest: &str| match body("availability", rest) {
        ProviderBody::Availability(a) => a.level,
        other => panic!("{other:?}"),
    };
    let (ewr, iah) = ("EWR".parse().unwrap(), "IAH".parse().unwrap());
    assert_eq!(level(r#","status":"closed""#), Level::Flight);
    assert_eq!(
        level(r#","status":"closed","board":"EWR""#),
        Level::Leg(ewr)
    );
    assert_eq!(
        level(r#","status":"open","board":"EWR","off":"IAH""#),
        Level::Segment(ewr, iah)
    );
    let ProviderBody::Availability(a) = body(
        "availability",
        r#","status":"open","class":"Q","seats":-3,"counts":"remaining""#,
    ) else {
        panic!()
    };
    assert_eq!(
        (a.seats, a.counts, a.is_floor),
        (Some(-3), Counts::Remaining, false)
    );
    for (rest, code, reason) in [
        ("", Code::MissingField, "missing field `status`"),
        (
            r#","status":"OPEN""#,
            Code::BadCode,
            "status: \"OPEN\" is none of open, ",
        ),
        (
            r#","status":"open","seats":9"#,
            Code::MissingField,
            "missing field `counts`",
        ),
        (
            r#","status":"open","counts":"total""#,
            Code::Inconsistent,
            "counts",
        ),
        (
            r#","status":"open","seats":9,"counts":"left""#,
            Code::BadCode,
            "counts: \"left\"",
        ),
        (
            r#","status":"open","seats":10000,"counts":"total""#,
            Code::BadCount,
            "seats: 10000",
        ),
        (
            r#","status":"open","seats_is_floor":true"#,
            Code::Inconsistent,
            "seats_is_floor",
        ),
        (
            r#","status":"open","off":"IAH""#,
            Code::Inconsistent,
            "off: stands without board",
        ),
        (
            r#","status":"open","board":"EWR","off":"EWR""#,
            Code::Inconsistent,
            "off: ",
        ),
        (
            r#","status":"open","class":"YY""#,
            Code::BadCode,
            "class: \"YY\": a booking class",
        ),
    ] {
        refused("availability", rest, code, reason);
    }
}

#[test]
fn fares_and_terms_are_checked() {
    let fare = |rest: &str| format!(r#","fares":[{{"cabin":"Y",{rest}}}]"#);
    let price = |rest: &str| match body("fares", &fare(rest)) {
        ProviderBody::Fares(fares) => (fares[0].price.minor, fares[0].price.exponent),
        other => panic!("{other:?}"),
    };
    assert_eq!(price(r#""amount":"129.5","currency":"USD""#), (12_950, 2));
    assert_eq!(price(r#""amount":"12900","currency":"JPY""#), (12_900, 0));
    assert_eq!(price(r#""amount":"12.345","currency":"KWD""#), (12_345, 3));
    assert_eq!(price(r#""amount":"0","currency":"EUR""#), (0, 2));
    let items = one("fares", &fare(r#""amount":"1.00","currency":"ABC""#));
    assert_eq!(events(&items)[0].quality, quality::UNKNOWN_CODE);
    assert!(warnings(&items)[0].text.contains("ABC"));
    for (rest, code, reason) in [
        (r#","fares":[]"#.to_owned(), Code::Inconsistent, "fares: is empty"),
        (fare(r#""amount":129.5,"currency":"USD""#), Code::BadType, "fares[0].amount: invalid type: floating point"),
        (fare(r#""amount":"129,50","currency":"USD""#), Code::BadAmount, "fares[0].amount: \"129,50\""),
        (fare(r#""amount":"129.505","currency":"USD""#), Code::BadAmount, "more decimals than its currency (USD has 2)"),
        (fare(r#""amount":"1.5","currency":"JPY""#), Code::BadAmount, "JPY has 0"),
        (fare(r#""amount":"-1.00","currency":"USD""#), Code::BadAmount, "is below 0"),
        (fare(r#""amount":"99999999999999999999","currency":"USD""#), Code::BadAmount, "too large"),
        (fare(r#""amount":"1.00","currency":"usd""#), Code::BadCode, "fares[0].currency"),
        (fare(r#""amount":"1.00","currency":"USD","board":"EWR""#), Code::Inconsistent, "fares[0].board: stands without off"),
        (
            r#","fares":[{"cabin":"Y","amount":"1","currency":"USD"},{"cabin":"Y","amount":"2","currency":"USD"}]"#.to_owned(),
            Code::Inconsistent,
            "fares[1]: has segment, cabin and class of one before it",
        ),
    ] {
        refused("fares", &rest, code, reason);
    }
    body("terms", r#","overbooking":[]"#);
    refused(
        "terms",
        r#","overbooking":[{"cabin":"Y","seats":-1}]"#,
        Code::BadCount,
        "overbooking[0].seats",
    );
    refused(
        "terms",
        r#","overbooking":[{"cabin":"Y","seats":1},{"cabin":"Y","seats":2}]"#,
        Code::Inconsistent,
        "overbooking[1].cabin",
    );
}

#[test]
fn time_changes_equipment_and_acknowledgements_are_checked() {
    let leg = r#"{"board":"EWR","departs":"2027-01-05T06:15:00-05:00","arrives":"2027-01-05T09:19:00-06:00"}"#;
    body("time_change", &format!(r#","legs":[{leg}]"#));
    body(
        "time_change",
        r#","legs":[{"board":"EWR","off":"IAH","departs":"2027-01-05T06:15","arrives":"2027-01-05T09:19"}]"#,
    );
    refused(
        "time_change",
        r#","legs":[]"#,
        Code::Inconsistent,
        "legs: 0 legs",
    );
    refused(
        "time_change",
        &format!(r#","legs":[{leg},{leg}]"#),
        Code::Inconsistent,
        "legs[1].board: EWR stands twice",
    );
    refused(
        "time_change",
        &format!(r#","legs":[{}]"#, leg.replace("-06:00", "")),
        Code::BadTime,
        "legs[0].arrives: \"2027-01-05T09:19:00\": a local time needs its station",
    );
    body(
        "equipment",
        r#","board":"EWR","aircraft":"320","cabins":[{"cabin":"Y","seats":150}]"#,
    );
    refused(
        "equipment",
        "",
        Code::MissingField,
        "missing field `cabins`",
    );

    let hex = "0123456789abcdef0123456789abcdef";
    let ProviderBody::Acknowledge(ids) = body(
        "acknowledge",
        &format!(r#","holds":["{hex}","order-17"],"client":"acme""#),
    ) else {
        panic!()
    };
    assert_eq!(ids[0].to_string(), hex);
    assert_eq!(
        ids[1],
        flightline_connectors::ids::client_command_id("acme", "hold", "order-17")
    );
    refused(
        "acknowledge",
        r#","holds":[]"#,
        Code::BadCount,
        "holds: 0 holds",
    );
    refused("acknowledge", r#","holds":[""]"#, Code::BadCode, "holds[0]");
    // Without a version it would be no word of the feed.
    let unversioned = |rest: &str| {
        format!(
            r#"{{"type":"acknowledge","flight_key":"UA1545.2027-01-05.EWR","source_version":{{"time":"1970-01-01T00:00:00Z"{rest}}},"holds":["{hex}"]}}"#
        )
    };
    refused_line(
        &unversioned(""),
        Code::BadTime,
        "source_version.time: 1970-01-01T00:00:00Z stands for no time",
    );
    let numbered = unversioned(r#","sequence":1"#);
    assert_eq!(events(&parse("canonical", numbered.as_bytes())).len(), 1);
}

#[test]
fn replacement_marks_are_checked() {
    let line = |rest: &str| {
        format!(
            r#"{{"type":"replace_begin","source_version":{{"time":"2026-11-22T10:00:00Z"}}{rest}}}"#
        )
    };
    refused_line(
        &line(r#","from":"2027-01-01""#),
        Code::MissingField,
        "missing field `to`",
    );
    refused_line(
        &line(r#","from":"2027-01-02","to":"2027-01-01""#),
        Code::Inconsistent,
        "to: 2027-01-01 is before",
    );
    refused_line(
        &line(r#","from":"2027-1-2","to":"2027-01-01""#),
        Code::BadTime,
        "from: \"2027-1-2\": a date",
    );
    refused_line(
        &line(r#","from":"2027-01-01","to":"2027-01-01","events":3"#),
        Code::UnknownField,
        "events",
    );
    refused_line(
        &line(r#","from":"2027-01-01","to":"2027-01-01","flight_key":"x""#),
        Code::UnknownField,
        "flight_key",
    );
}

#[test]
fn values_of_the_input_never_make_a_reason_long() {
    let long = "x".repeat(100_000);
    for line in [
        format!(r#"{{"type":"{long}"}}"#),
        format!(
            r#"{{"type":"cancel","flight_key":"{long}","source_version":{{"time":"2026-11-22T10:00:00Z"}}}}"#
        ),
        format!(r#"{{"type":"cancel","{long}":1}}"#),
        format!(r#"{{"type":"cancel",{COMMON},"quality":"{long}"}}"#),
    ] {
        let items = parse("canonical", line.as_bytes());
        let rejects = rejects(&items);
        assert_eq!(rejects.len(), 1);
        assert!(
            rejects[0].reason.len() < 1000,
            "{}",
            rejects[0].reason.len()
        );
        assert_eq!(rejects[0].raw.len(), 4096);
    }
}
