//! Containers: namespaces, mounts and system calls. `unsafe` lives here alone.
//!
//! The processes, in the order in which they start:
//!
//! 1. The **client** is the program that the user started. It executes itself again as a
//!    *starter* for each job that runs, and talks to the starters over sockets ([`client`]).
//! 2. The **starter** makes namespaces and clones the launcher into them, then
//!    waits for it ([`starter`]).
//! 3. The **launcher** is pid 1 of its pid namespace. It prepares what jobs share
//!    ([`prepare`], [`network`]) and runs one job after the other ([`launcher`]).
//! 4. The **job** is a clone of the launcher in namespaces of its own. It shares the
//!    launcher's memory while the launcher waits. It receives the job's description
//!    ([`job`]), makes its file system ([`root`]), waits for a slot, and executes the
//!    program ([`program`]) or becomes an **init** that runs the program ([`init`]).
//!
//! A job can be observed. The job's process then installs a filter before it executes the
//! program ([`seccomp`]), and a thread of the client is told of the calls that take paths and
//! addresses ([`calls`], [`listener`]). This thread lets every call continue.
//!
//! A launcher can show its jobs the files of the machine below those of their layers ([`view`],
//! [`split`]). Ordinary launchers do not hold the machine's files.
//!
//! The limits of memory and processes of a job are those of a control group ([`control_groups`]) where
//! this user can make one, otherwise resource limits of its processes.
//!
//! Each process ends with the one before it: the launcher when its socket closes and by a
//! parent-death signal, the jobs because the launcher is pid 1 of their pid namespace.

mod calls;
mod changed_files;
mod channel;
mod client;
mod conflicts;
mod control_groups;
pub mod doctor;
mod in_layers;
mod init;
mod job;
mod launcher;
mod listener;
mod network;
mod outputs;
mod overlay;
mod prepare;
mod program;
mod protocol;
mod root;
mod seccomp;
mod split;
mod starter;
mod step;
mod sys;
mod view;

pub use calls::{CallKind, Follow, ObservedCall, PathArgument, PathUse};
pub use client::{JobDescriptors, JobEnd, JobObserver, Launcher, LauncherError, LauncherProgram};
pub use control_groups::{ControlGroups, JobControlGroup, LimitEvents, NoControlGroups};
pub use listener::{Listener, Notification, ObservedJob};
pub use outputs::{WrittenContent, WrittenDirectory, WrittenFile, WrittenFiles, WrittenKind};
pub use program::program_candidates;
pub use protocol::{
    EndedProgram, HostBind, JobLimits, JobMount, JobRequest, LAUNCHER_NAME, LauncherConfig,
    MountKind, NetworkKind, ResourceUsage, Root, encode,
};
pub use starter::give_to_jobs;
pub use step::{Step, StepError};
pub use sys::die_of;
pub use view::MachineView;

use std::path::Path;

/// Becomes a launcher if this process was executed as one, and then never
/// returns. Must be the first thing a program does, while it has one thread.
pub fn run_if_launcher() {
    if std::env::args_os()
        .next()
        // If a loader starts this program, argv[0] is the program's path.
        .is_some_and(|name| Path::new(&name).file_name() == Some(LAUNCHER_NAME.as_ref()))
    {
        starter::main();
    }
}
