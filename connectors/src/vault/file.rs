//! Keys in one file of fixed slots, for one replica.
//!
//! The first slot is the header; key `n` has slot `n`. A slot is 64 bytes and aligned, so that it
//! never crosses a sector and erasing it is one write in place. Blocks of new keys go behind the
//! end and are synced before the first of them is handed out. What a crash left unused, whole or
//! torn, is skipped: a slot is filled once, ever.

mod slot;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flightline_failpoints::{Point, reach};
use parking_lot::RwLock;
use zeroize::Zeroizing;

use super::error::VaultError;
use super::key::{Key, KeyId};
use super::pool::{Block, Pool};
use super::store::KeyStore;
use slot::{SLOT_BYTES, Slot};

/// How the file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileKeyStoreConfig {
    /// The file; made with its folder when it is missing.
    pub path: PathBuf,
    /// How many keys are made durable at once. A restart skips what is left of at most two blocks.
    pub block_keys: u32,
    /// Numbers up to this one are taken for used, whatever the file says. Give the highest number
    /// that the stream names: a file restored from an older backup would use numbers again.
    pub used_up_to: KeyId,
}

impl FileKeyStoreConfig {
    /// The usual settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            block_keys: 4096,
            used_up_to: KeyId(0),
        }
    }
}

/// What a whole file holds; see [`FileKeyStore::scan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys, used or skipped.
    pub keys: u64,
    /// Erased keys.
    pub erased: u64,
    /// Slots without a valid content. Those that a crash left were never handed out; any that an
    /// order names is damage.
    pub damaged: Vec<KeyId>,
}

/// Keys in a file, locked for this process.
pub struct FileKeyStore {
    slots: Arc<Slots>,
    pool: Pool,
    /// Slots below are from earlier runs, those from here on of this one.
    first_of_run: u64,
    /// The highest number handed out in this run.
    last_taken: AtomicU64,
}

struct Slots {
    path: PathBuf,
    file: File,
    /// Held shared to read a slot and alone to erase one: neither the system's reads nor its writes
    /// are atomic to each other. Not held while syncing.
    access: RwLock<()>,
}

impl FileKeyStore {
    /// Opens or creates the file, and starts to make the first block.
    ///
    /// # Errors
    /// The file is in use, readable by others, or no file of keys.
    pub fn open(config: &FileKeyStoreConfig) -> Result<Self, VaultError> {
        let path = &config.path;
        let file = open_locked(path)?;
        let len = prepare_header(&file, path)?;
        let slots = Arc::new(Slots {
            path: path.clone(),
            file,
            access: RwLock::new(()),
        });
        if len % SLOT_BYTES != 0 {
            tracing::warn!(
                path = %path.display(),
                bytes = len,
                "the last block of keys is torn: a write was interrupted; none of its keys is used"
            );
        }
        let first_unused = config.used_up_to.0.saturating_add(1);
        let first_of_run = len.div_ceil(SLOT_BYTES).max(first_unused);
        let mut next = first_of_run;
        let block_keys = u64::from(config.block_keys.max(1));
        let theirs = Arc::clone(&slots);
        let pool = Pool::start(move || {
            let block = theirs.write_block(next, block_keys)?;
            next += block_keys;
            Ok(block)
        })
        .map_err(VaultError::io("starting the thread for", path))?;
        Ok(Self {
            slots,
            pool,
            first_of_run,
            last_taken: AtomicU64::new(0),
        })
    }

    /// Reads every slot. Takes as long as reading the file does.
    ///
    /// # Errors
    /// The file cannot be read. Damage is no error here, but part of the report.
    pub fn scan(&self) -> Result<Report, VaultError> {
        let mut report = Report::default();
        let end = self.slots.end()?;
        for id in (1..end).map(KeyId) {
            match self.slots.read(id)? {
                Slot::Key(_) => report.keys += 1,
                Slot::Erased => report.erased += 1,
                Slot::Damaged => report.damaged.push(id),
            }
        }
        Ok(report)
    }

    /// Can this number have been handed out?
    fn has(&self, id: KeyId) -> Result<bool, VaultError> {
        if id.0 >= self.first_of_run {
            return Ok(id.0 <= self.last_taken.load(Ordering::SeqCst));
        }
        Ok(id.0 > 0 && id.0 < self.slots.end()?)
    }
}

impl KeyStore for FileKeyStore {
    fn take(&self) -> Result<(KeyId, Key), VaultError> {
        let (id, key) = self.pool.take()?;
        self.last_taken.fetch_max(id.0, Ordering::SeqCst);
        Ok((id, key))
    }

    fn get(&self, id: KeyId) -> Result<Option<Key>, VaultError> {
        if !self.has(id)? {
            return Ok(None);
        }
        match self.slots.read(id)? {
            Slot::Key(key) => Ok(Some(key)),
            Slot::Erased => Ok(None),
            Slot::Damaged => Err(VaultError::Damaged {
                path: self.slots.path.clone(),
                id,
                byte: id.0 * SLOT_BYTES,
            }),
        }
    }

    fn erase(&self, id: KeyId) -> Result<bool, VaultError> {
        if !self.has(id)? {
            return Ok(false);
        }
        self.slots.erase(id)
    }
}

impl Slots {
    /// One more than the last whole slot.
    fn end(&self) -> Result<u64, VaultError> {
        let failed = VaultError::io("measuring", &self.path);
        Ok(self.file.metadata().map_err(failed)?.len() / SLOT_BYTES)
    }

    fn read(&self, id: KeyId) -> Result<Slot, VaultError> {
        let mut bytes = Zeroizing::new([0; SLOT_BYTES as usize]);
        let _access = self.access.read();
        self.file
            .read_exact_at(bytes.as_mut_slice(), id.0 * SLOT_BYTES)
            .map_err(VaultError::io("reading", &self.path))?;
        Ok(Slot::decode(&bytes, id))
    }

    fn erase(&self, id: KeyId) -> Result<bool, VaultError> {
        let was_there = {
            let _access = self.access.write();
            let mut bytes = Zeroizing::new([0; SLOT_BYTES as usize]);
            let at = id.0 * SLOT_BYTES;
            self.file
                .read_exact_at(bytes.as_mut_slice(), at)
                .map_err(VaultError::io("reading", &self.path))?;
            let was_there = !matches!(Slot::decode(&bytes, id), Slot::Erased);
            // An erased slot too: its earlier sync may have failed and lost the write.
            self.file
                .write_all_at(&slot::erased(id), at)
                .map_err(VaultError::io("erasing from", &self.path))?;
            was_there
        };
        self.file
            .sync_data()
            .map_err(VaultError::io("syncing", &self.path))?;
        Ok(was_there)
    }

    fn write_block(&self, first: u64, count: u64) -> Result<Block, VaultError> {
        let mut block = Block::new();
        // Of its final size from the start, as growing would leave copies of keys behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity((count * SLOT_BYTES) as usize));
        for id in (first..first + count).map(KeyId) {
            let key = Key::random()?;
            bytes.extend_from_slice(slot::filled(id, &key).as_slice());
            block.push_back((id, key));
        }
        let write = || -> std::io::Result<()> {
            reach(Point::KeysWrite)?;
            self.file.write_all_at(&bytes, first * SLOT_BYTES)?;
            self.file.sync_all()?;
            Ok(reach(Point::KeysSynced)?)
        };
        write().map_err(VaultError::io("adding to", &self.path))?;
        Ok(block)
    }
}

fn open_locked(path: &Path) -> Result<File, VaultError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(VaultError::io("creating the folder for", path))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(VaultError::io("opening", path))?;
    let about = file.metadata().map_err(VaultError::io("measuring", path))?;
    if !about.is_file() {
        return Err(VaultError::NotKeys {
            path: path.to_owned(),
            what: "it is not a regular file".to_owned(),
        });
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(VaultError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(VaultError::InUse {
                path: path.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => {
            return Err(VaultError::io("locking", path)(source));
        }
    }
    // The file's name must be as durable as its content.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(VaultError::io("syncing the folder of", path))?;
    Ok(file)
}

/// Checks the header, or writes it to a new file. Returns the file's length in bytes.
fn prepare_header(file: &File, path: &Path) -> Result<u64, VaultError> {
    let failed = |doing| VaultError::io(doing, path);
    let len = file.metadata().map_err(failed("measuring"))?.len();
    let mut header = [0; SLOT_BYTES as usize];
    let have = len.min(SLOT_BYTES) as usize;
    match file.read_exact_at(&mut header[..have], 0) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            return Err(failed("reading")(error));
        }
        _ => {}
    }
    let is_unfinished = len <= SLOT_BYTES
        && (header[..have].iter().all(|byte| *byte == 0)
            || (have < header.len() && slot::header().starts_with(&header[..have])));
    if is_unfinished {
        // New, or its creation was interrupted before there was any key.
        file.write_all_at(&slot::header(), 0)
            .and_then(|()| file.sync_all())
            .map_err(failed("creating"))?;
        return Ok(SLOT_BYTES);
    }
    slot::check_header(&header).map_err(|what| VaultError::NotKeys {
        path: path.to_owned(),
        what,
    })?;
    Ok(len)
}
