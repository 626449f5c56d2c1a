//! What operators are given fits what the program says: metrics of the dashboard and of the alert
//! rules, places in the runbook, flags of the unit.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::client::Client;
use crate::events;
use crate::harness::{Place, run, stdout};

fn docs(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|e| panic!("docs/{name}: {e}"))
}

/// Every metric that a text names.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("flightline_"))
        .map(str::to_owned)
        .collect()
}

/// Every expression of the dashboard.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"));
    targets
        .map(|target| target["expr"].as_str().expect("an expression").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_operators_are_given_exists() {
    let dashboard: Value =
        serde_json::from_str(&docs("operations/grafana-dashboard.json")).expect("JSON");
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 20, "the dashboard is nearly empty");
    let outside = tempfile::tempdir().expect("a folder");
    let drop = outside.path().join("acme");
    let place = Place::with_config(&format!(
        "[telemetry]\nurl = \"http://127.0.0.1:9\"\n[providers.acme]\nformat = \"canonical\"\nfolder = {{ path = {:?} }}\n[dataflow]\nviews = [{:?}]\n",
        drop.display().to_string(),
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../dataflows/views/hold_outcomes.yaml"
        )
    ));
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 9, 1)])
        .await;
    client.hold(&flight, "one", 1).await;
    let page = client.text("/metrics").await;
    let mut there: BTreeSet<String> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_owned)
        .collect();
    // Those of a stream in a cluster are not on this replica's page.
    let cluster = flightline_stream::fluvio::FluvioStats::default();
    let names = cluster.named().into_iter();
    there.extend(names.map(|(name, _, _)| format!("flightline_{name}_total")));
    let alerts = docs("operations/alerts.yml");
    let rules: String = alerts
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect();
    for text in expressions.iter().chain([&rules]) {
        for metric in metrics_in(text) {
            assert!(there.contains(&metric), "{metric} of {text} is no metric");
        }
    }
    replica.stop();
}

#[test]
fn every_alert_names_a_part_of_the_runbook() {
    let runbook = docs("runbook.md");
    let anchors: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| {
            let title = title.to_lowercase().replace(' ', "-");
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == '-')
                .collect()
        })
        .collect();
    let alerts = docs("operations/alerts.yml");
    let count = |what: &str| alerts.matches(what).count();
    assert!(count("- alert:") >= 10);
    assert_eq!(count("- alert:"), count("runbook:"));
    assert_eq!(count("- alert:"), count("severity:"));
    for line in alerts.lines() {
        if let Some((_, anchor)) = line.split_once("runbook: docs/runbook.md#") {
            assert!(anchors.contains(anchor), "the runbook has no part {anchor}");
        }
    }
}

#[test]
fn the_unit_starts_the_program_with_flags_that_it_has() {
    let unit = docs("operations/flightline.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .expect("ExecStart");
    let mut words = start.split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/flightline"));
    let command = words.next().expect("a command");
    let help = stdout(&run(&[command, "--help"]));
    for flag in words.filter(|word| word.starts_with("--")) {
        assert!(help.contains(flag), "{command} has no {flag}:\n{help}");
    }
}
