//! An action laid out in a directory.

use camino::Utf8PathBuf;
use maelstrom::executor::remote::{
    BatchEnd, InputContent, Inputs, JobBatch, OUTCOMES, RunnerBundle,
};
use maelstrom::executor::{Container, Job, JobVariable};
use maelstrom::image::{ImageSettings, Images};
use maelstrom::layer::{LayerBuilder, LayerContext, SourceView};
use maelstrom::spec::{Device, LayerSpec, Mount, Network, RootOverlay};
use maelstrom::store::{Manifest, Store};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

/// A place where layers are built and actions laid out.
pub struct RunnerFixture {
    temporary: TempDir,
    store: Store,
}

/// An action, ready to be run.
pub struct Action {
    pub directory: PathBuf,
    pub command: Vec<String>,
}

impl RunnerFixture {
    pub fn new() -> Self {
        // Where programs that were built can be linked to.
        let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // A worker's user is not always the one who made this directory.
        fs::set_permissions(temporary.path(), Permissions::from_mode(0o755)).unwrap();
        let store = Store::open(&temporary.path().join("store"), 1 << 30).unwrap();
        Self { temporary, store }
    }

    /// A container that has these programs, a hundred small files below `/data`, and
    /// `/tmp`.
    pub fn container(&self, programs: &[&str]) -> Container {
        let mut small = Manifest::new();
        for number in 0..100 {
            let content = format!("content {number}");
            let digest = self.store.add_bytes(content.as_bytes(), false).unwrap();
            let mode = maelstrom::store::Mode::PLAIN;
            let path = format!("/data/{}/{number}", number % 7);
            let path = maelstrom::store::PathInContainer::new(path.as_bytes()).unwrap();
            let entry = maelstrom::store::Entry::File { digest, mode };
            small.insert(path, entry).unwrap();
        }
        let small = self.store.add_tree(&small).unwrap();
        let images = Images::new(ImageSettings::new(
            self.temporary.path().join("images"),
            |_| None,
        ));
        let here = Utf8PathBuf::from("/");
        let context = LayerContext {
            project_dir: here.clone(),
            workspace_dir: here.clone(),
            package_dir: here.clone(),
            build_dir: here.clone(),
            target_dir: here.clone(),
            home_dir: here,
            outside_sources: Vec::new(),
            view: SourceView::default(),
            path_variable: std::env::var_os("PATH"),
            library_path: Vec::new(),
        };
        let builder = LayerBuilder::new(self.store.clone(), images);
        let programs = LayerSpec::Programs {
            programs: programs.iter().map(ToString::to_string).collect(),
        };
        let stubs = LayerSpec::Stubs {
            stubs: ["/tmp/", "/proc/", "/dev/null"].map(str::to_owned).to_vec(),
        };
        let built = [programs, stubs].map(|layer| builder.build(&layer, &context).unwrap().digest);
        Container {
            layers: [&[small], built.as_slice()].concat(),
            environment: BTreeMap::from([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]),
            mounts: vec![
                Mount::Proc {
                    mount_point: "/proc".into(),
                },
                Mount::Tmp {
                    mount_point: "/tmp".into(),
                },
                Mount::Devices {
                    devices: vec![Device::Null],
                },
            ],
            network: Network::Loopback,
            root_overlay: RootOverlay::Tmp,
            working_directory: "/tmp".into(),
            user: 1000,
            group: 1000,
            init: true,
            hostname: "worker".to_owned(),
            watched: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Lays out the action that runs these scripts, each as a job.
    pub fn action(&self, name: &str, container: &Container, scripts: &[&str]) -> Action {
        let container = Arc::new(container.clone());
        let jobs = scripts.iter().map(|script| Job {
            container: container.clone(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), (*script).to_owned()],
            variables: vec![JobVariable::Slot {
                name: "MAELSTROM_SLOT".to_owned(),
            }],
            timeout: None,
            limits: maelstrom::container::JobLimits::default(),
            should_panic: false,
            group_slot: None,
        });
        let batch = JobBatch {
            jobs: jobs.collect(),
            inline_limit: 1000,
            outputs_limit: 1000,
            blob_limit: None,
        };
        let kit = kit();
        let command = kit.command();
        let inputs = Inputs::new(self.store.clone(), kit);
        let directory = self.temporary.path().join(name);
        for (path, file) in inputs.of(&batch).unwrap() {
            let to = directory.join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mode = if file.executable { 0o755 } else { 0o644 };
            match &file.content {
                InputContent::File(from) => {
                    let has_mode = fs::metadata(from).unwrap().permissions().mode() & 0o777 == mode;
                    if has_mode && fs::hard_link(from, &to).is_ok() {
                        continue;
                    }
                    fs::copy(from, &to).unwrap();
                }
                other => fs::write(&to, inputs.read(other).unwrap()).unwrap(),
            }
            fs::set_permissions(&to, Permissions::from_mode(mode)).unwrap();
        }
        Action { directory, command }
    }
}

impl Action {
    /// The command, to be run on this machine without anything of its environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .env_clear()
            .current_dir(&self.directory);
        command
    }

    pub fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    pub fn ending(&self) -> BatchEnd {
        BatchEnd::parse(&fs::read(self.directory.join(OUTCOMES)).unwrap()).unwrap()
    }
}

/// The runner that is tested; its programs are large, so that their digests are found out
/// once.
fn kit() -> RunnerBundle {
    static KIT: LazyLock<RunnerBundle> = LazyLock::new(|| {
        let temporary = tempfile::tempdir().unwrap();
        let store = Store::open(temporary.path(), 1 << 30).unwrap();
        RunnerBundle::of(&store, env!("CARGO_BIN_EXE_cargo-maelstrom").into()).unwrap()
    });
    KIT.clone()
}

/// How many regular files there are below a directory.
pub fn count_files(directory: &Path) -> usize {
    let count = |entry: fs::DirEntry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => count_files(&entry.path()),
        _ => 1,
    };
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| count(entry.unwrap())).sum()
}
