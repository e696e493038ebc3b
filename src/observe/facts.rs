//! From records to facts: each path is looked up in the container and on this machine.

use super::ObservedContainer;
use super::address::AddressUse;
use super::interpreter::{Interpreter, interpreter};
use super::layers::LayerFiles;
use super::lookup::{Sought, Tree, is_below};
use super::records::{Incomplete, Records, Uses};
use rustix::fs::FileType;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The most interpreters of interpreters, as in the kernel.
const MOST_INTERPRETERS: usize = 5;

/// What one run of a job asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the order of their paths.
    pub files: Vec<FileFact>,
    pub addresses: BTreeSet<AddressUse>,
    /// Why there may be more.
    pub incomplete: BTreeSet<Incomplete>,
    /// Why the run counts for nothing.
    pub void: Option<Void>,
}

/// A file that a job asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFact {
    pub path: PathBuf,
    pub uses: Uses,
    pub found: Found,
    /// The path is written, and is in a read-only part of the container.
    pub is_refused: bool,
    /// The file is of little interest: nearly every program asks for it, whether it is there or
    /// not, or it was found in another directory of a search.
    pub is_common: bool,
    /// The machine has what the container lacks: the file, an entry of the listed directory, or the
    /// directory in which the file would be written.
    pub machine_has_more: bool,
}

/// Where a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// In a layer of the container.
    Container,
    /// In a mount of the container. Such files are not looked up.
    Mount,
    /// Not in the container, but on this machine.
    Machine,
    Nowhere,
}

/// A reason why an observed run counts for nothing: observing it may have changed its outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    #[error("the observer ended before the job: {0}")]
    Observer(String),
    #[error(
        "the job supervises system calls of its own (seccomp with a listener), which the kernel \
         refuses to an observed job; run it without observing it"
    )]
    RefusedListener,
}

impl Facts {
    pub fn void(reason: Void) -> Self {
        Self {
            void: Some(reason),
            ..Self::default()
        }
    }
}

/// Looks up the recorded paths in the layers of the container, and on this machine. `left_out` are
/// the directories of the machine that the job should have seen and did not see.
pub fn establish(
    records: Records,
    layers: &LayerFiles,
    machine: Tree,
    left_out: &[PathBuf],
    container: &ObservedContainer,
) -> Facts {
    let places = Places {
        layers,
        machine,
        container,
    };
    let mut files: BTreeMap<PathBuf, FileFact> = BTreeMap::new();
    let mut incomplete = records.incomplete;
    for (path, uses) in records.files {
        for (path, uses) in places.with_interpreters(path, uses) {
            let (fact, at) = places.fact(&path, uses);
            if fact.found == Found::Machine && is_below(&at, left_out) {
                incomplete.insert(Incomplete::LeftOut);
            }
            files
                .entry(fact.path.clone())
                .and_modify(|known| {
                    known.uses.add(fact.uses);
                    // A link may be there, and the file it leads to may not.
                    known.found = known.found.max(fact.found);
                    known.is_refused |= fact.is_refused;
                    known.machine_has_more |= fact.machine_has_more;
                })
                .or_insert(fact);
        }
    }
    mark_searches(&mut files);
    Facts {
        files: files.into_values().collect(),
        addresses: records.addresses,
        incomplete,
        void: records.refused_listener.then_some(Void::RefusedListener),
    }
}

struct Places<'a> {
    layers: &'a LayerFiles,
    machine: Tree,
    container: &'a ObservedContainer,
}

impl Places<'_> {
    /// The file, and those that the kernel opened when it executed the file.
    fn with_interpreters(&self, path: PathBuf, uses: Uses) -> Vec<(PathBuf, Uses)> {
        let mut all = vec![(path, uses)];
        while let Some((path, last)) = all.last()
            && last.executed
            && all.len() < MOST_INTERPRETERS
            && let Sought::Present { path, .. } = self.layers.find(path, true)
            && let Some(file) = self.layers.tree.open_regular(&path)
            && let Some(interpreter) = interpreter(&file)
        {
            let (path, uses) = match interpreter {
                Interpreter::OfScript(path) => (path, Uses::EXECUTED),
                Interpreter::Loader(path) => (path, Uses::OPENED),
            };
            all.push((self.container.working_directory.join(path), uses));
        }
        all
    }

    /// The fact, and the path of the file without symbolic links if it was found.
    fn fact(&self, path: &Path, mut uses: Uses) -> (FileFact, PathBuf) {
        let sought = self.layers.find(path, uses.followed);
        let is_refused = uses.written && !self.is_writable(&sought);
        let (found, sought) = match sought {
            Sought::Present { .. } => (Found::Container, sought),
            Sought::Mounted { .. } => (Found::Mount, sought),
            Sought::Absent => match self.machine.find(path, uses.followed, &[]) {
                Sought::Absent | Sought::Mounted { .. } => (Found::Nowhere, sought),
                on_machine @ Sought::Present { .. } => (Found::Machine, on_machine),
            },
        };
        let mut shown = path.to_owned();
        let mut at = path.to_owned();
        let mut machine_has_more = match found {
            Found::Machine => true,
            Found::Nowhere => uses.written && self.has_parent_on_machine(path),
            Found::Container | Found::Mount => false,
        };
        if let Sought::Present { path, kind } = sought {
            if kind == FileType::Directory && uses.opened {
                uses.listed = true;
                uses.opened = false;
            }
            if found == Found::Container && uses.listed {
                machine_has_more = self.has_more_entries_on_machine(&path);
            }
            // `..` is hard to read. It can be removed only if the links on the way are known.
            if has_parents(&shown) {
                shown.clone_from(&path);
            }
            at = path;
        }
        let fact = FileFact {
            is_common: is_common(&shown),
            path: shown,
            uses,
            found,
            is_refused,
            machine_has_more,
        };
        (fact, at)
    }

    /// Whether the directory of a file is on the machine and not in the container.
    fn has_parent_on_machine(&self, path: &Path) -> bool {
        let Some(parent) = path.parent() else {
            return false;
        };
        self.layers.find(parent, true) == Sought::Absent
            && self.machine.find(parent, true, &[]) != Sought::Absent
    }

    /// Whether the machine's directory has an entry that the container's has not. Takes the path
    /// of the container's directory without symbolic links.
    fn has_more_entries_on_machine(&self, path: &Path) -> bool {
        let Sought::Present { path: at, kind } = self.machine.find(path, true, &[]) else {
            return false;
        };
        if kind != FileType::Directory {
            return false;
        }
        let (Some(in_container), Some(on_machine)) =
            (self.layers.tree.names(path), self.machine.names(&at))
        else {
            // Entries that cannot be listed may be more.
            return true;
        };
        !on_machine.is_subset(&in_container)
    }

    /// Whether the container lets a job write to the file that a path leads to.
    fn is_writable(&self, sought: &Sought) -> bool {
        let Sought::Mounted { path } = sought else {
            return self.container.has_writable_root;
        };
        let mounts = self.layers.mount_points.iter().zip(&self.container.mounts);
        let below = mounts.filter(|(mount_point, _)| path.starts_with(mount_point));
        // The last one of the same length covers the others.
        let innermost = below.max_by_key(|(mount_point, _)| mount_point.components().count());
        innermost.is_some_and(|(_, mount)| mount.is_writable)
    }
}

/// Marks the places where a program or library was searched for in vain before it was found in
/// another directory of the container.
fn mark_searches(files: &mut BTreeMap<PathBuf, FileFact>) {
    let was_used = |fact: &FileFact| fact.uses.executed || fact.uses.opened;
    let found: BTreeSet<_> = (files.values())
        .filter(|fact| fact.found == Found::Container && was_used(fact))
        .filter_map(|fact| fact.path.file_name().map(ToOwned::to_owned))
        .collect();
    let is_missing = |fact: &FileFact| fact.found == Found::Nowhere && !fact.uses.written;
    let mut searched = BTreeSet::new();
    for fact in files.values_mut().filter(|fact| is_missing(fact)) {
        let name = fact.path.file_name();
        if name.is_some_and(|name| found.contains(name)) {
            fact.is_common = true;
            searched.extend(fact.path.ancestors().skip(1).map(Path::to_owned));
        }
    }
    // The loader looks at a directory before it searches there.
    for fact in files.values_mut().filter(|fact| is_missing(fact)) {
        fact.is_common |= !was_used(fact) && searched.contains(&fact.path);
    }
}

fn has_parents(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Whether the C library and most runtimes ask for this file in every program.
fn is_common(path: &Path) -> bool {
    const FILES: [&str; 8] = [
        "/etc/gai.conf",
        "/etc/host.conf",
        "/etc/ld.so.cache",
        "/etc/ld.so.preload",
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/resolv.conf",
        "/etc/selinux/config",
    ];
    const DIRECTORIES: [&str; 10] = [
        "/etc/terminfo",
        "/lib/terminfo",
        "/run/nscd",
        "/selinux",
        "/usr/lib/debug",
        "/usr/lib/locale",
        "/usr/share/locale",
        "/usr/share/terminfo",
        "/usr/share/zoneinfo",
        "/var/run/nscd",
    ];
    let has = |name: &str| path.components().any(|part| part.as_os_str() == name);
    // Debug information beside a program, for backtraces.
    let is_debug = || {
        let extension = path.extension().unwrap_or_default();
        extension == "dwp" || extension == "debug"
    };
    FILES.iter().any(|file| path == Path::new(file))
        || DIRECTORIES.iter().any(|other| path.starts_with(other))
        || has("gconv")
        || has("glibc-hwcaps")
        || is_debug()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::ObservedMount;
    use std::fs::{self, File};

    fn establish_in(layers: &Path, files: &[(&str, Uses)]) -> Facts {
        establish_without(layers, files, "/left/out")
    }

    fn establish_without(layers: &Path, files: &[(&str, Uses)], left_out: &str) -> Facts {
        let left_out = [PathBuf::from(left_out)];
        let mut records = Records::default();
        for (path, uses) in files {
            records.add_file(path.into(), *uses);
        }
        let mount = |mount_point: &str, is_writable| ObservedMount {
            mount_point: mount_point.into(),
            is_writable,
        };
        let container = ObservedContainer {
            layers: std::sync::Arc::default(),
            mounts: vec![
                mount("/tmp", true),
                mount("/tmp/fixed", false),
                mount("/link/mounted", true),
            ],
            has_writable_root: false,
            working_directory: "/work".into(),
            program: Vec::new(),
        };
        let mount_points = container.mounts.iter().map(|mount| &*mount.mount_point);
        let layers = LayerFiles::new(File::open(layers).unwrap().into(), mount_points);
        let machine = Tree::of_machine().unwrap();
        establish(records, &layers, machine, &left_out, &container)
    }

    fn found(facts: &Facts) -> Vec<(&str, Found)> {
        let files = facts.files.iter();
        files
            .map(|fact| (fact.path.to_str().unwrap(), fact.found))
            .collect()
    }

    const LOOKED: Uses = Uses {
        looked_at: true,
        followed: true,
        ..Uses::NONE
    };

    #[test]
    fn files_are_in_the_container_or_on_the_machine_or_nowhere() {
        let layers = tempfile::tempdir().unwrap();
        let machine = tempfile::NamedTempFile::with_prefix_in("observed", "/var/tmp").unwrap();
        let on_machine = machine.path().to_str().unwrap();
        fs::write(layers.path().join("here"), "").unwrap();
        fs::create_dir(layers.path().join("lib")).unwrap();
        let facts = establish_in(
            layers.path(),
            &[
                ("/here", Uses::OPENED),
                ("/lib/../here", LOOKED),
                ("/nowhere/at/all", Uses::OPENED),
                (on_machine, Uses::OPENED),
                ("/tmp/x", Uses::OPENED),
            ],
        );
        let expected = [
            ("/here", Found::Container),
            ("/nowhere/at/all", Found::Nowhere),
            ("/tmp/x", Found::Mount),
            (on_machine, Found::Machine),
        ];
        assert_eq!(found(&facts), expected);
        assert!(facts.files[0].uses.looked_at && facts.files[0].uses.opened);
    }

    #[test]
    fn files_that_a_job_should_have_seen_are_noted() {
        let layers = tempfile::tempdir().unwrap();
        let machine = tempfile::tempdir_in("/var/tmp").unwrap();
        let at = |path: &str| machine.path().join(path).to_str().unwrap().to_owned();
        fs::create_dir(at("hidden")).unwrap();
        fs::write(at("hidden/file"), "").unwrap();
        fs::write(at("shown"), "").unwrap();
        std::os::unix::fs::symlink("hidden", at("link")).unwrap();
        for (path, expected) in [
            ("hidden/file", vec![Incomplete::LeftOut]),
            ("link/file", vec![Incomplete::LeftOut]),
            ("shown", vec![]),
            ("hidden/missing", vec![]),
        ] {
            let files = [(at(path), Uses::OPENED)];
            let files = files.each_ref().map(|(path, uses)| (path.as_str(), *uses));
            let facts = establish_without(layers.path(), &files, &at("hidden"));
            assert_eq!(facts.incomplete, expected.into_iter().collect(), "{path}");
        }
    }

    #[test]
    fn places_that_were_searched_in_vain_are_of_little_interest() {
        let layers = tempfile::tempdir().unwrap();
        fs::create_dir(layers.path().join("lib")).unwrap();
        fs::write(layers.path().join("lib/libx.so"), "").unwrap();
        let facts = establish_in(
            layers.path(),
            &[
                ("/lib/libx.so", Uses::OPENED),
                ("/lib/none/libx.so", Uses::OPENED),
                ("/lib/none", LOOKED),
                ("/lib/missing.so", Uses::OPENED),
                ("/none", LOOKED),
            ],
        );
        let common = facts.files.iter().filter(|fact| fact.is_common);
        let common: Vec<_> = common.map(|fact| fact.path.to_str().unwrap()).collect();
        assert_eq!(common, ["/lib/none", "/lib/none/libx.so"]);
    }

    #[test]
    fn the_machine_may_have_more_than_the_container() {
        let layers = tempfile::tempdir().unwrap();
        let machine = tempfile::tempdir_in("/var/tmp").unwrap();
        let at = |path: &str| machine.path().join(path);
        let in_layers = |path: &str| {
            let below = at(path).strip_prefix("/").unwrap().to_owned();
            layers.path().join(below)
        };
        for directory in ["equal", "larger", "smaller"] {
            fs::create_dir_all(at(directory)).unwrap();
            fs::create_dir_all(in_layers(directory)).unwrap();
        }
        fs::write(in_layers("equal/file"), "").unwrap();
        fs::write(in_layers("smaller/file"), "").unwrap();
        for file in ["equal/file", "larger/file"] {
            fs::write(at(file), "").unwrap();
        }
        fs::create_dir(at("only")).unwrap();
        let written = Uses {
            written: true,
            ..Uses::OPENED
        };
        let has_more = |path: &str, uses| {
            let path = at(path);
            let facts = establish_in(layers.path(), &[(path.to_str().unwrap(), uses)]);
            facts.files[0].machine_has_more
        };
        for (path, uses, expected) in [
            ("equal", Uses::OPENED, false),
            ("equal", LOOKED, false),
            ("smaller", Uses::OPENED, false),
            ("larger", Uses::OPENED, true),
            ("larger", LOOKED, false),
            ("larger/file", LOOKED, true),
            ("equal/file", Uses::OPENED, false),
            ("nowhere", Uses::OPENED, false),
            ("only/new", written, true),
            ("only/new", Uses::OPENED, false),
            ("larger/new", written, false),
            ("nowhere/new", written, false),
        ] {
            assert_eq!(has_more(path, uses), expected, "{path}, {uses:?}");
        }
    }

    #[test]
    fn an_opened_directory_counts_as_listed() {
        let layers = tempfile::tempdir().unwrap();
        fs::create_dir(layers.path().join("lib")).unwrap();
        let facts = establish_in(layers.path(), &[("/lib", Uses::OPENED)]);
        let uses = facts.files[0].uses;
        assert!(uses.listed && !uses.opened);
    }

    #[test]
    fn writes_to_read_only_places_are_refused() {
        let layers = tempfile::tempdir().unwrap();
        let written = Uses {
            written: true,
            ..Uses::default()
        };
        let paths = ["/etc/new", "/tmp/new", "/tmp/fixed/new"];
        let facts = establish_in(layers.path(), &paths.map(|path| (path, written)));
        let refused = facts.files.iter().filter(|fact| fact.is_refused);
        let refused: Vec<_> = refused.map(|fact| fact.path.as_path()).collect();
        assert_eq!(
            refused,
            [Path::new("/etc/new"), Path::new("/tmp/fixed/new")]
        );
    }

    #[test]
    fn writes_through_links_are_refused_where_the_links_lead() {
        use std::os::unix::fs::symlink;
        let layers = tempfile::tempdir().unwrap();
        let at = |path: &str| layers.path().join(path);
        fs::create_dir_all(at("place/mounted")).unwrap();
        symlink("place", at("link")).unwrap();
        symlink("/tmp/self/1", at("output")).unwrap();
        symlink("/tmp/fixed/file", at("fixed")).unwrap();
        let written = Uses {
            written: true,
            followed: true,
            ..Uses::default()
        };
        let removed = Uses {
            followed: false,
            ..written
        };
        let facts = establish_in(
            layers.path(),
            &[
                ("/output", written),
                ("/fixed", written),
                ("/link", removed),
                ("/link/mounted/new", written),
                ("/place/mounted/new", written),
                ("/link/new", written),
            ],
        );
        let refused = facts.files.iter().filter(|fact| fact.is_refused);
        let refused: Vec<_> = refused.map(|fact| fact.path.to_str().unwrap()).collect();
        assert_eq!(refused, ["/fixed", "/link", "/link/new"]);
    }

    #[test]
    fn interpreters_of_executed_scripts_are_facts() {
        let layers = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(layers.path().join(path), text).unwrap();
        write("script", "#!/inner -x\n");
        write("inner", "#!/no/such/shell\n");
        write("opened", "#!/not/executed\n");
        let files = [("/script", Uses::EXECUTED), ("/opened", Uses::OPENED)];
        let facts = establish_in(layers.path(), &files);
        let expected = [
            ("/inner", Found::Container),
            ("/no/such/shell", Found::Nowhere),
            ("/opened", Found::Container),
            ("/script", Found::Container),
        ];
        assert_eq!(found(&facts), expected);
        let executed = facts.files.iter().filter(|fact| fact.uses.executed);
        assert_eq!(executed.count(), 3);
    }

    #[test]
    fn a_script_that_is_its_own_interpreter_ends() {
        let layers = tempfile::tempdir().unwrap();
        fs::write(layers.path().join("round"), "#!/round\n").unwrap();
        let facts = establish_in(layers.path(), &[("/round", Uses::EXECUTED)]);
        assert_eq!(found(&facts), [("/round", Found::Container)]);
    }

    #[test]
    fn files_that_every_program_asks_for_are_common() {
        for path in [
            "/etc/ld.so.cache",
            "/usr/lib/locale/C.utf8/LC_CTYPE",
            "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache",
            "/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libc.so.6",
            "/var/run/nscd/socket",
        ] {
            assert!(is_common(Path::new(path)), "{path}");
        }
        for path in ["/etc/passwd", "/etc/ssl/certs/ca.pem", "/etc/ld.so.conf"] {
            assert!(!is_common(Path::new(path)), "{path}");
        }
    }
}
