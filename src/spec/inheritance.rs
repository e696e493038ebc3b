//! Named containers, and what each inherits.

use super::{
    Beneath, Choices, ContainerFields, ContainerSpec, Deprecations, Entry, Format, Mistake, Mount,
    Network, ParentRef, Problem, Spanned,
};
use std::collections::{BTreeMap, BTreeSet};

/// The name of the built-in container that has nothing.
pub const EMPTY: &str = "empty";
/// The name of the built-in container that tests start from.
pub const DEFAULT: &str = "default";

/// Containers by name, each with everything it inherits.
#[derive(Clone, Debug)]
pub struct Containers {
    resolved: BTreeMap<String, ContainerSpec>,
}

impl Containers {
    /// Knows only [`EMPTY`].
    pub fn new() -> Self {
        Self {
            resolved: BTreeMap::from([(EMPTY.to_owned(), ContainerSpec::default())]),
        }
    }

    /// Knows [`DEFAULT`] as well.
    pub fn with_default(default: ContainerSpec) -> Self {
        let mut containers = Self::new();
        containers.resolved.insert(DEFAULT.to_owned(), default);
        containers
    }

    pub fn get(&self, name: &str) -> Option<&ContainerSpec> {
        self.resolved.get(name)
    }

    /// Adds the containers of a `containers` map: names with fields. They may
    /// have each other and those known before as parents.
    pub fn define(
        &mut self,
        entry: &Entry,
        format: Format,
        notes: &mut Deprecations,
    ) -> Result<(), Mistake> {
        let mut written = BTreeMap::new();
        for entry in entry.map()? {
            let container = self.read(entry, format, notes)?;
            written.insert(entry.name(), container);
        }
        for name in written.keys() {
            self.resolve(name, &written)?;
        }
        Ok(())
    }

    /// What a container starts with that has this parent.
    pub fn inherit(&self, parent: &ParentRef) -> Result<ContainerSpec, Mistake> {
        match self.get(&parent.name.value) {
            Some(container) => Ok(parent.inherit(container)),
            None => Err(self.unknown(&parent.name, std::iter::empty())),
        }
    }

    /// Fails if `container`, resulting from `fields`, has a `sys` mount together
    /// with the local network. Those that the default container brings do not
    /// count: see [`Self::without_default_sys`].
    pub fn check_network(
        &self,
        container: &ContainerSpec,
        fields: &ContainerFields,
    ) -> Result<(), Mistake> {
        let inherited = self.default_mounts(container);
        let own = &container.mounts[inherited..];
        let conflict = container.network == Network::Local && own.iter().any(is_sys);
        let span = (fields.network.as_ref().map(|network| &network.span))
            .or(fields.mounts.as_ref().map(|mounts| &mounts.span))
            .or(fields.parent.as_ref().map(|parent| &parent.name.span));
        match span {
            Some(span) if conflict => Err(Mistake::new(span, Problem::SysWithLocalNetwork)),
            _ => Ok(()),
        }
    }

    /// `container` as it can run: with the local network, the `sys` mounts that
    /// the default container brings are left out, so that naming that network is
    /// all it takes to have it.
    #[must_use]
    pub fn without_default_sys(&self, mut container: ContainerSpec) -> ContainerSpec {
        if container.network == Network::Local {
            let own = container.mounts.split_off(self.default_mounts(&container));
            container.mounts.retain(|mount| !is_sys(mount));
            container.mounts.extend(own);
        }
        container
    }

    fn read(
        &self,
        entry: &Entry,
        format: Format,
        notes: &mut Deprecations,
    ) -> Result<ContainerFields, Mistake> {
        let name = entry.name();
        if [EMPTY, DEFAULT].contains(&name) {
            return Err(entry.mistake(Problem::ReservedContainer {
                name: name.to_owned(),
            }));
        }
        if self.resolved.contains_key(name) {
            return Err(entry.mistake(Problem::ContainerDefinedTwice {
                name: name.to_owned(),
            }));
        }
        let mut fields = ContainerFields::new(format);
        for field in entry.map()? {
            if !fields.read(field, notes)? {
                return Err(field.unknown_field(&"a container", ContainerFields::NAMES));
            }
        }
        fields.finish(Beneath::Nothing)?;
        Ok(fields)
    }

    /// Resolves the container called `name`, and before it those of its parents
    /// that are not resolved yet.
    fn resolve(
        &mut self,
        name: &str,
        written: &BTreeMap<&str, ContainerFields>,
    ) -> Result<(), Mistake> {
        for name in self.lineage(name, written)?.into_iter().rev() {
            let Some(fields) = written.get(name) else {
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

    /// `name`, its parent, grandparent, … as far as they are not resolved yet.
    fn lineage<'a>(
        &self,
        name: &'a str,
        written: &'a BTreeMap<&str, ContainerFields>,
    ) -> Result<Vec<&'a str>, Mistake> {
        let mut lineage: Vec<&str> = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next.filter(|name| !self.resolved.contains_key(*name)) {
            lineage.push(name);
            let parent = written.get(name).and_then(|fields| fields.parent.as_ref());
            let Some(ParentRef { name: parent, .. }) = parent else {
                break;
            };
            let known = self.resolved.contains_key(&parent.value);
            if !known && !written.contains_key(parent.value.as_str()) {
                return Err(self.unknown(parent, written.keys().copied()));
            }
            if let Some(start) = lineage.iter().position(|name| *name == parent.value) {
                let cycle = lineage[start..].iter().map(ToString::to_string).collect();
                return Err(Mistake::new(&parent.span, Problem::ParentCycle { cycle }));
            }
            next = Some(&parent.value);
        }
        Ok(lineage)
    }

    fn unknown<'a>(
        &'a self,
        name: &Spanned<String>,
        written: impl Iterator<Item = &'a str>,
    ) -> Mistake {
        if name.value == DEFAULT {
            return Mistake::new(&name.span, Problem::DefaultIsForTests);
        }
        let known: BTreeSet<&str> = self
            .resolved
            .keys()
            .map(String::as_str)
            .chain(written)
            .collect();
        let choices = Choices::new(&name.value, known);
        Mistake::new(
            &name.span,
            Problem::UnknownContainer {
                name: name.value.clone(),
                choices,
            },
        )
    }

    /// How many of `container`'s first mounts come from the default container.
    fn default_mounts(&self, container: &ContainerSpec) -> usize {
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
