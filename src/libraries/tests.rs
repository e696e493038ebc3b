//! The search against the real thing: small programs and libraries are built
//! with the C compiler, and what is found is compared with what the system's
//! loader says (`LD_TRACE_LOADED_OBJECTS`), or run with nothing else around.

use super::cache::tests::{line, new_format};
use super::closure::fold;
use super::elf::Object;
use super::loader::{GlibcPaths, usual_loader};
use super::*;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory to build in. Its path has no symlinks.
struct Lab {
    root: Utf8PathBuf,
    _directory: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        Self {
            root: Utf8PathBuf::from_path_buf(root).unwrap(),
            _directory: directory,
        }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn script(&self, name: &str, content: &str) -> Utf8PathBuf {
        let path = self.write(name, content);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A shared library, its file name being its name, that needs `needs`.
    fn library(&self, name: &str, needs: &[&str], options: &[&str]) -> Utf8PathBuf {
        let path = self.path(name);
        let soname = format!("-Wl,-soname,{}", path.file_name().unwrap());
        let options = [&["-shared", "-fPIC", &soname], options].concat();
        self.compile(name, "int nothing_much;", needs, &options)
    }

    fn program(&self, name: &str, needs: &[&str], options: &[&str]) -> Utf8PathBuf {
        self.compile(name, "int main(void) { return 0; }", needs, options)
    }

    fn compile(&self, name: &str, text: &str, needs: &[&str], options: &[&str]) -> Utf8PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = self.write(&format!("{name}.c"), text);
        let mut cc = Command::new("cc");
        cc.args(["-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-o"]);
        cc.arg(&path).arg(source);
        cc.args(needs.iter().map(|library| self.path(library)));
        let output = cc.args(options).output().unwrap();
        assert!(output.status.success(), "{}", text_of(&output.stderr));
        path
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn library_path(directories: &[&Utf8Path]) -> SearchContext {
    SearchContext {
        library_path: directories.iter().map(|&path| path.to_owned()).collect(),
        ..SearchContext::default()
    }
}

fn closure_of(binary: &Utf8Path, context: &SearchContext) -> Closure {
    closure(&[binary.to_owned()], context).unwrap()
}

fn missing_of(binary: &Utf8Path, context: &SearchContext) -> Vec<MissingLibrary> {
    match closure(&[binary.to_owned()], context) {
        Err(LibraryError::MissingLibraries(missing)) => missing.0,
        other => panic!("{other:?}"),
    }
}

/// Asserts that the loader would load just what the search found.
fn assert_as_the_loader_does(binary: &Utf8Path, context: &SearchContext) {
    let found = closure_of(binary, context);
    let truth = loader_says(binary, context);
    assert!(!truth.is_empty(), "{binary}");
    for path in &truth {
        let entry = found
            .get(path)
            .unwrap_or_else(|| panic!("{binary}: {}", path.display()));
        assert_eq!(
            entry.file().unwrap(),
            fs::canonicalize(path).unwrap(),
            "{binary}"
        );
    }
    let by_itself = [
        "libgcc_s.so.1",
        "libnss_files.so.2",
        "libnss_dns.so.2",
        "libresolv.so.2",
    ];
    for (path, entry) in &found {
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = truth.contains(path) || by_itself.contains(&name);
        assert!(
            expected || *entry == Entry::Directory,
            "{binary}: {}",
            path.display()
        );
    }
}

/// The paths that the loader would load for `binary`, folded.
fn loader_says(binary: &Utf8Path, context: &SearchContext) -> Vec<PathBuf> {
    let library_path: Vec<_> = context
        .library_path
        .iter()
        .map(|path| path.as_str())
        .collect();
    let output = Command::new(binary)
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .env("LD_LIBRARY_PATH", library_path.join(":"))
        .output()
        .unwrap();
    let text = text_of(&output.stdout);
    text.lines()
        .filter_map(|line| {
            let line = line.trim().rsplit_once(" (0x")?.0;
            let path = line.rsplit_once(" => ").map_or(line, |(_, path)| path);
            path.starts_with('/').then(|| fold(Path::new(path)).0)
        })
        .collect()
}

#[test]
fn a_program_has_its_loader_and_its_libraries() {
    let lab = Lab::new();
    let program = lab.program("main", &[], &[]);
    assert_as_the_loader_does(&program, &SearchContext::default());
}

#[test]
fn programs_of_the_system_have_what_their_loader_says() {
    let mut seen = 0;
    for name in [
        "sh", "bash", "ls", "cc", "ld", "git", "perl", "tar", "ssh", "curl", "gdb",
    ] {
        let path = Utf8PathBuf::from("/usr/bin").join(name);
        if path.is_file() && fs::read(&path).unwrap().starts_with(b"\x7fELF") {
            assert_as_the_loader_does(&path, &SearchContext::default());
            seen += 1;
        }
    }
    assert!(seen > 0);
    let this = std::env::current_exe().unwrap();
    let this = Utf8PathBuf::from_path_buf(this).unwrap();
    assert_as_the_loader_does(&this, &SearchContext::default());
}

#[test]
fn files_that_are_static_or_not_elf_need_nothing() {
    let lab = Lab::new();
    let options = ["-static", "-nostdlib", "-nostartfiles"];
    let program = lab.compile("main", "void _start(void) { for (;;); }", &[], &options);
    let text = lab.write("text", "hello");
    let empty = lab.write("empty", "");
    let found = closure(&[program, text, empty], &SearchContext::default()).unwrap();
    assert!(found.is_empty());
}

#[test]
fn rpath_goes_before_library_path_which_goes_before_runpath() {
    let lab = Lab::new();
    let there = lab.library("there/libx.so", &[], &[]);
    let here = lab.library("here/libx.so", &[], &[]);
    let rpath = format!("-Wl,-rpath,{}", lab.path("there"));
    let context = library_path(&[&lab.path("here")]);

    let old = lab.program(
        "old",
        &["there/libx.so"],
        &["-Wl,--disable-new-dtags", &rpath],
    );
    assert!(closure_of(&old, &context).get(&there).is_some());
    assert_as_the_loader_does(&old, &context);

    let new = lab.program(
        "new",
        &["there/libx.so"],
        &["-Wl,--enable-new-dtags", &rpath],
    );
    assert!(closure_of(&new, &context).get(&here).is_some());
    assert!(
        closure_of(&new, &SearchContext::default())
            .get(&there)
            .is_some()
    );
    assert_as_the_loader_does(&new, &context);
    assert_as_the_loader_does(&new, &SearchContext::default());
}

#[test]
fn rpath_is_inherited_but_runpath_is_not() {
    let lab = Lab::new();
    lab.library("lib/libinner.so", &[], &[]);
    lab.library("lib/libouter.so", &["lib/libinner.so"], &[]);
    let rpath = format!("-Wl,-rpath,{}", lab.path("lib"));

    let old = lab.program(
        "old",
        &["lib/libouter.so"],
        &["-Wl,--disable-new-dtags", &rpath],
    );
    assert_as_the_loader_does(&old, &SearchContext::default());

    let new = lab.program(
        "new",
        &["lib/libouter.so"],
        &["-Wl,--enable-new-dtags", &rpath],
    );
    let missing = missing_of(&new, &SearchContext::default());
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].name, Path::new("libinner.so"));
    assert_eq!(missing[0].needed_by, lab.path("lib/libouter.so"));
}

#[test]
fn a_runpath_on_the_way_cuts_off_the_rpath_above_for_its_own_needs_only() {
    let lab = Lab::new();
    lab.library("lib/libinner.so", &[], &[]);
    lab.library("lib/libmiddle.so", &["lib/libinner.so"], &[]);
    let elsewhere = ["-Wl,--enable-new-dtags", "-Wl,-rpath,/nowhere"];
    lab.library("lib/libouter.so", &["lib/libmiddle.so"], &elsewhere);
    let rpath = format!("-Wl,-rpath,{}", lab.path("lib"));
    let options = ["-Wl,--disable-new-dtags", &rpath];

    let program = lab.program("one", &["lib/libouter.so"], &options);
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, Path::new("libmiddle.so"));

    lab.library("lib/libouter.so", &["lib/libinner.so"], &elsewhere);
    let program = lab.program("two", &["lib/libmiddle.so", "lib/libouter.so"], &options);
    assert_as_the_loader_does(&program, &SearchContext::default());
}

#[test]
fn what_another_library_found_before_is_found_by_name() {
    let lab = Lab::new();
    lab.library("hidden/libdeep.so", &[], &[]);
    let knows = format!("-Wl,-rpath,{}", lab.path("hidden"));
    let knows = ["-Wl,--enable-new-dtags", &knows];
    lab.library("lib/liba.so", &["hidden/libdeep.so"], &knows);
    lab.library("lib/libleaf.so", &["hidden/libdeep.so"], &[]);
    lab.library("lib/libb.so", &["lib/libleaf.so"], &[]);
    let context = library_path(&[&lab.path("lib")]);
    // Breadth first: libdeep.so is found for liba.so before libleaf.so needs it.
    let program = lab.program("main", &["lib/libb.so", "lib/liba.so"], &[]);
    assert_as_the_loader_does(&program, &context);
}

#[test]
fn origin_is_where_the_file_is() {
    let lab = Lab::new();
    lab.library("lib/deep/libinner.so", &[], &[]);
    let inner = "-Wl,-rpath,${ORIGIN}/deep";
    lab.library("lib/libouter.so", &["lib/deep/libinner.so"], &[inner]);
    let outer = "-Wl,-rpath,$ORIGIN/../lib";
    let program = lab.program("bin/main", &["lib/libouter.so"], &[outer]);
    assert_as_the_loader_does(&program, &SearchContext::default());
    let found = closure_of(&program, &SearchContext::default());
    assert_eq!(found.get(lab.path("bin")), Some(&Entry::Directory));
    assert!(found.get(lab.path("lib/deep/libinner.so")).is_some());
}

#[test]
fn a_program_below_a_symlink_finds_its_libraries_from_both_paths() {
    let lab = Lab::new();
    let library = lab.library("real/libx.so", &[], &[]);
    lab.program("real/main", &["real/libx.so"], &["-Wl,-rpath,$ORIGIN"]);
    symlink(lab.path("real"), lab.path("seeming")).unwrap();
    let found = closure_of(&lab.path("seeming/main"), &SearchContext::default());
    assert_eq!(
        found.get(&library),
        Some(&Entry::File(library.clone().into()))
    );
    let entry = found.get(lab.path("seeming/libx.so")).unwrap();
    assert_eq!(entry.file(), Some(library.as_std_path()));
}

#[test]
fn lib_is_the_loader_s_own() {
    let Some(says) = diagnostics() else { return };
    let lab = Lab::new();
    let directory = format!("opt/{}", says["dl_dst_lib"]);
    lab.library(&format!("{directory}/libx.so"), &[], &[]);
    let rpath = format!("-Wl,-rpath,{}/$LIB", lab.path("opt"));
    let program = lab.program("main", &[&format!("{directory}/libx.so")], &[&rpath]);
    assert_as_the_loader_does(&program, &SearchContext::default());
}

#[test]
fn a_name_with_a_slash_is_a_path() {
    let lab = Lab::new();
    // Without a soname, the path given to the linker is the name.
    lab.compile("lib/libx.so", "int x;", &[], &["-shared", "-fPIC"]);
    let program = lab.program("main", &["lib/libx.so"], &[]);
    assert_as_the_loader_does(&program, &SearchContext::default());
    fs::remove_file(lab.path("lib/libx.so")).unwrap();
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, lab.path("lib/libx.so"));
}

#[test]
fn a_symlink_to_a_library_becomes_a_file_with_its_content() {
    let lab = Lab::new();
    let library = lab.library("lib/libx.so.1", &[], &[]);
    fs::rename(&library, lab.path("lib/libx.so.1.2")).unwrap();
    symlink("libx.so.1.2", &library).unwrap();
    let program = lab.program("main", &["lib/libx.so.1"], &[]);
    let found = closure_of(&program, &library_path(&[&lab.path("lib")]));
    let file = PathBuf::from(lab.path("lib/libx.so.1.2"));
    assert_eq!(found.get(&library), Some(&Entry::File(file)));
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let lab = Lab::new();
    let right = lab.library("right/libx.so", &[], &[]);
    let mut foreign = fs::read(&right).unwrap();
    foreign[18..20].copy_from_slice(&0x00f3_u16.to_ne_bytes());
    let wrong = lab.write("wrong/libx.so", foreign);
    let program = lab.program("main", &["right/libx.so"], &[]);
    assert_as_the_loader_does(
        &program,
        &library_path(&[&lab.path("wrong"), &lab.path("right")]),
    );
    let missing = missing_of(&program, &library_path(&[&lab.path("wrong")]));
    assert_eq!(
        missing[0].passed_over,
        [(
            PathBuf::from(wrong),
            "for another kind of machine".to_owned()
        )]
    );
}

#[test]
fn a_file_that_is_no_library_ends_the_search_as_it_does_for_the_loader() {
    let lab = Lab::new();
    lab.library("right/libx.so", &[], &[]);
    lab.write("wrong/libx.so", "INPUT(libx.so.1)\n".repeat(80));
    let program = lab.program("main", &["right/libx.so"], &[]);
    let context = library_path(&[&lab.path("wrong"), &lab.path("right")]);
    let missing = missing_of(&program, &context);
    assert!(missing[0].passed_over[0].1.starts_with("not an ELF file"));
}

#[test]
fn every_missing_library_is_named_with_who_needs_it_and_where_it_was_looked_for() {
    let lab = Lab::new();
    let one = lab.library("lib/libone.so", &[], &[]);
    let two = lab.library("lib/libtwo.so", &[], &[]);
    let rpath = ["-Wl,-rpath,/from/runpath", "-Wl,--enable-new-dtags"];
    let program = lab.program("main", &["lib/libone.so", "lib/libtwo.so"], &rpath);
    fs::remove_file(one).unwrap();
    fs::remove_file(two).unwrap();
    let context = library_path(&[Utf8Path::new("/from/environment")]);
    let message = closure(std::slice::from_ref(&program), &context)
        .unwrap_err()
        .to_string();
    for part in [
        "cannot find 2 shared libraries:",
        "  libone.so\n",
        "  libtwo.so\n",
        &format!("needed by {program}\n"),
        "looked in /from/environment (LD_LIBRARY_PATH)",
        &format!("looked in /from/runpath (RUNPATH of {program})"),
        "(a default directory)",
        "put its directory into LD_LIBRARY_PATH",
        "include_shared_libraries = false",
    ] {
        assert!(message.contains(part), "{part} in:\n{message}");
    }
}

#[test]
fn a_missing_loader_is_named() {
    let lab = Lab::new();
    let program = lab.program("main", &[], &["-Wl,--dynamic-linker=/no/ld-linux.so.9"]);
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, Path::new("/no/ld-linux.so.9"));
    assert_eq!(missing[0].needed_by, program);
}

#[test]
fn a_library_by_itself_has_the_usual_loader_and_its_libraries() {
    let lab = Lab::new();
    let library = lab.library("libx.so", &[], &[]);
    let found = closure_of(&library, &SearchContext::default());
    let program = lab.program("main", &[], &[]);
    assert_eq!(found, closure_of(&program, &SearchContext::default()));
}

#[test]
fn no_default_directory_is_searched_for_a_file_that_forbids_it() {
    let lab = Lab::new();
    let program = lab.program("main", &[], &["-Wl,-z,nodefaultlib"]);
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, Path::new("libc.so.6"));
    let all = missing[0].looked_in.iter();
    assert!(
        all.clone()
            .all(|place| place.because != "a default directory")
    );
}

#[test]
fn a_library_from_the_cache_is_at_its_path_and_where_the_loader_looks() {
    let lab = Lab::new();
    let inner = lab.library("odd/libinner.so", &[], &[]);
    let outer = lab.library(
        "odd/libouter.so",
        &["odd/libinner.so"],
        &["-Wl,-rpath,$ORIGIN"],
    );
    let program = lab.program("main", &["odd/libouter.so"], &[]);
    let cache = new_format(&[line("libouter.so", outer.as_str(), 0)]);
    let context = SearchContext {
        cache: Some(lab.write("ld.so.cache", cache)),
        ..SearchContext::default()
    };
    let found = closure_of(&program, &context);
    let loader = fs::read(Object::interpreter_of(&program)).unwrap();
    let architecture = Object::of(&program).architecture;
    let first = GlibcPaths::of_loader(&loader, architecture)
        .directories
        .remove(0);
    for library in [&inner, &outer] {
        assert_eq!(found.get(library), Some(&Entry::File(library.into())));
        let entry = found.get(first.join(library.file_name().unwrap()));
        assert!(matches!(entry, Some(Entry::Symlink { target, .. }) if target == library));
    }
    runs_alone(&found, &program, &[]);
}

#[test]
fn a_variant_for_newer_processors_counts_only_without_a_baseline() {
    let Some(&level) = hwcaps::levels().last() else {
        return;
    };
    let lab = Lab::new();
    let variant = format!("lib/glibc-hwcaps/{level}/libx.so");
    lab.library(&variant, &[], &[]);
    let program = lab.program("main", &[&variant], &[]);
    let context = library_path(&[&lab.path("lib")]);
    assert_as_the_loader_does(&program, &context);
    let baseline = lab.library("lib/libx.so", &[], &[]);
    let found = closure_of(&program, &context);
    assert!(found.get(baseline).is_some());
    assert!(found.get(lab.path(&variant)).is_none());
}

#[test]
fn what_is_read_from_the_loader_is_what_the_loader_says() {
    let Some(says) = diagnostics() else { return };
    let this = Object::of(std::env::current_exe().unwrap());
    let loader = fs::read(this.interpreter.unwrap()).unwrap();
    let paths = GlibcPaths::of_loader(&loader, this.architecture);
    let directories: Vec<_> = says
        .iter()
        .filter(|(key, _)| key.starts_with("path.system_dirs"))
        .map(|(_, value)| PathBuf::from(value.trim_end_matches('/')))
        .collect();
    assert_eq!(paths.directories, directories);
    assert_eq!(paths.lib(), Some(says["dl_dst_lib"].as_bytes()));
    let cache = Path::new(&says["path.sysconfdir"]).join("ld.so.cache");
    assert_eq!(paths.cache, Some(cache));
}

/// What the loader of this system says about itself (since glibc 2.33).
fn diagnostics() -> Option<BTreeMap<String, String>> {
    let loader = Object::of(std::env::current_exe().unwrap()).interpreter?;
    let output = Command::new(loader)
        .arg("--list-diagnostics")
        .output()
        .ok()?;
    let text = text_of(&output.stdout);
    let pairs: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    if pairs.is_empty() {
        eprintln!("skipped: the loader does not know --list-diagnostics");
    }
    (!pairs.is_empty()).then_some(pairs)
}

#[test]
fn musl_s_loader_searches_in_its_own_way() {
    let lab = Lab::new();
    let machine = "x86_64";
    let loader = lab.library(&format!("lib/ld-musl-{machine}.so.1"), &[], &["-nostdlib"]);
    let list = lab.write(
        &format!("etc/ld-musl-{machine}.path"),
        format!("/no\n{}", lab.path("own")),
    );
    lab.library("own/libown.so", &[], &["-nostdlib"]);
    lab.library("run/libinner.so", &["own/libown.so"], &["-nostdlib"]);
    lab.library("run/libouter.so", &["run/libinner.so"], &["-nostdlib"]);
    lab.library("stand-in/libc.so", &[], &["-nostdlib"]);
    let program = lab.program(
        "main",
        &["run/libouter.so", "stand-in/libc.so"],
        &[
            "-nostdlib",
            "-Wl,-e,main",
            &format!("-Wl,--dynamic-linker={loader}"),
            &format!("-Wl,--enable-new-dtags,-rpath,{}", lab.path("run")),
        ],
    );
    let found = closure_of(&program, &SearchContext::default());
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_path()).collect();
    // RUNPATH is inherited, and libc.so is the loader.
    let expected = [
        list,
        loader,
        lab.path("own/libown.so"),
        lab.path("run/libinner.so"),
        lab.path("run/libouter.so"),
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_library_that_changes_is_read_again() {
    let lab = Lab::new();
    lab.library("lib/liba.so", &[], &[]);
    lab.library("lib/libb.so", &[], &[]);
    let program = lab.program("main", &["lib/liba.so"], &[]);
    let context = library_path(&[&lab.path("lib")]);
    let libraries = Libraries::new();
    let binaries = [program];
    let before = libraries.closure(&binaries, &context).unwrap();
    assert!(before.get(lab.path("lib/libb.so")).is_none());
    fs::remove_file(lab.path("lib/liba.so")).unwrap();
    lab.library("lib/liba.so", &["lib/libb.so"], &[]);
    let after = libraries.closure(&binaries, &context).unwrap();
    assert!(after.get(lab.path("lib/libb.so")).is_some());
}

#[test]
fn threads_share_what_was_read_and_find_the_same() {
    let lab = Lab::new();
    let binaries = [lab.program("main", &[], &[])];
    let libraries = Libraries::new();
    let context = SearchContext::default();
    let expected = closure(&binaries, &context).unwrap();
    std::thread::scope(|scope| {
        let search = || libraries.closure(&binaries, &context).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(search)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for &mut Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for &mut Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn little_of_a_large_binary_is_read() {
    let path = std::env::current_exe().unwrap();
    let size = fs::metadata(&path).unwrap().len();
    let mut file = Counted {
        inner: fs::File::open(&path).unwrap(),
        bytes: 0,
    };
    Object::read(&mut file).unwrap().unwrap();
    println!("{} of {size} bytes read", file.bytes);
    assert!(file.bytes < 16 * 1024, "{} bytes read", file.bytes);
}

#[test]
fn an_elf_file_cut_short_or_altered_is_damaged_or_read_but_no_panic() {
    let lab = Lab::new();
    let whole = fs::read(lab.library("libx.so", &[], &["-Wl,-rpath,/x"])).unwrap();
    for length in (0..whole.len()).step_by(97).chain(0..1200) {
        let _ = Object::read(io::Cursor::new(&whole[..length]));
    }
    let dynamic = whole.len() / 2..whole.len();
    for at in (0..1200).chain(dynamic.step_by(13)) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut altered = whole.clone();
            altered[at] = value;
            let _ = Object::read(io::Cursor::new(altered));
        }
    }
}

impl Object {
    fn of(path: impl AsRef<Path>) -> Self {
        Self::read(fs::File::open(path.as_ref()).unwrap())
            .unwrap()
            .unwrap()
    }

    fn interpreter_of(path: impl AsRef<Path>) -> PathBuf {
        Self::of(path).interpreter.unwrap()
    }
}

#[test]
fn the_usual_loader_is_the_one_that_programs_name() {
    let this = Object::of(std::env::current_exe().unwrap());
    let usual = usual_loader(this.architecture, &this.dependencies);
    assert_eq!(usual, this.interpreter);
}

fn programs_of(names: &[&str], path: &str) -> Result<Closure, LibraryError> {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    programs(&names, Some(OsStr::new(path)), &SearchContext::default())
}

#[test]
fn a_shell_is_at_its_own_path_and_at_bin_sh() {
    let found = programs_of(&["sh"], "/nowhere:/usr/bin:/bin").unwrap();
    let file = fs::canonicalize("/bin/sh").unwrap();
    for path in ["/bin/sh", file.to_str().unwrap()] {
        assert_eq!(found.get(path).and_then(Entry::file), Some(file.as_path()));
    }
    assert_eq!(found.get(&file), Some(&Entry::File(file.clone())));
}

#[test]
fn a_program_s_symlinks_are_kept() {
    let lab = Lab::new();
    let file = lab.script("opt/v2/tool", "#!/bin/sh\n");
    symlink("v2", lab.path("opt/current")).unwrap();
    fs::create_dir(lab.path("bin")).unwrap();
    symlink("../opt/current/tool", lab.path("bin/tool-2")).unwrap();
    symlink("tool-2", lab.path("bin/tool")).unwrap();
    let found = programs_of(&["tool"], lab.path("bin").as_str()).unwrap();
    let target = |path: &str| match found.get(lab.path(path)).unwrap() {
        Entry::Symlink { target, .. } => target.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(target("bin/tool"), lab.path("bin/tool-2"));
    assert_eq!(target("bin/tool-2"), file);
    assert_eq!(found.get(&file), Some(&Entry::File(file.clone().into())));
}

#[test]
fn a_script_brings_its_interpreter_and_what_env_runs() {
    let lab = Lab::new();
    lab.script("bin/one", "#!/usr/bin/env two\n");
    let two = lab.script("bin/two", &format!("#!{} -x\n", lab.path("three")));
    let three = lab.script("three", "#!/bin/sh\n");
    let path = format!("{}:/usr/bin:/bin", lab.path("bin"));
    let found = programs_of(&["one"], &path).unwrap();
    for path in [two.as_str(), three.as_str(), "/usr/bin/env", "/bin/sh"] {
        assert!(found.get(path).is_some(), "{path}");
    }
}

#[test]
fn every_missing_program_is_named_with_the_path_searched() {
    let lab = Lab::new();
    lab.script("bin/script", "#!/no/such/interpreter\n");
    let file = lab.write("bin/plain", "");
    let path = format!("{}:/nowhere", lab.path("bin"));
    let error = programs_of(&["plain", "absent", "script"], &path).unwrap_err();
    let message = error.to_string();
    for part in [
        "cannot find 3 programs:",
        &format!("  plain ({file} is not executable)\n"),
        "  absent\n",
        &format!(
            "  /no/such/interpreter, which runs the script {}\n",
            lab.path("bin/script")
        ),
        &format!("looked in PATH: {path}\n"),
    ] {
        assert!(message.contains(part), "{part} in:\n{message}");
    }
}

#[test]
fn a_shell_runs_with_nothing_but_its_closure() {
    let found = programs_of(&["sh", "true"], "/usr/bin:/bin").unwrap();
    let shell = Utf8Path::new("/bin/sh");
    runs_alone(&found, shell, &["-c", "PATH=/usr/bin:/bin; exec true"]);
}

#[test]
fn a_program_runs_with_nothing_but_its_closure() {
    let lab = Lab::new();
    lab.library("lib/deep/libinner.so", &[], &[]);
    let inner = "-Wl,-rpath,$ORIGIN/../lib/deep";
    lab.library("lib/libouter.so", &["lib/deep/libinner.so"], &[inner]);
    let outer = "-Wl,-rpath,$ORIGIN/x/../../lib";
    fs::create_dir_all(lab.path("bin/x")).unwrap();
    let program = lab.program("bin/main", &["lib/libouter.so"], &[outer]);
    let found = closure_of(&program, &SearchContext::default());
    runs_alone(&found, &program, &[]);
}

/// Lays out `closure` and `program` in a directory, and runs the program with
/// that as its root.
fn runs_alone(closure: &Closure, program: &Utf8Path, arguments: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    let inside = |path: &Path| {
        let path = root.path().join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for (path, entry) in closure {
        let path = inside(path);
        match entry {
            Entry::File(file) => drop(fs::copy(file, path).unwrap()),
            Entry::Symlink { target, .. } => symlink(target, path).unwrap(),
            Entry::Directory => fs::create_dir_all(path).unwrap(),
        }
    }
    if closure.get(program).is_none() {
        fs::copy(program, inside(program.as_std_path())).unwrap();
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.arg("--map-root-user");
        unshare
    };
    if !unshare()
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("SKIPPED: no user namespaces here");
        return;
    }
    // Not `chroot`, which is not on everybody's PATH.
    let mut rooted = unshare();
    rooted.arg("--root").arg(root.path());
    rooted.arg("--").arg(program).args(arguments);
    // There is no /proc, by which the loader knows $ORIGIN of the program.
    rooted.env("LD_ORIGIN_PATH", program.parent().unwrap());
    let output = rooted.env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output.stderr));
}
