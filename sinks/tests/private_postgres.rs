//! The private server: started, stopped, killed, and left behind in every way.

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::server::{Server, client, folder, is_alive, kill9, postmaster};
use flightline_sinks::postgres::*;

fn config(dir: &Path) -> PrivateConfig {
    let mut config = PrivateConfig::new(dir);
    config.shared_buffers_mib = 16;
    config
}

async fn answer(address: &PrivateAddress) -> i32 {
    let row = client(address).await.query_one("SELECT 42", &[]).await;
    row.unwrap().get(0)
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    while !is() {
        assert!(Instant::now() < deadline, "not in 30 s: {what}");
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_its_tables_from_run_to_run_and_ends_with_its_owner() {
    let dir = folder();
    let first = PrivatePostgres::start(&config(dir.path())).unwrap();
    let db = client(first.address()).await;
    db.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
        .await
        .unwrap();
    for (name, value) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("wal_level", "minimal"),
    ] {
        let row = db
            .query_one("SELECT current_setting($1)", &[&name])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{name}");
    }
    let socket = first.address().socket_dir().to_path_buf();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "others could connect");
    let pid = postmaster(&dir.path().join("postgres/cluster"));
    drop(db);
    drop(first);
    assert!(!is_alive(pid), "it runs on after its owner has stopped it");
    assert!(!dir.path().join("postgres/cluster/postmaster.pid").exists());

    let again = PrivatePostgres::start(&config(dir.path())).unwrap();
    let row = client(again.address())
        .await
        .query_one("SELECT n FROM t", &[])
        .await;
    assert_eq!(row.unwrap().get::<_, i32>(0), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_owner_is_refused_and_a_reader_is_not() {
    let server = Server::start();
    let error = PrivatePostgres::start(&config(server.dir.path())).unwrap_err();
    assert!(matches!(error, PrivateError::InUse { .. }), "{error}");
    assert_eq!(
        answer(&PrivateAddress::of(server.dir.path()).unwrap()).await,
        42
    );
    assert_eq!(PrivateAddress::of(Path::new("/no/such/folder")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_when_it_is_killed() {
    let server = Server::start();
    let killed = server.postmaster();
    kill9(killed);
    until("another server", || {
        let file = server.dir.path().join("postgres/cluster/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
    });
    assert_eq!(answer(&server.address()).await, 42);
    assert_ne!(server.postmaster(), killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn left_over_lock_files_are_no_obstacle() {
    let dir = folder();
    drop(PrivatePostgres::start(&config(dir.path())).unwrap());
    let file = dir.path().join("postgres/cluster/postmaster.pid");
    let lock = |pid: u32| {
        let data = file.parent().unwrap().display().to_string();
        format!("{pid}\n{data}\n1700000000\n5432\n/nowhere\n\n  12345    678\nready   \n")
    };
    // The number of a process that is gone, of one that is somebody else's, and no number at all.
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    for text in [
        lock(gone.id()),
        lock(1),
        lock(std::process::id()),
        String::new(),
    ] {
        std::fs::write(&file, text).unwrap();
        let server = PrivatePostgres::start(&config(dir.path())).unwrap();
        assert_eq!(answer(server.address()).await, 42);
    }
}

/// Runs a replica's part in another process; see [`replica_in_another_process`].
fn spawn_replica(dir: &Path) -> (Child, u32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "replica_in_another_process",
            "--ignored",
            "--nocapture",
        ])
        .env("FLIGHTLINE_TEST_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let said = lines.find_map(|line| Some(line.split_once("postmaster=")?.1.parse().unwrap()));
    (
        child,
        said.expect("the other process says where its server is"),
    )
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn replica_in_another_process() {
    let Some(dir) = std::env::var_os("FLIGHTLINE_TEST_DIR").map(PathBuf::from) else {
        return;
    };
    let server = PrivatePostgres::start(&config(&dir)).unwrap();
    let cluster = server
        .address()
        .socket_dir()
        .parent()
        .unwrap()
        .join("cluster");
    #[expect(clippy::print_stdout, reason = "read by the test that started this")]
    {
        println!("\npostmaster={}", postmaster(&cluster));
    }
    // Until killed, or the test is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_the_replica_is_killed_and_the_next_run_is_fine() {
    let dir = folder();
    for _ in 0..2 {
        let (mut replica, pid) = spawn_replica(dir.path());
        kill9(replica.id());
        replica.wait().unwrap();
        until("the server ends too", || !is_alive(pid));
    }
    // At once after the kill, while the old server may still be on its way out.
    let (mut replica, _) = spawn_replica(dir.path());
    kill9(replica.id());
    replica.wait().unwrap();
    let server = PrivatePostgres::start(&config(dir.path())).unwrap();
    assert_eq!(answer(server.address()).await, 42);
}

/// The shell that watches may be killed together with the replica; then the server runs on.
#[tokio::test(flavor = "multi_thread")]
async fn an_orphaned_server_is_shut_down_by_the_next_run() {
    let dir = folder();
    let (mut replica, pid) = spawn_replica(dir.path());
    for watcher in processes_with_parent(replica.id()) {
        for inner in processes_with_parent(watcher)
            .into_iter()
            .filter(|p| *p != pid)
        {
            kill9(inner);
        }
        kill9(watcher);
    }
    kill9(replica.id());
    replica.wait().unwrap();
    assert!(is_alive(pid), "the server should be an orphan now");
    let server = PrivatePostgres::start(&config(dir.path())).unwrap();
    assert!(!is_alive(pid), "two servers on one cluster");
    assert_eq!(answer(server.address()).await, 42);
}

fn processes_with_parent(parent: u32) -> Vec<u32> {
    let children = |entry: std::fs::DirEntry| -> Option<u32> {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let of: u32 = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        (of == parent).then_some(pid)
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    all.filter_map(children).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_path_and_odd_characters_are_fine() {
    let dir = folder();
    let deep = dir
        .path()
        .join("a long name ".repeat(12))
        .join("it's, déjà vu");
    let server = PrivatePostgres::start(&config(&deep)).unwrap();
    let socket = server.address().socket_dir().to_path_buf();
    assert!(socket.as_os_str().len() < 90, "{}", socket.display());
    assert_eq!(answer(server.address()).await, 42);
    assert_eq!(answer(&PrivateAddress::of(&deep).unwrap()).await, 42);
    // What the URL says is where it is.
    let url: tokio_postgres::Config = server.address().url().parse().unwrap();
    assert_eq!(url.get_hosts(), server.address().config().get_hosts());
    drop(server);
    let _ = std::fs::remove_dir_all(&socket);
}

/// Only root changes accounts; a data folder such as /root/flightline is closed to the other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_the_account_cannot_reach_is_left_alone() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = folder();
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(dir.path(), closed).unwrap();
    let home = {
        let server = PrivatePostgres::start(&config(dir.path())).unwrap();
        assert_eq!(answer(server.address()).await, 42);
        let home = std::fs::read_to_string(dir.path().join("postgres/moved-to")).unwrap();
        assert!(server.address().socket_dir().starts_with(&home));
        PathBuf::from(home)
    };
    let mode = std::fs::metadata(dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the folder was opened to others");
    let again = PrivatePostgres::start(&config(dir.path())).unwrap();
    assert!(again.address().socket_dir().starts_with(&home));
    drop(again);
    std::fs::remove_dir_all(&home).unwrap();
}

#[test]
fn a_damaged_or_foreign_cluster_is_named_and_kept() {
    let dir = folder();
    let cluster = dir.path().join("postgres/cluster");
    std::fs::create_dir_all(&cluster).unwrap();
    let error = PrivatePostgres::start(&config(dir.path())).unwrap_err();
    assert!(matches!(error, PrivateError::Broken { .. }), "{error}");
    std::fs::write(cluster.join("PG_VERSION"), "7\n").unwrap();
    let error = PrivatePostgres::start(&config(dir.path())).unwrap_err();
    assert!(
        matches!(error, PrivateError::OtherRelease { major: 7, .. }),
        "{error}"
    );
    assert!(cluster.join("PG_VERSION").exists());
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let dir = folder();
    drop(PrivatePostgres::start(&config(dir.path())).unwrap());
    let operator = dir.path().join("postgres/cluster/operator.conf");
    std::fs::write(&operator, "no_such_setting = 1\n").unwrap();
    let error = PrivatePostgres::start(&config(dir.path()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no_such_setting"), "{error}");
    std::fs::remove_file(&operator).unwrap();
    drop(PrivatePostgres::start(&config(dir.path())).unwrap());
}
