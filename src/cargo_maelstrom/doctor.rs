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
    let mut code = ExitCode::Success;
    let width = checks
        .iter()
        .map(|check| check.what.len())
        .max()
        .unwrap_or(0);
    for check in &checks {
        let (role, word, found, remedy) = match &check.finding {
            Finding::Good(found) => (Role::Good, "good", found, None),
            Finding::Limited { found, remedy } => (Role::Caution, "limited", found, Some(remedy)),
            Finding::Bad { found, remedy } => {
                code = ExitCode::SetUp;
                (Role::Bad, "bad", found, Some(remedy))
            }
        };
        to_stdout(format_args!(
            "{:<7} {:width$}  {found}",
            paint.apply(role, word),
            check.what
        ));
        if let Some(remedy) = remedy {
            to_stdout(format_args!("{:7} {:width$}  -> {remedy}", "", ""));
        }
    }
    match code {
        ExitCode::Success => to_stdout(format_args!("\nTests can run in containers here.")),
        _ => to_stdout(format_args!(
            "\nTests cannot run in containers here until the checks marked `bad` are fixed."
        )),
    }
    code
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
            what: "store",
            finding,
        },
        trees,
    )
}
