//! What processes use, as Linux tells it in `/proc`. Elsewhere nothing is known.

use std::fs;

/// Ticks a second, in which Linux tells processor time (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Processor time used so far, seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) product: f64,
    pub(crate) emulators: f64,
    /// By all there is on the machine.
    pub(crate) machine: f64,
}

impl Cpu {
    pub(crate) fn now(product: u32) -> Self {
        let of = |process: &str| of_process(process).unwrap_or(0.0);
        let machine = of_machine().unwrap_or(0.0);
        Self { product: of(&product.to_string()), emulators: of("self"), machine }
    }

    /// Processors busy between then and now, in the mean.
    pub(crate) fn since(self, then: Self, seconds: f64) -> Self {
        let rate = |now: f64, then: f64| (now - then).max(0.0) / seconds.max(1e-3);
        Self {
            product: rate(self.product, then.product),
            emulators: rate(self.emulators, then.emulators),
            machine: rate(self.machine, then.machine),
        }
    }

    /// What neither product nor emulators used.
    pub(crate) fn others(self) -> f64 {
        (self.machine - self.product - self.emulators).max(0.0)
    }
}

/// User and system time of a process.
fn of_process(process: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; `utime` and `stime` are the 12th and 13th behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?);
    Some((user + system) / TICKS)
}

/// All that is not idle or waiting for disks.
fn of_machine() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks = stat.lines().next()?.split_whitespace().skip(1).map(|n| n.parse::<f64>().unwrap_or(0.0));
    // user nice system idle iowait irq softirq steal; guests are part of user.
    let busy = ticks.take(8).enumerate().filter(|(n, _)| !matches!(n, 3 | 4)).map(|(_, t)| t).sum::<f64>();
    Some(busy / TICKS)
}

/// Resident memory of a process, bytes.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Processors there are.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
