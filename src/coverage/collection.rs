//! Collecting the profiles of jobs: they are merged in groups while other jobs run.
//!
//! The thread that brings the last profile of a group merges the group, so merging uses the slot of a
//! test and no further processor. If profiles come faster than one thread merges them, the threads
//! that bring them wait. So the number of raw profiles on disk is limited.

use super::pattern;
use crate::executor::JobOutputs;
use crate::process::error_chain;
use crate::store::{Store, StoreError, WorkDirectory};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The number of raw profiles that are merged at once.
const GROUP: usize = 64;

/// The size of raw profiles from which on they are merged, however few they are, in bytes.
const LARGE_GROUP: u64 = 256 << 20;

/// How many groups may wait until threads wait for merging.
const WAITING_GROUPS: usize = 4;

/// The number of merged profiles that are merged again.
const MERGED: usize = 16;

/// The profiles of a run. Threads share it.
#[derive(Debug)]
pub struct ProfileCollection {
    directory: WorkDirectory,
    /// The program that merges profiles. `None`: profiles are kept as they are.
    profdata: Option<PathBuf>,
    state: Mutex<State>,
    /// Held by the thread that merges.
    merging: Mutex<()>,
    files: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Raw profiles with their sizes.
    raw: Vec<(PathBuf, u64)>,
    raw_size: u64,
    merged: Vec<PathBuf>,
    /// The messages about profiles that could not be read.
    unreadable: BTreeSet<String>,
    unreadable_count: usize,
    /// Why the program cannot merge these profiles.
    unable: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    #[error("failed to write the profile {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("failed to start {program}, which merges profiles")]
    Start { program: PathBuf, source: io::Error },
    #[error("{program} cannot merge the profiles of the tests: {why}")]
    Unable { program: PathBuf, why: String },
}

impl ProfileCollection {
    pub fn new(store: &Store, profdata: Option<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self {
            directory: store.work_directory()?,
            profdata,
            state: Mutex::default(),
            merging: Mutex::new(()),
            files: AtomicUsize::new(0),
        })
    }

    /// The directory of the profiles, which is removed with this value.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Takes the profiles of a job. Returns what kept one from being copied. Blocks.
    pub fn take(&self, outputs: &JobOutputs) -> Vec<String> {
        let mut copies = Vec::new();
        let mut problems = outputs.copy_profiles(|| {
            let copy = self.new_file("profraw");
            copies.push(copy.clone());
            copy
        });
        problems.extend(self.add(copies));
        problems
    }

    /// Adds raw profiles, which are files of the directory, and merges groups. Returns what went
    /// wrong.
    fn add(&self, profiles: Vec<PathBuf>) -> Vec<String> {
        let mut problems = Vec::new();
        {
            let mut state = self.state();
            for profile in profiles {
                if let Ok(metadata) = profile.metadata() {
                    state.raw_size += metadata.len();
                    state.raw.push((profile, metadata.len()));
                }
            }
        }
        while let Some(_merging) = self.turn_to_merge() {
            if let Err(error) = self.merge_group() {
                problems.push(error_chain(&error));
                break;
            }
        }
        problems
    }

    /// Merges all that was taken, and these profiles, into a file. Returns whether there is one: if
    /// nothing was taken, there is none. Blocks.
    pub fn finish_into(&self, file: &Path, others: Vec<PathBuf>) -> Result<bool, CollectionError> {
        let _merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = others;
        {
            let mut state = self.state();
            state.raw_size = 0;
            all.extend(state.raw.drain(..).map(|(path, _)| path));
            all.append(&mut state.merged);
        }
        if all.is_empty() {
            return Ok(false);
        }
        let Some(program) = &self.profdata else {
            return Err(CollectionError::Unable {
                program: "llvm-profdata".into(),
                why: "it is not installed".to_owned(),
            });
        };
        // A file whose name is in use is replaced as a whole.
        let partial = file.with_extension("partial");
        let write = |source| CollectionError::Write {
            path: file.to_owned(),
            source,
        };
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory).map_err(write)?;
        }
        let is_merged = self.merge(&all, &partial)?;
        if !is_merged {
            // The program may have begun it.
            let _ = fs::remove_file(&partial);
            let mut state = self.state();
            if let Some(why) = state.unable.clone() {
                state.raw = all.into_iter().map(|path| (path, 0)).collect();
                return Err(CollectionError::Unable {
                    program: program.clone(),
                    why,
                });
            }
            return Ok(false);
        }
        fs::rename(&partial, file).map_err(write)?;
        Ok(true)
    }

    /// Merges all that was taken into a file for others to read, or, if profiles cannot be merged,
    /// copies each to a file of its own: the same name with a number. Returns what went wrong.
    /// Blocks.
    pub fn finish_for_others(&self, file: &Path) -> Vec<String> {
        let mut problems = Vec::new();
        let mut is_merged = self.profdata.is_some();
        if is_merged {
            match self.finish_into(file, Vec::new()) {
                Ok(_) => {}
                Err(error @ CollectionError::Unable { .. }) => {
                    problems.push(format!("{}; each is copied as it is", error_chain(&error)));
                    is_merged = false;
                }
                Err(error) => problems.push(error_chain(&error)),
            }
        }
        if !is_merged {
            problems.extend(
                self.copy_all(file)
                    .map_err(|error| error_chain(&error))
                    .err(),
            );
        }
        problems.extend(self.note_of_unreadable());
        problems
    }

    fn copy_all(&self, file: &Path) -> Result<(), CollectionError> {
        let mut state = self.state();
        let (raw, merged) = (
            std::mem::take(&mut state.raw),
            std::mem::take(&mut state.merged),
        );
        let all = raw.into_iter().map(|(path, _)| path).chain(merged);
        for (number, profile) in all.enumerate() {
            let to = pattern::numbered(file, number);
            let write = |source| CollectionError::Write {
                path: to.clone(),
                source,
            };
            if let Some(directory) = to.parent() {
                fs::create_dir_all(directory).map_err(write)?;
            }
            fs::copy(&profile, &to).map_err(write)?;
        }
        Ok(())
    }

    /// The warning about profiles that could not be read.
    pub fn note_of_unreadable(&self) -> Option<String> {
        let state = self.state();
        let first = state.unreadable.first()?;
        let profiles = match state.unreadable_count {
            1 => "1 profile of a test was".to_owned(),
            count => format!("{count} profiles of tests were"),
        };
        Some(format!(
            "{profiles} left out, as it could not be read: the process was killed while it wrote, or \
             was built with another compiler ({first})"
        ))
    }

    /// The right to merge a group, if there is one and no other thread merges. If too many groups
    /// wait, waits for the other thread.
    fn turn_to_merge(&self) -> Option<MutexGuard<'_, ()>> {
        self.profdata.as_ref()?;
        let groups = {
            let state = self.state();
            if state.unable.is_some() {
                return None;
            }
            (state.raw.len() / GROUP).max((state.raw_size / LARGE_GROUP) as usize)
        };
        match groups {
            0 => None,
            WAITING_GROUPS.. => Some(self.merging.lock().unwrap_or_else(PoisonError::into_inner)),
            _ => match self.merging.try_lock() {
                Ok(turn) => Some(turn),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            },
        }
    }

    /// Merges a group of raw profiles, and what was merged before if that are many files.
    fn merge_group(&self) -> Result<(), CollectionError> {
        let group: Vec<PathBuf> = {
            let mut state = self.state();
            let count = state.raw.len().min(GROUP);
            let group: Vec<_> = state.raw.drain(..count).collect();
            state.raw_size -= group.iter().map(|(_, size)| size).sum::<u64>();
            group.into_iter().map(|(path, _)| path).collect()
        };
        self.replace(group)?;
        let merged = {
            let mut state = self.state();
            if state.merged.len() < MERGED {
                return Ok(());
            }
            std::mem::take(&mut state.merged)
        };
        self.replace(merged)
    }

    /// Replaces profiles by one. If they cannot be merged, they stay.
    fn replace(&self, profiles: Vec<PathBuf>) -> Result<(), CollectionError> {
        if profiles.is_empty() {
            return Ok(());
        }
        let to = self.new_file("profdata");
        if self.merge(&profiles, &to)? {
            self.state().merged.push(to);
        } else if self.state().unable.is_some() {
            self.state().merged.extend(profiles);
            return Ok(());
        }
        for profile in profiles {
            // What remains is removed with the directory.
            let _ = fs::remove_file(profile);
        }
        Ok(())
    }

    /// Merges profiles into a file. Returns whether one could be read.
    fn merge(&self, profiles: &[PathBuf], to: &Path) -> Result<bool, CollectionError> {
        let program = self
            .profdata
            .as_deref()
            .unwrap_or(Path::new("llvm-profdata"));
        let list = self.new_file("list");
        let lines: Vec<_> = profiles.iter().map(|path| path.to_string_lossy()).collect();
        fs::write(&list, lines.join("\n")).map_err(|source| CollectionError::Write {
            path: list.clone(),
            source,
        })?;
        let output = Command::new(program)
            // The other processors run tests.
            .args(["merge", "--sparse", "--num-threads=1"])
            // Profiles that cannot be read are left out.
            .arg("--failure-mode=all")
            .arg("--input-files")
            .arg(&list)
            .arg("--output")
            .arg(to)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| CollectionError::Start {
                program: program.to_owned(),
                source,
            })?;
        let _ = fs::remove_file(list);
        Ok(self.note_problems(&output))
    }

    /// Remembers what the program printed. Returns whether it has merged something.
    fn note_problems(&self, output: &Output) -> bool {
        let text = String::from_utf8_lossy(&output.stderr);
        let warnings = || text.lines().filter(|line| line.starts_with("warning: "));
        let mut state = self.state();
        if !output.status.success() {
            // A program of another version cannot read any profile, and says so of each.
            let is_of_version = |line: &&str| line.contains("version");
            let unable = match (warnings().find(is_of_version), warnings().next()) {
                (Some(line), _) => Some(without_path(line)),
                (None, Some(_)) => None,
                (None, None) => Some(format!("{} {}", output.status, text.trim_end())),
            };
            if let Some(unable) = unable {
                state.unable.get_or_insert(unable);
                return false;
            }
        }
        for line in warnings() {
            state.unreadable.insert(without_path(line));
            state.unreadable_count += 1;
        }
        output.status.success()
    }

    fn new_file(&self, extension: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.directory.path().join(format!("{number}.{extension}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message of the program without its label and the path of the profile.
fn without_path(line: &str) -> String {
    let text = line.split_once(": ").map_or(line, |(_, text)| text);
    match text.split_once(": ") {
        Some((path, text)) if path.starts_with('/') => text.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
