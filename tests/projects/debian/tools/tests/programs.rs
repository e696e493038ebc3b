//! Tests that start programs of the distribution.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn temporary(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(name);
    fs::create_dir(&directory).unwrap();
    directory
}

#[test]
fn a_shell_script_has_pipes_and_a_here_document() {
    let script = "\
cat <<END | sort | tr a-z A-Z
$0 two
$0 one
END
";
    let sorted = output(Command::new("sh").args(["-c", script, "line"]));
    assert_eq!(sorted, "LINE ONE\nLINE TWO\n");
}

#[test]
fn git_keeps_a_history() {
    let repository = temporary("history");
    let git = |arguments: &[&str]| {
        let identity = [
            "-c",
            "user.name=Nobody",
            "-c",
            "user.email=nobody@example.org",
        ];
        let mut command = Command::new("git");
        output(
            command
                .args(identity)
                .args(arguments)
                .current_dir(&repository),
        )
    };
    git(&["init", "-q", "-b", "main"]);
    for word in ["first", "second"] {
        fs::write(repository.join("file"), word).unwrap();
        git(&["add", "file"]);
        git(&["commit", "-q", "-m", word]);
    }
    assert_eq!(
        git(&["log", "--format=%s %an"]),
        "second Nobody\nfirst Nobody\n"
    );
    assert_eq!(git(&["show", "HEAD~:file"]), "first");
    git(&["config", "--global", "color.ui", "never"]);
}

#[test]
fn python_reads_and_writes_json() {
    let program = "\
import json, sys
numbers = json.load(sys.stdin)['numbers']
json.dump({'sum': sum(numbers), 'sorted': sorted(numbers)}, sys.stdout)
";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(br#"{ "numbers": [3, 1, 2] }"#).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, br#"{"sum": 6, "sorted": [1, 2, 3]}"#);
}

#[test]
fn python_imports_modules_in_python_and_in_c() {
    let program = "\
import hashlib, os, struct, subprocess, tempfile, threading, zlib
import _posixsubprocess
worker = threading.Thread(target=lambda: print('thread', flush=True))
worker.start()
worker.join()
with tempfile.TemporaryDirectory() as directory:
    print(os.listdir(directory))
print(zlib.decompress(zlib.compress(b'zlib')).decode(), struct.calcsize('<q'))
print(hashlib.sha256(b'').hexdigest()[:8])
print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())
";
    assert_eq!(
        output(Command::new("python3").args(["-c", program])),
        "thread\n[]\nzlib 8\ne3b0c442\nchild\n"
    );
}
