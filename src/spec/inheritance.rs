//! Named containers, and their inheritance.

use super::{
    ContainerFields, ContainerSpec, Deprecations, ImplicitBase, Mount, Network, ParentRef, Spanned,
    SpecEntry, SpecError, SpecFormat, SpecProblem, Suggestions,
};
use std::collections::{BTreeMap, BTreeSet};

/// The built-in container without files, variables and mounts.
pub const EMPTY: &str = "empty";
/// The built-in container that tests start from.
pub const DEFAULT: &str = "default";

/// Containers by name, each with everything it inherits.
#[derive(Clone, Debug)]
pub struct Containers {
    resolved: BTreeMap<String, ContainerSpec>,
}

impl Containers {
    /// Only [`EMPTY`].
    pub fn new() -> Self {
        Self {
            resolved: BTreeMap::from([(EMPTY.to_owned(), ContainerSpec::default())]),
        }
    }

    /// [`EMPTY`] and [`DEFAULT`].
    pub fn with_default(default: ContainerSpec) -> Self {
        let mut containers = Self::new();
        containers.resolved.insert(DEFAULT.to_owned(), default);
        containers
    }

    pub fn get(&self, name: &str) -> Option<&ContainerSpec> {
        self.resolved.get(name)
    }

    /// Adds the containers of a `containers` map. Their parents may be in the same map, or
    /// known before.
    pub fn define(
        &mut self,
        entry: &SpecEntry,
        format: SpecFormat,
        deprecations: &mut Deprecations,
    ) -> Result<(), SpecError> {
        let mut unresolved = BTreeMap::new();
        for entry in entry.map()? {
            let container = self.read(entry, format, deprecations)?;
            unresolved.insert(entry.name(), container);
        }
        for name in unresolved.keys() {
            self.resolve(name, &unresolved)?;
        }
        Ok(())
    }

    /// The fields that a child inherits from its parent.
    pub fn inherit(&self, parent: &ParentRef) -> Result<ContainerSpec, SpecError> {
        match self.get(&parent.name.value) {
            Some(container) => Ok(parent.inherit(container)),
            None => Err(self.unknown(&parent.name, std::iter::empty())),
        }
    }

    /// Fails if `container`, which results from `fields`, has both a `sys` mount and the local
    /// network. The `sys` mount of the default container does not count: see
    /// [`Self::without_default_sys`].
    pub fn check_network(
        &self,
        container: &ContainerSpec,
        fields: &ContainerFields,
    ) -> Result<(), SpecError> {
        let inherited = self.count_default_mounts(container);
        let own = &container.mounts[inherited..];
        let conflict = container.network == Network::Local && own.iter().any(is_sys);
        let span = (fields.network.as_ref().map(|network| &network.span))
            .or(fields.mounts.as_ref().map(|mounts| &mounts.span))
            .or(fields.parent.as_ref().map(|parent| &parent.name.span));
        match span {
            Some(span) if conflict => Err(SpecError::new(span, SpecProblem::SysWithLocalNetwork)),
            _ => Ok(()),
        }
    }

    /// Removes the `sys` mount of the default container from a container with the local network.
    /// So users can select that network without changing the mounts.
    #[must_use]
    pub fn without_default_sys(&self, mut container: ContainerSpec) -> ContainerSpec {
        if container.network == Network::Local {
            let own = container
                .mounts
                .split_off(self.count_default_mounts(&container));
            container.mounts.retain(|mount| !is_sys(mount));
            container.mounts.extend(own);
        }
        container
    }

    fn read(
        &self,
        entry: &SpecEntry,
        format: SpecFormat,
        deprecations: &mut Deprecations,
    ) -> Result<ContainerFields, SpecError> {
        let name = entry.name();
        if [EMPTY, DEFAULT].contains(&name) {
            return Err(entry.error(SpecProblem::ReservedContainer {
                name: name.to_owned(),
            }));
        }
        if self.resolved.contains_key(name) {
            return Err(entry.error(SpecProblem::ContainerDefinedTwice {
                name: name.to_owned(),
            }));
        }
        let mut fields = ContainerFields::new(format);
        for field in entry.map()? {
            if !fields.read(field, deprecations)? {
                return Err(field.unknown_field(&"a container", ContainerFields::NAMES));
            }
        }
        fields.finish(ImplicitBase::None)?;
        Ok(fields)
    }

    /// Resolves the container called `name`, after those of its ancestors that are unresolved.
    fn resolve(
        &mut self,
        name: &str,
        unresolved: &BTreeMap<&str, ContainerFields>,
    ) -> Result<(), SpecError> {
        for name in self.lineage(name, unresolved)?.into_iter().rev() {
            let Some(fields) = unresolved.get(name) else {
                continue;
            };
            let mut container = match &fields.parent {
                Some(parent) => self.inherit(parent)?,
                None => ContainerSpec::default(),
            };
            fields.apply(&mut container);
            self.check_network(&container, fields)?;
            self.resolved.insert(name.to_owned(), container);
        }
        Ok(())
    }

    /// `name`, its parent, grandparent and so on, up to the first that is resolved.
    fn lineage<'a>(
        &self,
        name: &'a str,
        unresolved: &'a BTreeMap<&str, ContainerFields>,
    ) -> Result<Vec<&'a str>, SpecError> {
        let mut lineage: Vec<&str> = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next.filter(|name| !self.resolved.contains_key(*name)) {
            lineage.push(name);
            let parent = unresolved
                .get(name)
                .and_then(|fields| fields.parent.as_ref());
            let Some(ParentRef { name: parent, .. }) = parent else {
                break;
            };
            let known = self.resolved.contains_key(&parent.value);
            if !known && !unresolved.contains_key(parent.value.as_str()) {
                return Err(self.unknown(parent, unresolved.keys().copied()));
            }
            if let Some(start) = lineage.iter().position(|name| *name == parent.value) {
                let cycle = lineage[start..].iter().map(ToString::to_string).collect();
                return Err(SpecError::new(
                    &parent.span,
                    SpecProblem::ParentCycle { cycle },
                ));
            }
            next = Some(&parent.value);
        }
        Ok(lineage)
    }

    fn unknown<'a>(
        &'a self,
        name: &Spanned<String>,
        unresolved: impl Iterator<Item = &'a str>,
    ) -> SpecError {
        if name.value == DEFAULT {
            return SpecError::new(&name.span, SpecProblem::DefaultIsForTests);
        }
        let known: BTreeSet<&str> = self
            .resolved
            .keys()
            .map(String::as_str)
            .chain(unresolved)
            .collect();
        SpecError::new(
            &name.span,
            SpecProblem::UnknownContainer {
                name: name.value.clone(),
                suggestions: Suggestions::new(&name.value, known),
            },
        )
    }

    /// The number of mounts at the start of the list that the default container has too.
    fn count_default_mounts(&self, container: &ContainerSpec) -> usize {
        match self.get(DEFAULT) {
            Some(default) if container.mounts.starts_with(&default.mounts) => default.mounts.len(),
            _ => 0,
        }
    }
}

impl Default for Containers {
    fn default() -> Self {
        Self::new()
    }
}

fn is_sys(mount: &Mount) -> bool {
    matches!(mount, Mount::Sys { .. })
}

#[cfg(test)]
mod tests;
