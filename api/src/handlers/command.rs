//! Commands on their way to the stream, and decisions on their way back.

use flightline_ledger::{CommandId, Decision, FlightCommand, FlightKey, Outcome, Replay};
use warp::reply::Response;

use crate::backend::{Answer, Caller, Submit};
use crate::http::error::{ApiError, key_reused};
use crate::http::faults;
use crate::http::reply::{self, to_json};
use crate::http::request::Request;
use crate::wire::hold::{HoldAnswer, Price, StateAnswer, WaitingAnswer};
use crate::wire::text;

/// A command of a client, as it goes into the stream.
pub(crate) fn submit(
    id: CommandId,
    flight: FlightKey,
    command: FlightCommand,
    ref_text: &str,
    caller: &Caller,
) -> Submit {
    /// Longest name of a caller that is kept.
    const ACTOR_BYTES_MAX: usize = 64;
    let name = &*caller.name;
    Submit {
        id,
        command: flightline_ledger::Command::Flight(flight, command),
        ref_text: Some(ref_text.into()),
        actor: Some(name[..name.floor_char_boundary(ACTOR_BYTES_MAX)].into()),
    }
}

/// Puts a command into the stream and waits until it is durable and decided.
pub(crate) async fn ask(request: &Request, submit: Submit) -> Result<Answer, ApiError> {
    let app = &*request.app;
    let answer = app.backend.submit(submit)?;
    match request
        .conn
        .within(app.config.request_timeout_ms, answer)
        .await
    {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(_)) => Err(lost()),
        None => Err(too_late()),
    }
}

/// The replica went away between taking a command and deciding it.
pub(crate) fn lost() -> ApiError {
    ApiError::new(
        &faults::UNAVAILABLE,
        "the replica stopped before it answered: the command may have been taken; ask again with the same id to learn what became of it",
    )
}

/// A command was taken and not decided in time.
pub(crate) fn too_late() -> ApiError {
    ApiError::new(
        &faults::TIMEOUT,
        "the command was not decided in time: it may have been taken; ask again with the same id to learn what became of it",
    )
}

/// Where an answer belongs in the stream: that of the first time, so that a replay gives the same.
fn offset(decision: &Decision) -> u64 {
    match decision.replay {
        Replay::First => decision.offset,
        Replay::Same { first_offset } | Replay::Different { first_offset } => first_offset,
    }
}

/// What is written about a hold that was asked for.
pub(crate) struct HoldView<'a> {
    pub(crate) id: &'a str,
    pub(crate) flight: &'a FlightKey,
    /// Seats that were asked for.
    pub(crate) seats: u16,
    pub(crate) answer: &'a Answer,
}

impl HoldView<'_> {
    /// Was it asked before?
    pub(crate) fn is_replay(&self) -> bool {
        self.answer.decision.replay != Replay::First
    }

    /// Appends the body of a hold that was granted, or that waits; else says why it was not.
    /// Gives the status of the answer.
    pub(crate) fn write(&self, out: &mut Vec<u8>, in_batch: bool) -> Result<u16, ApiError> {
        let decision = &self.answer.decision;
        if let Replay::Different { .. } = decision.replay {
            return Err(different());
        }
        if let Outcome::Waiting { deadline_ms, ahead } = decision.outcome {
            self.write_waiting(deadline_ms, ahead, out, in_batch);
            return Ok(202);
        }
        let Outcome::Held {
            provider,
            seats,
            deadline_ms,
            price,
        } = decision.outcome
        else {
            return Err(refused(&decision.outcome));
        };
        let flight_key = text::flight_key(self.flight);
        let expires_at = text::instant(deadline_ms);
        let body = HoldAnswer {
            id: self.id,
            state: "held",
            flight_key: flight_key.as_str(),
            provider: provider.as_str(),
            seats,
            expires_at: expires_at.as_str(),
            price: price.as_ref().map(Price::of),
            partition: self.answer.partition,
            offset: offset(decision),
            idempotency_replayed: (in_batch && self.is_replay()).then_some(true),
        };
        let written = serde_json::to_writer(out, &body);
        assert!(written.is_ok(), "a hold can be serialised");
        Ok(201)
    }

    #[cold]
    fn write_waiting(&self, deadline_ms: i64, ahead: u32, out: &mut Vec<u8>, in_batch: bool) {
        let flight_key = text::flight_key(self.flight);
        let waits_until = text::instant(deadline_ms);
        let body = WaitingAnswer {
            id: self.id,
            state: "waiting",
            flight_key: flight_key.as_str(),
            seats: self.seats,
            ahead,
            waits_until: waits_until.as_str(),
            partition: self.answer.partition,
            offset: offset(&self.answer.decision),
            idempotency_replayed: (in_batch && self.is_replay()).then_some(true),
        };
        let written = serde_json::to_writer(out, &body);
        assert!(written.is_ok(), "a waiting hold can be serialised");
    }

    /// The whole response.
    pub(crate) fn response(&self, request_id: &str) -> Response {
        let mut body = Vec::with_capacity(320);
        let response = match self.write(&mut body, false) {
            Ok(status) => reply::json_bytes(status, body),
            Err(error) => error.into_response(request_id),
        };
        finish(response, self.answer)
    }
}

/// The response to a command about a hold.
pub(crate) fn state_response(
    id: &str,
    flight: &FlightKey,
    answer: &Answer,
    request_id: &str,
) -> Response {
    let decision = &answer.decision;
    let granted = match (decision.replay, &decision.outcome) {
        (Replay::Different { .. }, _) => Err(different()),
        (_, Outcome::Confirmed { seats, already }) => Ok(("confirmed", *seats, *already)),
        (_, Outcome::Released { seats, already }) => Ok(("released", *seats, *already)),
        (_, Outcome::Cancelled { seats, already }) => Ok(("cancelled", *seats, *already)),
        (_, outcome) => Err(refused(outcome)),
    };
    let response = match granted {
        Ok((state, seats, already)) => {
            let flight_key = text::flight_key(flight);
            let body = StateAnswer {
                id,
                state,
                flight_key: flight_key.as_str(),
                seats,
                already,
                partition: answer.partition,
                offset: offset(decision),
            };
            reply::json_bytes(200, to_json(&body, 224))
        }
        Err(error) => error.into_response(request_id),
    };
    finish(response, answer)
}

/// Headers of an answer to a write. A refusal was written too.
fn finish(mut response: Response, answer: &Answer) -> Response {
    reply::set_offset(&mut response, answer.partition, offset(&answer.decision));
    if let Replay::Same { .. } = answer.decision.replay {
        reply::set_replayed(&mut response);
    }
    response
}

fn different() -> ApiError {
    key_reused(
        "this id or key came with another request before; give every request an id of its own",
    )
}

fn refused(outcome: &Outcome) -> ApiError {
    match outcome {
        Outcome::Refused(reason) => ApiError::refused(*reason),
        // A client's command has no other outcome: the replica and this layer disagree.
        other => {
            tracing::error!(
                outcome = other.name(),
                "a client's command got a provider's outcome"
            );
            ApiError::internal()
        }
    }
}
