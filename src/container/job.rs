//! A job's first moments: from a fresh clone of the launcher to its program.
//!
//! The clone is pid 1 of the job's pid namespace and holds every capability
//! over the job's own namespaces, none over the launcher's. It waits for the job,
//! makes the root from the lower directories, makes the mounts there (seen from
//! inside, so that symbolic links of the job's root lead where the job sees them),
//! covers the launcher's root with it, and ends as the program or its
//! init. A step that cannot be done is told to the client, and nothing runs.

use super::channel::Channel;
use super::init::Init;
use super::protocol::{Ended, MountKind, Request, Root, StepError};
use super::step::Step;
use super::sys::{self, Stack};
use crate::spec::Device;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::Mode;
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

/// The namespaces a job has for itself.
pub const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// Jobs go before anything else when memory is short.
const OOM_SCORE: &str = "500";

/// Room for options of mount(2): a page, less the final NUL.
const MOUNT_OPTIONS: usize = 4095;

/// What a launcher knows of the machine that its jobs go by.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// A fresh `/proc` is refused: jobs see the outer one.
    pub outer_proc: bool,
    /// How many processes and threads a job may have.
    pub processes: Option<u64>,
}

/// What a job's first process works with; the launcher's, whose memory it shares, and
/// kept from job to job.
pub struct Workshop {
    machine: Machine,
    /// What has become of the job.
    pub fate: Fate,
    /// Room for a job's message.
    pub message: Vec<u8>,
    program: Program,
    child_signals: SignalFd,
    stack: Stack,
}

/// What becomes of a job, as far as its first process can tell.
#[derive(Default)]
pub enum Fate {
    /// There is none yet.
    #[default]
    Waiting,
    /// There is none, and there will be none.
    ClientGone,
    Started(Running),
    /// Its container could not be made, or its program not be executed.
    Failed(u32, StepError),
    /// The process is the program now.
    Executed(Running),
    /// Its program ended under an init; the client is to be told when nothing is left.
    Ended(u32, Ended),
    /// It ended, and the client knows.
    Told,
}

/// A job under way.
#[derive(Clone, Copy)]
pub struct Running {
    /// What its client marks it with.
    pub job: u32,
    pub started: Instant,
    pub deadline: Option<Instant>,
}

/// Largest message whose room is kept, in bytes.
const KEPT_MESSAGE: usize = 256 * 1024;

/// The stack of what is about to execute the program, in bytes.
const PROGRAM_STACK: usize = 64 * 1024;

impl Workshop {
    pub fn new(machine: Machine, child_signals: SignalFd) -> Result<Self, StepError> {
        Ok(Self {
            machine,
            fate: Fate::Waiting,
            message: Vec::new(),
            program: Program::default(),
            child_signals,
            stack: Stack::new(PROGRAM_STACK).step("allocate a stack")?,
        })
    }
}

/// Waits for a job, makes its container, and runs it when its turn comes, as its first
/// process. Returns when it has ended, unless this process has become the program.
pub fn serve(client: &mut Channel, workshop: &mut Workshop) {
    let mut message = std::mem::take(&mut workshop.message);
    if message.capacity() > KEPT_MESSAGE {
        message = Vec::new();
    }
    let Ok(Some(received)) = client.receive_job(message) else {
        workshop.fate = Fate::ClientGone;
        return;
    };
    workshop.message = received.bytes;
    let outputs = (received.stdout, received.stderr);
    workshop.fate = match run(received.job, outputs, client, workshop) {
        Ok(fate) => fate,
        Err(error) => Fate::Failed(received.job, error),
    };
}

fn run(
    job: u32,
    (stdout, stderr): (OwnedFd, OwnedFd),
    client: &mut Channel,
    workshop: &mut Workshop,
) -> Result<Fate, StepError> {
    let request = Request::decode(&workshop.message).step("read a job")?;
    workshop.fate = Fate::Started(Running {
        job,
        started: Instant::now(),
        deadline: None,
    });
    let set_up = set_up(&request, stdout.as_fd(), stderr.as_fd(), workshop.machine);
    drop((stdout, stderr));
    let slot = client.receive_start().step("wait for a slot")?;
    let (scratch, proc) = set_up?;
    let Some(slot) = slot else {
        return Ok(Fate::ClientGone);
    };
    let started = Instant::now();
    let running = Running {
        job,
        started,
        deadline: (!request.timeout.is_zero()).then(|| started + request.timeout),
    };
    workshop.fate = Fate::Started(running);
    let program = &mut workshop.program;
    program.prepare(&request, slot);
    if request.init {
        let init = Init {
            running,
            request: &request,
            program,
            scratch,
            proc,
            child_signals: &workshop.child_signals,
            client,
            stack: &mut workshop.stack,
        };
        return init.run();
    }
    let user = request.user;
    // What is allocated when the program takes over stays so for the launcher.
    drop(request);
    workshop.fate = Fate::Executed(running);
    nix::unistd::setsid().step("create a session")?;
    Err(program.execute(user))
}

/// Lets the kernel take a job first when memory is short, whose program is its first
/// process. Not done by that itself: the launcher, having the same memory until then,
/// would go along. That it cannot be done is no harm to the job.
pub fn go_first(pid: i32) {
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE);
}

/// The same for the process that calls it, which the kernel knows to have been cloned
/// to execute a program. `proc` is the launcher's.
pub fn go_first_alone(proc: &OwnedFd) -> Result<(), StepError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    nix::fcntl::openat(proc, "self/oom_score_adj", flags, Mode::empty())
        .and_then(|file| nix::unistd::write(file, OOM_SCORE.as_bytes()))
        .step("raise oom_score_adj")
        .map(drop)
}

/// Everything up to the program. Returns the scratch space, where there is one, and the
/// launcher's `/proc`.
fn set_up(
    request: &Request<&CStr>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
    machine: Machine,
) -> Result<(Option<OwnedFd>, OwnedFd), StepError> {
    map_ids(request.user, request.group)?;
    sys::leave_session_keyring().step("leave the session keyring")?;
    nix::unistd::sethostname(request_text(request.hostname)).step("set the hostname")?;
    nix::sys::stat::umask(Mode::empty());
    let scratch = make_scratch(request)?;
    make_root(request)?;
    let launcher_proc = open_path("/proc").step("open the launcher's /proc")?;
    // For now relative paths are the launcher's and absolute ones the job's.
    nix::unistd::chdir("/").step("enter the launcher's root")?;
    nix::unistd::chroot("root").step("look from the root")?;
    for (index, step) in request.mounts.iter().enumerate() {
        make_mount(index, step.kind, step.mount_point, machine.outer_proc).step_with(|| {
            let mount_point = step.mount_point.to_string_lossy();
            format!("mount {} at {mount_point}", step.kind.name())
        })?;
    }
    nix::unistd::chroot(".").step("look from the launcher's root")?;
    nix::unistd::chdir("root").step("enter the root")?;
    cover_launcher_root().step("cover the launcher's root")?;
    if request.user == 0 {
        lock_mounts(request, &launcher_proc)?;
    }
    nix::unistd::chdir(request.working_directory).step_with(|| {
        let directory = request.working_directory.to_string_lossy();
        format!("enter the working directory {directory}")
    })?;
    set_limits(request.open_files, machine.processes)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    nix::sys::prctl::set_no_new_privs().step("set no_new_privs")?;
    sys::place_descriptor(stdout.as_raw_fd(), libc::STDOUT_FILENO).step("attach stdout")?;
    sys::place_descriptor(stderr.as_raw_fd(), libc::STDERR_FILENO).step("attach stderr")?;
    Ok((scratch, launcher_proc))
}

/// Puts the root that is the working directory over the launcher's, and enters it.
///
/// Nothing leads back: at the root `..` stays there, and the mounts below cannot be
/// bared, neither by the job, which has no capability, nor from a user namespace of its
/// own, where they are locked: see `mount_namespaces(7)`. To unmount them here, as after
/// `pivot_root(2)`, the kernel has to wait for all processors.
fn cover_launcher_root() -> nix::Result<()> {
    let (none, options) = (None::<&str>, None::<&str>);
    mount(Some("."), "/", none, MsFlags::MS_MOVE, options)?;
    nix::unistd::chroot(".")
}

/// Maps the one id a job has to the launcher's.
fn map_ids(user: u32, group: u32) -> Result<(), StepError> {
    // The launcher's namespace denies setgroups already, and so does this one.
    fs::write("/proc/self/uid_map", format!("{user} 0 1")).step("write the job's uid map")?;
    fs::write("/proc/self/gid_map", format!("{group} 0 1")).step("write the job's gid map")
}

/// One tmpfs for all that a job may write that is not kept: a mount of its own
/// for each would cost more and bound less.
fn make_scratch(request: &Request<&CStr>) -> Result<Option<OwnedFd>, StepError> {
    let wanted = matches!(request.root, Root::Scratch)
        || request.mounts.iter().any(|step| step.kind.is_scratch());
    if !wanted {
        return Ok(None);
    }
    let options = format!("mode=755,size={}", request.scratch_size);
    mount(
        Some("scratch"),
        "/scratch",
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )
    .step("mount the scratch space")?;
    if matches!(request.root, Root::Scratch) {
        for directory in ["/scratch/upper", "/scratch/work"] {
            nix::unistd::mkdir(directory, Mode::from_bits_truncate(0o755))
                .step("create the overlay's directories")?;
        }
    }
    open_path("/scratch")
        .step("open the scratch space")
        .map(Some)
}

/// Stacks the lower directories at `/root`.
fn make_root(request: &Request<&CStr>) -> Result<(), StepError> {
    nix::unistd::chdir("/trees").step("enter the trees")?;
    let upper = match &request.root {
        Root::ReadOnly => None,
        Root::Scratch => Some(("/scratch/upper".to_owned(), "/scratch/work".to_owned())),
        Root::Local { bind, upper, work } => Some((
            format!("/binds/{bind}/{}", upper.to_string_lossy()),
            format!("/binds/{bind}/{}", work.to_string_lossy()),
        )),
    };
    // Top first, as overlayfs has it; a root needs one, and without an upper two.
    let lowers: Vec<&str> = request
        .lowers
        .iter()
        .rev()
        .map(|name| request_text(name))
        .chain((request.lowers.len() < 2).then_some("../empty"))
        .collect();
    let mut options = format!("lowerdir={}", lowers.join(":"));
    if let Some((upper, work)) = &upper {
        options.push_str(",userxattr,xino=on,upperdir=");
        options.push_str(&escape(upper));
        options.push_str(",workdir=");
        options.push_str(&escape(work));
    } else {
        options.push_str(",userxattr");
    }
    if options.len() <= MOUNT_OPTIONS {
        return mount(
            Some("root"),
            "/root",
            Some("overlay"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some(options.as_str()),
        )
        .step("mount the root");
    }
    mount_many_layers(&lowers, upper.as_ref())
        .step_with(|| format!("mount a root of {} layers", request.lowers.len()))
}

/// For more layers than fit mount(2)'s options: one at a time, since Linux 6.5.
fn mount_many_layers(lowers: &[&str], upper: Option<&(String, String)>) -> rustix::io::Result<()> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
        fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
    };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    for lower in lowers {
        fsconfig_set_string(context, "lowerdir+", *lower)?;
    }
    fsconfig_set_flag(context, "userxattr")?;
    if let Some((upper, work)) = upper {
        fsconfig_set_string(context, "upperdir", upper.as_str())?;
        fsconfig_set_string(context, "workdir", work.as_str())?;
        fsconfig_set_string(context, "xino", "on")?;
    }
    fsconfig_create(context)?;
    let root = fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )?;
    move_mount(
        root.as_fd(),
        "",
        rustix::fs::CWD,
        "/root",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
}

/// Makes one mount; the working directory is the launcher's root.
fn make_mount(
    index: usize,
    kind: MountKind,
    mount_point: &CStr,
    outer_proc: bool,
) -> Result<(), nix::Error> {
    const NOTHING: MsFlags = MsFlags::MS_NOSUID
        .union(MsFlags::MS_NODEV)
        .union(MsFlags::MS_NOEXEC);
    let file_system = |name: &str, flags: MsFlags, options: Option<&str>| {
        mount(Some(name), mount_point, Some(name), flags, options)
    };
    let bind = |source: &str| {
        mount(
            Some(source),
            mount_point,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
    };
    match kind {
        MountKind::Bind(index) => bind(&format!("binds/{index}")),
        MountKind::Device(device) if Device::ALL[device as usize] != Device::Shm => {
            bind(&format!("dev/{}", Device::ALL[device as usize].as_str()))
        }
        MountKind::Device(_) | MountKind::Tmp => {
            let directory = format!("scratch/{index}");
            nix::unistd::mkdir(directory.as_str(), Mode::from_bits_truncate(0o1777))?;
            bind(&directory)
        }
        MountKind::Devpts => file_system(
            "devpts",
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            Some("newinstance,ptmxmode=0666"),
        ),
        MountKind::Mqueue => file_system("mqueue", NOTHING, None),
        MountKind::Proc if outer_proc => bind("proc"),
        MountKind::Proc => file_system("proc", NOTHING, None),
        MountKind::Sys => bind("sys"),
    }
}

impl MountKind {
    /// Whether the mount lies in the scratch space.
    fn is_scratch(self) -> bool {
        match self {
            Self::Tmp => true,
            Self::Device(device) => Device::ALL[device as usize] == Device::Shm,
            _ => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bind(_) => "a host path",
            Self::Device(device) => Device::ALL[device as usize].as_str(),
            Self::Devpts => "devpts",
            Self::Mqueue => "mqueue",
            Self::Proc => "proc",
            Self::Sys => "sys",
            Self::Tmp => "tmp",
        }
    }
}

/// A uid 0 job could unmount what was mounted for it. A further user namespace
/// with a copy of the mounts locks them.
fn lock_mounts(request: &Request<&CStr>, proc: &OwnedFd) -> Result<(), StepError> {
    use nix::sched::{CloneFlags, unshare};
    let write = |path: &str, text: String| {
        let file = nix::fcntl::openat(
            proc,
            path,
            OFlag::O_WRONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        File::from(file).write_all(text.as_bytes())
    };
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).step("lock the job's mounts")?;
    let (user, group) = (request.user, request.group);
    write("self/uid_map", format!("{user} {user} 1")).step("lock the job's mounts")?;
    write("self/gid_map", format!("{group} {group} 1")).step("lock the job's mounts")
}

fn set_limits(open_files: u64, processes: Option<u64>) -> Result<(), StepError> {
    // Not zero: only 1 keeps a dump handler from being run. See core(5).
    setrlimit(Resource::RLIMIT_CORE, 1, 1).step("set the core limit")?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).step("read the file limit")?;
    setrlimit(Resource::RLIMIT_NOFILE, open_files.min(hard), hard).step("set the file limit")?;
    match processes {
        Some(limit) => {
            setrlimit(Resource::RLIMIT_NPROC, limit, limit).step("set the process limit")
        }
        None => Ok(()),
    }
}

/// A program ready to be executed: nothing is allocated any more.
#[derive(Default)]
pub struct Program {
    name: CString,
    /// The paths it may be at.
    candidates: Vec<CString>,
    /// These point into the job's message, mostly, and end in a null pointer.
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// The last variable, where the program is told its slot.
    slot: CString,
}

impl Program {
    fn prepare(&mut self, request: &Request<&CStr>, slot: u32) {
        let pointer = |text: &&CStr| text.as_ptr();
        request.program.clone_into(&mut self.name);
        self.candidates = candidates(request);
        self.arguments.clear();
        self.arguments.push(request.program.as_ptr());
        self.arguments.extend(request.arguments.iter().map(pointer));
        self.arguments.push(std::ptr::null());
        self.environment.clear();
        self.environment
            .extend(request.environment.iter().map(pointer));
        if request.slot_variable {
            self.slot = CString::new(format!("MAELSTROM_SLOT={slot}")).unwrap_or_default();
            self.environment.push(self.slot.as_ptr());
        }
        self.environment.push(std::ptr::null());
    }

    /// Executes the program, without capabilities unless it is uid 0; returns why it
    /// could not be.
    pub fn execute(&self, user: u32) -> StepError {
        if user != 0
            && let Err(error) = sys::drop_capabilities().step("drop capabilities")
        {
            return error;
        }
        sys::unblock_signals();
        let mut error = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in &self.candidates {
            let tried = sys::exec(candidate, &self.arguments, &self.environment);
            // As execvp(3): what is there but cannot be executed tells more than
            // what is not there.
            match tried.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                Some(libc::EACCES) => error = tried,
                _ => {
                    error = tried;
                    break;
                }
            }
        }
        let name = self.name.to_string_lossy();
        StepError::new(format!("execute {name}"), &error)
    }
}

/// The paths a program may be at: its own, or one for each directory of `PATH`.
fn candidates(request: &Request<&CStr>) -> Vec<CString> {
    let program = request.program.to_bytes();
    if program.contains(&b'/') {
        return vec![request.program.to_owned()];
    }
    let path = request
        .environment
        .iter()
        .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
    path.unwrap_or(b"/bin:/usr/bin")
        .split(|byte| *byte == b':')
        .filter_map(|directory| {
            let directory = if directory.is_empty() {
                b"."
            } else {
                directory
            };
            CString::new([directory, b"/", program].concat()).ok()
        })
        .collect()
}

fn open_path(path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::openat(AT_FDCWD, Path::new(path), flags, Mode::empty())
}

/// Commas, colons and backslashes mean something to overlayfs.
fn escape(path: &str) -> String {
    path.replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace(':', "\\:")
}

/// Names that the client made are UTF-8; anything else would not be found.
fn request_text(text: &CStr) -> &str {
    text.to_str().unwrap_or("")
}
