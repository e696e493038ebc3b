pub fn greeting() -> &'static str {
    include_str!("../greeting.txt").trim_end()
}

#[test]
fn is_no_member_so_this_does_not_run() {
    panic!();
}
