//! The chaos run; see [`flightline_benches::chaos`].

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use flightline_benches::chaos::faults;
use flightline_benches::chaos::judge::{self, Verdict};
use flightline_benches::chaos::plan::Plan;
use flightline_benches::chaos::seats::Seller;
use flightline_benches::chaos::table::Outcome;
use flightline_benches::chaos::target::Target;
use flightline_benches::chaos::trips::Shopper;
use flightline_benches::chaos::watch::Watch;
use flightline_benches::latency::Latencies;
use flightline_benches::random::Dice;
use flightline_benches::{scratch, server};
use serde_json::Value;
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A line for whoever watches; one who has gone away does not end the run.
macro_rules! say {
    ($($word:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($word)*);
    }};
}

fn main() -> anyhow::Result<ExitCode> {
    let plan = Plan::parse().sized();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run(plan))?;
    say!("{}", outcome.text());
    if outcome.plan.json {
        say!("{}", outcome.json());
    }
    Ok(match outcome.verdict.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Stops all replicas when the tables have everything, and has each folder verified.
fn compare(target: &mut Target, mut verdict: Verdict) -> anyhow::Result<(Verdict, Vec<Value>)> {
    target.caught_up(Duration::from_secs(600))?;
    for replica in 0..target.count() {
        target.stop(replica)?;
    }
    let (program, url) = (target.program(), target.database_url());
    let verified = target
        .data_dirs()
        .map(|folder| judge::verify(&mut verdict, program, folder, url.as_deref()))
        .collect::<anyhow::Result<Vec<Value>>>()?;
    judge::same(&mut verdict, &verified);
    Ok((verdict, verified))
}

async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let program = server::program()?;
    let folder = scratch::folder()?;
    let (planned, place) = (plan.clone(), folder.path().to_owned());
    let starting = tokio::task::spawn_blocking(move || {
        let target = Target::start(program, &planned, &place)?;
        target.replica(0)?.push(&planned.events())?;
        anyhow::Ok(target)
    });
    let mut target = starting.await??;
    say!(
        "seed {}: {} clients want {}/s seats on {} flights, {} shoppers order trips; faults for {:.1} minutes",
        plan.seed,
        plan.clients,
        plan.rate,
        plan.flights,
        plan.shoppers,
        plan.length().as_secs_f64() / 60.0
    );

    let stop = Arc::new(AtomicBool::new(false));
    let way = target.way(stop.clone())?;
    let watch = Watch::default();
    let watching = plan
        .fluvio
        .is_some()
        .then(|| tokio::spawn(watch.clone().run(target.addresses())));
    let flights = Arc::new(plan.seat_flights());
    let pace =
        Duration::from_secs_f64(f64::from(plan.clients.max(1)) / f64::from(plan.rate.max(1)));
    let begun = Instant::now();
    let mut sellers = JoinSet::new();
    for client in 0..plan.clients {
        let seller = Seller {
            client,
            way: way.for_client(),
            flights: flights.clone(),
            pace,
            dice: Dice::new(plan.seed << 20 | u64::from(client)),
        };
        sellers.spawn(async move { (client, seller.run().await) });
    }
    let mut shoppers = JoinSet::new();
    for client in 0..plan.shoppers {
        let shopper = Shopper {
            client,
            way: way.for_client(),
            dice: Dice::new(plan.seed << 20 | 1 << 19 | u64::from(client)),
        };
        shoppers.spawn(shopper.run());
    }

    let (striking, answers) = (plan.clone(), way.answers.clone());
    let (mut target, strikes) = tokio::task::spawn_blocking(move || {
        let strikes = faults::strike(&striking, &mut target, &answers, |strike| {
            say!(
                "{:>7.1} s  {:<16} nobody answered for {:.0} ms",
                begun.elapsed().as_secs_f64(),
                strike.fault.name(),
                strike.silent.as_secs_f64() * 1e3
            );
        });
        strikes.map(|strikes| (target, strikes))
    })
    .await??;
    stop.store(true, Ordering::Relaxed);
    let mut stories = Vec::new();
    for (client, story) in sellers.join_all().await {
        stories.push((client, story?));
    }
    stories.sort_by_key(|(client, _)| *client);
    let stories: Vec<_> = stories.into_iter().map(|(_, story)| story).collect();
    let mut trips = Vec::new();
    for story in shoppers.join_all().await {
        trips.push(story?);
    }
    let elapsed = begun.elapsed();
    let (answered, unknown) = (
        way.answers.load(Ordering::Relaxed),
        way.unknown.load(Ordering::Relaxed),
    );

    say!("load is over; comparing");
    let mut verdict = Verdict::default();
    let mut booked = 0;
    for replica in 0..target.count() {
        let way = way.to(replica);
        judge::seats(&mut verdict, &way, &flights, &stories).await?;
        let (flights, books) = (plan.trip_flights(), target.books());
        booked = judge::trips(&mut verdict, &way, &flights, &trips, &books).await?;
    }
    // Every replica shows the same.
    verdict.forget_repeats();
    let mut dice = Dice::new(plan.seed ^ 0xa9a1);
    judge::once_more(&mut verdict, &way, &flights, &stories, &mut dice).await?;
    let counted = match watching {
        None => Vec::new(),
        Some(watching) => {
            watching.abort();
            watch.sums()
        }
    };
    let (verdict, mut verified) =
        tokio::task::spawn_blocking(move || compare(&mut target, verdict)).await??;
    let verified = verified.swap_remove(0);

    let merged = |all: Vec<&Latencies>| {
        all.into_iter().fold(Latencies::default(), |mut sum, one| {
            sum.merge(one);
            sum
        })
    };
    Ok(Outcome {
        elapsed,
        answers: answered,
        unknown,
        found_again: stories.iter().map(|story| story.found_again).sum(),
        requests: stories
            .iter()
            .map(|story| story.requests.len() as u64)
            .sum(),
        seat_latencies: merged(stories.iter().map(|story| &story.latencies).collect()),
        orders: (
            trips.iter().map(|story| story.orders.len() as u64).sum(),
            trips.iter().map(|story| story.refused).sum(),
        ),
        booked,
        order_latencies: merged(trips.iter().map(|story| &story.latencies).collect()),
        strikes,
        verdict,
        verified,
        counted,
        plan,
    })
}
