//! Colours, where they are wanted.

use console::Style;
use std::fmt;
use std::str::FromStr;

/// When to use colours: what `--color` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Decides, once for the run. What the user asked of this program or of Cargo
    /// goes before what they ask of every program, as with Cargo: `--color`, then
    /// `CARGO_TERM_COLOR`, `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, then whether
    /// stderr is a terminal that can show colours.
    pub fn resolve(self, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Paint {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let cargo = set("CARGO_TERM_COLOR").and_then(|value| value.parse().ok());
        let colored = match (self, cargo.unwrap_or_default()) {
            (Self::Always, _) | (Self::Auto, Self::Always) => true,
            (Self::Never, _) | (Self::Auto, Self::Never) => false,
            (Self::Auto, Self::Auto) => {
                let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
                let unwanted = set("CLICOLOR").is_some_and(|value| value == "0");
                let dumb = set("TERM").is_some_and(|value| value == "dumb");
                set("NO_COLOR").is_none() && (forced || is_terminal && !unwanted && !dumb)
            }
        };
        Paint { colored }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for ColorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ColorChoice {
    type Err = UnknownColorChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| UnknownColorChoice(text.to_owned()))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not one of auto, always, never")]
pub struct UnknownColorChoice(String);

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Good,
    Bad,
    Caution,
    /// What the program is doing.
    Activity,
    Package,
    /// What is there for completeness.
    Aside,
    Strong,
}

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    colored: bool,
}

impl Paint {
    pub fn new(colored: bool) -> Self {
        Self { colored }
    }

    pub fn is_colored(self) -> bool {
        self.colored
    }

    pub fn apply<T: fmt::Display>(self, role: Role, text: T) -> impl fmt::Display {
        let style = match role {
            Role::Good => Style::new().green().bold(),
            Role::Bad => Style::new().red().bold(),
            Role::Caution => Style::new().yellow().bold(),
            Role::Activity => Style::new().cyan().bold(),
            Role::Package => Style::new().cyan(),
            Role::Aside => Style::new().dim(),
            Role::Strong => Style::new().bold(),
        };
        style.force_styling(self.colored).apply_to(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(choice: ColorChoice, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        choice.resolve(is_terminal, variable).is_colored()
    }

    #[test]
    fn a_terminal_gets_colours_and_a_pipe_does_not() {
        assert!(resolve(ColorChoice::Auto, true, &[]));
        assert!(!resolve(ColorChoice::Auto, false, &[]));
        assert!(!resolve(ColorChoice::Auto, true, &[("TERM", "dumb")]));
        assert!(!resolve(ColorChoice::Auto, true, &[("CLICOLOR", "0")]));
    }

    #[test]
    fn no_color_counts_only_if_it_is_not_empty() {
        assert!(!resolve(ColorChoice::Auto, true, &[("NO_COLOR", "1")]));
        assert!(resolve(ColorChoice::Auto, true, &[("NO_COLOR", "")]));
        let both = [("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")];
        assert!(!resolve(ColorChoice::Auto, true, &both));
    }

    #[test]
    fn colours_can_be_forced_into_a_pipe() {
        assert!(resolve(
            ColorChoice::Auto,
            false,
            &[("CLICOLOR_FORCE", "1")]
        ));
        assert!(!resolve(
            ColorChoice::Auto,
            false,
            &[("CLICOLOR_FORCE", "0")]
        ));
        let cargo = [("CARGO_TERM_COLOR", "always"), ("NO_COLOR", "1")];
        assert!(resolve(ColorChoice::Auto, false, &cargo));
        assert!(!resolve(
            ColorChoice::Auto,
            true,
            &[("CARGO_TERM_COLOR", "never")]
        ));
    }

    #[test]
    fn the_command_line_goes_before_every_variable() {
        assert!(resolve(
            ColorChoice::Always,
            false,
            &[("CARGO_TERM_COLOR", "never")]
        ));
        assert!(!resolve(
            ColorChoice::Never,
            true,
            &[("CARGO_TERM_COLOR", "always")]
        ));
    }

    #[test]
    fn an_unknown_choice_names_the_known_ones() {
        let error = "sometimes".parse::<ColorChoice>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sometimes` is not one of auto, always, never"
        );
    }
}
