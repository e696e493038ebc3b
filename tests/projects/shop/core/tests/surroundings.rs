//! What a test finds around itself.

use std::{env, fs, path::Path};

#[test]
fn prints_its_environment() {
    for (name, value) in env::vars() {
        println!("VARIABLE {name}={}", value.escape_debug());
    }
}

#[test]
fn is_in_its_packages_directory() {
    let directory = env::current_dir().unwrap();
    assert_eq!(directory, Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(env::var_os("CARGO_MANIFEST_DIR").unwrap(), directory.as_os_str());
    assert!(fs::read_to_string("src/lib.rs").unwrap().contains("pub fn sum"));
}

#[test]
fn reads_the_sources_of_other_members() {
    assert!(fs::read_to_string("../extra/src/lib.rs").unwrap().contains("extra_works"));
    assert!(fs::read_to_string("../Cargo.toml").unwrap().contains("[workspace]"));
}

#[test]
fn finds_what_the_build_script_made() {
    let built = concat!(env!("OUT_DIR"), "/price-list.txt");
    assert_eq!(fs::read_to_string(built).unwrap(), "bread 3\n");
    assert_eq!(env::var("OUT_DIR").unwrap(), env!("OUT_DIR"));
    assert_eq!(env!("BUILT_BY"), "the build script");
}

#[test]
fn has_a_writable_temporary_directory() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
    fs::write(directory.join("note"), "written").unwrap();
}

#[test]
fn has_an_empty_home() {
    let home = env::var("HOME").unwrap();
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    fs::write(Path::new(&home).join(".note"), "written").unwrap();
}

#[test]
fn has_a_small_system() {
    assert_eq!(fs::read_link("/proc/self").unwrap(), Path::new(&std::process::id().to_string()));
    assert_eq!(fs::read("/dev/null").unwrap(), b"");
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("maelstrom:x:1000:1000:"));
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), "maelstrom\n");
    assert!(fs::metadata("/sys/kernel").unwrap().is_dir());
    fs::write("/tmp/note", "written").unwrap();
    fs::write("/dev/shm/note", "written").unwrap();
    assert!(Path::new("/bin/sh").exists());
    assert!(!Path::new("/usr/bin/git").exists());
}

#[test]
fn reads_nothing_from_standard_input() {
    assert_eq!(std::io::read_to_string(std::io::stdin()).unwrap(), "");
}

#[test]
fn speaks_to_itself_over_loopback() {
    use std::net::{TcpListener, TcpStream, ToSocketAddrs};
    let listener = TcpListener::bind("localhost:8080").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(("localhost", 80).to_socket_addrs().unwrap().any(|a| a.ip().is_loopback()));
    assert!(TcpStream::connect("192.0.2.1:80").is_err());
}

#[test]
fn can_run_its_own_binary() {
    let own = env::current_exe().unwrap();
    assert_eq!(own.to_str(), env::args().next().as_deref());
    let status = std::process::Command::new(own).arg("--list").status();
    assert!(status.unwrap().success());
}

#[test]
fn knows_its_slot() {
    println!("SLOT {}", env::var("MAELSTROM_SLOT").unwrap());
}
