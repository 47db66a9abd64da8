#!/usr/bin/env bash
# test_crash.sh BIN - kill -9 of each service in the middle of a pause, at each phase of it, then a restart.
# The law is in crash.sh.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=crash.sh
. "$(dirname "$0")/crash.sh"

until_shown() # PHASE
{
    { tail -n +1 -f --pid="$PAUSE_PID" "$PROGRESS" || :; } | grep -m1 -i "$1" >/dev/null
}
# The journal says so from just before the freeze until the image is in the registry.
until_frozen()
{
    local deadline=$((SECONDS + 30))
    until grep -qsE '"stage":"(freezing|killing|handedOver)"' "$E2E_DIR"/agent/commits/*.json; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "nothing was frozen within 30 s" >&2; return 1; }
    done
}

# Brings a pause into the phase and keeps it there; `carry_on` lets it go on.
bring_to() # PHASE
{
    begin_pause "$id"
    case "$1" in
    pausing) until_shown pausing ;;
    capturing) until_frozen ;;
    uploading) # to a registry that stands still; the processes are dead by then
        until_frozen
        kill -STOP "$(stack_pid registry)"
        until_shown uploading
        ;;
    esac
}
carry_on()
{
    kill -CONT "$(stack_pid registry)"
    kill "$PAUSE_PID" 2>/dev/null || :
}

killed_while() # SERVICE PHASE
{
    local id
    busy_sandbox
    bring_to "$2"
    stack_service_kill "$1"
    stack_service_start "$1"
    carry_on
    ends_running_or_paused_with_all_files "$id"
    stasis delete "$id"
}

e2e_begin crash "$1"
for service in snapshot lifecycle agent; do
    for phase in pausing capturing uploading; do
        eval "kill_${service}_$phase() { killed_while $service $phase; }"
        it "$service killed while $phase: Running or Paused with every acknowledged write" "kill_${service}_$phase"
    done
done

all_at_once()
{
    local id service
    busy_sandbox
    bring_to uploading
    for service in snapshot lifecycle agent; do stack_service_kill "$service"; done
    for service in agent snapshot lifecycle; do stack_service_start "$service"; done
    carry_on
    ends_running_or_paused_with_all_files "$id"
    stasis delete "$id"
}
it "all three services killed at once: Running or Paused with every acknowledged write" all_at_once

no_write_is_lost_when_nothing_crashes()
{
    local id n
    id=$(new_sandbox)
    start_witness
    start_writer "$id"
    for n in 1 2 3; do
        stasis pause "$id" --wait
        stasis resume "$id" --wait
        writes_are_all_there "$id"
    done
    stasis delete "$id"
}
it "no acknowledged write is lost by a pause" no_write_is_lost_when_nothing_crashes

a_registry_that_stays_away()
{
    local id state
    stack_service_stop snapshot
    stack_service_start snapshot --upload-timeout 3s
    busy_sandbox
    begin_pause "$id"
    until_frozen
    stack_service_kill registry
    within 60 says "$id" "files are on node"
    state=$(stasis wait "$id" Running,Paused)
    want "state without a registry" Running "$state"
    writes_are_all_there "$id"
    stack_service_start registry
    # What no registry has goes into the next image.
    stasis pause "$id" --wait
    stasis resume "$id" --wait
    writes_are_all_there "$id"
    stasis delete "$id"
    stack_service_stop snapshot
    stack_service_start snapshot
}
says() { look_at "$1"; [[ $MESSAGE == *"$2"* ]]; } # ID TEXT
it "a registry that goes away in the middle of an upload: the sandbox comes back from its node" a_registry_that_stays_away
e2e_end
