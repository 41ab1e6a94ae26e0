//! How far work that can wait steps back behind requests, where both want a core.

/// The standing of work that can wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Priority {
    /// A smaller share of a core that both want. A slice of the scheduler, a few milliseconds, is not
    /// cut short by a request that comes.
    #[default]
    Low,
    /// What everything else leaves: a request has the core at once. On a machine that others keep
    /// busy the work stands still.
    Idle,
}

/// How far [`Priority::Low`] steps back; 0 is not at all, 19 is as far as it goes.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

impl Priority {
    /// Steps this thread back, and those that it starts from now on. They run as well where the
    /// system does not know such a thing.
    pub fn step_back(self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = self.set() {
            tracing::debug!(%error, "work that can wait runs at the priority of requests");
        }
    }

    #[cfg(target_os = "linux")]
    fn set(self) -> Result<(), String> {
        use rustix::process::{getpriority_process, setpriority_process};
        use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
        use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
        match self {
            Self::Low => {
                let thread = Some(rustix::thread::gettid());
                // From where the process is, so that an operator's choice holds; the system stops
                // at 19.
                let stepped = getpriority_process(thread)
                    .and_then(|niceness| setpriority_process(thread, niceness + NICENESS));
                stepped.map_err(|error| error.to_string())
            }
            Self::Idle => {
                let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
                let thread = thread_native_id();
                let stepped = set_thread_priority_and_policy(thread, ThreadPriority::Min, idle);
                stepped.map_err(|error| format!("{error:?}"))
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Fields of `/proc/thread-self/stat` behind the name, which starts with the third.
    fn stat(field: usize) -> i64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let behind = stat.rsplit_once(") ").unwrap().1;
        behind.split(' ').nth(field - 3).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_and_those_it_starts_step_back() {
        const NICE: usize = 19;
        const POLICY: usize = 41;
        const SCHED_IDLE: i64 = 5;
        let before = stat(NICE);
        let step_back = |priority: Priority| {
            let work = move || {
                priority.step_back();
                std::thread::spawn(|| (stat(NICE), stat(POLICY))).join().unwrap()
            };
            std::thread::spawn(work).join().unwrap()
        };
        assert_eq!(step_back(Priority::Low), ((before + 5).min(19), 0));
        assert_eq!(step_back(Priority::Idle).1, SCHED_IDLE);
        assert_eq!(stat(NICE), before, "others stay where they are");
    }
}
