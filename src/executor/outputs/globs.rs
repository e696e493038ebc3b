//! The globs of outputs.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The directories that contain all files that match absolute globs, without those that are below
/// others. Globs that start with `!` exclude files.
pub fn directories(globs: &[String]) -> Vec<String> {
    let included = globs.iter().filter(|glob| !glob.starts_with('!'));
    let bases: BTreeSet<PathBuf> = included.map(|glob| base(glob)).collect();
    let is_topmost = |base: &&PathBuf| !base.ancestors().skip(1).any(|above| bases.contains(above));
    (bases.iter().filter(is_topmost))
        .map(|base| base.to_string_lossy().into_owned())
        .collect()
}

/// The directory of a glob above its first component with a special character.
fn base(glob: &str) -> PathBuf {
    let mut base = PathBuf::from("/");
    let mut components = glob.split('/').filter(|component| !component.is_empty());
    let mut next = components.next();
    while let Some(component) = next.and_then(literal) {
        next = components.next();
        if next.is_some() {
            base.push(component);
        }
    }
    base
}

/// The name that a component of a glob stands for. `None` if it has special characters.
fn literal(component: &str) -> Option<String> {
    let mut name = String::new();
    let mut characters = component.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' | '{' | '}' | ']' | '\\' => return None,
            // globset::escape writes a special character as a class of that character.
            '[' => {
                let class = (characters.next()?, characters.next()?);
                if class.1 != ']' || matches!(class.0, '!' | '^') {
                    return None;
                }
                name.push(class.0);
            }
            _ => name.push(character),
        }
    }
    Some(name)
}

/// A list of absolute globs. The last one that matches decides.
pub struct OutputGlobs {
    set: GlobSet,
    /// Whether each glob excludes files.
    excludes: Vec<bool>,
}

impl OutputGlobs {
    /// The specification refuses what is not a glob, so no error is expected.
    pub fn new(globs: &[String]) -> Self {
        let mut set = GlobSetBuilder::new();
        let mut excludes = Vec::new();
        for glob in globs {
            let (pattern, excludes_files) = match glob.strip_prefix('!') {
                Some(pattern) => (pattern, true),
                None => (glob.as_str(), false),
            };
            let built = GlobBuilder::new(pattern).literal_separator(true).build();
            if let Ok(built) = built {
                set.add(built);
                excludes.push(excludes_files);
            }
        }
        Self {
            set: set.build().unwrap_or_default(),
            excludes,
        }
    }

    pub fn wants(&self, path: &Path) -> bool {
        let matching = self.set.matches(path);
        (matching.iter().max()).is_some_and(|&index| !self.excludes[index])
    }
}
