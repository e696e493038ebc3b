//! The values of `--include` and `--exclude`. An `--exclude` is a package or a pattern, which depends on
//! the packages of the workspace.

/// A pattern and the option that gave it, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPattern {
    /// With its dashes: `--include`, `-x`, `--exclude`.
    pub option: &'static str,
    pub text: String,
}

/// An argument of `-x` or of `--exclude`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// A value of `-x`.
    Pattern(String),
    /// A value of `--exclude`: a package spec if it names a package, otherwise a pattern.
    PackageOrPattern(String),
}

/// Exclusions, separated into packages and patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excluded {
    /// Package specs for Cargo's `--exclude`.
    pub packages: Vec<String>,
    pub patterns: Vec<RawPattern>,
}

/// Separates package specs from patterns, each in their order. `names_package` is true for a package
/// spec (a name, a glob of names, or an id) that matches a package of the workspace.
pub fn divide(exclusions: &[Exclusion], names_package: impl Fn(&str) -> bool) -> Excluded {
    let mut excluded = Excluded::default();
    for exclusion in exclusions {
        match exclusion {
            Exclusion::PackageOrPattern(text) if names_package(text) => {
                excluded.packages.push(text.clone());
            }
            Exclusion::PackageOrPattern(text) => excluded.patterns.push(RawPattern {
                option: "--exclude",
                text: text.clone(),
            }),
            Exclusion::Pattern(text) => excluded.patterns.push(RawPattern {
                option: "-x",
                text: text.clone(),
            }),
        }
    }
    excluded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_long_exclude_can_name_a_package() {
        let exclusions = [
            Exclusion::PackageOrPattern("alpha".to_owned()),
            Exclusion::Pattern("alpha".to_owned()),
            Exclusion::PackageOrPattern("name.contains(alpha)".to_owned()),
            Exclusion::PackageOrPattern("beta".to_owned()),
        ];
        let excluded = divide(&exclusions, |spec| ["alpha", "beta"].contains(&spec));
        assert_eq!(excluded.packages, ["alpha", "beta"]);
        let patterns: Vec<_> = excluded
            .patterns
            .iter()
            .map(|pattern| (pattern.option, pattern.text.as_str()))
            .collect();
        assert_eq!(
            patterns,
            [("-x", "alpha"), ("--exclude", "name.contains(alpha)")]
        );
    }
}
