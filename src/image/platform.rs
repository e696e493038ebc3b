//! Chooses the image for the platform of this machine.

use oci_spec::image::{Arch, Descriptor, Os, Platform};
use std::fmt;

/// An operating system and an architecture, as OCI names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlatform {
    pub os: Os,
    pub architecture: Arch,
}

impl ImagePlatform {
    pub fn host() -> Self {
        Self {
            os: Os::default(),
            architecture: Arch::default(),
        }
    }

    /// The descriptor for this platform with the best variant, or else a descriptor without a
    /// platform.
    pub fn choose<'a>(&self, descriptors: &[&'a Descriptor]) -> Option<&'a Descriptor> {
        let suitable = descriptors.iter().filter_map(|descriptor| {
            let platform = descriptor.platform().as_ref();
            let rank = platform.map_or(Some(usize::MAX), |platform| self.rank(platform))?;
            Some((rank, *descriptor))
        });
        // The first of equal rank is chosen.
        let best = suitable.min_by_key(|(rank, _)| *rank);
        best.map(|(_, descriptor)| descriptor)
    }

    /// The rank of a platform, 0 being best. `None`: its programs do not run here.
    fn rank(&self, platform: &Platform) -> Option<usize> {
        if (platform.os(), platform.architecture()) != (&self.os, &self.architecture) {
            return None;
        }
        let variant = platform.variant().as_deref().unwrap_or_default();
        let known = variants(&self.architecture);
        known.iter().position(|known| *known == variant)
    }
}

/// The variants of an architecture that run here, best first. The empty text is a platform
/// without a variant.
fn variants(architecture: &Arch) -> &'static [&'static str] {
    match architecture {
        Arch::Amd64 => &["", "v1"],
        Arch::ARM64 => &["v8", ""],
        // The processor supports the features that this program was built for.
        Arch::ARM if cfg!(target_feature = "v7") => &["v7", "v6", "v5", ""],
        Arch::ARM if cfg!(target_feature = "v6") => &["v6", "v5", ""],
        Arch::ARM => &["v5", ""],
        _ => &[""],
    }
}

impl fmt::Display for ImagePlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// The platforms of descriptors, each once, for messages.
pub fn names(descriptors: &[&Descriptor]) -> Vec<String> {
    let mut names = Vec::new();
    for platform in descriptors.iter().filter_map(|d| d.platform().as_ref()) {
        let mut name = format!("{}/{}", platform.os(), platform.architecture());
        if let Some(variant) = platform.variant() {
            name = format!("{name}/{variant}");
        }
        // BuildKit attaches attestations with this platform.
        if name != "unknown/unknown" && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::image::{DescriptorBuilder, MediaType, PlatformBuilder, Sha256Digest};

    fn descriptor(architecture: Arch, variant: Option<&str>) -> Descriptor {
        let platform = PlatformBuilder::default().os(Os::Linux);
        let platform = match variant {
            Some(variant) => platform.variant(variant),
            None => platform,
        };
        let platform = platform.architecture(architecture).build().unwrap();
        let digest: Sha256Digest = "0".repeat(64).parse().unwrap();
        DescriptorBuilder::default()
            .media_type(MediaType::ImageManifest)
            .digest(digest)
            .size(1u64)
            .platform(platform)
            .build()
            .unwrap()
    }

    fn chosen(machine: Arch, offered: &[(Arch, Option<&str>)]) -> Option<usize> {
        let machine = ImagePlatform {
            os: Os::Linux,
            architecture: machine,
        };
        let descriptors: Vec<_> = offered
            .iter()
            .map(|(architecture, variant)| descriptor(architecture.clone(), *variant))
            .collect();
        let references: Vec<_> = descriptors.iter().collect();
        let best = machine.choose(&references)?;
        descriptors.iter().position(|one| std::ptr::eq(one, best))
    }

    #[test]
    fn the_best_variant_is_chosen_in_any_order() {
        use Arch::{ARM, ARM64, Amd64};
        let offered = [
            (ARM, Some("v7")),
            (Amd64, Some("v3")),
            (ARM64, None),
            (Amd64, None),
            (ARM64, Some("v8")),
        ];
        assert_eq!(chosen(Amd64, &offered), Some(3));
        assert_eq!(chosen(ARM64, &offered), Some(4));
    }

    #[test]
    fn an_image_that_may_not_run_here_is_not_chosen() {
        use Arch::{Amd64, PowerPC64le, s390x};
        assert_eq!(chosen(Amd64, &[(s390x, None), (PowerPC64le, None)]), None);
        assert_eq!(chosen(Amd64, &[(Amd64, Some("v4"))]), None);
    }
}
