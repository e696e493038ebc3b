
# Completes `cargo maelstrom`, and leaves all other commands to the completions of Cargo.
_cargo_with_maelstrom() {
    local word=1
    [[ ${COMP_WORDS[1]} == +* ]] && word=2
    if [[ $COMP_CWORD -gt $word && ${COMP_WORDS[word]} == maelstrom ]]; then
        _cargo-maelstrom
        return
    fi
    if [[ -z ${_cargo_without_maelstrom-} ]]; then
        # bash-completion loads the completions of Cargo when they are needed first.
        complete -r cargo
        if declare -F _comp_load >/dev/null; then
            _comp_load cargo
        elif declare -F __load_completion >/dev/null; then
            __load_completion cargo
        elif declare -F _completion_loader >/dev/null; then
            _completion_loader cargo
        fi >/dev/null 2>&1
        _cargo_add_maelstrom
    fi
    if [[ -n ${_cargo_without_maelstrom-} ]]; then
        "$_cargo_without_maelstrom" "$@"
    else
        compopt -o default
    fi
}

_cargo_add_maelstrom() {
    local known
    known=$(complete -p cargo 2>/dev/null)
    if [[ $known =~ \ -F\ ([^\ ]+) && ${BASH_REMATCH[1]} != _cargo_with_maelstrom ]]; then
        _cargo_without_maelstrom=${BASH_REMATCH[1]}
    fi
    complete -F _cargo_with_maelstrom cargo
}

_cargo_add_maelstrom
