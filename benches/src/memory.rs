//! Memory and processor time of a process, as the kernel counts them.

use std::fs;

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// In RAM now, in bytes.
    pub resident_bytes: u64,
    /// The most that was ever in RAM, in bytes.
    pub peak_bytes: u64,
}

/// Memory of a process by its number; zeros when it is gone.
pub fn of(pid: u32) -> Memory {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    Memory {
        resident_bytes: kib("VmRSS:") * 1024,
        peak_bytes: kib("VmHWM:") * 1024,
    }
}

/// Memory of this process.
pub fn own() -> Memory {
    of(std::process::id())
}

/// Processor seconds that a process has used, its threads together; 0 when it is gone.
pub fn cpu_s(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0))
        / rustix::param::clock_ticks_per_second() as f64
}
