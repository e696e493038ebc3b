//! The packages that Cargo selects, and the narrower selection that include patterns allow.

use super::{CargoError, CargoOptions, Package, Workspace};
use camino::Utf8Path;
use globset::{Glob, GlobMatcher};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// The selection of packages after the include patterns were applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrowed {
    /// The options are unchanged.
    Verbatim,
    /// These options select only the packages that can match.
    To(CargoOptions),
    /// No package of the workspace can match.
    Nothing,
}

impl Workspace {
    /// The members that `cargo test` selects with these options: the specified members, all members
    /// except the excluded ones, or the default members. Unlike for Cargo, a specification can name
    /// only members, not their dependencies.
    pub fn selected(&self, options: &CargoOptions) -> Result<Vec<Arc<Package>>, CargoError> {
        let everything = options.is_set("workspace");
        let excluded: Vec<_> = options.values("exclude").collect();
        let specified: Vec<_> = options.values("package").collect();
        if !everything && !excluded.is_empty() {
            return Err(CargoError::ExcludeWithoutWorkspace);
        }
        if everything {
            let excluded = specifications(&excluded)?;
            return Ok(
                self.members(|package| !excluded.iter().any(|excluded| excluded.matches(package)))
            );
        }
        if specified.is_empty() {
            return Ok(self.members(|package| self.default_members.contains(&package.id)));
        }
        let wanted = specifications(&specified)?;
        for (specification, text) in wanted.iter().zip(specified) {
            if !self
                .packages
                .iter()
                .any(|package| specification.matches(package))
            {
                return Err(CargoError::NoSuchPackage {
                    specification: text.to_owned(),
                    root: self.root.clone(),
                });
            }
        }
        Ok(self.members(|package| wanted.iter().any(|wanted| wanted.matches(package))))
    }

    /// The members of which a text is the specification.
    pub fn members_named(&self, text: &str) -> Vec<Arc<Package>> {
        match Specification::parse(text) {
            Ok(specification) => self.members(|package| specification.matches(package)),
            Err(_) => Vec::new(),
        }
    }

    /// The options for building only packages that can match the include patterns. `matches` returns
    /// whether a package with this name matches; `None`: that depends on more than the package.
    ///
    /// The selection is not narrowed if options name targets or features, because Cargo refuses
    /// names that no selected package has.
    pub fn narrow(
        &self,
        options: &CargoOptions,
        matches: impl Fn(&str) -> Option<bool>,
    ) -> Result<Narrowed, CargoError> {
        let can_match = |package: &Arc<Package>| matches(&package.name) != Some(false);
        let selected = match self.selected(options) {
            // The specification may be that of a dependency. If not, Cargo reports the mistake.
            Err(CargoError::NoSuchPackage { .. }) => return Ok(Narrowed::Verbatim),
            selected => selected?,
        };
        let kept: Vec<_> = selected
            .iter()
            .filter(|package| can_match(package))
            .collect();
        if kept.is_empty() {
            let outside: Vec<_> = self
                .packages
                .iter()
                .filter(|package| can_match(package))
                .map(|package| package.name.clone())
                .collect();
            return if outside.is_empty() {
                Ok(Narrowed::Nothing)
            } else {
                Err(CargoError::OutsideSelection { packages: outside })
            };
        }
        let names = ["bin", "test", "example", "bench", "features"];
        if kept.len() == selected.len() || names.iter().any(|name| options.is_set(name)) {
            return Ok(Narrowed::Verbatim);
        }
        let specifications = kept.into_iter().map(|package| specification_of(package));
        Ok(Narrowed::To(options.for_packages(specifications)))
    }

    fn members(&self, wanted: impl Fn(&Package) -> bool) -> Vec<Arc<Package>> {
        self.packages
            .iter()
            .filter(|package| wanted(package))
            .cloned()
            .collect()
    }
}

fn specifications(texts: &[&str]) -> Result<Vec<Specification>, CargoError> {
    texts
        .iter()
        .map(|text| Specification::parse(text))
        .collect()
}

/// A specification of only this package. Since Cargo 1.77, package ids are specifications.
fn specification_of(package: &Package) -> &str {
    if package.id.contains(' ') {
        &package.name
    } else {
        &package.id
    }
}

/// The value of `-p` or `--exclude`: a package id specification, or a pattern of names.
enum Specification {
    Pattern(GlobMatcher),
    Exact {
        directory: Option<String>,
        name: Option<String>,
        version: Option<String>,
    },
    /// A package that is not from a path, and so is no member.
    Foreign,
}

impl Specification {
    fn parse(text: &str) -> Result<Self, CargoError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return Ok(Self::parse_url(scheme, rest));
        }
        if text.contains(['*', '?', '[', ']']) {
            return Glob::new(text)
                .map(|glob| Self::Pattern(glob.compile_matcher()))
                .map_err(|error| CargoError::PackagePattern {
                    pattern: text.to_owned(),
                    message: error.kind().to_string(),
                });
        }
        let (name, version) = split_version(text);
        Ok(Self::Exact {
            directory: None,
            name: Some(name.to_owned()),
            version: version.map(str::to_owned),
        })
    }

    /// Parses `[path+]file:///DIRECTORY[#[NAME@]VERSION]`.
    fn parse_url(scheme: &str, rest: &str) -> Self {
        if !matches!(scheme, "file" | "path+file") {
            return Self::Foreign;
        }
        let (path, fragment) = match rest.split_once('#') {
            Some((path, fragment)) => (path, Some(fragment)),
            None => (rest, None),
        };
        let (name, version) = match fragment {
            Some(fragment) if fragment.starts_with(|first: char| first.is_ascii_digit()) => {
                (None, Some(fragment))
            }
            Some(fragment) => {
                let (name, version) = split_version(fragment);
                (Some(name), version)
            }
            None => (None, None),
        };
        let directory = percent_decode_str(path.trim_end_matches('/'));
        Self::Exact {
            directory: Some(directory.decode_utf8_lossy().into_owned()),
            name: name.map(str::to_owned),
            version: version.map(str::to_owned),
        }
    }

    fn matches(&self, package: &Package) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.is_match(&package.name),
            Self::Exact {
                directory,
                name,
                version,
            } => {
                let here = |directory: &String| package.directory == Utf8Path::new(directory);
                directory.as_ref().is_none_or(here)
                    && name.as_ref().is_none_or(|name| *name == package.name)
                    && version
                        .as_ref()
                        .is_none_or(|version| is_version(version, &package.version.to_string()))
            }
            Self::Foreign => false,
        }
    }
}

/// Splits `NAME@VERSION`, or the older form `NAME:VERSION`.
fn split_version(text: &str) -> (&str, Option<&str>) {
    match text.split_once(['@', ':']) {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    }
}

/// Whether the version `partial`, which may lack the minor and patch version, matches `full`.
fn is_version(partial: &str, full: &str) -> bool {
    let rest = match full.strip_prefix(partial) {
        Some("") => return true,
        Some(rest) => rest,
        None => return false,
    };
    let parts = partial.split('.').count();
    // `1.2.3` does not match 1.2.3-rc, but matches 1.2.3+build.
    (parts < 3 && rest.starts_with('.')) || (parts == 3 && rest.starts_with('+'))
}

#[cfg(test)]
mod tests;
