#[test]
fn calls_the_library() {
    extern "C" {
        fn vanish();
    }
    unsafe { vanish() };
}
