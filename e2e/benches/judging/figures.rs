//! The figures of one size, each beside its goal.

use std::time::Duration;

use crate::size::Size;

pub(crate) struct Figures {
    /// Processors taken by the idle operator.
    pub(crate) idle: f64,
    /// Processor seconds of one change, above idle.
    pub(crate) change: f64,
    /// Processors taken at ten changes a second.
    pub(crate) burst: f64,
    pub(crate) swap: Duration,
    pub(crate) swap_cpu: f64,
    /// Megabytes: the larger of idle and after the swap.
    pub(crate) memory: f64,
    /// Megabytes after a restart.
    pub(crate) restarted: f64,
    pub(crate) ready: Duration,
}

impl Figures {
    pub(crate) fn print(&self, size: &Size) {
        println!("\n{} pods, {} policies, {} images", size.pods, size.policies, size.images);
        let memory = size.memory_goal();
        for (what, found, goal, unit) in [
            ("idle, with node heartbeats", self.idle * 1e3, 5.0, "millicores"),
            ("one pod's change", self.change * 1e3, 5.0, "ms CPU"),
            ("10 changes a second", self.burst * 1e3, 60.0, "millicores"),
            ("all judged anew after an index swap", self.swap.as_secs_f64(), 15.0, "s"),
            ("RssAnon", self.memory, memory, "MB"),
            ("RssAnon after a restart", self.restarted, memory, "MB"),
            ("start to ready", self.ready.as_secs_f64(), 10.0, "s"),
        ] {
            let verdict = if found <= goal { "met" } else { "MISSED" };
            println!("  {what:<37} {found:>9.1} {unit:<10} goal {goal:>5.0}  {verdict}");
        }
        println!("  {:<37} {:>9.1} s CPU", "processor time of the index swap", self.swap_cpu);
    }
}
