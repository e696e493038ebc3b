//! The container half of a job spec.

use super::{ImageUse, escape_placeholders};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

/// A container in full: nothing left to inherit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerSpec {
    /// What it starts from, below everything else.
    pub image: Option<ImageUse>,
    pub environment: Vec<EnvironmentElement>,
    /// Bottom first: later layers win.
    pub layers: Vec<LayerSpec>,
    /// In the order they are made.
    pub mounts: Vec<Mount>,
    pub network: Network,
    pub root_overlay: RootOverlay,
    /// `None`: `/`, or the package's directory for a test.
    pub working_directory: Option<Utf8PathBuf>,
    pub user: u32,
    pub group: u32,
    /// Whether a tiny init is pid 1 instead of the program.
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
    /// The same container with one more variable, whose value is taken as it is.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        let vars = BTreeMap::from([(name.to_owned(), super::environment::escape(value))]);
        self.environment
            .push(EnvironmentElement { vars, extend: true });
        self
    }
}

/// One step in computing a job's environment: the variables are expanded
/// against the map so far, then merged into it or put in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvironmentElement {
    pub vars: BTreeMap<String, String>,
    /// true: merge; false: replace.
    pub extend: bool,
}

/// What network a job sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// A network namespace without even a loopback interface.
    #[default]
    Disabled,
    /// A network namespace with a loopback interface.
    Loopback,
    /// The client's own network; makes the job local-only.
    Local,
}

/// What happens when a job writes to its root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum RootOverlay {
    /// The root is read-only.
    #[default]
    None,
    /// Writable; changes are thrown away.
    Tmp,
    /// Writable; changes are kept in `upper`. Makes the job local-only.
    Local {
        upper: Utf8PathBuf,
        work: Utf8PathBuf,
    },
}

/// A device file below `/dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    Full,
    Fuse,
    Null,
    Random,
    /// A fresh tmpfs at `/dev/shm`, never the host's.
    Shm,
    Tty,
    Urandom,
    Zero,
}

impl Device {
    pub const ALL: [Self; 8] = [
        Self::Full,
        Self::Fuse,
        Self::Null,
        Self::Random,
        Self::Shm,
        Self::Tty,
        Self::Urandom,
        Self::Zero,
    ];

    /// The file's name below `/dev`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Fuse => "fuse",
            Self::Null => "null",
            Self::Random => "random",
            Self::Shm => "shm",
            Self::Tty => "tty",
            Self::Urandom => "urandom",
            Self::Zero => "zero",
        }
    }
}

/// A file system to mount over a path that the layers provide.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mount {
    /// A directory or file of the host. Makes the job local-only.
    Bind {
        mount_point: Utf8PathBuf,
        local_path: Utf8PathBuf,
        read_only: bool,
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
    /// The same mount, where paths are written with placeholders.
    #[must_use]
    pub fn escaped(mut self) -> Self {
        if let Self::Bind { local_path, .. } = &mut self {
            *local_path = escape_placeholders(local_path.as_str()).into();
        }
        if let Some(mount_point) = self.mount_point_mut() {
            *mount_point = escape_placeholders(mount_point.as_str()).into();
        }
        self
    }

    /// Where it is made; devices have places of their own.
    pub fn mount_point_mut(&mut self) -> Option<&mut Utf8PathBuf> {
        match self {
            Self::Devices { .. } => None,
            Self::Bind { mount_point, .. }
            | Self::Devpts { mount_point }
            | Self::Mqueue { mount_point }
            | Self::Proc { mount_point }
            | Self::Sys { mount_point }
            | Self::Tmp { mount_point } => Some(mount_point),
        }
    }
}

/// Where the files of one layer come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LayerSpec {
    /// A tar file, perhaps compressed (`.gz`, `.zst`).
    Tar {
        tar: Utf8PathBuf,
    },
    /// Files matching a pattern relative to the project directory.
    Glob {
        glob: String,
        prefix: PrefixOptions,
    },
    /// Files, symlinks and (empty) directories.
    Paths {
        paths: Vec<Utf8PathBuf>,
        prefix: PrefixOptions,
    },
    /// Empty files, or directories where the path ends in `/`; brace-expanded.
    Stubs {
        stubs: Vec<String>,
    },
    Symlinks {
        symlinks: Vec<SymlinkSpec>,
    },
    /// The library closure and loader of ELF files, not the files themselves.
    SharedLibraryDependencies {
        binaries: Vec<Utf8PathBuf>,
        prefix: PrefixOptions,
    },
    /// Files with their text.
    Files {
        files: BTreeMap<Utf8PathBuf, String>,
    },
    /// Programs found on the client's `PATH`, with interpreter and libraries.
    Programs {
        programs: Vec<String>,
    },
    /// What version control tracks or does not ignore below a directory.
    Source {
        source: Utf8PathBuf,
    },
    /// The workspace's source, as far as it is meant for the test. No file can ask for it; the
    /// default container has it.
    TestSource,
    /// What a command changes in the layers below it.
    Command(CommandSpec),
}

/// A command that makes a layer. It runs as user 0, with the layers below it as a
/// writable root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandSpec {
    pub command: CommandLine,
    pub environment: Vec<EnvironmentElement>,
    pub mounts: Vec<Mount>,
    pub network: Network,
    /// `None`: `/`.
    pub working_directory: Option<Utf8PathBuf>,
}

/// What a command is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommandLine {
    /// Text for `/bin/sh -c`.
    Shell(String),
    /// A program and its arguments; never empty.
    Words(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SymlinkSpec {
    pub link: Utf8PathBuf,
    pub target: Utf8PathBuf,
}

/// How host paths become paths in a layer; in order of effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrefixOptions {
    pub follow_symlinks: bool,
    pub canonicalize: bool,
    pub strip_prefix: Option<Utf8PathBuf>,
    pub prepend_prefix: Option<Utf8PathBuf>,
}
