//! The file: torn writes, damage, what is on the disk, a killed process.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use flightline_connectors::vault::{
    FileKeyStore, FileKeyStoreConfig, Key, KeyId, KeyStore, VaultError,
};

const PATH: &str = "FLIGHTLINE_VAULT_FOLDER";

pub(crate) fn config(folder: &Path) -> FileKeyStoreConfig {
    let mut config = FileKeyStoreConfig::new(folder.join("vault/keys"));
    config.block_keys = 50;
    config
}

fn open(folder: &Path) -> FileKeyStore {
    FileKeyStore::open(&config(folder)).unwrap()
}

fn contains(folder: &Path, key: &Key) -> bool {
    let bytes = fs::read(config(folder).path).unwrap();
    bytes.windows(32).any(|window| window == key.as_bytes())
}

#[test]
fn a_key_is_in_the_file_before_it_is_handed_out_and_not_after_it_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let taken: Vec<_> = (0..60).map(|_| store.take().unwrap()).collect();
    for (id, key) in &taken {
        assert!(contains(dir.path(), key));
        assert!(store.erase(*id).unwrap());
        assert!(!contains(dir.path(), key));
        // Not even a checksum of it: the slots of erased keys differ by their numbers alone.
        let mut slot = [0; 64];
        let file = fs::File::open(config(dir.path()).path).unwrap();
        file.read_exact_at(&mut slot, id.0 * 64).unwrap();
        assert_eq!(slot[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert!(slot[16..60].iter().all(|byte| *byte == 0));
        assert_eq!(slot[60..], crc32fast::hash(&slot[..60]).to_be_bytes());
    }
    assert_eq!(store.scan().unwrap().erased, 60);
    drop(store);
    let store = open(dir.path());
    for (id, _) in &taken {
        assert!(store.get(*id).unwrap().is_none());
    }
}

#[test]
fn the_file_is_the_owner_s_alone_and_one_process_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let path = config(dir.path()).path;
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = FileKeyStore::open(&config(dir.path()));
    assert!(matches!(second.err(), Some(VaultError::InUse { .. })));
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let exposed = FileKeyStore::open(&config(dir.path())).err().unwrap();
    assert!(matches!(exposed, VaultError::Exposed { mode: 0o640, .. }));
    assert!(exposed.to_string().contains("chmod 600"));
}

#[test]
fn a_file_cut_at_any_length_loses_no_whole_slot_and_reuses_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let taken: Vec<_> = (0..10).map(|_| store.take().unwrap()).collect();
    drop(store);
    let whole = fs::read(config(dir.path()).path).unwrap();
    for len in (0..11 * 64).step_by(13) {
        let dir = tempfile::tempdir().unwrap();
        let path = config(dir.path()).path;
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, &whole[..len]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let store = open(dir.path());
        let (id, key) = store.take().unwrap();
        assert!(id.0 * 64 >= len as u64, "key {id} in a file of {len} bytes");
        assert_eq!(store.get(id).unwrap().unwrap().as_bytes(), key.as_bytes());
        for (id, key) in taken.iter().filter(|(id, _)| (id.0 + 1) * 64 <= len as u64) {
            assert_eq!(store.get(*id).unwrap().unwrap().as_bytes(), key.as_bytes());
        }
        let torn = len > 64 && len % 64 != 0;
        assert_eq!(
            store.scan().unwrap().damaged.len(),
            usize::from(torn),
            "{len}"
        );
    }
}

#[test]
fn damage_is_named_and_costs_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ids: Vec<KeyId> = (0..5).map(|_| store.take().unwrap().0).collect();
    drop(store);
    let path = config(dir.path()).path;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let mut byte = [0];
    let at = ids[2].0 * 64 + 20;
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    // A slot in another's place is damage as well.
    let mut slot = [0; 64];
    file.read_exact_at(&mut slot, ids[0].0 * 64).unwrap();
    file.write_all_at(&slot, ids[3].0 * 64).unwrap();
    drop(file);
    let store = open(dir.path());
    let error = store.get(ids[2]).unwrap_err();
    assert!(matches!(error, VaultError::Damaged { id, .. } if id == ids[2]));
    let text = error.to_string();
    assert!(text.contains(&format!("key {}", ids[2])), "{text}");
    assert_eq!(store.scan().unwrap().damaged, [ids[2], ids[3]]);
    assert!(store.get(ids[1]).unwrap().is_some());
    // What is left of it can still be erased.
    assert!(store.erase(ids[2]).unwrap());
    assert!(store.get(ids[2]).unwrap().is_none());
}

#[test]
fn what_is_no_file_of_keys_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = config(dir.path()).path;
    fs::create_dir(path.parent().unwrap()).unwrap();
    let mut newer = b"FLTKEYS\0\0\0\0\x02\0\0\0\x40".to_vec();
    newer.resize(60, 0);
    newer.extend(crc32fast::hash(&newer).to_be_bytes());
    let mut damaged = newer.clone();
    damaged[30] = 1;
    for (bytes, says) in [
        (b"precious notes".to_vec(), "does not begin as one"),
        (vec![b'x'; 200], "does not begin as one"),
        (newer, "newer release"),
        (damaged, "damaged"),
    ] {
        fs::write(&path, &bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = FileKeyStore::open(&config(dir.path())).err().unwrap();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn numbers_that_the_stream_names_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut config = config(dir.path());
    config.used_up_to = KeyId(100_000);
    let store = FileKeyStore::open(&config).unwrap();
    assert_eq!(store.take().unwrap().0, KeyId(100_001));
    // Lost with the newer file: not the same as erased.
    let lost = store.get(KeyId(99_999));
    assert!(matches!(lost, Err(VaultError::Damaged { .. })));
}

/// Not a test of its own: what the parent runs, and kills.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(PATH) else {
        return;
    };
    let store = open(folder.as_ref());
    for round in 0_u64.. {
        let (id, key) = store.take().unwrap();
        let erased = round % 3 == 0;
        if erased {
            store.erase(id).unwrap();
        }
        let key: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {id} {key} {erased} .").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_no_key_that_it_handed_out() {
    if std::env::var_os(PATH).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut told: HashMap<u64, (String, bool)> = HashMap::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["file::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(PATH, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 30 + round * 41;
        let mut acks = 0;
        for line in lines {
            let line = line.unwrap();
            let fields: Vec<&str> = line.split(' ').collect();
            // A line without its end was cut.
            if let ["ack", id, key, erased, "."] = fields[..] {
                let fact = (key.to_owned(), erased == "true");
                let earlier = told.insert(id.parse().unwrap(), fact);
                assert_eq!(earlier, None, "key {id} was handed out twice");
                acks += 1;
            }
            if acks == enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(acks >= enough, "the child died by itself");
    }
    let store = open(dir.path());
    for (id, (key, erased)) in told {
        let got = store.get(KeyId(id)).unwrap();
        let got = got
            .map(|key| -> String { key.as_bytes().iter().map(|b| format!("{b:02x}")).collect() });
        assert_eq!(got, (!erased).then_some(key), "key {id}");
    }
}
