//! The machine that the tests run on.

use std::fs;
use std::time::{Duration, Instant};

/// Polls until there is something, or panics.
pub fn wait_until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::yield_now();
    }
}

/// A number in a process's status, in KiB for sizes.
pub fn status_value(process: i32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many processes and threads there are.
pub fn tasks() -> u64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    load.split([' ', '/']).nth(4).unwrap().parse().unwrap()
}

/// Numbers that look random, the same for the same seed: xorshift.
pub struct Random(u64);

impl Random {
    /// The seed is printed, so that what failed can be run again with
    /// `NOTHING_LEFT_SEED`.
    pub fn seeded() -> Self {
        let seed = std::env::var("NOTHING_LEFT_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
                since.as_nanos() as u64 | 1
            });
        println!("NOTHING_LEFT_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
