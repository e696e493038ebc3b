//! The members of the workspace that each member depends on, directly or through any other packages.
//!
//! The dependencies are those that Cargo resolves with all features for the platforms of the build,
//! development and build dependencies included, as cargo-nextest takes them.

use super::metadata::run_metadata;
use super::{CargoError, Invocation, Workspace};
use crate::filter::PackageDependencies;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Asks Cargo, which may download the packages of the workspace.
pub async fn dependencies(
    invocation: &Invocation,
    workspace: &Workspace,
) -> Result<PackageDependencies, CargoError> {
    let mut options = vec!["--all-features"];
    let targets = invocation.options.values("target");
    // Cargo's name for the platform of this machine, for which build scripts are, too.
    let targets = targets.filter(|target| *target != "host-tuple");
    for platform in targets.chain([workspace.toolchain.host.as_str()]) {
        options.extend(["--filter-platform", platform]);
    }
    let metadata: ResolvedMetadata = run_metadata(invocation, &options).await?;
    Ok(metadata.dependencies())
}

/// The used parts of Cargo's output.
#[derive(Deserialize)]
struct ResolvedMetadata {
    packages: Vec<ResolvedPackage>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct ResolvedPackage {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<ResolveNode>,
}

#[derive(Deserialize)]
struct ResolveNode {
    id: String,
    dependencies: Vec<String>,
}

impl ResolvedMetadata {
    fn dependencies(&self) -> PackageDependencies {
        let nodes: BTreeMap<&str, &ResolveNode> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let members: BTreeMap<&str, &str> = self
            .packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let of_member = |(id, name): (&&str, &&str)| {
            let needed = reachable(id, &nodes);
            let needed = needed.iter().filter_map(|id| members.get(id));
            let needed = needed.map(|name| (*name).to_owned()).collect();
            ((*name).to_owned(), needed)
        };
        PackageDependencies(members.iter().map(of_member).collect())
    }
}

/// The packages that a package depends on, including itself.
fn reachable<'a>(id: &'a str, nodes: &BTreeMap<&'a str, &'a ResolveNode>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::from([id]);
    let mut open = vec![id];
    while let Some(node) = open.pop().and_then(|id| nodes.get(id)) {
        for dependency in &node.dependencies {
            if found.insert(dependency) {
                open.push(dependency);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::{CargoOptions, metadata};
    use serde_json::json;
    use std::fs;

    /// Writes a package without code, with these lines of dependencies.
    fn write_package(root: &std::path::Path, name: &str, dependencies: &str) {
        let directory = root.join(name);
        fs::create_dir_all(directory.join("src")).unwrap();
        let package = format!("[package]\nname = '{name}'\nedition = '2021'\n{dependencies}");
        fs::write(directory.join("Cargo.toml"), package).unwrap();
        fs::write(directory.join("src/lib.rs"), "").unwrap();
    }

    #[test]
    fn cargo_resolves_dependencies_of_every_kind_for_this_platform() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(
            root.join("Cargo.toml"),
            "[workspace]\nmembers = ['app', 'built', 'tested', 'optional', 'windows', 'deep']\n\
             resolver = '2'\n",
        )
        .unwrap();
        write_package(
            root,
            "app",
            "[dependencies]\noptional = { path = '../optional', optional = true }\n\
             [build-dependencies]\nbuilt = { path = '../built' }\n\
             [dev-dependencies]\ntested = { path = '../tested' }\n\
             [target.'cfg(windows)'.dependencies]\nwindows = { path = '../windows' }\n",
        );
        write_package(
            root,
            "built",
            "[dependencies]\ndeep = { path = '../deep' }\n",
        );
        for name in ["tested", "optional", "windows", "deep"] {
            write_package(root, name, "");
        }
        let options = CargoOptions::parse(["--offline", "--target", "host-tuple"]);
        let mut invocation = Invocation::new(options).unwrap();
        invocation.directory = root.into();
        let found = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async {
                let workspace = metadata(&invocation).await?;
                dependencies(&invocation, &workspace).await
            });
        let PackageDependencies(of) = found.unwrap();
        assert_eq!(
            Vec::from_iter(of["app"].clone()),
            ["app", "built", "deep", "optional", "tested"]
        );
        assert_eq!(Vec::from_iter(of["windows"].clone()), ["windows"]);
    }

    #[test]
    fn members_depend_on_members_through_any_packages_and_in_circles() {
        let package = |name: &str| json!({ "id": name, "name": name });
        let node = |name: &str, needs: &[&str]| json!({ "id": name, "dependencies": needs });
        let packages = ["a", "b", "c", "d", "serde"].map(package);
        let metadata: ResolvedMetadata = serde_json::from_value(json!({
            "packages": packages,
            "workspace_members": ["a", "b", "c", "d"],
            "resolve": { "nodes": [
                node("a", &["serde"]),
                node("serde", &["b"]),
                // `c` is a development dependency of `b` that depends on it.
                node("b", &["c"]),
                node("c", &["b"]),
                node("d", &[]),
            ] },
        }))
        .unwrap();
        let PackageDependencies(of) = metadata.dependencies();
        let of = |name: &str| Vec::from_iter(of[name].clone());
        assert_eq!(of("a"), ["a", "b", "c"]);
        assert_eq!(of("b"), ["b", "c"]);
        assert_eq!(of("c"), ["b", "c"]);
        assert_eq!(of("d"), ["d"]);
    }
}
