//! What providers send, from bytes to canonical events, and to durable and folded.

use std::hint::black_box;
use std::io::{BufRead, Cursor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_benches::args::{Args, Extra};
use flightline_benches::booking::{shop, till::Till};
use flightline_benches::holds::Flights;
use flightline_benches::report::{Goal, Report, Section, Unit};
use flightline_benches::stopwatch::CoreTime;
use flightline_benches::world::{self, World};
use flightline_benches::{fleet, memory, scratch, threads};
use flightline_connectors::{Options, Parsed, Source, format};
use flightline_runtime::Replica;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "provider feeds: bytes to events, beside reading the same bytes with the bare parser; events to durable and folded; a world's month of departures";

const EXTRAS: &[Extra] = &[
    Extra {
        name: "offers",
        value: 20_000,
        smoke: 20,
        help: "offers of the NDC message",
    },
    Extra {
        name: "events",
        value: 1_000_000,
        smoke: 2_000,
        help: "canonical events",
    },
    Extra {
        name: "flights",
        value: 10_000,
        smoke: 50,
        help: "flights that they are about",
    },
    Extra {
        name: "departures",
        value: 3_056_818,
        smoke: 5_000,
        help: "departures of the world's month; FLIGHTLINE_SEGMENTS names a file to shape it by",
    },
];

/// Canonical events a second, from bytes to durable and folded.
const EVENTS_PER_S: f64 = 300_000.0;
/// Holds asked for in a second beside a feed.
const HOLDS_PER_S: f64 = 500.0;

/// What a world's month may take.
const WORLD_S: f64 = 60.0;
const WORLD_BYTES: f64 = 4.0 * (1_u64 << 30) as f64;

const PATIENCE: Duration = Duration::from_secs(1_800);

/// What the threads of the bench do, beside [`threads::OF_A_REPLICA`].
const READER: (&str, &str) = ("bench-client", "reading the feed");

fn main() -> anyhow::Result<()> {
    let args = Args::read("feeds", ABOUT, 3, EXTRAS);
    let mut report = Report::new(&args, ABOUT);
    if args.wants("ndc") {
        ndc(&args, &mut report)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("bench-client")
        .enable_all()
        .build()?;
    if args.wants("events") {
        runtime.block_on(events(&args, &mut report))?;
    }
    if args.wants("world") {
        runtime.block_on(whole_world(&args, &mut report))?;
    }
    report.finish()
}

const XML: &str = "reading its XML alone";

fn ndc(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let offers = args.extra("offers") as usize;
    let message = shopping(offers);
    let section = report.section(&format!(
        "an NDC AirShoppingRS of {offers} offers, one core"
    ));
    section.remark(format!("{:.1} MB", message.len() as f64 / 1e6));
    section.remark("rates in bytes");
    for turn in 0..args.rounds {
        for part in 0..2 {
            match (part + turn) % 2 {
                0 => xml(section, &message)?,
                _ => offered(section, &message, offers)?,
            }
        }
    }
    Ok(())
}

/// What any reader of the format has to do.
fn xml(section: &mut Section, message: &str) -> anyhow::Result<()> {
    let start = CoreTime::start();
    let mut reader = quick_xml::Reader::from_str(message);
    let mut texts = 0;
    loop {
        match reader.read_event()? {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Text(text) => texts += black_box(text.len()),
            other => {
                black_box(&other);
            }
        }
    }
    let rate = message.len() as f64 / start.elapsed_s();
    ensure!(texts > 0, "nothing was read");
    section.turn(XML, Unit::PerSecond, rate);
    Ok(())
}

fn offered(section: &mut Section, message: &str, offers: usize) -> anyhow::Result<()> {
    let options = Options::new().with("observed_at", "2026-12-01T12:00:00Z");
    let connector = format("ndc")?.connector(&options)?;
    let start = CoreTime::start();
    let mut events = 0;
    for item in connector.parse(Source::new("bench", message.as_bytes())) {
        match black_box(item) {
            Parsed::Event { .. } => events += 1,
            Parsed::Reject(reject) => anyhow::bail!("{reject}"),
            _ => {}
        }
    }
    let elapsed = start.elapsed_s();
    // A schedule, availability and a price each; a schedule is said once.
    ensure!(events >= 2 * offers, "{events} events");
    section
        .turn(
            "to canonical events",
            Unit::PerSecond,
            message.len() as f64 / elapsed,
        )
        .against(XML);
    section.turn(
        "the same, in events",
        Unit::PerSecond,
        events as f64 / elapsed,
    );
    Ok(())
}

/// An answer to a search, each offer on a flight of its own.
fn shopping(offers: usize) -> String {
    use std::fmt::Write;
    let mut out = String::from(
        r#"<AirShoppingRS Version="17.2" TimeStamp="2026-12-01T11:59:58Z"><OffersGroup><AirlineOffers>"#,
    );
    for n in 0..offers {
        let _ = write!(
            out,
            r#"<Offer OfferID="OF{n}" Owner="W2"><TimeLimits><OfferExpiration DateTime="2026-12-01T12:30:00Z"/></TimeLimits><FlightsOverview><FlightRef PriceClassRef="PC{}">FLT{n}</FlightRef></FlightsOverview><OfferItem><TotalPriceDetail><TotalAmount><SimpleCurrencyPrice Code="EUR">{}.90</SimpleCurrencyPrice></TotalAmount></TotalPriceDetail></OfferItem></Offer>"#,
            n % 26,
            40 + n % 400,
        );
    }
    out.push_str("</AirlineOffers></OffersGroup><DataLists><PassengerList><Passenger PassengerID=\"P1\"><PTC>ADT</PTC></Passenger></PassengerList><FlightSegmentList>");
    for n in 0..offers {
        let (number, day) = (n % 9_999 + 1, n / 9_999 % 28 + 1);
        let _ = write!(
            out,
            r#"<FlightSegment SegmentKey="SEG{n}"><Departure><AirportCode>AUH</AirportCode><Date>2027-03-{day:02}</Date><Time>02:30</Time></Departure><Arrival><AirportCode>CDG</AirportCode><Date>2027-03-{day:02}</Date><Time>07:10</Time></Arrival><MarketingCarrier><AirlineID>W2</AirlineID><FlightNumber>{number}</FlightNumber></MarketingCarrier><Equipment><AircraftCode>789</AircraftCode></Equipment></FlightSegment>"#,
        );
    }
    out.push_str("</FlightSegmentList><FlightList>");
    for n in 0..offers {
        let _ = write!(
            out,
            r#"<Flight FlightKey="FLT{n}"><SegmentReferences>SEG{n}</SegmentReferences></Flight>"#
        );
    }
    out.push_str("</FlightList><PriceClassList>");
    for n in 0..26_u8 {
        let class = char::from(b'A' + n);
        let _ = write!(
            out,
            r#"<PriceClass PriceClassID="PC{n}"><ClassOfService><Code SeatsLeft="4">{class}</Code><MarketingName CabinDesignator="M">Economy</MarketingName></ClassOfService></PriceClass>"#
        );
    }
    out.push_str("</PriceClassList></DataLists></AirShoppingRS>");
    out
}

const JSON: &str = "reading its JSON alone, one core";
const TAKEN: &str = "bytes to durable and folded";

async fn events(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let count = args.extra("events");
    let flights = Flights::new(0, args.extra("flights") as usize, 1);
    let folder = scratch::folder()?;
    let replica = shop::start(&folder.path().join("replica"), Till::new()).await?;
    let shop = shop::Shop::open(&replica, &flights).await?;
    let section = report.section(&format!(
        "{count} reports of availability about {} flights, canonical",
        flights.keys.len()
    ));
    for turn in 0..args.rounds {
        replica.flushed(PATIENCE).await?;
        let lines = availability(&flights, count, 2 * turn as u64);
        let bytes = lines.len() as f64;
        if turn == 0 {
            section.remark(format!("{:.1} MB", bytes / 1e6));
        }
        let start = CoreTime::start();
        for line in lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
            black_box(serde_json::from_slice::<serde_json::Value>(line)?);
        }
        section.turn(JSON, Unit::PerSecond, count as f64 / start.elapsed_s());
        let before = threads::cpu_s();
        let start = Instant::now();
        let report = ingest(&replica, "canonical", lines).await?;
        let elapsed = start.elapsed().as_secs_f64();
        ensure!(report.accepted == count, "{report:?}");
        section
            .turn(TAKEN, Unit::PerSecond, count as f64 / elapsed)
            .against(JSON)
            .goal(Goal::AtLeast(EVENTS_PER_S));
        for (what, cores) in threads::by_purpose(READER, &before, &threads::cpu_s(), elapsed) {
            section.turn(&format!("processor: {what}"), Unit::Cores, cores);
        }
        replica.flushed(PATIENCE).await?;
        let until_there = start.elapsed().as_secs_f64();
        section.turn(
            "bytes to rows in PostgreSQL",
            Unit::PerSecond,
            count as f64 / until_there,
        );
        // Another feed as large, with somebody who books beside it.
        let lines = availability(&flights, count, 2 * turn as u64 + 1);
        let stop = Arc::new(AtomicBool::new(false));
        let holds = Arc::clone(&shop).holds_until(HOLDS_PER_S, Arc::clone(&stop));
        let holds = tokio::spawn(holds);
        let report = ingest(&replica, "canonical", lines).await?;
        stop.store(true, Ordering::Relaxed);
        ensure!(report.accepted == count, "{report:?}");
        section.delays("holds beside such a feed", &holds.await??);
    }
    section.remark(format!(
        "holds beside it: {HOLDS_PER_S} in a second, open loop, in the same process without HTTP"
    ));
    replica.shutdown().await
}

/// Counts of seats, newer ones in every turn.
fn availability(flights: &Flights, count: u64, turn: u64) -> Vec<u8> {
    use std::io::Write;
    let mut out = Vec::with_capacity(count as usize * 200);
    let time = flightline_connectors::observed::time_text(fleet::version(10).time_ms);
    for n in 0..count {
        let flight = &flights.keys[(n % flights.keys.len() as u64) as usize];
        let sequence = turn * count + n + 1;
        // A Vec takes everything.
        let _ = writeln!(
            out,
            r#"{{"type":"availability","flight_key":"{flight}","source_version":{{"time":"{time}","sequence":{sequence}}},"cabin":"A","status":"open","seats":{},"counts":"total"}}"#,
            100 + n % 9_000,
        );
    }
    out
}

async fn ingest(
    replica: &Replica,
    format: &'static str,
    body: Vec<u8>,
) -> anyhow::Result<flightline_api::backend::FeedReport> {
    let backend = replica.backend();
    let report = tokio::task::spawn_blocking(move || {
        let body = Box::new(Cursor::new(body));
        backend.ingest(fleet::provider(), format, &[], "bench", body)
    });
    report.await?.context("the feed was not taken")
}

async fn whole_world(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let departures = args.extra("departures");
    let world = World::new(departures)?;
    let (file, legs) = world::write(&world);
    let section = report.section(&format!("a world's month: {departures} departures, SSIM"));
    section.remark(format!(
        "{} leg records of {} airlines, {:.1} MB; {}",
        legs,
        world.routes.len(),
        file.len() as f64 / 1e6,
        world.origin
    ));
    drop(world);
    let start = CoreTime::start();
    let mut lines = 0_u64;
    for line in Cursor::new(file.as_bytes()).lines() {
        lines += u64::from(black_box(line?).starts_with('3'));
    }
    section.turn("reading its lines alone", Unit::Seconds, start.elapsed_s());
    ensure!(lines == legs as u64, "{lines} lines");

    let folder = scratch::folder()?;
    let replica = shop::start(&folder.path().join("replica"), Till::new()).await?;
    let empty = memory::own().resident_bytes;
    let before = threads::cpu_s();
    let start = Instant::now();
    let report = ingest(&replica, "ssim", file.into_bytes()).await?;
    let elapsed = start.elapsed().as_secs_f64();
    ensure!(report.accepted == departures, "{report:?}");
    let loaded = memory::own();
    section
        .turn("loaded: durable and folded", Unit::Seconds, elapsed)
        .goal(Goal::AtMost(WORLD_S));
    section.turn(
        "dated flights loaded",
        Unit::PerSecond,
        departures as f64 / elapsed,
    );
    for (what, cores) in threads::by_purpose(READER, &before, &threads::cpu_s(), elapsed) {
        section.turn(&format!("processor: {what}"), Unit::Cores, cores);
    }
    section
        .turn("most memory", Unit::Bytes, loaded.peak_bytes as f64)
        .goal(Goal::AtMost(WORLD_BYTES));
    let more = loaded.resident_bytes.saturating_sub(empty);
    section.turn(
        "memory for a dated flight",
        Unit::Bytes,
        more as f64 / departures as f64,
    );
    replica.flushed(PATIENCE).await?;
    section.turn(
        "until the tables have it",
        Unit::Seconds,
        start.elapsed().as_secs_f64(),
    );
    section.turn(
        "most memory until then",
        Unit::Bytes,
        memory::own().peak_bytes as f64,
    );
    replica.shutdown().await
}
