# Completions of PROGRAM for bash.

_PROGRAM() {
    local kind line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then
            kind=$line
        else
            COMPREPLY+=("$line")
        fi
    done < <(
        MAELSTROM_COMPLETE=bash command PROGRAM "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" \
            2>/dev/null
    )
    case $kind in
        files) compopt -o default ;;
        directories) compopt -o dirnames ;;
    esac
    # The word goes on.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[.\(:=] ]]; then
        compopt -o nospace
    fi
}

complete -F _PROGRAM PROGRAM
