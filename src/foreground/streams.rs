//! Jobs whose streams are the standard streams of this program.

use crate::container::give_to_jobs;
use crate::executor::{OutputSink, Stream};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// The first error of writing the output of a job.
#[derive(Clone, Debug, Default)]
pub struct StreamFailure(Rc<RefCell<Option<io::Error>>>);

impl StreamFailure {
    /// The error, if there was one.
    pub fn take(&self) -> Option<io::Error> {
        self.0.borrow_mut().take()
    }
}

/// Writes the output of a job to the standard streams of this program, and keeps the first error in
/// `failure`.
pub fn pass_on(failure: StreamFailure) -> OutputSink {
    Rc::new(move |stream, bytes| {
        let write_all = |to: &mut dyn Write| to.write_all(bytes).and_then(|()| to.flush());
        let written = match stream {
            Stream::Stdout => write_all(&mut io::stdout().lock()),
            Stream::Stderr => write_all(&mut io::stderr().lock()),
        };
        if let Err(error) = written {
            failure.0.borrow_mut().get_or_insert(error);
        }
    })
}

/// A pipe through which a job reads the standard input of this program. A job does not get the
/// descriptor of this program, which may be a file that the job must not reach.
pub fn stdin_pipe() -> io::Result<Rc<OwnedFd>> {
    let (theirs, ours) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    give_to_jobs(theirs.as_fd())?;
    let mut ours = File::from(ours);
    // The thread ends at the end of the input, or with this process. An error means that the job reads
    // no more.
    std::thread::Builder::new().spawn(move || io::copy(&mut io::stdin().lock(), &mut ours))?;
    Ok(Rc::new(theirs))
}
