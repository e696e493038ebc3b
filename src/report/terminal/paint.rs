//! Colours, and whether to use them.

use crate::config::{Choice, Color};
use console::Style;
use std::fmt;

/// The meaning of a piece of text, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Good,
    Bad,
    Caution,
    /// The current activity of the program.
    Activity,
    Package,
    /// Less important text.
    Aside,
    Strong,
}

/// Colours text, or returns it unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    colored: bool,
}

impl Paint {
    /// Decides once for the run whether text is coloured. As with Cargo, settings of this program
    /// and of Cargo take precedence over general ones: `--color`, then `CARGO_TERM_COLOR`,
    /// `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, then whether the stream is a terminal with
    /// colours.
    pub fn resolve(
        choice: Color,
        is_terminal: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let cargo = set("CARGO_TERM_COLOR").and_then(|value| Color::named(&value));
        let colored = match (choice, cargo.unwrap_or(Color::Auto)) {
            (Color::Always, _) | (Color::Auto, Color::Always) => true,
            (Color::Never, _) | (Color::Auto, Color::Never) => false,
            (Color::Auto, Color::Auto) => {
                let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
                let unwanted = set("CLICOLOR").is_some_and(|value| value == "0");
                let dumb = set("TERM").is_some_and(|value| value == "dumb");
                set("NO_COLOR").is_none() && (forced || is_terminal && !unwanted && !dumb)
            }
        };
        Self { colored }
    }

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

    fn resolve(choice: Color, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Paint::resolve(choice, is_terminal, variable).is_colored()
    }

    #[test]
    fn a_terminal_gets_colours_and_a_pipe_does_not() {
        assert!(resolve(Color::Auto, true, &[]));
        assert!(!resolve(Color::Auto, false, &[]));
        assert!(!resolve(Color::Auto, true, &[("TERM", "dumb")]));
        assert!(!resolve(Color::Auto, true, &[("CLICOLOR", "0")]));
    }

    #[test]
    fn no_color_counts_only_if_it_is_not_empty() {
        assert!(!resolve(Color::Auto, true, &[("NO_COLOR", "1")]));
        assert!(resolve(Color::Auto, true, &[("NO_COLOR", "")]));
        let both = [("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")];
        assert!(!resolve(Color::Auto, true, &both));
    }

    #[test]
    fn colours_can_be_forced_into_a_pipe() {
        assert!(resolve(Color::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!resolve(Color::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        let cargo = [("CARGO_TERM_COLOR", "always"), ("NO_COLOR", "1")];
        assert!(resolve(Color::Auto, false, &cargo));
        assert!(!resolve(
            Color::Auto,
            true,
            &[("CARGO_TERM_COLOR", "never")]
        ));
    }

    #[test]
    fn the_command_line_goes_before_every_variable() {
        assert!(resolve(
            Color::Always,
            false,
            &[("CARGO_TERM_COLOR", "never")]
        ));
        assert!(!resolve(
            Color::Never,
            true,
            &[("CARGO_TERM_COLOR", "always")]
        ));
    }
}
