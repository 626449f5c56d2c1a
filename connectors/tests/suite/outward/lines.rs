//! A provider that takes teletype messages out of a folder and answers them there.

use std::path::Path;

use super::Shared;

/// Takes what lies there, and answers.
pub(crate) fn turn(folder: &Path, books: &Shared) {
    let mut books = books.lock();
    if books.down {
        return;
    }
    let mut files: Vec<_> = std::fs::read_dir(folder.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let key = text
            .lines()
            .find_map(|line| line.strip_prefix("OSI YY FLREF "));
        let key = key.unwrap();
        let segment = text.lines().find(|line| line.contains("JANEWR")).unwrap();
        let (designator, action) = segment.rsplit_once(' ').unwrap();
        if action.starts_with("XX") {
            books.forget(key);
            std::fs::remove_file(&path).unwrap();
            continue;
        }
        assert_eq!(action, "SS2");
        let status = match books.take(key) {
            Ok(()) => "HK2".to_owned(),
            Err(code) => format!("{code}2"),
        };
        if books.loses {
            // It has it, and answers another day: the message stays until then.
            continue;
        }
        std::fs::remove_file(&path).unwrap();
        let locator = &key[key.len() - 6..].to_ascii_uppercase();
        let answer = format!(
            "QU HDQFLXX\n.NYCRMUA\nHDQFL ABC234\nNYCUA {locator}\n{designator} {status}\nOSI YY FLREF {key}\n"
        );
        let partial = folder.join("in/.answer");
        std::fs::write(&partial, answer).unwrap();
        std::fs::rename(partial, folder.join(format!("in/{key}.txt"))).unwrap();
    }
}
