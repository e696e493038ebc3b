//! One test for each kind of mount, root and network of `maelstrom-test.toml`, and for
//! its named containers.

use std::{env, fs, io::ErrorKind, path::Path};

#[test]
fn bind_writable() {
    assert_eq!(fs::read_to_string("/bound/in").unwrap(), "from outside\n");
    fs::write("/bound/out", "from inside\n").unwrap();
}

#[test]
fn bind_read_only() {
    assert_eq!(fs::read_to_string("/bound/one.txt").unwrap(), "one\n");
    assert_eq!(fs::read_to_string("/bound-file").unwrap(), "one\n");
    for path in ["/bound/new", "/bound/one.txt", "/bound-file"] {
        let error = fs::write(path, "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem, "{path}: {error}");
    }
}

#[test]
fn all_other_mounts() {
    use std::io::Read as _;
    fs::write("/dev/null", "gone").unwrap();
    assert_eq!(fs::write("/dev/full", "x").unwrap_err().kind(), ErrorKind::StorageFull);
    let mut bytes = [1; 8];
    fs::File::open("/dev/zero").unwrap().read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [0; 8]);
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    fs::File::open("/dev/random").unwrap().read_exact(&mut bytes).unwrap();
    assert!(fs::metadata("/dev/tty").is_ok());
    fs::write("/dev/shm/a", "").unwrap();
    fs::write("/scratch/a", "").unwrap();
    fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    assert!(Path::new("/dev/pts/0").exists() || Path::new("/dev/pts/ptmx").exists());
    assert_eq!(fs::read_link("/proc/self").unwrap().to_str().unwrap(), std::process::id().to_string());
    assert!(Path::new("/sys/class").is_dir());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    for (kind, place) in [
        ("devpts", "/dev/pts"),
        ("mqueue", "/queues"),
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("tmpfs", "/scratch"),
        ("tmpfs", "/dev/shm"),
    ] {
        let mounted = |line: &str| line.split(' ').skip(1).take(2).eq([place, kind]);
        assert!(mounts.lines().any(mounted), "no {kind} on {place}:\n{mounts}");
    }
    assert_eq!(fs::write("/new", "").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn root_is_read_only() {
    let error = fs::write("lib.rs", "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    fs::write("/home/maelstrom/this-is-a-mount", "").unwrap();
}

#[test]
fn root_changes_are_kept() {
    fs::write("kept-note", "for later\n").unwrap();
    fs::write("lib.rs", "changed").unwrap();
}

#[test]
fn starts_from_nothing() {
    assert_eq!(env::current_dir().unwrap(), Path::new("/"));
    assert!(!Path::new("/proc").exists() && !Path::new("/etc/passwd").exists());
    for name in ["HOME", "LANG", "PATH", "TMPDIR", "USER", "MAELSTROM"] {
        assert_eq!(env::var_os(name), None, "{name}");
    }
    assert!(env::var_os("MAELSTROM_SLOT").is_some());
    fs::write("/tmp-file", "").unwrap();
}

fn interfaces() -> Vec<String> {
    let text = fs::read_to_string("/proc/net/dev").unwrap();
    let lines = text.lines().skip(2);
    lines.map(|line| line.split(':').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn network_disabled() {
    let error = std::net::TcpStream::connect("127.0.0.1:9").unwrap_err();
    assert_ne!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
}

#[test]
fn network_loopback() {
    let error = std::net::TcpStream::connect("127.0.0.1:9").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    assert_eq!(interfaces(), ["lo"]);
}

#[test]
fn network_local() {
    // Somebody listens there on the host.
    let port = fs::read_to_string("shared/port").unwrap();
    std::net::TcpStream::connect(format!("127.0.0.1:{}", port.trim())).unwrap();
}

fn ids() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt as _;
    fs::write("/tmp/mine", "").unwrap();
    let metadata = fs::metadata("/tmp/mine").unwrap();
    (metadata.uid(), metadata.gid())
}

#[test]
fn grandchild() {
    assert_eq!(fs::read_to_string("/etc/base").unwrap(), "base");
    assert_eq!(fs::read_to_string("/etc/middle").unwrap(), "middle");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), "base\n");
    assert_eq!(env::var("LEVEL").unwrap(), "base-middle-test");
    assert_eq!(env::var("BASE").unwrap(), "yes");
    assert_eq!(env::var("CLIENT").unwrap(), "from the client");
    assert!(env::var_os("LANG").is_none(), "a plain map drops what is inherited");
    assert_eq!(ids(), (1234, 4321));
}

#[test]
fn takes_the_layers_only() {
    assert_eq!(fs::read_to_string("/etc/middle").unwrap(), "middle");
    assert!(!Path::new("/proc/self").exists());
    assert!(env::var_os("LEVEL").is_none());
}
