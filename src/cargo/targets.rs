//! The targets that `cargo test` builds as tests, without building them.
//!
//! This is an approximation: Cargo would resolve the whole dependency graph. Here a target with
//! `required-features` is selected if the options and the default features of the package enable
//! these features, but not if a dependency of another member enables them. Names that no package
//! has select nothing, while Cargo refuses them.

use super::{CargoError, CargoOptions, Package, TargetInfo, Workspace};
use crate::filter::TargetKind;
use globset::Glob;
use std::{collections::BTreeSet, sync::Arc};

/// A target that `cargo test` would build as a test binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedTarget {
    pub package: Arc<Package>,
    pub target: TargetInfo,
}

impl Workspace {
    /// The targets that `cargo test` would build as test binaries, in Cargo's order of packages.
    pub fn selected_targets(
        &self,
        options: &CargoOptions,
    ) -> Result<Vec<SelectedTarget>, CargoError> {
        let mut selected = Vec::new();
        for package in self.selected(options)? {
            let features = enabled_features(&package, options);
            let targets = package.targets.iter().filter(|target| {
                let has = |feature: &String| features.contains(feature.as_str());
                is_selected(target, options) && target.required_features.iter().all(has)
            });
            selected.extend(targets.map(|target| SelectedTarget {
                package: Arc::clone(&package),
                target: target.clone(),
            }));
        }
        Ok(selected)
    }
}

fn is_selected(target: &TargetInfo, options: &CargoOptions) -> bool {
    if !options.select_targets() {
        return target.test;
    }
    let all = options.is_set("all-targets");
    let chosen = |every: &str, one: &str| {
        all || options.is_set(every) || options.values(one).any(|name| is_named(target, name))
    };
    let by_kind = match target.kind {
        TargetKind::Library | TargetKind::ProcMacro => all || options.is_set("lib"),
        TargetKind::Binary => chosen("bins", "bin"),
        TargetKind::Example => chosen("examples", "example"),
        TargetKind::Test => options.values("test").any(|name| is_named(target, name)),
        TargetKind::Benchmark => options.values("bench").any(|name| is_named(target, name)),
        // Documentation tests are no target of their own.
        TargetKind::Doctest => false,
    };
    // `--tests` and `--benches` select the targets that `cargo test` and `cargo bench` build.
    by_kind
        || (target.test && (all || options.is_set("tests")))
        || (target.bench && (all || options.is_set("benches")))
}

fn is_named(target: &TargetInfo, name: &str) -> bool {
    target.name == name
        || Glob::new(name).is_ok_and(|glob| glob.compile_matcher().is_match(&target.name))
}

/// The features of the package that the options enable, directly or through other features.
fn enabled_features<'a>(package: &'a Package, options: &'a CargoOptions) -> BTreeSet<&'a str> {
    if options.is_set("all-features") {
        return package.features.keys().map(String::as_str).collect();
    }
    let given = options
        .values("features")
        .flat_map(|features| features.split([',', ' ']))
        .filter_map(|feature| match feature.split_once('/') {
            Some((name, feature)) => (name == package.name).then_some(feature),
            None => Some(feature),
        });
    let default = (!options.is_set("no-default-features")).then_some("default");
    let mut open: Vec<&str> = given.chain(default).collect();
    let mut enabled = BTreeSet::new();
    while let Some(feature) = open.pop() {
        if let Some(more) = package.features.get(feature)
            && enabled.insert(feature)
        {
            open.extend(more.iter().map(String::as_str));
        }
    }
    enabled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::tests::{package, workspace};
    use TargetKind::{Benchmark, Binary, Example, Library, Test};

    fn sample() -> Workspace {
        let mut a = package("a", "1.0.0");
        let targets = [
            (Library, "a", true, true),
            (Binary, "main", true, true),
            (Example, "ex", false, false),
            (Test, "it", true, false),
            (Test, "extra", true, false),
            (Benchmark, "be", false, true),
        ];
        a.targets = targets
            .into_iter()
            .map(|(kind, name, test, bench)| TargetInfo {
                kind,
                name: name.to_owned(),
                src_path: "x.rs".into(),
                harness: true,
                doctest: false,
                test,
                bench,
                required_features: (name == "extra")
                    .then(|| "more".to_owned())
                    .into_iter()
                    .collect(),
            })
            .collect();
        let features = [
            ("default", vec!["less"]),
            ("less", vec![]),
            ("full", vec!["more"]),
            ("more", vec![]),
        ];
        a.features = features
            .into_iter()
            .map(|(name, on)| (name.to_owned(), on.into_iter().map(str::to_owned).collect()))
            .collect();
        workspace(vec![a])
    }

    fn names(arguments: &[&str]) -> Vec<String> {
        sample()
            .selected_targets(&CargoOptions::parse(arguments.iter().copied()))
            .unwrap()
            .into_iter()
            .map(|selected| format!("{}/{}", selected.target.kind, selected.target.name))
            .collect()
    }

    #[test]
    fn by_default_targets_with_tests_are_selected() {
        assert_eq!(names(&[]), ["lib/a", "bin/main", "test/it"]);
        assert_eq!(names(&["--tests"]), names(&[]));
    }

    #[test]
    fn required_features_are_followed_through_other_features() {
        assert_eq!(names(&["--test=*", "-Ffull"]), ["test/it", "test/extra"]);
        assert_eq!(
            names(&["--test=*", "-F", "x,a/full"]),
            ["test/it", "test/extra"]
        );
        assert_eq!(names(&["--test=*", "-F", "b/full"]), ["test/it"]);
        assert_eq!(
            names(&["--test=*", "--all-features"]),
            ["test/it", "test/extra"]
        );
    }

    #[test]
    fn switches_select_kinds_and_names() {
        assert_eq!(names(&["--lib"]), ["lib/a"]);
        assert_eq!(names(&["--bins", "--test", "it"]), ["bin/main", "test/it"]);
        assert_eq!(names(&["--examples"]), ["example/ex"]);
        assert_eq!(names(&["--bench=be"]), ["bench/be"]);
    }

    #[test]
    fn benches_selects_the_targets_of_cargo_bench() {
        assert_eq!(names(&["--benches"]), ["lib/a", "bin/main", "bench/be"]);
    }

    #[test]
    fn all_targets_selects_every_target() {
        assert_eq!(
            names(&["--all-targets"]),
            ["lib/a", "bin/main", "example/ex", "test/it", "bench/be"]
        );
    }
}
