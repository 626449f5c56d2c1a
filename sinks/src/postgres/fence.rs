//! What keeps the tables one fold's: the rules by which a writer goes on or stops. Pure, so that whatever stands
//! for the database in a simulation goes by the same.

use super::PostgresError;

/// Are the tables where this writer believes them to be? Asked in the transaction that would move them.
///
/// # Errors
/// Somebody else wrote them.
pub fn check_progress(stored: &[u64], believed: &[u64]) -> Result<(), PostgresError> {
    let differs = stored.iter().zip(believed).position(|(a, b)| a != b);
    match differs {
        None => Ok(()),
        Some(at) => Err(PostgresError::Fenced {
            partition: at as u32,
            found: stored[at],
            believed: believed[at],
        }),
    }
}

/// Was a transaction committed whose connection was lost? One that moves nothing makes and removes tables of
/// views, and may do so twice.
pub fn was_committed(stored: &[u64], from: &[u64], to: &[u64]) -> bool {
    stored == to && from != to
}

/// Are the rows of a snapshot to be written? It stands for what the tables have already; for an empty
/// database it is all there is.
///
/// # Errors
/// The tables are somewhere else.
pub fn takes_snapshot(
    covers: &[u64],
    stored: &[u64],
    nothing_pending: bool,
) -> Result<bool, PostgresError> {
    if covers == stored {
        return Ok(false);
    }
    if stored.iter().all(|offset| *offset == 0) && nothing_pending {
        return Ok(true);
    }
    let both = covers.iter().zip(stored);
    let at = both.clone().position(|(a, b)| a != b).unwrap_or_default();
    let (found, stored) = both.map(|(a, b)| (*a, *b)).nth(at).unwrap_or_default();
    let partition = at as u32;
    Err(PostgresError::WrongStart {
        partition,
        found,
        stored,
    })
}
