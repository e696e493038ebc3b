//! What is said about mistakes and about machines that are not as they must be.

use crate::fixture::{Project, Run};
use std::{fs, path::Path, process::Command};

/// What is said about a `maelstrom-test.toml`; it has to be said before anything is built.
fn about_directives(text: &str) -> String {
    let project = Project::own("plain");
    project.directives(text);
    let run = project.maelstrom(&[]).exits(96);
    assert!(
        !project.target.join("debug").exists(),
        "built before the mistake was told: {run}"
    );
    assert_eq!(run.stdout, "");
    run.stable
}

#[test]
fn plain_mistakes_in_directives_are_shown_with_their_places_before_the_build() {
    let mistakes = [
        "[[directives]]\nadded_layer = []\n",
        "[[directives]]\ntimeout = \"long\"\n",
        "[[directives]]\nfilter = \"package.equal(x) && b.eq(y)\"\n",
        "[[directive]]\n",
        "[[directives]\n",
        "[[directives]]\nparent = \"nobody\"\n",
        "[[directives]]\nlayers = []\nadded_layers = []\n",
        "[[directives]]\nadded_layers = [{ tar = \"a\", glob = \"b\" }]\n",
        "[[directives]]\nadded_layers = [{ stubs = [\"relative\"] }]\n",
        "[[directives]]\nadded_mounts = [{ type = \"tmp\" }]\n",
        "[[directives]]\nadded_mounts = [{ type = \"tmp\", mount_point = \"/\" }]\n",
        "[[directives]]\nadded_mounts = [{ type = \"floppy\", mount_point = \"/mnt\" }]\n",
        "[[directives]]\nnetwork = \"intranet\"\n",
        "[[directives]]\nslots = 0\n",
        "[[directives]]\nimage = \"debian\"\n",
        "[containers.a]\nparent = \"b\"\n\n[containers.b]\nparent = \"a\"\n",
        "[containers.a]\nadded_environment = { A = \"b\" }\n",
        "[containers.default]\nuser = 3\n",
        "[[directives]]\nadded_environment = { A = \"$env{\" }\n",
        "[[directives]]\nroot_overlay = \"tmp\"\nenable_writable_file_system = true\n",
    ];
    let messages = mistakes.map(about_directives);
    insta::assert_snapshot!(messages.join("\n"), @r#"
    error: <root>/maelstrom-test.toml:2:1: unknown field `added_layer` of a directive; did you mean `added_layers`?
      |
    2 | added_layer = []
      | ^^^^^^^^^^^

    error: <root>/maelstrom-test.toml:2:11: `timeout` must be a number of seconds, not a string
      |
    2 | timeout = "long"
      |           ^^^^^^

    error: <root>/maelstrom-test.toml:2:10: bad pattern: ambiguous selector `b` (it could be `binary` or `benchmark`)
      |
    2 | filter = "package.equal(x) && b.eq(y)"
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        package.equal(x) && b.eq(y)
                            ^

    error: <root>/maelstrom-test.toml:1:3: unknown table `directive`; did you mean `directives`?
      |
    1 | [[directive]]
      |   ^^^^^^^^^

    error: <root>/maelstrom-test.toml:1:14: this is not TOML: unclosed array table, expected `]`
      |
    1 | [[directives]
      |              ^

    error: <root>/maelstrom-test.toml:2:10: unknown container `nobody`; define it in `containers`, or name one of `default`, `empty`
      |
    2 | parent = "nobody"
      |          ^^^^^^^^

    error: <root>/maelstrom-test.toml:3:1: `layers` and `added_layers` exclude each other: the first replaces the inherited elements, the second adds to them; keep one of them
      |
    3 | added_layers = []
      | ^^^^^^^^^^^^

    error: <root>/maelstrom-test.toml:2:30: a layer is one of `tar` and `glob`, not both; make it two layers
      |
    2 | added_layers = [{ tar = "a", glob = "b" }]
      |                              ^^^^

    error: <root>/maelstrom-test.toml:2:28: each element of `stubs` must be an absolute path in the container, but `relative` is not; start it with `/`
      |
    2 | added_layers = [{ stubs = ["relative"] }]
      |                            ^^^^^^^^^^

    error: <root>/maelstrom-test.toml:2:17: a `tmp` mount needs the field `mount_point`
      |
    2 | added_mounts = [{ type = "tmp" }]
      |                 ^^^^^^^^^^^^^^^^

    error: <root>/maelstrom-test.toml:2:47: `mount_point` must not be `/`; the root comes from the layers
      |
    2 | added_mounts = [{ type = "tmp", mount_point = "/" }]
      |                                               ^^^

    error: <root>/maelstrom-test.toml:2:26: unknown type of mount `floppy`; it must be one of `bind`, `cache`, `devices`, `devpts`, `mqueue`, `proc`, `sys`, `tmp`
      |
    2 | added_mounts = [{ type = "floppy", mount_point = "/mnt" }]
      |                          ^^^^^^^^

    error: <root>/maelstrom-test.toml:2:11: unknown network `intranet`; it must be one of `disabled`, `loopback`, `local`
      |
    2 | network = "intranet"
      |           ^^^^^^^^^^

    error: <root>/maelstrom-test.toml:2:9: `slots` must be between 1 and 4294967295, but it is 0
      |
    2 | slots = 0
      |         ^

    error: <root>/maelstrom-test.toml:2:9: an image reference is a transport and a location: `docker://NAME`, `oci:PATH`, `oci-archive:PATH` or `docker-archive:PATH`
      |
    2 | image = "debian"
      |         ^^^^^^^^

    error: <root>/maelstrom-test.toml:5:10: these containers are each other's parents: `a` -> `b` -> `a`; give one of them another parent or none
      |
    5 | parent = "a"
      |          ^^^

    error: <root>/maelstrom-test.toml:2:1: `added_environment` has nothing to add to; name an `image` or a `parent` with `environment`, or write `environment`
      |
    2 | added_environment = { A = "b" }
      | ^^^^^^^^^^^^^^^^^

    error: <root>/maelstrom-test.toml:1:13: `default` is the name of a built-in container; choose another name
      |
    1 | [containers.default]
      |             ^^^^^^^

    error: <root>/maelstrom-test.toml:2:27: bad value for the environment variable `A`: `$env{` has no closing `}`; for the plain text write `$$env{`
      |
    2 | added_environment = { A = "$env{" }
      |                           ^^^^^^^

    error: <root>/maelstrom-test.toml:3:1: `enable_writable_file_system` and `root_overlay` exclude each other; keep `root_overlay` (`"tmp"` has the effect of `enable_writable_file_system = true`)
      |
    3 | enable_writable_file_system = true
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn plain_mistakes_in_directives_are_errors_also_of_lists() {
    let project = Project::own("plain");
    project.directives("[[directives]]\nlayer = []\n");
    for option in ["--list", "--list-binaries", "--list-packages", "--no-run"] {
        project
            .maelstrom(&[option])
            .exits(96)
            .says("maelstrom-test.toml:2:1: unknown field `layer`");
    }
    assert!(!project.target.join("debug").exists());
}

#[test]
fn plain_a_directives_file_that_cannot_be_read_is_named() {
    let project = Project::own("plain");
    fs::create_dir(project.root.join("maelstrom-test.toml")).unwrap();
    let run = project.maelstrom(&[]).exits(96);
    insta::assert_snapshot!(run.stable, @"error: failed to read the test directives from `<root>/maelstrom-test.toml`: Is a directory (os error 21)");
    assert!(!project.target.join("debug").exists());
}

#[test]
fn plain_a_package_to_exclude_that_does_not_exist_is_a_warning() {
    let project = Project::shared("plain");
    project
        .maelstrom(&["--list", "--workspace", "--exclude", "absent"])
        .exits(0)
        .says("excluded package(s) `absent` not found in workspace");
}

#[test]
fn plain_mistakes_in_patterns_are_shown_with_a_caret() {
    let project = Project::own("plain");
    let messages = [
        &["-i", "all && b.equals(x)"][..],
        &["-x", "name.equals(x"],
        &["--exclude", "not a pattern"],
        &["-i", "name.matches/(/"],
    ]
    .map(|arguments| project.maelstrom(arguments).exits(96).stable);
    insta::assert_snapshot!(messages.join("\n"), @r"
    error: bad pattern for --include: ambiguous selector `b` (it could be `binary` or `benchmark`)
      all && b.equals(x)
             ^

    error: bad pattern for -x: the argument is never closed: this `(` has no `)` (delimiters within an argument must balance; if they do not, use `/…/`)
      name.equals(x
                 ^

    error: bad pattern for --exclude: ambiguous selector `a` (it could be `all` or `any`)
      not a pattern
          ^

    error: bad pattern for --include: bad regular expression: unclosed group
      name.matches/(/
                   ^
    ");
    assert!(!project.target.join("debug").exists());
}

#[test]
fn plain_mistakes_in_options_are_errors_with_a_remedy() {
    let project = Project::own("plain");
    let messages = [
        &["-E", "test(a"][..],
        &["-P", "ci"],
        &["--", "--help"],
        &["--ignored", "--include-ignored"],
        &["--repeat", "0"],
        &["--no-such-option"],
        &["--fail-fast", "--stop-after=3"],
    ]
    .map(|arguments| {
        let run = project.maelstrom(arguments).exits(96);
        run.stable.lines().next().unwrap().to_owned()
    });
    insta::assert_snapshot!(messages.join("\n"), @r"
    error: bad filterset for --filterset: this `(` is never closed
    error: '-P' prints the configuration and takes no value, but 'ci' follows it; to choose a profile of maelstrom-test.toml, use `--test-profile ci`, and to choose a profile of Cargo, `--profile ci`
    error: '--help' after '--' would make each test binary print its own help instead of running the test; for the options of cargo maelstrom, write `cargo maelstrom --help`
    error: the argument '--ignored' cannot be used with '--include-ignored'
    error: invalid value '0' for '--repeat <N>': expected a number of times, at least 1
    error: unexpected argument '--no-such-option' found
    error: the argument '--fail-fast' cannot be used with '--stop-after <N>'
    ");
    assert!(!project.target.join("debug").exists());
}

#[test]
fn plain_errors_of_cargo_are_in_cargos_words() {
    let project = Project::own("plain");
    let run = project.maelstrom(&["-p", "nobody"]);
    let run = run.says("package ID specification `nobody` did not match any packages");
    assert!([Some(96), Some(101)].contains(&run.code), "{run}");
    let mut command = project.command(&[]);
    let run = Run::of(command.current_dir(&project.configuration), &project);
    run.exits(96)
        .says("could not find `Cargo.toml` in `<configuration>` or any parent directory");
    project
        .maelstrom(&["--exclude", "plain"])
        .exits(101)
        .says("--exclude can only be used together with --workspace");
    project.write("Cargo.toml", "[package\n");
    project.maelstrom(&[]).exits(96).says("Cargo.toml:1:9");
}

#[test]
fn plain_an_error_of_cargo_metadata_has_one_label() {
    let project = Project::own("plain");
    project.write("Cargo.toml", "[package\n");
    for arguments in [&["--list-packages"][..], &["-i", "all"]] {
        for color in ["never", "always"] {
            let run = project.maelstrom(&[arguments, &["--color", color]].concat());
            let run = run.exits(96);
            let text = console::strip_ansi_codes(&run.stderr);
            assert!(text.starts_with("error: unclosed table"), "{run}");
        }
    }
}

#[test]
fn plain_a_cargo_that_is_not_there_is_named() {
    let project = Project::shared("plain");
    let mut command = project.command(&[]);
    let run = Run::of(command.env("CARGO", "/no/such/cargo"), &project).exits(96);
    insta::assert_snapshot!(run.stable, @"error: could not start `/no/such/cargo`: No such file or directory (os error 2); is Cargo installed and on PATH?");
}

#[test]
fn unlistable_binaries_are_named_with_their_output() {
    let project = Project::shared("unlistable");
    for (target, arguments) in [("babbles", &["-q"][..]), ("exits", &["-q"])] {
        let run = project
            .maelstrom(&[&["--test", target], arguments].concat())
            .exits(100);
        let json = project.events(&["--test", target]).exits(100);
        let error = json
            .all_events()
            .into_iter()
            .find(|event| event["event"] == "error")
            .unwrap();
        assert_eq!(error["target"]["name"], target);
        assert_eq!(json.summary()["errors"], 1);
        match target {
            "babbles" => insta::assert_snapshot!(run.stable, @r#"
            ERROR   [        -] unlistable test/babbles: its tests could not be listed
                line 1 of the list of tests is not `NAME: test`: "good morning"
                the output was:
                good morning
                never_seen: test

            Ran 1 test in 0.00s
                1 error

            Failures:
                ERROR   unlistable test/babbles: its tests could not be listed
            "#),
            _ => insta::assert_snapshot!(run.stable, @r"
            ERROR   [        -] unlistable test/exits: its tests could not be listed
                listing its tests ended with exit code 3
                --- stdout
                on stdout
                --- stderr
                a configuration is missing

            Ran 1 test in 0.00s
                1 error

            Failures:
                ERROR   unlistable test/exits: its tests could not be listed
            "),
        }
    }
    // The tests of the others run; a list that lacks some is no list to rely on.
    project
        .maelstrom(&[])
        .exits(100)
        .says("PASS    [   0.000s] unlistable lib/unlistable can_be_listed");
    let run = project.maelstrom(&["--list"]).exits(100);
    assert_eq!(run.lines(), ["unlistable lib/unlistable can_be_listed"]);
}

#[test]
fn plain_missing_parts_of_a_container_are_an_error_of_its_tests_only() {
    let project = Project::own("plain");
    let error = |directive: &str| {
        project.directives(&format!(
            "[[directives]]\nfilter = \"name.equals(second)\"\n{directive}\n"
        ));
        let run = project.events(&[]).exits(100);
        let statuses = run.statuses();
        assert_eq!([&statuses["first"], &statuses["third"]], ["passed"; 2]);
        assert_eq!(statuses["second"], "error");
        let message = run.finished("second")["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            run.stable
                .contains("ERROR   [        -] plain lib/plain second\n"),
            "{run}"
        );
        let path = std::env::var("PATH").unwrap();
        project.stable(&message.replace(&path, "<path>"))
    };
    let messages = [
        r#"added_layers = [{ tar = "no.tar" }]"#,
        r#"added_layers = [{ tar = "Cargo.toml" }]"#,
        r#"added_layers = [{ paths = ["/no/such/file"] }]"#,
        r#"added_layers = [{ programs = ["no-such-program"] }]"#,
        r#"added_layers = [{ shared_library_dependencies = ["no-such-file"] }]"#,
        r#"added_layers = [{ source = "no-such-directory" }]"#,
        r#"added_environment = { A = "$env{NO_SUCH_VARIABLE}" }"#,
        r#"added_mounts = [{ type = "tmp", mount_point = "/no/such/directory" }]
           root_overlay = "none""#,
        r#"added_layers = [{ stubs = ["/a/"] }]
           added_mounts = [{ type = "bind", mount_point = "/a", local_path = "no-such-directory" }]"#,
        r#"root_overlay = { local = { upper = "no-upper", work = "no-work" } }"#,
        r#"working_directory = "/no/such/directory""#,
        "parent = \"empty\"\ninclude_shared_libraries = false",
    ]
    .map(error);
    insta::assert_snapshot!(messages.join("\n"), @r"
    cannot build the `tar` layer `<root>/no.tar`: <root>/no.tar does not exist
    cannot build the `tar` layer `<root>/Cargo.toml`: cannot read <root>/Cargo.toml: it ends in the middle of a header
    cannot build the `paths` layer `/no/such/file`: /no/such/file does not exist
    cannot build the `programs` layer `no-such-program`: cannot find a program:
      no-such-program
    looked in PATH: <path>
    install the program, add its directory to PATH, or name it by its path
    cannot build the `shared_library_dependencies` layer `<root>/no-such-file`: <root>/no-such-file does not exist
    cannot build the `source` layer `<root>/no-such-directory`: <root>/no-such-directory does not exist
    failed to compute the environment variable `A`: its value refers to `$env{NO_SUCH_VARIABLE}`, but the client's environment has no variable `NO_SUCH_VARIABLE`; set it, or give a default: `$env{NO_SUCH_VARIABLE:-...}`
    mount tmp at /no/such/directory: No such file or directory (os error 2); a `stubs` layer makes mount points: files, and directories where the path ends in `/`
    the `local_path` <root>/no-such-directory of the `bind` mount at /a does not exist; create it first
    the directory <root>/no-upper of `root_overlay` does not exist; create it first
    enter the working directory /no/such/directory: No such file or directory (os error 2); a layer has to bring it, a `stubs` layer for one
    execute <target>/debug/deps/plain-0123456789abcdef: No such file or directory (os error 2); a layer has to bring it, and the loader or interpreter that it names, as a `programs` layer does
    ");
}

#[test]
fn plain_a_test_without_its_libraries_gets_a_hint() {
    let project = Project::own("plain");
    project.directives(
        "[[directives]]\nfilter = 'name.equals(first)'\nparent = 'empty'\n\
         include_shared_libraries = false",
    );
    let run = project.maelstrom(&[]).exits(100);
    let hint = "`include_shared_libraries = true` in the directive adds the loader";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
}

#[test]
fn plain_a_glob_without_a_match_is_one_warning_for_all_containers() {
    let project = Project::own("plain");
    project.directives(
        "[[directives]]\nadded_layers = [{ glob = '*.nothing' }]\n\n\
         [[directives]]\nfilter = 'name.equals(late)'\nhostname = 'late'\n",
    );
    for number in 0..4 {
        project.write(
            &format!("tests/number_{number}.rs"),
            "#[test]\nfn late() {}\n",
        );
    }
    let run = project
        .maelstrom(&["--build-jobs", "1"])
        .exits(0)
        .says("7 passed");
    let warnings: Vec<_> = run
        .stable
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @"warning: the `glob` layer `*.nothing`: no file matches the pattern");
}

#[test]
fn plain_older_spellings_are_warned_about_once() {
    let project = Project::own("plain");
    project.directives(
        "[[directives]]\nenable_loopback = true\n\n\
         [[directives]]\nenable_loopback = true\n\n\
         [[directives]]\nadded_layers = [{ stubs = ['/mnt/'] }]\n\
         added_mounts = [{ fs_type = 'tmp', mount_point = '/mnt' }]\n",
    );
    let run = project.maelstrom(&["-q"]).exits(0);
    insta::assert_snapshot!(run.stable, @r#"
    warning: <root>/maelstrom-test.toml:2:1: `enable_loopback` is an older spelling; write `network`: `loopback` for true, `disabled` for false
               |
             2 | enable_loopback = true
               | ^^^^^^^^^^^^^^^
    warning: <root>/maelstrom-test.toml:9:19: `fs_type` is an older spelling; write `type`
               |
             9 | added_mounts = [{ fs_type = 'tmp', mount_point = '/mnt' }]
               |                   ^^^^^^^

    Ran 3 tests in 0.00s
        3 passed
    "#);
}

#[test]
fn vanishing_a_missing_library_is_named_with_the_file_that_needs_it() {
    let project = Project::own("vanishing");
    project.maelstrom(&[]).exits(0).says("1 passed");
    let built = project.target.join("debug/build");
    let libraries = fs::read_dir(built)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("out/libvanishing.so"));
    for library in libraries.filter(|path| path.exists()) {
        fs::remove_file(library).unwrap();
    }
    let run = project.maelstrom(&["-q"]).exits(100);
    let lines: Vec<_> = run
        .stable
        .lines()
        .filter(|line| !line.contains("looked in"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    ERROR   [        -] vanishing lib/vanishing: its tests could not be listed
        cannot build the `shared_library_dependencies` layer `<target>/debug/deps/vanishing-0123456789abcdef`: cannot find a shared library:
          libvanishing.so
            needed by <target>/debug/deps/vanishing-0123456789abcdef
        install the library, or add its directory to LD_LIBRARY_PATH; if the container should not get it from this machine, set `include_shared_libraries = false` and add the libraries by a layer or an image

    Ran 1 test in 0.00s
        1 error

    Failures:
        ERROR   vanishing lib/vanishing: its tests could not be listed
    ");
    run.says("looked in <target>/debug/deps (LD_LIBRARY_PATH)");
}

/// Runs the program after a shell script, in namespaces of its own: there the machine can be made
/// as it should not be.
fn after(namespaces: &str, script: &str, project: &Project, arguments: &[&str]) -> Option<Run> {
    let possible = Command::new("unshare").args([namespaces, "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: needs `unshare {namespaces}`");
        return None;
    }
    let inner = project.command(arguments);
    let script = format!("set -e\n{script}\nexec \"$@\"");
    let mut command = Command::new("unshare");
    command
        .args([namespaces, "sh", "-c", &script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(&project.root);
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(Run::of(&mut command, project))
}

#[test]
fn plain_disabled_user_namespaces_are_named_with_the_fix() {
    let project = Project::own("plain");
    let disable = "echo 0 > /proc/sys/user/max_user_namespaces";
    let Some(run) = after("-Ur", disable, &project, &["-q"]) else {
        return;
    };
    run.exits(96).says(
        "(os error 28); user namespaces are off: user.max_user_namespaces is 0; as root: sysctl -w \
         user.max_user_namespaces=15000; `cargo maelstrom doctor` examines this machine\n",
    );
    let run = after("-Ur", disable, &project, &["doctor"]).unwrap();
    assert!(run.stdout.contains("user.max_user_namespaces"), "{run}");
    assert_ne!(run.code, Some(0));
    // What needs no container works.
    after("-Ur", disable, &project, &["--list-packages"])
        .unwrap()
        .exits(0);
    after("-Ur", disable, &project, &["--no-run"])
        .unwrap()
        .exits(0);
}

/// Runs the program with a directory that nobody can write to, not even root.
fn read_only(path: &Path, project: &Project, arguments: &[&str]) -> Option<Run> {
    // The machine's root can mount as it is, and would not be itself in a user namespace.
    let is_root = nix::unistd::geteuid().is_root();
    let path = path.display();
    let script = format!("mount --bind {path} {path}\nmount -o remount,bind,ro {path}");
    after(
        if is_root { "-m" } else { "-Urm" },
        &script,
        project,
        arguments,
    )
}

#[test]
fn plain_a_target_directory_that_is_read_only_is_named() {
    let project = Project::own("plain");
    fs::create_dir(&project.target).unwrap();
    let Some(run) = read_only(&project.target, &project, &[]) else {
        return;
    };
    // Cargo is the first to notice.
    let run = run.says("Read-only file system").says("<target>");
    assert!([Some(96), Some(101)].contains(&run.code), "{run}");

    project.maelstrom(&["--no-run"]).exits(0);
    let run = read_only(&project.target, &project, &["-q"]).unwrap();
    run.exits(96).says(
        "error: cannot write to the store <target>/maelstrom/cache/store: Read-only file system (os error \
         30); make the directory writable for this user, remove it if another user made it, or \
         choose another place for it\n",
    );
}

#[test]
fn plain_a_source_tree_that_is_read_only_is_fine() {
    let project = Project::own("plain");
    if let Some(run) = read_only(&project.root, &project, &[]) {
        run.exits(0).says("3 passed");
    }
}
