use super::*;
use crate::layer::PathInContainer;
use std::fs::Permissions;
use std::os::unix::fs::symlink;
use strum::VariantArray;

struct Machine {
    directory: PathBuf,
    store: Store,
    libraries: Libraries,
    _temporary: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        let directory = root.join("machine");
        fs::create_dir(&directory).unwrap();
        Self {
            directory,
            store: Store::open(&root.join("store"), u64::MAX).unwrap(),
            libraries: Libraries::new(),
            _temporary: temporary,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn build(&self, parts: &[BasePart], certificates: &[PathBuf]) -> Manifest {
        let recipe = BaseRecipe {
            parts: parts.iter().copied().collect(),
            path_variable: None,
            certificates: certificates.to_vec(),
        };
        let mut assembly = Assembly::new(&self.store, Trust::Remembered);
        add(&recipe, &self.libraries, &mut assembly).unwrap();
        self.store.add_tree(&assembly.content.manifest).unwrap();
        assembly.content.manifest
    }

    /// The certificates below the machine's directory, without those of the real machine.
    fn certificates(&self, named: &[PathBuf]) -> Vec<String> {
        let manifest = self.build(&[BasePart::Certificates], named);
        let start = format!("{}/", self.directory.display());
        let paths = manifest.entries().map(|(path, _)| path);
        let paths = paths.map(|path| String::from_utf8(path.as_bytes().to_vec()).unwrap());
        paths
            .filter_map(|path| Some(path.strip_prefix(&start)?.to_owned()))
            .collect()
    }
}

#[test]
fn the_shell_is_at_its_usual_paths_and_no_program_has_privileges() {
    let machine = Machine::new();
    let manifest = machine.build(&[BasePart::Utilities], &[]);
    for path in ["/bin/sh", "/usr/bin/env", "/bin/ls", "/usr/bin/sort"] {
        let path = PathInContainer::new(path.as_bytes()).unwrap();
        assert!(manifest.get(&path).is_some(), "{path:?}");
    }
    for program in ["/usr/bin/su", "/usr/bin/mount", "/usr/bin/newgrp"] {
        let path = PathInContainer::new(program.as_bytes()).unwrap();
        assert_eq!(manifest.get(&path), None);
    }
}

#[test]
fn certificates_come_with_the_targets_of_their_symlinks() {
    let machine = Machine::new();
    machine.write("etc/certs/one.pem", 0o644);
    machine.write("store/certs/two.pem", 0o644);
    symlink("one.pem", machine.path("etc/certs/hash.0")).unwrap();
    symlink("../../store/certs/two.pem", machine.path("etc/certs/two.0")).unwrap();
    symlink(machine.path("store"), machine.path("link")).unwrap();
    symlink("loop", machine.path("loop")).unwrap();
    symlink("/nowhere/at/all", machine.path("etc/certs/dangling")).unwrap();
    let named = ["etc/certs", "link/certs/two.pem", "loop"].map(|name| machine.path(name));
    let expected = [
        "etc",
        "etc/certs",
        "etc/certs/dangling",
        "etc/certs/hash.0",
        "etc/certs/one.pem",
        "etc/certs/two.0",
        "link",
        "loop",
        "store",
        "store/certs",
        "store/certs/two.pem",
    ];
    assert_eq!(machine.certificates(&named), expected);
}

#[test]
fn files_that_not_everybody_may_read_and_deeper_files_are_left_out() {
    let machine = Machine::new();
    machine.write("certs/public.pem", 0o644);
    machine.write("certs/private.pem", 0o640);
    machine.write("certs/directory/deeper.pem", 0o644);
    let expected = ["certs", "certs/directory", "certs/public.pem"];
    assert_eq!(machine.certificates(&[machine.path("certs")]), expected);
}

#[test]
fn the_base_is_read_again_only_if_a_file_has_changed() {
    let machine = Machine::new();
    machine.write("certs/one.pem", 0o644);
    let (all, named) = (BasePart::VARIANTS, [machine.path("certs")]);
    let first = machine.build(all, &named);
    let read = machine.store.bytes_read();
    assert_eq!(machine.build(all, &named), first);
    assert_eq!(machine.store.bytes_read(), read);
    machine.write("certs/two.pem", 0o644);
    let second = machine.build(all, &named);
    assert_eq!(second.len(), first.len() + 1);
    fs::write(machine.path("certs/one.pem"), "other").unwrap();
    let third = machine.build(all, &named);
    assert_ne!(third, second);
    fs::remove_file(machine.path("certs/one.pem")).unwrap();
    assert_eq!(machine.build(all, &named).len(), first.len());
}
