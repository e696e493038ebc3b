//! The fields of a container, each as written or not written.

use super::paths::container_path;
use super::scalars::{hostname, network, root_overlay};
use super::{Field, ImageRef, ParentRef, environment, image, layers, mounts, parent};
use crate::spec::{
    ContainerSpec, Deprecated, Deprecations, Device, Entry, EnvironmentElement, LayerSpec, Mistake,
    Mount, Network, Problem, RootOverlay, Spanned, UsedAndSetRemedy, Value, WorkingDirectoryUse,
};
use camino::Utf8PathBuf;

/// A list as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written<T> {
    /// Takes the place of what was there.
    Plain(Vec<T>),
    /// `added_`: goes after what was there.
    Added(Vec<T>),
}

impl<T: Clone> Written<T> {
    fn apply(&self, list: &mut Vec<T>) {
        match self {
            Self::Plain(elements) => list.clone_from(elements),
            Self::Added(elements) => list.extend_from_slice(elements),
        }
    }
}

/// What `added_` fields add to when no parent is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beneath {
    /// There is nothing to add to, so adding is a mistake.
    Nothing,
    /// A candidate that is being changed.
    Candidate,
}

/// The language that a container is written in: some rules differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    Json,
    #[default]
    Toml,
}

/// A container as written. Spans are those of the fields' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFields {
    format: Format,
    pub image: Option<Spanned<ImageRef>>,
    pub parent: Option<ParentRef>,
    pub environment: Option<Spanned<Written<EnvironmentElement>>>,
    /// Whether `environment` is a map, not a list of steps.
    plain_map: bool,
    pub layers: Option<Spanned<Written<LayerSpec>>>,
    pub mounts: Option<Spanned<Written<Mount>>>,
    pub network: Option<Spanned<Network>>,
    pub root_overlay: Option<Spanned<RootOverlay>>,
    pub working_directory: Option<Spanned<Utf8PathBuf>>,
    pub user: Option<Spanned<u32>>,
    pub group: Option<Spanned<u32>>,
    pub init: Option<Spanned<bool>>,
    pub hostname: Option<Spanned<String>>,
    /// From the older spelling; part of `mounts` once reading has finished.
    devices: Option<Spanned<Vec<Device>>>,
}

impl ContainerFields {
    /// The names to suggest: all but older spellings.
    pub const NAMES: [&'static str; 16] = [
        "image",
        "parent",
        "environment",
        "added_environment",
        "layers",
        "added_layers",
        "mounts",
        "added_mounts",
        "network",
        "root_overlay",
        "enable_writable_file_system",
        "working_directory",
        "user",
        "group",
        "init",
        "hostname",
    ];

    pub fn new(format: Format) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// Reads one entry; false if it is not a field of a container.
    pub fn read(&mut self, entry: &Entry, notes: &mut Deprecations) -> Result<bool, Mistake> {
        match entry.name() {
            "image" => self.image = Some(at(entry, image::read(entry, notes)?)),
            "parent" => self.parent = Some(parent::read(entry)?),
            "environment" => {
                let written = Written::Plain(environment::read(entry)?);
                self.plain_map = matches!(entry.value.value, Value::Map(_));
                set_list(&mut self.environment, "environment", entry, written)?;
            }
            "added_environment" => {
                let written = Written::Added(environment::read(entry)?);
                set_list(&mut self.environment, "environment", entry, written)?;
            }
            "layers" => {
                let written = Written::Plain(layers::read(entry, notes)?);
                set_list(&mut self.layers, "layers", entry, written)?;
            }
            "added_layers" => {
                let written = Written::Added(layers::read(entry, notes)?);
                set_list(&mut self.layers, "layers", entry, written)?;
            }
            "mounts" => {
                let written = Written::Plain(mounts::read(entry, notes)?);
                set_list(&mut self.mounts, "mounts", entry, written)?;
            }
            "added_mounts" => {
                let written = Written::Added(mounts::read(entry, notes)?);
                set_list(&mut self.mounts, "mounts", entry, written)?;
            }
            "devices" => {
                notes.note(&entry.key.span, Deprecated::DevicesList);
                self.devices = Some(at(entry, mounts::devices(entry)?));
            }
            "network" => {
                set_once(
                    &mut self.network,
                    entry,
                    network(entry)?,
                    Problem::LoopbackAndNetwork,
                )?;
            }
            "enable_loopback" => {
                notes.note(&entry.key.span, Deprecated::EnableLoopback);
                let network = if entry.boolean()? {
                    Network::Loopback
                } else {
                    Network::Disabled
                };
                set_once(
                    &mut self.network,
                    entry,
                    network,
                    Problem::LoopbackAndNetwork,
                )?;
            }
            "root_overlay" => {
                let overlay = root_overlay(entry)?;
                set_once(
                    &mut self.root_overlay,
                    entry,
                    overlay,
                    Problem::WritableTwice,
                )?;
            }
            "enable_writable_file_system" => {
                let overlay = if entry.boolean()? {
                    RootOverlay::Tmp
                } else {
                    RootOverlay::None
                };
                set_once(
                    &mut self.root_overlay,
                    entry,
                    overlay,
                    Problem::WritableTwice,
                )?;
            }
            "working_directory" => {
                let path = container_path(&entry.value, entry.place())?;
                self.working_directory = Some(at(entry, path));
            }
            // The highest id means "no change" to the kernel.
            "user" => self.user = Some(at(entry, entry.integer(0, u32::MAX - 1)?)),
            "group" => self.group = Some(at(entry, entry.integer(0, u32::MAX - 1)?)),
            "init" => self.init = Some(at(entry, entry.boolean()?)),
            "hostname" => self.hostname = Some(at(entry, hostname(entry)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks the fields against each other once all are read.
    pub fn finish(&mut self, beneath: Beneath) -> Result<(), Mistake> {
        if let (Some(image), Some(_)) = (&self.image, &self.parent) {
            return Err(Mistake::new(&image.span, Problem::ImageAndParent));
        }
        self.fold_devices(beneath);
        self.check_list(Field::Environment, self.environment.as_ref(), beneath)?;
        self.check_list(Field::Layers, self.layers.as_ref(), beneath)?;
        self.check_list(Field::Mounts, self.mounts.as_ref(), beneath)?;
        self.check_scalar(Field::Network, self.network.as_ref())?;
        self.check_scalar(Field::RootOverlay, self.root_overlay.as_ref())?;
        self.check_scalar(Field::WorkingDirectory, self.working_directory.as_ref())?;
        self.check_scalar(Field::User, self.user.as_ref())?;
        self.check_scalar(Field::Group, self.group.as_ref())?;
        self.check_scalar(Field::Init, self.init.as_ref())?;
        self.check_scalar(Field::Hostname, self.hostname.as_ref())
    }

    /// Changes `container` to what is written here; the parent is not looked at.
    pub fn apply(&self, container: &mut ContainerSpec) {
        if let Some(image) = &self.image {
            container.image = Some(image.value.in_use(self.format));
        }
        if let Some(written) = &self.environment {
            written.value.apply(&mut container.environment);
            let adds_steps = self.image.is_some() && self.format == Format::Json;
            if let (Written::Plain(_), false) = (&written.value, adds_steps)
                && let Some(image) = &mut container.image
            {
                image.environment = false;
            }
        }
        if let Some(written) = &self.layers {
            written.value.apply(&mut container.layers);
            if let (Written::Plain(_), Some(image)) = (&written.value, &mut container.image) {
                image.layers = false;
            }
        }
        if let Some(written) = &self.mounts {
            written.value.apply(&mut container.mounts);
        }
        if let Some(network) = &self.network {
            container.network = network.value;
        }
        if let Some(root_overlay) = &self.root_overlay {
            container.root_overlay.clone_from(&root_overlay.value);
        }
        if let Some(working_directory) = &self.working_directory {
            container.working_directory = Some(working_directory.value.clone());
            if let Some(image) = &mut container.image {
                image.working_directory = WorkingDirectoryUse::No;
            }
        }
        if let Some(user) = &self.user {
            container.user = user.value;
        }
        if let Some(group) = &self.group {
            container.group = group.value;
        }
        if let Some(init) = &self.init {
            container.init = init.value;
        }
        if let Some(hostname) = &self.hostname {
            container.hostname.clone_from(&hostname.value);
        }
    }

    /// Makes a `devices` list the first of the mounts written here.
    fn fold_devices(&mut self, beneath: Beneath) {
        let Some(Spanned { span, value }) = self.devices.take() else {
            return;
        };
        let mount = Mount::Devices { devices: value };
        let inherits = match &self.parent {
            Some(parent) => parent.gives(Field::Mounts),
            None => beneath == Beneath::Candidate,
        };
        match &mut self.mounts {
            Some(Spanned {
                value: Written::Plain(mounts) | Written::Added(mounts),
                ..
            }) => mounts.insert(0, mount),
            None => {
                let mounts = vec![mount];
                let value = if inherits {
                    Written::Added(mounts)
                } else {
                    Written::Plain(mounts)
                };
                self.mounts = Some(Spanned { span, value });
            }
        }
    }

    fn check_list<T>(
        &self,
        field: Field,
        list: Option<&Spanned<Written<T>>>,
        beneath: Beneath,
    ) -> Result<(), Mistake> {
        let Some(Spanned { span, value }) = list else {
            return Ok(());
        };
        let name = field.as_str();
        let given = self.gives(field);
        let problem = match value {
            Written::Added(_) if self.image.is_some() && !image::FIELDS.contains(&field) => {
                Problem::AddedToImage { field: name }
            }
            Written::Added(_) if given == Some(false) => Problem::AddedWithoutUse {
                field: name,
                of: self.start(),
            },
            Written::Added(_) if given.is_none() && beneath == Beneath::Nothing => {
                Problem::NothingToAddTo {
                    field: name,
                    givers: if image::FIELDS.contains(&field) {
                        "an `image` or a `parent`"
                    } else {
                        "a `parent`"
                    },
                }
            }
            Written::Plain(_) if self.excludes_plain(field) => Problem::UsedAndSet {
                field: name,
                of: self.start(),
                remedy: self.remedy(field),
            },
            _ => return Ok(()),
        };
        Err(Mistake::new(span, problem))
    }

    fn check_scalar<T>(&self, field: Field, scalar: Option<&Spanned<T>>) -> Result<(), Mistake> {
        match scalar {
            Some(Spanned { span, .. }) if self.uses(field) => Err(Mistake::new(
                span,
                Problem::UsedAndSet {
                    field: field.as_str(),
                    of: self.start(),
                    remedy: UsedAndSetRemedy::Drop,
                },
            )),
            _ => Ok(()),
        }
    }

    /// Whether the image or parent gives `field`; `None`: there is neither.
    pub(in crate::spec) fn gives(&self, field: Field) -> Option<bool> {
        match (&self.image, &self.parent) {
            (Some(image), _) => Some(image.value.gives(field, self.format)),
            (None, Some(parent)) => Some(parent.gives(field)),
            (None, None) => None,
        }
    }

    /// Whether `use` names `field`.
    fn uses(&self, field: Field) -> bool {
        match (&self.image, &self.parent) {
            (Some(image), _) => image.value.uses(field),
            (None, Some(parent)) => parent
                .used
                .as_ref()
                .is_some_and(|used| used.contains(&field)),
            (None, None) => false,
        }
    }

    /// Whether a plain list for `field` leaves open what becomes of what is given: it neither
    /// replaces that nor adds to it.
    fn excludes_plain(&self, field: Field) -> bool {
        if self.image.is_some() && self.format == Format::Json {
            let adds_steps = field == Field::Environment && !self.plain_map;
            self.gives(field) == Some(true) && !adds_steps
        } else {
            self.uses(field)
        }
    }

    fn remedy(&self, field: Field) -> UsedAndSetRemedy {
        let name = field.as_str();
        if field == Field::Environment && self.image.is_some() && self.format == Format::Json {
            UsedAndSetRemedy::Steps
        } else {
            UsedAndSetRemedy::Add(name)
        }
    }

    /// What the container starts from, in messages.
    fn start(&self) -> &'static str {
        if self.image.is_some() {
            "image"
        } else {
            "parent"
        }
    }
}

fn at<T>(entry: &Entry, value: T) -> Spanned<T> {
    Spanned {
        span: entry.key.span.clone(),
        value,
    }
}

/// Sets a field that has two spellings; `problem` is what it is to write both.
fn set_once<T>(
    field: &mut Option<Spanned<T>>,
    entry: &Entry,
    value: T,
    problem: Problem,
) -> Result<(), Mistake> {
    match field.replace(at(entry, value)) {
        None => Ok(()),
        Some(_) => Err(entry.mistake(problem)),
    }
}

fn set_list<T>(
    list: &mut Option<Spanned<Written<T>>>,
    field: &'static str,
    entry: &Entry,
    written: Written<T>,
) -> Result<(), Mistake> {
    set_once(list, entry, written, Problem::PlainAndAdded { field })
}
