//! Documentation tests: from the end of the build to the cases of each library.

use super::{RunError, TestRun};
use crate::cargo::{self, Build, DoctestExecutables, Invocation, Stderr, TestBinary, Workspace};
use crate::cargo_maelstrom::preparation::executables_directory;
use crate::config::CacheResults;
use crate::coverage::Instrumentation;
use crate::doctest::{
    CompileError, Compiler, Doctest, DoctestEnd, DoctestIngredients, ExecutableDirectory,
    NAMES_ONLY, Purpose, Recorder, Recording, RustdocIdentity, key,
};
use crate::layer::LayerError;
use crate::needs::NamesInFiles;
use crate::process::error_chain;
use crate::report::Event;
use crate::store::{Digest, Store};
use crate::test_job::{self, TestCase, TestContainerBuilder, verdict};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Variables that shells set for themselves, such as their directory.
const OF_SHELL: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];

/// What a run needs for documentation tests.
pub struct DoctestSettings {
    pub recorder: Recorder,
    pub compiler: Compiler,
    pub workspace: Arc<Workspace>,
    /// The call of `cargo test --doc`.
    pub invocation: Invocation,
    pub stderr: Stderr,
    pub purpose: Purpose,
    pub cache_results: CacheResults,
    /// Whether the executables are packed into layers.
    pub packed: bool,
    /// Whether tests without a program are left out, as the program of a test is asked for.
    pub needs_programs: bool,
    /// Whether tests are run, and not only listed.
    pub runs: bool,
    /// The executables stay where they are, as their paths are printed.
    pub leaves_executables: bool,
    /// The words that select tests by name.
    pub filters: Vec<String>,
    /// `None`: they are compiled without instrumentation.
    pub instrumentation: Option<Instrumentation>,
}

/// The state of a run with documentation tests.
pub enum DoctestRun {
    /// The first build makes test binaries, the second one libraries with documentation tests.
    Second(Rc<DoctestSettings>),
    /// The present build makes libraries with documentation tests. `is_first`: there was none
    /// before.
    Present {
        settings: Rc<DoctestSettings>,
        is_first: bool,
    },
    /// The builds have ended.
    Ended(Rc<DoctestSettings>),
}

/// A library with its documentation tests, or the reason why they are not known.
pub struct CompiledLibrary {
    binary: Arc<TestBinary>,
    found: Result<FoundTests, CompileFailure>,
}

struct FoundTests {
    tests: Vec<Doctest>,
    directory: ExecutableDirectory,
    identity: Option<String>,
    messages: String,
}

enum CompileFailure {
    /// Rustdoc has run the tests, for this reason.
    Outside {
        reason: String,
        has_passed: bool,
        output: String,
    },
    Error(String),
}

impl TestRun {
    /// Whether the present build only records how Cargo calls rustdoc.
    pub(super) fn is_recording(&self) -> bool {
        let doctests = self.parts.doctests.as_ref();
        matches!(
            doctests,
            Some(DoctestRun::Present {
                is_first: false,
                ..
            })
        )
    }

    /// The build that follows one that has ended.
    pub(super) fn next_build(&mut self, ended: Option<Build>) -> Result<Option<Build>, RunError> {
        let Some(mut ended) = ended else {
            return Ok(None);
        };
        match self.parts.doctests.take() {
            Some(DoctestRun::Second(settings)) if !self.is_stopping() => {
                let started = cargo::start_build(&settings.invocation, settings.stderr)?;
                let build = started.stream(settings.workspace.clone());
                let is_first = false;
                self.parts.doctests = Some(DoctestRun::Present { settings, is_first });
                return Ok(Some(build));
            }
            Some(DoctestRun::Present { settings, is_first }) => {
                if !self.is_stopping() {
                    self.compile_doctests(&settings, &mut ended, is_first)?;
                }
                self.parts.doctests = Some(DoctestRun::Ended(settings));
            }
            other => self.parts.doctests = other,
        }
        Ok(None)
    }

    /// Starts to compile the tests of each library for which Cargo has called rustdoc.
    fn compile_doctests(
        &mut self,
        settings: &Rc<DoctestSettings>,
        build: &mut Build,
        is_first: bool,
    ) -> Result<(), RunError> {
        let recordings = settings
            .recorder
            .recordings()
            .map_err(RunError::Recordings)?;
        for mut recording in recordings {
            if let Some(instrumentation) = &settings.instrumentation {
                instrumentation.add_to(&mut recording);
            }
            let call = recording.call();
            let library = match &call.library {
                Some(file) => build.doctest_library(Utf8Path::new(file))?,
                None => None,
            };
            let Some(library) = library else {
                return Err(RunError::UnknownLibrary(recording.arguments.join(" ")));
            };
            if !is_first && !library.is_usual {
                continue;
            }
            let mut binary = library.binary;
            binary.runner = call.runner;
            let binary = Arc::new(binary);
            if !self.parts.selector.may_select(&binary) {
                let considered = &mut self.ending.considered;
                considered.leave_out(&self.parts.selector, &binary);
                continue;
            }
            self.outstanding.expect_listing(&binary);
            self.report(&Event::ListingStarted(test_job::test_binary_name(&binary)));
            let library = Library {
                recording,
                files: library.files,
                binary: binary.clone(),
                containers: self.parts.containers.clone(),
                store: self.parts.session.store.clone(),
                settings: settings.clone(),
            };
            let on_panic = binary.clone();
            self.compiling.spawn_local(
                async move {
                    let found = library.find().await;
                    CompiledLibrary { binary, found }
                },
                |panic| CompiledLibrary {
                    binary: on_panic,
                    found: Err(CompileFailure::Error(panic.to_string())),
                },
            );
        }
        Ok(())
    }

    /// Handles the tests of a library.
    pub(super) fn doctests_compiled(&mut self, compiled: CompiledLibrary) {
        let CompiledLibrary { binary, found } = compiled;
        let (Some(DoctestRun::Ended(settings)), false) = (&self.parts.doctests, self.is_stopping())
        else {
            return;
        };
        let settings = settings.clone();
        match found {
            Ok(found) => {
                self.report_lines(&found.messages);
                self.outstanding.listed(&binary);
                let FoundTests {
                    tests,
                    mut directory,
                    identity,
                    ..
                } = found;
                if settings.leaves_executables {
                    directory.keep();
                }
                let mut binary = TestBinary::clone(&binary);
                binary.path.clone_from(&directory.path);
                let files = executables(&tests);
                (self.ending.doctest_executables).extend(files.iter().cloned());
                binary.doctests = Some(DoctestExecutables {
                    files,
                    identity,
                    packed: settings.packed,
                });
                let binary = Arc::new(binary);
                if let Some(looks) = &self.parts.looks {
                    looks.add_binary(&binary, directory.path.as_str());
                }
                self.executables.push(directory);
                let cases = tests
                    .into_iter()
                    .map(|test| (test.listed.clone(), Some(Rc::new(test))));
                self.add_cases(&binary, cases.collect(), false);
            }
            Err(CompileFailure::Outside {
                reason,
                has_passed,
                output,
            }) => {
                let warning = format!(
                    "the documentation tests of {} cannot run in containers: {reason}; they ran as \
                     with `cargo test --doc`",
                    test_job::test_binary_name(&binary)
                );
                self.report(&Event::Warning(&warning));
                self.ran_outside(binary, has_passed, output);
            }
            Err(CompileFailure::Error(message)) => self.listing_failed(&binary, &message),
        }
    }

    /// Whether a run that only lists tests lists this one.
    pub(super) fn is_listed(&self, case: &TestCase) -> bool {
        let needs_program = match &self.parts.doctests {
            Some(DoctestRun::Ended(settings)) => settings.needs_programs,
            _ => false,
        };
        !needs_program || case.has_program()
    }

    /// Reports the tests of a library, which rustdoc has run, as one test.
    fn ran_outside(&mut self, binary: Arc<TestBinary>, has_passed: bool, output: String) {
        self.outstanding.listed(&binary);
        let end = if has_passed {
            self.report_lines(&output);
            DoctestEnd::Passed
        } else {
            DoctestEnd::Failed(output)
        };
        let doctest = Doctest::new(&binary.target, end);
        let listed = Rc::new(doctest.listed.clone());
        let considered = &mut self.ending.considered;
        considered.add(&self.parts.selector, &binary, &listed, true);
        let name = test_job::test_case_name(&binary, &listed.name);
        let case = TestCase {
            spec: self.parts.directives.resolve(&name),
            binary,
            listed,
            whole: true,
            needs: Rc::default(),
            archived: None,
            doctest: Some(Rc::new(doctest)),
        };
        // With `--partition`, each part has run the tests, and one reports them.
        self.accept(case, true);
    }

    fn report_lines(&self, text: &str) {
        for line in text.lines() {
            self.report(&Event::CargoLine(line));
        }
    }

    /// Reports a documentation test for which no program runs. `failure`: what rustdoc printed.
    pub(super) fn end_of_compiled(&mut self, case: &TestCase, failure: Option<&str>) {
        if self.parts.running.no_capture
            && let Some(text) = failure
        {
            self.report(&Event::Output(format!("{text}\n").as_bytes()));
        }
        let history = &mut self.parts.history;
        history.record_without_run(case.id(), failure.is_none());
        let outcome = verdict::without_program(failure);
        self.ended_unqueued(case, &outcome);
    }
}

/// The executables of tests, each once.
fn executables(tests: &[Doctest]) -> Vec<Utf8PathBuf> {
    let mut paths: Vec<_> = tests
        .iter()
        .filter_map(|test| match &test.end {
            DoctestEnd::Executable { path, .. } => Some(path.clone()),
            _ => None,
        })
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Makes the layers with the sources of a library.
type SourceLayers = fn(&TestContainerBuilder, &TestBinary) -> Result<Vec<Digest>, LayerError>;

/// A library whose tests are to be found.
struct Library {
    recording: Recording,
    /// The files of the libraries that it is made of.
    files: Vec<Utf8PathBuf>,
    binary: Arc<TestBinary>,
    containers: Arc<TestContainerBuilder>,
    store: Store,
    settings: Rc<DoctestSettings>,
}

impl Library {
    async fn find(self) -> Result<FoundTests, CompileFailure> {
        let found = match self.try_find().await {
            Err(CompileError::Unexpected(reason)) => {
                let DoctestSettings {
                    compiler, filters, ..
                } = &*self.settings;
                let reason = format!("rustdoc works in another way than is known ({reason})");
                if !self.settings.runs {
                    let message = format!("{reason}; `-x doctest` excludes documentation tests");
                    return Err(CompileFailure::Error(message));
                }
                return match compiler.run_outside(&self.recording, filters).await {
                    Ok((has_passed, output)) => Err(CompileFailure::Outside {
                        reason,
                        has_passed,
                        output,
                    }),
                    Err(error) => Err(CompileFailure::Error(error_chain(&error))),
                };
            }
            found => found,
        };
        found.map_err(|error| CompileFailure::Error(error_chain(&error)))
    }

    async fn try_find(&self) -> Result<FoundTests, CompileError> {
        let directory = executables_directory(&self.settings.workspace);
        let name = format!("{}-{}", self.binary.package.name, self.binary.target);
        let of_library = directory.join(name);
        let uses_key = self.settings.cache_results.reads();
        let key = if uses_key {
            self.key(TestContainerBuilder::sources).await?
        } else {
            None
        };
        let purpose = self.settings.purpose;
        // A list takes the tests of a run, and a run needs more than those of a list.
        let names = |key: &String| format!("{NAMES_ONLY}{key}");
        let of_list = key.as_ref().filter(|_| purpose == Purpose::List).map(names);
        for name in key.iter().chain(&of_list) {
            if let Some((directory, tests)) = ExecutableDirectory::find(&of_library, name) {
                return Ok(FoundTests {
                    tests,
                    directory,
                    identity: key,
                    messages: String::new(),
                });
            }
        }
        let failed = |error: io::Error| CompileError::Files(of_library.clone(), error);
        let name = of_list.or_else(|| key.clone());
        let library = of_library.clone();
        // Directories with gigabytes may be removed first.
        let creating = tokio::task::spawn_blocking(move || {
            ExecutableDirectory::create(&library, name.as_deref())
        });
        let created = creating.await.map_err(|error| failed(error.into()))?;
        let mut directory = created.map_err(failed)?;
        let compiler = &self.settings.compiler;
        let compiling = compiler.compile(&self.recording, &directory.path, purpose);
        let found = compiling.await?;
        // Rustdoc may have read files that changed after their content had become part of the key.
        let is_of_key =
            key.is_some() && self.key(TestContainerBuilder::present_sources).await? == key;
        if is_of_key {
            directory.complete(&found.tests).map_err(failed)?;
        }
        Ok(FoundTests {
            tests: found.tests,
            directory,
            identity: key.filter(|_| is_of_key),
            messages: found.messages,
        })
    }

    /// The key of the tests. `sources` makes the layers with the sources. `None`: something that the
    /// tests are made of cannot be read.
    async fn key(&self, sources: SourceLayers) -> Result<Option<String>, CompileError> {
        let compiler = &self.settings.compiler;
        let mode = compiler.mode();
        let sysroot = &self.settings.workspace.toolchain.sysroot;
        let rustdoc = if compiler.rustdoc().starts_with(sysroot) {
            RustdocIdentity::File(compiler.rustdoc().to_owned())
        } else {
            RustdocIdentity::Version(compiler.version(&self.recording).await?.to_owned())
        };
        let (recording, files, binary) = (
            self.recording.clone(),
            self.files.clone(),
            self.binary.clone(),
        );
        let (containers, store) = (self.containers.clone(), self.store.clone());
        let making = tokio::task::spawn_blocking(move || {
            let sources = sources(&containers, &binary).ok()?;
            let ingredients = DoctestIngredients {
                recording: &recording,
                mode: &mode,
                rustdoc: &rustdoc,
                sources: &sources,
                libraries: &files,
                variables: &read_variables(&binary.package.directory),
            };
            key(&store, &ingredients).ok()
        });
        // After a panic there is no key.
        Ok(making.await.ok().flatten())
    }
}

/// The variables of this process whose names occur in the source files of a package: `env!` gives
/// their values to the code.
fn read_variables(directory: &Utf8Path) -> BTreeMap<String, String> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: BTreeMap<_, _> = variables
        .filter(|(name, _)| !OF_SHELL.contains(&name.as_str()))
        .collect();
    let names = NamesInFiles::new(variables.keys().cloned());
    let mut found = BTreeSet::new();
    for path in source_files(directory.as_std_path()) {
        found.extend(names.of(&path));
    }
    // These control the compiler itself.
    variables.retain(|name, _| name.starts_with("RUST") || found.contains(name));
    variables
}

/// The Rust files of a package.
fn source_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_left_out = name == "target" || name.as_encoded_bytes().starts_with(b".");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !is_left_out {
                found.extend(source_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
