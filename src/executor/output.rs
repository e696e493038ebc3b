//! The output of a job: it is kept up to a limit, or passed on while the job runs.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// The size of one read, in bytes. A pipe holds 64 KiB.
const READ_SIZE: usize = 64 * 1024;

/// The output of a job on one stream: all of it, or its first and last part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    pub head: Vec<u8>,
    /// The number of bytes left out between head and tail.
    pub omitted: u64,
    pub tail: Vec<u8>,
}

impl Captured {
    /// All bytes that were kept.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.head.as_slice(), &self.tail].concat()
    }

    /// All bytes that were kept, with a line that says how many were left out.
    pub fn shown(&self) -> Vec<u8> {
        [&self.head, self.gap().as_bytes(), &self.tail].concat()
    }

    /// The line to show between head and tail. Empty if nothing was left out.
    pub fn gap(&self) -> String {
        match self.omitted {
            0 => String::new(),
            1 => "\n[... 1 byte left out ...]\n".to_owned(),
            omitted => format!("\n[... {omitted} bytes left out ...]\n"),
        }
    }

    /// The output as if only `limit` bytes had been kept. Output that was cut before stays as it
    /// is.
    #[must_use]
    pub fn cut(self, limit: usize) -> Self {
        if self.omitted > 0 || self.head.len() + self.tail.len() <= limit {
            return self;
        }
        let mut capture = HeadTailBuffer::new(limit);
        capture.add(&self.head);
        capture.add(&self.tail);
        capture.finish()
    }

    /// Adds text at the end, which is kept whatever the limit is.
    pub fn append(&mut self, text: &[u8]) {
        let end = if self.omitted == 0 && self.tail.is_empty() {
            &mut self.head
        } else {
            &mut self.tail
        };
        end.extend_from_slice(text);
    }

    /// The number of bytes that were kept.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty() && self.omitted == 0
    }
}

impl From<&[u8]> for Captured {
    fn from(bytes: &[u8]) -> Self {
        Self {
            head: bytes.to_vec(),
            ..Self::default()
        }
    }
}

/// A stream of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// Receives output while the job runs.
pub type OutputSink = Rc<dyn Fn(Stream, &[u8])>;

/// What to do with the output of a job.
#[derive(Clone)]
pub enum Output {
    /// Keep up to `limit` bytes of each stream.
    Capture { limit: usize },
    /// Pass the output to the sink, and keep up to `limit` bytes of each stream. The output of a
    /// job on this machine is passed on at once and whole. The output of a job on an engine is
    /// passed on at the end, as much as was kept.
    Stream { limit: usize, sink: OutputSink },
    /// This terminal is the job's stdin, stdout and stderr. The output is read from its other
    /// side. It stays open until the job has ended, even if the job closes it.
    Terminal(Rc<OwnedFd>),
    /// The job has this stdin, and its output is passed to the sink at once and not kept.
    Piped {
        stdin: Rc<OwnedFd>,
        sink: OutputSink,
    },
}

impl Output {
    /// The number of bytes of each stream that are kept.
    pub fn limit(&self) -> usize {
        match self {
            Self::Capture { limit } | Self::Stream { limit, .. } => *limit,
            Self::Terminal(_) | Self::Piped { .. } => 0,
        }
    }

    /// Whether the job has a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The stdin of a job without a terminal. `None`: it is `/dev/null`.
    pub(super) fn stdin(&self) -> Option<&OwnedFd> {
        match self {
            Self::Piped { stdin, .. } => Some(stdin),
            Self::Capture { .. } | Self::Stream { .. } | Self::Terminal(_) => None,
        }
    }

    /// The sink to which output is passed while the job runs.
    fn sink(&self) -> Option<&OutputSink> {
        match self {
            Self::Stream { sink, .. } | Self::Piped { sink, .. } => Some(sink),
            Self::Capture { .. } | Self::Terminal(_) => None,
        }
    }
}

/// The number of reads before other tasks of the event loop run. A job may print as fast as its
/// output is read.
const READS_PER_TURN: usize = 8;

/// The delay before the first read of a job's output. Most jobs have ended by then, and one read
/// is faster than one for each line. A job that fills the pipe earlier waits for this delay once.
const FIRST_READ_DELAY: Duration = Duration::from_millis(10);

/// Collects one stream of one job.
pub(super) struct Collector {
    /// `None` if the output goes to a terminal.
    pipe: Option<OwnedFd>,
    state: StreamState,
}

struct StreamState {
    stream: Stream,
    output: Output,
    captured: HeadTailBuffer,
    ended: bool,
}

impl Collector {
    /// The collector, and the descriptor for the job: the end of a pipe, or the terminal, whose
    /// output is not collected.
    pub fn new(stream: Stream, output: Output) -> io::Result<(Self, OwnedFd)> {
        if let Output::Terminal(terminal) = &output {
            let theirs = terminal.try_clone()?;
            return Ok((Self::around(None, stream, output), theirs));
        }
        let (ours, theirs) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(
            &ours,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )?;
        crate::container::give_to_jobs(theirs.as_fd())?;
        Ok((Self::around(Some(ours), stream, output), theirs))
    }

    fn around(pipe: Option<OwnedFd>, stream: Stream, output: Output) -> Self {
        Self {
            pipe,
            state: StreamState {
                stream,
                captured: HeadTailBuffer::new(output.limit()),
                output,
                ended: false,
            },
        }
    }

    /// Collects output and never ends. The caller waits for the end of the job beside it.
    pub async fn collect(&mut self, buffer: &mut Vec<u8>) {
        if matches!(self.state.output, Output::Capture { .. }) {
            tokio::time::sleep(FIRST_READ_DELAY).await;
        }
        let pipe = self.pipe.as_ref().map(OwnedFd::try_clone);
        if let Some(Ok(pipe)) = pipe.map(|pipe| pipe.and_then(Receiver::from_owned_fd_unchecked)) {
            self.collect_from(&pipe, buffer).await;
        }
        std::future::pending::<()>().await;
    }

    async fn collect_from(&mut self, pipe: &Receiver, buffer: &mut Vec<u8>) {
        let mut in_a_row = 0;
        while !self.state.ended && pipe.readable().await.is_ok() {
            let state = &mut self.state;
            if pipe.try_io(|| state.take(pipe.as_fd(), buffer)).is_err() {
                in_a_row = 0;
                continue;
            }
            in_a_row += 1;
            if in_a_row % READS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Reads the rest of the output when the job has ended. It reads the pipe directly, since the
    /// runtime may not have polled it since the last output.
    pub fn finish(mut self, buffer: &mut Vec<u8>) -> Captured {
        if let Some(pipe) = &self.pipe {
            while !self.state.ended && self.state.take(pipe.as_fd(), buffer).is_ok() {}
        }
        self.state.captured.finish()
    }
}

impl StreamState {
    /// Reads once. Fails with `WouldBlock` if the pipe is empty.
    fn take(&mut self, pipe: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(READ_SIZE, 0);
        match nix::unistd::read(pipe, buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => {
                if let Some(sink) = self.output.sink() {
                    sink(self.stream, &buffer[..length]);
                }
                self.captured.add(&buffer[..length]);
            }
            Err(nix::Error::EINTR) => {}
            Err(error) => {
                self.ended = error != nix::Error::EAGAIN;
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// Keeps the first `limit / 2` bytes and the rest of `limit` from the end, where messages of
/// panics are.
struct HeadTailBuffer {
    limit: usize,
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    omitted: u64,
}

impl HeadTailBuffer {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            head: Vec::new(),
            tail: std::collections::VecDeque::new(),
            omitted: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let (first_half, last_half) = (self.limit / 2, self.limit - self.limit / 2);
        let room = first_half.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let excess = (self.tail.len() + rest.len()).saturating_sub(last_half);
        self.omitted += excess as u64;
        let from_tail = excess.min(self.tail.len());
        self.tail.drain(..from_tail);
        self.tail.extend(&rest[excess - from_tail..]);
    }

    fn finish(mut self) -> Captured {
        let mut head = self.head;
        if self.omitted == 0 {
            head.extend(self.tail.drain(..));
        }
        Captured {
            head,
            omitted: self.omitted,
            tail: self.tail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Captured, HeadTailBuffer};
    use proptest::prelude::*;

    #[test]
    fn output_within_the_limit_is_kept_whole() {
        let mut capture = HeadTailBuffer::new(10);
        capture.add(b"01234");
        capture.add(b"56789");
        let captured = capture.finish();
        assert_eq!(captured.head, b"0123456789");
        assert_eq!((captured.omitted, captured.tail.len()), (0, 0));
    }

    #[test]
    fn a_line_tells_where_output_is_left_out() {
        let cut = |limit| Captured::from(&b"abcdef"[..]).cut(limit).shown();
        assert_eq!(cut(6), b"abcdef");
        assert_eq!(cut(5), b"ab\n[... 1 byte left out ...]\ndef");
        assert_eq!(cut(2), b"a\n[... 4 bytes left out ...]\nf");
    }

    #[test]
    fn output_beyond_the_limit_keeps_its_first_and_last_half() {
        let mut capture = HeadTailBuffer::new(10);
        capture.add(b"abcdefgh");
        capture.add(b"ijklmnop");
        let captured = capture.finish();
        assert_eq!(captured.head, b"abcde");
        assert_eq!(captured.tail, b"lmnop");
        assert_eq!(captured.omitted, 6);
    }

    proptest! {
        #[test]
        fn what_is_kept_does_not_depend_on_how_it_came(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
            limit in 0usize..50,
        ) {
            let all = chunks.concat();
            let mut capture = HeadTailBuffer::new(limit);
            for chunk in &chunks {
                capture.add(chunk);
            }
            let captured = capture.finish();
            prop_assert_eq!(&Captured::from(all.as_slice()).cut(limit), &captured);
            if all.len() <= limit {
                prop_assert_eq!(&captured.head, &all);
                prop_assert_eq!(captured.omitted, 0);
            } else {
                prop_assert_eq!(&captured.head[..], &all[..limit / 2]);
                prop_assert_eq!(&captured.tail[..], &all[all.len() - (limit - limit / 2)..]);
                prop_assert_eq!(captured.omitted as usize, all.len() - limit);
            }
        }
    }
}
