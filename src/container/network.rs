//! The network namespace that the jobs of a launcher use one after another.
//!
//! Making a network namespace takes longer than the rest of a container except exec, so it
//! is reused if the last job left nothing in it. The sockets of a job are closed with its
//! pid namespace, and `TIME_WAIT` is switched off. Sockets that are still open, such as a
//! listener of `io_uring`, show in the socket counts of the namespace. The next job then
//! gets a new namespace.

use super::prepare;
use super::protocol::NetworkKind;
use super::step::{Step, StepContext, StepError};
use super::sys;
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// The largest `/proc/net/sockstat` that is read, in bytes. The file has about 200.
const SOCKSTAT_SIZE: usize = 1024;

#[derive(Debug)]
pub struct NetworkNamespace {
    kind: NetworkKind,
    /// `/proc/net/sockstat` of the namespace. Reading it from its start counts again.
    sockstat: File,
    baseline: SocketCounts,
    /// `TIME_WAIT` could not be switched off, so the namespace serves one job only.
    use_once: bool,
    /// `/sys` belongs to this namespace, not to the outer one.
    own_sys: bool,
}

/// The counts in `/proc/net/sockstat` that are of the namespace alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SocketCounts {
    /// Sockets of every family.
    used: u64,
    /// TCP connections in the state `TIME_WAIT`.
    time_wait: u64,
}

impl NetworkNamespace {
    /// Sets up the current namespace. `None` if it is the client's.
    pub fn set_up(kind: NetworkKind, own_sys: bool) -> Result<Option<Self>, StepError> {
        if kind == NetworkKind::Local {
            return Ok(None);
        }
        let mut use_once = false;
        if kind == NetworkKind::Loopback {
            use_once = fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0").is_err();
            sys::bring_loopback_up().step(Step::BringLoopbackUp)?;
        }
        let sockstat = File::open("/proc/net/sockstat").step(Step::OpenSockstat)?;
        let baseline = count(&sockstat).step(Step::ReadSockstat)?;
        Ok(Some(Self {
            kind,
            sockstat,
            baseline,
            use_once,
            own_sys,
        }))
    }

    /// Whether the namespace can serve one job after another.
    pub fn is_reusable(&self) -> bool {
        !self.use_once
    }

    /// Makes a new namespace if the last job left something in this one.
    pub fn clear(&mut self) -> Result<(), StepError> {
        if !self.use_once && count(&self.sockstat).is_ok_and(|now| now == self.baseline) {
            return Ok(());
        }
        unshare(CloneFlags::CLONE_NEWNET).step(Step::CreateNetworkNamespace)?;
        if self.own_sys {
            // sysfs shows the interfaces of the namespace it was made in.
            prepare::renew_sys()?;
        }
        if let Some(fresh) = Self::set_up(self.kind, self.own_sys)? {
            *self = fresh;
        }
        Ok(())
    }
}

fn count(sockstat: &File) -> io::Result<SocketCounts> {
    let mut bytes = [0; SOCKSTAT_SIZE];
    let length = sockstat.read_at(&mut bytes, 0)?;
    Ok(SocketCounts::parse(&bytes[..length]))
}

impl SocketCounts {
    fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let value = |line: &str, key: &str| {
            let line = text.lines().find(|l| l.starts_with(line))?;
            let mut words = line.split_whitespace();
            words.find(|word| *word == key)?;
            words.next()?.parse().ok()
        };
        Self {
            used: value("sockets:", "used").unwrap_or(u64::MAX),
            time_wait: value("TCP:", "tw").unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SocketCounts;

    #[test]
    fn counts_are_found_in_sockstat() {
        let text =
            b"sockets: used 12\nTCP: inuse 3 orphan 0 tw 5 alloc 4 mem 1\nUDP: inuse 0 mem 0\n";
        assert_eq!(
            SocketCounts::parse(text),
            SocketCounts {
                used: 12,
                time_wait: 5
            }
        );
    }
}
