//! The messages of an action.

use super::input::{InputContent, InputRoot};
use super::{OUTCOMES, OUTPUTS};
use crate::config::Property;
use crate::engine::reapi::{self, Directory, DirectoryNode, FileNode, Platform, platform};
use crate::executor::Job;
use crate::store::Digest;
use bazel_remote_apis::google::protobuf;
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// The time for the runner itself, in an action with a time limit.
const SLACK: Duration = Duration::from_secs(60);

/// The action of a batch, and the blobs that it refers to.
#[derive(Clone, Debug)]
pub struct RunnerAction {
    pub digest: Digest,
    message: reapi::Action,
    /// The messages and files.
    pub blobs: BTreeMap<Digest, InputContent>,
}

impl RunnerAction {
    /// The action that runs `command` in the directory `root`. The engine may keep its result.
    /// `has_outputs`: whether jobs may have outputs.
    pub fn new(
        root: InputRoot,
        command: Vec<String>,
        timeout: Option<Duration>,
        properties: &[Property],
        has_outputs: bool,
    ) -> Self {
        let mut blobs = BTreeMap::new();
        let root = directory(root, &mut blobs);
        let platform = (!properties.is_empty()).then(|| platform(properties));
        let files = vec![OUTCOMES.to_owned()];
        let directories = if has_outputs {
            vec![OUTPUTS.to_owned()]
        } else {
            Vec::new()
        };
        #[expect(
            deprecated,
            reason = "engines before version 2.1 and 2.2 of the API read these fields"
        )]
        let command = reapi::Command {
            arguments: command,
            // Sorted, as the API demands.
            output_paths: [&files[..], &directories].concat(),
            output_files: files,
            output_directories: directories,
            platform: platform.clone(),
            ..reapi::Command::default()
        };
        let message = reapi::Action {
            command_digest: Some(add(&command, &mut blobs).into()),
            input_root_digest: Some(root.into()),
            timeout: timeout.map(|timeout| protobuf::Duration {
                seconds: timeout.as_secs() as i64,
                nanos: timeout.subsec_nanos() as i32,
            }),
            platform,
            ..reapi::Action::default()
        };
        Self {
            digest: add(&message, &mut blobs),
            message,
            blobs,
        }
    }

    /// The action with `do_not_cache`, so that the engine does not keep its result. Its digest
    /// differs.
    pub fn forgotten(mut self) -> Self {
        self.blobs.remove(&self.digest);
        self.message.do_not_cache = true;
        self.digest = add(&self.message, &mut self.blobs);
        self
    }
}

/// The time limit of an action that runs these jobs. `None` if a job has no limit.
pub fn timeout(jobs: &[Job]) -> Option<Duration> {
    let limits: Option<Vec<Duration>> = jobs.iter().map(Job::longest).collect();
    Some(limits?.into_iter().sum::<Duration>() + SLACK)
}

fn platform(properties: &[Property]) -> Platform {
    let mut properties = properties.to_vec();
    // Engines may insist on it.
    properties.sort();
    let property = |property: Property| platform::Property {
        name: property.key,
        value: property.value,
    };
    Platform {
        properties: properties.into_iter().map(property).collect(),
    }
}

fn add(message: &impl Message, blobs: &mut BTreeMap<Digest, InputContent>) -> Digest {
    let bytes = message.encode_to_vec();
    let digest = Digest::of(&bytes);
    blobs.insert(digest, InputContent::Bytes(bytes.into()));
    digest
}

/// The digest of a directory. Its files and messages are added to the blobs.
fn directory(files: InputRoot, blobs: &mut BTreeMap<Digest, InputContent>) -> Digest {
    let mut message = Directory::default();
    let mut below: BTreeMap<String, InputRoot> = BTreeMap::new();
    for (path, file) in files {
        if let Some((name, rest)) = path.split_once('/') {
            let directory = below.entry(name.to_owned()).or_default();
            directory.insert(rest.to_owned(), file);
            continue;
        }
        message.files.push(FileNode {
            name: path,
            digest: Some(file.digest.into()),
            is_executable: file.executable,
            ..FileNode::default()
        });
        blobs.insert(file.digest, file.content);
    }
    for (name, files) in below {
        message.directories.push(DirectoryNode {
            name,
            digest: Some(directory(files, blobs).into()),
        });
    }
    add(&message, blobs)
}

#[cfg(test)]
mod tests {
    use super::super::input::InputFile;
    use super::*;
    use crate::executor::known::tests::job;

    fn root(paths: &[&str]) -> InputRoot {
        let file = |path: &&str| {
            let file = InputFile {
                digest: Digest::of(path.as_bytes()),
                executable: path.ends_with('x'),
                content: InputContent::Bytes(path.as_bytes().into()),
            };
            ((*path).to_owned(), file)
        };
        paths.iter().map(file).collect()
    }

    fn message<M: Message + Default>(action: &RunnerAction, digest: Option<reapi::Digest>) -> M {
        let digest: Digest = (&digest.unwrap()).try_into().unwrap();
        let InputContent::Bytes(bytes) = &action.blobs[&digest] else {
            panic!("a message is not a file");
        };
        M::decode(bytes.as_ref()).unwrap()
    }

    #[test]
    fn paths_become_directories_with_sorted_entries() {
        let action = RunnerAction::new(
            root(&["b/2/f", "a.x", "b/1/f", "b/g"]),
            vec!["a.x".to_owned()],
            Some(Duration::from_secs(2)),
            &[],
            true,
        );
        let sent: reapi::Action = message(&action, Some(action.digest.into()));
        assert!(!sent.do_not_cache);
        let top: Directory = message(&action, sent.input_root_digest);
        assert_eq!(top.files[0].name, "a.x");
        assert!(top.files[0].is_executable);
        let b: Directory = message(&action, top.directories[0].digest.clone());
        let names: Vec<_> = b.directories.iter().map(|d| d.name.as_str()).collect();
        assert_eq!((names, b.files[0].name.as_str()), (vec!["1", "2"], "g"));
        for directory in b.directories {
            let below: Directory = message(&action, directory.digest);
            assert_eq!(below.files[0].name, "f");
        }
    }

    #[test]
    fn an_action_to_be_forgotten_is_another_one_with_the_same_input() {
        let kept = RunnerAction::new(root(&["f"]), vec!["f".to_owned()], None, &[], false);
        let forgotten = kept.clone().forgotten();
        assert_ne!(forgotten.digest, kept.digest);
        let sent: reapi::Action = message(&forgotten, Some(forgotten.digest.into()));
        assert!(sent.do_not_cache);
        assert_eq!(forgotten.blobs.len(), kept.blobs.len());
        assert!(!forgotten.blobs.contains_key(&kept.digest));
    }

    #[test]
    fn an_action_may_take_as_long_as_its_jobs_and_the_processes_that_they_leave_behind() {
        let seconds = Duration::from_secs;
        let mut job = job();
        job.timeout = Some(seconds(1));
        job.limits.leak = Some(seconds(100));
        let jobs = [job.clone(), job.clone()];
        assert_eq!(timeout(&jobs), Some(seconds(202) + SLACK));
        job.timeout = None;
        assert_eq!(timeout(&[job]), None);
    }

    #[test]
    fn the_same_input_is_the_same_action() {
        let property = |name: &str| Property {
            key: name.to_owned(),
            value: "v".to_owned(),
        };
        let action = |properties: &[Property]| {
            let root = root(&["a", "b"]);
            RunnerAction::new(root, vec!["a".to_owned()], None, properties, false).digest
        };
        let (p, q) = (property("p"), property("q"));
        assert_eq!(action(&[p.clone(), q.clone()]), action(&[q, p.clone()]));
        assert_ne!(action(&[p]), action(&[]));
    }
}
