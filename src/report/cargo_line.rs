//! Parsing of the status lines that Cargo writes for people.

/// A status line such as `   Compiling serde v1.0.228`: Cargo right-aligns the verb in twelve
/// columns.
#[derive(Debug, PartialEq, Eq)]
pub struct CargoStatus<'a> {
    pub verb: &'a str,
    pub rest: &'a str,
}

impl<'a> CargoStatus<'a> {
    /// Parses a line without control sequences. `None`: the line is not a status line, but part of a
    /// warning or an error.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (verb, rest) = line.split_at_checked(12)?;
        let verb = verb.trim_start();
        let is_verb = verb.starts_with(char::is_uppercase) && verb.chars().all(char::is_alphabetic);
        let rest = rest.strip_prefix(' ').filter(|_| is_verb)?;
        Some(Self { verb, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_and_diagnostics_are_distinguished() {
        let line = "   Compiling serde v1.0.228";
        let status = CargoStatus {
            verb: "Compiling",
            rest: "serde v1.0.228",
        };
        assert_eq!(CargoStatus::parse(line), Some(status));
        for line in [
            "",
            "warning: unused variable: `x`",
            "error[E0308]: mismatched types",
            "  --> src/lib.rs:3:9",
            "   |         ^ expected",
            "Résumé — naïveté here",
            "Undercooked potatoes are bad",
        ] {
            assert_eq!(CargoStatus::parse(line), None, "{line}");
        }
    }
}
