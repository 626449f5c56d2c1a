//! Several replicas, their cluster, disks, database and payment service, simulated; see `docs/simulation.md`.
//!
//! - `run`: what happens next, chosen by the seed. [`simulate`] is one run. `mend`: how it ends. `loss`: what follows when
//!   the cluster loses records.
//! - `baton`: threads of which one runs at a time.
//! - `topic`, `database`, `payments`, `world`: what stands for what is outside of the product.
//! - `machine`: the product's own code, on a disk that stays when its process ends.
//! - `conform`: what every log promises, asked of the simulated one.
//! - `clients`: who asks, and remembers every answer. `judge`: what must be true in the end.

mod baton;
mod clients;
mod conform;
mod database;
mod judge;
mod loss;
mod machine;
mod mend;
mod payments;
mod run;
mod topic;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use conform::conform;
pub use flightline_stream::mutant::Mutant;
pub use run::{Ending, Options, Report, Sabotage};

/// One run.
///
/// # Panics
/// When no folder can be made for the files of the run.
pub fn simulate(seed: u64, options: Options) -> Report {
    // Places in the topic and checkpoints are real files; nothing of them outlives the run.
    let shm = std::path::Path::new("/dev/shm");
    let folder = match shm.is_dir() {
        true => tempfile::tempdir_in(shm).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    };
    let folder = match folder {
        Ok(folder) => folder,
        Err(e) => panic!("no folder can be made for the simulation: {e}"),
    };
    let run = run::Run::new(seed, options, folder.path());
    let world = run.world.clone();
    let done = catch_unwind(AssertUnwindSafe(move || run.go(options)));
    done.unwrap_or_else(|panic| {
        let world = world.lock();
        Report {
            trace: world.trace().to_owned(),
            wrong: vec![format!("PANIC {}", baton::message(&*panic))],
            answers: 0,
            records: 0,
            ending: Ending::Whole,
        }
    })
}

/// The run of a seed, twice; the same both times, or that is what is wrong with it.
pub fn simulate_twice(seed: u64, options: Options) -> Report {
    let mut first = simulate(seed, options);
    let second = simulate(seed, options);
    if first != second {
        let mut lines = first.trace.lines().zip(second.trace.lines()).zip(1..);
        let differs = lines.find(|((one, two), _)| one != two);
        first.wrong.push(match differs {
            Some(((one, two), line)) => {
                format!("two runs of seed {seed} differ in line {line}: `{one}` and `{two}`")
            }
            None => format!("two runs of seed {seed} differ in their length, or in what was wrong"),
        });
    }
    first
}
