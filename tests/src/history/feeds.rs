//! Commands about a provider's feed as a whole.

use flightline_ledger::command::{
    FeedCommand, Numbered, ProviderEvent, Replaced, Series, SourceVersion, UnplacedReport,
};
use flightline_ledger::{Command, Date, ProviderBody};

use super::aim;
use super::generate::MINUTE_MS;
use super::rng::Rng;
use super::schedules::Flavour;

pub(super) fn command(rng: &mut Rng, flavour: &Flavour, now_ms: i64) -> Command {
    let provider = aim::any_provider(rng, flavour.crowd);
    let version = SourceVersion {
        time_ms: now_ms,
        group: 0,
        sequence: 0,
    };
    let command = match rng.weighted(&[(30, 0), (20, 1), (10, 2), (40, 3), (5, 4), (5, 5), (5, 6)])
    {
        0 => FeedCommand::Configure {
            silence_max_ms: match rng.below(4) {
                0 => None,
                1 if flavour.hostile => Some(rng.pick(&[0, 1, u64::MAX, i64::MAX as u64])),
                _ => Some(rng.between(MINUTE_MS, 90 * MINUTE_MS) as u64),
            },
        },
        1 => FeedCommand::Heard {
            at_ms: now_ms + rng.between(-60 * MINUTE_MS, MINUTE_MS),
        },
        2 => FeedCommand::Stop,
        3 => FeedCommand::Resume,
        4 => {
            let flight = aim::flight_key(rng, now_ms);
            FeedCommand::Unplaced(Box::new(UnplacedReport {
                carrier: flight.carrier,
                number: flight.number,
                suffix: flight.suffix,
                date: flight.origin_date,
                utc: rng.chance(500),
                but: None,
                event: ProviderEvent {
                    provider,
                    version,
                    authority: 0,
                    quality: 0,
                    body: ProviderBody::Cancel,
                },
            }))
        }
        5 => FeedCommand::Numbered(Numbered {
            series: Series::Ssm,
            day: Date((now_ms / 86_400_000) as i32),
            group: 1,
            number: 1,
            is_last: true,
        }),
        _ => FeedCommand::Replaced(Replaced {
            version,
            carrier: None,
            from: Date(0),
            to: Date(rng.between(0, 40_000) as i32),
        }),
    };
    Command::Feed(provider, Box::new(command))
}
