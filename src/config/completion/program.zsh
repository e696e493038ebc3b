#compdef PROGRAM
# Completions of PROGRAM for zsh.

_PROGRAM() {
    local -a lines names shown open shown_open
    local line name
    lines=("${(@f)$(
        MAELSTROM_COMPLETE=zsh command PROGRAM -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" \
            2>/dev/null
    )}")
    case $lines[1] in
        files) _files; return ;;
        directories) _files -/; return ;;
    esac
    shift lines
    for line in $lines; do
        name=${line%%$'\t'*}
        if [[ $line == *$'\t'* ]]; then
            line="$name  -- ${line#*$'\t'}"
        fi
        if [[ $name == *[.\(:=] ]]; then
            # The word goes on.
            open+=("$name")
            shown_open+=("$line")
        else
            names+=("$name")
            shown+=("$line")
        fi
    done
    compadd -l -d shown -a names
    compadd -l -d shown_open -S '' -a open
}

if [[ $funcstack[1] == _PROGRAM ]]; then
    _PROGRAM "$@"
else
    compdef _PROGRAM PROGRAM
fi
