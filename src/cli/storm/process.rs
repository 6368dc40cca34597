//! What a process costs, as Linux tells it in `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde::Serialize;

/// The unit of the times in `/proc/PID/stat`, for every program on every Linux of our time.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used, and holds, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Processor time so far, all threads.
    #[serde(skip)]
    pub cpu: Duration,
    /// Memory that is resident.
    pub rss_kib: u64,
    /// Open files, sockets among them.
    pub fds: u64,
    /// Threads.
    pub threads: u64,
}

/// A process that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// The one with this number.
    pub fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// Its number.
    pub fn pid(self) -> u32 {
        self.0
    }

    /// What it costs; `None` if it is gone, or if this is no Linux.
    pub fn cost(self) -> Option<Cost> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.0)).ok();
        let status = read("status")?;
        let field = |name| field(&status, name);
        Some(Cost {
            cpu: cpu(&read("stat")?)?,
            rss_kib: field("VmRSS:")?,
            fds: fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, |files| files.count() as u64),
            threads: field("Threads:")?,
        })
    }

    /// The processor time of its threads so far, those of the same name together; of those that are alive.
    pub fn threads(self) -> BTreeMap<String, Duration> {
        let mut times = BTreeMap::new();
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0)) else { return times };
        for thread in threads.flatten() {
            let read = |name: &str| fs::read_to_string(thread.path().join(name)).ok();
            let Some(name) = read("comm") else { continue }; // it has just ended
            // To the nanosecond where the kernel counts so, else in ticks.
            let exact = read("schedstat").and_then(|text| text.split(' ').next()?.parse().ok());
            let time = exact.filter(|nanos| *nanos > 0).map(Duration::from_nanos);
            let time = time.or_else(|| cpu(&read("stat")?)).unwrap_or_default();
            *times.entry(name.trim().to_owned()).or_default() += time;
        }
        times
    }
}

fn cpu(stat: &str) -> Option<Duration> {
    // The name may hold anything; it ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    let (user, system) = (fields.next()??, fields.next()??);
    Some(TICK * (user + system))
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The processor and the system, for whoever reads a figure later.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).map_or("", |rest| rest);
    let model = model.trim_start_matches([' ', '\t', ':']);
    // Of the machine, not those that we are held to.
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194304 93 0 0 0 120 35 0 0 20 0 5 0 100 1 2 3";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1_550)));
        assert_eq!(cpu("7 (a) S 1"), None);
        assert_eq!(field("Name:\ta\nVmRSS:\t  1234 kB\nThreads:\t5\n", "VmRSS:"), Some(1_234));
    }

    #[test]
    fn this_process_costs_something_and_no_process_nothing() {
        let own = Process::own().cost().unwrap();
        assert!(own.rss_kib > 0 && own.fds > 0 && own.threads > 0);
        assert!(Process::own().threads().values().sum::<Duration>() > Duration::ZERO);
        assert_eq!(Process::new(u32::MAX).cost(), None);
    }
}
