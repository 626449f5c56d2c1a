//! Processor time of this process by what its threads are for.

use std::collections::BTreeMap;
use std::fs;

/// Processor seconds so far, by name of thread. Threads that have ended are not counted.
pub fn cpu_s() -> BTreeMap<String, f64> {
    let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
    let mut sums = BTreeMap::new();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return sums;
    };
    for task in tasks.flatten() {
        // A thread may end while it is looked at.
        let Ok(text) = fs::read_to_string(task.path().join("stat")) else {
            continue;
        };
        // The name stands in parentheses, and may hold some itself.
        let (Some(from), Some(to)) = (text.find('('), text.rfind(')')) else {
            continue;
        };
        let fields: Vec<&str> = text[to + 1..].split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok());
        let used = ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0);
        *sums.entry(text[from + 1..to].to_owned()).or_default() += used / ticks_per_s;
    }
    sums
}

/// Threads of a replica by the beginning of their names, which the system cuts at 15 bytes, and what they
/// do.
pub const OF_A_REPLICA: [(&str, &str); 4] = [
    ("flightline-stre", "the stream's writer"),
    ("timely", "folding"),
    ("flightline-epoc", "the index"),
    ("postgres", "gathering rows for PostgreSQL"),
];

/// Processor time between two calls of [`cpu_s`] by what threads are for, as a share of one core: those
/// of a replica and those of the bench's own.
pub fn by_purpose(
    own: (&'static str, &'static str),
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    elapsed_s: f64,
) -> Vec<(&'static str, f64)> {
    let known: Vec<_> = OF_A_REPLICA.into_iter().chain([own]).collect();
    let mut sums: Vec<(&str, f64)> = known.iter().map(|(_, what)| (*what, 0.0)).collect();
    sums.push(("everything else of this process", 0.0));
    for (name, used) in after {
        let used = used - before.get(name).copied().unwrap_or(0.0);
        let mut purposes = known.iter();
        let at = purposes.position(|(prefix, _)| name.starts_with(prefix));
        sums[at.unwrap_or(known.len())].1 += used.max(0.0) / elapsed_s;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_counted_under_its_name() {
        let thread = std::thread::Builder::new().name("odd (name)".to_owned());
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = thread.spawn(move || stopped.recv()).unwrap();
        while !cpu_s().contains_key("odd (name)") {
            std::thread::yield_now();
        }
        drop(stop);
        assert!(thread.join().unwrap().is_err());
    }
}
