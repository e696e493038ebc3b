//! Finds the files that match a glob pattern.

use super::LayerProblem;
use camino::Utf8Path;
use globset::{GlobBuilder, GlobMatcher};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files, symlinks and directories that match a pattern, sorted. They are relative to
/// `project_dir` or absolute, as the pattern is. `*` and `?` do not match `/`; `**` does.
/// Cargo's target directory is not searched unless the pattern names it. Directories behind
/// symlinks are not searched.
pub(super) fn find(
    pattern: &str,
    project_dir: &Utf8Path,
    target_dir: &Utf8Path,
) -> Result<Vec<PathBuf>, LayerProblem> {
    let pattern = pattern.trim_start_matches("./");
    let matcher = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|cause| LayerProblem::Pattern {
            pattern: pattern.to_owned(),
            cause,
        })?
        .compile_matcher();
    let (base, levels) = split(pattern);
    let start = project_dir.join(base);
    let mut search = GlobSearch {
        matcher,
        project_dir: project_dir.as_std_path(),
        excluded: Some(target_dir.as_std_path()).filter(|target| !start.starts_with(target)),
        found: Vec::new(),
    };
    match levels {
        Some(0) => search.add_if_present(base.as_std_path()),
        _ => search.descend(base.as_std_path(), levels)?,
    }
    search.found.sort_unstable();
    Ok(search.found)
}

/// The directory that contains all matches, and the number of levels to search below it. `None`:
/// no limit.
fn split(pattern: &str) -> (&Utf8Path, Option<usize>) {
    let is_special = |c| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\');
    let Some(special) = pattern.find(is_special) else {
        return (Utf8Path::new(pattern), Some(0));
    };
    let base = pattern[..special].rfind('/').map_or(0, |slash| slash + 1);
    let rest = &pattern[base..];
    // The number of slashes in braces depends on the alternative.
    let unlimited = rest.contains("**") || rest.contains('{');
    let levels = (!unlimited).then(|| rest.split('/').count());
    (Utf8Path::new(&pattern[..base]), levels)
}

struct GlobSearch<'a> {
    matcher: GlobMatcher,
    project_dir: &'a Path,
    excluded: Option<&'a Path>,
    found: Vec<PathBuf>,
}

impl GlobSearch<'_> {
    fn add_if_present(&mut self, written: &Path) {
        if fs::symlink_metadata(self.project_dir.join(written)).is_ok() {
            self.found.push(written.to_owned());
        }
    }

    fn descend(&mut self, directory: &Path, levels: Option<usize>) -> Result<(), LayerProblem> {
        let host = self.project_dir.join(directory);
        let unreadable = |cause| LayerProblem::Read {
            path: host.clone(),
            cause,
        };
        let entries = match fs::read_dir(&host) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(());
            }
            Err(cause) => return Err(unreadable(cause)),
        };
        let below = levels.map(|levels| levels - 1);
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let written = directory.join(entry.file_name());
            let is_directory = entry.file_type().map_err(unreadable)?.is_dir();
            if self.matcher.is_match(&written) {
                self.found.push(written.clone());
            }
            if is_directory && below != Some(0) && self.excluded != Some(entry.path().as_path()) {
                self.descend(&written, below)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn found(files: &[&str], pattern: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        symlink("/", root.join("everything")).unwrap();
        find(pattern, root, &root.join("target"))
            .unwrap()
            .into_iter()
            .map(|path| path.to_str().unwrap().to_owned())
            .collect()
    }

    const FILES: [&str; 5] = ["a.txt", "b.rs", "d/c.txt", "d/e/f.txt", "target/t.txt"];

    #[test]
    fn a_star_stays_within_its_directory() {
        assert_eq!(found(&FILES, "*.txt"), ["a.txt"]);
        assert_eq!(found(&FILES, "./*.txt"), ["a.txt"]);
        assert_eq!(found(&FILES, "d/*"), ["d/c.txt", "d/e"]);
        assert_eq!(found(&FILES, "*/?.txt"), ["d/c.txt"]);
    }

    #[test]
    fn two_stars_match_in_subdirectories_but_not_in_the_target_directory() {
        assert_eq!(found(&FILES, "**/*.txt"), ["a.txt", "d/c.txt", "d/e/f.txt"]);
        assert_eq!(found(&FILES, "target/**/*.txt"), ["target/t.txt"]);
    }

    #[test]
    fn braces_are_alternatives() {
        assert_eq!(found(&FILES, "{a.txt,d/e/*}"), ["a.txt", "d/e/f.txt"]);
    }

    #[test]
    fn a_pattern_without_special_characters_is_a_path() {
        assert_eq!(found(&FILES, "d/c.txt"), ["d/c.txt"]);
        assert_eq!(found(&FILES, "everything"), ["everything"]);
    }

    #[test]
    fn a_pattern_without_matches_finds_nothing() {
        assert!(found(&FILES, "*.md").is_empty());
        assert!(found(&FILES, "no/*").is_empty());
        assert!(found(&FILES, "a.txt/*").is_empty());
    }

    #[test]
    fn an_invalid_pattern_is_an_error_that_shows_it() {
        let root = Utf8Path::new("/");
        let error = find("a[b", root, root).unwrap_err().to_string();
        assert!(error.starts_with("`a[b` is not a valid pattern"), "{error}");
    }
}
