
# Completes `cargo maelstrom`, and leaves all other commands to the completions of Cargo.
_cargo_with_maelstrom() {
    local word=2
    [[ $words[2] == +* ]] && word=3
    if (( CURRENT > word )) && [[ $words[word] == maelstrom ]]; then
        _cargo-maelstrom
    elif [[ -n $_cargo_without_maelstrom ]]; then
        $_cargo_without_maelstrom "$@"
    else
        _default
    fi
}

if [[ $funcstack[1] != _cargo-maelstrom && $_comps[cargo] != _cargo_with_maelstrom ]]; then
    typeset -g _cargo_without_maelstrom=$_comps[cargo]
    compdef _cargo_with_maelstrom cargo
fi
