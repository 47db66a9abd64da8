# shellcheck shell=bash
# lib.sh - end-to-end tests: the whole stack on real parts, driven through its public doors. Source it.
#
#   e2e_begin NAME BIN      a private stack from the binaries in BIN; stopped and removed when the shell ends
#   it "sentence" function  runs the function in a subshell; what it prints is shown when it fails
#   e2e_end                 the totals, in CMocka's words, and the exit code
#
# Inside a case: rest METHOD PATH [BODY] sets STATUS, HEADERS, BODY;  want WHAT EXPECTED ACTUAL;  want_in, want_not_in.

E2E_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../deploy/lib/stack.sh
. "$E2E_ROOT/deploy/lib/stack.sh"

E2E_PASSED=0 E2E_FAILED=()

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
    stack_stop
    # What a case that failed in the middle left in the background is a child of this shell.
    kill $(jobs -p) 2>/dev/null
    rm -rf "$E2E_DIR"
    exit "$status"
}

it()
{
    local sentence=$1 body=$2 log status
    log=$E2E_DIR/case.log
    printf '[ RUN      ] %s\n' "$sentence"
    # Not as the condition of an `if`: bash would ignore "set -e" all the way down, and no case could fail.
    (set -euo pipefail; "$body") >"$log" 2>&1 </dev/null
    status=$?
    if [ "$status" -eq 0 ]; then
        printf '[       OK ] %s\n' "$sentence"
        E2E_PASSED=$((E2E_PASSED + 1))
    else
        printf '[  FAILED  ] %s\n' "$sentence"
        sed 's/^/    /' "$log"
        for log in "$E2E_DIR"/log/*.log; do
            printf '    --- the end of %s\n' "${log##*/}"
            tail -n 15 "$log" | sed 's/^/    /'
        done
        E2E_FAILED+=("$sentence")
    fi
}

e2e_end()
{
    printf '[==========] %d test(s) run.\n[  PASSED  ] %d test(s).\n' \
        $((E2E_PASSED + ${#E2E_FAILED[@]})) "$E2E_PASSED"
    if [ ${#E2E_FAILED[@]} -gt 0 ]; then
        printf '[  FAILED  ] e2e: %d test(s), listed below:\n' "${#E2E_FAILED[@]}"
        printf '[  FAILED  ] %s\n' "${E2E_FAILED[@]}"
        exit 1
    fi
    exit 0
}

want() { [ "$2" = "$3" ] || { printf '%s: want "%s", got "%s"\n' "$1" "$2" "$3" >&2; return 1; }; }
want_in() { case "$2" in *"$1"*) ;; *) printf 'want "%s" in "%s"\n' "$1" "$2" >&2; return 1 ;; esac; }
want_not_in() { case "$2" in *"$1"*) printf 'want no "%s" in "%s"\n' "$1" "$2" >&2; return 1 ;; esac; }

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
        "$(grep -lE '"stage":"(freezing|holding)"' "$E2E_DIR"/agent/commits/*.json 2>/dev/null || :)"
}

registry_digest() # REPOSITORY TAG
{
    curl -fsS -o /dev/null -D - -H 'Accept: application/vnd.oci.image.manifest.v1+json' ${REGISTRY_USER:+-u "$REGISTRY_USER"} \
        "http://$STACK_REGISTRY/v2/$1/manifests/$2" | tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }'
}
