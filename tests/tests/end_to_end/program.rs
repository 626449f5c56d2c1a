//! The program's manners: help, exit codes, messages.

use crate::harness::{Place, run, stderr, stdout};

#[test]
fn every_subcommand_has_help_and_bad_use_exits_with_2() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["demo", "--help"],
        &["feed", "push", "--help"],
        &["feed", "check", "--help"],
        &["verify", "--help"],
        &["explain", "command", "--help"],
        &["checkpoint", "take", "--help"],
        &["checkpoint", "list", "--help"],
        &["token", "create", "--help"],
        &["--version"],
        &["completions", "bash"],
    ] {
        let output = run(args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(!stdout(&output).is_empty(), "{args:?} says nothing");
    }
    for args in [
        &["nonsense"][..],
        &["serve", "--nonsense"],
        &["token", "create"],
        &["checkpoint", "trim"],
        &["feed", "push"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_wrong_configuration_says_what_and_where() {
    let place = Place::new();
    let file = place.file("wrong.toml", "[http]\nlisten = \"127.0.0.1:0\"\nport = 1\n");
    let output = run(&["serve", "--config", &file]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("port") && text.contains("wrong.toml"),
        "{text}"
    );
    let file = place.file("open.toml", "[http]\nlisten = \"0.0.0.0:0\"\n");
    let output = run(&["serve", "--config", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("token"), "{}", stderr(&output));
}

#[test]
fn two_replicas_do_not_share_a_folder() {
    let place = Place::new();
    let replica = place.start();
    let dir = place.data_dir_text();
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &dir]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("in use by the process"),
        "{}",
        stderr(&output)
    );
    replica.stop();
}

#[test]
fn tokens_let_in_whom_they_name() {
    let place = Place::with_config("[auth]\nmode = \"tokens\"\n");
    let replica = place.start();
    let dir = place.data_dir_text();
    let token = run(&[
        "token",
        "create",
        "--role",
        "provider",
        "--provider",
        "acme",
        "--data-dir",
        &dir,
    ]);
    let token = stdout(&token).trim().to_owned();
    assert!(token.starts_with("flightline_provider_"), "{token}");
    let status = |path: &str, token: Option<&str>| -> (u16, String) {
        let mut command = std::process::Command::new("curl");
        command.args([
            "-s",
            "-o",
            "-",
            "-w",
            "\n%{http_code}",
            &format!("{}{path}", replica.url),
        ]);
        if let Some(token) = token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let text = stdout(&command.output().expect("curl runs"));
        let (body, code) = text.rsplit_once('\n').expect("a status");
        (code.parse().expect("a number"), body.to_owned())
    };
    assert_eq!(status("/health/live", None).0, 200);
    let (code, body) = status("/flights/FL1.2035-06-01.JFK", None);
    assert_eq!(code, 401, "{body}");
    assert!(body.contains("missing_authorization_header"), "{body}");
    crate::harness::until(
        "the new token is known",
        std::time::Duration::from_secs(5),
        || status("/providers/acme/status", Some(&token)).0 != 401,
    );
    assert_eq!(status("/providers/other/status", Some(&token)).0, 403);
    assert_eq!(status("/providers/acme/status", Some("wrong")).0, 401);
    replica.stop();
}

#[test]
fn the_demo_runs_twice_and_verifies_clean() {
    let place = Place::new();
    let dir = place.data_dir_text();
    let demo = |rate: &str| {
        let output = run(&[
            "demo",
            "--duration",
            "3",
            "--rate",
            rate,
            "--no-wait",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            &dir,
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        let summary: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("the summary is JSON");
        summary
    };
    let first = demo("50");
    assert_eq!(first["postgres"]["flights"], 27_004, "{first}");
    assert_eq!(first["feed"]["rejected"], 0, "{first}");
    assert_eq!(first["simulated"]["failed"], 0, "{first}");
    assert_eq!(first["simulated"]["attempts"], 150, "{first}");
    let seats = |from: &str| first[from]["seats_sold"].as_i64().unwrap();
    assert_eq!(
        seats("postgres"),
        seats("simulated") + seats("orders"),
        "{first}"
    );
    assert_eq!(first["orders"]["refused"], 0, "{first}");
    assert_eq!(first["postgres"]["oversold_seats"], 0, "{first}");
    let report = place.verify();
    assert_eq!(report["clean"], true, "{report}");
    let second = demo("20");
    assert_eq!(second["feed"]["accepted"], 0, "{second}");
    assert_eq!(second["feed"]["rejected"], 0, "{second}");
    assert_eq!(second["postgres"]["flights"], 27_004);
    place.verify();
}
