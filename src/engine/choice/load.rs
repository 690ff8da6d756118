//! Was the machine busy with other work? A measurement made then says little.

/// Other programs took more than this share of the machine, while less than `LEFT` of it was idle: they were in the way.
const MUCH: f64 = 0.1;
const LEFT: f64 = 0.2;

/// What else ran during a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Share of the machine's processor time that other programs took, 0 to 1.
    pub others: f64,
    /// They were in the way of ours.
    pub busy: bool,
}

/// The processors' time so far, in ticks: the first line of `/proc/stat` (proc_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ticks {
    total: u64,
    idle: u64,
    processors: usize,
}

impl Ticks {
    /// None where the system does not tell.
    pub fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn read(stat: &str) -> Option<Self> {
        let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in user already.
        let ticks: Vec<u64> = all.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        let processor = |line: &&str| {
            line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        Some(Self { total: ticks.iter().sum(), idle, processors: stat.lines().filter(processor).count().max(1) })
    }

    /// The load between two moments; `own`: processors that this process kept busy on average.
    pub fn load(&self, after: &Self, own: f64) -> Load {
        let total = after.total.saturating_sub(self.total);
        if total == 0 {
            return Load::default();
        }
        let idle = after.idle.saturating_sub(self.idle) as f64 / total as f64;
        let others = (1.0 - idle - own / self.processors as f64).clamp(0.0, 1.0);
        Load { others, busy: others > MUCH && idle < LEFT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two processors, in ticks of user and idle.
    fn ticks(user: u64, idle: u64) -> Ticks {
        let stat = format!("cpu  {user} 0 0 {idle} 0 0 0 0 77 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 5\n");
        Ticks::read(&stat).expect("ticks")
    }

    #[test]
    fn others_are_what_is_neither_idle_nor_ours() {
        let before = ticks(1000, 1000);
        // All of the machine was busy, three quarters of it with ours.
        let load = before.load(&ticks(1100, 1000), 1.5);
        assert!((load.others - 0.25).abs() < 1e-9 && load.busy, "{load:?}");
        // The same, all of it ours.
        assert_eq!(before.load(&ticks(1100, 1000), 2.0), Load { others: 0.0, busy: false });
        // Others ran, but half of the machine was left.
        let load = before.load(&ticks(1050, 1050), 0.6);
        assert!(load.others > 0.1 && !load.busy, "{load:?}");
        assert_eq!(before.load(&before, 1.0), Load::default());
    }

    #[test]
    fn this_system_tells_its_ticks() {
        assert!(Ticks::now().is_some_and(|ticks| ticks.total > 0 && ticks.processors > 0));
        assert_eq!(Ticks::read("nothing"), None);
        assert_eq!(Ticks::read("cpu  a b c d"), None);
    }
}
