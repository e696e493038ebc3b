//! The files of a debugger for a hermetic run, in which the view of the machine does not show them.

use crate::spec::{
    BindAccess, ContainerSpec, EnvironmentStep, LayerSpec, Mount, PrefixOptions, environment,
    escaped_path,
};
use camino::{Utf8Path, Utf8PathBuf};

/// Programs that every debugger may start.
const SHELL: &str = "sh";

/// Debuggers with their further programs and their directories. A `*` at the end of a path stands for
/// the rest of a name.
const DEBUGGERS: [(&str, &[&str], &[&str]); 6] = [
    ("gdb", &[], OF_GDB),
    ("rust-gdb", &["gdb"], OF_GDB),
    ("lldb", &["lldb-server"], OF_LLDB),
    ("rust-lldb", &["lldb", "lldb-server"], OF_LLDB),
    ("rr", &[], &["/usr/lib/rr", "/usr/share/rr"]),
    (
        "valgrind",
        &["valgrind.bin"],
        &["/usr/libexec/valgrind", "/usr/lib/valgrind"],
    ),
];

const OF_GDB: &[&str] = &[
    "/etc/gdb",
    "/usr/lib/python3*",
    "/usr/local/lib/python3*",
    "/usr/share/gdb",
];

/// The library by which gdb knows threads, in the directories of distributions.
const THREAD_LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/libthread_db.so.1",
    "/usr/lib/aarch64-linux-gnu/libthread_db.so.1",
    "/usr/lib64/libthread_db.so.1",
    "/usr/lib/libthread_db.so.1",
];

const OF_LLDB: &[&str] = &["/usr/lib/llvm*", "/usr/lib/python3*"];

/// What a debugger finds in a container.
pub struct DebuggerFiles<'a> {
    /// The directory of the toolchain, which has scripts for debuggers and sources.
    pub sysroot: &'a Utf8Path,
    pub cargo_home: &'a Utf8Path,
}

impl DebuggerFiles<'_> {
    /// The program to execute: the toolchain's own, if it has the debugger.
    pub fn program(&self, debugger: &str) -> String {
        let of_toolchain = self.sysroot.join("bin").join(debugger);
        let is_name = !debugger.contains('/');
        if is_name && self.sysroot != "/usr" && of_toolchain.is_file() {
            of_toolchain.into_string()
        } else {
            debugger.to_owned()
        }
    }

    /// Adds the debugger with its directories, and the sources of the dependencies and of the standard
    /// library.
    pub fn add_to(&self, container: &mut ContainerSpec, debugger: &str) {
        let name = debugger.rsplit('/').next().unwrap_or(debugger);
        let known = DEBUGGERS.iter().find(|(known, ..)| *known == name);
        let (further, directories) =
            known.map_or((&[][..], &[][..]), |(_, further, dirs)| (*further, *dirs));
        let mut programs = vec![SHELL.to_owned()];
        programs.extend(
            further
                .iter()
                .filter(|name| is_on_path(name))
                .map(|&name| name.to_owned()),
        );
        if self.program(debugger) == debugger {
            programs.push(debugger.to_owned());
        }
        container.layers.push(LayerSpec::Programs { programs });
        let libraries = THREAD_LIBRARIES.map(Utf8Path::new);
        container.layers.push(LayerSpec::Paths {
            paths: (libraries.into_iter())
                .filter(|path| name.ends_with("gdb") && path.is_file())
                .map(escaped_path)
                .collect(),
            prefix: PrefixOptions {
                follow_symlinks: true,
                ..PrefixOptions::default()
            },
        });
        for directory in directories.iter().flat_map(|path| matching(path)) {
            bind(container, &directory);
        }
        for directory in ["registry/src", "git/checkouts"] {
            bind(container, &self.cargo_home.join(directory));
        }
        let rustc = self.sysroot.join("bin/rustc");
        if self.sysroot == "/usr" {
            bind(container, &self.sysroot.join("lib/rustlib"));
        } else if rustc.is_file() {
            bind(container, self.sysroot);
            // rust-gdb and rust-lldb ask the compiler where the toolchain is.
            container.layers.push(LayerSpec::SharedLibraryDependencies {
                binaries: vec![escaped_path(&rustc)],
                prefix: PrefixOptions::default(),
            });
            let value = environment::escape(rustc.as_str());
            let step = EnvironmentStep {
                vars: [("RUSTC".to_owned(), value)].into(),
                extend: true,
            };
            // The container's own variables take precedence.
            container.environment.insert(0, step);
        }
    }
}

/// Whether the client's `PATH` has this program.
fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// The directories of this machine that match a path with a `*` at its end, or without one.
fn matching(path: &str) -> Vec<Utf8PathBuf> {
    let Some(start) = path.strip_suffix('*') else {
        return vec![path.into()];
    };
    let start = Utf8Path::new(start);
    let (Some(parent), Some(name)) = (start.parent(), start.file_name()) else {
        return Vec::new();
    };
    let entries = parent.read_dir_utf8().into_iter().flatten().flatten();
    let matching = entries.filter(|entry| entry.file_name().starts_with(name));
    matching.map(camino::Utf8DirEntry::into_path).collect()
}

/// Shows a directory of this machine at its path, if it exists.
fn bind(container: &mut ContainerSpec, directory: &Utf8Path) {
    if !directory.is_dir() {
        return;
    }
    let path = escaped_path(directory);
    container.layers.push(LayerSpec::Stubs {
        stubs: vec![format!("{path}/")],
    });
    container.mounts.push(Mount::Bind {
        mount_point: path.clone(),
        local_path: path,
        access: BindAccess::ReadOnly,
        identity: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debugger_of_the_toolchain_is_executed_from_there() {
        let sysroot = tempfile::tempdir().unwrap();
        let sysroot = Utf8Path::from_path(sysroot.path()).unwrap();
        std::fs::create_dir(sysroot.join("bin")).unwrap();
        let own = sysroot.join("bin/rust-gdb");
        std::fs::write(&own, "").unwrap();
        let files = DebuggerFiles {
            sysroot,
            cargo_home: "/nonexistent".into(),
        };
        assert_eq!(files.program("rust-gdb"), own);
        for other in ["gdb", "/usr/bin/rust-gdb"] {
            assert_eq!(files.program(other), other);
        }
    }

    #[test]
    fn a_star_stands_for_the_rest_of_a_name() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        for name in ["python3", "python3.11", "perl"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        let mut found = matching(root.join("python3*").as_str());
        found.sort();
        assert_eq!(found, [root.join("python3"), root.join("python3.11")]);
        assert_eq!(matching("/a/b"), ["/a/b"]);
        assert!(matching("/nonexistent/a*").is_empty());
    }
}
