//! What tags meant when they were looked up: `maelstrom-container-tags.lock`.

use super::ImageError;
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
# What the tags of container images meant when they were first used here, so that they mean
# the same for everybody. Written by maelstrom; to be committed. To have a tag looked up
# again, remove its line; to have all of them looked up again, remove this file.
";

/// What became of a tag that was to be remembered.
pub enum Remembered {
    /// It means this: somebody else may have been faster.
    As(Sha256Digest),
    /// It is not, as this warning says.
    Not(String),
}

/// The digest of what a tag names.
pub fn get(project_dir: &Utf8Path, name: &str) -> Result<Option<Sha256Digest>, ImageError> {
    Ok(Tags::read(&project_dir.join(FILE))?.0.remove(name))
}

/// Remembers a tag, unless that has been done.
pub fn add(
    project_dir: &Utf8Path,
    name: &str,
    digest: &Sha256Digest,
) -> Result<Remembered, ImageError> {
    // Whoever writes to the file holds this lock. It is given up with the descriptor.
    let _lock = match locked(project_dir) {
        Ok(lock) => lock,
        Err(cause) => return Ok(Remembered::Not(warning(project_dir, name, &cause))),
    };
    let path = project_dir.join(FILE);
    let mut tags = Tags::read(&path)?;
    if let Some(known) = tags.0.get(name) {
        return Ok(Remembered::As(known.clone()));
    }
    tags.0.insert(name.to_owned(), digest.clone());
    Ok(match replace(project_dir, &path, &tags.text()) {
        Ok(()) => Remembered::As(digest.clone()),
        Err(cause) => Remembered::Not(warning(project_dir, name, &cause)),
    })
}

fn warning(project_dir: &Utf8Path, name: &str, cause: &io::Error) -> String {
    format!(
        "cannot write {} ({cause}): `{name}` may mean something else in the next run",
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
        // As far as the user's mask allows.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

struct Tags(BTreeMap<String, Sha256Digest>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: toml::Spanned<u32>,
    #[serde(default)]
    tags: BTreeMap<String, toml::Spanned<String>>,
}

impl Tags {
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
        let mistake = |offset: usize, problem: String| mistake(text, path, offset, problem);
        if let Some(offset) = conflict(text) {
            let problem = "a merge left this here; decide which lines to keep, or remove them all \
                           to have their tags looked up again";
            return Err(mistake(offset, problem.to_owned()));
        }
        let document: Document = toml::from_str(text).map_err(|error| {
            let offset = error.span().unwrap_or_default().start;
            let problem = format!(
                "{}; mend it, or remove the file to have all tags looked up again",
                error.message().trim_end()
            );
            mistake(offset, problem)
        })?;
        if *document.version.get_ref() != VERSION {
            let problem = format!(
                "this version of maelstrom reads version {VERSION} of this file; use a newer \
                 one, or remove the file to have all tags looked up again"
            );
            return Err(mistake(document.version.span().start, problem));
        }
        let tags = document.tags.into_iter().map(|(name, value)| {
            let digest = value.get_ref().strip_prefix("sha256:");
            match digest.and_then(|hex| hex.parse().ok()) {
                Some(digest) => Ok((name, digest)),
                None => Err(mistake(
                    value.span().start,
                    format!(
                        "`{}` is no digest: that is `sha256:` and 64 hexadecimal digits; remove \
                         the line to have the tag looked up again",
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

/// Where a line begins that version control writes into what it cannot merge.
fn conflict(text: &str) -> Option<usize> {
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

fn mistake(text: &str, path: &Utf8Path, offset: usize, problem: String) -> ImageError {
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
    fn remembered(result: Result<Remembered, ImageError>) -> Sha256Digest {
        match result.unwrap() {
            Remembered::As(digest) => digest,
            Remembered::Not(warning) => panic!("{warning}"),
        }
    }

    #[test]
    fn tags_are_remembered_in_one_sorted_line_each() {
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
        // What is known stays, and the file is not touched.
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
    fn tags_added_at_the_same_time_are_all_remembered() {
        let (_directory, project) = project();
        std::thread::scope(|scope| {
            for number in 0..20 {
                let project = &project;
                scope.spawn(move || add(project, &format!("x/y:{number}"), &digest('1')).unwrap());
            }
        });
        assert_eq!(Tags::read(&project.join(FILE)).unwrap().0.len(), 20);
    }

    #[test]
    fn a_malformed_file_is_told_with_place_and_remedy() {
        let path = Utf8Path::new("dir/tags.lock");
        let good = digest('a');
        for (text, place, problem) in [
            (
                "version = 1\n[tags\n",
                "2:",
                "remove the file to have all tags",
            ),
            ("[tags]\n", "1:1", "missing field `version`"),
            ("version = 2\n", "1:11", "use a newer"),
            ("version = 1\ntasg = {}\n", "2:1", "unknown field `tasg`"),
            (
                "version = 1\n[tags]\n'a:1' = 'sha256:1'\n",
                "3:9",
                "is no digest",
            ),
            (
                "version = 1\n[tags]\n<<<<<<< HEAD\n",
                "3:1",
                "a merge left this here",
            ),
        ] {
            let error = Tags::parse(text, path).err().expect(text).to_string();
            assert!(
                error.starts_with(&format!("dir/tags.lock:{place}")),
                "{error}"
            );
            assert!(error.contains(problem), "{error}");
        }
        let text = format!("version = 1\n[tags]\n'a:1' = 'sha256:{good}'\n");
        assert_eq!(Tags::parse(&text, path).unwrap().0["a:1"], good);
    }
}
