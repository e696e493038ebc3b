//! The types of mounts but `bind`, and what holds for all of them.

use crate::both::{both_print, both_refuse, job, jobs, project, tools};
use crate::need::needs_containers;
use serde_json::json;
use std::path::Path;

/// Prints the type of the file system that is mounted at a place, as the kernel tells it.
const TYPE_AT: &str = r#"
    type_at() {
        while read -r id parent device root point rest; do
            if [ "$point" = "$1" ]; then rest=${rest#*- }; echo "${rest%% *}"; fi
        done </proc/self/mountinfo
    }
"#;

#[test]
fn a_devices_mount_has_the_devices_that_it_names_and_they_work() {
    needs_containers!();
    both_print(
        &project(),
        &json!({
            "added_layers": [
                { "programs": ["head", "wc"] },
                { "stubs": ["/dev/{full,random,tty,urandom,zero,shm/}"] }
            ],
            "mounts": [{
                "type": "devices",
                "devices": ["full", "null", "random", "shm", "tty", "urandom", "zero"]
            }]
        }),
        r#"
            added_layers = [
                { programs = ["head", "wc"] },
                { stubs = ["/dev/{full,random,tty,urandom,zero,shm/}"] },
            ]
            mounts = [
                { type = "devices", devices = ["full", "null", "random", "shm", "tty", "urandom", "zero"] },
            ]
        "#,
        r"
            cd /dev
            stat -c '%n %F %t,%T' full null random tty urandom zero
            for device in random urandom zero; do head -c 3 $device | wc -c; done
            cat null
            echo gone >null
            ( echo too much >full ) 2>/dev/null || echo no space
            ls -A shm
            echo shared >shm/file && cat shm/file
        ",
        "full character special file 1,7\n\
         null character special file 1,3\n\
         random character special file 1,8\n\
         tty character special file 5,0\n\
         urandom character special file 1,9\n\
         zero character special file 1,5\n\
         3\n3\n3\n\
         no space\n\
         shared\n",
    );
}

#[test]
fn a_device_fuse_is_there_for_jobs_if_this_machine_has_it() {
    needs_containers!();
    let json = json!({
        "added_layers": [{ "stubs": ["/dev/fuse"] }],
        "added_mounts": [{ "type": "devices", "devices": ["fuse"] }]
    });
    let toml = r#"
        added_layers = [{ stubs = ["/dev/fuse"] }]
        added_mounts = [{ type = "devices", devices = ["fuse"] }]
    "#;
    if Path::new("/dev/fuse").exists() {
        let look = "stat -c '%F %t,%T' /dev/fuse";
        both_print(
            &project(),
            &json,
            toml,
            look,
            "character special file a,e5\n",
        );
    } else {
        both_refuse(&project(), &json, toml, "mount fuse at /dev/fuse");
    }
}

#[test]
fn a_devices_mount_needs_a_stub_for_each_device() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({ "added_mounts": [{ "type": "devices", "devices": ["zero"] }] }),
        r#"added_mounts = [{ type = "devices", devices = ["zero"] }]"#,
        "mount zero at /dev/zero: No such file or directory",
    );
}

#[test]
fn a_devpts_mount_gives_terminals_to_everybody() {
    needs_containers!();
    both_print(
        &project(),
        &json!({
            "added_layers": [
                { "stubs": ["/{proc,dev/pts}/"] },
                { "symlinks": [{ "link": "/dev/ptmx", "target": "pts/ptmx" }] }
            ],
            "added_mounts": [
                { "type": "proc", "mount_point": "/proc" },
                { "type": "devpts", "mount_point": "/dev/pts" }
            ],
            "user": 1000
        }),
        r#"
            added_layers = [
                { stubs = ["/{proc,dev/pts}/"] },
                { symlinks = [{ link = "/dev/ptmx", target = "pts/ptmx" }] },
            ]
            added_mounts = [
                { type = "proc", mount_point = "/proc" },
                { type = "devpts", mount_point = "/dev/pts" },
            ]
            user = 1000
        "#,
        &format!(
            "{TYPE_AT} type_at /dev/pts; stat -c %a /dev/pts/ptmx; ls /dev/pts
             exec 3<>/dev/ptmx; ls /dev/pts"
        ),
        "devpts\n666\nptmx\n0\nptmx\n",
    );
}

#[test]
fn mqueue_proc_sys_and_tmp_mounts_are_file_systems_of_these_types() {
    needs_containers!();
    both_print(
        &project(),
        &json!({
            "added_layers": [{ "stubs": ["/{queues,proc,sys,scratch}/"] }],
            "added_mounts": [
                { "type": "mqueue", "mount_point": "/queues" },
                { "type": "proc", "mount_point": "/proc" },
                { "type": "sys", "mount_point": "/sys" },
                { "type": "tmp", "mount_point": "/scratch" }
            ]
        }),
        r#"
            added_layers = [{ stubs = ["/{queues,proc,sys,scratch}/"] }]
            added_mounts = [
                { type = "mqueue", mount_point = "/queues" },
                { type = "proc", mount_point = "/proc" },
                { type = "sys", mount_point = "/sys" },
                { type = "tmp", mount_point = "/scratch" },
            ]
        "#,
        &format!(
            "{TYPE_AT}
             for point in /queues /proc /sys /scratch; do type_at $point; done
             : >/queues/queue && ls /queues
             [ /proc/self/root/proc -ef /proc ] && readlink /proc/1/cwd
             ls /sys/class/net
             ls /scratch; echo >/scratch/file && ls /scratch"
        ),
        "mqueue\nproc\nsysfs\ntmpfs\nqueue\n/\nlo\nfile\n",
    );
}

#[test]
fn files_of_a_job_in_a_tmp_mount_or_in_shm_are_not_seen_by_the_next() {
    needs_containers!();
    let project = project();
    let fields = json!({
        "added_layers": [{ "stubs": ["/{scratch,dev/shm}/"] }],
        "added_mounts": [
            { "type": "tmp", "mount_point": "/scratch" },
            { "type": "devices", "devices": ["shm"] }
        ]
    });
    let job = || {
        job(
            &fields,
            "ls /scratch /dev/shm; echo >/scratch/a; echo >/dev/shm/b",
        )
    };
    let ended = jobs(&project, &["--slots=1"], &[tools(), job(), job(), job()]);
    assert_eq!(
        ended.stdout,
        "/dev/shm:\n\n/scratch:\n".repeat(3),
        "{ended:?}"
    );
}

#[test]
fn a_mount_point_must_be_there_and_be_absolute_and_not_the_root() {
    needs_containers!();
    let project = project();
    for (point, message) in [
        (
            "/missing",
            "mount tmp at /missing: No such file or directory",
        ),
        ("/", "`mount_point` must not be `/`"),
        ("/.", "`mount_point` must not be `/`"),
        ("scratch", "must be an absolute path in the container"),
        ("/usr/../usr", "must not contain `..`"),
    ] {
        both_refuse(
            &project,
            &json!({ "added_mounts": [{ "type": "tmp", "mount_point": point }] }),
            &format!("added_mounts = [{{ type = 'tmp', mount_point = '{point}' }}]"),
            message,
        );
    }
}

#[test]
fn mounts_are_made_in_their_order_from_the_root_whatever_the_working_directory() {
    needs_containers!();
    let project = project();
    project.write("shared/inner/file", "text\n");
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/outer/", "/elsewhere/outer/"] }],
            "added_mounts": [
                { "type": "bind", "mount_point": "/outer", "local_path": "shared" },
                { "type": "tmp", "mount_point": "/outer/inner" }
            ],
            "working_directory": "/elsewhere"
        }),
        r#"
            added_layers = [{ stubs = ["/outer/", "/elsewhere/outer/"] }]
            added_mounts = [
                { type = "bind", mount_point = "/outer", local_path = "shared" },
                { type = "tmp", mount_point = "/outer/inner" },
            ]
            working_directory = "/elsewhere"
        "#,
        "ls -A /outer /outer/inner /elsewhere/outer",
        "/elsewhere/outer:\n\n/outer:\ninner\n\n/outer/inner:\n",
    );
    // The other way round, the second hides the first.
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/outer/inner/"] }],
            "added_mounts": [
                { "type": "tmp", "mount_point": "/outer/inner" },
                { "type": "bind", "mount_point": "/outer", "local_path": "shared" }
            ]
        }),
        r#"
            added_layers = [{ stubs = ["/outer/inner/"] }]
            added_mounts = [
                { type = "tmp", mount_point = "/outer/inner" },
                { type = "bind", mount_point = "/outer", local_path = "shared" },
            ]
        "#,
        "cat /outer/inner/file",
        "text\n",
    );
}

#[test]
fn mounts_take_the_place_of_those_inherited_and_added_mounts_come_after_them() {
    needs_containers!();
    let project = project();
    let script = format!("{TYPE_AT} type_at /scratch; [ -c /dev/null ] || echo no device");
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/{proc,scratch}/"] }],
            "mounts": [
                { "type": "proc", "mount_point": "/proc" },
                { "type": "tmp", "mount_point": "/scratch" }
            ]
        }),
        r#"
            added_layers = [{ stubs = ["/{proc,scratch}/"] }]
            mounts = [
                { type = "proc", mount_point = "/proc" },
                { type = "tmp", mount_point = "/scratch" },
            ]
        "#,
        &script,
        "tmpfs\nno device\n",
    );
    both_print(
        &project,
        &json!({
            "added_layers": [{ "stubs": ["/scratch/"] }],
            "added_mounts": [{ "type": "tmp", "mount_point": "/scratch" }]
        }),
        r#"
            added_layers = [{ stubs = ["/scratch/"] }]
            added_mounts = [{ type = "tmp", mount_point = "/scratch" }]
        "#,
        "[ -c /dev/null ] && echo >/scratch/file && ls /scratch",
        "file\n",
    );
    both_refuse(
        &project,
        &json!({ "mounts": [], "added_mounts": [] }),
        "mounts = []\nadded_mounts = []",
        "`mounts` and `added_mounts` exclude each other",
    );
}
