//! Where the objects of checkpoints lie: a local folder, or an object store that a URL names.
//!
//! Calls block; they must not come from a thread of the async runtime.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use flightline_failpoints::{Injected, Point, reach};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::Handle;
use xxhash_rust::xxh3::xxh3_128;

use super::CheckpointError;
use super::manifest::{Manifest, PartEntry};
use super::part::Part;

/// Name of the folder in the data directory.
const FOLDER: &str = "checkpoints";
const MANIFEST: &str = "manifest";

/// Where checkpoints lie.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    handle: Handle,
    shown: String,
    /// The folder, when it is one.
    folder: Option<std::path::PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("at", &self.shown)
            .finish_non_exhaustive()
    }
}

/// A checkpoint, as far as its manifest can be read.
#[derive(Debug)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// What belongs to it.
    pub manifest: Result<Manifest, CheckpointError>,
}

/// What lies there.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Checkpoints with a manifest, newest first.
    pub(super) entries: Vec<Entry>,
    /// Numbers of those that were begun and have none.
    pub(super) unfinished: Vec<u64>,
}

fn injected(injected: Injected) -> object_store::Error {
    object_store::Error::Generic {
        store: "failpoint",
        source: Box::new(injected),
    }
}

impl Store {
    /// The place that `url` names; absent = a folder in the data directory. Must be called on the
    /// async runtime, which its calls will use.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn open(url: Option<&str>, data_dir: &FilePath) -> Result<Self, CheckpointError> {
        let handle = Handle::current();
        let bad = CheckpointError::Url;
        let local = |folder: &FilePath| {
            std::fs::create_dir_all(folder)
                .map_err(|error| bad(format!("{}: {error}", folder.display())))?;
            let objects = LocalFileSystem::new_with_prefix(folder)
                .map_err(|error| bad(format!("{}: {error}", folder.display())))?;
            // A checkpoint that the system still has in memory only is none.
            let objects = objects.with_fsync(true).with_automatic_cleanup(true);
            Ok(Self {
                objects: Arc::new(objects),
                prefix: Path::default(),
                handle: handle.clone(),
                shown: folder.display().to_string(),
                folder: Some(folder.to_owned()),
            })
        };
        let Some(url) = url else {
            return local(&data_dir.join(FOLDER));
        };
        if let Some(path) = url.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err(bad(format!(
                    "'{url}': a file URL has an absolute path, such as file:///var/lib/flightline/checkpoints"
                )));
            }
            return local(FilePath::new(path));
        }
        remote(url, handle)
    }

    fn folder_of(&self, id: u64) -> Path {
        self.prefix.clone().join(format!("{id:020}"))
    }

    fn manifest_of(&self, id: u64) -> Path {
        self.folder_of(id).join(MANIFEST)
    }

    fn part_of(&self, id: u64, partition: usize) -> Path {
        self.folder_of(id).join(format!("{partition:05}"))
    }

    fn failed<'a>(
        &self,
        what: &'a str,
        path: &'a Path,
    ) -> impl FnOnce(object_store::Error) -> CheckpointError + 'a {
        let shown = self.shown.clone();
        move |error| CheckpointError::Store {
            what: format!("{what} {path} in {shown}"),
            error,
        }
    }

    fn get(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        let read = async {
            let found = self.objects.get(path).await?;
            found.bytes().await
        };
        let bytes = self
            .handle
            .block_on(read)
            .map_err(self.failed("read", path))?;
        Ok(bytes.into())
    }

    fn put(&self, path: &Path, bytes: Vec<u8>) -> Result<(), CheckpointError> {
        let written = self.objects.put(path, PutPayload::from(bytes));
        self.handle
            .block_on(written)
            .map_err(self.failed("write", path))?;
        Ok(())
    }

    /// Every checkpoint that lies there, newest first, those that cannot be used included.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn list(&self) -> Result<Vec<Entry>, CheckpointError> {
        Ok(self.look()?.entries)
    }

    pub(super) fn look(&self) -> Result<Listing, CheckpointError> {
        let listed = self.objects.list(Some(&self.prefix));
        let found: Vec<_> = self
            .handle
            .block_on(futures_util::TryStreamExt::try_collect(listed))
            .map_err(self.failed("list", &self.prefix))?;
        let mut has_manifest = BTreeMap::new();
        for object in found {
            let mut names = object.location.parts().skip(self.prefix.parts().count());
            let id = names
                .next()
                .and_then(|name| name.as_ref().parse::<u64>().ok());
            let (Some(id), Some(name)) = (id, names.next()) else {
                // Not ours.
                continue;
            };
            *has_manifest.entry(id).or_insert(false) |= name.as_ref() == MANIFEST;
        }
        for id in self.folders() {
            has_manifest.entry(id).or_insert(false);
        }
        let mut listing = Listing::default();
        for (id, has_manifest) in has_manifest.into_iter().rev() {
            if has_manifest {
                let manifest = self
                    .get(&self.manifest_of(id))
                    .and_then(|bytes| Manifest::from_bytes(id, &bytes));
                listing.entries.push(Entry { id, manifest });
            } else {
                listing.unfinished.push(id);
            }
        }
        Ok(listing)
    }

    /// Numbers of checkpoints that have a folder, when they are in one: it may hold nothing but what a
    /// write that was broken off has left.
    fn folders(&self) -> Vec<u64> {
        let Some(root) = &self.folder else {
            return Vec::new();
        };
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// Writes a part.
    pub(super) fn put_part(
        &self,
        id: u64,
        part: &mut Part,
        partitions: u32,
    ) -> Result<PartEntry, CheckpointError> {
        let bytes = part.encode(partitions);
        let entry = PartEntry {
            next_offset: part.folded.next_offset(),
            bytes: bytes.len() as u64,
            digest: format!("{:032x}", xxh3_128(&bytes)),
            stream_hash: format!("{:032x}", part.checker().state().hash),
            state_hash: format!("{:032x}", part.folded.hash_state()),
        };
        let path = self.part_of(id, part.folded.partition() as usize);
        reach(Point::CheckpointPart).map_err(|e| self.failed("write", &path)(injected(e)))?;
        self.put(&path, bytes)?;
        Ok(entry)
    }

    /// Takes a part over into another checkpoint, unread.
    pub(super) fn copy_part(
        &self,
        from: u64,
        to: u64,
        partition: u32,
    ) -> Result<(), CheckpointError> {
        let (from, to) = (
            self.part_of(from, partition as usize),
            self.part_of(to, partition as usize),
        );
        let copied = self.objects.copy(&from, &to);
        self.handle
            .block_on(copied)
            .map_err(self.failed("copy", &from))
    }

    /// Makes a checkpoint visible.
    pub(super) fn publish(&self, manifest: &Manifest) -> Result<(), CheckpointError> {
        let path = self.manifest_of(manifest.id);
        let failed = |e| self.failed("write", &path)(injected(e));
        reach(Point::CheckpointManifest).map_err(failed)?;
        self.put(&path, manifest.to_bytes())?;
        reach(Point::CheckpointPublished).map_err(failed)
    }

    /// Reads a part and holds it to its manifest.
    pub(crate) fn get_part(
        &self,
        manifest: &Manifest,
        partition: u32,
    ) -> Result<Part, CheckpointError> {
        let id = manifest.id;
        let damaged = |what: String| CheckpointError::Damaged {
            id,
            what: format!("partition {partition}: {what}"),
        };
        let Some(entry) = manifest.parts.get(partition as usize) else {
            return Err(damaged("its manifest does not name it".to_owned()));
        };
        let bytes = match self.get(&self.part_of(id, partition as usize)) {
            Err(CheckpointError::Store {
                error: object_store::Error::NotFound { .. },
                ..
            }) => {
                return Err(damaged("it is missing".to_owned()));
            }
            other => other?,
        };
        if bytes.len() as u64 != entry.bytes {
            return Err(damaged(format!(
                "it has {} bytes of {}",
                bytes.len(),
                entry.bytes
            )));
        }
        if format!("{:032x}", xxh3_128(&bytes)) != entry.digest {
            return Err(damaged(
                "its checksum is not the one in the manifest".to_owned(),
            ));
        }
        Part::decode(id, partition, manifest.parts.len() as u32, &bytes)
    }

    /// Removes a checkpoint: its manifest first, so that it is none from then on.
    pub(super) fn remove(&self, id: u64) -> Result<(), CheckpointError> {
        let folder = self.folder_of(id);
        let manifest = self.manifest_of(id);
        reach(Point::CheckpointRemove)
            .map_err(|e| self.failed("remove", &manifest)(injected(e)))?;
        match self.handle.block_on(self.objects.delete(&manifest)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(self.failed("remove", &manifest)(error)),
        }
        let listed = self.objects.list(Some(&folder));
        let left: Vec<_> = self
            .handle
            .block_on(futures_util::TryStreamExt::try_collect(listed))
            .map_err(self.failed("list", &folder))?;
        for object in left {
            let removed = self.objects.delete(&object.location);
            self.handle
                .block_on(removed)
                .map_err(self.failed("remove", &object.location))?;
        }
        if let Some(root) = &self.folder {
            // What a write that was broken off has left is no object.
            let _ = std::fs::remove_dir_all(root.join(format!("{id:020}")));
        }
        Ok(())
    }
}

/// A bucket; who may, and where it is, comes from the usual `AWS_…` variables.
fn remote(url: &str, handle: Handle) -> Result<Store, CheckpointError> {
    let bad = |why: String| CheckpointError::Url(format!("'{url}': {why}"));
    let rest = url
        .strip_prefix("s3://")
        .ok_or_else(|| bad("it is s3://BUCKET/PREFIX or file:///PATH".to_owned()))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(bad("it names no bucket: s3://BUCKET/PREFIX".to_owned()));
    }
    let objects = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .build()
        .map_err(|error| bad(error.to_string()))?;
    let prefix = Path::parse(prefix).map_err(|error| bad(error.to_string()))?;
    Ok(Store {
        objects: Arc::new(objects),
        prefix,
        handle,
        shown: url.to_owned(),
        folder: None,
    })
}
