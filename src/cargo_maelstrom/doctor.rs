//! `cargo maelstrom doctor`: checks whether this machine can run tests in containers.

use super::command_line::DoctorOptions;
use crate::container::doctor::{self, Check, Finding};
use crate::process::{ExitCode, error_chain, to_stderr, to_stdout};
use crate::report::{Paint, Role};
use crate::store::{Store, StoreError};
use std::path::{Path, PathBuf};

/// Checks the machine and prints the findings, each with its remedy.
pub fn run(options: &DoctorOptions, paint: Paint) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            to_stderr(format_args!("error: failed to start: {error}"));
            return ExitCode::SetUp;
        }
    };
    let mut checks = Vec::new();
    let (store_check, trees) = store(options);
    checks.extend(runtime.block_on(doctor::examine(Path::new("/proc/self/exe"), &trees)));
    checks.push(store_check);
    let (text, code) = report(&checks, paint);
    to_stdout(format_args!("{text}"));
    code
}

/// The text for the checks, and the exit code.
fn report(checks: &[Check], paint: Paint) -> (String, ExitCode) {
    let width = checks.iter().map(|check| check.name.len()).max();
    let width = width.unwrap_or(0);
    let mut code = ExitCode::Success;
    let mut lines = Vec::new();
    for check in checks {
        let (role, word, found, remedy) = match &check.finding {
            Finding::Good(found) => (Role::Good, "good", found, None),
            Finding::Limited { found, remedy } => (Role::Caution, "limited", found, Some(remedy)),
            Finding::Bad { found, remedy } => {
                code = ExitCode::SetUp;
                (Role::Bad, "bad", found, Some(remedy))
            }
        };
        let word = paint.apply(role, word);
        lines.push(format!("{word:<7} {:width$}  {found}", check.name));
        if let Some(remedy) = remedy {
            lines.push(format!("{:7} {:width$}  -> {remedy}", "", ""));
        }
    }
    lines.push(match code {
        ExitCode::Success => "\nTests can run in containers here.".to_owned(),
        _ => "\nTests cannot run in containers here until the checks marked `bad` are fixed."
            .to_owned(),
    });
    (lines.join("\n"), code)
}

/// Checks the store. Also returns a directory in which containers can be tried.
fn store(options: &DoctorOptions) -> (Check, PathBuf) {
    let target = options
        .target_dir
        .clone()
        .map(camino::Utf8PathBuf::into_std_path_buf)
        .or_else(|| std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from))
        .unwrap_or_else(|| match &options.manifest_path {
            Some(manifest) => manifest.with_file_name("target").into(),
            None => PathBuf::from("target"),
        });
    let target = std::path::absolute(&target).unwrap_or(target);
    let root = target.join("maelstrom/cache");
    let elsewhere = std::env::temp_dir;
    let (finding, trees) = match Store::open(&root, options.settings.cache_size.value.bytes()) {
        Ok(store) => (Finding::Good(root.display().to_string()), store.trees()),
        Err(error @ StoreError::Refused(_)) => {
            let found = format!("{} is in use for something else", root.display());
            let remedy = error.to_string();
            (Finding::Bad { found, remedy }, elsewhere())
        }
        Err(error) => {
            let found = error_chain(&error);
            let remedy = "make the target directory writable, or name another with --target-dir";
            let remedy = remedy.to_owned();
            (Finding::Bad { found, remedy }, elsewhere())
        }
    };
    (
        Check {
            name: "store",
            finding,
        },
        trees,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Color;

    #[test]
    fn the_report_has_a_line_for_each_check_and_one_for_each_remedy() {
        let check = |name, finding| Check { name, finding };
        let (found, remedy) = (|| "found".to_owned(), || "remedy".to_owned());
        let good = check("kernel", Finding::Good("Linux 6.18".to_owned()));
        let limited = Finding::Limited {
            found: found(),
            remedy: remedy(),
        };
        let limited = check("network", limited);
        let bad = Finding::Bad {
            found: found(),
            remedy: remedy(),
        };
        let bad = check("root file system", bad);
        let paint = Paint::resolve(Color::Never, false, |_| None);
        let (text, code) = report(&[good.clone(), limited.clone()], paint);
        assert_eq!(code, ExitCode::Success);
        insta::assert_snapshot!(text, @"
        good    kernel   Linux 6.18
        limited network  found
                         -> remedy

        Tests can run in containers here.
        ");
        let (text, code) = report(&[good, limited, bad], paint);
        assert_eq!(code, ExitCode::SetUp);
        insta::assert_snapshot!(text, @"
        good    kernel            Linux 6.18
        limited network           found
                                  -> remedy
        bad     root file system  found
                                  -> remedy

        Tests cannot run in containers here until the checks marked `bad` are fixed.
        ");
    }
}
