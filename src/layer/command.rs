//! The `command` layer: what a command changes in the layers below it.
//!
//! The command runs in a container of its own, whose root is an overlay of the layers
//! below and a fresh upper directory. Afterwards that directory holds what changed:
//! new and changed files, a *whiteout* for each that was removed, and a mark on
//! directories that hide those below. See the kernel's documentation of overlayfs.
//! Where nothing of the layers below was removed, the changes are a layer on top of them;
//! otherwise they and the layers below become one, for manifests know nothing of removals.

use super::recipe::Command;
use super::upper::{Upper, unreadable};
use super::{Entry, Manifest, Mode, PathInContainer, Problem, stack};
use crate::executor::{Container, Job, LocalExecutor, Outcome, Output, Settings, Status};
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

/// What is cached for a command; to be renamed when that, or how commands are run,
/// changes.
const CHANGES: &str = "command-2";

/// How much is kept of what a command prints on each of stdout and stderr, in bytes.
const MOST_OUTPUT: usize = 64 * 1024;

/// How much of that is shown when it fails, in lines.
const MOST_LINES: usize = 100;

/// The devices that every command has: scripts take them for granted, and without them
/// what is thrown away into `/dev/null` would become part of the layer.
const DEVICES: [Device; 6] = [
    Device::Full,
    Device::Null,
    Device::Random,
    Device::Tty,
    Device::Urandom,
    Device::Zero,
];

/// The shell that text is for.
const SHELL: &str = "/bin/sh";

/// The layer of a command.
pub(super) struct Changed {
    pub manifest: Manifest,
    /// Whether the manifest has the layers below in it.
    pub whole: bool,
    pub warnings: Vec<String>,
}

/// Why a command made no layer, with what it printed.
#[derive(Debug)]
pub struct CommandFailure {
    how: String,
    output: String,
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)?;
        if !self.output.is_empty() {
            write!(f, "; it printed:\n{}", self.output)?;
        }
        Ok(())
    }
}

/// The commands that run now, which may have to end before their time.
pub(super) struct Commands {
    /// How many may run at once: each may well keep all processors busy.
    most: usize,
    names: Mutex<Vec<String>>,
    one_has_ended: Condvar,
    end: watch::Sender<bool>,
}

/// A command that runs, until this is dropped.
struct UnderWay<'a> {
    commands: &'a Commands,
    name: &'a str,
}

impl Commands {
    pub fn new() -> Self {
        Self {
            most: std::thread::available_parallelism().map_or(1, usize::from),
            names: Mutex::default(),
            one_has_ended: Condvar::new(),
            end: watch::Sender::new(false),
        }
    }

    /// The one that has been running longest.
    pub fn longest(&self) -> Option<String> {
        self.names().first().cloned()
    }

    /// Kills them all, and waits until nothing of them is left, though not for ever.
    pub fn end(&self) {
        const LONGEST: Duration = Duration::from_secs(15);
        self.end.send_replace(true);
        let some = |names: &mut Vec<String>| !names.is_empty();
        let _ = self
            .one_has_ended
            .wait_timeout_while(self.names(), LONGEST, some);
    }

    /// Waits for its turn. An error if it is not to run any more.
    fn start<'a>(&'a self, name: &'a str) -> Result<UnderWay<'a>, Problem> {
        let full = |names: &mut Vec<String>| names.len() >= self.most;
        let mut names = self
            .one_has_ended
            .wait_while(self.names(), full)
            .unwrap_or_else(PoisonError::into_inner);
        if *self.end.borrow() {
            return Err(Problem::Interrupted);
        }
        names.push(name.to_owned());
        Ok(UnderWay {
            commands: self,
            name,
        })
    }

    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut names = self.commands.names();
        if let Some(index) = names.iter().position(|name| name == self.name) {
            names.remove(index);
        }
        self.commands.one_has_ended.notify_all();
    }
}

/// Runs a command, unless what it changed is still known and `trusted`.
pub(super) fn run(
    command: &Command,
    name: &str,
    store: &Store,
    trusted: bool,
    commands: &Commands,
) -> Result<Changed, Problem> {
    let key = key(command);
    if trusted && let Some(known) = known(store, &key) {
        return Ok(known);
    }
    tracing::info!("{name} is made");
    let _under_way = commands.start(name)?;
    let directory = WorkPlace::new(store)?;
    execute(command, store, &directory, commands)?;
    let changed = collect(command, store, &directory.path().join("upper"))?;
    store.cache(CHANGES, &key, value(&changed).as_bytes())?;
    Ok(changed)
}

/// Everything that the changes depend on, as far as it can be known.
fn key(command: &Command) -> String {
    format!("{} {command:?}", std::env::consts::ARCH)
}

fn value(changed: &Changed) -> String {
    let kind = if changed.whole { "whole" } else { "on top" };
    let mut value = format!("{kind}\n{}", changed.manifest.digest());
    for warning in &changed.warnings {
        value.push('\n');
        value.push_str(&warning.replace('\n', " "));
    }
    value
}

fn known(store: &Store, key: &str) -> Option<Changed> {
    let value = String::from_utf8(store.cached(CHANGES, key)?).ok()?;
    let mut lines = value.lines();
    let whole = lines.next()? == "whole";
    Some(Changed {
        manifest: store.manifest(&lines.next()?.parse().ok()?)?,
        whole,
        warnings: lines.map(str::to_owned).collect(),
    })
}

/// Where the upper directory is: in the store, unless that is itself on an overlay,
/// which the kernel does not take for an upper directory.
enum WorkPlace {
    InStore(WorkDirectory),
    Elsewhere(tempfile::TempDir),
}

impl WorkPlace {
    fn new(store: &Store) -> Result<Self, Problem> {
        let place = if is_overlay(store.root()) {
            let other = [std::env::temp_dir(), "/dev/shm".into()];
            let other = other.iter().find(|directory| !is_overlay(directory));
            let other = other.ok_or(Problem::OnlyOverlays)?;
            Self::Elsewhere(tempfile::tempdir_in(other).map_err(Problem::Start)?)
        } else {
            Self::InStore(store.work_directory()?)
        };
        for name in ["upper", "work"] {
            let directory = place.path().join(name);
            fs::create_dir(&directory)
                .and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755)))
                .map_err(Problem::Start)?;
        }
        Ok(place)
    }

    /// Removes what is in it, although a command that was killed just now may still be
    /// on its way out.
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

impl Drop for WorkPlace {
    fn drop(&mut self) {
        self.clear();
    }
}

fn is_overlay(directory: &Path) -> bool {
    const OVERLAYFS: u64 = 0x794c_7630;
    // The type of this number depends on the architecture.
    rustix::fs::statfs(directory).is_ok_and(|system| system.f_type as u64 == OVERLAYFS)
}

fn execute(
    command: &Command,
    store: &Store,
    place: &WorkPlace,
    commands: &Commands,
) -> Result<(), Problem> {
    let directory = |name| {
        Utf8PathBuf::from_path_buf(place.path().join(name)).map_err(|path| {
            let message = format!("the path {} is not UTF-8", path.display());
            Problem::Start(io::Error::new(io::ErrorKind::InvalidData, message))
        })
    };
    let (program, arguments) = match &command.line {
        CommandLine::Shell(text) => (SHELL, vec!["-c".to_owned(), text.clone()]),
        CommandLine::Words(words) => match words.as_slice() {
            [program, arguments @ ..] => (program.as_str(), arguments.to_vec()),
            [] => return Err(Problem::NoCommand),
        },
    };
    let mut layers = vec![store.add_tree(&device_stubs(store)?)?];
    layers.extend(stack::stack(store, &command.below, &[]));
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
            user: 0,
            group: 0,
            init: true,
            hostname: "maelstrom".to_owned(),
            watched: Vec::new(),
        }),
        program: program.into(),
        arguments,
        timeout: None,
        slot_variable: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Problem::Start)?;
    let settings = Settings::of_process(store.trees(), commands.most).map_err(Problem::Start)?;
    let executor = LocalExecutor::new(settings, 1);
    let output = Output::Capture { limit: MOST_OUTPUT };
    let mut end = commands.end.subscribe();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = executor.run(&job, output, ready(Some(0))) => outcome,
            _ = end.wait_for(|end| *end) => None,
        }
    });
    let Some(outcome) = outcome else {
        return Err(Problem::Interrupted);
    };
    let how = match &outcome.status {
        Status::Exited(0) => return Ok(()),
        Status::Exited(code) => format!("the command failed with exit code {code}"),
        Status::Signaled(signal) => format!("the command was killed by signal {signal}"),
        Status::TimedOut => unreachable!("commands have no time limit"),
        Status::Error(message) => no_shell(command, message)
            .unwrap_or_else(|| format!("the command could not be run: {message}")),
    };
    Err(Problem::Command(CommandFailure {
        how,
        output: printed(&outcome),
    }))
}

/// What the devices are mounted on, below everything else.
fn device_stubs(store: &Store) -> Result<Manifest, Problem> {
    let digest = store.add_bytes(b"", false)?;
    let mut stubs = Manifest::new();
    for device in DEVICES {
        let path = format!("/dev/{}", device.as_str());
        let mode = Mode::PLAIN;
        let entry = Entry::File { digest, mode };
        stubs.insert(PathInContainer::new(path.as_bytes())?, entry)?;
    }
    Ok(stubs)
}

/// The remedy where text is for a shell, and there is none.
fn no_shell(command: &Command, message: &str) -> Option<String> {
    let is_text = matches!(command.line, CommandLine::Shell(_));
    (is_text && message.starts_with(&format!("execute {SHELL}:"))).then(|| {
        format!(
            "a command that is one text is run by {SHELL}, which no layer below has; add \
             `{{ programs = [\"sh\"] }}` before it, or write the command as a list of words"
        )
    })
}

/// What a command printed, stdout first.
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
    match lines.len().checked_sub(MOST_LINES) {
        None | Some(0) => lines.join("\n"),
        // What went wrong comes last.
        Some(before) => format!(
            "... ({before} lines before)\n{}",
            lines[before..].join("\n")
        ),
    }
}

fn collect(command: &Command, store: &Store, upper: &Path) -> Result<Changed, Problem> {
    let found = Upper::read(upper)?;
    let mut changes = Manifest::new();
    for (path, entry) in found.entries {
        changes.insert(path, entry)?;
    }
    let digests = parallel::map(&found.files, 4, |(_, host, mode)| {
        let mut file = File::open(host).map_err(|cause| unreadable(host, cause))?;
        Ok::<_, Problem>(store.add_stream(&mut file, *mode, host)?)
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
                "left out `{first}`{more}, as a layer cannot hold devices, pipes and sockets"
            )]
        }
    };
    // Directories that are new are marked, too, and what is left out may have taken the
    // place of something: it matters only where there is something below.
    let hides = [&found.removed, &found.opaque, &found.special];
    let below = if hides.iter().all(|paths| paths.is_empty()) {
        None
    } else {
        Some(stack::flat(store, &command.below).ok_or(Problem::LostBelow)?)
    };
    let below = below.filter(|below| {
        let hidden = |path: &PathInContainer| below.content(path).next().is_some();
        let gone = |path: &PathInContainer| below.get(path).is_some();
        found.opaque.iter().any(hidden) || found.removed.iter().chain(&found.special).any(gone)
    });
    let whole = below.is_some();
    let manifest = match below {
        None => changes,
        Some(mut below) => {
            for path in found.removed.iter().chain(&found.special) {
                below.remove(path);
            }
            for directory in &found.opaque {
                let hidden: Vec<_> = below.content(directory).cloned().collect();
                for path in hidden {
                    below.remove(&path);
                }
            }
            stack::add(&mut below, &changes)?;
            below
        }
    };
    Ok(Changed {
        manifest,
        whole,
        warnings,
    })
}
