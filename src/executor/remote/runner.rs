//! The runner: this program on a worker, where it runs the jobs of a batch.
//!
//! It starts in the directory of an action's input. It unpacks the layers while the first
//! launcher starts, and runs the jobs one after the other in containers. The container of the next
//! job is made while a job runs. The outcome of each job is written to a file at once, so that it
//! is kept if the runner is killed. The outputs of a job are copied before that.
//!
//! Its exit code is 0 only if every job passed, so that engines do not cache other results.

use super::batch::JobBatch;
use super::bundle::{self, RUNNER_NAME};
use super::outputs::batch_limit;
use super::record::RunnerRecord;
use super::trees::{self, UnpackError};
use super::{BATCH, OUTCOMES, OUTPUTS};
use crate::container::{LauncherProgram, doctor};
use crate::executor::outputs::{JobOutputs, OutputListing, PackLimits};
use crate::executor::{LocalExecutor, LocalSettings, Output, Status};
use crate::process::error_chain;
use crate::schedule::Slots;
use crate::spec::Network;
use std::cell::Cell;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet, LocalSet};

/// The directory of the unpacked layers.
const LAYER_DIRECTORY: &str = "layers";

/// The number of jobs that run at once. Engines expect one processor for each action.
const SLOTS: usize = 1;

/// The number of output files of all jobs. Workers limit the outputs of an action too, and would
/// send nothing of an action that exceeds their limit.
const MOST_OUTPUTS: usize = 500_000;

/// Every job passed.
const PASSED: i32 = 0;
/// A job did not pass.
const FAILED: i32 = 1;
/// No job could be run.
const UNABLE: i32 = 2;

/// Becomes a runner if this process was executed as one, and then never returns.
pub fn run_if_runner() {
    let name = std::env::args_os().next();
    if let Some(name) = name
        && Path::new(&name).file_name() == Some(RUNNER_NAME.as_ref())
    {
        std::process::exit(main(&name));
    }
}

fn main(name: &OsString) -> i32 {
    let records = match RecordFile::create() {
        Ok(records) => Rc::new(records),
        Err(error) => {
            // Without the file, stderr is all that the client can read.
            print_error(&format!("failed to write `{OUTCOMES}`: {error}"));
            return UNABLE;
        }
    };
    match run(name, &records) {
        Ok(true) => PASSED,
        Ok(false) => FAILED,
        Err(error) => {
            let why = error_chain(&*error);
            print_error(&why);
            match records.add(&RunnerRecord::Unable(why)) {
                Ok(()) => UNABLE,
                Err(_) => FAILED,
            }
        }
    }
}

/// Prints to stderr. Errors are ignored, as stderr may be a file on a full disk.
fn print_error(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Runs the batch. Returns whether every job passed.
fn run(name: &OsString, records: &Rc<RecordFile>) -> Result<bool, Box<dyn Error>> {
    let input = std::env::current_dir()?;
    let batch = JobBatch::from_json(&fs::read(BATCH)?)?;
    let trees = LayerDirectory::make(&input)?;
    let kit = input.join(
        Path::new(name)
            .parent()
            .unwrap_or(Path::new(bundle::DIRECTORY)),
    );
    let (executable, arguments) = bundle::launcher(&kit);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = LocalSettings {
        launcher: LauncherProgram {
            executable,
            arguments,
        },
        // A worker usually runs as many actions as it has processors.
        ..LocalSettings::of_process(trees.path().to_owned(), processors)?
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (layers, trees) = (batch.layers(), trees.path().to_owned());
    let unpacking = runtime.spawn_blocking(move || {
        let mut layers = layers.iter();
        layers.try_for_each(|layer| trees::unpack(&input, layer, &trees))
    });
    let executor = Rc::new(LocalExecutor::new(settings, SLOTS));
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, run_jobs(&batch, executor, unpacking, records))
}

async fn run_jobs(
    batch: &JobBatch,
    executor: Rc<LocalExecutor>,
    unpacking: JoinHandle<Result<(), UnpackError>>,
    records: &Rc<RecordFile>,
) -> Result<bool, Box<dyn Error>> {
    let network = batch.jobs.first().map(|job| job.container.network);
    if let Err(error) = executor.warm_up(network.unwrap_or(Network::Disabled)).await {
        let remedy = doctor::remedy();
        return Err(format!(
            "a worker cannot make containers: {}; {remedy}",
            error_chain(&error)
        )
        .into());
    }
    unpacking.await??;
    let slots = Rc::new(Slots::new(SLOTS));
    let mut waiting = batch.jobs.iter().enumerate();
    let mut running: JoinSet<io::Result<bool>> = JoinSet::new();
    let packer = Rc::new(OutputPacker {
        outputs_limit: batch.outputs_limit,
        blob_limit: batch.blob_limit,
        left: Cell::new(MOST_OUTPUTS),
        left_bytes: Cell::new(batch_limit(batch.outputs_limit)),
    });
    let mut passed = true;
    loop {
        while running.len() < 3 * SLOTS
            && let Some((number, job)) = waiting.next()
        {
            let (executor, slots) = (executor.clone(), slots.clone());
            let (job, limit) = (job.clone(), batch.inline_limit);
            let (records, packer) = (records.clone(), packer.clone());
            running.spawn_local(async move {
                let mut taken = None;
                let turn = async {
                    let slot = taken.insert(slots.take(1).await).number();
                    // A job whose record cannot be written is not run.
                    records
                        .add(&RunnerRecord::Started(number))
                        .is_ok()
                        .then_some(slot)
                };
                let outcome = executor.run(&job, Output::Capture { limit }, turn).await;
                let mut outcome = outcome.ok_or(io::ErrorKind::WriteZero)?;
                let passed = outcome.status == Status::Exited(0) && !outcome.leaked;
                let listing = match outcome.outputs.take() {
                    Some(outputs) => packer.pack(number, outputs).await,
                    None => OutputListing::default(),
                };
                records.add(&RunnerRecord::Ended(number, Box::new(outcome), listing))?;
                drop(taken);
                Ok(passed)
            });
        }
        match running.join_next().await {
            Some(job) => passed &= job??,
            None => return Ok(passed),
        }
    }
}

/// Copies the outputs of jobs to the output of the action.
struct OutputPacker {
    outputs_limit: u64,
    blob_limit: Option<u64>,
    /// The number of files that may still be copied.
    left: Cell<usize>,
    /// The size of contents that may still be copied, in bytes.
    left_bytes: Cell<u64>,
}

impl OutputPacker {
    async fn pack(&self, job: usize, outputs: Arc<JobOutputs>) -> OutputListing {
        let limits = PackLimits {
            size: self.outputs_limit,
            batch: self.left_bytes.get(),
            blob: self.blob_limit,
            files: self.left.get(),
        };
        let directory = Path::new(OUTPUTS).join(job.to_string());
        let packing = tokio::task::spawn_blocking(move || outputs.pack(&directory, limits));
        let (listing, left_bytes) = packing.await.unwrap_or_else(|error| {
            let listing = OutputListing {
                problems: vec![error.to_string()],
                ..OutputListing::default()
            };
            (listing, limits.batch)
        });
        self.left_bytes.set(left_bytes);
        let left = self.left.get().saturating_sub(listing.outputs.len());
        self.left.set(left);
        listing
    }
}

/// The file of records.
struct RecordFile(File);

impl RecordFile {
    fn create() -> io::Result<Self> {
        // An earlier runner of the same action may have left a file.
        let mut options = File::options();
        options.create(true).write(true).truncate(true);
        options.open(OUTCOMES).map(Self)
    }

    fn add(&self, record: &RunnerRecord) -> io::Result<()> {
        (&self.0).write_all(&record.to_bytes())
    }
}

/// The directory of the unpacked layers: in the input, where hard links to its files can be made,
/// or a temporary directory if the input is not writable.
enum LayerDirectory {
    /// The worker removes the directory with the input.
    Beside(PathBuf),
    Elsewhere(tempfile::TempDir),
}

impl LayerDirectory {
    fn make(input: &Path) -> io::Result<Self> {
        let beside = input.join(LAYER_DIRECTORY);
        match fs::create_dir(&beside) {
            Ok(()) => Ok(Self::Beside(beside)),
            Err(_) => tempfile::tempdir().map(Self::Elsewhere),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Beside(path) => path,
            Self::Elsewhere(directory) => directory.path(),
        }
    }
}
