use std::collections::HashMap;
use std::fs;

/// Ticks of a second in which Linux tells processor time to programs.
const TICKS: f64 = 100.0;
const PAGE: u64 = 4096;

/// A process and all that it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pid: u32,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    pub(crate) rss_mib: f64,
}

#[derive(Debug)]
struct Stat {
    parent: u32,
    ticks: u64,
    pages: u64,
}

impl Watched {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Processor time since the start, and memory now; of processes that have ended, nothing.
    pub(crate) fn used(self) -> Used {
        let all = stats();
        let mut family = vec![self.pid];
        let mut seen = 0;
        while let Some(parent) = family.get(seen).copied() {
            let children = all.iter().filter(|(_, stat)| stat.parent == parent);
            family.extend(children.map(|(pid, _)| *pid));
            seen += 1;
        }
        let (mut ticks, mut pages) = (0, 0);
        for stat in family.iter().filter_map(|pid| all.get(pid)) {
            ticks += stat.ticks;
            pages += stat.pages;
        }
        Used {
            cpu_seconds: ticks as f64 / TICKS,
            rss_mib: (pages * PAGE) as f64 / f64::from(1 << 20),
        }
    }
}

/// The average number of processes that ran or waited to, over the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

fn stats() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

/// The name, which may hold anything, ends at the last bracket; the fields after it have numbers
/// from 3 on in proc(5).
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat { parent: number(4)? as u32, ticks: number(14)? + number(15)?, pages: number(24)? })
}
