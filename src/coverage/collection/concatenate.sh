#!/bin/sh
# In place of `llvm-profdata merge`, for tests: a merged profile is all profiles, one after the other.
# Those with the word `damaged` are left out, and one with `other version` makes the merge fail.
while [ $# -gt 0 ]; do
    case $1 in
    --input-files) list=$2 ;;
    --output) output=$2 ;;
    esac
    shift
done
: >"$output"
for profile in $(cat "$list"); do
    if grep -q 'other version' "$profile"; then
        echo "warning: $profile: unsupported instrumentation profile format version" >&2
        echo 'error: no profile can be merged' >&2
        exit 1
    elif grep -q damaged "$profile"; then
        echo "warning: $profile: truncated profile data" >&2
    else
        cat "$profile" >>"$output"
    fi
done
