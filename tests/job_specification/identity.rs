//! Who a job is and where: user, group, working directory, hostname, process 1.

use crate::both::{both_print, both_refuse, project};
use crate::need::needs_containers;
use serde_json::json;

#[test]
fn user_and_group_are_0_unless_they_are_given() {
    needs_containers!();
    let project = project();
    let script = "id -u; id -g; stat -c '%u %g' /bin/sh /";
    both_print(&project, &json!({}), "", script, "0\n0\n0 0\n0 0\n");
    both_print(
        &project,
        &json!({ "user": 1234 }),
        "user = 1234",
        "id -u; id -g",
        "1234\n0\n",
    );
    both_print(
        &project,
        &json!({ "group": 4321 }),
        "group = 4321",
        "id -u; id -g",
        "0\n4321\n",
    );
    both_print(
        &project,
        &json!({ "user": 1234, "group": 4321 }),
        "user = 1234\ngroup = 4321",
        "id -u; id -g",
        "1234\n4321\n",
    );
}

#[test]
fn user_0_has_power_over_its_container_and_others_have_not() {
    needs_containers!();
    let project = project();
    for (user, expected) in [(0, "mounted\n"), (1, "not mounted\n")] {
        both_print(
            &project,
            &json!({ "added_layers": [{ "programs": ["mount"] }], "user": user }),
            &format!("added_layers = [{{ programs = ['mount'] }}]\nuser = {user}"),
            "mount -t tmpfs none /usr 2>/dev/null && echo mounted || echo not mounted",
            expected,
        );
    }
}

#[test]
fn users_and_groups_are_numbers_that_the_kernel_has() {
    needs_containers!();
    let project = project();
    for field in ["user", "group"] {
        for bad in [-1, i64::from(u32::MAX)] {
            both_refuse(
                &project,
                &json!({ field: bad }),
                &format!("{field} = {bad}"),
                &format!("`{field}` must be between 0 and 4294967294"),
            );
        }
    }
}

#[test]
fn a_working_directory_is_where_the_program_starts() {
    needs_containers!();
    let project = project();
    both_print(
        &project,
        &json!({ "added_layers": [{ "stubs": ["/some/where/"] }], "working_directory": "/some/where" }),
        "added_layers = [{ stubs = ['/some/where/'] }]\nworking_directory = '/some/where'",
        "pwd; [ . -ef /some/where ] && echo there",
        "/some/where\nthere\n",
    );
    both_refuse(
        &project,
        &json!({ "working_directory": "/missing" }),
        "working_directory = '/missing'",
        "enter the working directory /missing: No such file or directory",
    );
    both_refuse(
        &project,
        &json!({ "working_directory": "here" }),
        "working_directory = 'here'",
        "must be an absolute path in the container",
    );
}

#[test]
fn a_hostname_is_maelstrom_unless_it_is_given() {
    needs_containers!();
    let project = project();
    let read = "cat /proc/sys/kernel/hostname";
    let stubs = json!([{ "stubs": ["/proc/"] }]);
    let mounts = json!([{ "type": "proc", "mount_point": "/proc" }]);
    let toml = r#"
        added_layers = [{ stubs = ["/proc/"] }]
        added_mounts = [{ type = "proc", mount_point = "/proc" }]
    "#;
    both_print(
        &project,
        &json!({ "added_layers": stubs, "added_mounts": mounts }),
        toml,
        read,
        "maelstrom\n",
    );
    both_print(
        &project,
        &json!({ "added_layers": stubs, "added_mounts": mounts, "hostname": "a-b_c.D9" }),
        &format!("{toml}\nhostname = 'a-b_c.D9'"),
        read,
        "a-b_c.D9\n",
    );
    both_refuse(
        &project,
        &json!({ "hostname": "" }),
        "hostname = ''",
        "`hostname` must be 1 to 64 letters",
    );
}

#[test]
fn an_init_is_process_1_instead_of_the_program_and_takes_care_of_orphans() {
    needs_containers!();
    let project = project();
    // The shell in the middle ends at once, so that its child is an orphan.
    let script = r#"
        orphan=$( sh -c '{ read line </fifo; } >/dev/null & echo $!' )
        while read -r name value rest; do
            [ "$name" = PPid: ] && parent=$value
        done </proc/$orphan/status
        [ $parent = 1 ] && echo "the orphan is process 1's"
        echo >/fifo
        [ $$ = 1 ] && echo "the program is process 1" && exit
        while [ -e /proc/$orphan ]; do :; done
        echo "the orphan is gone"
    "#;
    let mut fields = json!({
        "added_layers": [{ "programs": ["mkfifo"] }, { "stubs": ["/{proc,scratch}/"] },
            { "symlinks": [{ "link": "/fifo", "target": "/scratch/fifo" }] }],
        "added_mounts": [
            { "type": "proc", "mount_point": "/proc" },
            { "type": "tmp", "mount_point": "/scratch" }
        ]
    });
    let toml = r#"
        added_layers = [
            { programs = ["mkfifo"] },
            { stubs = ["/{proc,scratch}/"] },
            { symlinks = [{ link = "/fifo", target = "/scratch/fifo" }] },
        ]
        added_mounts = [
            { type = "proc", mount_point = "/proc" },
            { type = "tmp", mount_point = "/scratch" },
        ]
    "#;
    let script = format!("mkfifo /scratch/fifo\n{script}");
    let orphan = "the orphan is process 1's\n";
    for (init, expected) in [
        (None, "the program is process 1\n"),
        (Some(false), "the program is process 1\n"),
        (Some(true), "the orphan is gone\n"),
    ] {
        let toml = match init {
            Some(init) => {
                fields["init"] = init.into();
                format!("{toml}\ninit = {init}")
            }
            None => toml.to_owned(),
        };
        both_print(
            &project,
            &fields,
            &toml,
            &script,
            &format!("{orphan}{expected}"),
        );
    }
}
