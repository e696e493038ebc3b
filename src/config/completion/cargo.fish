
# Completes `cargo maelstrom`. All other commands have the completions of Cargo.
function __fish_cargo_is_maelstrom
    set -l words (commandline -opc)
    test "$words[2]" = maelstrom
    or begin
        string match -q '+*' -- "$words[2]"
        and test "$words[3]" = maelstrom
    end
end

complete -c cargo -f -n __fish_cargo_is_maelstrom -a '(__fish_complete_cargo-maelstrom)'
