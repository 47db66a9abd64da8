#!/usr/bin/env bash
# test_image_committer.sh AGENT - the commit Job's program: its contract, and dying at any line. Run it by with-containerd.sh.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit 1
# shellcheck source=../../e2e/cases.sh
. tests/e2e/cases.sh

E2E_DIR=$STASIS_CONTAINERD_DIR/job
STATE=$E2E_DIR/jobs REGISTRY=$STASIS_TEST_REGISTRY
mkdir -p "$E2E_DIR"
ln -s "$(realpath "$1")" "$E2E_DIR/image-committer"
printf '{"auths":{"%s":{"username":"tester","password":"secret-of-the-tester"}}}' "$REGISTRY" >"$E2E_DIR/config.json"

export CONTAINERD_SOCKET=$STASIS_CONTAINERD_DIR/containerd.sock SNAPSHOT_REGISTRY_INSECURE=true
export STASIS_STATE_DIR=$STATE STASIS_TERMINATION_LOG=$E2E_DIR/message STASIS_DOCKER_CONFIG=$E2E_DIR/config.json

e2e_show_logs() { tail -n 30 "$E2E_DIR/log"; }
cdctl() { ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

# ---- the world ----

# A pod of one container that writes a number, and only then says so to the outside, without pause.
pod_start()
{
    POD=pod-$1
    mkdir -p "$E2E_DIR/ack-$POD"
    cdctl run -d --label io.cri-containerd.kind=container --label "io.kubernetes.pod.uid=uid-$POD" \
        --label "io.kubernetes.pod.name=$POD" --label io.kubernetes.pod.namespace=default \
        --label io.kubernetes.container.name=main-box \
        --mount "type=bind,src=$E2E_DIR/ack-$POD,dst=/ack,options=rbind:rw" \
        "$STASIS_TEST_IMAGE" "$POD" /bin/sh -c \
        'i=0; while :; do i=$((i+1)); echo $i >> /written; echo $i >> /ack/written; done'
    IMAGE=$REGISTRY/snapshots/$POD:1
}

pod_state() { cdctl tasks ls | awk -v id="$POD" '$1 == id { print $3 }'; }

# What kubelet does to a pod that is frozen and killed.
pod_die()
{
    cdctl tasks resume "$POD" 2>/dev/null || true
    cdctl tasks kill -s 9 "$POD" 2>/dev/null || true
    cdctl tasks rm -f "$POD" >/dev/null 2>&1 || true
}
pod_remove() { pod_die; cdctl containers rm "$POD"; }

in_pod() { cdctl tasks exec --exec-id once "$POD" sh -c "$1" </dev/null; }
upper_of_pod() { cdctl snapshots mounts /m "$POD" | tr ',' '\n' | sed -n 's/^upperdir=//p'; }

# in_image COMMAND: in a fresh container of what was pushed.
in_image()
{
    cdctl images pull --plain-http -u tester:secret-of-the-tester "$IMAGE" >/dev/null
    cdctl run --rm "$IMAGE" "look-$POD" sh -c "$1"
    cdctl images rm --sync "$IMAGE" >/dev/null
}

# job HOLD ARGS...: sets STATUS, OUT, MESSAGE. The key is the pod's.
job()
{
    STATUS=0
    : >"$STASIS_TERMINATION_LOG"
    OUT=$(STASIS_COMMIT_HOLD=$1 STASIS_COMMIT_KEY=${KEY-key-$POD} \
        ${JOB_PREFIX[@]+"${JOB_PREFIX[@]}"} "$E2E_DIR/image-committer" "${@:2}" 2>>"$E2E_DIR/log") || STATUS=$?
    MESSAGE=$(cat "$STASIS_TERMINATION_LOG")
}
commit() { job "$1" "$POD" default "main-box:$IMAGE"; }

# The same in the background, killed as soon as CONDITION holds: commit_killed_when HOLD SIGNAL CONDITION...
commit_killed_when()
{
    local hold=$1 signal=$2 pid
    shift 2
    : >"$STASIS_TERMINATION_LOG"
    STASIS_COMMIT_HOLD=$hold STASIS_COMMIT_KEY=key-$POD "$E2E_DIR/image-committer" "$POD" default "main-box:$IMAGE" \
        2>>"$E2E_DIR/log" >/dev/null &
    pid=$!
    until "$@"; do kill -0 "$pid" || return 1; done
    kill "-$signal" "$pid"
    STATUS=0
    wait "$pid" || STATUS=$?
}

records() { cat "$STATE/key-$POD/commits/"*.json 2>/dev/null || true; }
left() { (cd "$STATE" && compgen -G "*$POD*") || true; } # state folders that concern the pod
stage() { records | jq -r .stage; }
stage_is() { [ "$(stage)" = "$1" ]; }
set_stage() { sed -i "s/\"stage\":\"[a-z]*\"/\"stage\":\"$1\"/" "$STATE/key-$POD/commits/"*.json; }
digest() { sed -n 's/^SNAPSHOT_DIGEST=//p' <<<"$OUT"; }

# Big and slow to compress, so that a test can look in while it is captured.
make_it_slow() { in_pod 'dd if=/dev/urandom of=/zz bs=1M count=48 2>/dev/null'; export STASIS_COMPRESSION=gzip; }

# The kill rule: whatever was acknowledged is in the image, and nothing is acknowledged any more.
nothing_acknowledged_is_lost()
{
    local in_image acked
    want 'the frozen container' PAUSED "$(pod_state)"
    pod_die
    acked=$(tail -n 1 "$E2E_DIR/ack-$POD/written")
    in_image=$(in_image 'tail -n 1 /written')
    [ "$acked" -le "$in_image" ] || { echo "acknowledged $acked, in the image $in_image"; return 1; }
}

# ---- the contract ----

a_pause_kills_while_frozen_and_tells_the_result()
{
    pod_start pause
    commit kill
    want status 0 "$STATUS"
    want_in "SNAPSHOT_DIGEST_MAIN_BOX=$(digest)" "$OUT"
    want message "{\"containers\":[{\"name\":\"main-box\",\"image\":\"$IMAGE\",\"digest\":\"$(digest)\"}]}" "$MESSAGE"
    want stage killed "$(stage)"
    nothing_acknowledged_is_lost
    pod_remove
}

a_live_snapshot_lets_the_container_run()
{
    pod_start live
    commit thaw
    want status 0 "$STATUS"
    want_in '"digest":"sha256:' "$MESSAGE"
    want 'the container' RUNNING "$(pod_state)"
    in_image 'test -s /written'
    pod_remove
}

without_a_key_every_run_is_a_commit_of_its_own()
{
    pod_start keyless
    KEY='' commit thaw
    want status 0 "$STATUS"
    KEY='' commit thaw
    want status 0 "$STATUS"
    pod_remove
}

the_pod_uid_decides_when_it_is_given()
{
    pod_start uid
    STASIS_POD_UID=uid-of-another commit thaw
    want status 1 "$STATUS"
    want_in PodNotFound "$MESSAGE"
    STASIS_POD_UID=uid-$POD job thaw any-name default "main-box:$IMAGE"
    want status 0 "$STATUS"
    pod_remove
}

refused_credentials_are_not_worth_another_try()
{
    pod_start denied
    printf '{"auths":{"%s":{"username":"tester","password":"a-wrong-one"}}}' "$REGISTRY" >"$E2E_DIR/wrong.json"
    STASIS_DOCKER_CONFIG=$E2E_DIR/wrong.json commit kill
    want status 1 "$STATUS"
    want reason RegistryUnauthorized "$(jq -r .reason <<<"$MESSAGE")"
    want retryable false "$(jq -r .retryable <<<"$MESSAGE")"
    want_not_in a-wrong-one "$MESSAGE$(cat "$E2E_DIR/log")"
    want 'the container' RUNNING "$(pod_state)"
    want 'what is left' '' "$(left)"
    pod_remove
}

missing_credentials_mean_none()
{
    pod_start anonymous
    STASIS_DOCKER_CONFIG=$E2E_DIR/no-such.json commit kill
    want reason RegistryUnauthorized "$(jq -r .reason <<<"$MESSAGE")"
    pod_remove
}

what_makes_no_sense_is_refused_with_the_reason()
{
    POD=none
    for arguments in '' 'pod default' 'pod default no-image' 'pod default :image' 'unpause pod default'; do
        # shellcheck disable=SC2086  # they are several
        job thaw $arguments
        want "status of \"$arguments\"" 1 "$STATUS"
        want "retryable of \"$arguments\"" false "$(jq -r .retryable <<<"$MESSAGE")"
    done
    job sometimes pod default a:b
    want_in STASIS_COMMIT_HOLD "$MESSAGE"
    KEY=../elsewhere job thaw pod default a:b
    want_in STASIS_COMMIT_KEY "$MESSAGE"
    KEY=.. job thaw pod default a:b
    want_in STASIS_COMMIT_KEY "$MESSAGE"
    SNAPSHOT_REGISTRY_INSECURE=perhaps job thaw pod default a:b
    want_in SNAPSHOT_REGISTRY_INSECURE "$MESSAGE"
}

a_state_folder_that_cannot_be_used_is_replaced_for_this_run()
{
    pod_start stateless
    mkdir "$E2E_DIR/tmp"
    STASIS_STATE_DIR=/proc/no/such TMPDIR=$E2E_DIR/tmp commit kill
    want status 0 "$STATUS"
    want_in 'state folder cannot be used' "$(cat "$E2E_DIR/log")"
    nothing_acknowledged_is_lost
    pod_remove
    want 'what is left' '' "$(ls -A "$E2E_DIR/tmp")"
}

# ---- the same key, again ----

the_same_key_is_answered_again_even_without_the_pod()
{
    local first
    pod_start again
    commit kill
    first=$(digest)
    pod_remove
    commit kill
    want status 0 "$STATUS"
    want digest "$first" "$(digest)"
    want_in "$first" "$MESSAGE"
}

a_live_snapshot_is_answered_again_too()
{
    local first
    pod_start again-live
    commit thaw
    first=$(digest)
    commit thaw
    want digest "$first" "$(digest)"
    pod_remove
}

two_at_once_are_one_commit()
{
    pod_start twice
    make_it_slow
    STASIS_COMMIT_HOLD=kill STASIS_COMMIT_KEY=key-$POD STASIS_TERMINATION_LOG=/dev/null \
        "$E2E_DIR/image-committer" "$POD" default "main-box:$IMAGE" >"$E2E_DIR/first" 2>>"$E2E_DIR/log" &
    until stage_is freezing; do kill -0 $!; done
    commit kill
    want status 0 "$STATUS"
    wait $!
    want 'both results' "$(cat "$E2E_DIR/first")" "$OUT"
    pod_remove
}

# ---- dying ----

a_crash_while_frozen_is_thawed_and_committed_anew()
{
    pod_start crash-freezing
    make_it_slow
    commit_killed_when kill KILL stage_is freezing
    want 'stage after the crash' freezing "$(stage)"
    commit kill
    want status 0 "$STATUS"
    nothing_acknowledged_is_lost
    pod_remove
}

a_crash_while_holding_goes_on_to_the_kill()
{
    local first
    pod_start crash-holding
    commit kill
    first=$(digest)
    set_stage holding
    commit kill
    want digest "$first" "$(digest)"
    want stage killed "$(stage)"
    pod_remove
}

a_crash_while_killing_finishes_the_kill()
{
    local first
    pod_start crash-killing
    commit kill
    first=$(digest)
    set_stage killing
    commit kill
    want digest "$first" "$(digest)"
    want stage killed "$(stage)"
    nothing_acknowledged_is_lost
    pod_remove
}

a_lost_state_folder_is_survived()
{
    pod_start lost
    make_it_slow
    commit_killed_when kill KILL stage_is freezing
    want 'the container' PAUSED "$(pod_state)"
    rm -r "${STATE:?}/key-$POD"
    commit kill
    want status 0 "$STATUS"
    nothing_acknowledged_is_lost
    pod_remove
}

a_hold_that_ran_meanwhile_is_committed_anew()
{
    pod_start ran-on
    make_it_slow
    commit_killed_when kill KILL stage_is freezing
    set_stage holding
    cdctl tasks resume "$POD"
    commit kill
    want status 0 "$STATUS"
    nothing_acknowledged_is_lost
    pod_remove
}

killed_at_any_moment_it_loses_nothing()
{
    local round delay
    for round in 1 2 3 4 5 6 7 8; do
        pod_start "random-$round"
        for delay in 0.0$((RANDOM % 10)) 0.$((RANDOM % 10 + 10)) 0.$((RANDOM % 30 + 15)); do
            STASIS_COMMIT_HOLD=kill STASIS_COMMIT_KEY=key-$POD timeout -s KILL "$delay" \
                "$E2E_DIR/image-committer" "$POD" default "main-box:$IMAGE" >/dev/null 2>>"$E2E_DIR/log" || true
        done
        commit kill
        want "status of round $round" 0 "$STATUS"
        nothing_acknowledged_is_lost
        pod_remove
    done
}

a_signal_to_stop_thaws()
{
    pod_start stop
    make_it_slow
    commit_killed_when kill TERM stage_is freezing
    want status 1 "$STATUS"
    want reason CommitCancelled "$(jq -r .reason "$STASIS_TERMINATION_LOG")"
    want 'the container' RUNNING "$(pod_state)"
    want 'what is left' '' "$(left)"
    pod_remove
}

# ---- unpause ----

unpause_frees_what_a_dead_commit_left()
{
    pod_start unpause
    make_it_slow
    commit_killed_when kill KILL stage_is freezing
    want 'the container' PAUSED "$(pod_state)"
    job thaw unpause "$POD" default main-box
    want status 0 "$STATUS"
    want output '{"thawed":1}' "$OUT"
    want 'the container' RUNNING "$(pod_state)"
    want 'what is left' '' "$(left)"
    job thaw unpause "$POD" default main-box
    want 'output, again' '{"thawed":0}' "$OUT"
    pod_remove
    job thaw unpause "$POD" default main-box
    want 'output without a pod' '{"thawed":0}' "$OUT"
    want status 0 "$STATUS"
}

unpause_finds_the_commit_without_its_key()
{
    pod_start unpause-keyless
    make_it_slow
    commit_killed_when kill KILL stage_is freezing
    KEY='' job thaw unpause "$POD" default main-box
    want output '{"thawed":1}' "$OUT"
    want 'what is left' '' "$(left)"
    pod_remove
}

unpause_leaves_the_dead_alone()
{
    pod_start unpause-killed
    commit kill
    local result=$MESSAGE
    job thaw unpause "$POD" default main-box
    want status 0 "$STATUS"
    want output '{"thawed":0}' "$OUT"
    want 'the result, for whoever missed it' "$result" "$MESSAGE"
    nothing_acknowledged_is_lost
    pod_remove
}

# ---- housekeeping, rights ----

old_results_go_and_young_ones_stay()
{
    local old
    pod_start old
    commit thaw
    old=$POD
    sed -i 's/"changed":[0-9]*/"changed":1/' "$STATE/key-$POD/commits/"*.json
    pod_remove
    pod_start young
    commit thaw
    want 'the old one' '' "$(POD=$old left)"
    want 'the young one' "key-$POD" "$(left)"
    pod_remove
}

a_job_pays_the_debts_of_another_that_never_came_back()
{
    local debtor
    pod_start debtor
    make_it_slow
    commit_killed_when kill KILL stage_is freezing
    debtor=$POD
    pod_start other
    commit thaw
    want status 0 "$STATUS"
    pod_remove
    POD=$debtor
    want 'the container' RUNNING "$(pod_state)"
    want 'what is left' '' "$(left)"
    pod_remove
}

# As a Job's container has it: containerd's folder and the cgroups only to read, and few rights. The pid namespace is the
# host's there, too. in_a_container CAPABILITIES COMMAND...
in_a_container()
{
    local caps=$1 mount
    shift
    export CAPS=-all,+${caps// /,+} CONTAINERD_ROOT=$STASIS_CONTAINERD_DIR/root
    # shellcheck disable=SC2016  # the inner shell's
    exec unshare --mount bash -euc '
        mount --bind "$CONTAINERD_ROOT" "$CONTAINERD_ROOT"
        for mount in "$CONTAINERD_ROOT" $(findmnt --raw --noheadings --output TARGET | grep ^/sys/fs/cgroup); do
            mount -o remount,bind,ro "$mount"
        done
        exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set="$CAPS" --no-new-privs "$@"' - "$@"
}

without_one_of_them_nothing_is_begun()
{
    pod_start powerless
    for without in 'dac_read_search kill' 'sys_admin kill' 'sys_admin dac_read_search'; do
        JOB_PREFIX=(in_a_container "$without")
        commit kill
        want "status with only $without" 1 "$STATUS"
        want_in 'lacks the capabilities' "$MESSAGE"
        want 'the container' RUNNING "$(pod_state)"
    done
    pod_remove
}

# Where containerd's process numbers name nobody, a kill would be a kill of nobody.
without_the_nodes_processes_only_live_snapshots_are_made()
{
    pod_start no-host-pid
    JOB_PREFIX=(unshare --pid --fork --mount-proc --kill-child)
    commit kill
    want status 1 "$STATUS"
    want_in hostPID "$MESSAGE"
    want 'the container' RUNNING "$(pod_state)"
    commit thaw
    want 'status of a live snapshot' 0 "$STATUS"
    pod_remove
}

three_capabilities_and_reading_are_enough()
{
    pod_start rights
    # A folder of the base that was replaced, a file that nobody may read, a process of somebody else.
    in_pod 'cp /bin/busybox /busybox; b=/busybox; $b rm -r /bin; $b mkdir /bin; for i in sh ls stat tail; do $b cp $b /bin/$i; done'
    in_pod 'b=/busybox; $b mkdir -m 700 -p /etc/deep; echo x >/etc/deep/secret; $b chmod 0 /etc/deep/secret; $b chown -R 4321:4321 /etc'
    cdctl tasks exec --detach --user 4321:4321 --exec-id other "$POD" /busybox sleep 1000
    JOB_PREFIX=(in_a_container "sys_admin dac_read_search kill")
    commit kill
    want status 0 "$STATUS"
    nothing_acknowledged_is_lost
    want 'the replaced folder' 'ls sh stat tail' "$(in_image 'echo $(ls /bin)')"
    want 'the deep file' '0 4321' "$(in_image 'stat -c "%a %u" /etc/deep/secret')"
    pod_remove
}

it 'a pause kills while frozen and tells the result' a_pause_kills_while_frozen_and_tells_the_result
it 'a live snapshot lets the container run' a_live_snapshot_lets_the_container_run
it 'without a key every run is a commit of its own' without_a_key_every_run_is_a_commit_of_its_own
it 'the pod uid decides when it is given' the_pod_uid_decides_when_it_is_given
it 'refused credentials are not worth another try' refused_credentials_are_not_worth_another_try
it 'missing credentials mean none' missing_credentials_mean_none
it 'what makes no sense is refused with the reason' what_makes_no_sense_is_refused_with_the_reason
it 'a state folder that cannot be used is replaced for this run' a_state_folder_that_cannot_be_used_is_replaced_for_this_run
it 'the same key is answered again even without the pod' the_same_key_is_answered_again_even_without_the_pod
it 'a live snapshot is answered again, too' a_live_snapshot_is_answered_again_too
it 'two at once are one commit' two_at_once_are_one_commit
it 'a crash while frozen is thawed and committed anew' a_crash_while_frozen_is_thawed_and_committed_anew
it 'a crash while holding goes on to the kill' a_crash_while_holding_goes_on_to_the_kill
it 'a crash while killing finishes the kill' a_crash_while_killing_finishes_the_kill
it 'a lost state folder is survived' a_lost_state_folder_is_survived
it 'a hold that ran meanwhile is committed anew' a_hold_that_ran_meanwhile_is_committed_anew
it 'killed at any moment it loses nothing' killed_at_any_moment_it_loses_nothing
it 'a signal to stop thaws' a_signal_to_stop_thaws
it 'unpause frees what a dead commit left' unpause_frees_what_a_dead_commit_left
it 'unpause finds the commit without its key' unpause_finds_the_commit_without_its_key
it 'unpause leaves the dead alone' unpause_leaves_the_dead_alone
it 'old results go and young ones stay' old_results_go_and_young_ones_stay
it 'a Job pays the debts of another that never came back' a_job_pays_the_debts_of_another_that_never_came_back
it 'three capabilities and reading are enough' three_capabilities_and_reading_are_enough
it 'without one of them nothing is begun' without_one_of_them_nothing_is_begun
it 'without a view of the processes only live snapshots are made' without_the_nodes_processes_only_live_snapshots_are_made
e2e_end
