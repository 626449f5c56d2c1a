//! Settings of the private server, each with its reason. The file is written anew at every start;
//! what an operator wants otherwise goes into `operator.conf` beside it, which is read last.

use std::fs;
use std::path::Path;

use super::PrivateError;
use super::account::Account;
use super::place::Place;

/// What the server starts with.
pub(super) fn text(place: &Place, shared_buffers_mib: u32) -> String {
    let socket = quote(&place.socket);
    let log = quote(&place.log());
    format!(
        "\
# Written by flightline at every start. Your own settings: operator.conf, in this folder.

# Only through the socket, which only its owner (and root) can reach: no TCP, no passwords.
listen_addresses = ''
unix_socket_directories = {socket}
unix_socket_permissions = 0700
port = 5432
max_connections = 40

# One writer that commits large batches, at most some tens a second: a commit waits for the disk, so
# that what the sink has dropped from its memory is never lost to a crash of the server.
fsync = on
full_page_writes = on
synchronous_commit = on
# Nobody copies this cluster: the stream is the truth, and every table can be filled again from it.
wal_level = minimal
max_wal_senders = 0
archive_mode = off
# Pages are written to the log in whole once per checkpoint: rare checkpoints, spread out, write least.
wal_buffers = 16MB
min_wal_size = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9

# Enough for the pages that bookings touch; the rest is the system's cache.
shared_buffers = {shared_buffers_mib}MB
# For the sink's staging tables and for reports.
temp_buffers = 32MB
work_mem = 16MB
maintenance_work_mem = 64MB
# Not in /dev/shm, which is tiny in containers.
dynamic_shared_memory_type = mmap

# Reports share the machine with bookings: no query takes more than one core.
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
jit = off

# Rows are updated all the time: clean up early and often, in small steps.
autovacuum = on
autovacuum_max_workers = 2
autovacuum_naptime = 20s
autovacuum_vacuum_scale_factor = 0.1
autovacuum_analyze_scale_factor = 0.1
autovacuum_vacuum_cost_delay = 2ms

# Seven files, one a weekday.
logging_collector = on
log_directory = {log}
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
log_line_prefix = '%m [%p] %q%a '
log_checkpoints = off
timezone = 'UTC'
log_timezone = 'UTC'

include_if_exists = 'operator.conf'
"
    )
}

/// Access: whoever can enter the socket's folder.
const HBA: &str = "\
# Written by flightline at every start. The socket's folder lets its owner (and root) in only.
local all all trust
";

/// Writes both files.
pub(super) fn write(
    place: &Place,
    account: &Account,
    shared_buffers_mib: u32,
) -> Result<(), PrivateError> {
    let cluster = place.cluster();
    let files = [
        ("postgresql.conf", text(place, shared_buffers_mib)),
        ("pg_hba.conf", HBA.to_owned()),
    ];
    for (name, text) in files {
        let file = cluster.join(name);
        fs::write(&file, text).map_err(PrivateError::folder(&file))?;
        account.own(&file)?;
    }
    Ok(())
}

fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}
