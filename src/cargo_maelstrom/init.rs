//! `--init`: a first `maelstrom-test.toml`, from the configuration of cargo-nextest if there is one.

use super::command_line::TestOptions;
use super::{SetUpError, preparation};
use crate::cargo::Workspace;
use crate::directive::{self, DirectiveError, NEXTEST_FILE};
use crate::process::{ExitCode, to_stderr};
use camino::Utf8Path;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};

pub async fn run(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    let workspace = preparation::workspace(options).await?;
    let path = workspace.root.join(directive::FILE_NAME);
    if path.exists() {
        return Err(SetUpError::Exists(path));
    }
    let nextest = workspace.root.join(NEXTEST_FILE);
    let migrated = migrated(&nextest)?;
    let text = match &migrated {
        Some(migrated) => format!("{migrated}\n{}", directive::STARTER),
        None => directive::STARTER.to_owned(),
    };
    match write_new(&path, &text) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(SetUpError::Exists(path));
        }
        Err(source) => return Err(SetUpError::Write { path, source }),
    }
    match migrated {
        Some(_) => to_stderr(format_args!(
            "wrote {path} with what {nextest} says; its comments name what has no counterpart"
        )),
        None => to_stderr(format_args!("wrote {path}")),
    }
    Ok(ExitCode::Success)
}

/// What the configuration of cargo-nextest means. `None`: there is none.
fn migrated(nextest: &Utf8Path) -> Result<Option<String>, SetUpError> {
    match fs::read(nextest) {
        Ok(bytes) => Ok(Some(directive::from_nextest(bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SetUpError::Directives(DirectiveError::Read {
            path: nextest.to_owned(),
            source,
        })),
    }
}

fn write_new(path: &Utf8Path, text: &str) -> io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}

/// The note of a run on a configuration of cargo-nextest that has no effect.
pub fn note(workspace: &Workspace) -> Option<String> {
    let is_alone = workspace.root.join(NEXTEST_FILE).exists()
        && !workspace.root.join(directive::FILE_NAME).exists();
    is_alone.then(|| {
        format!(
            "`{NEXTEST_FILE}` has no effect; `cargo maelstrom --init` writes what it means to `{}`",
            directive::FILE_NAME
        )
    })
}
