#!/usr/bin/env bash
# commit.sh - how long it takes to make a container's files an image in a registry, beside others who do it.
#
#   tests/bench/commit.sh [--runs N] [--inputs a,b,c,d,e] [--tools stasis,containerd,buildah,podman,floor] [--size MIB]
#                         [--mode live|hold|handover] [--files N] [--json] [--build DIR]
#
# Starts a containerd and a registry of its own (see tests/bench/commit.py for what is measured and how) in a folder below
# ${TMPDIR:-/tmp}, and removes all of it. Needs root and: deploy/install-deps.sh bench. --build: a folder with an agent that
# is built already; otherwise the preset "release" is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../lib/containerd.sh
. tests/lib/containerd.sh

build=
arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
    --build) build=$2; shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exec python3 tests/bench/commit.py --help ;;
    *) arguments+=("$1") ;;
    esac
    shift
done
if [ -z "$build" ]; then
    build=build/release
    cmake --preset release >/dev/null
    cmake --build --preset release --target committer-agent bench-commit-driver bench-commit-floor >/dev/null
fi
for tool in docker-registry python3 unshare; do
    command -v "$tool" >/dev/null || containerd_test_skip "$tool is not installed (see deploy/install-deps.sh)"
done

registry_start()
{
    local port
    for port in $(shuf -i 20000-32000 -n 8); do
        cat >"$CONTAINERD_DIR/registry.yml" <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: "$CONTAINERD_DIR/registry"}}
http: {addr: "127.0.0.1:$port"}
EOF
        docker-registry serve "$CONTAINERD_DIR/registry.yml" >>"$CONTAINERD_DIR/registry.log" 2>&1 &
        REGISTRY_PID=$!
        for _ in $(seq 50); do
            kill -0 "$REGISTRY_PID" 2>/dev/null || break
            if curl -so /dev/null "http://127.0.0.1:$port/v2/"; then
                REGISTRY=127.0.0.1:$port
                return 0
            fi
            sleep 0.1
        done
        kill "$REGISTRY_PID" 2>/dev/null || true
    done
    cat "$CONTAINERD_DIR/registry.log" >&2
    return 1
}

finish()
{
    local status=$?
    if [ -n "${BENCH_PID:-}" ]; then
        kill "$BENCH_PID" 2>/dev/null || true
        wait "$BENCH_PID" || true
    fi
    [ -z "${REGISTRY_PID:-}" ] || kill "$REGISTRY_PID" 2>/dev/null || true
    (exit "$status")
    containerd_test_end
}

# A package tree: folders of 20 files, the sizes and the kind of bytes that source files have. Also by commit.py.
fill_tree() { containerd_fill_busybox "$1" && python3 tests/bench/commit.py --make-tree "$1/tree" --files "$FILES"; }

# Pulled from the registry, as on a real node: so everybody may mount its layers instead of sending them.
base_image() # NAME FILL
{
    local image=$REGISTRY/bench/$1:1
    containerd_pack "$CONTAINERD_DIR" "$image" "$2" --config.cmd /bin/sh --config.env PATH=/bin &&
        containerd_ctr "$CONTAINERD_DIR" images push --plain-http "$image" &&
        containerd_ctr "$CONTAINERD_DIR" images rm --sync "$image" &&
        containerd_ctr "$CONTAINERD_DIR" images pull --plain-http "$image"
} >/dev/null

FILES=50000
INPUTS=a,b,c,d,e
for i in "${!arguments[@]}"; do
    [ "${arguments[i]}" != --files ] || FILES=${arguments[i + 1]}
    [ "${arguments[i]}" != --inputs ] || INPUTS=${arguments[i + 1]}
done
containerd_for_test bench
trap finish EXIT
registry_start
base_image small containerd_fill_busybox
[[ $INPUTS != *[de]* ]] || base_image tree fill_tree
STASIS_BENCH_DIR=$CONTAINERD_DIR STASIS_BENCH_REGISTRY=$REGISTRY STASIS_BENCH_REGISTRY_PID=$REGISTRY_PID \
    STASIS_BENCH_BIN=$build/bin unshare --mount --propagation unchanged python3 tests/bench/commit.py "${arguments[@]}" &
BENCH_PID=$! # in the background, so that a signal to us is heard at once
status=0
wait "$BENCH_PID" || status=$?
BENCH_PID=
exit "$status"
