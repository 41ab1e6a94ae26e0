//! How much memory work takes, as Linux tells it; `NaN` elsewhere.

use std::fs;

/// What was resident before.
pub(crate) struct Resident {
    before_mib: f64,
}

impl Resident {
    /// Looks at what is resident, and forgets the peak so far; without the permission for that the
    /// peak of what was done before counts too.
    pub(crate) fn now() -> Self {
        give_back();
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { before_mib: memory_mib("VmRSS:") }
    }

    /// Most that was resident since then, beyond what was resident then.
    pub(crate) fn peak_mib(&self) -> f64 {
        memory_mib("VmHWM:") - self.before_mib
    }
}

/// Gives what this thread freed back to the system: it would serve the work unseen.
#[expect(unsafe_code, reason = "the allocator's crate has no safe function for it")]
pub(crate) fn give_back() {
    // SAFETY: may be called at any time by any thread.
    unsafe { libmimalloc_sys::mi_collect(true) };
}

fn memory_mib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
