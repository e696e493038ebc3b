//! Downloading the outputs of the jobs of an action.
//!
//! The output directory of an action is a tree. Only the names that a runner gives are looked up in
//! it, and no name of it becomes a path of this machine. The paths of the outputs are in the records
//! of the runner. A worker may be hostile, so each path must match the globs of its job, and the
//! sizes in the tree must be within the limit before anything is downloaded.

use super::OUTPUTS;
use super::record::BatchEnd;
use crate::engine::reapi::{ActionResult, Directory, DirectoryNode, Tree};
use crate::engine::{Engine, EngineError, Problem, Progress, WantedFile};
use crate::executor::Container;
use crate::executor::outputs::{
    JobOutputs, ListedKind, ListedOutput, OutputGlobs, OutputListing, SizeBudget,
};
use crate::process::error_chain;
use crate::store::{Digest, Store};
use prost::Message;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path};
use std::sync::Arc;

/// The largest tree that is read, in bytes. A file with a number for a name takes about 90.
const LARGEST_TREE: u64 = 128 << 20;

/// How many times the limit of a job's outputs is that of a batch.
const BATCH_SHARE: u64 = 4;

/// The size of the outputs of a batch that are copied, by that of a job, both in bytes.
pub fn batch_limit(outputs_limit: u64) -> u64 {
    outputs_limit.saturating_mul(BATCH_SHARE)
}

/// Downloads outputs from an engine.
pub struct OutputDownload<'a> {
    pub engine: &'a Engine,
    pub store: &'a Store,
    /// The size of a job's outputs that are copied, in bytes.
    pub limit: u64,
}

/// The files of a directory, by their names.
type Files = BTreeMap<String, Digest>;

/// An output to download, and its name in the tree.
type WantedOutput = (ListedOutput, String);

impl OutputDownload<'_> {
    /// Downloads the outputs that the records name, and adds them to the outcomes. `containers`:
    /// those of the jobs. An output that cannot be downloaded is a problem of its job's outputs.
    /// Returns whether all were downloaded.
    pub async fn add_to(
        &self,
        ending: &mut BatchEnd,
        result: &ActionResult,
        containers: &[Arc<Container>],
    ) -> bool {
        let listings = std::mem::take(&mut ending.listings);
        let is_file = |output: &ListedOutput| matches!(output.kind, ListedKind::File { .. });
        let mut outputs = listings.values().flat_map(|listing| &listing.outputs);
        let tree = if outputs.any(is_file) {
            self.tree(result).await
        } else {
            Ok(OutputTree::default())
        };
        let mut all_there = tree.is_ok();
        let mut trouble = EngineTrouble::default();
        let mut left_of_batch = batch_limit(self.limit);
        for (job, listing) in listings {
            let (Some(outcome), Some(container)) =
                (ending.ended.get_mut(&job), containers.get(job))
            else {
                continue;
            };
            let files = match (&trouble.end, &tree) {
                (Some(why), _) | (None, Err(why)) => Err(why.clone()),
                (None, Ok(tree)) => tree.files_of(job),
            };
            let OutputListing { outputs, problems } = listing;
            let mut selection = OutputSelection::new(problems);
            let mut budget = SizeBudget::new(self.limit, left_of_batch);
            selection.select(outputs, &container.outputs, files, &mut budget);
            left_of_batch = budget.left_of_batch();
            let (outputs, is_whole) = self.download(selection, &mut trouble).await;
            all_there &= is_whole;
            outcome.outputs = Some(Arc::new(outputs));
        }
        all_there
    }

    /// The tree of outputs, or the reason why it cannot be read.
    async fn tree(&self, result: &ActionResult) -> Result<OutputTree, String> {
        let mut directories = result.output_directories.iter();
        let directory = directories.find(|directory| directory.path == OUTPUTS);
        let digest = directory.and_then(|directory| directory.tree_digest.as_ref());
        let Some(Ok(digest)) = digest.map(Digest::try_from) else {
            return Err(format!("the result of the action lacks `{OUTPUTS}`"));
        };
        if digest.size > LARGEST_TREE {
            return Err(format!(
                "the list of outputs has {} bytes, and at most {LARGEST_TREE} are read; make \
                 `outputs` match fewer files",
                digest.size
            ));
        }
        let bytes = self.engine.read(digest).await;
        let bytes = bytes.map_err(|error| error_chain(&error))?;
        Tree::decode(bytes.as_slice())
            .map(OutputTree::new)
            .map_err(|error| format!("the list of outputs is damaged: {error}"))
    }

    /// Downloads the outputs of a job. Returns whether all were downloaded.
    async fn download(
        &self,
        mut selection: OutputSelection,
        trouble: &mut EngineTrouble,
    ) -> (JobOutputs, bool) {
        loop {
            match self.download_selected(&selection).await {
                Ok(outputs) => return (outputs, selection.is_whole),
                Err(DownloadError::Engine(error)) => {
                    trouble.lose(&error, &mut selection);
                }
                Err(DownloadError::Local(why)) => {
                    let mut problems = selection.problems;
                    problems.push(format!("no output was copied: {why}"));
                    return (JobOutputs::without_files(problems), false);
                }
            }
        }
    }

    async fn download_selected(
        &self,
        selection: &OutputSelection,
    ) -> Result<JobOutputs, DownloadError> {
        if selection.outputs.is_empty() {
            return Ok(JobOutputs::without_files(selection.problems.clone()));
        }
        let local = |error: &dyn std::error::Error| DownloadError::Local(error_chain(error));
        let directory = self.store.work_directory().map_err(|error| local(&error))?;
        let wanted = selection.outputs.iter().filter_map(|(output, digest)| {
            let ListedKind::File { executable } = output.0.kind else {
                return None;
            };
            Some(WantedFile {
                digest: (*digest)?,
                path: directory.path().join(&output.1),
                mode: if executable { 0o700 } else { 0o600 },
            })
        });
        let wanted: Vec<_> = wanted.collect();
        let progress = Arc::new(Progress::default());
        if !wanted.is_empty() {
            let downloaded = self.engine.download(wanted, &progress).await;
            downloaded.map_err(DownloadError::Engine)?;
        }
        let outputs = selection.outputs.iter();
        let outputs = outputs.map(|(output, _)| output.clone()).collect();
        let problems = selection.problems.clone();
        let made = tokio::task::spawn_blocking(move || {
            JobOutputs::of_downloads(directory, outputs, problems)
        });
        let made = made.await.map_err(|error| local(&error))?;
        made.map_err(|error| local(&error))
    }
}

enum DownloadError {
    Engine(EngineError),
    /// Of this machine.
    Local(String),
}

/// What went wrong at the engine while the outputs of an action were downloaded.
#[derive(Default)]
struct EngineTrouble {
    /// Whether a blob was damaged. An engine that has more than one is not asked again, as each
    /// was requested many times.
    damaged: bool,
    /// The error after which nothing more is requested of the engine.
    end: Option<String>,
}

impl EngineTrouble {
    /// Removes the files from a selection that cannot be downloaded after an error.
    fn lose(&mut self, error: &EngineError, selection: &mut OutputSelection) {
        match &error.problem {
            Problem::Missing(missing) if !missing.is_empty() => {
                let missing: HashSet<&Digest> = missing.iter().collect();
                let why = format!("the engine at {} has lost its content", error.endpoint);
                if selection.lose(|digest| missing.contains(digest), &why) {
                    return;
                }
            }
            Problem::DigestMismatch(damaged) if !self.damaged => {
                self.damaged = true;
                if selection.lose(|digest| digest == damaged, &error_chain(error)) {
                    return;
                }
            }
            _ => {}
        }
        let why = error_chain(error);
        selection.lose(|_| true, &why);
        if error.problem.is_retryable() {
            self.end = Some(why);
        }
    }
}

/// The outputs of a job that are downloaded.
struct OutputSelection {
    /// Files have digests.
    outputs: Vec<(WantedOutput, Option<Digest>)>,
    problems: Vec<String>,
    /// Whether all files that the worker listed were downloaded, or are beyond a limit.
    is_whole: bool,
}

impl OutputSelection {
    fn new(problems: Vec<String>) -> Self {
        Self {
            outputs: Vec::new(),
            problems,
            is_whole: true,
        }
    }

    /// Adds the outputs that match absolute globs, as far as their sizes are within limits. `files`:
    /// those in the tree, or the reason why there are none.
    fn select(
        &mut self,
        outputs: Vec<ListedOutput>,
        globs: &[String],
        files: Result<Files, String>,
        budget: &mut SizeBudget,
    ) {
        let globs = OutputGlobs::new(globs);
        let (files, why) = match files {
            Ok(files) => (files, "the worker did not send its content".to_owned()),
            Err(why) => (Files::new(), why),
        };
        for (number, output) in outputs.into_iter().enumerate() {
            let path = output.path.display();
            if !is_plain(&output.path) || !globs.wants(&output.path) {
                self.problems.push(format!(
                    "{path} was not copied: the worker sent it, but it does not match `outputs`"
                ));
                continue;
            }
            let mut digest = None;
            let name = number.to_string();
            if matches!(output.kind, ListedKind::File { .. }) {
                let Some(found) = files.get(&name) else {
                    self.is_whole = false;
                    let problem = format!("{path} was not copied: {why}");
                    self.problems.push(problem);
                    continue;
                };
                if let Err(over) = budget.take(&output.path, found.size) {
                    self.problems.push(over.message);
                    if over.is_end {
                        break;
                    }
                    continue;
                }
                digest = Some(*found);
            }
            self.outputs.push(((output, name), digest));
        }
    }

    /// Removes the files whose digests are lost, for this reason. Returns whether there are any.
    fn lose(&mut self, is_lost: impl Fn(&Digest) -> bool, why: &str) -> bool {
        self.is_whole = false;
        let before = self.outputs.len();
        let problems = &mut self.problems;
        self.outputs.retain(|((output, _), digest)| {
            let is_lost = digest.as_ref().is_some_and(&is_lost);
            if is_lost {
                let path = output.path.display();
                problems.push(format!("{path} was not copied: {why}"));
            }
            !is_lost
        });
        self.outputs.len() < before
    }
}

/// Whether a path is absolute and has neither `.` nor `..`.
fn is_plain(path: &Path) -> bool {
    let mut components = path.components();
    components.next() == Some(Component::RootDir)
        && components.all(|component| matches!(component, Component::Normal(_)))
}

/// The tree of the outputs of an action.
#[derive(Default)]
struct OutputTree {
    /// The nodes of the root with each name.
    roots: HashMap<String, Vec<DirectoryNode>>,
    children: HashMap<Digest, Directory>,
}

impl OutputTree {
    fn new(tree: Tree) -> Self {
        let mut roots: HashMap<String, Vec<DirectoryNode>> = HashMap::new();
        for node in tree.root.unwrap_or_default().directories {
            roots.entry(node.name.clone()).or_default().push(node);
        }
        let children = tree.children.into_iter();
        let children = children.map(|child| (Digest::of(&child.encode_to_vec()), child));
        Self {
            roots,
            children: children.collect(),
        }
    }

    /// The files of a job, or the reason why they cannot be found. All other entries of the tree
    /// are ignored.
    fn files_of(&self, job: usize) -> Result<Files, String> {
        let name = job.to_string();
        let nodes = self.roots.get(&name).map(Vec::as_slice);
        let Some([node]) = nodes else {
            return Err(format!("`{OUTPUTS}` does not have `{name}` once"));
        };
        let digest = node.digest.as_ref().map(Digest::try_from);
        let directory = match digest {
            Some(Ok(digest)) => self.children.get(&digest),
            _ => None,
        };
        let directory = directory.ok_or_else(|| format!("`{OUTPUTS}/{name}` has no content"))?;
        let mut files = Files::new();
        for file in &directory.files {
            let Some(Ok(digest)) = file.digest.as_ref().map(Digest::try_from) else {
                continue;
            };
            if files.insert(file.name.clone(), digest).is_some() {
                let name = file.name.escape_debug();
                return Err(format!("`{OUTPUTS}` has `{name}` twice in one directory"));
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
