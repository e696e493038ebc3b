//! A container: layers, mounts, network, user and environment of a job.

use super::{ImageUse, escaped_path, to_json};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::{IntoStaticStr, VariantArray};

/// A container in full, with all that it inherits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerSpec {
    /// The image below the layers and the environment.
    pub image: Option<ImageUse>,
    pub environment: Vec<EnvironmentStep>,
    /// Bottom first: a later layer covers the files of those before it.
    pub layers: Vec<LayerSpec>,
    /// In the order of mounting.
    pub mounts: Vec<Mount>,
    /// Globs of the files that are copied out of the container when the job has ended. A relative
    /// one starts at the package's directory for a test, else at the working directory.
    pub outputs: Vec<String>,
    pub network: Network,
    pub root_overlay: RootOverlay,
    /// `None`: `/`, or the package's directory for a test.
    pub working_directory: Option<Utf8PathBuf>,
    pub user: u32,
    pub group: u32,
    /// Whether a small init process is PID 1 instead of the program.
    pub init: bool,
    pub hostname: String,
}

impl Default for ContainerSpec {
    fn default() -> Self {
        Self {
            image: None,
            environment: Vec::new(),
            layers: Vec::new(),
            mounts: Vec::new(),
            outputs: Vec::new(),
            network: Network::Disabled,
            root_overlay: RootOverlay::None,
            working_directory: None,
            user: 0,
            group: 0,
            init: false,
            hostname: "maelstrom".to_owned(),
        }
    }
}

impl ContainerSpec {
    /// The same container with one more variable. References in `value` are not expanded.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        let vars = BTreeMap::from([(name.to_owned(), super::environment::escape(value))]);
        self.environment
            .push(EnvironmentStep { vars, extend: true });
        self
    }
}

/// One step in computing a job's environment: the variables are expanded with the result of the
/// steps before, then merged into it, or they replace it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct EnvironmentStep {
    pub vars: BTreeMap<String, String>,
    /// true: merge; false: replace.
    pub extend: bool,
}

/// The network of a job.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Network {
    /// A network namespace without even a loopback interface.
    #[default]
    Disabled,
    /// A network namespace with a loopback interface.
    Loopback,
    /// The client's own network. The job is local-only.
    Local,
}

/// How a job's writes to its root file system are handled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RootOverlay {
    /// The root is read-only.
    #[default]
    None,
    /// Writable. Changes are discarded.
    Tmp,
    /// Writable. Changes are kept in `upper`, and overlayfs uses `work`. The job is local-only.
    Local {
        upper: Utf8PathBuf,
        work: Utf8PathBuf,
    },
}

/// A device file below `/dev`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Device {
    Full,
    Fuse,
    Null,
    Random,
    /// A new tmpfs at `/dev/shm`, not the host's.
    Shm,
    Tty,
    Urandom,
    Zero,
}

/// The access of a job to a bound directory or file of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BindAccess {
    #[default]
    ReadWrite,
    ReadOnly,
    /// The job may change a directory, and its changes are thrown away when it ends.
    DiscardChanges,
}

/// A file system to mount on a path that the layers provide.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Mount {
    /// A directory or file of the host. The job is local-only.
    Bind {
        mount_point: Utf8PathBuf,
        local_path: Utf8PathBuf,
        #[serde(flatten)]
        access: BindAccess,
        /// Stands for the content in cached results, such as the version of a toolchain. `None`:
        /// the content is unknown, so results of jobs with this mount are not cached.
        #[serde(skip)]
        identity: Option<String>,
    },
    /// A directory that is kept between jobs on this machine, which one job at a time uses. The
    /// job is local-only.
    Cache {
        mount_point: Utf8PathBuf,
        name: String,
    },
    Devices {
        devices: Vec<Device>,
    },
    Devpts {
        mount_point: Utf8PathBuf,
    },
    Mqueue {
        mount_point: Utf8PathBuf,
    },
    Proc {
        mount_point: Utf8PathBuf,
    },
    Sys {
        mount_point: Utf8PathBuf,
    },
    Tmp {
        mount_point: Utf8PathBuf,
    },
}

impl Mount {
    /// The mount with its paths escaped, for a format in which paths can hold placeholders.
    #[must_use]
    pub fn escaped(mut self) -> Self {
        if let Self::Bind { local_path, .. } = &mut self {
            *local_path = escaped_path(local_path);
        }
        if let Some(mount_point) = self.mount_point_mut() {
            *mount_point = escaped_path(mount_point);
        }
        self
    }

    /// `None` for devices, which are mounted below `/dev`.
    pub fn mount_point_mut(&mut self) -> Option<&mut Utf8PathBuf> {
        match self {
            Self::Devices { .. } => None,
            Self::Bind { mount_point, .. }
            | Self::Cache { mount_point, .. }
            | Self::Devpts { mount_point }
            | Self::Mqueue { mount_point }
            | Self::Proc { mount_point }
            | Self::Sys { mount_point }
            | Self::Tmp { mount_point } => Some(mount_point),
        }
    }
}

/// The origin of one layer's files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum LayerSpec {
    /// A tar file, plain or compressed (`.gz`, `.zst`).
    Tar {
        tar: Utf8PathBuf,
    },
    /// Files matching a pattern relative to the project directory.
    Glob {
        glob: String,
        #[serde(flatten)]
        prefix: PrefixOptions,
    },
    /// Files, symlinks and (empty) directories.
    Paths {
        paths: Vec<Utf8PathBuf>,
        #[serde(flatten)]
        prefix: PrefixOptions,
    },
    /// Empty files, and directories for paths that end in `/`. Braces are expanded.
    Stubs {
        stubs: Vec<String>,
    },
    Symlinks {
        symlinks: Vec<SymlinkSpec>,
    },
    /// The loader and all shared libraries of ELF files, without the files themselves.
    SharedLibraryDependencies {
        #[serde(rename = "shared_library_dependencies")]
        binaries: Vec<Utf8PathBuf>,
        #[serde(flatten)]
        prefix: PrefixOptions,
    },
    /// Text files: paths and contents.
    Files {
        files: BTreeMap<Utf8PathBuf, String>,
    },
    /// Programs on the client's `PATH`, with their interpreters and libraries.
    Programs {
        programs: Vec<String>,
    },
    /// The files below a directory that Git tracks or does not ignore.
    Source {
        source: Utf8PathBuf,
    },
    /// The source files of the workspace that the test may read. Only the default container has
    /// this layer; it has no spelling in a file.
    #[serde(serialize_with = "to_json::test_source")]
    TestSource,
    /// The changes of a command to the layers below it.
    Command(CommandSpec),
    /// Common files of a Unix machine, copied from the client's machine.
    Base {
        base: Vec<BasePart>,
    },
}

/// A part of the `base` layer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum BasePart {
    /// The shell and the utilities of POSIX and of the common GNU packages.
    Utilities,
    /// Trusted certificates, and OpenSSL's configuration.
    Certificates,
    /// The time zone database.
    Timezones,
    /// `/etc/os-release`, `services`, `protocols`, `shells`, `mime.types` and a fixed
    /// `machine-id`.
    System,
    /// The terminfo descriptions of common terminals.
    Terminals,
    /// The locale `C.UTF-8`.
    Locales,
}

/// A command whose changes are a layer. It runs with the layers below as its writable root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CommandSpec {
    pub command: CommandLine,
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "to_json::environment"
    )]
    pub environment: Vec<EnvironmentStep>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "to_json::is_default")]
    pub network: Network,
    /// `None`: `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<Utf8PathBuf>,
    #[serde(skip_serializing_if = "to_json::is_default")]
    pub user: u32,
    #[serde(skip_serializing_if = "to_json::is_default")]
    pub group: u32,
    /// Whether the command runs without the layers of sources, so that it does not run again when
    /// a source file changes.
    #[serde(skip_serializing_if = "to_json::is_default")]
    pub without_sources: bool,
}

/// The program and arguments of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum CommandLine {
    /// Text for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments; never empty.
    Words(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SymlinkSpec {
    pub link: Utf8PathBuf,
    pub target: Utf8PathBuf,
}

/// How host paths become paths in a layer. The options apply in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct PrefixOptions {
    #[serde(skip_serializing_if = "to_json::is_default")]
    pub follow_symlinks: bool,
    #[serde(skip_serializing_if = "to_json::is_default")]
    pub canonicalize: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<Utf8PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepend_prefix: Option<Utf8PathBuf>,
}
