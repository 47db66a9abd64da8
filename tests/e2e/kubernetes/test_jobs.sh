#!/usr/bin/env bash
# test_jobs.sh DIR - commit Jobs: the same pause where no node has an agent, and the objects that the contract describes (§9.1).
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

helm_set() { helm upgrade stasis "$E2E_ROOT/deploy/helm/stasis" -n "$SYSTEM" --reuse-values --wait --timeout 3m "$@" >/dev/null; }

jobs_end()
{
    local status=$?
    helm_set --set agent.enabled=true --set controller.commitMode=auto || status=1
    kube_end "$status"
}

job() { kubectl -n "$NS" get job "$1" -o json | jq -r "$2"; } # NAME FILTER

a_job_commits_where_no_agent_runs()
{
    local n
    new_sandbox cycles
    inside cycles sh -c 'mkdir /a && echo one >/a/new && ln /a/new /a/hard && rm /etc/group && chmod 4711 /bin/busybox'
    for n in 1 2 3; do
        pause cycles
        want "pods while Paused" "" "$(pods_of cycles)"
        want "committer" job "$(snapshot_of cycles '{.status.committer}')"
        want "digest" "$(registry_digest "$(repository_of cycles)" "snap-gen$n")" "$(snapshot_of cycles '{.status.containers[0].imageDigest}')"
        resume cycles
        want "file" one "$(inside cycles cat /a/new)"
        want "links" 2 "$(inside cycles stat -c %h /a/hard)"
        want "mode" 4711 "$(inside cycles stat -c %a /bin/busybox)"
        want "environment" hello "$(inside cycles sh -c 'echo $GREETING')"
        if inside cycles test -e /etc/group; then echo "the deleted file is back" >&2; return 1; fi
    done
    nothing_is_left
}

the_job_is_what_the_contract_says()
{
    new_sandbox contract
    pause contract
    want "label" contract-pause "$(job contract-pause-commit '.metadata.labels["sandbox.opensandbox.io/snapshot"]')"
    want "label of OpenSandbox" contract-pause "$(job contract-pause-commit '.metadata.labels["sandbox.opensandbox.io/sandbox-snapshot-name"]')"
    want "label" true "$(job contract-pause-commit '.metadata.labels["sandbox.opensandbox.io/privileged-node-access"]')"
    want "pod's label" contract-pause "$(job contract-pause-commit '.spec.template.metadata.labels["sandbox.opensandbox.io/snapshot"]')"
    want "owner" SandboxSnapshot/contract-pause "$(job contract-pause-commit '.metadata.ownerReferences[0] | "\(.kind)/\(.name)"')"
    want "limits" "3 300 600 Never" "$(job contract-pause-commit '.spec | "\(.backoffLimit) \(.ttlSecondsAfterFinished) \(.activeDeadlineSeconds) \(.template.spec.restartPolicy)"')"
    want "command" /usr/local/bin/image-committer "$(job contract-pause-commit '.spec.template.spec.containers[0].command | join(" ")')"
    want "args" "contract-0 $NS sandbox:$REGISTRY/$(repository_of contract):snap-gen1" "$(job contract-pause-commit '.spec.template.spec.containers[0].args | join(" ")')"
    want "security" "0 false ALL" "$(job contract-pause-commit '.spec.template.spec.containers[0].securityContext | "\(.runAsUser) \(.allowPrivilegeEscalation) \(.capabilities.drop | join(","))"')"
    want_in '"digest":"sha256:' "$(kubectl -n "$NS" get pods -l job-name=contract-pause-commit -o jsonpath='{.items[*].status.containerStatuses[0].state.terminated.message}')"
    want_not_in "$(registry_password)" "$(kubectl -n "$NS" get job contract-pause-commit -o json)"
    resume contract
}

a_failed_job_tells_why_and_its_twin_thaws()
{
    new_sandbox failing
    inside failing sh -c 'echo kept >/kept'
    put_secret wrong
    trap 'put_secret "$(registry_password)"' EXIT
    set_pause failing true
    until_condition failing PauseFailed 60
    want_in RegistryUnauthorized "$(condition_of failing PauseFailed message)"
    want "phase" Succeed "$(phase_of failing)"
    want "args of the twin" "unpause failing-0 $NS sandbox" "$(job failing-pause-unpause '.spec.template.spec.containers[0].args | join(" ")')"
    want "tries of the twin" 0 "$(job failing-pause-unpause .spec.backoffLimit)"
    kubectl -n "$NS" wait job/failing-pause-unpause --for=condition=complete --timeout=60s >/dev/null
    nothing_is_left
    put_secret "$(registry_password)"
    set_pause failing null
    pause failing
    resume failing
    want "file" kept "$(inside failing cat /kept)"
}

no_write_is_lost_by_a_job()
{
    local n
    new_sandbox calm
    witness_start "$(outside_address)"
    enter() { kubectl -n "$NS" exec calm-0 -c sandbox -- "$@"; }
    witness_writer enter
    for n in 1 2; do
        pause calm
        resume calm
        witness_check enter
    done
}

pod_of_job_runs() # JOB: sets POD
{
    POD=$(kubectl -n "$NS" get pods -l "job-name=$1" --field-selector status.phase=Running -o jsonpath='{.items[0].metadata.name}' 2>/dev/null) &&
        [ -n "$POD" ]
}

a_job_that_is_killed_in_mid_commit_is_done_again_by_the_next_pod()
{
    new_sandbox killed
    inside killed sh -c 'echo kept >/kept; dd if=/dev/urandom of=/big bs=1M count=400 2>/dev/null' # seconds to be caught in
    set_pause killed true
    within 40 pod_of_job_runs killed-pause-commit || { echo "no pod of the Job was seen running" >&2; return 1; }
    kubectl -n "$NS" delete pod "$POD" --grace-period=0 --force >/dev/null 2>&1
    until_phase killed Paused 120
    want "pods that the Job needed" 2 "$(kubectl -n "$NS" get events --field-selector reason=SuccessfulCreate,involvedObject.name=killed-pause-commit -o json | jq '[.items[].count // 1] | add')"
    resume killed
    want "file" kept "$(inside killed cat /kept)"
    nothing_is_left
}

deleting_in_mid_commit_leaves_nobody_frozen()
{
    new_sandbox gone
    inside gone dd if=/dev/urandom of=/big bs=1M count=64 2>/dev/null
    set_pause gone true
    kubectl -n "$NS" wait sbxsnap/gone-pause --for=jsonpath='{.status.phase}'=Committing --timeout=30s >/dev/null
    kubectl -n "$NS" delete bsbx gone --timeout=120s >/dev/null
    kubectl -n "$NS" wait --for=delete pod/gone-0 sbxsnap/gone-pause --timeout=120s >/dev/null
    nothing_is_left
}

job_trouble_is_told() { kubectl -n "$NS" describe sbxsnap "$1" | awk '/JobPodNotStarting.*ImagePull/ { found = 1 } END { exit !found }'; } # SNAPSHOT

an_image_that_cannot_be_pulled_is_told_early()
{
    helm_set --set controller.snapshot.imageCommitterImage="$REGISTRY/no/such:committer"
    trap 'helm_set --set controller.snapshot.imageCommitterImage=' EXIT
    new_sandbox nojob
    set_pause nojob true
    within 20 job_trouble_is_told nojob-pause
    # The Job may not run later, so the pause fails when the kubelet has let go of its pod: 1.20 takes most of a minute for one that never started.
    until_condition nojob PauseFailed 150
    want_in ImagePull "$(condition_of nojob PauseFailed message)"
    want "phase" Succeed "$(phase_of nojob)"
    nothing_is_left
}

kube_begin jobs "$1"
trap jobs_end EXIT
helm_set --set agent.enabled=false || exit 1
it "a Job commits where no agent runs" a_job_commits_where_no_agent_runs
it "the Job is what the contract says" the_job_is_what_the_contract_says
it "a failed Job tells why, and its twin thaws" a_failed_job_tells_why_and_its_twin_thaws
it "no acknowledged write is lost by a Job" no_write_is_lost_by_a_job
it "a Job killed in mid-commit is done again by its next pod" a_job_that_is_killed_in_mid_commit_is_done_again_by_the_next_pod
it "deleting in mid-commit leaves nobody frozen" deleting_in_mid_commit_leaves_nobody_frozen
it "a committer image that cannot be pulled is told early" an_image_that_cannot_be_pulled_is_told_early
e2e_end
