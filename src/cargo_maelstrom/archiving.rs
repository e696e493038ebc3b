//! `cargo maelstrom archive`: packs the selected tests with their containers.

use super::SetUpError;
use super::ingredients::Ingredients;
use crate::archive::{
    self, ArchiveIndex, ArchivedBinary, ArchivedCase, ArchivedContainer, ArchivedWorkspace,
};
use crate::cargo::{TestBinary, Workspace};
use crate::directive::Directives;
use crate::layer::ContainerError;
use crate::process::to_stderr;
use crate::report::{Bytes, Count};
use crate::schedule::RecordedHistory;
use crate::session::PortableContainer;
use crate::spec::{Mount, RootOverlay};
use crate::store::parallel;
use crate::test_job::{TestCase, TestContainerBuilder};
use camino::Utf8Path;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The tests that a message names.
const SHOWN: usize = 5;

/// Makes an archive.
pub struct Archiving<'a> {
    pub workspace: &'a Workspace,
    pub directives: &'a Directives,
    pub containers: Arc<TestContainerBuilder>,
    /// The durations of the tests, also of those that are not archived.
    pub history: RecordedHistory,
}

impl Archiving<'_> {
    /// Writes the archive of these tests, and says what is in it.
    pub async fn write(mut self, file: &Utf8Path, cases: &[TestCase]) -> Result<(), SetUpError> {
        // The order in which binaries were listed varies.
        let mut cases: Vec<&TestCase> = cases.iter().collect();
        cases.sort_by_cached_key(|case| case.name().to_string());
        let mut binaries: Vec<ArchivedBinary> = Vec::new();
        let mut binary_places: HashMap<*const TestBinary, usize> = HashMap::new();
        // A container is made for the first test that has it.
        let mut first: Vec<&TestCase> = Vec::new();
        let mut places: HashMap<Ingredients, usize> = HashMap::new();
        let mut place_of_each = Vec::new();
        let mut workspace = ArchivedWorkspace::new(
            self.workspace.root.clone(),
            self.workspace.target_directory.clone(),
            self.directives.text().map(ToOwned::to_owned),
            &self.workspace.packages,
        );
        for case in &cases {
            let container = case.has_program().then(|| {
                *places.entry(Ingredients::of(case)).or_insert_with(|| {
                    first.push(case);
                    first.len() - 1
                })
            });
            let address = Arc::as_ptr(&case.binary);
            let binary = *binary_places.entry(address).or_insert_with(|| {
                workspace.add_package(&case.binary.package);
                binaries.push(ArchivedBinary::new(&case.binary));
                binaries.len() - 1
            });
            place_of_each.push(container);
            binaries[binary].cases.push(ArchivedCase {
                name: case.listed.name.clone(),
                ignored: case.listed.ignored,
                whole: case.whole,
                container,
                doctest: case.doctest.as_ref().map(|doctest| doctest.end.clone()),
            });
        }
        let portable = self.make_containers(&first).await?;
        note_bound(&cases, &place_of_each, &portable);
        let containers = portable.iter().zip(&first);
        let index = ArchiveIndex {
            workspace,
            binaries,
            containers: containers
                .map(|(portable, case)| {
                    ArchivedContainer::new(portable, &case.spec.pass_environment)
                })
                .collect(),
        };
        let ids: BTreeSet<_> = cases.iter().map(|case| case.id()).collect();
        self.history.retain(&ids);
        let (count, of) = (cases.len() as u64, index.binaries.len() as u64);
        let (path, store) = (
            file.to_owned(),
            self.containers.builder.layers.store().clone(),
        );
        let history = self.history;
        let writing = move || archive::write(&path, &index, &history, &store);
        let writing = tokio::task::spawn_blocking(writing).await;
        let size = writing.map_err(|error| SetUpError::Start(error.into()))??;
        to_stderr(format_args!(
            "packed {} of {} into {file} ({})",
            Count(count, "test", "tests"),
            Count(of, "test binary", "test binaries"),
            Bytes(size)
        ));
        Ok(())
    }

    /// The containers of these tests, whose layers are in the store.
    async fn make_containers(
        &self,
        cases: &[&TestCase],
    ) -> Result<Vec<PortableContainer>, SetUpError> {
        let of_cases: Vec<_> = cases.iter().map(|case| Ingredients::of(case)).collect();
        let builder = self.containers.clone();
        let making = tokio::task::spawn_blocking(move || -> Vec<Result<_, ContainerError>> {
            parallel::map(&of_cases, 1, |of| builder.portable(&of.spec, &of.binary))
        });
        let made = making
            .await
            .map_err(|error| SetUpError::Start(error.into()))?;
        let made = made.into_iter().zip(cases);
        made.map(|(portable, case)| {
            portable.map_err(|source| SetUpError::Unarchivable {
                test: case.name().to_string(),
                source,
            })
        })
        .collect()
    }
}

/// Warns about tests that need something of this machine that an archive does not hold. `places`: the
/// container of each test.
fn note_bound(cases: &[&TestCase], places: &[Option<usize>], containers: &[PortableContainer]) {
    let bound: Vec<_> = containers.iter().map(bound_paths).collect();
    let mut paths = BTreeSet::new();
    let mut names = Vec::new();
    for (case, &place) in cases.iter().zip(places) {
        let bound = place.map_or(&[][..], |place| &bound[place]);
        if !bound.is_empty() {
            paths.extend(bound);
            names.push(case.name().to_string());
        }
    }
    if names.is_empty() {
        return;
    }
    let tests = Count(names.len() as u64, "test needs", "tests need");
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let paths: Vec<_> = paths.into_iter().map(String::as_str).collect();
    let paths = paths.join(", ");
    to_stderr(format_args!(
        "warning: {tests} directories or files of the machine, which the archive does not hold, and \
         cannot run where they do not exist: {paths}\n  {}",
        names.join("\n  ")
    ));
}

/// What a container has of the machine itself.
fn bound_paths(container: &PortableContainer) -> Vec<String> {
    let mut paths = Vec::new();
    for mount in &container.spec.mounts {
        if let Mount::Bind { local_path, .. } = mount {
            paths.push(local_path.to_string());
        }
    }
    if let RootOverlay::Local { upper, work } = &container.spec.root_overlay {
        paths.extend([upper.to_string(), work.to_string()]);
    }
    paths
}
