//! The `command` layer: the changes that a command makes to the layers below it.
//!
//! The command runs in a container of its own, whose root is an overlay of the layers below and
//! an empty upper directory. Afterwards that directory holds the changes: new and changed files,
//! a *whiteout* for each removed file, and an *opaque* attribute on each directory that hides
//! the one below. See the [kernel's documentation of
//! overlayfs](https://docs.kernel.org/filesystems/overlayfs.html). If nothing of the layers
//! below was removed, the changes are a layer on top of them. Otherwise the changes and the
//! layers below become one layer, as a manifest cannot record removals.

use super::recipe::CommandRecipe;
use super::upper_directory::{UpperDirectory, unreadable};
use super::{Entry, LayerContent, LayerProblem, Manifest, Mode, PathInContainer, flatten};
use crate::container::JobLimits;
use crate::container::{Step, StepError};
use crate::executor::{Container, Job, LocalExecutor, LocalSettings, Outcome, Output, Status};
use crate::spec::{CommandLine, Device, Mount, RootOverlay};
use crate::store::{Digest, Store, WorkDirectory, parallel, remove_tree};
use camino::Utf8PathBuf;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::future::ready;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The name of the cache of command layers. Renamed when the cached value or the way commands
/// run changes.
const CACHE_NAME: &str = "command-3";

/// The number of bytes of a command's stdout that are kept, and the same for stderr.
const MAX_OUTPUT: usize = 64 * 1024;

/// The number of lines of the output that are shown when a command fails.
const MAX_LINES: usize = 100;

/// The devices that every command has. Scripts rely on them; without them output to `/dev/null`
/// would become a file of the layer.
const DEVICES: [Device; 6] = [
    Device::Full,
    Device::Null,
    Device::Random,
    Device::Tty,
    Device::Urandom,
    Device::Zero,
];

/// The shell that runs a command that is one string.
const SHELL: &str = "/bin/sh";

/// Why a command failed, and its output.
#[derive(Debug)]
pub struct CommandFailure {
    how: String,
    output: String,
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)?;
        if !self.output.is_empty() {
            write!(f, "; its output:\n{}", self.output)?;
        }
        Ok(())
    }
}

/// The commands that are running, and their cancellation.
pub(super) struct RunningCommands {
    /// How many commands may run at the same time. Each may keep all processors busy.
    max_running: usize,
    names: Mutex<Vec<String>>,
    command_ended: Condvar,
    cancelled: watch::Sender<bool>,
}

/// A command that is running. Dropping this takes it off the list.
struct RunningCommand<'a> {
    commands: &'a RunningCommands,
    name: &'a str,
}

impl RunningCommands {
    pub fn new() -> Self {
        Self {
            max_running: std::thread::available_parallelism().map_or(1, usize::from),
            names: Mutex::default(),
            command_ended: Condvar::new(),
            cancelled: watch::Sender::new(false),
        }
    }

    /// The name of the command that was started first.
    pub fn longest(&self) -> Option<String> {
        self.names().first().cloned()
    }

    /// Kills all commands. Waits up to 15 s until they have ended.
    pub fn cancel(&self) {
        const LONGEST: Duration = Duration::from_secs(15);
        self.cancelled.send_replace(true);
        let some = |names: &mut Vec<String>| !names.is_empty();
        let _ = self
            .command_ended
            .wait_timeout_while(self.names(), LONGEST, some);
    }

    /// Waits until the command may start. Returns an error if commands are cancelled.
    fn start<'a>(&'a self, name: &'a str) -> Result<RunningCommand<'a>, LayerProblem> {
        let full = |names: &mut Vec<String>| names.len() >= self.max_running;
        let mut names = self
            .command_ended
            .wait_while(self.names(), full)
            .unwrap_or_else(PoisonError::into_inner);
        if *self.cancelled.borrow() {
            return Err(LayerProblem::Interrupted);
        }
        names.push(name.to_owned());
        Ok(RunningCommand {
            commands: self,
            name,
        })
    }

    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningCommand<'_> {
    fn drop(&mut self) {
        let mut names = self.commands.names();
        if let Some(index) = names.iter().position(|name| name == self.name) {
            names.remove(index);
        }
        self.commands.command_ended.notify_all();
    }
}

/// Runs a command and collects its changes. A cached result is used if `trusted`.
pub(super) fn run(
    command: &CommandRecipe,
    name: &str,
    store: &Store,
    trusted: bool,
    commands: &RunningCommands,
) -> Result<LayerContent, LayerProblem> {
    let key = key(command);
    if trusted && let Some(layer) = LayerContent::cached(store, CACHE_NAME, &key) {
        return Ok(layer);
    }
    tracing::info!("building {name}");
    let _running = commands.start(name)?;
    let directory = OverlayDirectories::new(store)?;
    execute(command, store, &directory, commands)?;
    let changed = collect(command, store, &directory.path().join("upper"))?;
    changed.cache(store, CACHE_NAME, &key)?;
    Ok(changed)
}

/// The key of the cache: everything that the changes depend on, as far as it is known.
fn key(command: &CommandRecipe) -> String {
    format!("{} {command:?}", std::env::consts::ARCH)
}

/// The directories `upper` and `work` of the overlay. They are in the store, unless the store is
/// on an overlay itself, which the kernel does not accept for an upper directory.
enum OverlayDirectories {
    InStore(WorkDirectory),
    Elsewhere(tempfile::TempDir),
}

impl OverlayDirectories {
    fn new(store: &Store) -> Result<Self, LayerProblem> {
        let place = if is_overlay(store.root()) {
            let other = [std::env::temp_dir(), "/dev/shm".into()];
            let other = other.iter().find(|directory| !is_overlay(directory));
            let other = other.ok_or(LayerProblem::NoUpperFileSystem)?;
            Self::Elsewhere(tempfile::tempdir_in(other).map_err(LayerProblem::Start)?)
        } else {
            Self::InStore(store.work_directory()?)
        };
        for name in ["upper", "work"] {
            let directory = place.path().join(name);
            fs::create_dir(&directory)
                .and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755)))
                .map_err(LayerProblem::Start)?;
        }
        Ok(place)
    }

    /// Removes the content. Retries, as a killed command may still write.
    fn clear(&self) {
        const PAUSE: Duration = Duration::from_millis(5);
        const ATTEMPTS: u32 = 2000;
        for _ in 0..ATTEMPTS {
            let removed = ["upper", "work"].map(|name| remove_tree(&self.path().join(name)));
            if removed.iter().all(Result::is_ok) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::InStore(directory) => directory.path(),
            Self::Elsewhere(directory) => directory.path(),
        }
    }
}

impl Drop for OverlayDirectories {
    fn drop(&mut self) {
        self.clear();
    }
}

fn is_overlay(directory: &Path) -> bool {
    const OVERLAYFS: u64 = 0x794c_7630;
    // The type of `f_type` depends on the architecture.
    rustix::fs::statfs(directory).is_ok_and(|system| system.f_type as u64 == OVERLAYFS)
}

fn execute(
    command: &CommandRecipe,
    store: &Store,
    place: &OverlayDirectories,
    commands: &RunningCommands,
) -> Result<(), LayerProblem> {
    let directory = |name| {
        Utf8PathBuf::from_path_buf(place.path().join(name)).map_err(|path| {
            let message = format!("the path {} is not UTF-8", path.display());
            LayerProblem::Start(io::Error::new(io::ErrorKind::InvalidData, message))
        })
    };
    let (program, arguments) = match &command.line {
        CommandLine::Shell(text) => (SHELL, vec!["-c".to_owned(), text.clone()]),
        CommandLine::Words(words) => match words.as_slice() {
            [program, arguments @ ..] => (program.as_str(), arguments.to_vec()),
            [] => return Err(LayerProblem::NoCommand),
        },
    };
    let mut layers = vec![store.add_tree(&device_stubs(store)?)?];
    layers.extend(flatten::merge_small_layers(store, &command.below, &[]));
    let mut mounts = vec![Mount::Devices {
        devices: DEVICES.to_vec(),
    }];
    mounts.extend(command.mounts.iter().cloned());
    let job = Job {
        container: Arc::new(Container {
            layers,
            environment: command.environment.clone(),
            mounts,
            network: command.network,
            root_overlay: RootOverlay::Local {
                upper: directory("upper")?,
                work: directory("work")?,
            },
            working_directory: command.working_directory.clone(),
            user: command.user,
            group: command.group,
            init: true,
            hostname: "maelstrom".to_owned(),
            watched: Vec::new(),
            outputs: Vec::new(),
        }),
        program: program.into(),
        arguments,
        timeout: None,
        limits: JobLimits::default(),
        variables: Vec::new(),
        should_panic: false,
        group_slot: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LayerProblem::Start)?;
    let settings = LocalSettings::of_process(store.trees(), commands.max_running)
        .map_err(LayerProblem::Start)?;
    let executor = LocalExecutor::new(settings, 1);
    let output = Output::Capture { limit: MAX_OUTPUT };
    let mut cancelled = commands.cancelled.subscribe();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = executor.run(&job, output, ready(Some(0))) => outcome,
            _ = cancelled.wait_for(|cancelled| *cancelled) => None,
        }
    });
    let Some(outcome) = outcome else {
        return Err(LayerProblem::Interrupted);
    };
    let how = match &outcome.status {
        Status::Exited(0) => return Ok(()),
        Status::Exited(code) => format!("the command failed with exit code {code}"),
        Status::Signaled(signal) => format!("the command was killed by signal {signal}"),
        Status::TimedOut | Status::OutOfMemory { .. } => unreachable!("commands have no limits"),
        Status::NotStarted(error) => no_shell(command, error)
            .unwrap_or_else(|| format!("the command could not be run: {}", error.message())),
        Status::Error(message) => format!("the command could not be run: {message}"),
    };
    Err(LayerProblem::Command(CommandFailure {
        how,
        output: printed(&outcome),
    }))
}

/// A layer of empty files that the devices are mounted on. It lies below all other layers.
fn device_stubs(store: &Store) -> Result<Manifest, LayerProblem> {
    let digest = store.add_bytes(b"", false)?;
    let mut stubs = Manifest::new();
    for device in DEVICES {
        let path = format!("/dev/{}", device.into_str());
        let mode = Mode::PLAIN;
        let entry = Entry::File { digest, mode };
        stubs.insert(PathInContainer::new(path.as_bytes())?, entry)?;
    }
    Ok(stubs)
}

/// The message for a shell command in a container without a shell.
fn no_shell(command: &CommandRecipe, error: &StepError) -> Option<String> {
    let is_text = matches!(command.line, CommandLine::Shell(_));
    let is_shell = matches!(&error.step, Step::Execute { program } if program == SHELL);
    (is_text && is_shell).then(|| {
        format!(
            "no layer below has {SHELL}, which runs a command that is one string; add \
                `{{ programs = [\"sh\"] }}` before it, or write the command as a list of words"
        )
    })
}

/// The output of a command, stdout first.
fn printed(outcome: &Outcome) -> String {
    let mut text = String::new();
    for captured in [&outcome.stdout, &outcome.stderr] {
        text.push_str(&String::from_utf8_lossy(&captured.head));
        if captured.omitted > 0 {
            text.push_str("\n...\n");
        }
        text.push_str(&String::from_utf8_lossy(&captured.tail));
    }
    let lines: Vec<_> = text.trim_end().lines().collect();
    match lines.len().checked_sub(MAX_LINES) {
        None | Some(0) => lines.join("\n"),
        // The error message is usually at the end.
        Some(before) => format!(
            "... ({before} lines omitted)\n{}",
            lines[before..].join("\n")
        ),
    }
}

fn collect(
    command: &CommandRecipe,
    store: &Store,
    upper: &Path,
) -> Result<LayerContent, LayerProblem> {
    let found = UpperDirectory::read(upper)?;
    let mut changes = Manifest::new();
    for (path, entry) in found.entries {
        changes.insert(path, entry)?;
    }
    let digests = parallel::map(&found.files, 4, |(_, host, mode)| {
        let mut file = File::open(host).map_err(|cause| unreadable(host, cause))?;
        Ok::<_, LayerProblem>(store.add_stream(&mut file, *mode, host)?)
    });
    for ((path, _, mode), digest) in found.files.into_iter().zip(digests) {
        let (digest, mode): (Digest, Mode) = (digest?, mode);
        changes.insert(path, Entry::File { digest, mode })?;
    }
    let warnings = match found.special.as_slice() {
        [] => Vec::new(),
        [first, others @ ..] => {
            let more = match others.len() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            vec![format!(
                "left out `{first}`{more}: a layer cannot hold devices, pipes and sockets"
            )]
        }
    };
    // New directories are opaque too, and a special file may replace a file below. These matter
    // only if the layers below have something at the path.
    let hides = [&found.removed, &found.opaque, &found.special];
    let below = if hides.iter().all(|paths| paths.is_empty()) {
        None
    } else {
        Some(flatten::flatten(store, &command.below).ok_or(LayerProblem::LayersEvicted)?)
    };
    let below = below.filter(|below| {
        let hidden = |path: &PathInContainer| below.content(path).next().is_some();
        let gone = |path: &PathInContainer| below.get(path).is_some();
        found.opaque.iter().any(hidden) || found.removed.iter().chain(&found.special).any(gone)
    });
    let includes_below = below.is_some();
    let manifest = match below {
        None => changes,
        Some(mut below) => {
            for path in found.removed.iter().chain(&found.special) {
                below.remove(path);
            }
            for directory in &found.opaque {
                below.clear(directory);
            }
            flatten::add_layer(&mut below, &changes)?;
            below
        }
    };
    Ok(LayerContent {
        manifest,
        includes_below,
        warnings,
    })
}
