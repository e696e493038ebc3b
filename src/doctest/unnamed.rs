//! Executables whose tests rustdoc does not name, because it expected them to fail.

use regex::bytes::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static SYMBOL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("_doctest_main_[0-9A-Za-z_]+").expect("the expression is valid"));

/// The symbols in an executable that are named after tests: rustdoc names the function of a test
/// without a `main` of its own after its file and line.
pub fn symbols(executable: &[u8]) -> BTreeSet<String> {
    SYMBOL
        .find_iter(executable)
        .map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned())
        .collect()
}

/// Finds pairs of the names of tests and the symbols of executables. Returns their indices. A pair
/// is returned only if neither of the two fits anything else.
pub fn match_by_symbols(names: &[&str], symbols: &[BTreeSet<String>]) -> Vec<(usize, usize)> {
    let fits = |name: usize, executable: usize| {
        symbol_start(names[name]).is_some_and(|start| {
            symbols[executable].iter().any(|symbol| {
                let rest = symbol.strip_prefix(&start);
                rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            })
        })
    };
    let mut pairs = Vec::new();
    for name in 0..names.len() {
        let executables: Vec<_> = (0..symbols.len())
            .filter(|&other| fits(name, other))
            .collect();
        if let [executable] = executables[..]
            && (0..names.len())
                .filter(|&other| fits(other, executable))
                .count()
                == 1
        {
            pairs.push((name, executable));
        }
    }
    pairs
}

/// The symbol of the test `src/lib.rs - f (line 3)`, without the number at its end.
fn symbol_start(name: &str) -> Option<String> {
    let (file, _) = name.split_once(" - ")?;
    let line = line_of(name)?;
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() {
            character
        } else {
            '_'
        }
    };
    let file: String = file.chars().map(plain).collect();
    Some(format!("_doctest_main_{file}_{line}_"))
}

/// The number of the line in the name of a test.
pub fn line_of(name: &str) -> Option<&str> {
    let (_, line) = name.rsplit_once("(line ")?;
    let line = line.strip_suffix(')')?;
    line.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(names: &[&str], executables: &[&str]) -> Vec<(usize, usize)> {
        let executables: Vec<_> = executables
            .iter()
            .map(|text| symbols(text.as_bytes()))
            .collect();
        match_by_symbols(names, &executables)
    }

    #[test]
    fn a_symbol_names_the_file_and_the_line() {
        let names = ["src/a-b.rs - f (line 3)", "src/a-b.rs - g (line 13)"];
        let executables = [
            "\0_ZN8rust_out4main29_doctest_main_src_a_b_rs_13_017h0123456789abcdefE\0",
            "\0_RNvNvCs_8rust_out4main28__doctest_main_src_a_b_rs_3_0\0",
        ];
        assert_eq!(pairs(&names, &executables), [(0, 1), (1, 0)]);
    }

    #[test]
    fn what_fits_several_is_left_out() {
        let symbol = "_doctest_main_a_rs_3_0";
        assert_eq!(
            pairs(&["a.rs - f (line 3)", "a.rs - g (line 3)"], &[symbol]),
            []
        );
        assert_eq!(pairs(&["a.rs - f (line 3)"], &[symbol, symbol]), []);
        assert_eq!(pairs(&["a.rs - f (line 3)"], &["no symbol"]), []);
        assert_eq!(
            pairs(&["a.rs - f (line 3)"], &["_doctest_main_a_rs_3_x"]),
            []
        );
        assert_eq!(pairs(&["no line"], &[symbol]), []);
    }
}
