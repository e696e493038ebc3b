//! The scripts that make shells ask a program for completions.

use super::super::Choice;
use strum::{IntoStaticStr, VariantArray};

/// A shell with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum CompletionShell {
    Bash,
    Zsh,
    Fish,
}

impl Choice for CompletionShell {}

impl CompletionShell {
    /// The script for a program. That of `cargo-maelstrom` also completes `cargo maelstrom`.
    pub fn script(self, program: &str) -> String {
        let (template, of_cargo) = match self {
            Self::Bash => (include_str!("program.bash"), include_str!("cargo.bash")),
            Self::Zsh => (include_str!("program.zsh"), include_str!("cargo.zsh")),
            Self::Fish => (include_str!("program.fish"), include_str!("cargo.fish")),
        };
        let mut script = template.replace("PROGRAM", program);
        if program == "cargo-maelstrom" {
            script.push_str(of_cargo);
        }
        script
    }
}
