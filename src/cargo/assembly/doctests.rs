//! The libraries whose documentation tests Cargo would run.

use super::{AnnouncedBinary, Assembler, TestBinary};
use crate::cargo::CargoError;
use crate::filter::TargetKind;
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Artifact;

/// A library that Cargo has built for its documentation tests.
#[derive(Clone, Debug)]
pub struct DoctestLibrary {
    /// What Cargo gives to programs of the library. The kind is [`TargetKind::Doctest`], and the
    /// path is that of the library.
    pub binary: TestBinary,
    /// The files of this library and of all libraries of the build that it may be made of.
    pub files: Vec<Utf8PathBuf>,
    /// Whether `cargo test` runs its documentation tests without `--doc`.
    pub is_usual: bool,
}

impl Assembler {
    /// The library that has this file. `None`: there is none.
    pub(in crate::cargo) fn doctest_library(
        &mut self,
        file: &Utf8Path,
    ) -> Result<Option<DoctestLibrary>, CargoError> {
        let mut libraries = self.libraries.iter();
        let found = libraries.find(|artifact| artifact.filenames.iter().any(|own| own == file));
        let Some(artifact) = found.cloned() else {
            return Ok(None);
        };
        let announced = AnnouncedBinary {
            kind: TargetKind::Doctest,
            package: self.package(&artifact)?,
            directories: self.directories_of(file),
            path: file.to_owned(),
            artifact,
        };
        let binary = self.binary(&announced)?;
        let members = self.workspace.closure(&announced.package);
        let may_be_part = |artifact: &&Artifact| {
            let id = artifact.package_id.repr.as_str();
            let is_member = self.workspace.package(id).is_some();
            !is_member || members.as_ref().is_none_or(|members| members.contains(id))
        };
        let parts = self.libraries.iter().filter(may_be_part);
        let mut files: Vec<_> = parts.flat_map(|part| part.filenames.clone()).collect();
        files.sort();
        files.dedup();
        Ok(Some(DoctestLibrary {
            binary,
            files,
            is_usual: announced.artifact.target.doctest,
        }))
    }
}
