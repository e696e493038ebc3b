//! The executors of a client: each job runs on this machine or on an engine.

use super::remote::{RemoteExecutor, ReuseResults};
use super::{Job, KnownOutcomes, LocalExecutor, Outcome, Output, Stream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a client that ends waits for the engine to cancel its executions.
const SETTLING: Duration = Duration::from_secs(2);

/// The executors of a client. Cheap to clone.
#[derive(Clone)]
pub struct Executors {
    pub local: Rc<LocalExecutor>,
    /// The engine, which runs the jobs that do not need this machine.
    pub remote: Option<Rc<RemoteExecutor>>,
    /// The outcomes of jobs that ran on this machine.
    pub known: Arc<KnownOutcomes>,
}

impl Executors {
    /// The remote executor, if there is one and the job can run there.
    pub fn remote_for(&self, job: &Job, output: &Output) -> Option<&Rc<RemoteExecutor>> {
        let is_portable = job.container.is_portable().is_ok() && !output.is_terminal();
        self.remote.as_ref().filter(|_| is_portable)
    }

    /// Waits until the engine has cancelled the executions of dropped futures, at most for
    /// [`SETTLING`].
    pub async fn settle(&self) {
        if let Some(remote) = &self.remote {
            let _ = tokio::time::timeout(SETTLING, remote.settle()).await;
        }
    }

    /// Runs a job on an engine if it can run there, otherwise on this machine, when `turn` gives
    /// it a slot. Without a slot there is no outcome. The output of a job that ran on an engine
    /// or in an earlier run is passed to the sink when the job has ended, as much as was kept.
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
        let mut outcomes = remote
            .run(
                jobs,
                output.limit(),
                priority,
                ReuseResults::AsSet,
                &running,
            )
            .await;
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

    /// Runs a future that has to wait for `unblock`. This is called as soon as the event loop
    /// runs another task, or after half a minute, if the future blocks the event loop.
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
            cache_mounts: "/nonexistent".into(),
            scratch_size: 1 << 20,
            open_files: 256,
            run_id: "of-a-test".to_owned(),
            machine: crate::container::MachineView::default(),
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
        let values = directory.path().join("store/values/outcomes-5");
        let value = fs::read_dir(values).unwrap().next().unwrap();
        let value = value.unwrap().path();
        fs::remove_file(&value).unwrap();
        // Opening a FIFO for reading waits for a writer.
        nix::unistd::mkfifo(&value, Mode::S_IRWXU).unwrap();
        let unblock = move || drop(File::options().write(true).open(value).unwrap());
        does_not_block_the_loop(unblock, async {
            let output = Output::Capture { limit };
            let outcome = executors.run(&job(), output, 0, async { None }).await;
            assert!(
                outcome.is_none(),
                "the outcome is not known, and the job gets no slot"
            );
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
