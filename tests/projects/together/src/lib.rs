//! Two tests that pass only if they run at the same time: each waits for the other at a named
//! pipe.

#[cfg(test)]
fn meet(reads: &str, writes: &str) {
    println!("SLOT {}", std::env::var("MAELSTROM_SLOT").unwrap());
    let writer = std::thread::spawn({
        let writes = writes.to_owned();
        move || std::fs::write(writes, "here").unwrap()
    });
    assert_eq!(std::fs::read_to_string(reads).unwrap(), "here");
    writer.join().unwrap();
}

#[test]
fn left() {
    meet("/pipes/to-left", "/pipes/to-right");
}

#[test]
fn right() {
    meet("/pipes/to-right", "/pipes/to-left");
}

#[test]
fn wide() {}

#[test]
fn wider_than_there_is_room() {}

#[test]
fn narrow() {}
