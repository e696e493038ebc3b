//! Learned directives, and their text.

use crate::directive::TestSpec;
use crate::needs::{
    Need, Needs, TOOLCHAIN, escape_glob, everything_below, git_identity, search_path,
};
use crate::spec::{LayerSpec, Placeholder, PrefixOptions, escape_placeholders};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::iter;
use std::path::PathBuf;

/// The comment before a learned directive.
pub const COMMENT: &str =
    "# Learned by cargo maelstrom --learn: what these tests need of the machine.";

/// The indentation of the elements of an array that has a line for each.
pub const INDENTATION: &str = "    ";

/// The directories of this client.
#[derive(Clone, Debug)]
pub struct Places {
    /// Placeholders stand for this directory and the next one.
    pub workspace: Utf8PathBuf,
    pub target: Utf8PathBuf,
    /// Those of the client's `PATH`.
    pub search_path: Vec<PathBuf>,
}

/// A directive for tests that need the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnedDirective {
    /// `None`: every test.
    pub filter: Option<String>,
    /// Names, and paths with placeholders.
    pub programs: Vec<String>,
    /// Files, with placeholders.
    pub paths: Vec<String>,
    /// With placeholders.
    pub globs: Vec<String>,
    /// The files in which tests find a [`git_identity`], with placeholders.
    pub git_identities: Vec<String>,
    /// The directories at the end of the tests' `PATH`.
    pub search_path: BTreeSet<Utf8PathBuf>,
    /// The start of the tests' `PATH`: the value that the tests have.
    pub previous_path: &'static str,
    pub pass_environment: Vec<String>,
}

impl LearnedDirective {
    pub fn new(filter: Option<String>, needs: &BTreeSet<Need>, places: &Places) -> Self {
        let mut directive = Self {
            filter,
            programs: Vec::new(),
            paths: Vec::new(),
            globs: Vec::new(),
            git_identities: Vec::new(),
            search_path: BTreeSet::new(),
            previous_path: search_path::PREVIOUS_OR_DEFAULT,
            pass_environment: Vec::new(),
        };
        for need in needs {
            match need {
                Need::Toolchain => directive.programs.push(TOOLCHAIN.to_owned()),
                Need::Program(program) => {
                    directive.programs.push(places.path(Utf8Path::new(program)));
                }
                Need::File(path) => directive.paths.push(places.path(path)),
                Need::Directory(path) => directive.globs.push(places.everything_below(path)),
                Need::GitIdentity(file) => directive.git_identities.push(places.path(file)),
                Need::Variable(name) => directive.pass_environment.push(escape_glob(name)),
            }
        }
        directive
    }

    /// The directive as a table of its own, without the comment.
    pub fn table(&self) -> String {
        let fields = self.fields(true).into_iter();
        let fields = fields.map(|(key, value)| format!("{key} = {value}"));
        let lines = iter::once("[[directives]]".to_owned()).chain(fields);
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    /// The directive as an element of an array.
    pub fn inline(&self) -> String {
        let fields = self.fields(false).into_iter();
        let fields = fields.map(|(key, value)| format!("{key} = {value}"));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    }

    fn fields(&self, has_lines: bool) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if let Some(filter) = &self.filter {
            fields.push(("filter", toml_string(filter)));
        }
        let layers = self.layers();
        if !layers.is_empty() {
            fields.push(("added_layers", layer_array(&layers, has_lines)));
        }
        if !self.search_path.is_empty() {
            fields.push(("added_environment", self.environment()));
        }
        if !self.pass_environment.is_empty() {
            fields.push(("pass_environment", string_array(&self.pass_environment)));
        }
        fields
    }

    /// The variables of the tests, as an inline table.
    pub fn environment(&self) -> String {
        format!("{{ PATH = {} }}", toml_string(&self.path()))
    }

    /// The value of the tests' `PATH`.
    pub fn path(&self) -> String {
        search_path::with_directories(self.previous_path, &self.search_path)
    }

    /// The layers, each as an inline table.
    pub fn layers(&self) -> Vec<String> {
        let mut layers = Vec::new();
        if !self.programs.is_empty() {
            layers.push(format!("{{ programs = {} }}", string_array(&self.programs)));
        }
        if !self.paths.is_empty() {
            let paths = string_array(&self.paths);
            layers.push(format!("{{ paths = {paths}, follow_symlinks = true }}"));
        }
        let globs = self.globs.iter();
        layers.extend(globs.map(|glob| format!("{{ glob = {} }}", toml_string(glob))));
        let identity = toml_string(&git_identity());
        layers.extend(self.git_identities.iter().map(|file| {
            let file = toml_string(file);
            format!("{{ files = {{ {file} = {identity} }} }}")
        }));
        layers
    }
}

/// The needs that a specification does not contain as `--learn` writes them.
pub fn absent_needs(needs: &Needs, spec: &TestSpec, places: &Places) -> Needs {
    let needs = needs.0.iter();
    let absent = needs.filter(|need| {
        let one = Needs([(*need).clone()].into());
        !LearnedDirective::new(None, &one.0, places).is_in(spec)
            || !absent_search_path(&one, spec, places).is_empty()
    });
    Needs(absent.cloned().collect())
}

/// The directories of needed programs that the `PATH` of a specification does not have.
pub fn absent_search_path(
    needs: &Needs,
    spec: &TestSpec,
    places: &Places,
) -> BTreeSet<Utf8PathBuf> {
    needs.search_path(&places.search_path, &spec.container.environment)
}

impl LearnedDirective {
    /// Whether a specification contains all files and passed variables that the directive adds.
    fn is_in(&self, spec: &TestSpec) -> bool {
        let in_layer = |has: &dyn Fn(&LayerSpec) -> bool| spec.container.layers.iter().any(has);
        let has_program = |program: &String| {
            in_layer(
                &|layer| matches!(layer, LayerSpec::Programs { programs } if programs.contains(program)),
            )
        };
        let has_path = |path: &String| {
            in_layer(&|layer| {
                matches!(layer, LayerSpec::Paths { paths, prefix }
                    if *prefix == following_symlinks() && paths.iter().any(|one| one == path))
            })
        };
        let has_glob = |wanted: &String| {
            in_layer(&|layer| {
                matches!(layer, LayerSpec::Glob { glob, prefix }
                    if *prefix == PrefixOptions::default() && glob == wanted)
            })
        };
        let has_identity = |file: &String| {
            in_layer(&|layer| {
                matches!(layer, LayerSpec::Files { files }
                    if files.contains_key(Utf8Path::new(file)))
            })
        };
        let variables = &spec.pass_environment;
        self.programs.iter().all(has_program)
            && self.paths.iter().all(has_path)
            && self.globs.iter().all(has_glob)
            && self.git_identities.iter().all(has_identity)
            && self
                .pass_environment
                .iter()
                .all(|name| variables.contains(name))
    }
}

fn following_symlinks() -> PrefixOptions {
    PrefixOptions {
        follow_symlinks: true,
        ..PrefixOptions::default()
    }
}

impl Places {
    fn path(&self, path: &Utf8Path) -> String {
        match self.placeholder(path) {
            Some((placeholder, _, rest)) => below(placeholder, &escape_placeholders(rest.as_str())),
            None => escape_placeholders(path.as_str()),
        }
    }

    /// The glob of the files below a directory. The characters of the directory that a placeholder
    /// stands for may have a meaning in globs; then the path is written without the placeholder.
    fn everything_below(&self, directory: &Utf8Path) -> String {
        let text = match self.placeholder(directory) {
            Some((placeholder, stands_for, rest)) if !is_special(stands_for) => {
                below(placeholder, &escape_placeholders(rest.as_str()))
            }
            _ => escape_placeholders(directory.as_str()),
        };
        everything_below(&text)
    }

    /// The placeholder that a path starts with, its directory, and the rest of the path.
    fn placeholder<'a>(
        &'a self,
        path: &'a Utf8Path,
    ) -> Option<(Placeholder, &'a Utf8Path, &'a Utf8Path)> {
        let places = [
            (Placeholder::TargetDir, &self.target),
            (Placeholder::WorkspaceDir, &self.workspace),
        ];
        let mut places = places.into_iter();
        places.find_map(|(placeholder, directory)| {
            let rest = path.strip_prefix(directory).ok()?;
            Some((placeholder, directory.as_path(), rest))
        })
    }
}

fn below(placeholder: Placeholder, rest: &str) -> String {
    match rest {
        "" => placeholder.to_string(),
        rest => format!("{placeholder}/{rest}"),
    }
}

fn is_special(directory: &Utf8Path) -> bool {
    escape_glob(directory.as_str()) != directory.as_str()
}

/// An array of inline tables: on one line if it has one element, otherwise with a line for each.
pub fn layer_array(layers: &[String], has_lines: bool) -> String {
    match layers {
        [only] => format!("[{only}]"),
        layers if !has_lines => format!("[{}]", layers.join(", ")),
        layers => {
            let lines = layers
                .iter()
                .map(|layer| format!("{INDENTATION}{layer},\n"));
            format!("[\n{}]", lines.collect::<String>())
        }
    }
}

pub fn string_array(strings: &[String]) -> String {
    let strings = strings.iter().map(|text| toml_string(text));
    format!("[{}]", strings.collect::<Vec<_>>().join(", "))
}

/// A string of TOML, on one line.
pub fn toml_string(text: &str) -> String {
    let literal = toml::Value::String(text.to_owned()).to_string();
    if literal.contains('\n') {
        // JSON has no strings of several lines, and TOML has all escapes of JSON's strings but this.
        let quoted = serde_json::Value::String(text.to_owned()).to_string();
        return quoted.replace('\u{7f}', "\\u007f");
    }
    literal
}
