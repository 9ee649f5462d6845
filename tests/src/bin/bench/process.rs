//! The kernel's figures of a process: its CPU time, its memory, and if it sleeps.

use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use shared::clock::Stopwatch;

use crate::stats::count;

/// How long a process may take to fall asleep once it has nothing to do.
const LONGEST_WORK: Duration = Duration::from_secs(10);

/// The CPU time of a process and all of its threads, also those that have ended; to the nanosecond.
pub(crate) fn cpu(id: u32) -> Duration {
    let process = Pid::from_raw(i32::try_from(id).expect("a process's id"));
    let clock = clock_getcpuclockid(process).expect("a running process");
    clock.now().expect("its CPU time").into()
}

/// Its resident memory in MB of 10^6 bytes.
pub(crate) fn resident(id: u32) -> f64 {
    kilobytes(id, "VmRSS:")
}

/// Returns the most that was ever resident, in the same unit.
pub(crate) fn peak_resident(id: u32) -> f64 {
    kilobytes(id, "VmHWM:")
}

/// How many threads it has.
pub(crate) fn threads(id: u32) -> f64 {
    status(id, "Threads:")
}

/// How many files and sockets it has open.
pub(crate) fn descriptors(id: u32) -> f64 {
    count(
        std::fs::read_dir(format!("/proc/{id}/fd"))
            .expect("a running process")
            .count(),
    )
}

fn kilobytes(id: u32, name: &str) -> f64 {
    status(id, name) * 1024.0 / 1e6
}

fn status(id: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    number.expect("a number")
}

/// Waits until a process sleeps and has used no CPU for a millisecond: what it had to do is done.
pub(crate) async fn asleep(id: u32) {
    let since = Stopwatch::start();
    let mut before = None;
    loop {
        let now = cpu(id);
        if is_asleep(id) && before == Some(now) {
            return;
        }
        assert!(since.elapsed() < LONGEST_WORK, "process {id} does not come to rest");
        before = Some(now);
        // The kernel tells nobody by itself.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn is_asleep(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a running process");
    // The name before it, in parentheses, may hold anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.trim_start().starts_with('S')
}
