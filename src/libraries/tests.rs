//! Compares the search with the system's loader. The C compiler builds small programs and
//! libraries. The result is compared with the loader's (`LD_TRACE_LOADED_OBJECTS`), or the
//! program runs with nothing but the files found.

use super::closure::fold;
use super::elf::Object;
use super::ld_cache::tests::{cache_entry, new_format};
use super::loader::{GlibcPaths, usual_loader};
use super::*;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory to build programs and libraries in. Its path has no symlinks.
struct BuildDirectory {
    root: Utf8PathBuf,
    _directory: tempfile::TempDir,
}

impl BuildDirectory {
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

    /// Builds a shared library that needs `needs`. Its soname is its file name.
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
    Libraries::new()
        .closure(&[binary.to_owned()], context)
        .unwrap()
}

fn missing_of(binary: &Utf8Path, context: &SearchContext) -> Vec<MissingLibrary> {
    match Libraries::new().closure(&[binary.to_owned()], context) {
        Err(LibraryError::MissingLibraries(missing)) => missing.0,
        other => panic!("{other:?}"),
    }
}

/// Asserts that the loader loads exactly the libraries that the search found.
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
            expected || *entry == ClosureEntry::Directory,
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
    let build = BuildDirectory::new();
    let program = build.program("main", &[], &[]);
    assert_as_the_loader_does(&program, &SearchContext::default());
}

#[test]
fn the_libraries_of_system_programs_are_those_that_their_loader_lists() {
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
    let build = BuildDirectory::new();
    let options = ["-static", "-nostdlib", "-nostartfiles"];
    let program = build.compile("main", "void _start(void) { for (;;); }", &[], &options);
    let text = build.write("text", "hello");
    let empty = build.write("empty", "");
    let found = Libraries::new()
        .closure(&[program, text, empty], &SearchContext::default())
        .unwrap();
    assert!(found.is_empty());
}

#[test]
fn rpath_goes_before_library_path_which_goes_before_runpath() {
    let build = BuildDirectory::new();
    let there = build.library("there/libx.so", &[], &[]);
    let here = build.library("here/libx.so", &[], &[]);
    let rpath = format!("-Wl,-rpath,{}", build.path("there"));
    let context = library_path(&[&build.path("here")]);

    let old = build.program(
        "old",
        &["there/libx.so"],
        &["-Wl,--disable-new-dtags", &rpath],
    );
    assert!(closure_of(&old, &context).get(&there).is_some());
    assert_as_the_loader_does(&old, &context);

    let new = build.program(
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
    let build = BuildDirectory::new();
    build.library("lib/libinner.so", &[], &[]);
    build.library("lib/libouter.so", &["lib/libinner.so"], &[]);
    let rpath = format!("-Wl,-rpath,{}", build.path("lib"));

    let old = build.program(
        "old",
        &["lib/libouter.so"],
        &["-Wl,--disable-new-dtags", &rpath],
    );
    assert_as_the_loader_does(&old, &SearchContext::default());

    let new = build.program(
        "new",
        &["lib/libouter.so"],
        &["-Wl,--enable-new-dtags", &rpath],
    );
    let missing = missing_of(&new, &SearchContext::default());
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].name, Path::new("libinner.so"));
    assert_eq!(missing[0].needed_by, build.path("lib/libouter.so"));
}

#[test]
fn a_runpath_disables_inherited_rpaths_only_for_the_needs_of_its_own_file() {
    let build = BuildDirectory::new();
    build.library("lib/libinner.so", &[], &[]);
    build.library("lib/libmiddle.so", &["lib/libinner.so"], &[]);
    let elsewhere = ["-Wl,--enable-new-dtags", "-Wl,-rpath,/nowhere"];
    build.library("lib/libouter.so", &["lib/libmiddle.so"], &elsewhere);
    let rpath = format!("-Wl,-rpath,{}", build.path("lib"));
    let options = ["-Wl,--disable-new-dtags", &rpath];

    let program = build.program("one", &["lib/libouter.so"], &options);
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, Path::new("libmiddle.so"));

    build.library("lib/libouter.so", &["lib/libinner.so"], &elsewhere);
    let program = build.program("two", &["lib/libmiddle.so", "lib/libouter.so"], &options);
    assert_as_the_loader_does(&program, &SearchContext::default());
}

#[test]
fn a_library_that_was_loaded_before_is_found_by_name() {
    let build = BuildDirectory::new();
    build.library("hidden/libdeep.so", &[], &[]);
    let knows = format!("-Wl,-rpath,{}", build.path("hidden"));
    let knows = ["-Wl,--enable-new-dtags", &knows];
    build.library("lib/liba.so", &["hidden/libdeep.so"], &knows);
    build.library("lib/libleaf.so", &["hidden/libdeep.so"], &[]);
    build.library("lib/libb.so", &["lib/libleaf.so"], &[]);
    let context = library_path(&[&build.path("lib")]);
    // Breadth first: libdeep.so is found for liba.so before libleaf.so needs it.
    let program = build.program("main", &["lib/libb.so", "lib/liba.so"], &[]);
    assert_as_the_loader_does(&program, &context);
}

#[test]
fn origin_is_the_directory_of_the_file() {
    let build = BuildDirectory::new();
    build.library("lib/deep/libinner.so", &[], &[]);
    let inner = "-Wl,-rpath,${ORIGIN}/deep";
    build.library("lib/libouter.so", &["lib/deep/libinner.so"], &[inner]);
    let outer = "-Wl,-rpath,$ORIGIN/../lib";
    let program = build.program("bin/main", &["lib/libouter.so"], &[outer]);
    assert_as_the_loader_does(&program, &SearchContext::default());
    let found = closure_of(&program, &SearchContext::default());
    assert_eq!(found.get(build.path("bin")), Some(&ClosureEntry::Directory));
    assert!(found.get(build.path("lib/deep/libinner.so")).is_some());
}

#[test]
fn a_program_below_a_symlink_finds_its_libraries_from_both_paths() {
    let build = BuildDirectory::new();
    let library = build.library("real/libx.so", &[], &[]);
    build.program("real/main", &["real/libx.so"], &["-Wl,-rpath,$ORIGIN"]);
    symlink(build.path("real"), build.path("seeming")).unwrap();
    let found = closure_of(&build.path("seeming/main"), &SearchContext::default());
    assert_eq!(
        found.get(&library),
        Some(&ClosureEntry::File(library.clone().into()))
    );
    let entry = found.get(build.path("seeming/libx.so")).unwrap();
    assert_eq!(entry.file(), Some(library.as_std_path()));
}

#[test]
fn lib_is_the_value_of_the_loader() {
    let Some(says) = diagnostics() else { return };
    let build = BuildDirectory::new();
    let directory = format!("opt/{}", says["dl_dst_lib"]);
    build.library(&format!("{directory}/libx.so"), &[], &[]);
    let rpath = format!("-Wl,-rpath,{}/$LIB", build.path("opt"));
    let program = build.program("main", &[&format!("{directory}/libx.so")], &[&rpath]);
    assert_as_the_loader_does(&program, &SearchContext::default());
}

#[test]
fn a_name_with_a_slash_is_a_path() {
    let build = BuildDirectory::new();
    // Without a soname, the path given to the linker is the name.
    build.compile("lib/libx.so", "int x;", &[], &["-shared", "-fPIC"]);
    let program = build.program("main", &["lib/libx.so"], &[]);
    assert_as_the_loader_does(&program, &SearchContext::default());
    fs::remove_file(build.path("lib/libx.so")).unwrap();
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, build.path("lib/libx.so"));
}

#[test]
fn a_symlink_to_a_library_becomes_a_file_with_its_content() {
    let build = BuildDirectory::new();
    let library = build.library("lib/libx.so.1", &[], &[]);
    fs::rename(&library, build.path("lib/libx.so.1.2")).unwrap();
    symlink("libx.so.1.2", &library).unwrap();
    let program = build.program("main", &["lib/libx.so.1"], &[]);
    let found = closure_of(&program, &library_path(&[&build.path("lib")]));
    let file = PathBuf::from(build.path("lib/libx.so.1.2"));
    assert_eq!(found.get(&library), Some(&ClosureEntry::File(file)));
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let build = BuildDirectory::new();
    let right = build.library("right/libx.so", &[], &[]);
    let mut foreign = fs::read(&right).unwrap();
    foreign[18..20].copy_from_slice(&0x00f3_u16.to_ne_bytes());
    let wrong = build.write("wrong/libx.so", foreign);
    let program = build.program("main", &["right/libx.so"], &[]);
    assert_as_the_loader_does(
        &program,
        &library_path(&[&build.path("wrong"), &build.path("right")]),
    );
    let missing = missing_of(&program, &library_path(&[&build.path("wrong")]));
    assert_eq!(
        missing[0].passed_over,
        [(PathBuf::from(wrong), "for another architecture".to_owned())]
    );
}

#[test]
fn a_file_that_is_not_elf_stops_the_search_as_it_stops_the_loader() {
    let build = BuildDirectory::new();
    build.library("right/libx.so", &[], &[]);
    build.write("wrong/libx.so", "INPUT(libx.so.1)\n".repeat(80));
    let program = build.program("main", &["right/libx.so"], &[]);
    let context = library_path(&[&build.path("wrong"), &build.path("right")]);
    let missing = missing_of(&program, &context);
    assert!(missing[0].passed_over[0].1.starts_with("not an ELF file"));
}

#[test]
fn every_missing_library_is_named_with_the_file_that_needs_it_and_the_places_searched() {
    let build = BuildDirectory::new();
    let one = build.library("lib/libone.so", &[], &[]);
    let two = build.library("lib/libtwo.so", &[], &[]);
    let rpath = ["-Wl,-rpath,/from/runpath", "-Wl,--enable-new-dtags"];
    let program = build.program("main", &["lib/libone.so", "lib/libtwo.so"], &rpath);
    fs::remove_file(one).unwrap();
    fs::remove_file(two).unwrap();
    let context = library_path(&[Utf8Path::new("/from/environment")]);
    let message = Libraries::new()
        .closure(std::slice::from_ref(&program), &context)
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
        "add its directory to LD_LIBRARY_PATH",
        "include_shared_libraries = false",
    ] {
        assert!(message.contains(part), "{part} in:\n{message}");
    }
}

#[test]
fn a_missing_loader_is_named() {
    let build = BuildDirectory::new();
    let program = build.program("main", &[], &["-Wl,--dynamic-linker=/no/ld-linux.so.9"]);
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, Path::new("/no/ld-linux.so.9"));
    assert_eq!(missing[0].needed_by, program);
}

#[test]
fn a_library_by_itself_has_the_usual_loader_and_its_libraries() {
    let build = BuildDirectory::new();
    let library = build.library("libx.so", &[], &[]);
    let found = closure_of(&library, &SearchContext::default());
    let program = build.program("main", &[], &[]);
    assert_eq!(found, closure_of(&program, &SearchContext::default()));
}

#[test]
fn no_default_directory_is_searched_for_a_file_that_forbids_it() {
    let build = BuildDirectory::new();
    let program = build.program("main", &[], &["-Wl,-z,nodefaultlib"]);
    let missing = missing_of(&program, &SearchContext::default());
    assert_eq!(missing[0].name, Path::new("libc.so.6"));
    let all = missing[0].looked_in.iter();
    assert!(
        all.clone()
            .all(|place| place.because != "a default directory")
    );
}

#[test]
fn a_library_found_in_the_cache_is_at_its_path_and_in_a_default_directory() {
    let build = BuildDirectory::new();
    let inner = build.library("odd/libinner.so", &[], &[]);
    let outer = build.library(
        "odd/libouter.so",
        &["odd/libinner.so"],
        &["-Wl,-rpath,$ORIGIN"],
    );
    let program = build.program("main", &["odd/libouter.so"], &[]);
    let cache = new_format(&[cache_entry("libouter.so", outer.as_str(), 0)]);
    let context = SearchContext {
        cache: Some(build.write("ld.so.cache", cache)),
        ..SearchContext::default()
    };
    let found = closure_of(&program, &context);
    let loader = fs::read(Object::interpreter_of(&program)).unwrap();
    let architecture = Object::of(&program).architecture;
    let first = GlibcPaths::of_loader(&loader, architecture)
        .directories
        .remove(0);
    for library in [&inner, &outer] {
        assert_eq!(
            found.get(library),
            Some(&ClosureEntry::File(library.into()))
        );
        let entry = found.get(first.join(library.file_name().unwrap()));
        assert!(matches!(entry, Some(ClosureEntry::Symlink { target, .. }) if target == library));
    }
    runs_alone(&found, &program, &[]);
}

#[test]
fn a_variant_for_newer_processors_is_used_only_without_a_baseline() {
    let Some(&level) = hardware_levels::levels().last() else {
        eprintln!("SKIPPED: the processor has no level above the baseline");
        return;
    };
    let build = BuildDirectory::new();
    let variant = format!("lib/glibc-hwcaps/{level}/libx.so");
    build.library(&variant, &[], &[]);
    let program = build.program("main", &[&variant], &[]);
    let context = library_path(&[&build.path("lib")]);
    assert_as_the_loader_does(&program, &context);
    let baseline = build.library("lib/libx.so", &[], &[]);
    let found = closure_of(&program, &context);
    assert!(found.get(baseline).is_some());
    assert!(found.get(build.path(&variant)).is_none());
}

#[test]
fn the_paths_read_from_the_loader_are_those_it_reports() {
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

/// The diagnostics of the loader of this system (since glibc 2.33).
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
        eprintln!("SKIPPED: the loader does not know --list-diagnostics");
    }
    (!pairs.is_empty()).then_some(pairs)
}

#[test]
fn musls_loader_has_its_own_search_order() {
    let build = BuildDirectory::new();
    let machine = "x86_64";
    let loader = build.library(&format!("lib/ld-musl-{machine}.so.1"), &[], &["-nostdlib"]);
    let list = build.write(
        &format!("etc/ld-musl-{machine}.path"),
        format!("/no\n{}", build.path("own")),
    );
    build.library("own/libown.so", &[], &["-nostdlib"]);
    build.library("run/libinner.so", &["own/libown.so"], &["-nostdlib"]);
    build.library("run/libouter.so", &["run/libinner.so"], &["-nostdlib"]);
    build.library("stand-in/libc.so", &[], &["-nostdlib"]);
    let program = build.program(
        "main",
        &["run/libouter.so", "stand-in/libc.so"],
        &[
            "-nostdlib",
            "-Wl,-e,main",
            &format!("-Wl,--dynamic-linker={loader}"),
            &format!("-Wl,--enable-new-dtags,-rpath,{}", build.path("run")),
        ],
    );
    let found = closure_of(&program, &SearchContext::default());
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_path()).collect();
    // RUNPATH is inherited, and libc.so is the loader.
    let expected = [
        list,
        loader,
        build.path("own/libown.so"),
        build.path("run/libinner.so"),
        build.path("run/libouter.so"),
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_library_that_changes_is_read_again() {
    let build = BuildDirectory::new();
    build.library("lib/liba.so", &[], &[]);
    build.library("lib/libb.so", &[], &[]);
    let program = build.program("main", &["lib/liba.so"], &[]);
    let context = library_path(&[&build.path("lib")]);
    let libraries = Libraries::new();
    let binaries = [program];
    let before = libraries.closure(&binaries, &context).unwrap();
    assert!(before.get(build.path("lib/libb.so")).is_none());
    fs::remove_file(build.path("lib/liba.so")).unwrap();
    build.library("lib/liba.so", &["lib/libb.so"], &[]);
    let after = libraries.closure(&binaries, &context).unwrap();
    assert!(after.get(build.path("lib/libb.so")).is_some());
}

#[test]
fn threads_share_cached_files_and_find_the_same_libraries() {
    let build = BuildDirectory::new();
    let binaries = [build.program("main", &[], &[])];
    let libraries = Libraries::new();
    let context = SearchContext::default();
    let expected = Libraries::new().closure(&binaries, &context).unwrap();
    std::thread::scope(|scope| {
        let search = || libraries.closure(&binaries, &context).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(search)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

/// Counts the bytes that are read.
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
fn less_than_16_kib_of_a_large_binary_are_read() {
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
fn a_truncated_or_altered_elf_file_causes_no_panic() {
    let build = BuildDirectory::new();
    let whole = fs::read(build.library("libx.so", &[], &["-Wl,-rpath,/x"])).unwrap();
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
    Libraries::new().programs(&names, Some(OsStr::new(path)), &SearchContext::default())
}

#[test]
fn a_shell_is_at_its_own_path_and_at_bin_sh() {
    let found = programs_of(&["sh"], "/nowhere:/usr/bin:/bin").unwrap();
    let file = fs::canonicalize("/bin/sh").unwrap();
    for path in ["/bin/sh", file.to_str().unwrap()] {
        assert_eq!(
            found.get(path).and_then(ClosureEntry::file),
            Some(file.as_path())
        );
    }
    assert_eq!(found.get(&file), Some(&ClosureEntry::File(file.clone())));
}

#[test]
fn the_symlinks_of_a_program_are_kept() {
    let build = BuildDirectory::new();
    let file = build.script("opt/v2/tool", "#!/bin/sh\n");
    symlink("v2", build.path("opt/current")).unwrap();
    fs::create_dir(build.path("bin")).unwrap();
    symlink("../opt/current/tool", build.path("bin/tool-2")).unwrap();
    symlink("tool-2", build.path("bin/tool")).unwrap();
    let found = programs_of(&["tool"], build.path("bin").as_str()).unwrap();
    let target = |path: &str| match found.get(build.path(path)).unwrap() {
        ClosureEntry::Symlink { target, .. } => target.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(target("bin/tool"), build.path("bin/tool-2"));
    assert_eq!(target("bin/tool-2"), file);
    assert_eq!(
        found.get(&file),
        Some(&ClosureEntry::File(file.clone().into()))
    );
}

#[test]
fn a_script_brings_its_interpreter_and_what_env_runs() {
    let build = BuildDirectory::new();
    build.script("bin/one", "#!/usr/bin/env two\n");
    let two = build.script("bin/two", &format!("#!{} -x\n", build.path("three")));
    let three = build.script("three", "#!/bin/sh\n");
    let path = format!("{}:/usr/bin:/bin", build.path("bin"));
    let found = programs_of(&["one"], &path).unwrap();
    for path in [two.as_str(), three.as_str(), "/usr/bin/env", "/bin/sh"] {
        assert!(found.get(path).is_some(), "{path}");
    }
}

#[test]
fn every_missing_program_is_named_with_the_path_searched() {
    let build = BuildDirectory::new();
    build.script("bin/script", "#!/no/such/interpreter\n");
    let file = build.write("bin/plain", "");
    let path = format!("{}:/nowhere", build.path("bin"));
    let error = programs_of(&["plain", "absent", "script"], &path).unwrap_err();
    let message = error.to_string();
    for part in [
        "cannot find 3 programs:",
        &format!("  plain ({file} is not executable)\n"),
        "  absent\n",
        &format!(
            "  /no/such/interpreter, which runs the script {}\n",
            build.path("bin/script")
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
    let build = BuildDirectory::new();
    build.library("lib/deep/libinner.so", &[], &[]);
    let inner = "-Wl,-rpath,$ORIGIN/../lib/deep";
    build.library("lib/libouter.so", &["lib/deep/libinner.so"], &[inner]);
    let outer = "-Wl,-rpath,$ORIGIN/x/../../lib";
    fs::create_dir_all(build.path("bin/x")).unwrap();
    let program = build.program("bin/main", &["lib/libouter.so"], &[outer]);
    let found = closure_of(&program, &SearchContext::default());
    runs_alone(&found, &program, &[]);
}

/// Copies `closure` and `program` to a directory, and runs the program with that directory as
/// its root.
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
            ClosureEntry::File(file) => drop(fs::copy(file, path).unwrap()),
            ClosureEntry::Symlink { target, .. } => symlink(target, path).unwrap(),
            ClosureEntry::Directory => fs::create_dir_all(path).unwrap(),
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
    // `chroot` is not on the PATH of every user.
    let mut rooted = unshare();
    rooted.arg("--root").arg(root.path());
    rooted.arg("--").arg(program).args(arguments);
    // Without /proc the loader reads `$ORIGIN` of the program from this variable.
    rooted.env("LD_ORIGIN_PATH", program.parent().unwrap());
    let output = rooted.env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output.stderr));
}
