//! The file that keeps the sandbox's books beyond the process: one JSON object per line, only ever
//! added to.
//!
//! It outlives a killed process, as a real service's books do. It is not forced to disk: what a
//! power cut takes is imaginary money.
//!
//! Several processes of one machine may keep their books in one file: each ask locks it, reads what
//! the others added, and adds its own line.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::books::{Books, Entry};

/// Why the books cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The file cannot be opened or read.
    #[error("the sandbox's books {}: {source}: give a path that can be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line that is no entry, or cannot follow those before it.
    #[error(
        "the sandbox's books {}, line {line}: {reason}: the file was changed by hand or belongs to \
         something else; move it away to start with empty books",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Debug)]
pub(super) struct BooksFile {
    file: File,
    path: PathBuf,
    /// Length up to the end of the last whole line that was read.
    len: u64,
    /// Lines read.
    lines: usize,
}

/// The books, for one ask: nobody else adds to them until this is dropped.
pub(super) struct Held<'a>(&'a mut BooksFile);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // It ends with the process at the latest.
        let _ = self.0.file.unlock();
    }
}

impl BooksFile {
    /// Opens or creates the file and reads the books in it. A last line that was cut off, as a
    /// kill can leave it, does not count, since nobody was told of it; the next line replaces it.
    pub(super) fn open(path: &Path) -> Result<(Self, Books), BooksError> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = opened.map_err(|source| BooksError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut file = Self {
            file,
            path: path.to_owned(),
            len: 0,
            lines: 0,
        };
        let mut books = Books::default();
        file.hold(&mut books)?;
        Ok((file, books))
    }

    /// Locks the file and brings the books up to date with it.
    pub(super) fn hold(&mut self, books: &mut Books) -> Result<Held<'_>, BooksError> {
        self.file.lock().map_err(self.io())?;
        let held = Held(self);
        held.0.read(books)?;
        Ok(held)
    }

    fn io(&self) -> impl Fn(std::io::Error) -> BooksError + use<> {
        let path = self.path.clone();
        move |source| BooksError::Io {
            path: path.clone(),
            source,
        }
    }

    fn read(&mut self, books: &mut Books) -> Result<(), BooksError> {
        let io = self.io();
        if self.file.metadata().map_err(&io)?.len() == self.len {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(self.len)).map_err(&io)?;
        let mut text = Vec::new();
        self.file.read_to_end(&mut text).map_err(&io)?;
        for line in text.split_inclusive(|b| *b == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            if !line.is_empty() {
                serde_json::from_slice::<Entry>(line)
                    .map_err(|e| e.to_string())
                    .and_then(|entry| books.enter(&entry))
                    .map_err(|reason| BooksError::Damaged {
                        path: self.path.clone(),
                        line: self.lines + 1,
                        reason,
                    })?;
            }
            self.len += line.len() as u64 + 1;
            self.lines += 1;
        }
        Ok(())
    }
}

impl Held<'_> {
    /// Adds a line; after a failure the file is as before.
    pub(super) fn add(&mut self, entry: &Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        // What an earlier failure or a killed process left behind the last whole line goes first.
        self.cut()?;
        match self.0.file.write_all(&line) {
            Ok(()) => {
                self.0.len += line.len() as u64;
                self.0.lines += 1;
                Ok(())
            }
            Err(error) => {
                // A rest that cannot be cut off now is cut off before the next line.
                let _ = self.cut();
                Err(error)
            }
        }
    }

    fn cut(&mut self) -> std::io::Result<()> {
        let file = &mut *self.0;
        if file.file.metadata()?.len() != file.len {
            file.file.set_len(file.len)?;
        }
        file.file.seek(SeekFrom::Start(file.len))?;
        Ok(())
    }
}
