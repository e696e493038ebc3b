//! The timings of tests that run on an engine.

use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::needs_cluster;
use serde_json::Value;
use std::fs;

#[test]
fn tests_on_the_engine_have_rows_of_the_engine_and_second_looks_those_of_this_machine() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("flaky");
    let file = project.temporary().join("timings.html");
    let option = format!("--timings={}", file.display());
    let run = cluster.run(&project, &["--retries=2", &option]).exits(100);
    let page = fs::read_to_string(&file).unwrap();
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let kind = |bar: &Value| {
        let row = bar["rows"][0].as_u64().unwrap() as usize;
        data["rows"][row]["kind"].as_str().unwrap().to_owned()
    };
    let bars = data["bars"].as_array().unwrap();
    assert!(bars.iter().any(|bar| bar["status"] == "look"), "{run}");
    for bar in bars {
        let is_look = bar["status"] == "look";
        assert_eq!(kind(bar), if is_look { "slot" } else { "engine" }, "{bar}");
    }
    let attempts = bars.iter().filter(|bar| bar["status"] != "look").count();
    assert_eq!(attempts, run.of_tests("started").len(), "{run}");
    // Bars of a row do not overlap.
    let mut ends = vec![0.0; data["rows"].as_array().unwrap().len()];
    for bar in bars {
        let row = bar["rows"][0].as_u64().unwrap() as usize;
        assert!(ends[row] <= bar["start"].as_f64().unwrap(), "{bars:?}");
        ends[row] = bar["end"].as_f64().unwrap();
    }
}
