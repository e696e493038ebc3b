//! Every mistake that a job can have, with the whole of what is said about it.

use super::read;

mod containers;
mod files;
mod jobs;
mod stream;
mod syntax;

/// Each job of a table must be refused. The line after it has carets below what is
/// shown to be wrong, and then all that is said.
#[track_caller]
fn refused(table: &str) {
    let mut lines = table.trim_matches('\n').lines();
    while let Some(job) = lines.next() {
        let told = lines.next().expect("what is said about the last job");
        let end = told.find("^ ").expect("carets") + 1;
        let (carets, message) = (&told[..end], &told[end + 1..]);
        let column = 1 + carets.find('^').expect("carets");
        assert_eq!(
            read(&[job]).expect_err(job),
            format!("<stdin>:1:{column}: {message}\n  |\n1 | {job}\n  | {carets}")
        );
    }
}
