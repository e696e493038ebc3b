//! Prints before its `main` whatever it is asked.

extern "C" fn babble() {
    println!("good morning");
}

#[used]
#[unsafe(link_section = ".init_array")]
static BABBLE: extern "C" fn() = babble;

#[test]
fn never_seen() {}
