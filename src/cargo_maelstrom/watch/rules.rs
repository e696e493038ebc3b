//! Which files and directories are watched: not those that git ignores, not those that Cargo and this
//! program write, and not the temporary files of editors.

use ignore::Match;
use ignore::gitignore::Gitignore;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Cargo reads it even if git ignores it.
const LOCK_FILE: &str = "Cargo.lock";

/// The file by which Cargo and other programs mark directories that can be made again, such as target
/// directories.
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// Decides which files and directories are watched.
pub struct WatchRules {
    /// Files and directories that Cargo and this program write.
    excluded: Vec<PathBuf>,
    /// The ignore file of each directory that was asked for. `None`: there is none.
    ignore_files: HashMap<PathBuf, Option<Gitignore>>,
    /// The ignore file of the user.
    of_user: Gitignore,
}

impl WatchRules {
    pub fn new(excluded: Vec<PathBuf>) -> Self {
        Self {
            excluded,
            ignore_files: HashMap::new(),
            of_user: Gitignore::global().0,
        }
    }

    /// Excludes further files and directories.
    pub fn exclude(&mut self, paths: Vec<PathBuf>) {
        self.excluded.extend(paths);
        self.excluded.sort();
        self.excluded.dedup();
    }

    /// Forgets the ignore files, as one of them has changed.
    pub fn forget(&mut self) {
        self.ignore_files.clear();
    }

    /// Whether changes of a directory and what is below it do not matter. The directories above it are
    /// watched.
    pub fn ignores_directory(&mut self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == ".git")
            || self.excludes(path)
            || path.join(CACHE_MARK).exists()
            || self.is_git_ignored(path, true)
    }

    /// Whether changes of a file do not matter. Its directory is watched.
    pub fn ignores_file(&mut self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == LOCK_FILE {
            return false;
        }
        is_of_editor(&name)
            // A file in work trees other than the first.
            || name == ".git"
            || self.excludes(path)
            || self.is_git_ignored(path, false)
    }

    fn excludes(&self, path: &Path) -> bool {
        self.excluded.iter().any(|excluded| path == excluded)
    }

    fn is_git_ignored(&mut self, path: &Path, is_directory: bool) -> bool {
        for directory in path.ancestors().skip(1) {
            let decision = of_file(self.ignore_file(directory), path, is_directory);
            if let Some(is_ignored) = decision {
                return is_ignored;
            }
            if directory.join(".git").exists() {
                let exclude = directory.join(".git/info/exclude");
                let of_repository = of_file(self.ignore_file(&exclude), path, is_directory);
                let of_user = matched(&self.of_user, path, is_directory);
                return of_repository.or(of_user).unwrap_or(false);
            }
        }
        false
    }

    /// The ignore file of a directory, or this file.
    fn ignore_file(&mut self, place: &Path) -> Option<&Gitignore> {
        if !self.ignore_files.contains_key(place) {
            let read = if place.ends_with(".git/info/exclude") {
                of_repository(place)
            } else {
                let file = place.join(".gitignore");
                file.is_file().then(|| Gitignore::new(&file).0)
            };
            self.ignore_files.insert(place.to_owned(), read);
        }
        self.ignore_files.get(place)?.as_ref()
    }
}

/// The ignore file of a repository. Its patterns are relative to the work tree.
fn of_repository(file: &Path) -> Option<Gitignore> {
    let text = fs::read_to_string(file).ok()?;
    let mut builder = ignore::gitignore::GitignoreBuilder::new(file.ancestors().nth(3)?);
    for line in text.lines() {
        // A line that is no pattern has no meaning for git either.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok()
}

fn of_file(file: Option<&Gitignore>, path: &Path, is_directory: bool) -> Option<bool> {
    matched(file?, path, is_directory)
}

/// Whether an ignore file ignores a path. `None`: it says nothing.
fn matched(file: &Gitignore, path: &Path, is_directory: bool) -> Option<bool> {
    match file.matched(path, is_directory) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

/// Whether an editor gives its temporary files, backups or locks this name.
fn is_of_editor(name: &str) -> bool {
    let is_swap = || {
        let extension = name.rsplit_once(".sw").map(|(_, end)| end);
        name.starts_with('.') && extension.is_some_and(|end| end.len() == 1)
    };
    // Vim tries whether it can write to a directory.
    name == "4913"
        || name.ends_with('~')
        || is_swap()
        // Emacs
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        // JetBrains
        || name.ends_with("___jb_tmp___")
        || name.ends_with("___jb_old___")
        || name.ends_with("___jb_bak___")
        // Programs of GNOME and KDE
        || name.starts_with(".goutputstream-")
        || name.ends_with(".kate-swp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn temporary_files_of_editors_are_ignored() {
        for name in [
            "4913",
            "lib.rs~",
            ".lib.rs.swp",
            ".lib.rs.swx",
            ".#lib.rs",
            "#lib.rs#",
            "lib.rs___jb_tmp___",
            "lib.rs___jb_old___",
            ".goutputstream-V5K1Z0",
            ".lib.rs.kate-swp",
        ] {
            assert!(is_of_editor(name), "{name}");
        }
        for name in [
            "lib.rs",
            "4913.rs",
            "a.swift",
            ".swp",
            "#.rs",
            ".env",
            "page.swp2",
        ] {
            assert!(!is_of_editor(name) || name == ".swp", "{name}");
        }
    }

    #[test]
    fn git_decides_which_files_are_ignored_nearest_rule_first() {
        let tree = tree(&[
            (".git/info/exclude", "/mine\n"),
            (".gitignore", "*.log\n/built/\n"),
            ("a/.gitignore", "!kept.log\n"),
        ]);
        let root = tree.path();
        let mut rules = WatchRules::new(Vec::new());
        let mut ignores = |path: &str| rules.ignores_file(&root.join(path));
        assert!(ignores("x.log") && ignores("a/x.log") && ignores("mine"));
        assert!(!ignores("a/kept.log") && !ignores("a/mine") && !ignores("src/lib.rs"));
        assert!(rules.ignores_directory(&root.join("built")));
        assert!(rules.ignores_directory(&root.join(".git")));
        assert!(!rules.ignores_directory(&root.join("a/built")));
    }

    #[test]
    fn a_changed_ignore_file_counts_after_the_old_one_is_forgotten() {
        let tree = tree(&[(".git/HEAD", ""), (".gitignore", "data\n")]);
        let mut rules = WatchRules::new(Vec::new());
        let data = tree.path().join("data");
        assert!(rules.ignores_directory(&data));
        fs::write(tree.path().join(".gitignore"), "").unwrap();
        rules.forget();
        assert!(!rules.ignores_directory(&data));
    }

    #[test]
    fn caches_and_what_the_program_writes_are_ignored_but_not_the_lock_file() {
        let tree = tree(&[
            (".gitignore", "Cargo.lock\n"),
            ("other-target/CACHEDIR.TAG", "Signature: 8a47"),
        ]);
        let root = tree.path();
        let mut rules = WatchRules::new(vec![root.join("out"), root.join("junit.xml")]);
        assert!(rules.ignores_directory(&root.join("other-target")));
        assert!(rules.ignores_directory(&root.join("out")));
        assert!(rules.ignores_file(&root.join("junit.xml")));
        assert!(!rules.ignores_file(&root.join("Cargo.lock")));
    }
}
