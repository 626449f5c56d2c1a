//! Line after line to events.

use std::collections::VecDeque;
use std::sync::Arc;

use flightline_ledger::command::{Leg, LegTimes, Schedule, SourceVersion, quality};
use flightline_ledger::{FlightKey, ProviderBody};

use super::row::{Columns, Row};
use super::{Config, LINE_BYTES_MAX, cabins, fares, seats, times};
use crate::canonical::CanonicalEvent;
use crate::connector::{Parsed, Source, Warning};
use crate::csv_line;
use crate::lines::{Line, Lines};
use crate::reject::{Code, Fault, Reject};

/// The iterator over a source.
pub(super) struct Rows<'a> {
    config: Config,
    message: Arc<str>,
    lines: Lines<'a>,
    /// Unknown until the first line that can be read.
    columns: Option<Columns>,
    /// What the last line gave and was not handed out yet.
    ready: VecDeque<Parsed>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(config: Config, source: Source<'a>) -> Self {
        Self {
            config,
            message: source.message,
            lines: Lines::new(source.reader, LINE_BYTES_MAX),
            columns: None,
            ready: VecDeque::with_capacity(4),
        }
    }

    /// Reads one line into `ready`; false at the end of the input.
    fn advance(&mut self) -> bool {
        let Some(line) = self.lines.next_line() else {
            return false;
        };
        let (number, raw, complete) = (line.number, line.raw, line.complete);
        let taken = take(self.config, &mut self.columns, line, &mut self.ready);
        if let Err(fault) = taken {
            let of_the_text = !matches!(
                fault.code,
                Code::Truncated | Code::Unreadable | Code::LineTooLong
            );
            let fault = if of_the_text && !complete {
                Fault::new(
                    Code::Truncated,
                    format!(
                        "the last line has no line end and is not whole ({}); {}",
                        fault.reason,
                        Code::Truncated.remedy()
                    ),
                )
            } else {
                fault
            };
            self.ready.push_back(Parsed::Reject(Reject::new(
                &self.message,
                number,
                fault.code,
                fault.reason,
                raw,
            )));
        }
        true
    }
}

fn take(
    config: Config,
    columns: &mut Option<Columns>,
    line: Line<'_>,
    ready: &mut VecDeque<Parsed>,
) -> Result<(), Fault> {
    let text = line.text?;
    let mut fields = Vec::with_capacity(19);
    csv_line::split(text, &mut fields).map_err(|reason| {
        Fault::new(Code::BadCsv, format!("{reason}; {}", Code::BadCsv.remedy()))
    })?;
    let known = match columns {
        Some(known) => known,
        None => match Columns::from_header(&fields) {
            Ok(header) => {
                *columns = Some(header);
                return Ok(());
            }
            Err(missing) => {
                // The header was lost, or this is another file. Lines that read well in the
                // published order are taken; the others are set aside one by one.
                let published = columns.insert(Columns::published());
                if Row::read(published, &fields).is_err() {
                    return Err(Fault::new(
                        Code::BadHeader,
                        format!(
                            "the header names no {}; what follows is read in the published order of columns; {}",
                            missing.join(", "),
                            Code::BadHeader.remedy()
                        ),
                    ));
                }
                ready.push_back(Parsed::Warning(Warning {
                    line: line.number,
                    flight: None,
                    text: "there is no header; the published order of columns was taken".to_owned(),
                }));
                published
            }
        },
    };
    let row = Row::read(known, &fields)?;
    events(config, &row, line.number, ready)
}

/// The events of a row.
fn events(
    config: Config,
    row: &Row<'_>,
    line: u64,
    ready: &mut VecDeque<Parsed>,
) -> Result<(), Fault> {
    let times = times::times(row, config.shift_days())?;
    let aircraft = seats::aircraft(row.tail, row.carrier);
    let flight = FlightKey {
        carrier: row.carrier,
        number: row.number,
        suffix: 0,
        origin_date: times.origin_date,
        board: row.origin,
    };
    let mut marks = 0;
    if aircraft.imputed {
        marks |= quality::SEATS_IMPUTED;
    }
    if times.arrival_day_repaired {
        marks |= quality::REPAIRED_ARRIVAL_DAY;
    }
    if times.hour_mismatch {
        marks |= quality::OFFSET_MISMATCH;
    }
    let mut push = |sequence: u32, quality: u32, body: ProviderBody| {
        ready.push_back(Parsed::Event {
            line,
            event: CanonicalEvent {
                flight,
                version: SourceVersion {
                    time_ms: i64::from(row.date.0) * 86_400_000,
                    group: 0,
                    sequence,
                },
                message_id: None,
                quality,
                body,
                observed: None,
            },
        });
    };
    let cabins = cabins::cabins(aircraft.seats);
    let with_first = cabins.len() > 1;
    let schedule = Schedule {
        legs: vec![Leg {
            board: row.origin,
            off: row.dest,
            times: LegTimes {
                board: row.origin,
                departs_s: times.departs.instant_s,
                arrives_s: times.arrives.instant_s,
                departs_offset_min: times.departs.offset_min,
                arrives_offset_min: times.arrives.offset_min,
            },
            aircraft: aircraft.iata_type,
            service: b'J',
            cabins,
        }],
        restricted: Vec::new(),
        operating: None,
    };
    push(1, marks, ProviderBody::Schedule(schedule));
    let prices = fares::fares(
        row.carrier,
        row.distance_miles,
        times.origin_date,
        with_first,
    );
    push(1, quality::SYNTHETIC_FARE, ProviderBody::Fares(prices));
    if row.cancelled {
        push(2, 0, ProviderBody::Cancel);
    }
    let remarks = [
        times
            .departs
            .clock_change
            .map(|remark| format!("sched_dep_time falls into a change of clocks and {remark}")),
        times
            .arrives
            .clock_change
            .map(|remark| format!("sched_arr_time falls into a change of clocks and {remark}")),
        times.hour_mismatch.then(|| {
            "time_hour is not the hour of sched_dep_time; the local time was taken".to_owned()
        }),
    ];
    ready.extend(remarks.into_iter().flatten().map(|text| {
        Parsed::Warning(Warning {
            line,
            flight: Some(flight),
            text,
        })
    }));
    Ok(())
}

impl Iterator for Rows<'_> {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        while self.ready.is_empty() {
            if !self.advance() {
                return None;
            }
        }
        self.ready.pop_front()
    }
}
