#!/usr/bin/env bash
# test_pause_resume.sh DIR BIN - the main job on a real cluster: by kubectl, REST and gRPC, and every refusal that the guide tells of.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

file_deletion_and_environment_survive_three_cycles()
{
    local n uid digest name=cycles-$$ # the registry keeps tags of earlier runs
    new_sandbox "$name"
    uid=$(uid_of "$name")
    inside "$name" sh -c 'mkdir -p /a/b && echo one >/a/b/new && ln /a/b/new /a/hard && rm /etc/group && chmod 4711 /bin/busybox'
    for n in 1 2 3; do
        inside "$name" sh -c "echo $n >>/log"
        pause "$name"
        want "pods while Paused" "" "$(pods_of "$name")"
        want "tags" "$(seq -s ' ' -f 'snap-gen%g' 1 "$n")" "$(registry_tags "$(repository_of "$name")")"
        digest=$(snapshot_of "$name" '{.status.containers[0].imageDigest}')
        want "image digest" "$(registry_digest "$(repository_of "$name")" "snap-gen$n")" "$digest"
        resume "$name"
        want "uid" "$uid" "$(uid_of "$name")"
        want "file" one "$(inside "$name" cat /a/b/new)"
        want "log" "$(seq 1 "$n")" "$(inside "$name" cat /log)"
        want "links" 2 "$(inside "$name" stat -c %h /a/hard)"
        want "mode" 4711 "$(inside "$name" stat -c %a /bin/busybox)"
        want "environment" hello "$(inside "$name" sh -c 'echo $GREETING')"
        if inside "$name" test -e /etc/group; then echo "the deleted file is back" >&2; return 1; fi
        want "snapshot after the resume" "" "$(kubectl -n "$NS" get sbxsnap "$name-pause" --ignore-not-found -o name)"
    done
    nothing_is_left
}

the_spec_keeps_the_wish_and_status_tells_the_story()
{
    new_sandbox story
    pause story
    want "spec.pause" true "$(kubectl -n "$NS" get bsbx story -o jsonpath='{.spec.pause}')"
    want "columns" "PHASE SANDBOX_ID AGE" "$(kubectl -n "$NS" get sandboxsnapshot story-pause | awk 'NR == 1 { print $2, $3, $4 }')"
    want "row" "Succeed story" "$(kubectl -n "$NS" get sbxsnap story-pause --no-headers | awk '{ print $2, $3 }')"
    want "Paused" True "$(condition_of story Paused status)"
    want "PauseFailed" "" "$(condition_of story PauseFailed status)"
    want "endpoints" "[]" "$(kubectl -n "$NS" get bsbx story -o jsonpath='{.metadata.annotations.sandbox\.opensandbox\.io/endpoints}')"
    want_in "Paused" "$(kubectl -n "$NS" describe bsbx story)"
    want_in "SnapshotReady" "$(kubectl -n "$NS" describe sbxsnap story-pause)"
    want_in "JobSucceeded" "$(kubectl -n "$NS" describe sbxsnap story-pause)"
    resume story
    want_in "Resumed" "$(kubectl -n "$NS" describe bsbx story)"
}

renewing_the_expiry_while_paused_does_not_touch_the_snapshot()
{
    local uid
    new_sandbox renewed
    pause renewed
    uid=$(snapshot_of renewed '{.metadata.uid}')
    kubectl -n "$NS" patch bsbx renewed --type=merge -p '{"spec":{"expireTime":"2040-01-01T00:00:00Z"}}' >/dev/null
    kubectl -n "$NS" wait bsbx/renewed --for=jsonpath='{.status.observedGeneration}'=3 --timeout=20s >/dev/null
    want "phase" Paused "$(phase_of renewed)"
    want "snapshot" "$uid" "$(snapshot_of renewed '{.metadata.uid}')"
    want "spec.expireTime" 2040-01-01T00:00:00Z "$(kubectl -n "$NS" get bsbx renewed -o jsonpath='{.spec.expireTime}')"
    resume renewed
}

two_replicas_are_refused()
{
    sandbox_yaml two 2 | kubectl apply -f - >/dev/null
    until_phase two Succeed
    set_pause two true
    until_condition two PauseFailed 20
    want "reason" UnsupportedReplicas "$(condition_of two PauseFailed reason)"
    want_in "spec.replicas=1" "$(condition_of two PauseFailed message)"
    want "snapshot" "" "$(kubectl -n "$NS" get sbxsnap two-pause --ignore-not-found -o name)"
}

wrong_credentials_fail_the_pause_in_seconds_and_a_repaired_secret_heals_it()
{
    new_sandbox credentials
    inside credentials sh -c 'echo kept >/kept'
    put_secret wrong
    trap 'put_secret "$(registry_password)"' EXIT
    set_pause credentials true
    until_condition credentials PauseFailed 30
    want_in RegistryUnauthorized "$(condition_of credentials PauseFailed message)"
    want "phase" Succeed "$(phase_of credentials)"
    nothing_is_left
    put_secret "$(registry_password)"
    set_pause credentials null
    set_pause credentials true
    until_phase credentials Paused
    want "PauseFailed" "" "$(condition_of credentials PauseFailed status)"
    resume credentials
    want "file" kept "$(inside credentials cat /kept)"
}

# Each row of the guide: the reason, at once. "kubectl" commands make the fault.
secret_faults_are_told_before_anything_is_frozen()
{
    new_sandbox secrets
    trap 'kubectl -n "$NS" delete secret registry --ignore-not-found >/dev/null; put_secret "$(registry_password)"' EXIT

    kubectl -n "$NS" delete secret registry >/dev/null
    set_pause secrets true
    until_condition secrets PauseFailed 20
    want_in "registry not found in namespace $NS" "$(condition_of secrets PauseFailed message)"
    want "Jobs" "" "$(kubectl -n "$NS" get jobs -o name)"

    kubectl -n "$NS" create secret generic registry --from-literal=token=x >/dev/null
    set_pause secrets null
    set_pause secrets true
    until_message secrets "want type kubernetes.io/dockerconfigjson, found Opaque"

    kubectl -n "$NS" delete secret registry >/dev/null
    kubectl -n "$NS" create secret docker-registry registry --docker-server=elsewhere.example --docker-username=a --docker-password=b >/dev/null
    set_pause secrets null
    set_pause secrets true
    until_message secrets "has no entry for the registry"
    nothing_is_left
}
says() { [[ "$(condition_of "$1" PauseFailed message)" = *"$2"* ]]; }                                        # SANDBOX TEXT
until_message() { within 20 says "$1" "$2" || want_in "$2" "$(condition_of "$1" PauseFailed message)"; } # SANDBOX TEXT

a_registry_that_is_away_fails_the_pause_at_once()
{
    new_sandbox unreachable
    trap 'node_service 1 docker-registry start' EXIT
    node_service 1 docker-registry stop
    set_pause unreachable true
    until_condition unreachable PauseFailed 30
    want_in RegistryUnreachable "$(condition_of unreachable PauseFailed message)"
    want "phase" Succeed "$(phase_of unreachable)"
    node_service 1 docker-registry start
    set_pause unreachable null
    pause unreachable
    resume unreachable
}

a_broken_image_fails_the_resume_and_keeps_the_snapshot_until_it_is_repaired()
{
    local good
    new_sandbox broken
    inside broken sh -c 'echo precious >/precious'
    pause broken
    good=$(snapshot_of broken '{.status.containers}')
    kubectl -n "$NS" patch sbxsnap broken-pause --subresource=status --type=merge \
        -p "{\"status\":{\"containers\":[{\"containerName\":\"sandbox\",\"imageUri\":\"$REGISTRY/no/such:image\"}]}}" >/dev/null
    set_pause broken false
    until_phase broken Failed
    want "ResumeFailed" True "$(condition_of broken ResumeFailed status)"
    want_in ImagePull "$(condition_of broken ResumeFailed message)"
    want "snapshot" Succeed "$(snapshot_of broken '{.status.phase}')"
    kubectl -n "$NS" patch sbxsnap broken-pause --subresource=status --type=merge -p "{\"status\":{\"containers\":$good}}" >/dev/null
    set_pause broken null
    set_pause broken false
    until_phase broken Succeed
    want "file" precious "$(inside broken cat /precious)"
}

long_names_work()
{
    local name length
    for length in 63 200; do
        name=$(printf 'long-%0*d' $((length - 5)) 7)
        want "length" "$length" "${#name}"
        new_sandbox "$name"
        inside "$name" sh -c 'echo kept >/kept'
        pause "$name"
        resume "$name"
        want "file" kept "$(inside "$name" cat /kept)"
        kubectl -n "$NS" delete bsbx "$name" >/dev/null
    done
}

a_manual_snapshot_thaws_its_source_and_has_a_tag_of_its_own()
{
    new_sandbox manual
    inside manual sh -c 'echo one >/file'
    printf 'apiVersion: sandbox.opensandbox.io/v1alpha1\nkind: SandboxSnapshot\nmetadata: {name: by-hand, namespace: %s}\nspec: {sandboxName: manual}\n' "$NS" |
        kubectl apply -f - >/dev/null
    kubectl -n "$NS" wait sbxsnap/by-hand --for=jsonpath='{.status.phase}'=Succeed --timeout=60s >/dev/null
    want_in ":snap-$(printf by-hand | sha256sum | cut -c1-32)" "$(kubectl -n "$NS" get sbxsnap by-hand -o jsonpath='{.status.containers[0].imageUri}')"
    want "phase" Succeed "$(phase_of manual)"
    want "it runs on" one "$(inside manual cat /file)"
    nothing_is_left
    kubectl -n "$NS" delete bsbx manual >/dev/null
    want "snapshot survives" by-hand "$(kubectl -n "$NS" get sbxsnap by-hand -o jsonpath='{.metadata.name}')"
}

a_snapshot_of_a_missing_sandbox_fails_and_names_it()
{
    printf 'apiVersion: sandbox.opensandbox.io/v1alpha1\nkind: SandboxSnapshot\nmetadata: {name: of-nobody, namespace: %s}\nspec: {sandboxName: nobody}\n' "$NS" |
        kubectl apply -f - >/dev/null
    kubectl -n "$NS" wait sbxsnap/of-nobody --for=jsonpath='{.status.phase}'=Failed --timeout=20s >/dev/null
    want_in nobody "$(kubectl -n "$NS" get sbxsnap of-nobody -o jsonpath='{.status.conditions[0].message}')"
    want "Jobs" "" "$(kubectl -n "$NS" get job -l sandbox.opensandbox.io/snapshot=of-nobody -o name)"
}

deleting_works_in_every_state_and_leaves_nothing()
{
    local state
    for state in running pausing paused; do
        new_sandbox "delete-$state"
        case "$state" in
        pausing)
            inside delete-pausing dd if=/dev/urandom of=/big bs=1M count=64 2>/dev/null
            set_pause delete-pausing true
            kubectl -n "$NS" wait bsbx/delete-pausing --for=jsonpath='{.status.phase}'=Pausing --timeout=20s >/dev/null
            ;;
        paused) pause delete-paused ;;
        esac
        kubectl -n "$NS" delete bsbx "delete-$state" --timeout=60s >/dev/null
        kubectl -n "$NS" wait --for=delete "pod/delete-$state-0" "sbxsnap/delete-$state-pause" --timeout=60s >/dev/null
    done
    nothing_is_left
}

an_expired_sandbox_goes_with_its_pods()
{
    local expires
    sandbox_yaml expiring | sed "s|^  replicas:|  expireTime: \"2040-01-01T00:00:00Z\"\n  replicas:|" | kubectl apply -f - >/dev/null
    until_phase expiring Succeed
    want "pod" Running "$(kubectl -n "$NS" get pod expiring-0 -o jsonpath='{.status.phase}')"
    expires=$(($(date +%s) + 5))
    kubectl -n "$NS" patch bsbx expiring --type=merge -p "{\"spec\":{\"expireTime\":\"$(date -u -d "@$expires" +%Y-%m-%dT%H:%M:%SZ)\"}}" >/dev/null
    kubectl -n "$NS" wait --for=delete bsbx/expiring --timeout=60s >/dev/null
    [ "$(date +%s)" -ge "$expires" ] || { echo "it went before its time" >&2; return 1; }
    kubectl -n "$NS" wait --for=delete pod/expiring-0 --timeout=60s >/dev/null
}

# ---- the public doors ----

api_key_header() { printf 'OPEN-SANDBOX-API-KEY: %s\n' "$(api_key)"; }
rest() # METHOD PATH [BODY]: sets STATUS, BODY
{
    local answer=$E2E_DIR/answer
    STATUS=$(curl -s -m 90 -o "$answer" -w '%{http_code}' -X "$1" -H @<(api_key_header) -H 'Content-Type: application/json' \
        ${3+--data "$3"} "http://$(service_address):8080$2")
    BODY=$(cat "$answer")
}
is_in_state() { rest GET "/v1/sandboxes/$1" && [ "$(jq -r .status.state <<<"$BODY")" = "$2" ]; } # ID STATE
until_state() { within 60 is_in_state "$1" "$2" || { echo "want $2: $BODY" >&2; return 1; }; }    # ID STATE
create_by_rest() # sets ID
{
    rest POST /v1/sandboxes "{\"image\":{\"uri\":\"$IMAGE\"},\"entrypoint\":[\"sh\",\"-c\",\"trap exit TERM; sleep infinity & wait\"],\"resourceLimits\":{},\"env\":{\"GREETING\":\"hello\"}}"
    want "status of create" 202 "$STATUS"
    ID=$(jq -re .id <<<"$BODY")
}
pod_sh() { kubectl -n "$SANDBOXES" exec "$(kubectl -n "$SANDBOXES" get pods -l opensandbox.io/id="$ID" -o jsonpath='{.items[0].metadata.name}')" -- sh -c "$1"; }

rest_pauses_and_resumes()
{
    create_by_rest
    pod_sh 'echo one >/file'
    rest POST "/v1/sandboxes/$ID/pause"
    want "status of pause" 202 "$STATUS"
    until_state "$ID" Paused
    want "pods" "" "$(kubectl -n "$SANDBOXES" get pods -l opensandbox.io/id="$ID" -o name)"
    rest POST "/v1/sandboxes/$ID/resume"
    want "status of resume" 202 "$STATUS"
    until_state "$ID" Running
    want "file" one "$(pod_sh 'cat /file')"
    want "environment" hello "$(pod_sh 'echo $GREETING')"
    rest DELETE "/v1/sandboxes/$ID"
    want "status of delete" 204 "$STATUS"
}

grpc_pauses_and_resumes()
{
    create_by_rest
    pod_sh 'echo one >/file'
    stasis pause "$ID" --wait
    want "pods" "" "$(kubectl -n "$SANDBOXES" get pods -l opensandbox.io/id="$ID" -o name)"
    stasis resume "$ID" --wait
    want "file" one "$(pod_sh 'cat /file')"
    stasis delete "$ID" --wait
}
stasis()
{
    service_ca >"$E2E_DIR/ca.crt"
    OPEN_SANDBOX_API_KEY=$(api_key) "$STASISCTL" --address "$(service_address):8090" \
        --ca-file "$E2E_DIR/ca.crt" --tls-server-name "$SERVICE_NAME" "$@"
}

scale_snapshot_svc() { kubectl -n "$SYSTEM" scale deployment/stasis-snapshot-svc --replicas="$1" >/dev/null; }
snapshot_svc_back()
{
    scale_snapshot_svc 2
    kubectl -n "$SYSTEM" rollout status deployment/stasis-snapshot-svc --timeout=60s >/dev/null
}
without_a_controller_the_api_says_so_and_a_wish_waits()
{
    new_sandbox waiting
    create_by_rest
    trap snapshot_svc_back EXIT
    scale_snapshot_svc 0
    kubectl -n "$SYSTEM" wait --for=delete pod -l app.kubernetes.io/component=snapshot-svc --timeout=60s >/dev/null
    rest POST "/v1/sandboxes/$ID/pause"
    want "status of pause" 503 "$STATUS"
    want_in snapshot-svc "$BODY"
    set_pause waiting true
    snapshot_svc_back
    until_phase waiting Paused
    resume waiting
    rest DELETE "/v1/sandboxes/$ID"
    want "status of delete" 204 "$STATUS"
}

kube_begin main "$1"
STASISCTL=$2/stasisctl
SANDBOXES=opensandbox
it "file, deletion and environment survive three cycles" file_deletion_and_environment_survive_three_cycles
it "the spec keeps the wish and the status tells the story" the_spec_keeps_the_wish_and_status_tells_the_story
it "REST pauses and resumes" rest_pauses_and_resumes
it "gRPC pauses and resumes" grpc_pauses_and_resumes
it "renewing the expiry while Paused does not touch the snapshot" renewing_the_expiry_while_paused_does_not_touch_the_snapshot
it "two replicas are refused" two_replicas_are_refused
it "wrong credentials fail the pause in seconds and a repaired Secret heals it" wrong_credentials_fail_the_pause_in_seconds_and_a_repaired_secret_heals_it
it "Secret faults are told before anything is frozen" secret_faults_are_told_before_anything_is_frozen
it "a registry that is away fails the pause at once" a_registry_that_is_away_fails_the_pause_at_once
it "a broken image fails the resume and keeps the snapshot until it is repaired" a_broken_image_fails_the_resume_and_keeps_the_snapshot_until_it_is_repaired
it "names of 63 and 200 characters work" long_names_work
it "a manual snapshot thaws its source and has a tag of its own" a_manual_snapshot_thaws_its_source_and_has_a_tag_of_its_own
it "a snapshot of a missing sandbox fails and names it" a_snapshot_of_a_missing_sandbox_fails_and_names_it
it "deleting works in every state and leaves nothing" deleting_works_in_every_state_and_leaves_nothing
it "an expired sandbox goes with its pods" an_expired_sandbox_goes_with_its_pods
it "without a controller the API says so, and a wish waits for one" without_a_controller_the_api_says_so_and_a_wish_waits
e2e_end
