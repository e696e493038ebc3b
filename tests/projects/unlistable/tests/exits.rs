//! Ends before its `main`.

extern "C" fn exit() {
    println!("on stdout");
    eprintln!("a configuration is missing");
    std::process::exit(3);
}

#[used]
#[unsafe(link_section = ".init_array")]
static EXIT: extern "C" fn() = exit;

#[test]
fn never_seen() {}
