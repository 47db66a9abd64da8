# shellcheck shell=bash
# crash.sh - the law of every crash, for end-to-end tests: the sandbox ends Running or Paused, with every write that was
# acknowledged to the outside (witness.sh); nothing is frozen, nothing is left. Source it after lib.sh.
#
#   busy_sandbox                a sandbox with something to push and a writer that never rests; sets id
#   begin_pause ID              sets PAUSE_PID, and PROGRESS: the file with what is told of it
#   ends_running_or_paused_with_all_files ID

# shellcheck source=witness.sh
. "$E2E_ROOT/tests/e2e/witness.sh"

# The bridge's own address: only this stack's sandboxes can reach it.
start_witness() { witness_start "${STACK_SUBNET%.*}.1"; }
start_writer() { witness_writer stasis exec "$1" --; }           # ID
writes_are_all_there() { witness_check stasis exec "$1" --; }    # ID

begin_pause() # ID
{
    PROGRESS=$(mktemp "$E2E_DIR/progress.XXXXXX")
    stasis pause "$1" --wait >"$PROGRESS" 2>&1 &
    PAUSE_PID=$!
}

ends_running_or_paused_with_all_files() # ID
{
    local state
    state=$(stasis wait "$1" Running,Paused)
    if [ "$state" = Paused ]; then
        stasis resume "$1" --wait
    fi
    writes_are_all_there "$1"
    # And it can be paused and resumed again.
    stasis pause "$1" --wait
    stasis resume "$1" --wait
    writes_are_all_there "$1"
    nothing_is_left
}

busy_sandbox()
{
    id=$(new_sandbox)
    stasis exec "$id" -- dd if=/dev/urandom of=/big bs=1M count=96 2>/dev/null
    start_witness
    start_writer "$id"
}
