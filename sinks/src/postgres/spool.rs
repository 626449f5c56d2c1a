//! Batches that wait while the database is away: in memory up to a bound, then in files.
//!
//! The files are a part of this run's memory, not of the replica's state: they are removed at the
//! next start, which reads the same epochs from the stream again.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::PostgresError;
use super::batch::{Rows, Sealed, TableWrite};
use super::view_batch::ViewStep;

/// Batches in order.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    waiting: VecDeque<Waiting>,
    memory_max: usize,
    memory: usize,
    disk: u64,
    rows: u64,
    next_file: u64,
}

#[derive(Debug)]
enum Waiting {
    Memory(Sealed),
    Disk {
        file: PathBuf,
        bytes: u64,
        rows: u64,
    },
}

const SUFFIX: &str = "batch";

impl Spool {
    /// An empty queue; what an earlier run left in the folder is removed.
    pub(super) fn open(dir: PathBuf, memory_max: usize) -> Result<Self, PostgresError> {
        fs::create_dir_all(&dir).map_err(failed(&dir))?;
        for entry in fs::read_dir(&dir).map_err(failed(&dir))? {
            let file = entry.map_err(failed(&dir))?.path();
            if file.extension().is_some_and(|suffix| suffix == SUFFIX) {
                fs::remove_file(&file).map_err(failed(&file))?;
            }
        }
        Ok(Self {
            dir,
            waiting: VecDeque::new(),
            memory_max,
            memory: 0,
            disk: 0,
            rows: 0,
            next_file: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn disk(&self) -> u64 {
        self.disk
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a batch behind the others. When it cannot be put on disk it stays in memory: nothing is
    /// lost, and the caller says so.
    pub(super) fn push(&mut self, batch: Sealed) -> Result<(), PostgresError> {
        self.rows += batch.rows;
        let bytes = batch.bytes();
        if self.memory + bytes > self.memory_max {
            let file = self.dir.join(format!("{:08}.{SUFFIX}", self.next_file));
            match write(&file, &batch) {
                Ok(bytes) => {
                    self.next_file += 1;
                    self.disk += bytes;
                    let rows = batch.rows;
                    self.waiting.push_back(Waiting::Disk { file, bytes, rows });
                    return Ok(());
                }
                Err(error) => {
                    // What is there in part would only take up space; it may not even exist.
                    let _ = fs::remove_file(&file);
                    self.keep(batch, bytes);
                    return Err(failed(&file)(error));
                }
            }
        }
        self.keep(batch, bytes);
        Ok(())
    }

    fn keep(&mut self, batch: Sealed, bytes: usize) {
        self.memory += bytes;
        self.waiting.push_back(Waiting::Memory(batch));
    }

    /// Takes the first batch.
    pub(super) fn pop(&mut self) -> Result<Option<Sealed>, PostgresError> {
        let (batch, rows) = match self.waiting.front() {
            None => return Ok(None),
            Some(Waiting::Memory(batch)) => {
                self.memory -= batch.bytes();
                let rows = batch.rows;
                let Some(Waiting::Memory(batch)) = self.waiting.pop_front() else {
                    return Ok(None);
                };
                (batch, rows)
            }
            Some(Waiting::Disk { file, bytes, rows }) => {
                let batch = read(file).map_err(failed(file))?;
                let (bytes, rows) = (*bytes, *rows);
                if let Err(error) = fs::remove_file(file) {
                    tracing::warn!(file = %file.display(), %error, "a spool file stays behind");
                }
                self.disk -= bytes;
                self.waiting.pop_front();
                (batch, rows)
            }
        };
        self.rows -= rows;
        Ok(Some(batch))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        for waiting in &self.waiting {
            if let Waiting::Disk { file, .. } = waiting {
                // If it stays, the next start removes it.
                let _ = fs::remove_file(file);
            }
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> PostgresError {
    let path = path.to_path_buf();
    move |source| PostgresError::Spool { path, source }
}

fn number(out: &mut Counting, n: u64) -> io::Result<()> {
    out.write_all(&n.to_le_bytes())
}

fn write_rows(out: &mut Counting, rows: &Rows) -> io::Result<()> {
    number(out, rows.count)?;
    number(out, rows.pieces.iter().map(|p| p.len() as u64).sum())?;
    for piece in &rows.pieces {
        out.write_all(piece)?;
    }
    Ok(())
}

fn write(file: &Path, batch: &Sealed) -> io::Result<u64> {
    let mut out = Counting {
        out: BufWriter::new(File::create(file)?),
        bytes: 0,
    };
    number(&mut out, batch.epochs)?;
    number(&mut out, batch.rows)?;
    for vector in [&batch.from, &batch.to] {
        number(&mut out, vector.len() as u64)?;
        for offset in vector {
            number(&mut out, *offset)?;
        }
    }
    number(&mut out, batch.tables.len() as u64)?;
    for table in &batch.tables {
        number(&mut out, table.table as u64)?;
        number(&mut out, table.updates)?;
        number(&mut out, table.deletes)?;
        for rows in [&table.inserts, &table.staged] {
            write_rows(&mut out, rows)?;
        }
    }
    number(&mut out, batch.views.len() as u64)?;
    for step in &batch.views {
        let (kind, view, rows, message) = match step {
            ViewStep::Drop { view } => (0, view, None, None),
            ViewStep::Fill { view, rows } => (1, view, Some(rows), None),
            ViewStep::Fail { view, message } => (2, view, None, Some(message)),
        };
        number(&mut out, kind)?;
        number(&mut out, *view as u64)?;
        if let Some(rows) = rows {
            write_rows(&mut out, rows)?;
        }
        if let Some(message) = message {
            number(&mut out, message.len() as u64)?;
            out.write_all(message.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(out.bytes)
}

struct Counting {
    out: BufWriter<File>,
    bytes: u64,
}

impl Write for Counting {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.out.write(buf)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Rows are sent in pieces of this size.
const PIECE: usize = 64 << 10;

fn read(file: &Path) -> io::Result<Sealed> {
    let mut bytes = Vec::new();
    File::open(file)?.read_to_end(&mut bytes)?;
    let mut rest = Bytes::from(bytes);
    let cut = || io::Error::new(io::ErrorKind::InvalidData, "the spool file was cut short");
    let mut take = |len: u64| -> io::Result<Bytes> {
        let len = usize::try_from(len).map_err(|_| cut())?;
        if len > rest.len() {
            return Err(cut());
        }
        Ok(rest.split_to(len))
    };
    let number = |take: &mut dyn FnMut(u64) -> io::Result<Bytes>| -> io::Result<u64> {
        let bytes = take(8)?;
        let bytes: [u8; 8] = bytes[..].try_into().map_err(|_| cut())?;
        Ok(u64::from_le_bytes(bytes))
    };
    let rows_of = |take: &mut dyn FnMut(u64) -> io::Result<Bytes>| -> io::Result<Rows> {
        let mut rows = Rows {
            count: number(take)?,
            pieces: Vec::new(),
        };
        let len = number(take)?;
        let mut all = take(len)?;
        while !all.is_empty() {
            rows.pieces.push(all.split_to(all.len().min(PIECE)));
        }
        Ok(rows)
    };
    let epochs = number(&mut take)?;
    let rows = number(&mut take)?;
    let mut vectors = [Vec::new(), Vec::new()];
    for vector in &mut vectors {
        for _ in 0..number(&mut take)? {
            vector.push(number(&mut take)?);
        }
    }
    let [from, to] = vectors;
    let mut tables = Vec::new();
    for _ in 0..number(&mut take)? {
        let table = number(&mut take)? as usize;
        let updates = number(&mut take)?;
        let deletes = number(&mut take)?;
        let inserts = rows_of(&mut take)?;
        let staged = rows_of(&mut take)?;
        tables.push(TableWrite {
            table,
            inserts,
            staged,
            updates,
            deletes,
        });
    }
    let mut views = Vec::new();
    for _ in 0..number(&mut take)? {
        let kind = number(&mut take)?;
        let view = number(&mut take)? as usize;
        views.push(match kind {
            0 => ViewStep::Drop { view },
            1 => ViewStep::Fill {
                view,
                rows: rows_of(&mut take)?,
            },
            _ => {
                let len = number(&mut take)?;
                let message = String::from_utf8_lossy(&take(len)?).into_owned();
                ViewStep::Fail { view, message }
            }
        });
    }
    Ok(Sealed {
        from,
        to,
        epochs,
        rows,
        tables,
        views,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(n: u64) -> Sealed {
        let rows = |len: usize| Rows {
            count: n,
            pieces: vec![Bytes::from(vec![n as u8; len])],
        };
        Sealed {
            from: vec![n, 0],
            to: vec![n + 1, 0],
            epochs: 2,
            rows: n,
            tables: vec![TableWrite {
                table: 3,
                inserts: rows(1000),
                staged: Rows::default(),
                updates: n,
                deletes: 1,
            }],
            views: vec![
                ViewStep::Drop { view: 1 },
                ViewStep::Fill {
                    view: 2,
                    rows: rows(10),
                },
                ViewStep::Fail {
                    view: 2,
                    message: "gone".to_owned(),
                },
            ],
        }
    }

    #[test]
    fn batches_come_back_in_order_from_memory_and_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path().join("spool"), 2500).unwrap();
        for n in 0..6 {
            spool.push(batch(n)).unwrap();
        }
        assert_eq!((spool.memory(), spool.rows()), (2020, 15));
        assert!(spool.disk() > 4000);
        for n in 0..6 {
            assert_eq!(spool.pop().unwrap(), Some(batch(n)));
        }
        assert_eq!(spool.pop().unwrap(), None);
        assert_eq!((spool.memory(), spool.disk(), spool.rows()), (0, 0, 0));
        assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
    }

    #[test]
    fn files_of_an_earlier_run_are_removed_and_other_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("00000000.batch"), "old").unwrap();
        fs::write(dir.path().join("note"), "mine").unwrap();
        let spool = Spool::open(dir.path().to_path_buf(), 0).unwrap();
        assert!(spool.is_empty());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_batch_that_the_disk_does_not_take_stays_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path().join("spool"), 0).unwrap();
        fs::remove_dir(dir.path().join("spool")).unwrap();
        let error = spool.push(batch(1)).unwrap_err().to_string();
        assert!(error.contains("00000000.batch"), "{error}");
        assert_eq!(spool.pop().unwrap(), Some(batch(1)));
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.batch");
        write(&file, &batch(1)).unwrap();
        let bytes = fs::read(&file).unwrap();
        for len in [0, 7, 100, bytes.len() - 1] {
            fs::write(&file, &bytes[..len]).unwrap();
            assert!(read(&file).is_err(), "{len} bytes were taken");
        }
    }
}
