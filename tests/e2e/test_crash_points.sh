#!/usr/bin/env bash
# test_crash_points.sh BIN - the agent dies at chosen points of a pause (committer-agent/commit/failpoints.h) that snapshot-svc
# drives, and is started again. tests/integration/commit/test_crashes.c goes through all points; here the whole product is around
# the agent. Wants binaries built with STASIS_FAILPOINTS. The law is in crash.sh.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=crash.sh
. "$(dirname "$0")/crash.sh"

agent_that_dies_at() # POINT
{
    stack_service_stop agent
    STASIS_FAILPOINT=$1 stack_service_start agent
}

# A point that is not reached is a test that tests nothing.
until_the_agent_is_dead() # POINT
{
    local pid
    pid=$(stack_pid agent)
    containerd_await_exit "$pid" 600 || { echo "the agent was to die at $1, and lives" >&2; return 1; }
    rm -f "$STACK_DIR/run/agent.pid"
}

the_agent_dies_at() # POINT
{
    local id
    busy_sandbox
    agent_that_dies_at "$1"
    begin_pause "$id"
    until_the_agent_is_dead "$1"
    stack_service_start agent
    wait "$PAUSE_PID" || :
    ends_running_or_paused_with_all_files "$id"
    stasis delete "$id"
}

e2e_begin crash-points "$1"
for point in frozen captured handed_over_journalled layer_uploaded manifest_put killed_journalled; do
    eval "at_$point() { the_agent_dies_at $point; }"
    it "the agent dies at $point: Running or Paused with every acknowledged write" "at_$point"
done

# The pod is gone by then: the files are on the node alone, and nobody runs.
what_was_handed_over_ends_paused()
{
    local id
    busy_sandbox
    agent_that_dies_at handed_over_journalled
    begin_pause "$id"
    until_the_agent_is_dead handed_over_journalled
    stack_service_start agent
    wait "$PAUSE_PID" || :
    want "state" Paused "$(stasis wait "$id" Running,Paused,Failed)"
    want "containers while Paused" "" "$(tasks_of "$id")"
    stasis resume "$id" --wait
    writes_are_all_there "$id"
    stasis delete "$id"
}
it "what was handed over when the agent died ends Paused, with every acknowledged write" what_was_handed_over_ends_paused
e2e_end
