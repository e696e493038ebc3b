# Completions of PROGRAM for fish.

function __fish_complete_PROGRAM
    set -lx MAELSTROM_COMPLETE fish
    set -l current (commandline -ct)
    set -l lines (command PROGRAM -- (commandline -opc) "$current" 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current")
        case directories
            __fish_complete_directories (string replace -r -- '^--[^=]*=' '' "$current")
        case words
            string join -- \n $lines[2..]
    end
end

complete -c PROGRAM -f -a '(__fish_complete_PROGRAM)'
