//! Documentation tests on an engine.

use super::cluster::Cluster;
use super::uploads::sent;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::needs_cluster;
use std::collections::BTreeSet;

/// Tests of which two have the same name, and one should panic.
const SOURCE: &str = "\
//! ```
//! assert!(std::path::Path::new(\"src/lib.rs\").is_file());
//! ```
//!
//! ```should_panic
//! panic!(\"wanted\");
//! ```
//!
//! ```should_panic
//! println!(\"calm\");
//! ```

pub struct Thing;

macro_rules! from {
    ($($source:ty),*) => {
        $(impl From<$source> for Thing {
            /// ```
            #[doc = concat!(\"let _ = plain::Thing::from(0 as \", stringify!($source), \");\")]
            /// ```
            fn from(_: $source) -> Self {
                Self
            }
        })*
    };
}

from!(u8, u16);
";

#[test]
fn doctests_of_both_kinds_of_executables_run_on_a_cluster_and_are_known_afterwards() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    for edition in ["2021", "2024"] {
        let project = Project::own("plain");
        project.change("Cargo.toml", "2021", edition);
        project.write("src/lib.rs", SOURCE);
        let run = |words: &[&str]| {
            let always = [
                "--doc",
                "--hermetic",
                "--cache-results=auto",
                "--log-level=info",
            ];
            cluster.run(&project, &[&always, words].concat())
        };
        let first = run(&[]).exits(100);
        let finished = first.of_tests("finished");
        let mut ends: Vec<_> = finished
            .iter()
            .map(|event| {
                (
                    event["name"].as_str().unwrap(),
                    event["status"].as_str().unwrap(),
                )
            })
            .collect();
        ends.sort_unstable();
        let expected = [
            ("src/lib.rs - (line 1)", "passed"),
            ("src/lib.rs - (line 5)", "passed"),
            ("src/lib.rs - (line 9)", "failed"),
        ];
        let (plain, of_macro) = ends.split_at(3);
        assert_eq!(plain, expected, "{first}");
        assert_eq!((of_macro.len(), of_macro[0].1), (2, "passed"), "{first}");
        assert_eq!(of_macro[0], of_macro[1], "{first}");
        assert!(sent(&first) > 0, "{first}");

        let others = ["-x", "name.contains(line 9)"];
        run(&others).exits(0);
        let again = run(&others).exits(0);
        assert_eq!(again.ran(), BTreeSet::new(), "{again}");
        assert_eq!(
            (&again.summary()["cached"], sent(&again)),
            (&4.into(), 0),
            "{again}"
        );
    }
}
