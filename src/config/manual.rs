//! Manual pages in the format of man(7), from the definitions of command lines.

use clap::{Arg, Command};
use std::fmt::Write;

/// The day of the last change of a command line, which a manual page must have.
const CHANGED: &str = "2026-11-29";

/// The longest line of text, in bytes.
const LONGEST_LINE: usize = 80;

/// The manual page of a program, with a section for each further command.
pub fn manual_page(pages: &[Command]) -> String {
    let Some((program, commands)) = pages.split_first() else {
        return String::new();
    };
    let mut page = Page::default();
    let name = program.get_name();
    let version = program.get_version().unwrap_or_default();
    page.request(format_args!(
        "TH {} 1 {CHANGED} \"{name} {version}\" \"User Commands\"",
        name.to_uppercase()
    ));
    page.request("SH NAME");
    let about = program.get_about().map(ToString::to_string);
    page.text(&format!("{name} - {}", about.unwrap_or_default()));
    page.request("SH SYNOPSIS");
    page.verbatim(&usage(program));
    page.request("SH DESCRIPTION");
    page.paragraphs(&description(program));
    page.options(program, "SH");
    for command in commands {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        page.request(format_args!("SH \"{}\"", name.to_uppercase()));
        page.verbatim(&usage(command));
        page.request("PP");
        page.paragraphs(&description(command));
        page.options(command, "SS");
    }
    let examples = program.get_after_help().map(ToString::to_string);
    if let Some(examples) = examples {
        page.request("SH EXAMPLES");
        page.verbatim(examples.trim_start_matches("Examples:\n"));
    }
    page.0
}

fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let lines: Vec<_> = usage.lines().map(str::trim).collect();
    lines.join("\n")
}

fn description(command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn request(&mut self, request: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, ".{request}");
    }

    /// Text of which the lines are joined and broken again.
    fn text(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let word = escaped(word);
            if !line.is_empty() && line.len() + 1 + word.len() > LONGEST_LINE {
                let _ = writeln!(self.0, "{}", guarded(&line));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        if !line.is_empty() {
            let _ = writeln!(self.0, "{}", guarded(&line));
        }
    }

    /// Paragraphs that empty lines separate.
    fn paragraphs(&mut self, text: &str) {
        for (number, paragraph) in text.split("\n\n").enumerate() {
            if number > 0 {
                self.request("PP");
            }
            self.text(paragraph);
        }
    }

    /// Lines that stay as they are.
    fn verbatim(&mut self, text: &str) {
        self.request("nf");
        for line in text.lines() {
            let _ = writeln!(self.0, "{}", guarded(&escaped(line.trim_end())));
        }
        self.request("fi");
    }

    /// The options of a command under their headings.
    fn options(&mut self, command: &Command, section: &str) {
        let arguments: Vec<_> = (command.get_arguments())
            .filter(|argument| !argument.is_hide_set())
            .collect();
        let mut headings = Vec::new();
        for argument in &arguments {
            let heading = argument.get_help_heading().unwrap_or("Options");
            if !headings.contains(&heading) {
                headings.push(heading);
            }
        }
        for heading in headings {
            self.request(format_args!("{section} \"{}\"", heading.to_uppercase()));
            let of_heading = (arguments.iter())
                .filter(|option| option.get_help_heading().unwrap_or("Options") == heading);
            for argument in of_heading {
                self.option(argument);
            }
        }
    }

    fn option(&mut self, option: &Arg) {
        self.request("TP");
        let value = option
            .get_value_names()
            .filter(|_| option.get_action().takes_values());
        let value = value.map(|names| names.join(" "));
        let value = value.map(|value| format!("\\fI{}\\fR", escaped(&value)));
        let mut names: Vec<String> = Vec::new();
        names.extend(option.get_short().map(|letter| format!("-{letter}")));
        let long = option.get_long_and_visible_aliases().unwrap_or_default();
        names.extend(long.iter().map(|name| format!("--{name}")));
        let names: Vec<_> = names
            .iter()
            .map(|name| format!("\\fB{}\\fR", escaped(name)))
            .collect();
        let words = [names.join(", "), value.unwrap_or_default()];
        let words: Vec<_> = words
            .iter()
            .filter(|word| !word.is_empty())
            .map(String::as_str)
            .collect();
        let _ = writeln!(self.0, "{}", words.join(" "));
        let help = option.get_long_help().or_else(|| option.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        for (number, paragraph) in help.split("\n\n").enumerate() {
            if number > 0 {
                self.request("IP");
            }
            self.text(paragraph);
        }
        let possible = option.get_possible_values();
        let possible = possible.iter().filter(|value| !value.is_hide_set());
        let possible: Vec<_> = possible.map(|value| value.get_name().to_owned()).collect();
        if !possible.is_empty() && option.get_action().takes_values() {
            self.request("IP");
            self.text(&format!("Values: {}", possible.join(", ")));
        }
    }
}

/// Text in which no character has a meaning for man.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A line that is no request.
fn guarded(line: &str) -> String {
    if line.starts_with('.') {
        format!("\\&{line}")
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let command = Command::new("program")
            .version("1.2")
            .about("Do things")
            .after_help("Examples:\n  program --all    .hidden")
            .arg(
                Arg::new("color")
                    .short('c')
                    .long("color")
                    .value_name("WHEN")
                    .value_parser(["auto", "never"])
                    .help("Color it, 'as usual'"),
            )
            .arg(Arg::new("secret").long("secret").hide(true))
            .arg(
                Arg::new("long")
                    .long("long")
                    .help_heading("More")
                    .help("word ".repeat(40)),
            );
        manual_page(&[command.clone(), command.name("further")])
    }

    #[test]
    fn a_page_has_the_options_under_their_headings() {
        let page = page();
        assert!(page.starts_with(".TH PROGRAM 1 "), "{page}");
        for part in [
            "program \\- Do things\n",
            ".SH \"OPTIONS\"\n.TP\n\\fB\\-c\\fR, \\fB\\-\\-color\\fR \\fIWHEN\\fR\n\
             Color it, \\(aqas usual\\(aq\n.IP\nValues: auto, never\n",
            ".SH \"MORE\"\n",
            ".SH \"FURTHER\"\n",
            "  program \\-\\-all    .hidden\n",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("secret"), "{page}");
    }

    #[test]
    fn no_line_of_text_is_long_and_none_is_taken_for_a_request() {
        let page = page();
        assert!(
            page.lines().all(|line| line.len() <= LONGEST_LINE),
            "{page}"
        );
        assert_eq!(guarded(".x"), "\\&.x");
        assert_eq!(escaped("a\\b"), "a\\eb");
    }
}
