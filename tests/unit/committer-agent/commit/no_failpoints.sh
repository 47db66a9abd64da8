#!/bin/sh
# no_failpoints.sh TABLE PROGRAM - fails if the program has failpoints: what is shipped has none, nor their names.
table=$1 program=$2
# Those of two words: "frozen" alone is a word of others, too.
names=$(sed -n 's/^ *X(\([a-z]*_[a-z_]*\),.*/\1/p' "$table")
[ "$(printf '%s\n' "$names" | wc -l)" -gt 15 ] || { echo "no table of failpoints in $table" >&2; exit 1; }
[ -s "$program" ] || { echo "there is no program $program" >&2; exit 1; }
for name in STASIS_FAILPOINT STASIS_RETENTION_MS $names; do
    if tr '\0' '\n' <"$program" | grep -aqx -e "$name"; then
        echo "$program has the failpoint string \"$name\"" >&2
        exit 1
    fi
done
