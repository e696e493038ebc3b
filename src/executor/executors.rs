//! Here or elsewhere.

use super::remote::RemoteExecutor;
use super::{Job, KnownOutcomes, LocalExecutor, Outcome, Output, Stream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long an engine may take to cancel what is of no use any more.
const SETTLING: Duration = Duration::from_secs(2);

/// The executors of a client. Cheap to clone.
#[derive(Clone)]
pub struct Executors {
    pub local: Rc<LocalExecutor>,
    /// Where jobs run that do not need this machine, if there is one.
    pub remote: Option<Rc<RemoteExecutor>>,
    /// How jobs went that ran here.
    pub known: Arc<KnownOutcomes>,
}

impl Executors {
    /// The executor elsewhere, if the job can run there.
    pub fn remote_for(&self, job: &Job, output: &Output) -> Option<&Rc<RemoteExecutor>> {
        let is_portable = job.container.is_portable().is_ok() && !output.is_terminal();
        self.remote.as_ref().filter(|_| is_portable)
    }

    /// Waits until what was dropped is cancelled elsewhere, but not for long.
    pub async fn settle(&self) {
        if let Some(remote) = &self.remote {
            let _ = tokio::time::timeout(SETTLING, remote.settle()).await;
        }
    }

    /// Runs a job to its end where it can run, when `turn` gives it a slot; if that gives
    /// none, there is no outcome. What a job prints elsewhere, or printed at an earlier time
    /// if it need not be run again, is passed on when it has ended, as much as is kept of it.
    /// Dropping the future kills the job.
    pub async fn run(
        &self,
        job: &Job,
        output: Output,
        priority: i32,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<Outcome> {
        let Some(remote) = self.remote_for(job, &output) else {
            return self.run_here(job, output, turn).await;
        };
        turn.await?;
        let (running, _) = watch::channel(false);
        let jobs = std::slice::from_ref(job);
        let mut outcomes = remote.run(jobs, output.limit(), priority, &running).await;
        let outcome = outcomes.pop()?;
        pass_on(&outcome, &output);
        Some(outcome)
    }

    async fn run_here(
        &self,
        job: &Job,
        output: Output,
        turn: impl Future<Output = Option<usize>>,
    ) -> Option<Outcome> {
        if output.is_terminal() {
            return self.local.run(job, output, turn).await;
        }
        let limit = output.limit();
        if let Some(outcome) = self.known.look_up(job, limit).await {
            pass_on(&outcome, &output);
            return Some(outcome);
        }
        let outcome = self.local.run(job, output, turn).await?;
        self.known.remember(job, limit, &outcome).await;
        Some(outcome)
    }
}

fn pass_on(outcome: &Outcome, output: &Output) {
    if let Output::Stream { sink, .. } = output {
        sink(Stream::Stdout, &outcome.stdout.shown());
        sink(Stream::Stderr, &outcome.stderr.shown());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::CacheResults;
    use crate::executor::known::tests::{job, passed};
    use crate::executor::{LocalSettings, Status};
    use crate::store::Store;
    use nix::sys::stat::Mode;
    use std::cell::RefCell;
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::mpsc;
    use tokio::task::LocalSet;

    /// Runs something that has to wait for what `unblock` does, and does that as soon as the
    /// loop goes on; or after half a minute, when the loop itself waits.
    pub(crate) fn does_not_block_the_loop(
        unblock: impl FnOnce() + Send + 'static,
        run: impl Future<Output = ()>,
    ) {
        let (tell, goes_on) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let goes_on = goes_on.recv_timeout(Duration::from_secs(30));
            unblock();
            goes_on
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        LocalSet::new().block_on(&runtime.unwrap(), async {
            tokio::join!(run, async { tell.send(()).unwrap() });
        });
        let goes_on = thread.join().unwrap();
        goes_on.expect("the loop is not blocked");
    }

    /// Executors without containers.
    fn executors(directory: &Path) -> Executors {
        let store = Store::open(directory, 1 << 30).unwrap();
        let settings = LocalSettings {
            launcher: Path::new("/nonexistent").into(),
            trees: store.trees(),
            scratch_size: 1 << 20,
            open_files: 256,
        };
        Executors {
            local: Rc::new(LocalExecutor::new(settings, 1)),
            remote: None,
            known: Arc::new(KnownOutcomes::new(store, CacheResults::Auto)),
        }
    }

    #[test]
    fn to_look_a_job_up_does_not_block_the_loop() {
        let directory = tempfile::tempdir().unwrap();
        let executors = executors(directory.path());
        let limit = 100;
        executors.known.keep(&job(), limit, &passed());
        let values = directory.path().join("store/values/outcomes-2");
        let value = fs::read_dir(values).unwrap().next().unwrap();
        let value = value.unwrap().path();
        fs::remove_file(&value).unwrap();
        // Who opens it to read waits for somebody who writes.
        nix::unistd::mkfifo(&value, Mode::S_IRWXU).unwrap();
        let unblock = move || drop(File::options().write(true).open(value).unwrap());
        does_not_block_the_loop(unblock, async {
            let output = Output::Capture { limit };
            let outcome = executors.run(&job(), output, 0, async { None }).await;
            assert!(outcome.is_none(), "it is not known, and gets no slot");
        });
    }

    #[test]
    fn what_a_known_job_printed_is_passed_on_as_much_as_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let executors = executors(directory.path());
        let printed = Rc::new(RefCell::new(Vec::new()));
        let sink = {
            let printed = printed.clone();
            Rc::new(move |stream, bytes: &[u8]| printed.borrow_mut().push((stream, bytes.to_vec())))
        };
        let output = Output::Stream { limit: 6, sink };
        executors.known.keep(&job(), 6, &passed());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let job = job();
        let run = executors.run(&job, output, 0, async { None });
        let outcome = runtime.unwrap().block_on(run).unwrap();
        assert_eq!(outcome.status, Status::Exited(0));
        let stdout = b"012\n[... 4 bytes left out ...]\n789".to_vec();
        let expected = [
            (Stream::Stdout, stdout),
            (Stream::Stderr, b"err\n".to_vec()),
        ];
        assert_eq!(*printed.borrow(), expected);
    }
}
