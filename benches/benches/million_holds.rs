//! A million requests for seats outstanding at once, as batches over a few connections.

use std::time::Duration;

use anyhow::ensure;
use flightline_benches::args::{Args, Extra};
use flightline_benches::holds::{self, Flights};
use flightline_benches::http::bulk;
use flightline_benches::postgres::Rival;
use flightline_benches::postgres::booking::{self, Style};
use flightline_benches::report::{Goal, Report, Unit};
use flightline_benches::scratch;
use flightline_benches::server::{self, Replica};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "hold requests outstanding all at once, beside PostgreSQL in its best batches";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "requests",
        value: 1_000_000,
        smoke: 5_000,
        help: "hold requests, all sent at once",
    },
    Extra {
        name: "connections",
        value: 8,
        smoke: 3,
        help: "connections that they are sent over, one batch each",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 50,
        help: "flights that spread requests are for",
    },
];

/// Cabins of the hot flight, of 9,999 seats each: the most seats that one flight can have.
const HOT_CABINS: u8 = 26;

/// Sizes of PostgreSQL's batches that are tried for the best, and how many bookings a try has.
const SIZES: [usize; 3] = [100, 1_000, 10_000];
const TRY: usize = 100_000;

/// The flight or flights that everyone wants.
struct Case {
    title: &'static str,
    flights: Flights,
}

/// How PostgreSQL does best.
#[derive(Clone, Copy, Debug)]
struct Best {
    style: Style,
    size: usize,
    rate: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::read("million_holds", ABOUT, 3, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    let folder = scratch::folder()?;
    let program = server::program()?;
    let flights = args.extra("flights") as usize;
    // The small mode has fewer seats than requests too.
    let hot = args.size(
        Flights::new(flights, 1, HOT_CABINS),
        Flights::scarce(flights, 1, 300),
    );
    let cases = [
        Case {
            title: "spread",
            flights: Flights::new(0, flights, 1),
        },
        Case {
            title: "one hot flight",
            flights: hot,
        },
    ];
    let rival = Rival::start(&folder.path().join("rival"))?;
    for case in cases.iter().filter(|case| args.wants(case.title)) {
        let best = best(&args, &rival, case)?;
        for turn in 0..args.rounds {
            let data_dir = folder.path().join(format!("{}-{turn}", case.title));
            if turn.is_multiple_of(2) {
                ours(&args, &mut report, case, &program, &data_dir, turn)?;
                postgres(&args, &mut report, case, &rival, best)?;
            } else {
                postgres(&args, &mut report, case, &rival, best)?;
                ours(&args, &mut report, case, &program, &data_dir, turn)?;
            }
            std::fs::remove_dir_all(&data_dir)?;
        }
    }
    report.finish()
}

const OURS: &str = "flightline";
const PG: &str = "PostgreSQL";

fn ours(
    args: &Args,
    report: &mut Report,
    case: &Case,
    program: &std::path::Path,
    data_dir: &std::path::Path,
    turn: usize,
) -> anyhow::Result<()> {
    let total = args.extra("requests");
    let connections = args.extra("connections");
    let mut flights = case.flights.clone();
    let replica = Replica::start(program, data_dir, "")?;
    replica.push(&flights.events()?)?;
    replica.caught_up(Duration::from_secs(120))?;
    let before = replica.memory();
    let cpu = replica.cpu_s();

    // Everything is made before the clock starts.
    let mut work: Vec<_> = (0..connections)
        .map(|lane| {
            let first = total * lane / connections;
            let count = total * (lane + 1) / connections - first;
            holds::batch(&flights, turn as u32 + 1, first, count as usize)
        })
        .collect();
    let elapsed = bulk::post_all(replica.address(), "/holds/batch", &mut work)?.as_secs_f64();
    let peak = replica.memory();
    let cores = (replica.cpu_s() - cpu) / elapsed;

    let (mut held, mut sold_out, mut answered) = (0, 0, 0);
    for (_, answers) in &work {
        held += answers.held;
        sold_out += answers.sold_out;
        answered += answers.answered as u64;
        for (sum, granted) in flights.granted.iter_mut().zip(&answers.granted) {
            *sum += granted;
        }
    }
    drop(work);
    ensure!(
        answered == total && held + sold_out == total,
        "{answered} of {total} requests were answered"
    );
    let seats = flights.seats * u64::from(flights.cabins) * flights.keys.len() as u64;
    // Cabins are asked for at random: with far more requests than seats all of them are sold out.
    ensure!(
        held <= seats && (sold_out == 0 || total < 3 * seats || held == seats),
        "{held} of {seats} seats are held, {sold_out} were refused"
    );
    let tables = replica.caught_up(Duration::from_secs(900))?;
    flights.check(replica.address())?;

    let section = report.section(case.title);
    section
        .turn("until all are answered", Unit::Seconds, elapsed)
        .goal(Goal::AtMost(5.0));
    section
        .turn(OURS, Unit::PerSecond, total as f64 / elapsed)
        .against(PG)
        .goal(Goal::RatioAtLeast(1.0));
    section.turn(
        "most memory of the replica",
        Unit::Bytes,
        peak.peak_bytes as f64,
    );
    section.turn(
        "of it for these requests",
        Unit::Bytes,
        (peak.peak_bytes.saturating_sub(before.resident_bytes)) as f64,
    );
    section.turn("replica's share of the machine", Unit::Cores, cores);
    section.turn(
        "then, until the tables had everything",
        Unit::Seconds,
        tables.as_secs_f64(),
    );
    section.remark(format!(
        "{total} requests over {connections} connections: {held} held, {sold_out} refused as sold out; \
         all answered once and in order, and every count equals what clients were told"
    ));
    replica.stop()
}

/// Which way of batching suits PostgreSQL best here.
fn best(args: &Args, rival: &Rival, case: &Case) -> anyhow::Result<Best> {
    let mut best: Option<Best> = None;
    let flights = case.flights.keys.len();
    let sizes = args.size(&SIZES[..], &SIZES[..1]);
    for style in [Style::Each, Style::Grouped] {
        for size in sizes {
            booking::prepare(rival, flights, seats(case))?;
            let total = args.size(TRY, 500);
            let connections = args.extra("connections") as usize;
            let (_, elapsed) = booking::batches(rival, style, flights, total, *size, connections)?;
            let rate = total as f64 / elapsed;
            if best.is_none_or(|best| rate > best.rate) {
                let size = *size;
                best = Some(Best { style, size, rate });
            }
        }
    }
    best.ok_or_else(|| anyhow::anyhow!("nothing was tried"))
}

fn seats(case: &Case) -> u64 {
    case.flights.seats * u64::from(case.flights.cabins)
}

fn postgres(
    args: &Args,
    report: &mut Report,
    case: &Case,
    rival: &Rival,
    best: Best,
) -> anyhow::Result<()> {
    let flights = case.flights.keys.len();
    let total = args.extra("requests") as usize;
    let connections = args.extra("connections") as usize;
    booking::prepare(rival, flights, seats(case))?;
    let (granted, elapsed) =
        booking::batches(rival, best.style, flights, total, best.size, connections)?;
    let booked = booking::check(rival)?;
    ensure!(
        booked == granted,
        "{granted} were granted, {booked} are booked"
    );
    let section = report.section(case.title);
    section.turn(PG, Unit::PerSecond, total as f64 / elapsed);
    section.remark(format!(
        "PostgreSQL: transactions of {} over {connections} connections, {}, the best of {} tried; {granted} booked",
        best.size,
        match best.style {
            Style::Each => "an update and an insert for each",
            Style::Grouped => "one update for each flight and one insert for all",
        },
        2 * SIZES.len(),
    ));
    Ok(())
}
