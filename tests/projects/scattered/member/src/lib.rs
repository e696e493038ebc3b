#[test]
fn reads_its_own_data() {
    assert_eq!(std::fs::read_to_string("data/note.txt").unwrap(), "of the member\n");
    let absolute = concat!(env!("CARGO_MANIFEST_DIR"), "/data/note.txt");
    assert_eq!(std::fs::read_to_string(absolute).unwrap(), "of the member\n");
}
