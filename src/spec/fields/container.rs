//! The fields of a container in a document.

use super::scalars::{hostname, network, root_overlay};
use super::strings::{container_glob, container_path};
use super::{ContainerField, ImageRef, ParentRef, environment, image, layers, mounts, parent};
use crate::spec::{
    ContainerSpec, Deprecated, Deprecations, Device, EnvironmentStep, LayerSpec, Mount, Network,
    RootOverlay, Spanned, SpecEntry, SpecError, SpecProblem, SpecValue, UsedAndSetRemedy,
    WorkingDirectoryUse,
};
use camino::Utf8PathBuf;

/// A list field of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListField<T> {
    /// `FIELD`: replaces the inherited list.
    Replace(Vec<T>),
    /// `added_FIELD`: is appended to the inherited list.
    Append(Vec<T>),
}

impl<T: Clone> ListField<T> {
    fn apply(&self, list: &mut Vec<T>) {
        match self {
            Self::Replace(elements) => list.clone_from(elements),
            Self::Append(elements) => list.extend_from_slice(elements),
        }
    }
}

/// The container that `added_` fields add to if neither image nor parent is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImplicitBase {
    /// There is none: `added_` fields are errors.
    None,
    /// The container as the earlier directives have changed it.
    Candidate,
}

/// The format of a document. The defaults of `image` differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecFormat {
    Json,
    #[default]
    Toml,
}

/// The fields of a container in a document. Spans are those of the fields' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFields {
    format: SpecFormat,
    pub image: Option<Spanned<ImageRef>>,
    pub parent: Option<ParentRef>,
    pub environment: Option<Spanned<ListField<EnvironmentStep>>>,
    /// Whether `environment` is a map, not a list.
    environment_is_map: bool,
    pub layers: Option<Spanned<ListField<LayerSpec>>>,
    pub mounts: Option<Spanned<ListField<Mount>>>,
    pub outputs: Option<Spanned<ListField<String>>>,
    pub network: Option<Spanned<Network>>,
    pub root_overlay: Option<Spanned<RootOverlay>>,
    pub working_directory: Option<Spanned<Utf8PathBuf>>,
    pub user: Option<Spanned<u32>>,
    pub group: Option<Spanned<u32>>,
    pub init: Option<Spanned<bool>>,
    pub hostname: Option<Spanned<String>>,
    /// The older spelling of a devices mount. [`Self::finish`] moves it to `mounts`.
    devices: Option<Spanned<Vec<Device>>>,
}

impl ContainerFields {
    /// The fields' names, without older spellings.
    pub const NAMES: [&'static str; 18] = [
        "image",
        "parent",
        "environment",
        "added_environment",
        "layers",
        "added_layers",
        "mounts",
        "added_mounts",
        "outputs",
        "added_outputs",
        "network",
        "root_overlay",
        "enable_writable_file_system",
        "working_directory",
        "user",
        "group",
        "init",
        "hostname",
    ];

    pub fn new(format: SpecFormat) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// Reads one field. The result is false if it is not a field of a container.
    pub fn read(
        &mut self,
        entry: &SpecEntry,
        deprecations: &mut Deprecations,
    ) -> Result<bool, SpecError> {
        match entry.name() {
            "image" => self.image = Some(at(entry, image::read(entry, deprecations)?)),
            "parent" => self.parent = Some(parent::read(entry)?),
            "environment" | "added_environment" => {
                let elements = environment::read(entry)?;
                self.environment_is_map = matches!(entry.value.value, SpecValue::Map(_));
                set_list(&mut self.environment, entry, elements)?;
            }
            "layers" | "added_layers" => {
                let layers = layers::read(entry, deprecations)?;
                set_list(&mut self.layers, entry, layers)?;
            }
            "mounts" | "added_mounts" => {
                let mounts = mounts::read(entry, deprecations)?;
                set_list(&mut self.mounts, entry, mounts)?;
            }
            "outputs" | "added_outputs" => {
                let outputs = entry.elements(container_glob)?;
                set_list(&mut self.outputs, entry, outputs)?;
            }
            "devices" => {
                deprecations.record(&entry.key.span, Deprecated::DevicesList);
                self.devices = Some(at(entry, mounts::devices(entry)?));
            }
            "network" | "enable_loopback" => {
                let network = if entry.name() == "network" {
                    network(entry)?
                } else {
                    deprecations.record(&entry.key.span, Deprecated::EnableLoopback);
                    if entry.boolean()? {
                        Network::Loopback
                    } else {
                        Network::Disabled
                    }
                };
                let twice = SpecProblem::LoopbackAndNetwork;
                set_once(&mut self.network, entry, network, twice)?;
            }
            "root_overlay" | "enable_writable_file_system" => {
                let overlay = match entry.name() {
                    "root_overlay" => root_overlay(entry)?,
                    _ if entry.boolean()? => RootOverlay::Tmp,
                    _ => RootOverlay::None,
                };
                let twice = SpecProblem::WritableTwice;
                set_once(&mut self.root_overlay, entry, overlay, twice)?;
            }
            "working_directory" => {
                let path = container_path(&entry.value, entry.label())?;
                self.working_directory = Some(at(entry, path));
            }
            // The highest ID is not valid: chown(2) and setresuid(2) leave an ID of -1 unchanged.
            "user" => self.user = Some(at(entry, entry.integer(0, u32::MAX - 1)?)),
            "group" => self.group = Some(at(entry, entry.integer(0, u32::MAX - 1)?)),
            "init" => self.init = Some(at(entry, entry.boolean()?)),
            "hostname" => self.hostname = Some(at(entry, hostname(entry)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks that the fields fit together, after all were read.
    pub fn finish(&mut self, base: ImplicitBase) -> Result<(), SpecError> {
        if let (Some(image), Some(_)) = (&self.image, &self.parent) {
            return Err(SpecError::new(&image.span, SpecProblem::ImageAndParent));
        }
        self.move_devices_to_mounts(base);
        self.check_list(ContainerField::Environment, self.environment.as_ref(), base)?;
        self.check_list(ContainerField::Layers, self.layers.as_ref(), base)?;
        self.check_list(ContainerField::Mounts, self.mounts.as_ref(), base)?;
        self.check_list(ContainerField::Outputs, self.outputs.as_ref(), base)?;
        self.check_scalar(ContainerField::Network, self.network.as_ref())?;
        self.check_scalar(ContainerField::RootOverlay, self.root_overlay.as_ref())?;
        self.check_scalar(
            ContainerField::WorkingDirectory,
            self.working_directory.as_ref(),
        )?;
        self.check_scalar(ContainerField::User, self.user.as_ref())?;
        self.check_scalar(ContainerField::Group, self.group.as_ref())?;
        self.check_scalar(ContainerField::Init, self.init.as_ref())?;
        self.check_scalar(ContainerField::Hostname, self.hostname.as_ref())
    }

    /// Sets the fields of `container`. The parent's fields are not applied.
    pub fn apply(&self, container: &mut ContainerSpec) {
        if let Some(image) = &self.image {
            container.image = Some(image.value.to_use(self.format));
        }
        if let Some(list) = &self.environment {
            list.value.apply(&mut container.environment);
            let adds_steps = self.image.is_some() && self.format == SpecFormat::Json;
            if let (ListField::Replace(_), false) = (&list.value, adds_steps)
                && let Some(image) = &mut container.image
            {
                image.environment = false;
            }
        }
        if let Some(list) = &self.layers {
            list.value.apply(&mut container.layers);
            if let (ListField::Replace(_), Some(image)) = (&list.value, &mut container.image) {
                image.layers = false;
            }
        }
        if let Some(list) = &self.mounts {
            list.value.apply(&mut container.mounts);
        }
        if let Some(list) = &self.outputs {
            list.value.apply(&mut container.outputs);
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

    /// Makes the `devices` list the first mount.
    fn move_devices_to_mounts(&mut self, base: ImplicitBase) {
        let Some(Spanned { span, value }) = self.devices.take() else {
            return;
        };
        let mount = Mount::Devices { devices: value };
        let inherits = match &self.parent {
            Some(parent) => parent.gives(ContainerField::Mounts),
            None => base == ImplicitBase::Candidate,
        };
        match &mut self.mounts {
            Some(Spanned {
                value: ListField::Replace(mounts) | ListField::Append(mounts),
                ..
            }) => mounts.insert(0, mount),
            None => {
                let mounts = vec![mount];
                let value = if inherits {
                    ListField::Append(mounts)
                } else {
                    ListField::Replace(mounts)
                };
                self.mounts = Some(Spanned { span, value });
            }
        }
    }

    fn check_list<T>(
        &self,
        field: ContainerField,
        list: Option<&Spanned<ListField<T>>>,
        base: ImplicitBase,
    ) -> Result<(), SpecError> {
        let Some(Spanned { span, value }) = list else {
            return Ok(());
        };
        let name = field.into_str();
        let given = self.gives(field);
        let problem = match value {
            ListField::Append(_) if self.image.is_some() && !image::FIELDS.contains(&field) => {
                SpecProblem::AddedToImage { field: name }
            }
            ListField::Append(_) if given == Some(false) => SpecProblem::AddedWithoutUse {
                field: name,
                of: self.origin(),
            },
            ListField::Append(_) if given.is_none() && base == ImplicitBase::None => {
                SpecProblem::NothingToAddTo {
                    field: name,
                    givers: if image::FIELDS.contains(&field) {
                        "an `image` or a `parent`"
                    } else {
                        "a `parent`"
                    },
                }
            }
            ListField::Replace(_) if self.excludes_replacement(field) => SpecProblem::UsedAndSet {
                field: name,
                of: self.origin(),
                remedy: self.remedy(field),
            },
            _ => return Ok(()),
        };
        Err(SpecError::new(span, problem))
    }

    fn check_scalar<T>(
        &self,
        field: ContainerField,
        scalar: Option<&Spanned<T>>,
    ) -> Result<(), SpecError> {
        match scalar {
            Some(Spanned { span, .. }) if self.uses(field) => Err(SpecError::new(
                span,
                SpecProblem::UsedAndSet {
                    field: field.into_str(),
                    of: self.origin(),
                    remedy: UsedAndSetRemedy::Drop,
                },
            )),
            _ => Ok(()),
        }
    }

    /// Whether the image or parent gives `field`. `None`: the container has neither.
    pub(in crate::spec) fn gives(&self, field: ContainerField) -> Option<bool> {
        match (&self.image, &self.parent) {
            (Some(image), _) => Some(image.value.gives(field, self.format)),
            (None, Some(parent)) => Some(parent.gives(field)),
            (None, None) => None,
        }
    }

    /// Whether `use` names `field`.
    fn uses(&self, field: ContainerField) -> bool {
        match (&self.image, &self.parent) {
            (Some(image), _) => image.value.uses(field),
            (None, Some(parent)) => parent
                .used
                .as_ref()
                .is_some_and(|used| used.contains(&field)),
            (None, None) => false,
        }
    }

    /// Whether a list that replaces `field` contradicts the use of `field` of the image or parent.
    fn excludes_replacement(&self, field: ContainerField) -> bool {
        if self.image.is_some() && self.format == SpecFormat::Json {
            let adds_steps = field == ContainerField::Environment && !self.environment_is_map;
            self.gives(field) == Some(true) && !adds_steps
        } else {
            self.uses(field)
        }
    }

    fn remedy(&self, field: ContainerField) -> UsedAndSetRemedy {
        let is_json_image = self.image.is_some() && self.format == SpecFormat::Json;
        if field == ContainerField::Environment && is_json_image {
            UsedAndSetRemedy::Steps
        } else {
            UsedAndSetRemedy::Add(field.into_str())
        }
    }

    /// The field that the container starts from.
    fn origin(&self) -> &'static str {
        if self.image.is_some() {
            "image"
        } else {
            "parent"
        }
    }
}

fn at<T>(entry: &SpecEntry, value: T) -> Spanned<T> {
    Spanned {
        span: entry.key.span.clone(),
        value,
    }
}

/// Sets a field that has two spellings. `twice` is the error of a document with both.
fn set_once<T>(
    field: &mut Option<Spanned<T>>,
    entry: &SpecEntry,
    value: T,
    twice: SpecProblem,
) -> Result<(), SpecError> {
    match field.replace(at(entry, value)) {
        None => Ok(()),
        Some(_) => Err(entry.error(twice)),
    }
}

fn set_list<T>(
    list: &mut Option<Spanned<ListField<T>>>,
    entry: &SpecEntry,
    elements: Vec<T>,
) -> Result<(), SpecError> {
    let (field, elements) = match entry.name().strip_prefix("added_") {
        Some(field) => (field, ListField::Append(elements)),
        None => (entry.name(), ListField::Replace(elements)),
    };
    let field = field.to_owned();
    set_once(list, entry, elements, SpecProblem::PlainAndAdded { field })
}
