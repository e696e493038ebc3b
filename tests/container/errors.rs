//! Errors of containers that cannot be made. The launcher can make further containers
//! after such an error.

use crate::fixture::{Ran, Slot, inside};
use maelstrom::container::{MountKind, Root, Step};
use maelstrom::spec::Device;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[track_caller]
fn says(ran: &Ran, message: &str) {
    assert_eq!(ran.not_started().to_string(), message);
}

#[test]
fn a_missing_program_is_named() {
    inside("job", || {});
    let mut slot = Slot::start();
    for init in [true, false] {
        let ran = slot.job("job").init(init).program("/no/such").run();
        says(
            &ran,
            "execute /no/such: No such file or directory (os error 2)",
        );
    }
    slot.job("job").run().succeeds();
}

#[test]
fn a_program_that_may_not_be_executed_is_named() {
    inside("job", || {});
    let mut slot = Slot::start();
    let ran = slot.job("job").program("/etc/hosts").run();
    says(&ran, "execute /etc/hosts: Permission denied (os error 13)");
    let ran = slot.job("job").program("/etc").run();
    says(&ran, "execute /etc: Permission denied (os error 13)");
}

#[test]
fn a_program_is_looked_up_in_the_jobs_path() {
    inside("job", || {});
    let mut slot = Slot::start();
    let mut in_path =
        |path: &str, program: &str| slot.job("job").tell("PATH", path).program(program).run();
    in_path("/nowhere:/test", "isolation").succeeds();
    let ran = in_path("/nowhere:/etc", "isolation");
    says(
        &ran,
        "execute isolation: No such file or directory (os error 2)",
    );
    // The error names a file that may not be executed, rather than a missing file.
    let ran = in_path("/etc:/nowhere", "hosts");
    says(&ran, "execute hosts: Permission denied (os error 13)");
}

#[test]
fn a_program_of_another_format_is_named() {
    inside("job", || {});
    let mut slot = Slot::start();
    let text = slot.add_layer("text").join("text");
    fs::write(&text, "neither ELF nor #!").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = slot.job("job").layer("text").program("/text").run();
    says(&ran, "execute /text: Exec format error (os error 8)");
}

#[test]
fn a_missing_working_directory_is_named() {
    inside("job", || {});
    let mut slot = Slot::start();
    let ran = slot.job("job").working_directory("/no/such").run();
    says(
        &ran,
        "enter the working directory /no/such: No such file or directory (os error 2)",
    );
    let ran = slot.job("job").working_directory("/etc/hosts").run();
    says(
        &ran,
        "enter the working directory /etc/hosts: Not a directory (os error 20)",
    );
    slot.job("job").run().succeeds();
}

#[test]
fn a_missing_mount_point_is_named_with_its_mount() {
    inside("job", || {});
    let mut slot = Slot::start();
    for (kind, name) in [
        (MountKind::Proc, "proc"),
        (MountKind::Sys, "sys"),
        (MountKind::Tmp, "tmp"),
        (MountKind::Devpts, "devpts"),
        (MountKind::Mqueue, "mqueue"),
        (MountKind::Device(Device::Null), "null"),
    ] {
        let ran = slot.job("job").mount(kind, "/no/such").run();
        says(
            &ran,
            &format!("mount {name} at /no/such: No such file or directory (os error 2)"),
        );
    }
    slot.job("job").run().succeeds();
}

#[test]
fn a_directory_cannot_be_mounted_at_a_file() {
    inside("job", || {});
    let ran = Slot::start()
        .job("job")
        .mount(MountKind::Tmp, "/etc/hosts")
        .run();
    says(
        &ran,
        "mount tmp at /etc/hosts: Not a directory (os error 20)",
    );
}

#[test]
fn a_missing_layer_is_an_error_of_the_root() {
    inside("job", || {});
    let mut slot = Slot::start();
    for root in [Root::Scratch, Root::ReadOnly] {
        let ran = slot.job("job").layer("no-such-layer").root(root).run();
        assert_eq!(ran.not_started().step, Step::MountRoot);
    }
    slot.job("job").run().succeeds();
}

#[test]
fn a_full_scratch_space_is_reported() {
    inside("fill", || {
        let zeroes = vec![0; 1 << 20];
        let error = fs::write("/tmp/big", &zeroes)
            .and(fs::write("/big", &zeroes))
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ENOSPC));
    });
    inside("job", || {});
    let mut slot = Slot::start();
    let ran = slot.job("fill").scratch_size(1 << 20).run();
    ran.succeeds();
    assert!(ran.ended().scratch_full);
    let ran = slot.job("job").run();
    assert!(!ran.ended().scratch_full);
}

#[test]
fn a_job_with_a_nul_in_it_is_refused() {
    inside("job", || {});
    let mut slot = Slot::start();
    let ran = slot.job("job").tell("WORD", "\0").run();
    assert!(format!("{ran:?}").contains("has a NUL byte"), "{ran:?}");
    slot.job("job").run().succeeds();
}
