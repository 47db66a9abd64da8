#!/usr/bin/env bash
# test_faults.sh DIR - each part of the cluster dies in the middle of a pause.
#
# The law: the sandbox ends Running or Paused, with every write that was acknowledged to the outside (witness.sh); nothing is
# frozen, nothing is left, and one image was made.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

enter() { kubectl -n "$NS" exec "$1-0" -c sandbox -- "${@:2}"; } # SANDBOX COMMAND...

# A sandbox with something to push, a writer that never rests, and a pause whose commit has frozen it.
pause_under_way() # SANDBOX
{
    new_sandbox "$1"
    NODE=$(kubectl -n "$NS" get pod "$1-0" -o jsonpath='{.spec.nodeName}')
    inside "$1" dd if=/dev/urandom of=/big bs=1M count=96 2>/dev/null
    witness_start "$(outside_address)"
    witness_writer enter "$1"
    set_pause "$1" true
    until_frozen "$1"
}

tasks_of_pod() # NODE POD: "<container id> <pid> <state>" of each task
{
    local id
    for id in $(in_node "$1" ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.pod.name\"==$2,labels.\"io.cri-containerd.kind\"==container"); do
        in_node "$1" ctr -n k8s.io tasks ls | awk -v id="$id" '$1 == id'
    done
}

is_frozen() { [[ "$(tasks_of_pod "$NODE" "$1-0")" = *PAUSED* ]]; } # SANDBOX
until_frozen() { within 30 is_frozen "$1" || { echo "nothing was frozen within 30 s" >&2; return 1; }; }

kill_processes_of() # NAMESPACE POD
{
    local node pid
    node=$(kubectl -n "$1" get pod "$2" -o jsonpath='{.spec.nodeName}')
    for pid in $(tasks_of_pod "$node" "$2" | awk '{ print $2 }'); do
        in_node "$node" kill -KILL "$pid"
    done
}

rests() { PHASE=$(phase_of "$1") && [[ "$PHASE" = Succeed || "$PHASE" = Paused ]]; } # SANDBOX: sets PHASE

ends_with_all_files() # SANDBOX
{
    within 120 rests "$1" || { echo "$1 is $PHASE after 120 s" >&2; return 1; }
    if [ "$PHASE" = Paused ]; then
        want "commits" 1 "$(snapshot_of "$1" '{.status.attempts}')"
        want "digest" "$(registry_digest "$(repository_of "$1")" snap-gen1)" "$(snapshot_of "$1" '{.status.containers[0].imageDigest}')"
        resume "$1"
    fi
    witness_check enter "$1"
    # And it can be paused and resumed again.
    set_pause "$1" null
    pause "$1"
    resume "$1"
    witness_check enter "$1"
    nothing_is_left
}

# The Lease names the pod, and a random number after it.
leader() { kubectl -n "$SYSTEM" get lease 2fa1c467.opensandbox.io -o jsonpath='{.spec.holderIdentity}' | sed 's/_[^_]*$//'; }

the_leader_is_killed()
{
    local leader
    pause_under_way leader
    leader=$(leader)
    kill_processes_of "$SYSTEM" "$leader"
    ends_with_all_files leader
}

the_leaders_pod_is_deleted()
{
    local leader
    pause_under_way deposed
    leader=$(leader)
    kubectl -n "$SYSTEM" delete pod "$leader" --wait=false >/dev/null
    ends_with_all_files deposed
}

agent_on() { kubectl -n "$SYSTEM" get pods -l app.kubernetes.io/component=committer-agent --field-selector "spec.nodeName=$1" -o jsonpath='{.items[0].metadata.name}'; }

the_agent_is_killed()
{
    pause_under_way agent
    kill_processes_of "$SYSTEM" "$(agent_on "$NODE")"
    ends_with_all_files agent
}

the_agents_pod_is_deleted()
{
    pause_under_way agent-pod
    kubectl -n "$SYSTEM" delete pod "$(agent_on "$NODE")" --grace-period=0 --force >/dev/null 2>&1
    ends_with_all_files agent-pod
}

the_api_server_is_restarted()
{
    pause_under_way apiserver
    node_service 1 kube-apiserver kill
    node_service 1 kube-apiserver start
    ends_with_all_files apiserver
}

the_nodes_kubelet_is_stopped()
{
    pause_under_way kubelet
    trap 'node_service "$NODE" kubelet start; kill "$WITNESS_PID" 2>/dev/null || :' EXIT
    node_service "$NODE" kubelet stop
    kubectl -n "$NS" wait sbxsnap/kubelet-pause --for=jsonpath='{.status.phase}'=Succeed --timeout=60s >/dev/null # the agent goes on
    want "phase while the pod cannot go" Pausing "$(phase_of kubelet)"
    node_service "$NODE" kubelet start
    ends_with_all_files kubelet
}

no_write_is_lost_when_nothing_fails()
{
    local n
    new_sandbox calm
    witness_start "$(outside_address)"
    witness_writer enter calm
    for n in 1 2 3; do
        pause calm
        resume calm
        witness_check enter calm
    done
}

kube_begin faults "$1"
it "no acknowledged write is lost by a pause" no_write_is_lost_when_nothing_fails
it "the leader of snapshot-svc killed: Running or Paused with every acknowledged write" the_leader_is_killed
it "the leader's pod deleted: Running or Paused with every acknowledged write" the_leaders_pod_is_deleted
it "the agent killed: Running or Paused with every acknowledged write" the_agent_is_killed
it "the agent's pod deleted: Running or Paused with every acknowledged write" the_agents_pod_is_deleted
it "kube-apiserver killed and started: Running or Paused with every acknowledged write" the_api_server_is_restarted
it "the node's kubelet stopped: Paused once it is back, with every acknowledged write" the_nodes_kubelet_is_stopped
e2e_end
