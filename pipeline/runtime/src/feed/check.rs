//! What a file holds, without sending it.

use std::io::{BufReader, Read};

use flightline_connectors::{Parsed, Source, canonical, nycflights13};

use super::{connector, now_ms, received};

/// What [`check`] finds.
#[derive(Debug)]
pub enum Checked<'a> {
    /// An event, as a canonical line.
    Event(&'a str),
    /// A record that would be set aside.
    Reject {
        /// Line, from 1.
        line: u64,
        /// Stable code.
        code: &'static str,
        /// What was wrong and what to do.
        reason: &'a str,
    },
    /// A remark on a record that would be taken.
    Warning {
        /// Line, from 1.
        line: u64,
        /// What was found.
        text: &'a str,
    },
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Unknown format or option.
    #[error("{0}")]
    Use(String),
    /// The result could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Parses a file and hands out canonical lines and rejects; sends nothing.
pub fn check(
    format: &str,
    options: &[(String, String)],
    message: &str,
    body: Box<dyn Read + Send + '_>,
    mut visit: impl FnMut(Checked<'_>) -> std::io::Result<()>,
) -> Result<(), CheckError> {
    let options = received(format, options.to_vec(), now_ms());
    let connector = connector(format, options).map_err(CheckError::Use)?;
    let source = Source::new(message, BufReader::with_capacity(64 << 10, body));
    for item in connector.parse(source) {
        match item {
            Parsed::Event { event, .. } => visit(Checked::Event(&canonical::to_line(&event)))?,
            Parsed::Unplaced { event, .. } => visit(Checked::Event(&event.to_line()))?,
            Parsed::ReplaceBegin { replacement, .. } => {
                visit(Checked::Event(&canonical::to_replace_begin_line(
                    &replacement,
                )))?;
            }
            Parsed::ReplaceEnd { replacement, .. } => {
                visit(Checked::Event(&canonical::to_replace_end_line(
                    &replacement,
                    None,
                )))?;
            }
            Parsed::Reject(reject) => visit(Checked::Reject {
                line: reject.line,
                code: reject.code.name(),
                reason: &reject.reason,
            })?,
            // Which messages are missing, a replica finds out.
            Parsed::Numbered { .. } => {}
            Parsed::Warning(warning) => visit(Checked::Warning {
                line: warning.line,
                text: &warning.text,
            })?,
        }
    }
    Ok(())
}

/// Every (board, off, date) of the bundled schedule, moved by so many days: for the demo and for
/// load generators.
pub fn bundled_routes(shift_days: i64) -> Result<Vec<(String, String, String)>, CheckError> {
    let options = [("shift_days".to_owned(), shift_days.to_string())];
    let connector = connector("nycflights13", options).map_err(CheckError::Use)?;
    let source = Source::new(
        nycflights13::JANUARY_NAME,
        BufReader::new(nycflights13::JANUARY_CSV_GZ),
    );
    let mut routes = Vec::new();
    for item in connector.parse(source) {
        let Parsed::Event { event, .. } = item else {
            continue;
        };
        if let flightline_ledger::ProviderBody::Schedule(schedule) = &event.body
            && let (Some(first), Some(last)) = (schedule.legs.first(), schedule.legs.last())
        {
            routes.push((
                first.board.to_string(),
                last.off.to_string(),
                event.flight.origin_date.to_string(),
            ));
        }
    }
    Ok(routes)
}
