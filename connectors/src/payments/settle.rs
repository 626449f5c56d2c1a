//! Asking again until an unknown outcome is known.

use std::future::Future;
use std::time::Duration;

use super::port::{Answer, EffectId, Unknown};

/// How long to wait between asks, and how often to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many times to ask in all; at least once.
    pub attempts: u32,
    /// The pause after the first unknown answer, in milliseconds. It doubles from ask to ask.
    pub first_pause_ms: u64,
    /// The longest pause of our own choosing, in milliseconds. What the service asks for may be
    /// longer.
    pub pause_ms_max: u64,
}

impl Default for Patience {
    /// Eight asks within about a minute.
    fn default() -> Self {
        Self {
            attempts: 8,
            first_pause_ms: 250,
            pause_ms_max: 30_000,
        }
    }
}

impl Patience {
    /// The pause after ask number `attempt` (from 1) was answered by `unknown`, in milliseconds.
    ///
    /// A pure function: up to a fifth is taken off by the effect's id, so that many effects that
    /// were cut off together do not come back together, and yet a replay waits the same.
    pub fn pause_ms(&self, effect: EffectId, attempt: u32, unknown: &Unknown) -> u64 {
        let doublings = attempt.saturating_sub(1).min(32);
        let own = self
            .first_pause_ms
            .saturating_mul(1 << doublings)
            .min(self.pause_ms_max);
        // The high bits of a product spread ids that differ in their low bits only.
        let spread = (effect.0 ^ (effect.0 >> 64)) as u64 ^ u64::from(attempt);
        let fraction = spread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let own = own - own / 5 * fraction / 1024;
        own.max(unknown.pause_ms.unwrap_or(0))
    }
}

/// Asks until the outcome is known or patience ends; the last unknown answer is returned then, and
/// the effect stays unknown.
///
/// This is for programs that can wait. An order waits in the stream instead, with
/// [`Patience::pause_ms`] on the stream's clock.
pub async fn settle<T, F, A>(effect: EffectId, patience: Patience, mut ask: F) -> Answer<T>
where
    F: FnMut() -> A,
    A: Future<Output = Answer<T>>,
{
    let mut attempt = 1;
    loop {
        match ask().await {
            Answer::Unknown(unknown) if attempt < patience.attempts => {
                let pause_ms = patience.pause_ms(effect, attempt, &unknown);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                attempt += 1;
            }
            known_or_last => return known_or_last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::port::Cause;
    use super::*;

    #[test]
    fn pauses_grow_stay_bounded_and_honour_the_service() {
        let patience = Patience {
            attempts: 5,
            first_pause_ms: 100,
            pause_ms_max: 1_000,
        };
        let mut unknown = Unknown::new(Cause::TimedOut, "");
        let pauses: Vec<u64> = (1..=6)
            .map(|n| patience.pause_ms(EffectId(5), n, &unknown))
            .collect();
        for (n, (pause, own)) in pauses
            .iter()
            .zip([100, 200, 400, 800, 1_000, 1_000])
            .enumerate()
        {
            assert!((own * 4 / 5..=own).contains(pause), "{n}: {pause}");
        }
        assert!(patience.pause_ms(EffectId(5), u32::MAX, &unknown) <= 1_000);
        unknown.pause_ms = Some(60_000);
        assert_eq!(patience.pause_ms(EffectId(5), 1, &unknown), 60_000);
    }

    #[test]
    fn effects_that_were_cut_off_together_come_back_apart() {
        let patience = Patience::default();
        let unknown = Unknown::new(Cause::NotReached, "");
        let distinct: std::collections::BTreeSet<u64> = (0..1_000)
            .map(|n| patience.pause_ms(EffectId(n), 8, &unknown))
            .collect();
        assert!(distinct.len() > 300, "{} pauses", distinct.len());
    }

    #[tokio::test]
    async fn asking_ends_with_the_answer_or_with_patience() {
        let lost = || Answer::Unknown(Unknown::new(Cause::Dropped, "lost"));
        for (answers_at, attempts, is_done) in [(1, 8, true), (8, 8, true), (9, 8, false)] {
            let mut asked = 0;
            let patience = Patience {
                attempts,
                first_pause_ms: 1,
                pause_ms_max: 1,
            };
            let answer: Answer<()> = settle(EffectId(1), patience, || {
                asked += 1;
                let answer = if asked == answers_at {
                    Answer::Done(())
                } else {
                    lost()
                };
                async move { answer }
            })
            .await;
            assert_eq!(answer.is_done(), is_done, "{answers_at}");
            assert_eq!(asked, answers_at.min(attempts));
        }
    }
}
