use super::*;
use crate::image::ImageSettings;
use crate::layer::SourceView;
use crate::spec::SymlinkSpec;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

/// A project directory and a builder whose store is beside it.
struct TestProject {
    _temporary: tempfile::TempDir,
    directory: Utf8PathBuf,
    builder: LayerBuilder,
}

fn new_builder(store: Store) -> LayerBuilder {
    let images = ImageSettings::new(store.root().join("containers"), |_| None);
    LayerBuilder::new(store, Images::new(images))
}

impl TestProject {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let root = root.canonicalize_utf8().unwrap();
        let project = root.join("project");
        fs::create_dir(&project).unwrap();
        let store = Store::open(root.join("store").as_std_path(), u64::MAX).unwrap();
        Self {
            directory: project,
            builder: new_builder(store),
            _temporary: temporary,
        }
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn context(&self) -> LayerContext {
        LayerContext {
            project_dir: self.directory.clone(),
            workspace_dir: self.directory.clone(),
            package_dir: self.directory.join("package"),
            build_dir: self.directory.join("target/debug"),
            target_dir: self.directory.join("target"),
            path_variable: std::env::var_os("PATH"),
            ..LayerContext::default()
        }
    }

    fn build(&self, layer: &LayerSpec) -> Result<BuiltLayer, LayerError> {
        self.builder.build(layer, &self.context())
    }

    /// The files, symlinks and empty directories of a layer.
    fn shown(&self, layer: &LayerSpec) -> Vec<String> {
        self.shown_below(layer, "")
    }

    /// The same, without the beginning of their paths.
    fn shown_below(&self, layer: &LayerSpec, prefix: &str) -> Vec<String> {
        let built = self.build(layer).unwrap_or_else(|error| panic!("{error}"));
        let manifest = self.builder.store().manifest(&built.digest).unwrap();
        let tree = self.builder.store().tree_path(&built.digest);
        manifest
            .entries()
            .filter_map(|(path, entry)| {
                let shown = path.to_string();
                let shown = shown.strip_prefix(prefix)?;
                let host = tree.join(path.relative());
                match entry {
                    super::super::Entry::File { mode, .. } => {
                        let content = fs::read_to_string(&host).unwrap();
                        let executable = if mode.is_executable() { "*" } else { "" };
                        Some(format!("{shown}{executable}={content}"))
                    }
                    super::super::Entry::Symlink { .. } => {
                        let target = fs::read_link(&host).unwrap();
                        Some(format!("{shown}->{}", target.display()))
                    }
                    super::super::Entry::Directory { .. } => {
                        let is_empty = fs::read_dir(&host).unwrap().next().is_none();
                        is_empty.then(|| format!("{shown}/"))
                    }
                }
            })
            .collect()
    }

    fn git(&self, arguments: &[&str]) {
        self.git_in("", arguments);
    }

    fn git_in(&self, directory: &str, arguments: &[&str]) {
        let status = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e@x"])
            .args(["-c", "protocol.file.allow=always"])
            .args(["-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(self.directory.join(directory))
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
    }
}

fn paths(paths: &[&str], prefix: PrefixOptions) -> LayerSpec {
    let paths = paths.iter().map(Utf8PathBuf::from).collect();
    LayerSpec::Paths { paths, prefix }
}

fn source(source: &str) -> LayerSpec {
    LayerSpec::Source {
        source: source.into(),
    }
}

#[test]
fn paths_bring_files_symlinks_and_empty_directories() {
    let project = TestProject::new();
    project.write("d/f", "x");
    fs::set_permissions(project.directory.join("d/f"), Permissions::from_mode(0o700)).unwrap();
    symlink("f", project.directory.join("d/l")).unwrap();
    assert_eq!(
        project.shown(&paths(&["./d/f", "d/l"], PrefixOptions::default())),
        ["/d/f*=x", "/d/l->f"]
    );
    assert_eq!(
        project.shown(&paths(&["d"], PrefixOptions::default())),
        ["/d/"]
    );
}

#[test]
fn prefix_options_change_where_files_go() {
    let project = TestProject::new();
    project.write("d/f", "x");
    symlink("d/f", project.directory.join("l")).unwrap();
    let with = |prefix| project.shown(&paths(&["l"], prefix));
    let none = PrefixOptions::default;
    assert_eq!(
        with(PrefixOptions {
            follow_symlinks: true,
            ..none()
        }),
        ["/l=x"]
    );
    let at = format!("{}/d/f=x", project.directory);
    assert_eq!(
        with(PrefixOptions {
            canonicalize: true,
            ..none()
        }),
        [at]
    );
    assert_eq!(
        with(PrefixOptions {
            canonicalize: true,
            strip_prefix: Some("<workspace-dir>/d/".into()),
            prepend_prefix: Some("/opt".into()),
            ..none()
        }),
        ["/opt/f=x"]
    );
    assert_eq!(
        with(PrefixOptions {
            strip_prefix: Some("elsewhere".into()),
            prepend_prefix: Some("opt/../usr".into()),
            ..none()
        }),
        ["/usr/l->d/f"]
    );
}

#[test]
fn a_missing_file_is_named_with_its_layer() {
    let project = TestProject::new();
    let error = project
        .build(&paths(&["no/file", "other"], PrefixOptions::default()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot build the `paths` layer of `no/file` and 1 more: `no/file` does not exist: {}/no/file is missing",
            project.directory
        )
    );
    let error = project.build(&LayerSpec::Tar {
        tar: "x.tar".into(),
    });
    let tar = project.directory.join("x.tar");
    assert_eq!(
        error.unwrap_err().to_string(),
        format!("cannot build the `tar` layer `{tar}`: {tar} does not exist")
    );
}

#[test]
fn a_glob_adds_matching_files_and_warns_if_there_are_none() {
    let project = TestProject::new();
    project.write("d/a.txt", "a");
    project.write("target/b.txt", "b");
    let glob = |glob: &str| LayerSpec::Glob {
        glob: glob.to_owned(),
        prefix: PrefixOptions {
            strip_prefix: Some("d".into()),
            ..PrefixOptions::default()
        },
    };
    assert_eq!(project.shown(&glob("**/*.txt")), ["/a.txt=a"]);
    let built = project.build(&glob("*.md")).unwrap();
    assert_eq!(
        built.warnings,
        ["the `glob` layer `*.md`: no file matches the pattern"]
    );
}

#[test]
fn stubs_are_empty_files_and_directories() {
    let project = TestProject::new();
    let stubs = vec!["/dev/{null,pts/}".to_owned(), "proc/".to_owned()];
    assert_eq!(
        project.shown(&LayerSpec::Stubs { stubs }),
        ["/dev/null=", "/dev/pts/", "/proc/"]
    );
}

#[test]
fn symlinks_and_inline_files_are_as_written() {
    let project = TestProject::new();
    let symlinks = vec![SymlinkSpec {
        link: "/dev/fd".into(),
        target: "/proc/self/fd".into(),
    }];
    assert_eq!(
        project.shown(&LayerSpec::Symlinks { symlinks }),
        ["/dev/fd->/proc/self/fd"]
    );
    let files = BTreeMap::from([
        ("/!/hosts".into(), "localhost\n".to_owned()),
        ("<package-dir>/run".into(), "#!/bin/sh".to_owned()),
    ]);
    assert_eq!(
        project.shown(&LayerSpec::Files { files }),
        [
            "/!/hosts=localhost\n".to_owned(),
            format!("{}/package/run*=#!/bin/sh", project.directory)
        ]
    );
}

#[test]
fn entries_that_conflict_are_an_error() {
    let project = TestProject::new();
    let stubs = vec!["/a".to_owned(), "/a/b".to_owned()];
    let error = project.build(&LayerSpec::Stubs { stubs }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot build the `stubs` layer of `/a` and 1 more: `/a/b` cannot be made, because \
         `/a` is not a directory"
    );
}

#[test]
fn a_tar_is_unpacked_once_and_again_when_its_content_is_lost() {
    let project = TestProject::new();
    project.write("f", "content");
    let mut builder = ::tar::Builder::new(File::create(project.directory.join("x.tar")).unwrap());
    builder
        .append_path_with_name(project.directory.join("f"), "d/f")
        .unwrap();
    builder.into_inner().unwrap();
    let layer = LayerSpec::Tar {
        tar: "x.tar".into(),
    };
    assert_eq!(project.shown(&layer), ["/d/f=content"]);

    let store = project.builder.store();
    let digest = project.build(&layer).unwrap().digest;
    let key = store.hash_file(project.directory.join("x.tar").as_std_path());
    let manifest = LayerContent::cached(store, UNPACKED_TAR, &key.unwrap().to_string())
        .unwrap()
        .manifest;
    assert_eq!(manifest.digest(), digest);
    let blob = store.blob_path(&Digest::of(b"content"), crate::store::Mode::PLAIN);
    fs::remove_file(&blob).unwrap();
    fs::remove_dir_all(store.tree_path(&digest)).unwrap();
    let next = new_builder(store.clone());
    assert_eq!(
        next.build(&layer, &project.context()).unwrap().digest,
        digest
    );
    assert!(blob.exists());
}

#[test]
fn binaries_are_at_their_own_paths() {
    let project = TestProject::new();
    project.write("target/debug/deps/t-1", &"x".repeat(200_000));
    let file = project.directory.join("target/debug/deps/t-1");
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    let built = project
        .builder
        .build_binaries(std::slice::from_ref(&file))
        .unwrap();
    let tree = project.builder.store().tree_path(&built.digest);
    let found = fs::metadata(tree.join(file.strip_prefix("/").unwrap())).unwrap();
    assert_eq!((found.mode() & 0o777, found.len()), (0o755, 200_000));
}

#[test]
fn a_binary_rewritten_in_place_gets_a_new_layer() {
    let project = TestProject::new();
    project.write("t", &"x".repeat(200_000));
    let file = project.directory.join("t");
    let build = || {
        new_builder(project.builder.store().clone())
            .build_binaries(std::slice::from_ref(&file))
            .unwrap()
            .digest
    };
    let before = build();
    project.write("t", &"y".repeat(200_000));
    let after = build();
    assert_ne!(before, after);
    assert_eq!(build(), after);
    let tree = project.builder.store().tree_path(&after);
    let found = fs::read_to_string(tree.join(file.strip_prefix("/").unwrap()));
    assert_eq!(found.unwrap(), "y".repeat(200_000));
}

#[test]
fn programs_come_with_their_libraries() {
    let project = TestProject::new();
    let programs = vec!["sh".to_owned()];
    let built = project.build(&LayerSpec::Programs { programs }).unwrap();
    let tree = project.builder.store().tree_path(&built.digest);
    assert!(fs::metadata(tree.join("bin/sh")).is_ok() || tree.join("bin/sh").is_symlink());
}

#[test]
fn the_libraries_of_a_file_are_there_but_not_the_file() {
    let project = TestProject::new();
    let program = Utf8PathBuf::try_from(std::env::current_exe().unwrap()).unwrap();
    let layer = LayerSpec::SharedLibraryDependencies {
        binaries: vec![program.clone()],
        prefix: PrefixOptions {
            prepend_prefix: Some("/sub".into()),
            ..PrefixOptions::default()
        },
    };
    let built = project.build(&layer).unwrap();
    let manifest = project.builder.store().manifest(&built.digest).unwrap();
    assert!(
        manifest
            .entries()
            .any(|(path, _)| path.to_string().contains("libc.so"))
    );
    assert!(
        manifest
            .entries()
            .all(|(path, _)| path.to_string().starts_with("/sub"))
    );
    assert!(
        !manifest
            .entries()
            .any(|(path, _)| path.to_string().ends_with(program.as_str()))
    );
}

#[test]
fn layers_that_do_not_depend_on_the_package_are_shared_between_packages() {
    let project = TestProject::new();
    project.write("f", "x");
    let other = LayerContext {
        package_dir: project.directory.join("other"),
        ..project.context()
    };
    let recipe = |text: &str, context: &LayerContext| {
        Recipe::new(&paths(&[text], PrefixOptions::default()), &[], context).unwrap()
    };
    assert_eq!(recipe("f", &project.context()), recipe("f", &other));
    let (one, two) = (
        recipe("<package-dir>/f", &project.context()),
        recipe("<package-dir>/f", &other),
    );
    assert_ne!(one, two);
}

#[test]
fn threads_that_build_the_same_layer_wait_for_one_to_build_it() {
    let project = TestProject::new();
    for n in 0..50 {
        project.write(&format!("d/{n}"), "x");
    }
    let layer = LayerSpec::Glob {
        glob: "d/*".to_owned(),
        prefix: PrefixOptions::default(),
    };
    let digests: Vec<Digest> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| project.build(&layer).unwrap().digest))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(digests.iter().all(|digest| digest == &digests[0]));
    // The layer is kept for this run: a file that comes later is not in it.
    project.write("d/later", "x");
    assert_eq!(project.build(&layer).unwrap().digest, digests[0]);
}

#[test]
fn an_unknown_placeholder_is_an_error() {
    let project = TestProject::new();
    let error = project
        .build(&paths(&["<nonsense>/f"], PrefixOptions::default()))
        .unwrap_err();
    assert!(error.to_string().contains("<nonsense>"), "{error}");
}

#[test]
fn source_outside_git_is_everything_except_the_target_directory() {
    let project = TestProject::new();
    project.write("src/lib.rs", "x");
    project.write(".hidden", "x");
    project.write("target/debug/f", "x");
    project.write("fuzz/target/CACHEDIR.TAG", "x");
    project.write("other/target/f", "x");
    fs::create_dir(project.directory.join("empty")).unwrap();
    symlink("nowhere", project.directory.join("link")).unwrap();
    if project
        .directory
        .ancestors()
        .any(|path| path.join(".git").exists())
    {
        eprintln!("SKIPPED: the temporary directory is in a git work tree");
        return;
    }
    assert_eq!(
        project.shown_below(&source("<workspace-dir>"), project.directory.as_str()),
        [
            "/.hidden=x",
            "/empty/",
            "/link->nowhere",
            "/other/target/f=x",
            "/src/lib.rs=x"
        ]
    );
}

#[test]
fn source_in_git_is_the_files_that_are_tracked_or_not_ignored() {
    let project = TestProject::new();
    project.write(".gitignore", "ignored*\n");
    for name in [
        "tracked",
        "ignored",
        "ignored-but-tracked",
        "deleted",
        "target/f",
    ] {
        project.write(name, "x");
    }
    project.git(&["init"]);
    project.git(&["add", "tracked", "deleted"]);
    project.git(&["add", "--force", "ignored-but-tracked", "target/f"]);
    project.write("untracked", "x");
    fs::remove_file(project.directory.join("deleted")).unwrap();
    let built = project.build(&source(".")).unwrap();
    assert!(built.warnings.is_empty(), "{built:?}");
    assert_eq!(
        project.shown_below(&source("."), project.directory.as_str()),
        [
            "/.gitignore=ignored*\n",
            "/ignored-but-tracked=x",
            "/tracked=x",
            "/untracked=x"
        ]
    );
}

#[test]
fn the_lock_file_of_a_workspace_is_source_even_if_git_ignores_it() {
    let project = TestProject::new();
    project.write(".gitignore", "Cargo.lock\n");
    for name in ["Cargo.lock", "f", "fuzz/Cargo.lock", "fuzz/f"] {
        project.write(name, "x");
    }
    project.git(&["init"]);
    let expected = [
        "/.gitignore=Cargo.lock\n",
        "/Cargo.lock=x",
        "/f=x",
        "/fuzz/f=x",
    ];
    let shown = || project.shown_below(&source("."), project.directory.as_str());
    assert_eq!(shown(), expected);
    // Git refuses.
    fs::remove_dir_all(project.directory.join(".git")).unwrap();
    fs::create_dir(project.directory.join(".git")).unwrap();
    assert_eq!(shown(), expected);
}

#[test]
fn the_source_of_a_subdirectory_of_a_repository_is_that_subdirectory() {
    let project = TestProject::new();
    project.write(".gitignore", "*.log\n");
    project.write("beside", "x");
    project.write("d/f", "x");
    project.write("d/f.log", "x");
    project.git(&["init"]);
    assert_eq!(
        project.shown_below(&source("d"), project.directory.as_str()),
        ["/d/f=x"]
    );
}

#[test]
fn submodules_and_nested_repositories_are_source_by_their_own_rules() {
    let project = TestProject::new();
    project.write("sub/.gitignore", "ignored\n");
    project.write("sub/f", "x");
    project.git_in("sub", &["init"]);
    project.git_in("sub", &["add", "."]);
    project.git_in("sub", &["commit", "-m", "x"]);
    project.git(&["init"]);
    project.git(&["submodule", "add", "./sub", "sub"]);
    project.write("sub/ignored", "x");
    project.write("nested/.gitignore", "ignored\n");
    project.write("nested/ignored", "x");
    project.write("nested/f", "x");
    project.git_in("nested", &["init"]);
    let shown = project.shown_below(&source("."), project.directory.as_str());
    let shown: Vec<_> = shown.iter().filter(|line| line.ends_with("=x")).collect();
    assert_eq!(shown, ["/nested/f=x", "/sub/f=x"]);
}

#[test]
fn a_directory_that_is_ignored_as_a_whole_is_source_as_a_whole() {
    let project = TestProject::new();
    project.write(".gitignore", "*\n");
    project.write("d/f", "x");
    project.git(&["init"]);
    assert_eq!(
        project.shown_below(&source("d"), project.directory.as_str()),
        ["/d/f=x"]
    );
}

#[test]
fn if_git_refuses_the_ignore_files_decide() {
    let project = TestProject::new();
    project.write(".gitignore", "ignored\n/target\n");
    project.write("f", "x");
    project.write(".hidden", "x");
    project.write("ignored", "x");
    project.write("target/f", "x");
    // The `ignore` crate accepts an empty `.git` directory; git does not.
    fs::create_dir(project.directory.join(".git")).unwrap();
    let built = project.build(&source(".")).unwrap();
    assert_eq!(built.warnings.len(), 1, "{built:?}");
    let shown = project.shown_below(&source("."), project.directory.as_str());
    assert_eq!(
        shown,
        ["/.gitignore=ignored\n/target\n", "/.hidden=x", "/f=x"]
    );
}

#[test]
fn the_source_of_the_workspace_includes_directories_outside() {
    let project = TestProject::new();
    project.write("f", "x");
    let outside = project.directory.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("f"), "y").unwrap();
    let context = LayerContext {
        outside_sources: vec![outside.clone()],
        ..project.context()
    };
    let manifest = |layer| {
        let built = project.builder.build(&layer, &context).unwrap();
        project.builder.store().manifest(&built.digest).unwrap()
    };
    let path = paths::in_container(outside.join("f").as_std_path()).unwrap();
    assert!(manifest(source("<workspace-dir>/")).get(&path).is_some());
    project.write("d/f", "x");
    assert!(manifest(source("<workspace-dir>/d")).get(&path).is_none());
}

#[test]
fn a_test_sees_only_its_part_of_the_source() {
    let project = TestProject::new();
    project.write("f", "x");
    project.write("seen/f", "x");
    project.write("hidden/f", "x");
    let mut view = SourceView::default();
    view.add(project.directory.join("seen"), true);
    view.add(project.directory.join("hidden"), false);
    let context = LayerContext {
        view,
        ..project.context()
    };
    let built = |layer: &LayerSpec, context: &LayerContext| {
        let builder = new_builder(project.builder.store().clone());
        builder.build(layer, context).unwrap().digest
    };
    let part = built(&LayerSpec::TestSource, &context);
    let manifest = project.builder.store().manifest(&part).unwrap();
    let has = |path: &str| {
        let path = paths::in_container(project.directory.join(path).as_std_path()).unwrap();
        manifest.get(&path).is_some()
    };
    assert!(has("f") && has("seen/f") && !has("hidden/f") && !has("hidden"));

    // A `source` layer of the workspace is not restricted.
    let whole = built(&source("<workspace-dir>"), &context);
    assert_eq!(built(&LayerSpec::TestSource, &project.context()), whole);
    assert_ne!(whole, part);

    project.write("hidden/f", "y");
    assert_eq!(built(&LayerSpec::TestSource, &context), part);
    project.write("f", "y");
    assert_ne!(built(&LayerSpec::TestSource, &context), part);
}

#[test]
fn a_changed_source_file_is_noticed_and_the_others_are_shared() {
    let project = TestProject::new();
    project.write("a", "a");
    project.write("b", "b");
    let build = || {
        let builder = new_builder(project.builder.store().clone());
        builder
            .build(&source("."), &project.context())
            .unwrap()
            .digest
    };
    let inode = |tree: &Digest, name: &str| {
        let tree = project.builder.store().tree_path(tree);
        let file = project.directory.strip_prefix("/").unwrap().join(name);
        fs::metadata(tree.join(file)).unwrap().ino()
    };
    let before = build();
    assert_eq!(build(), before);
    project.write("a", "changed");
    let after = build();
    assert_ne!(before, after);
    assert_ne!(inode(&before, "a"), inode(&after, "a"));
    assert_eq!(inode(&before, "b"), inode(&after, "b"));
}

#[test]
fn missing_source_is_an_error() {
    let project = TestProject::new();
    let error = project.build(&source("no")).unwrap_err().to_string();
    assert!(error.contains("no does not exist"), "{error}");
}
