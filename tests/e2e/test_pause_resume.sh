#!/usr/bin/env bash
# test_pause_resume.sh BIN - the main job and every documented refusal, through REST, gRPC (stasisctl) and the registry.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

file_deletion_and_environment_survive_two_cycles()
{
    local id n
    id=$(new_sandbox --env GREETING=hello)
    stasis exec "$id" -- sh -c 'mkdir -p /a/b && echo one >/a/b/new && ln /a/b/new /a/hard && rm /etc/group && echo x >>/etc/passwd && mkfifo /a/pipe && chmod 4711 /bin/busybox'
    for n in 1 2; do
        stasis pause "$id" --wait
        want "containers while Paused" "" "$(tasks_of "$id")"
        want "state" Paused "$(state_of "$id")"
        want "first byte of a digest" sha256: "$(registry_digest "snapshots/$id-sandbox" "snap-gen$n" | cut -c1-7)"
        stasis resume "$id" --wait
        want "state" Running "$(state_of "$id")"
        want "file" one "$(stasis exec "$id" -- cat /a/b/new)"
        want "links" 2 "$(stasis exec "$id" -- stat -c %h /a/hard)"
        want "mode" 4711 "$(stasis exec "$id" -- stat -c %a /bin/busybox)"
        want "fifo" fifo "$(stasis exec "$id" -- stat -c %F /a/pipe)"
        want "environment" hello "$(stasis exec "$id" -- sh -c 'echo $GREETING')"
        if stasis exec "$id" -- test -e /etc/group; then echo "the deleted file is back" >&2; return 1; fi
    done
    nothing_is_left
    stasis delete "$id"
}

the_image_digest_is_the_registrys_manifest_digest()
{
    local id
    id=$(new_sandbox)
    stasis pause "$id" --wait
    want_in "$(registry_digest "snapshots/$id-sandbox" snap-gen1)" "$(stasis get "$id" -o json)"
    stasis delete "$id"
}

rest_pause_and_resume_answer_as_the_contract_says()
{
    local id
    rest POST /v1/sandboxes "{\"image\":{\"uri\":\"$IMAGE\"},\"entrypoint\":[\"sleep\",\"infinity\"],\"resourceLimits\":{},\"env\":{},\"metadata\":{\"project\":\"demo\"},\"secureAccess\":false,\"extensions\":{}}"
    want "status" 202 "$STATUS"
    id=$(jq -re .id <<<"$BODY")
    want "state" Running "$(jq -r .status.state <<<"$BODY")"
    want "metadata" demo "$(jq -r .metadata.project <<<"$BODY")"
    want "expiry" null "$(jq -r .expiresAt <<<"$BODY")"

    rest POST "/v1/sandboxes/$id/resume"
    want "status of resume while Running" 409 "$STATUS"
    want "code" KUBERNETES::INVALID_STATE "$(jq -r .code <<<"$BODY")"
    want_in "expected Paused" "$(jq -r .message <<<"$BODY")"

    rest POST "/v1/sandboxes/$id/pause"
    want "status of pause" 202 "$STATUS"
    want "body of pause" "" "$BODY"
    want_in "content-length: 0" "$HEADERS"
    want_in "x-request-id:" "$HEADERS"
    rest POST "/v1/sandboxes/$id/pause" # in progress, or already paused: never a second 202
    want "status of a second pause" 409 "$STATUS"

    stasis wait "$id" Paused
    rest POST "/v1/sandboxes/$id/pause"
    want "status of pause while Paused" 409 "$STATUS"
    want_in "already paused" "$(jq -r .message <<<"$BODY")"

    REST_OPTIONS=(-H "X-Request-ID: my-request")
    rest POST "/sandboxes/$id/resume" # without /v1
    want "status of resume" 202 "$STATUS"
    want_in "x-request-id: my-request" "$HEADERS"
    stasis wait "$id" Running
    rest DELETE "/v1/sandboxes/$id"
    want "status of delete" 204 "$STATUS"
}

unknown_sandboxes_are_404_and_missing_keys_401()
{
    local verb
    for verb in "GET " "DELETE " "POST /pause" "POST /resume"; do
        rest "${verb%% *}" "/v1/sandboxes/0f1e2d3c-0000-4000-8000-000000000000${verb#* }"
        want "status of $verb" 404 "$STATUS"
        want "code of $verb" KUBERNETES::SANDBOX_NOT_FOUND "$(jq -r .code <<<"$BODY")"
    done
    want "without a key" 401 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$STACK_REST_PORT/v1/sandboxes")"
    want "health without a key" '{"status":"healthy"}' "$(curl -s "http://127.0.0.1:$STACK_REST_PORT/health")"
}

bad_input_is_refused_with_the_member_that_is_wrong()
{
    rest POST /v1/sandboxes '{"image":{"uri":5}}'
    want "status of a wrong type" 422 "$STATUS"
    want_in "image" "$BODY"
    rest POST /v1/sandboxes '{"image":{"uri":"a"},"entrypoint":["x"],"resourceLimits":{},"timeout":10}'
    want "status of a short timeout" 422 "$STATUS"
    want_in "timeout" "$BODY"
    rest POST /v1/sandboxes '{broken'
    want "status of broken JSON" 422 "$STATUS"
    rest GET /v1/nonsense
    want "status of an unknown route" 404 "$STATUS"
}

an_image_that_is_missing_fails_the_create_and_leaves_nothing()
{
    rest POST /v1/sandboxes "{\"image\":{\"uri\":\"$STACK_REGISTRY/no/such:1\"},\"entrypoint\":[\"x\"],\"resourceLimits\":{}}"
    want "status" 500 "$STATUS"
    want "code" KUBERNETES::POD_FAILED "$(jq -r .code <<<"$BODY")"
    want_in "ImagePull" "$BODY"
    rest GET /v1/sandboxes
    want_not_in "no/such" "$BODY"
}

# Undoes what a case did to the services, whichever way it ended.
ordinary_stack()
{
    local service
    for service in snapshot agent registry; do stack_service_stop "$service"; done
    stack_write_registry_config
    for service in registry agent snapshot; do stack_service_start "$service"; done
}

# The sandbox runs on, is not frozen, says why, and can be paused again.
pause_fails_and_the_sandbox_runs_on() # ID TEXT
{
    local output
    if output=$(stasis pause "$1" --wait 2>&1); then echo "the pause succeeded" >&2; return 1; fi
    want_in "$2" "$output"
    look_at "$1"
    want "state" Running "$STATE"
    want_in "$2" "$MESSAGE"
    want "processes" RUNNING "$(tasks_of "$1")"
    nothing_is_left
}

a_registry_that_is_away_fails_the_pause_and_a_retry_succeeds()
{
    local id
    id=$(new_sandbox)
    stasis exec "$id" -- sh -c 'echo kept >/kept'
    trap ordinary_stack EXIT
    stack_service_stop registry
    pause_fails_and_the_sandbox_runs_on "$id" RegistryUnreachable
    stack_service_start registry
    stasis pause "$id" --wait
    stasis resume "$id" --wait
    want "file" kept "$(stasis exec "$id" -- cat /kept)"
    stasis delete "$id"
}

push_credentials_are_checked_before_anything_is_frozen()
{
    local id secret=$STACK_DIR/secrets/push
    id=$(new_sandbox)
    trap ordinary_stack EXIT
    htpasswd -Bbn robot right >"$E2E_DIR/htpasswd"
    stack_service_stop registry
    STACK_REGISTRY_EXTRA="auth: {htpasswd: {realm: test, path: $E2E_DIR/htpasswd}}" stack_write_registry_config
    stack_service_start registry
    stack_service_stop snapshot
    stack_service_start snapshot --snapshot-push-secret push --resume-pull-secret push

    pause_fails_and_the_sandbox_runs_on "$id" "push" # PushSecretNotFound names it
    mkdir -p "$secret"
    echo x >"$secret/token"
    pause_fails_and_the_sandbox_runs_on "$id" "kubernetes.io/dockerconfigjson"
    jq -n --arg host "$STACK_REGISTRY" '{auths: {($host): {username: "robot", password: "wrong"}}}' >"$secret/.dockerconfigjson"
    pause_fails_and_the_sandbox_runs_on "$id" RegistryUnauthorized
    jq -n --arg host "$STACK_REGISTRY" '{auths: {($host): {username: "robot", password: "right"}}}' >"$secret/.dockerconfigjson"
    stasis pause "$id" --wait
    # Nothing of the pushed image is on the node: the pull needs the secret, too.
    containerd_ctr "$E2E_DIR/cd" images ls -q | { grep "snapshots/$id" || :; } | xargs -r "ctr" -a "$E2E_DIR/cd/containerd.sock" -n k8s.io images rm --sync
    stasis resume "$id" --wait
    want_not_in right "$(cat "$E2E_DIR"/log/*.log)"
    stasis delete "$id"
}

a_full_disk_fails_the_pause()
{
    local id
    id=$(new_sandbox)
    trap ordinary_stack EXIT
    stack_service_stop agent
    stack_service_start agent --spool-min-free-mib 1000000
    pause_fails_and_the_sandbox_runs_on "$id" DiskFull
    ordinary_stack
    stasis pause "$id" --wait
    stasis delete "$id"
}

a_missing_registry_setting_is_named()
{
    local id
    id=$(new_sandbox)
    trap ordinary_stack EXIT
    stack_service_stop snapshot
    stack_service_start snapshot --snapshot-registry ""
    pause_fails_and_the_sandbox_runs_on "$id" snapshot-registry
    stasis delete "$id"
}

a_snapshot_image_that_is_lost_fails_the_resume_and_keeps_the_snapshot()
{
    local id repository digest output
    id=$(new_sandbox)
    stasis exec "$id" -- sh -c 'echo precious >/precious'
    stasis pause "$id" --wait
    repository=snapshots/$id-sandbox
    digest=$(registry_digest "$repository" snap-gen1)
    mv "$E2E_DIR/registry/docker/registry/v2/repositories/$repository" "$E2E_DIR/hidden"
    if output=$(stasis resume "$id" --wait 2>&1); then echo "the resume succeeded" >&2; return 1; fi
    want_in "ImagePull" "$output"
    want "state" Failed "$(state_of "$id")"
    mv "$E2E_DIR/hidden" "$E2E_DIR/registry/docker/registry/v2/repositories/$repository"
    want "digest, kept" "$digest" "$(registry_digest "$repository" snap-gen1)"
    want_in "$digest" "$(stasis get "$id" -o json)"
    stasis delete "$id"
}

deleting_works_in_every_state_and_leaves_nothing()
{
    local id
    id=$(new_sandbox)
    stasis exec "$id" -- dd if=/dev/urandom of=/big bs=1M count=64
    stasis pause "$id"
    stasis delete "$id" --wait
    containers_go "$id"
    rest GET "/v1/sandboxes/$id"
    want "status" 404 "$STATUS"
    nothing_is_left
    id=$(new_sandbox)
    stasis pause "$id" --wait
    stasis delete "$id" --wait
    rest GET "/v1/sandboxes/$id"
    want "status" 404 "$STATUS"
}

exec_and_logs_reach_the_sandbox()
{
    local id status=0
    id=$(stasis create --image "$IMAGE" -o name -- sh -c 'echo started; echo problem >&2; exec sleep infinity')
    want "exec output" "in out" "$(echo in | stasis exec "$id" --stdin -- sh -c 'printf "%s out" "$(cat)"')"
    stasis exec "$id" -- sh -c 'exit 7' || status=$?
    want "exit code" 7 "$status"
    want_in started "$(stasis logs "$id")"
    stasis pause "$id" --wait
    if stasis exec "$id" -- true; then echo "exec in a paused sandbox succeeded" >&2; return 1; fi
    stasis delete "$id"
}

a_list_is_filtered_by_state_and_metadata()
{
    local one two
    one=$(new_sandbox --metadata team=red)
    two=$(new_sandbox --metadata team=blue)
    stasis pause "$two" --wait
    rest GET "/v1/sandboxes?state=Paused&metadata=team%3Dblue"
    want "ids" "$two" "$(jq -r '.items[].id' <<<"$BODY")"
    rest GET "/v1/sandboxes?state=paused&state=Running&pageSize=1"
    want "page" 1 "$(jq '.items | length' <<<"$BODY")"
    want "total" 2 "$(jq .pagination.totalItems <<<"$BODY")"
    stasis delete "$one"
    stasis delete "$two"
}

is_ready() # SNAPSHOT
{
    rest GET "/v1/snapshots/$1"
    [ "$(jq -r .status.state <<<"$BODY")" = Ready ]
}

# The id of a new snapshot of the sandbox.
ready_snapshot()
{
    local id
    rest POST "/v1/sandboxes/$1/snapshots" >&2
    want "status" 202 "$STATUS" >&2
    id=$(jq -re .id <<<"$BODY")
    within 60 is_ready "$id" >&2
    printf '%s\n' "$id"
}

runs_the_file_of() # SNAPSHOT CONTENT
{
    local id
    rest POST /v1/sandboxes "{\"snapshotId\":\"$1\",\"entrypoint\":[\"sleep\",\"infinity\"],\"resourceLimits\":{}}"
    want "status" 202 "$STATUS"
    id=$(jq -re .id <<<"$BODY")
    want "file" "$2" "$(stasis exec "$id" -- cat /file)"
    stasis delete "$id"
}

snapshots_of_a_running_and_of_a_paused_sandbox_outlive_it_and_are_restored()
{
    local id live still
    id=$(new_sandbox)
    stasis exec "$id" -- sh -c 'echo one >/file'
    live=$(ready_snapshot "$id")
    want "state" Running "$(state_of "$id")"
    stasis exec "$id" -- sh -c 'echo two >/file'
    stasis pause "$id" --wait
    still=$(ready_snapshot "$id")
    want "state" Paused "$(state_of "$id")"
    stasis delete "$id" --wait
    runs_the_file_of "$live" one
    runs_the_file_of "$still" two
    rest DELETE "/v1/snapshots/$live"
    want "status" 204 "$STATUS"
    rest DELETE "/v1/snapshots/$still"
    want "status" 204 "$STATUS"
    nothing_is_left
}

e2e_begin main "$1"
it "file, deletion and environment survive two cycles" file_deletion_and_environment_survive_two_cycles
it "the image digest is the registry's manifest digest" the_image_digest_is_the_registrys_manifest_digest
it "REST pause and resume answer as the contract says" rest_pause_and_resume_answer_as_the_contract_says
it "unknown sandboxes are 404 and missing keys 401" unknown_sandboxes_are_404_and_missing_keys_401
it "bad input is refused with the member that is wrong" bad_input_is_refused_with_the_member_that_is_wrong
it "an image that is missing fails the create and leaves nothing" an_image_that_is_missing_fails_the_create_and_leaves_nothing
it "a registry that is away fails the pause and a retry succeeds" a_registry_that_is_away_fails_the_pause_and_a_retry_succeeds
it "push credentials are checked before anything is frozen" push_credentials_are_checked_before_anything_is_frozen
it "a full disk fails the pause" a_full_disk_fails_the_pause
it "a missing registry setting is named" a_missing_registry_setting_is_named
it "a snapshot image that is lost fails the resume and keeps the snapshot" a_snapshot_image_that_is_lost_fails_the_resume_and_keeps_the_snapshot
it "deleting works in every state and leaves nothing" deleting_works_in_every_state_and_leaves_nothing
it "snapshots of a running and of a paused sandbox outlive it and are restored" snapshots_of_a_running_and_of_a_paused_sandbox_outlive_it_and_are_restored
it "exec and logs reach the sandbox" exec_and_logs_reach_the_sandbox
it "a list is filtered by state and metadata" a_list_is_filtered_by_state_and_metadata
e2e_end
