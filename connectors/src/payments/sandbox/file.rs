//! The file that keeps the sandbox's books beyond the process: one JSON object per line, only ever
//! added to.
//!
//! It outlives a killed process, as a real service's books do. It is not forced to disk: what a
//! power cut takes is imaginary money.

use std::fs::{File, OpenOptions, TryLockError};
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
    /// Another process has them open.
    #[error(
        "the sandbox's books {} are open in another process: stop it, or give this one a file of \
         its own",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
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
    /// Length up to the end of the last whole line.
    len: u64,
}

impl BooksFile {
    /// Opens or creates the file and reads the books in it. A last line that was cut off, as a
    /// kill can leave it, does not count, since nobody was told of it; the next line replaces it.
    pub(super) fn open(path: &Path) -> Result<(Self, Books), BooksError> {
        let io = |source| BooksError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BooksError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let mut books = Books::default();
        for (index, line) in text[..whole].split(|b| *b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            serde_json::from_slice::<Entry>(line)
                .map_err(|e| e.to_string())
                .and_then(|entry| books.enter(&entry))
                .map_err(|reason| BooksError::Damaged {
                    path: path.to_owned(),
                    line: index + 1,
                    reason,
                })?;
        }
        let books_file = Self {
            file,
            len: whole as u64,
        };
        Ok((books_file, books))
    }

    /// Adds a line; after a failure the file is as before.
    pub(super) fn add(&mut self, entry: &Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        // What an earlier failure or a killed process left behind the last whole line goes first.
        self.cut()?;
        match self.file.write_all(&line) {
            Ok(()) => {
                self.len += line.len() as u64;
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
        if self.file.metadata()?.len() != self.len {
            self.file.set_len(self.len)?;
        }
        self.file.seek(SeekFrom::Start(self.len))?;
        Ok(())
    }
}
