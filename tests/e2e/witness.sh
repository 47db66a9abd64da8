# shellcheck shell=bash
# witness.sh - no acknowledged write is lost: a writer in the sandbox, and a witness outside. Source it; needs E2E_DIR, E2E_ROOT.
#
# The writer appends a number to /written and then tells it to the witness, so the last number that the witness heard must
# be in the file, and the file must have no hole. COMMAND... runs its arguments in the sandbox ("stasis exec ID --").
#
#   witness_start ADDRESS          listens there, until the case ends
#   witness_writer COMMAND...      starts the writer; returns when a hundred numbers have arrived
#   witness_check COMMAND...       every number up to at least the last acknowledged one, in order

witness_start()
{
    local port_file
    WITNESS_ADDRESS=$1
    WITNESS_HEARD=$(mktemp "$E2E_DIR/heard.XXXXXX")
    port_file=$(mktemp -u "$E2E_DIR/port.XXXXXX")
    mkfifo "$port_file"
    "$E2E_ROOT/tests/e2e/listener.py" "$WITNESS_ADDRESS" "$WITNESS_HEARD" >"$port_file" &
    WITNESS_PID=$!
    trap 'kill "$WITNESS_PID" 2>/dev/null || :' EXIT
    read -r WITNESS_PORT <"$port_file"
}

witness_writer()
{
    "$@" sh -c "(i=0; while :; do i=\$((i + 1)); echo \$i >>/written; echo \$i; done | nc $WITNESS_ADDRESS $WITNESS_PORT) >/dev/null 2>&1 </dev/null &"
    # Until so many have arrived.
    [ "$({ timeout 60 tail -n +1 -f --pid="$WITNESS_PID" "$WITNESS_HEARD" || :; } | head -n 100 | wc -l)" = 100 ] ||
        { echo "the writer told the witness less than a hundred numbers in 60 s" >&2; return 1; }
}

witness_check()
{
    local last
    last=$(sed '$d' "$WITNESS_HEARD" | tail -n 1) # the very last line may be half a number
    "$@" awk -v last="$last" '
        $1 != NR { print "line " NR " is " $1; exit 1 }
        END { if (NR < last) { print "acknowledged up to " last ", found " NR; exit 1 } }' /written
}
