//! Servers killed with SIGKILL under load.
//!
//! `FLIGHTLINE_TEST_FLUVIO_KILL` names a program that is called with one argument: `spu` or `sc`. It
//! kills that server of the cluster (all SPUs, if there are several), starts it again, and returns.

use std::process::Command;

use flightline_stream::FluvioLog;
use flightline_stream::fluvio::delete_topic;
use flightline_stream::testing::{fluvio_for_tests, new_topic};

use crate::load::{Load, config, judge};

const ROUNDS: u32 = 4;

fn killed_under_load(what: &str) {
    let Some(controller) = fluvio_for_tests(&format!("killing the {what} under load")) else {
        return;
    };
    let Ok(program) = std::env::var("FLIGHTLINE_TEST_FLUVIO_KILL") else {
        eprintln!("SKIPPED: killing the {what}: FLIGHTLINE_TEST_FLUVIO_KILL is not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&new_topic(&controller, &format!("kill-{what}")), dir.path());
    config.request_timeout = std::time::Duration::from_secs(2);
    let log = FluvioLog::open(config.clone()).unwrap();
    let answers = Load::run(&log, 4, |load| {
        for _ in 0..ROUNDS {
            load.goes_on(200);
            let status = Command::new(&program).arg(what).status().unwrap();
            assert!(status.success(), "{program} {what}: {status}");
            load.goes_on(200);
        }
    });
    eprintln!("{} records answered; {:?}", answers.len(), log.stats());
    judge(&config, log, &answers);
    delete_topic(&config).unwrap();
}

#[test]
fn the_spu_is_killed_under_load() {
    killed_under_load("spu");
}

#[test]
fn the_sc_is_killed_under_load() {
    killed_under_load("sc");
}
