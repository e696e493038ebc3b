//! Whether a library has doctests.
//!
//! This is an approximation for a note in the summary: doctests from macros and included files, and
//! indented code blocks, are not found.

use super::Package;
use camino::Utf8Path;
use std::{fs, sync::Arc};

/// Whether a library of these packages has doctests that `cargo test --doc` would run.
/// Reads source files until it finds a doctest.
pub fn has_doctests(packages: &[Arc<Package>]) -> bool {
    packages
        .iter()
        .flat_map(|package| &package.targets)
        .filter(|target| target.doctest)
        .filter_map(|target| target.src_path.parent())
        .any(directory_has_doctests)
}

fn directory_has_doctests(directory: &Utf8Path) -> bool {
    let Ok(entries) = directory.read_dir_utf8() else {
        return false;
    };
    let mut directories = Vec::new();
    for entry in entries.flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory {
            let name = entry.file_name();
            if !name.starts_with('.') && name != "target" {
                directories.push(entry.into_path());
            }
        } else if entry.path().extension() == Some("rs")
            && fs::read_to_string(entry.path()).is_ok_and(|source| source_has_doctests(&source))
        {
            return true;
        }
    }
    directories
        .iter()
        .any(|directory| directory_has_doctests(directory))
}

fn source_has_doctests(source: &str) -> bool {
    if !source.contains("```") && !source.contains("~~~") {
        return false;
    }
    let mut in_block_comment = false;
    let mut open: Option<&str> = None;
    for line in source.lines() {
        let line = line.trim_start();
        let text = if in_block_comment {
            in_block_comment = !line.contains("*/");
            line.trim_start_matches('*').trim_start()
        } else if let Some(text) = line
            .strip_prefix("/**")
            .or_else(|| line.strip_prefix("/*!"))
        {
            in_block_comment = !line.contains("*/");
            text.trim_start()
        } else if let Some(text) = documentation(line) {
            text.trim_start()
        } else {
            open = None;
            continue;
        };
        let fence = ["```", "~~~"]
            .into_iter()
            .find(|fence| text.starts_with(fence));
        match (open, fence) {
            (None, Some(fence)) => {
                if is_run(text.trim_start_matches(['`', '~'])) {
                    return true;
                }
                open = Some(fence);
            }
            (Some(opened), Some(fence)) if opened == fence => open = None,
            _ => {}
        }
    }
    false
}

fn documentation(line: &str) -> Option<&str> {
    let text = line
        .strip_prefix("//!")
        .or_else(|| line.strip_prefix("///"))?;
    (!text.starts_with('/')).then_some(text)
}

/// Whether rustdoc compiles or runs a code block with these attributes.
fn is_run(words: &str) -> bool {
    const RUST: [&str; 6] = [
        "rust",
        "should_panic",
        "no_run",
        "compile_fail",
        "test_harness",
        "standalone_crate",
    ];
    let is_rust = |word: &str| {
        let error_code =
            word.len() == 5 && word.starts_with('E') && word[1..].parse::<u16>().is_ok();
        RUST.contains(&word) || word.starts_with("edition") || error_code
    };
    let mut words = words
        .split([',', ' ', '\t'])
        .filter(|word| !word.is_empty())
        .peekable();
    words.all(is_rust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_or_rust_block_is_a_doctest() {
        for words in [
            "",
            "rust",
            "no_run",
            "rust,edition2021",
            "compile_fail,E0080",
            " should_panic",
        ] {
            let source =
                format!("/// Text.\n///\n/// ```{words}\n/// f();\n/// ```\nfn f() {{}}\n");
            assert!(source_has_doctests(&source), "{words}");
        }
        assert!(source_has_doctests("//! ```\n//! x\n//! ```\n"));
        assert!(source_has_doctests("    /// ~~~\n    /// x\n    /// ~~~\n"));
        assert!(source_has_doctests("/**\n * ```\n * x\n * ```\n */\n"));
    }

    #[test]
    fn other_languages_and_plain_comments_are_not_doctests() {
        for source in [
            "/// ```text\n/// x\n/// ```\n",
            "/// ```ignore\n/// x\n/// ```\n",
            "/// ```toml\n/// x\n/// ```\n/// ```console\n/// ```\n",
            "// ```\n// x\n// ```\n",
            "//// ```\n",
            "let x = \"```\";\n",
        ] {
            assert!(!source_has_doctests(source), "{source}");
        }
    }
}
