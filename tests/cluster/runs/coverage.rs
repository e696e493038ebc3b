//! Coverage of tests that run on an engine.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::fixture::Run;
use crate::llvm::Llvm;
use crate::needs_cluster;

#[test]
fn coverage_of_tests_on_a_cluster_has_the_profiles_of_all_their_processes() {
    needs_cluster!();
    let Some(llvm) = Llvm::find() else { return };
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("covered");
    let options = cluster.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let report = project.temporary().join("lcov.info");
    let output = format!("--coverage-output={}", report.display());
    let coverage = ["--retries=1", "--coverage=lcov", &output];
    for _ in 0..2 {
        let mut command = project.command(&[&coverage[..], &options].concat());
        llvm.give(&mut command);
        let run = Run::of(&mut command, &project).exits(0);
        let lcov = std::fs::read_to_string(&report).unwrap();
        let of_library = lcov
            .split("end_of_record")
            .find(|part| part.contains("code/src/lib.rs"));
        let counts = of_library.unwrap().lines();
        let counts: Vec<_> = counts.filter(|line| line.starts_with("DA:")).collect();
        let text = std::fs::read_to_string(project.root.join("code/src/lib.rs")).unwrap();
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = line.strip_prefix("pub fn ") {
                let body = index + 2;
                let never = counts.contains(&format!("DA:{body},0").as_str());
                assert_eq!(
                    never,
                    name.starts_with("by_nothing"),
                    "{name}: {lcov}\n{run}"
                );
            }
        }
    }
}
