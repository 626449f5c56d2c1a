//! Reports that came before their flights, as a section of a part: records of the stream's own form,
//! each behind a byte that says what it is to us and four with its length.

use flightline_ledger::{Command, CommandId, FlightCommand};
use flightline_stream::record::{Draft, Record, Stamp, encode};

use crate::late::{Kept, Note, Scheduled};

const NOT_SCHEDULED: u8 = 0;
const INVALID: u8 = 1;
const FOLLOWING: u8 = 2;
const NOTE: u8 = 3;
const SCHEDULED: u8 = 4;

/// The section's bytes.
pub(super) fn put(kept: &Kept) -> Vec<u8> {
    let mut out = Vec::new();
    let mut add = |what: u8, id: CommandId, at_ms: i64, command: Command| {
        let start = out.len();
        out.extend_from_slice(&[what, 0, 0, 0, 0]);
        let draft = Draft::new(id, at_ms, &command);
        // What came out of the stream goes in again.
        if encode(&mut out, Stamp::default(), &draft).is_err() {
            out.truncate(start);
            return;
        }
        let len = (out.len() - start - 5) as u32;
        out[start + 1..start + 5].copy_from_slice(&len.to_le_bytes());
    };
    for (flight, event, refused) in kept.late.placed() {
        let what = refused.map_or(NOT_SCHEDULED, |_| INVALID);
        let command = Command::Flight(flight, FlightCommand::Provider(Box::new(event.clone())));
        add(what, refused.unwrap_or_default(), 0, command);
    }
    for command in kept.late.outstanding() {
        let body = Command::Flight(command.flight, command.command.clone());
        add(FOLLOWING, command.id, 0, body);
    }
    for note in &kept.notes {
        let command = Command::Feed(note.provider, Box::new(note.command.clone()));
        add(NOTE, CommandId(0), note.at_ms, command);
    }
    for scheduled in &kept.schedules {
        let event = Box::new(scheduled.event.clone());
        let command = Command::Flight(scheduled.flight, FlightCommand::Provider(event));
        add(SCHEDULED, CommandId(0), scheduled.at_ms, command);
    }
    out
}

/// Reads what [`put`] wrote; `None` when it is something else.
pub(super) fn get(mut bytes: &[u8]) -> Option<Kept> {
    let mut kept = Kept::default();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<5>()?;
        let [what, len @ ..] = *head;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(len) as usize)?;
        bytes = rest;
        let record = Record::decode(record).ok()?;
        let id = record.header.id;
        match (what, record.command) {
            (NOT_SCHEDULED, Command::Flight(flight, FlightCommand::Provider(event))) => {
                kept.late.refused(flight, &event, None);
            }
            (INVALID, Command::Flight(flight, FlightCommand::Provider(event))) => {
                kept.late.refused(flight, &event, Some(id));
            }
            (FOLLOWING, Command::Flight(flight, command)) => {
                kept.late.expect(flightline_connectors::PushCommand {
                    line: 0,
                    id,
                    flight,
                    command,
                    observed: None,
                });
            }
            (SCHEDULED, Command::Flight(flight, FlightCommand::Provider(event))) => {
                kept.schedules.push_back(Scheduled {
                    at_ms: record.header.at_ms,
                    flight,
                    event: *event,
                });
            }
            (NOTE, command) => kept.notes.push(Note::of(record.header.at_ms, &command)?),
            _ => return None,
        }
    }
    Some(kept)
}
