//! Writes down each time it is started, and what for.

use std::io::Write as _;

extern "C" fn note() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut log = std::fs::File::options().append(true).open("/log/starts").unwrap();
    // In one write, for other processes add lines at the same time.
    log.write_all(format!("by_libtest {}\n", arguments.join(" ")).as_bytes()).unwrap();
}

#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

#[test]
fn one() {}
