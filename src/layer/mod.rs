//! Layers: from what a spec names to trees in the store.

pub mod libraries;
use camino::Utf8PathBuf;
use std::ffi::OsString;
pub struct LayerContext { pub project_dir: Utf8PathBuf, pub workspace_dir: Utf8PathBuf, pub package_dir: Utf8PathBuf, pub build_dir: Utf8PathBuf, pub target_dir: Utf8PathBuf, pub outside_sources: Vec<Utf8PathBuf>, pub path_variable: Option<OsString>, pub library_path: Vec<Utf8PathBuf> }
pub struct LayerBuilder;
pub struct Built { pub digest: crate::store::Digest, pub warnings: Vec<String> }
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct LayerError;
impl LayerBuilder {
  pub fn new(_: crate::store::Store) -> Self { Self }
  pub fn build(&self, _: &crate::spec::LayerSpec, _: &LayerContext) -> Result<Built, LayerError> { todo!() }
  pub fn build_directory(&self, _: &camino::Utf8Path) -> Result<Built, LayerError> { todo!() }
  pub fn build_binaries(&self, _: &[Utf8PathBuf], _: &LayerContext) -> Result<Built, LayerError> { todo!() }
}
