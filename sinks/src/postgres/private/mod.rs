//! A private PostgreSQL: started for a replica that is given no database, and ended with it.
//!
//! It is found on the machine, never installed. It has its own folder and its own socket, no TCP
//! port, and never comes near a cluster that it did not make. It runs under another account when the
//! replica is root. After a `kill -9` of the replica it ends by itself; what is left of it in any
//! case is settled at the next start.
//!
//! - `find`: where the programs are. `account`: whose process it is. `place`: its folders.
//! - `settings`: how it is configured, with reasons.
//! - `keeper`: the process. `leftover`: what an earlier run left.
//!
//! Nothing of it is precious: all tables can be filled again from the stream.

mod account;
mod find;
mod keeper;
mod leftover;
mod place;
mod session;
mod settings;

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use account::Account;
use find::Installation;
use keeper::{Keeper, Launch};
use place::Place;

/// Name of the database and of the role that owns it.
const NAME: &str = "flightline";

/// How the server is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateConfig {
    /// The replica's data folder. The server lives in `postgres` in it, or where that says.
    pub data_dir: PathBuf,
    /// The folder with `postgres` and `initdb`; absent = looked for.
    pub bin_dir: Option<PathBuf>,
    /// The account to run under when the replica is root; absent = `postgres`, else `nobody`.
    pub account: Option<String>,
    /// Memory for pages, in MiB.
    pub shared_buffers_mib: u32,
    /// How far the server steps back behind other processes when there is more to do than processors: 0 = not
    /// at all, 19 = as far as can be. Where Linux shares them by session, the sessions of its processes step back
    /// twice as far.
    pub nice: u8,
    /// How long a start may take, recovery after a crash included.
    pub start_timeout: Duration,
}

impl PrivateConfig {
    /// The usual settings.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            bin_dir: None,
            account: None,
            shared_buffers_mib: 256,
            nice: 0,
            start_timeout: Duration::from_secs(600),
        }
    }
}

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// No usable installation.
    #[error(
        "PostgreSQL {min} or newer is not installed{}.\n\
         Install the server (its programs are enough, nothing has to be running):\n\
         \x20 Debian, Ubuntu:  apt-get install postgresql\n\
         \x20 Fedora, RHEL:    dnf install postgresql-server\n\
         \x20 macOS:           brew install postgresql\n\
         or set database.url to a database that you run yourself.",
        looked_in.as_ref().map(|folder| format!(" in {}", folder.display())).unwrap_or_default(),
        min = find::MAJOR_MIN
    )]
    NotInstalled {
        /// The configured folder, if one was.
        looked_in: Option<PathBuf>,
    },
    /// The cluster was made by a release that is not there (any more).
    #[error(
        "the private database in {} was made by PostgreSQL {major}, but this machine has {have:?}. \
         Install PostgreSQL {major}, or delete that folder: its tables are filled again from the stream",
        folder.display()
    )]
    OtherRelease {
        /// The data folder of the server.
        folder: PathBuf,
        /// Its release.
        major: u32,
        /// Those found.
        have: Vec<u32>,
    },
    /// Root, and nobody else to run the server.
    #[error(
        "PostgreSQL does not run as root, and none of these accounts is in /etc/passwd: {tried}. \
         Create one (useradd --system postgres), or run flightline as another user"
    )]
    NoAccount {
        /// The names.
        tried: String,
    },
    /// The server's account cannot get at any folder.
    #[error(
        "the account {account} can reach neither {} nor a folder of ours in /var/lib or /var/tmp; \
         make the folders above the data folder passable for it (chmod o+x)", folder.display()
    )]
    Unreachable {
        /// The folder.
        folder: PathBuf,
        /// The account.
        account: String,
    },
    /// A folder in a public place is someone else's.
    #[error("{} belongs to someone else; remove it, or use a data folder with a shorter path", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// Another replica runs the server of this data folder.
    #[error("the private PostgreSQL in {} is run by another process (it holds {})", data_dir.display(), lock.display())]
    InUse {
        /// The replica's data folder.
        data_dir: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// A file of the cluster makes no sense.
    #[error(
        "{} is missing or damaged; delete the folder that it is in: the tables are filled again from the stream",
        file.display()
    )]
    Broken {
        /// The file.
        file: PathBuf,
    },
    /// `initdb` failed.
    #[error("the private database could not be created in {} as {account}: {said}", folder.display())]
    Init {
        /// The folder.
        folder: PathBuf,
        /// The account.
        account: String,
        /// What the program said.
        said: String,
    },
    /// The server did not start.
    #[error("the private PostgreSQL did not start ({status}); its logs are in {}:{said}", log.display())]
    DidNotStart {
        /// How it ended.
        status: String,
        /// Where it logs.
        log: PathBuf,
        /// The last lines of the logs.
        said: String,
    },
    /// A server of an earlier run is still there.
    #[error("the private PostgreSQL of an earlier run (process {pid}) does not stop: {said}")]
    DoesNotStop {
        /// Its number.
        pid: i32,
        /// What `pg_ctl` said.
        said: String,
    },
    /// A folder or file could not be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl PrivateError {
    fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Folder { path, source }
    }
}

/// A private PostgreSQL that runs until this is dropped. Dropping takes as long as a proper shutdown.
#[derive(Debug)]
pub struct PrivatePostgres {
    // The order matters: the server ends before the lock is given back.
    keeper: Keeper,
    address: PrivateAddress,
    _lock: File,
}

/// Where a private PostgreSQL listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateAddress {
    socket: PathBuf,
}

impl PrivateAddress {
    /// The server of a data folder, if there is one: for tools that look at a running replica. It
    /// may not be running.
    pub fn of(data_dir: &Path) -> Option<Self> {
        let Place { socket, .. } = place::existing(data_dir)?;
        Some(Self { socket })
    }

    /// What a client connects with.
    pub fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.socket).user(NAME).dbname(NAME);
        config
    }

    /// The folder of the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.socket
    }

    /// A URL that libpq and its kin understand.
    pub fn url(&self) -> String {
        let mut host = String::new();
        for byte in self.socket.as_os_str().as_encoded_bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                    host.push(char::from(*byte));
                }
                _ => host.push_str(&format!("%{byte:02X}")),
            }
        }
        format!("postgresql:///{NAME}?host={host}&user={NAME}")
    }
}

impl PrivatePostgres {
    /// Starts the server, making its cluster first when there is none. Blocks for seconds: call it
    /// off the async threads. One call at a time runs the server of a data folder.
    ///
    /// # Errors
    /// See [`PrivateError`]; each says what to do.
    pub fn start(config: &PrivateConfig) -> Result<Self, PrivateError> {
        let begun = Instant::now();
        let account = Account::choose(config.account.as_deref())?;
        let place = place::prepare(&config.data_dir, &account)?;
        let lock = lock(&config.data_dir)?;
        let cluster = place.cluster();
        let made_by = place.cluster_major()?;
        let installation = find::find(
            config.bin_dir.as_deref(),
            made_by.map(|major| (cluster.as_path(), major)),
        )?;
        let launch = Launch {
            installation,
            account,
            place,
            nice: config.nice,
        };
        if made_by.is_none() {
            create(&launch)?;
        }
        leftover::settle(&launch)?;
        settings::write(&launch.place, &launch.account, config.shared_buffers_mib)?;
        let address = PrivateAddress {
            socket: launch.place.socket.clone(),
        };
        let release = launch.installation.major;
        let account = launch.account.name().to_owned();
        let keeper = Keeper::start(launch, config.start_timeout)?;
        tracing::info!(
            release,
            account,
            new = made_by.is_none(),
            url = address.url(),
            took_ms = begun.elapsed().as_millis() as u64,
            "the private PostgreSQL runs"
        );
        Ok(Self {
            keeper,
            address,
            _lock: lock,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &PrivateAddress {
        &self.address
    }

    /// Ends the server; the same as dropping it.
    pub fn stop(self) {
        let Self {
            keeper,
            address,
            _lock,
        } = self;
        drop(keeper);
        drop(_lock);
        tracing::info!(socket = %address.socket.display(), "the private PostgreSQL was shut down");
    }
}

/// One process at a time runs the server of a data folder. The lock goes with the process.
fn lock(data_dir: &Path) -> Result<File, PrivateError> {
    let path = data_dir.join("postgres/lock");
    let mut options = File::options();
    options.create(true).write(true).truncate(false);
    let file = options.open(&path).map_err(PrivateError::folder(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PrivateError::InUse {
            data_dir: data_dir.to_path_buf(),
            lock: path,
        }),
        Err(TryLockError::Error(error)) => Err(PrivateError::folder(&path)(error)),
    }
}

/// Makes the cluster in a folder of its own that is renamed when it is whole: a crash half-way leaves
/// nothing that could be taken for a cluster.
fn create(launch: &Launch) -> Result<(), PrivateError> {
    let Place { home, .. } = &launch.place;
    let cluster = launch.place.cluster();
    let new = home.join("cluster.new");
    if cluster.exists() {
        let file = cluster.join("PG_VERSION");
        return Err(PrivateError::Broken { file });
    }
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(PrivateError::folder(&new)(error));
        }
        _ => {}
    }
    let failed = |said: String| PrivateError::Init {
        folder: new.clone(),
        account: launch.account.name().to_owned(),
        said,
    };
    let mut initdb = launch
        .account
        .command(&launch.installation.program("initdb"), home);
    initdb.arg("-D").arg(&new).args([
        "--username",
        NAME,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
    ]);
    let output = initdb.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let mut single = launch
        .account
        .command(&launch.installation.program("postgres"), home);
    single
        .arg("--single")
        .arg("-D")
        .arg(&new)
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut run = || {
        let mut child = single.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            writeln!(stdin, "CREATE DATABASE {NAME}")?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.contains("ERROR:") {
        return Err(failed(said.trim().to_owned()));
    }
    fs::rename(&new, &cluster).map_err(PrivateError::folder(&cluster))
}

/// The programs that would be used, for messages: folder and major release.
///
/// # Errors
/// [`PrivateError::NotInstalled`].
pub fn installation(bin_dir: Option<&Path>) -> Result<(PathBuf, u32), PrivateError> {
    let Installation { bin, major } = find::find(bin_dir, None)?;
    Ok((bin, major))
}
