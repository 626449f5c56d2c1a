//! A small replica: the real ledger in the real dataflow, a log in memory, and knobs to make things
//! go wrong on purpose.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flightline_api::backend::*;
use flightline_dataflows::changelog::{DecisionSink, Record};
use flightline_dataflows::rows::Note;
use flightline_dataflows::{Config, Dataflow};
use flightline_ledger::command::{
    CabinPlan, ClassPlan, Fare, Leg, LegTimes, Schedule, SourceVersion,
};
use flightline_ledger::{
    Command, CommandId, Decision, FlightCommand, FlightKey, Input, Money, Outcome, ProviderBody,
    ProviderCode, ProviderEvent, Replay,
};
use flightline_sinks::serving::{Serving, ServingSink};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

pub const PARTITIONS: u32 = 4;

/// 2027-01-01, before every flight of the tests.
pub const START_MS: i64 = 1_798_761_600_000;

/// Departure of [`KEY`].
pub const DEPARTS_S: i64 = START_MS / 1000 + 4 * 86_400 + 36_000;

/// One leg EWR–IAH: cabin Y of 10 seats with classes Y, M (at most 4), cabin F of 2; 120.00 USD.
pub const KEY: &str = "UA1545.2027-01-05.EWR";

/// Two legs JFK–ORD–LAX; nothing is sold between JFK and ORD alone.
pub const LEGS: &str = "UA7.2027-01-05.JFK";

pub fn key(text: &str) -> FlightKey {
    text.parse().unwrap()
}

pub fn provider() -> ProviderCode {
    "nyc".parse().unwrap()
}

pub fn command_id(client: &str, kind: &str, text: &str) -> CommandId {
    let hash = blake3::hash(format!("{client}\n{kind}\n{text}").as_bytes());
    CommandId(u128::from_be_bytes(
        hash.as_bytes()[..16].try_into().unwrap(),
    ))
}

/// What goes wrong, and when.
#[derive(Default)]
pub struct Knobs {
    /// So many submits are refused for load.
    pub overloaded: AtomicU32,
    /// No submit is taken.
    pub unavailable: AtomicBool,
    /// Answers are kept back until [`Replica::let_go`].
    pub keep_answers: AtomicBool,
    /// Answers are thrown away.
    pub lose_answers: AtomicBool,
    /// Not fit to serve.
    pub starting: AtomicBool,
    /// Looking for a hold panics.
    pub panics: AtomicBool,
    /// Most bytes of feeds that were waiting in memory of the reader.
    pub fed_bytes: AtomicU64,
}

struct State {
    dataflow: Dataflow,
    next: Vec<u64>,
    clock_ms: i64,
    sequence: u32,
    holds: HashMap<CommandId, FlightKey>,
    log: Vec<Record>,
}

#[derive(Default)]
struct Heard {
    waiting: Mutex<HashMap<(u32, u64), oneshot::Sender<Answer>>>,
    kept: Mutex<Vec<(oneshot::Sender<Answer>, Answer)>>,
    decisions: Mutex<HashMap<(u32, u64), Decision>>,
    decided: Condvar,
    answered: [AtomicU64; PARTITIONS as usize],
    knobs: Knobs,
}

pub struct Replica {
    state: Mutex<State>,
    heard: Arc<Heard>,
    serving: Arc<Serving>,
}

impl DecisionSink for Heard {
    fn decided(&self, partition: u32, decisions: &[Decision]) {
        for decision in decisions {
            let at = (partition, decision.offset);
            self.decisions.lock().insert(at, *decision);
            // Before anybody is told that it is decided: what a test turns on afterwards is not for
            // the answers to what came before.
            let keep = self.knobs.keep_answers.load(Ordering::SeqCst);
            let lose = self.knobs.lose_answers.load(Ordering::SeqCst);
            self.answered[partition as usize].store(decision.offset + 1, Ordering::SeqCst);
            self.decided.notify_all();
            let Some(sender) = self.waiting.lock().remove(&at) else {
                continue;
            };
            let answer = Answer {
                partition,
                decision: *decision,
            };
            if lose {
                drop(sender);
            } else if keep {
                self.kept.lock().push((sender, answer));
            } else {
                let _ = sender.send(answer);
            }
        }
    }
}

impl Replica {
    pub fn new() -> Arc<Self> {
        let heard = Arc::new(Heard::default());
        let serving = Arc::new(Serving::new(PARTITIONS));
        let dataflow = Dataflow::start(
            Config::new(PARTITIONS),
            Arc::clone(&heard) as Arc<dyn DecisionSink>,
            ServingSink(Arc::clone(&serving)),
        )
        .unwrap();
        let replica = Arc::new(Self {
            state: Mutex::new(State {
                dataflow,
                next: vec![0; PARTITIONS as usize],
                clock_ms: START_MS,
                sequence: 0,
                holds: HashMap::new(),
                log: Vec::new(),
            }),
            heard,
            serving,
        });
        replica.schedule(KEY, 10);
        replica.schedule_legs();
        replica.settle();
        replica
    }

    pub fn knobs(&self) -> &Knobs {
        &self.heard.knobs
    }

    /// Moves the clock on, for the records to come.
    pub fn advance_s(&self, seconds: i64) {
        self.state.lock().clock_ms += seconds * 1000;
    }

    /// Gives out the answers that were kept back.
    pub fn let_go(&self) {
        self.heard.knobs.keep_answers.store(false, Ordering::SeqCst);
        for (sender, answer) in self.heard.kept.lock().drain(..) {
            let _ = sender.send(answer);
        }
    }

    pub fn kept(&self) -> usize {
        self.heard.kept.lock().len()
    }

    /// Waits until everything appended so far is decided and in the views, so that who follows a
    /// view from then on sees only what comes afterwards.
    pub fn settle(&self) {
        let next = self.state.lock().next.clone();
        let mut decisions = self.heard.decisions.lock();
        let behind = || {
            (0..PARTITIONS).any(|p| self.answered(p).min(self.serving.covers(p)) < next[p as usize])
        };
        let began = Instant::now();
        while behind() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the dataflow decides and shows"
            );
            // The views come after the decisions, and nobody notifies of them.
            self.heard
                .decided
                .wait_for(&mut decisions, Duration::from_millis(2));
        }
    }

    pub fn records(&self) -> usize {
        self.state.lock().log.len()
    }

    /// A provider's event of the newest version.
    pub fn event(&self, flight: &str, body: ProviderBody) -> oneshot::Receiver<Answer> {
        let sequence = {
            let mut state = self.state.lock();
            state.sequence += 1;
            state.sequence
        };
        self.event_of(flight, body, sequence, provider())
    }

    pub fn event_of(
        &self,
        flight: &str,
        body: ProviderBody,
        sequence: u32,
        provider: ProviderCode,
    ) -> oneshot::Receiver<Answer> {
        let event = ProviderEvent {
            provider,
            version: SourceVersion {
                time_ms: START_MS,
                group: 0,
                sequence,
            },
            authority: 1,
            quality: 0,
            body,
        };
        let text = format!("{flight} {event:?}");
        self.append(Submit {
            id: command_id("provider", "event", &text),
            command: Command::Flight(key(flight), FlightCommand::Provider(Box::new(event))),
            ref_text: None,
            actor: Some("nyc".into()),
        })
    }

    pub fn schedule(&self, flight: &str, seats: u16) {
        let class = |letter: &str, limit| ClassPlan {
            class: letter.parse().unwrap(),
            limit,
        };
        let cabin = |letter: &str, seats, classes| CabinPlan {
            cabin: letter.parse().unwrap(),
            seats: Some(seats),
            authorised: None,
            classes,
        };
        let mut leg = leg("EWR", "IAH", DEPARTS_S);
        leg.cabins = vec![
            cabin("F", 2, vec![]),
            cabin("Y", seats, vec![class("Y", None), class("M", Some(4))]),
        ];
        let mut legs = Schedule {
            legs: vec![leg],
            restricted: vec![],
            operating: None,
        };
        legs.legs[0].board = key(flight).board;
        legs.legs[0].times.board = key(flight).board;
        self.event(flight, ProviderBody::Schedule(legs));
        self.fare(flight, 12_000);
    }

    pub fn fare(&self, flight: &str, minor: i64) {
        let fare = Fare {
            segment: None,
            cabin: "Y".parse().unwrap(),
            class: None,
            price: Money {
                minor,
                currency: "USD".parse().unwrap(),
                exponent: 2,
            },
        };
        self.event(flight, ProviderBody::Fares(vec![fare]));
    }

    fn schedule_legs(&self) {
        let cabin = CabinPlan {
            cabin: "Y".parse().unwrap(),
            seats: Some(5),
            authorised: None,
            classes: vec![],
        };
        let mut legs = vec![
            leg("JFK", "ORD", DEPARTS_S),
            leg("ORD", "LAX", DEPARTS_S + 10_800),
        ];
        for leg in &mut legs {
            leg.cabins = vec![cabin.clone()];
        }
        let restricted = vec![("JFK".parse().unwrap(), "ORD".parse().unwrap())];
        let schedule = Schedule {
            legs,
            restricted,
            operating: None,
        };
        self.event(LEGS, ProviderBody::Schedule(schedule));
    }

    /// A codeshare's number for [`KEY`].
    pub fn codeshare(&self, flight: &str) {
        let schedule = Schedule {
            legs: vec![leg("EWR", "IAH", DEPARTS_S)],
            restricted: vec![],
            operating: Some(key(KEY)),
        };
        self.event(flight, ProviderBody::Schedule(schedule));
    }

    fn append(&self, submit: Submit) -> oneshot::Receiver<Answer> {
        let Command::Flight(flight, _) = &submit.command else {
            panic!("only commands of flights are submitted")
        };
        let partition = self.partition_of(flight);
        if let Command::Flight(flight, FlightCommand::Hold(_)) = &submit.command {
            self.state.lock().holds.insert(submit.id, *flight);
        }
        let note = Note {
            ref_text: submit.ref_text,
            actor: submit.actor,
        };
        self.append_to(partition, submit.id, submit.command, Some(Box::new(note)))
    }

    fn append_to(
        &self,
        partition: u32,
        id: CommandId,
        command: Command,
        note: Option<Box<Note>>,
    ) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        let offset = state.next[partition as usize];
        state.next[partition as usize] += 1;
        self.heard
            .waiting
            .lock()
            .insert((partition, offset), sender);
        let input = Input {
            offset,
            at_ms: state.clock_ms,
            id,
            command,
        };
        let record = Record {
            partition,
            input,
            note,
        };
        state.log.push(record.clone());
        state.dataflow.send(vec![record]).unwrap();
        state.dataflow.close_epoch().unwrap();
        receiver
    }

    fn check(&self, submit: &Submit) -> Result<(), SubmitError> {
        let knobs = self.knobs();
        if knobs.unavailable.load(Ordering::SeqCst) {
            return Err(SubmitError::Unavailable {
                why: "the test says so".into(),
            });
        }
        let left = knobs.overloaded.load(Ordering::SeqCst);
        if left > 0 {
            knobs.overloaded.store(left - 1, Ordering::SeqCst);
            return Err(SubmitError::Overloaded { retry_after_ms: 20 });
        }
        if let Command::Flight(flight, FlightCommand::Hold(_)) = &submit.command
            && let Some(other) = self.state.lock().holds.get(&submit.id)
            && other != flight
        {
            return Err(SubmitError::IdInUse { flight: *other });
        }
        Ok(())
    }
}

fn leg(board: &str, off: &str, departs_s: i64) -> Leg {
    let board = board.parse().unwrap();
    Leg {
        board,
        off: off.parse().unwrap(),
        times: LegTimes {
            board,
            departs_s,
            arrives_s: departs_s + 7200,
            departs_offset_min: -300,
            arrives_offset_min: -360,
        },
        aircraft: *b"738",
        service: b'J',
        cabins: vec![],
    }
}

impl Backend for Replica {
    fn submit(&self, submit: Submit) -> Result<oneshot::Receiver<Answer>, SubmitError> {
        self.check(&submit)?;
        Ok(self.append(submit))
    }

    fn submit_batch(
        &self,
        batch: Vec<Submit>,
    ) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError> {
        assert!(!batch.is_empty() && batch.len() <= BATCH_MAX);
        for submit in &batch {
            self.check(submit)?;
        }
        let answers: Vec<_> = batch
            .into_iter()
            .map(|submit| self.append(submit))
            .collect();
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let mut out = Vec::new();
            for answer in answers {
                match answer.await {
                    Ok(answer) => out.push(answer),
                    Err(_) => return,
                }
            }
            let _ = sender.send(out);
        });
        Ok(receiver)
    }

    fn hold_now(&self, flight: &FlightKey, hold: CommandId) -> oneshot::Receiver<Option<HoldNow>> {
        let (sender, receiver) = oneshot::channel();
        if self.knobs().lose_answers.load(Ordering::SeqCst) {
            return receiver;
        }
        let (partition, flight) = (self.partition_of(flight), *flight);
        let reader = self.state.lock().dataflow.reader();
        reader.post(partition, move |ledger| {
            let _ = sender.send(HoldNow::read(ledger, partition, &flight, hold));
        });
        receiver
    }

    fn flight_of_hold(&self, hold: CommandId) -> Option<FlightKey> {
        assert!(
            !self.knobs().panics.load(Ordering::SeqCst),
            "a panic for the test"
        );
        self.state.lock().holds.get(&hold).copied()
    }

    fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    fn partition_of(&self, flight: &FlightKey) -> u32 {
        flight.to_bytes().iter().map(|b| u32::from(*b)).sum::<u32>() % PARTITIONS
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn answered(&self, partition: u32) -> u64 {
        self.heard.answered[partition as usize].load(Ordering::SeqCst)
    }

    fn history(
        &self,
        flight: &FlightKey,
        from_offset: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, String> {
        let decisions = self.heard.decisions.lock();
        let state = self.state.lock();
        let of_flight = |record: &&Record| {
            matches!(&record.input.command, Command::Flight(key, _) if key == flight)
                && record.input.offset >= from_offset
        };
        let entries = state
            .log
            .iter()
            .filter(of_flight)
            .take(limit)
            .filter_map(|record| {
                let decision = decisions.get(&(record.partition, record.input.offset))?;
                Some(HistoryEntry {
                    record: record.clone(),
                    decision: *decision,
                    side_effects: vec![],
                })
            });
        Ok(entries.collect())
    }

    fn provider_status(&self, provider: ProviderCode) -> Option<ProviderStatus> {
        (provider == self::provider()).then(|| ProviderStatus {
            accepted: 4,
            last_version: Some((START_MS, 1, 2)),
            last_event_at_ms: Some(START_MS),
            ..ProviderStatus::default()
        })
    }

    /// Lines `FLIGHT SEATS`; others are rejected.
    fn ingest(
        &self,
        provider: ProviderCode,
        format: &str,
        options: &[(String, String)],
        message: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<FeedReport, FeedError> {
        if format != "canonical" {
            return Err(FeedError::UnknownFormat(format!(
                "there is no format {format}: there is canonical"
            )));
        }
        if let Some((name, _)) = options.first() {
            return Err(FeedError::UnknownFormat(format!(
                "canonical has no option {name}"
            )));
        }
        assert!(!message.is_empty());
        if self.knobs().unavailable.load(Ordering::SeqCst) {
            return Err(SubmitError::Unavailable {
                why: "the test says so".into(),
            }
            .into());
        }
        let mut report = FeedReport::default();
        for line in BufReader::new(body).lines() {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    return Err(FeedError::BrokeOff {
                        why: error.to_string(),
                        report: Box::new(report),
                    });
                }
            };
            self.knobs()
                .fed_bytes
                .fetch_add(line.len() as u64 + 1, Ordering::SeqCst);
            report.read += 1;
            let parsed = line.split_once(' ').and_then(|(key, seats)| {
                Some((key.parse::<FlightKey>().ok()?, seats.parse().ok()?))
            });
            let Some((flight, seats)) = parsed else {
                report.rejected += 1;
                if report.rejects.len() < FeedReport::REJECTS_MAX {
                    report.rejects.push(FeedRejection {
                        line: report.read,
                        code: "bad_line".into(),
                        message: "a line is FLIGHT SEATS".into(),
                    });
                }
                continue;
            };
            let mut leg = leg("EWR", "IAH", DEPARTS_S);
            leg.board = flight.board;
            leg.cabins = vec![CabinPlan {
                cabin: "Y".parse().unwrap(),
                seats: Some(seats),
                authorised: None,
                classes: vec![],
            }];
            let schedule = Schedule {
                legs: vec![leg],
                restricted: vec![],
                operating: None,
            };
            let body = ProviderBody::Schedule(schedule);
            let answer = self.event_of(&flight.to_string(), body, 1, provider);
            let decision = answer.blocking_recv().unwrap().decision;
            match (decision.replay, decision.outcome) {
                (Replay::Same { .. }, _) => report.duplicate += 1,
                (_, Outcome::Accepted { .. }) => report.accepted += 1,
                (_, Outcome::Stale) => report.stale += 1,
                _ => report.rejected += 1,
            }
        }
        Ok(report)
    }

    fn stream_digest(
        &self,
        until: Option<&[u64]>,
    ) -> Result<Vec<flightline_api::backend::PartitionDigest>, String> {
        let ends = until.map_or_else(|| vec![7; PARTITIONS as usize], <[u64]>::to_vec);
        let digest = |next_offset| flightline_api::backend::PartitionDigest {
            next_offset,
            stream_hash: 1 << 100,
            state_hash: 2,
        };
        Ok(ends.into_iter().map(digest).collect())
    }

    fn readiness(&self) -> Readiness {
        let ready = !self.knobs().starting.load(Ordering::SeqCst);
        Readiness {
            ready,
            parts: vec![("stream", ready, "folding history".into())],
        }
    }

    fn metrics(&self) -> String {
        "# TYPE flightline_test gauge\nflightline_test 1\n".into()
    }
}
