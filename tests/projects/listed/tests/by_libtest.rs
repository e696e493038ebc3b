//! Writes down each time it is started, and what for.

use std::io::Write as _;

extern "C" fn note() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut log = std::fs::File::options().append(true).open("/log/starts").unwrap();
    writeln!(log, "by_libtest {}", arguments.join(" ")).unwrap();
}

#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

#[test]
fn one() {}
