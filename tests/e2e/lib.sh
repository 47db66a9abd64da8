# shellcheck shell=bash
# lib.sh - end-to-end tests: the whole stack on real parts, driven through its public doors. Source it.
#
#   e2e_begin NAME BIN      a private stack from the binaries in BIN; stopped and removed when the shell ends
#
# Inside a case (see cases.sh): rest METHOD PATH [BODY] sets STATUS, HEADERS, BODY.

E2E_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../deploy/lib/stack.sh
. "$E2E_ROOT/deploy/lib/stack.sh"
# shellcheck source=cases.sh
. "$E2E_ROOT/tests/e2e/cases.sh"

e2e_begin()
{
    local name=$1 bin=$2 number=$(($$ % 16384))

    [ "$(id -u)" = 0 ] || { echo "SKIP: running containers needs root" >&2; exit 77; }
    STACK_BRIDGE=ste$number STACK_SUBNET=10.$((64 + number / 256)).$((number % 256)).0/24
    E2E_DIR=$(mktemp -d "/tmp/e2e-$name.XXXXXX") || exit 1
    trap e2e_cleanup EXIT
    trap 'exit 130' INT TERM
    stack_configure "$E2E_DIR" "$bin" && stack_start || exit 1
    IMAGE=$STACK_REGISTRY/base/demo:1
    containerd_build_busybox "$E2E_DIR/cd" "$IMAGE" &&
        containerd_ctr "$E2E_DIR/cd" images push --plain-http "$IMAGE" >/dev/null || exit 1
}

e2e_cleanup()
{
    local status=$?
    set +e # whatever of it fails, the rest is still to be cleaned
    stack_stop
    # What a case that failed in the middle left in the background is a child of this shell.
    # shellcheck disable=SC2046  # several
    kill $(jobs -p) 2>/dev/null
    rm -rf "$E2E_DIR"
    exit "$status"
}

e2e_show_logs()
{
    local log
    for log in "$E2E_DIR"/log/*.log; do
        printf -- '--- the end of %s\n' "${log##*/}"
        tail -n 15 "$log"
    done
}

# One request with the right key; -H OPTIONS in REST_OPTIONS.
rest()
{
    local method=$1 path=$2 answer
    shift 2
    answer=$(mktemp "$E2E_DIR/answer.XXXXXX")
    STATUS=$(curl -s -m 90 -o "$answer" -D "$answer.headers" -w '%{http_code}' -X "$method" \
        -H "OPEN-SANDBOX-API-KEY: $STACK_KEY" -H 'Content-Type: application/json' ${REST_OPTIONS[@]+"${REST_OPTIONS[@]}"} \
        ${1+--data "$1"} "http://127.0.0.1:$STACK_REST_PORT$path")
    HEADERS=$(tr -d '\r' <"$answer.headers" | tr '[:upper:]' '[:lower:]')
    BODY=$(cat "$answer")
    rm -f "$answer" "$answer.headers"
}

# A new sandbox of the demo image that does nothing, and ends at once when it is told to; its id.
new_sandbox() { stasis create --image "$IMAGE" "$@" -- sh -c 'trap exit TERM; sleep infinity & wait'; }

# Sets STATE and MESSAGE.
look_at()
{
    rest GET "/v1/sandboxes/$1"
    STATE=$(jq -r '.status.state' <<<"$BODY") MESSAGE=$(jq -r '.status.message' <<<"$BODY")
}
state_of() { (look_at "$1"; printf '%s\n' "$STATE"); }

# The processes of the sandbox's containers as containerd sees them: "RUNNING", "PAUSED", or nothing.
tasks_of()
{
    local id
    for id in $(containerd_ctr "$E2E_DIR/cd" containers ls -q "labels.\"io.kubernetes.pod.name\"==$1-0,labels.\"io.cri-containerd.kind\"==container"); do
        containerd_ctr "$E2E_DIR/cd" tasks ls | awk -v id="$id" '$1 == id { print $3 }'
    done
}

# A deleted sandbox's containers go after the object, like everywhere in Kubernetes: a bounded wait.
containers_go() # ID
{
    local deadline=$((SECONDS + 30))
    while [ -n "$(tasks_of "$1")" ]; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "the containers of $1 are still there" >&2; return 1; }
    done
}

# What must hold whenever nothing is under way: nobody is frozen, and the agent owes nothing.
nothing_is_left()
{
    want "frozen containers" "" "$(containerd_ctr "$E2E_DIR/cd" tasks ls | awk '$3 == "PAUSED" { print $1 }')"
    want "spool files" "" "$(ls "$E2E_DIR/agent/spool")"
    want "unsettled journal records" "" \
        "$(grep -lE '"stage":"(freezing|holding|killing|handedOver)"' "$E2E_DIR"/agent/commits/*.json 2>/dev/null || :)"
}

registry_digest() # REPOSITORY TAG
{
    curl -fsS -o /dev/null -D - -H 'Accept: application/vnd.oci.image.manifest.v1+json' ${REGISTRY_USER:+-u "$REGISTRY_USER"} \
        "http://$STACK_REGISTRY/v2/$1/manifests/$2" | tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }'
}
