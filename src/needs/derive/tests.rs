use super::grouping::{MOST_SINGLE_FILES, is_data_of};
use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A machine below a temporary directory. Paths of facts are the real ones.
struct Fake {
    directory: tempfile::TempDir,
    search_path: Utf8PathBuf,
}

const EXECUTED: Uses = Uses::EXECUTED;
const OPENED: Uses = Uses::OPENED;
const LISTED: Uses = Uses {
    listed: true,
    followed: true,
    ..Uses::NONE
};
const LOOKED_AT: Uses = Uses {
    looked_at: true,
    followed: true,
    ..Uses::NONE
};

impl Fake {
    fn new() -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp");
        fs::create_dir_all(&target).unwrap();
        let directory = tempfile::tempdir_in(fs::canonicalize(target).unwrap()).unwrap();
        let search_path = directory.path().join("bin").try_into().unwrap();
        Self {
            directory,
            search_path,
        }
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.directory.path().join(path)).unwrap()
    }

    fn write(&self, path: &str, mode: u32) -> Utf8PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn machine(&self) -> ClientMachine {
        ClientMachine {
            libraries: Libraries::new(),
            search_path: Some(self.search_path.clone().into_os_string()),
            toolchain: vec![self.path("sysroot"), self.path("cargo/registry")],
            private: vec![self.path("home"), self.path("cargo")],
            installed_programs: self.path("cargo/bin"),
            of_container: vec!["/proc".into(), self.path("tmp")],
            data: vec![self.path("lib")],
            workspace: vec![self.path("home/workspace")],
            target_directory: self.path("home/workspace/target"),
        }
    }

    fn derive(&self, files: &[(&Utf8Path, Uses)]) -> Candidates {
        let fact = |(path, uses): &(&Utf8Path, Uses)| FileFact {
            path: path.as_std_path().to_owned(),
            uses: *uses,
            found: Found::Machine,
            is_refused: false,
            is_common: false,
            machine_has_more: true,
        };
        let facts = Facts {
            files: files.iter().map(fact).collect(),
            ..Facts::default()
        };
        self.candidates(&facts)
    }

    fn candidates(&self, facts: &Facts) -> Candidates {
        derive(facts, &self.machine(), &[self.path("bin").into()])
    }

    fn used(&self, files: &[(&Utf8Path, Uses)]) -> Vec<String> {
        let used = self.derive(files).used.0;
        let root = self.path("");
        let name = |need: &Need| need.to_string().replace(root.as_str(), "");
        used.iter().map(name).collect()
    }
}

#[test]
fn programs_have_names_only_if_the_name_leads_to_the_same_program() {
    let fake = Fake::new();
    let tool = fake.write("bin/tool", 0o755);
    let hidden = fake.write("other/tool", 0o755);
    let installed = fake.write("cargo/bin/cargo-extra", 0o755);
    assert_eq!(fake.used(&[(&tool, EXECUTED)]), ["tool"]);
    assert_eq!(fake.used(&[(&hidden, EXECUTED)]), ["other/tool"]);
    assert_eq!(
        fake.used(&[(&installed, EXECUTED)]),
        ["cargo/bin/cargo-extra"]
    );
}

#[test]
fn files_of_a_toolchain_and_of_its_linker_are_the_toolchain() {
    let fake = Fake::new();
    let cargo = fake.write("cargo/bin/cargo", 0o755);
    let library = fake.write("sysroot/lib/libstd.rlib", 0o644);
    let start = fake.write("lib/crt1.o", 0o644);
    let linker = fake.write("bin/cc", 0o755);
    let all = [
        (&*cargo, EXECUTED),
        (&*library, OPENED),
        (&*start, OPENED),
        (&*linker, EXECUTED),
    ];
    for part in [&all[..], &all[..1], &all[1..2], &all[2..]] {
        assert_eq!(fake.used(part), ["toolchain"]);
    }
    // A file that is only looked at shows nothing.
    assert!(fake.used(&[(&library, LOOKED_AT)]).is_empty());
}

#[test]
fn a_directory_that_is_listed_is_needed_whole_and_its_files_are_not_named() {
    let fake = Fake::new();
    let file = fake.write("data/deep/file", 0o644);
    let directory = fake.path("data");
    assert_eq!(
        fake.used(&[(&directory, LISTED), (&file, OPENED)]),
        ["data/"]
    );
    // A directory with a file that not everybody may read is never packed.
    fake.write("data/secret", 0o640);
    let listed = [(&*directory, LISTED), (&*file, OPENED)];
    assert_eq!(fake.used(&listed), ["data/deep/file"]);
}

#[test]
fn many_files_of_one_directory_are_the_directory() {
    let fake = Fake::new();
    let files: Vec<_> = (0..=MOST_SINGLE_FILES)
        .map(|number| fake.write(&format!("many/{number}"), 0o644))
        .collect();
    let facts: Vec<_> = files.iter().map(|file| (&**file, OPENED)).collect();
    assert_eq!(fake.used(&facts), ["many/"]);
    assert_eq!(fake.used(&facts[1..]).len(), MOST_SINGLE_FILES);
}

#[test]
fn files_that_are_only_looked_at_are_tried_later() {
    let fake = Fake::new();
    let file = fake.write("data/file", 0o644);
    let candidates = fake.derive(&[(&file, LOOKED_AT)]);
    assert!(candidates.used.is_empty());
    assert_eq!(
        candidates.looked_at,
        Needs([Need::File(file.clone())].into())
    );
    let candidates = fake.derive(&[(&file, LOOKED_AT), (&fake.path("data"), LISTED)]);
    assert!(candidates.looked_at.is_empty());
}

#[test]
fn a_program_that_is_only_searched_is_a_program_and_tried_later() {
    let fake = Fake::new();
    let tool = fake.write("bin/tool", 0o755);
    let rustc = fake.write("bin/rustc", 0o755);
    let data = fake.write("bin/data", 0o644);
    for (path, expected) in [
        (&tool, Need::Program("tool".to_owned())),
        (&rustc, Need::Toolchain),
        (&data, Need::File(data.clone())),
    ] {
        let candidates = fake.derive(&[(path, LOOKED_AT)]);
        assert!(candidates.used.is_empty());
        assert_eq!(candidates.looked_at, Needs([expected].into()));
    }
}

#[test]
fn a_program_of_cargos_home_that_is_only_searched_is_offered() {
    let mut fake = Fake::new();
    let rustc = fake.write("cargo/bin/rustc", 0o755);
    fake.search_path = fake.path("cargo/bin");
    let candidates = fake.derive(&[(&rustc, LOOKED_AT)]);
    assert_eq!(candidates.looked_at, Needs([Need::Toolchain].into()));
}

#[test]
fn what_a_toolchain_builds_is_tried_after_the_toolchain() {
    let fake = Fake::new();
    let cargo = fake.write("cargo/bin/cargo", 0o755);
    let program = fake.write("home/workspace/target/debug/program", 0o755);
    let state = fake.write("home/workspace/target/debug/.cargo-lock", 0o644);
    let files = [(&*program, EXECUTED), (&*state, OPENED)];
    let with_cargo = [files[0], files[1], (&*cargo, EXECUTED)];
    let candidates = fake.derive(&with_cargo);
    assert_eq!(candidates.used, Needs([Need::Toolchain].into()));
    assert_eq!(candidates.built.0.len(), 2);
    // Without a toolchain, nothing else can bring them.
    assert_eq!(fake.used(&files).len(), 2);
}

#[test]
fn files_of_another_target_directory_in_the_workspace_count_as_built() {
    let fake = Fake::new();
    let cargo = fake.write("cargo/bin/cargo", 0o755);
    let script = fake.write("home/workspace/tests/data/target/debug/build-script", 0o755);
    let files = [(&*cargo, EXECUTED), (&*script, EXECUTED)];
    // An ordinary program.
    assert!(fake.derive(&files).built.is_empty());
    // Cargo marks its target directories as caches.
    fake.write("home/workspace/tests/data/target/CACHEDIR.TAG", 0o644);
    let candidates = fake.derive(&files);
    assert_eq!(candidates.used, Needs([Need::Toolchain].into()));
    assert_eq!(
        candidates.built,
        Needs([Need::Program(script.to_string())].into())
    );
}

#[test]
fn private_files_are_nobodys_need() {
    let fake = Fake::new();
    for (path, mode) in [
        ("home/notes", 0o644),
        ("cargo/credentials.toml", 0o644),
        ("cargo/config.toml", 0o644),
        ("etc/shadow", 0o644),
        ("etc/key", 0o640),
        ("home/workspace/.env", 0o644),
        ("home/workspace/.env.local", 0o644),
        ("home/workspace/.ssh/id", 0o644),
    ] {
        let file = fake.write(path, mode);
        let candidates = fake.derive(&[(&file, OPENED)]);
        assert!(candidates.used.is_empty(), "{path}");
        let is_visible = !path.starts_with("home/notes") && !path.starts_with("cargo");
        let withheld: Vec<_> = is_visible.then_some(file).into_iter().collect();
        assert_eq!(candidates.withheld, withheld, "{path}");
        // Nor are they given as a part of a directory.
        let directory = fake.path(path);
        let directory = directory.parent().unwrap();
        assert!(fake.used(&[(directory, LISTED)]).is_empty(), "{path}");
    }
    let ignored = fake.write("home/workspace/ignored", 0o644);
    assert_eq!(fake.used(&[(&ignored, OPENED)]), ["home/workspace/ignored"]);
}

#[test]
fn files_of_the_container_that_are_common_or_elsewhere_are_left_out() {
    let fake = Fake::new();
    let own = fake.write("tmp/own", 0o644);
    for path in [Utf8Path::new("/proc/cpuinfo"), &own] {
        let candidates = fake.derive(&[(path, OPENED)]);
        assert_eq!(candidates, Candidates::default(), "{path}");
    }
    let file = fake.write("data", 0o644);
    let mut facts = Facts {
        files: vec![FileFact {
            path: file.into(),
            uses: OPENED,
            found: Found::Nowhere,
            is_refused: false,
            is_common: false,
            machine_has_more: false,
        }],
        ..Facts::default()
    };
    assert_eq!(fake.candidates(&facts), Candidates::default());
    facts.files[0].found = Found::Machine;
    assert_eq!(fake.candidates(&facts).used.0.len(), 1);
    facts.files[0].is_common = true;
    assert_eq!(fake.candidates(&facts), Candidates::default());
}

#[test]
fn libraries_of_a_program_come_with_it() {
    let fake = Fake::new();
    let program = fake.path("bin/program");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let libraries =
        fake.machine()
            .libraries
            .programs(&[program.to_string()], None, &SearchContext::default());
    let libraries = libraries.unwrap();
    let library = libraries.iter().find_map(|(_, entry)| {
        let file = entry.file()?.to_str()?;
        file.contains("libc.so").then(|| Utf8PathBuf::from(file))
    });
    let library = library.expect("the test is linked with the C library");
    assert_eq!(
        fake.used(&[(&program, EXECUTED), (&library, OPENED)]),
        ["program"]
    );
    assert_eq!(fake.used(&[(&library, OPENED)]), [library.to_string()]);
}

#[test]
fn data_directories_belong_to_programs_by_their_names() {
    for (name, program, expected) in [
        ("git-core", "git", true),
        ("git", "git", true),
        ("python3.11", "python", true),
        ("perl5", "perl", true),
        ("gitweb", "git", false),
        ("python-tools", "python", true),
        ("x86_64-linux-gnu", "git", false),
    ] {
        assert_eq!(is_data_of(name, program), expected, "{name} {program}");
    }
}

/// A program and another one of its data, which has the same libraries. They are two names of this
/// test, as the programs of git are.
fn program_with_data(fake: &Fake) -> [Utf8PathBuf; 2] {
    let paths = [fake.path("bin/tool"), fake.path("lib/tool-core/tool-run")];
    for path in &paths {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(std::env::current_exe().unwrap(), path).unwrap();
    }
    paths
}

#[test]
fn a_program_among_the_data_of_another_is_needed_with_the_data() {
    let fake = Fake::new();
    let [tool, run] = program_with_data(&fake);
    let both = [(&*tool, EXECUTED), (&*run, EXECUTED)];
    assert_eq!(fake.used(&both), ["tool", "lib/tool-core/"]);
    // Its data belong to no other program.
    assert_eq!(fake.used(&both[1..]), ["lib/tool-core/tool-run"]);
    let other = fake.write("bin/other", 0o755);
    assert_eq!(
        fake.used(&[(&other, EXECUTED), (&run, EXECUTED)]),
        ["lib/tool-core/tool-run", "other"]
    );
    // Data that cannot be packed.
    fake.write("lib/tool-core/secret", 0o640);
    assert_eq!(fake.used(&both), ["lib/tool-core/tool-run", "tool"]);
}

#[test]
fn a_program_among_data_stays_a_program_if_it_has_libraries_of_its_own() {
    let fake = Fake::new();
    let [tool, run] = program_with_data(&fake);
    // A file without libraries.
    fs::remove_file(&tool).unwrap();
    let tool = fake.write("bin/tool", 0o755);
    assert_eq!(
        fake.used(&[(&tool, EXECUTED), (&run, EXECUTED)]),
        ["lib/tool-core/tool-run", "tool", "lib/tool-core/"]
    );
}

#[test]
fn hard_links_of_a_large_file_count_once() {
    let fake = Fake::new();
    let file = fake.write("lib/tool-core/large", 0o644);
    let large = fs::File::options().write(true).open(&file).unwrap();
    large.set_len(MOST_BYTES / 2 + 1).unwrap();
    fs::hard_link(&file, fake.path("lib/tool-core/again")).unwrap();
    let directory = fake.path("lib/tool-core");
    let listed = [(&*directory, LISTED)];
    assert_eq!(fake.used(&listed), ["lib/tool-core/"]);
    let copy = fake.write("lib/tool-core/copy", 0o644);
    let copy = fs::File::options().write(true).open(copy).unwrap();
    copy.set_len(MOST_BYTES / 2 + 1).unwrap();
    assert!(fake.used(&listed).is_empty());
}
