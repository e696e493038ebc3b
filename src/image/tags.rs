//! The digests that tags resolved to first: `maelstrom-container-tags.lock`.

use super::{ImageError, digest};
use camino::{Utf8Path, Utf8PathBuf};
use oci_spec::image::Sha256Digest;
use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// The name of the file in the project directory.
pub const FILE: &str = "maelstrom-container-tags.lock";

const VERSION: u32 = 1;

const HEADER: &str = "\
# The digests that tags of container images resolved to when they were first used here, so that
# everybody uses the same images. Maelstrom writes this file; commit it. To resolve a tag again,
# remove its line; to resolve all tags again, remove this file.
";

/// The result of pinning a tag to a digest.
pub enum PinnedTag {
    /// The tag is pinned to this digest. Another process may have pinned it first.
    Pinned(Sha256Digest),
    /// The file could not be written. Holds the warning.
    NotPinned(String),
}

/// The digest that a tag is pinned to, if it is.
pub fn get(project_dir: &Utf8Path, name: &str) -> Result<Option<Sha256Digest>, ImageError> {
    Ok(PinnedTags::read(&project_dir.join(FILE))?.0.remove(name))
}

/// Pins a tag to a digest, unless it is pinned already.
pub fn add(
    project_dir: &Utf8Path,
    name: &str,
    digest: &Sha256Digest,
) -> Result<PinnedTag, ImageError> {
    // Every writer of the file holds this lock. Closing the descriptor releases it.
    let _lock = match locked(project_dir) {
        Ok(lock) => lock,
        Err(cause) => return Ok(PinnedTag::NotPinned(warning(project_dir, name, &cause))),
    };
    let path = project_dir.join(FILE);
    let mut tags = PinnedTags::read(&path)?;
    if let Some(known) = tags.0.get(name) {
        return Ok(PinnedTag::Pinned(known.clone()));
    }
    tags.0.insert(name.to_owned(), digest.clone());
    Ok(match replace(project_dir, &path, &tags.text()) {
        Ok(()) => PinnedTag::Pinned(digest.clone()),
        Err(cause) => PinnedTag::NotPinned(warning(project_dir, name, &cause)),
    })
}

fn warning(project_dir: &Utf8Path, name: &str, cause: &io::Error) -> String {
    format!(
        "cannot write {} ({cause}): `{name}` may resolve to another image in the next run",
        project_dir.join(FILE)
    )
}

fn locked(directory: &Utf8Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    flock(&directory, FlockOperation::LockExclusive)?;
    Ok(directory)
}

fn replace(directory: &Utf8Path, path: &Utf8Path, text: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".maelstrom-container-tags.")
        // The umask applies.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

struct PinnedTags(BTreeMap<String, Sha256Digest>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TagDocument {
    version: toml::Spanned<u32>,
    #[serde(default)]
    tags: BTreeMap<String, toml::Spanned<String>>,
}

impl PinnedTags {
    fn read(path: &Utf8Path) -> Result<Self, ImageError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(BTreeMap::new())),
            Err(cause) => Err(ImageError::Read {
                path: path.to_owned(),
                cause: Arc::new(cause),
            }),
        }
    }

    fn parse(text: &str, path: &Utf8Path) -> Result<Self, ImageError> {
        let invalid = |offset: usize, problem: String| tag_file_error(text, path, offset, problem);
        if let Some(offset) = conflict_marker(text) {
            let problem = "unresolved merge conflict; decide which lines to keep, or remove them all to resolve \
                their tags again";
            return Err(invalid(offset, problem.to_owned()));
        }
        let document: TagDocument = toml::from_str(text).map_err(|error| {
            let offset = error.span().unwrap_or_default().start;
            let problem = format!(
                "{}; correct it, or remove the file to resolve all tags again",
                error.message().trim_end()
            );
            invalid(offset, problem)
        })?;
        if *document.version.get_ref() != VERSION {
            let problem = format!(
                "this version of maelstrom reads version {VERSION} of this file; use a newer \
                    maelstrom, or remove the file to resolve all tags again"
            );
            return Err(invalid(document.version.span().start, problem));
        }
        let tags = document.tags.into_iter().map(|(name, value)| {
            match digest::parse(value.get_ref()) {
                Some(digest) => Ok((name, digest)),
                None => Err(invalid(
                    value.span().start,
                    format!(
                        "`{}` is not a digest, which is `sha256:` and 64 hexadecimal digits; remove \
                            the line to resolve the tag again",
                        value.get_ref()
                    ),
                )),
            }
        });
        Ok(Self(tags.collect::<Result<_, _>>()?))
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADER}version = {VERSION}\n\n[tags]\n");
        for (name, digest) in &self.0 {
            let name = toml::Value::String(name.clone());
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name} = \"sha256:{digest}\"");
        }
        text
    }
}

/// The offset of the first line that starts with a conflict marker of a version control system.
fn conflict_marker(text: &str) -> Option<usize> {
    const MARKS: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if MARKS.iter().any(|mark| line.starts_with(mark)) {
            return Some(offset);
        }
        offset += line.len();
    }
    None
}

fn tag_file_error(text: &str, path: &Utf8Path, offset: usize, problem: String) -> ImageError {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ImageError::TagFile {
        path: Utf8PathBuf::from(path),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> Sha256Digest {
        digit.to_string().repeat(64).parse().unwrap()
    }

    fn project() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        (directory, path)
    }

    #[track_caller]
    fn remembered(result: Result<PinnedTag, ImageError>) -> Sha256Digest {
        match result.unwrap() {
            PinnedTag::Pinned(digest) => digest,
            PinnedTag::NotPinned(warning) => panic!("{warning}"),
        }
    }

    #[test]
    fn tags_are_written_sorted_one_a_line() {
        let (_directory, project) = project();
        let b = "docker.io/library/b:1";
        assert!(get(&project, b).unwrap().is_none());
        assert_eq!(remembered(add(&project, b, &digest('b'))), digest('b'));
        add(&project, "docker.io/library/a:1", &digest('a')).unwrap();
        let text = fs::read_to_string(project.join(FILE)).unwrap();
        let expected = format!(
            "{HEADER}version = 1\n\n[tags]\n\
             \"docker.io/library/a:1\" = \"sha256:{}\"\n\
             \"docker.io/library/b:1\" = \"sha256:{}\"\n",
            digest('a'),
            digest('b')
        );
        assert_eq!(text, expected);
        assert_eq!(get(&project, b).unwrap(), Some(digest('b')));
        // A tag that is pinned stays pinned, and the file is not written.
        let before = fs::metadata(project.join(FILE))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(remembered(add(&project, b, &digest('c'))), digest('b'));
        let after = fs::metadata(project.join(FILE))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(before, after);
        assert_eq!(fs::read_dir(&project).unwrap().count(), 1);
    }

    #[test]
    fn tags_added_at_the_same_time_are_all_written() {
        let (_directory, project) = project();
        std::thread::scope(|scope| {
            for number in 0..20 {
                let project = &project;
                scope.spawn(move || add(project, &format!("x/y:{number}"), &digest('1')).unwrap());
            }
        });
        assert_eq!(PinnedTags::read(&project.join(FILE)).unwrap().0.len(), 20);
    }

    #[test]
    fn an_error_in_the_file_names_line_column_and_remedy() {
        let path = Utf8Path::new("dir/tags.lock");
        let good = digest('a');
        for (text, place, problem) in [
            (
                "version = 1\n[tags\n",
                "2:",
                "remove the file to resolve all tags",
            ),
            ("[tags]\n", "1:1", "missing field `version`"),
            ("version = 2\n", "1:11", "use a newer"),
            ("version = 1\ntasg = {}\n", "2:1", "unknown field `tasg`"),
            (
                "version = 1\n[tags]\n'a:1' = 'sha256:1'\n",
                "3:9",
                "is not a digest",
            ),
            (
                "version = 1\n[tags]\n<<<<<<< HEAD\n",
                "3:1",
                "unresolved merge conflict",
            ),
        ] {
            let error = PinnedTags::parse(text, path).err().expect(text).to_string();
            assert!(
                error.starts_with(&format!("dir/tags.lock:{place}")),
                "{error}"
            );
            assert!(error.contains(problem), "{error}");
        }
        let text = format!("version = 1\n[tags]\n'a:1' = 'sha256:{good}'\n");
        assert_eq!(PinnedTags::parse(&text, path).unwrap().0["a:1"], good);
    }
}
