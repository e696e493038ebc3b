//! `cargo maelstrom doctor`: checks whether this machine can run tests in containers.

use super::command_line::CacheOptions;
use crate::container::doctor::{self, Check, Grade};
use crate::process::{ExitCode, error_chain, to_stderr, to_stdout};
use crate::report::{Paint, Role};
use crate::store::{Store, StoreError};
use std::path::{Path, PathBuf};

/// Checks the machine and prints the findings, each with its remedy.
pub fn run(options: &CacheOptions, paint: Paint) -> ExitCode {
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
        let role = match check.grade {
            Grade::Good => Role::Good,
            Grade::Limited => Role::Caution,
            Grade::Bad => {
                code = ExitCode::SetUp;
                Role::Bad
            }
        };
        let word = paint.apply(role, check.grade.into_str());
        lines.push(format!("{word:<7} {:width$}  {}", check.name, check.found));
        if let Some(remedy) = &check.remedy {
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
fn store(options: &CacheOptions) -> (Check, PathBuf) {
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
    match Store::open(&root, options.settings.cache_size.value.bytes()) {
        Ok(store) => (
            Check::good("store", root.display().to_string()),
            store.trees(),
        ),
        Err(error) => {
            let check = match &error {
                StoreError::Refused(_) => Check::bad(
                    "store",
                    format!("{} is in use for something else", root.display()),
                    error.to_string(),
                ),
                _ => Check::bad(
                    "store",
                    error_chain(&error),
                    "make the target directory writable, or name another with --target-dir",
                ),
            };
            (check, std::env::temp_dir())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Color;

    #[test]
    fn the_report_has_a_line_for_each_check_and_one_for_each_remedy() {
        let good = Check::good("kernel", "Linux 6.18");
        let limited = Check {
            grade: Grade::Limited,
            ..Check::bad("network", "found", "remedy")
        };
        let bad = Check::bad("root file system", "found", "remedy");
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
