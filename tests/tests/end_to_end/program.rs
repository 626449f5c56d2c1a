//! The program's manners: help, exit codes, messages.

use std::process::Command;

use crate::harness::{Place, program, run, stderr, stdout};

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
        // A demo of nothing.
        &["demo", "--rate", "0", "--no-wait"],
        &["demo", "--duration", "0", "--no-wait"],
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
        text.contains("http.port: unknown field")
            && text.contains(&format!("(in {file})"))
            && text.contains("expected one of listen, "),
        "{text}"
    );
    let output = std::process::Command::new(crate::harness::program())
        .args(["serve", "--data-dir", &place.data_dir_text()])
        .env("FLIGHTLINE_HTTP__LISTN", "x")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("(in the environment variable FLIGHTLINE_HTTP__LISTN)"),
        "{text}"
    );
    let file = place.file("open.toml", "[http]\nlisten = \"0.0.0.0:0\"\n");
    let output = run(&["serve", "--config", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("token"), "{}", stderr(&output));
}

#[test]
fn what_tests_need_is_not_in_the_program() {
    // As `cargo build` resolves them: for all members, without what only tests depend on.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline"])
        .args(["-e", "normal,build", "--prefix", "none"])
        .args(["--format", "{p} features: {f},"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    for (name, feature) in [
        ("flightline-failpoints", "armed"),
        ("flightline-stream", "testing"),
        ("flightline-runtime", "simulation"),
        ("flightline ", "failpoints"),
    ] {
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with(name)).collect();
        assert!(!lines.is_empty(), "there is no {name}: {text}");
        for line in lines {
            let features = line.split("features: ").nth(1).unwrap_or_default();
            let is_on = features.split(',').any(|on| on.trim() == feature);
            assert!(!is_on, "{feature} is on: {line}");
        }
    }
    // And as it was built: nothing in it knows the variable that arms a point.
    let bytes = std::fs::read(program()).expect("the program can be read");
    let known = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(known("FLIGHTLINE_"), "the names of its settings are in it");
    for text in ["FLIGHTLINE_FAILPOINT", "fluvio://simulated"] {
        assert!(!known(text), "{text} is in {}", program().display());
    }
}

#[test]
fn a_fail_point_in_the_environment_is_no_setting() {
    let dir = Place::new().data_dir_text();
    let output = Command::new(program())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", &dir])
        .env("FLIGHTLINE_FAILPOINT", "stream.synced:abort")
        .output()
        .expect("the program starts");
    // Where it is known, it is let through, and ends the process when that first writes.
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("unknown field: found `failpoint`"), "{text}");
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
fn verify_does_not_leave_out_in_silence_what_it_was_asked_for() {
    let place = Place::new();
    let replica = place.start();
    let dir = place.data_dir_text();
    let other = "postgres://nobody@127.0.0.1:1/other";
    let output = run(&["verify", "--data-dir", &dir, "--database-url", other]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let text = stderr(&output);
    assert!(
        text.contains("--database-url") && text.contains("stop the replica"),
        "{text}"
    );
    assert_eq!(
        run(&["verify", "--data-dir", &dir]).status.code(),
        Some(0),
        "without it the running replica looks"
    );
    replica.stop();
}

#[test]
fn output_that_nobody_reads_to_its_end_is_no_crash() {
    use std::process::{Command, Stdio};
    let place = Place::new();
    let lines = "not JSON\n".repeat(20_000);
    let file = place.file("bad.ndjson", &lines);
    let mut child = Command::new(crate::harness::program())
        .args(["feed", "check", "--format", "canonical", &file])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stderr.take());
    let status = child.wait().expect("the program ends");
    assert_eq!(status.code(), Some(1), "rejects are told of, not a panic");
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
