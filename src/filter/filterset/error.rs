//! The kinds of errors that only filtersets have.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::filter) enum FiltersetProblem {
    #[error("the filterset is empty (write `all()` to select every test)")]
    Empty,
    #[error("expected a predicate such as `test(…)` or `package(…)`, found {0}")]
    NoPredicate(String),
    #[error(
        "unknown predicate `{0}` (write `test`, `package`, `deps`, `rdeps`, `kind`, `binary`, \
         `binary_id`, `platform`, `group`, `default`, `all` or `none`)"
    )]
    UnknownPredicate(String),
    #[error("expected `(` after `{0}`")]
    NoParenthesis(String),
    #[error("expected an operator (`and`, `or`, `&`, `|`, `+` or `-`), found {0}")]
    NoOperator(String),
    #[error("`{written}` is no operator of filtersets (write `{instead}`)")]
    WrongOperator {
        written: &'static str,
        instead: &'static str,
    },
    #[error("the filterset nests parentheses more than {0} deep")]
    TooDeep(usize),
    #[error("`{0}` takes no argument")]
    TakesNoArgument(String),
    #[error("the argument is empty")]
    EmptyArgument,
    #[error(r"a predicate takes one argument (write `\,` for a comma in it)")]
    Comma,
    #[error(
        r"unknown escape sequence (write `\\`, `\/`, `\)`, `\,`, `\n`, `\r`, `\t` or `\u{{…}}`)"
    )]
    Escape,
    #[error("the regular expression has no `/` at its end")]
    UnclosedRegex,
    #[error("bad glob: {0}")]
    Glob(String),
    #[error("unknown platform `{0}` (write `host` or `target`)")]
    Platform(String),
    #[error("no {0} of the workspace matches")]
    NoMatch(&'static str),
    #[error("no test group matches (`[groups.NAME]` in `maelstrom-test.toml` defines one)")]
    NoGroup,
    #[error("the pattern with the same meaning cannot be read: {0}")]
    Untranslatable(String),
}
