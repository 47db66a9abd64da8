#!/usr/bin/env bash
# with-containerd.sh NAME COMMAND ARGS... - runs COMMAND beside a private containerd and a private registry.
#
# The command finds: STASIS_CONTAINERD_DIR (with containerd.sock), STASIS_TEST_IMAGE (busybox, on the node), and
# STASIS_TEST_REGISTRY (host:port; user "tester", password "secret-of-the-tester"), which has team/busybox:1.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=containerd.sh
. tests/lib/containerd.sh

registry_start()
{
    local dir=$1 port

    REGISTRY_PID=
    mkdir -p "$dir" && htpasswd -Bbn tester secret-of-the-tester >"$dir/htpasswd" || return 1
    for port in $(shuf -i 20000-32000 -n 8); do
        cat >"$dir/config.yml" <<EOF
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: "$dir/data"}}
http: {addr: "127.0.0.1:$port"}
auth: {htpasswd: {realm: tests, path: "$dir/htpasswd"}}
EOF
        docker-registry serve "$dir/config.yml" >>"$dir/log" 2>&1 &
        REGISTRY_PID=$!
        for _ in $(seq 50); do
            kill -0 "$REGISTRY_PID" 2>/dev/null || break
            if curl -so /dev/null "http://127.0.0.1:$port/v2/"; then
                STASIS_TEST_REGISTRY=127.0.0.1:$port
                return 0
            fi
            sleep 0.1
        done
        kill "$REGISTRY_PID" 2>/dev/null
    done
    cat "$dir/log" >&2
    return 1
}

# What the node has as an imported image goes to the registry, too.
registry_fill()
{
    containerd_ctr "$CONTAINERD_DIR" images tag "$CONTAINERD_TEST_IMAGE" "$STASIS_TEST_REGISTRY/team/busybox:1" &&
        containerd_ctr "$CONTAINERD_DIR" images push --plain-http --user tester:secret-of-the-tester \
            "$STASIS_TEST_REGISTRY/team/busybox:1" &&
        containerd_ctr "$CONTAINERD_DIR" images rm --sync "$STASIS_TEST_REGISTRY/team/busybox:1"
} >/dev/null

finish()
{
    local status=$?
    [ -n "${REGISTRY_PID:-}" ] && kill "$REGISTRY_PID" 2>/dev/null
    (exit "$status")
    containerd_test_end
}

name=$1
shift
for tool in docker-registry htpasswd curl; do
    command -v "$tool" >/dev/null || containerd_test_skip "$tool is not installed (see deploy/install-deps.sh)"
done
containerd_for_test "$name"
trap finish EXIT
registry_start "$CONTAINERD_DIR/registry" && registry_fill || exit 1
export STASIS_TEST_REGISTRY STASIS_CONTAINERD_DIR=$CONTAINERD_DIR STASIS_TEST_IMAGE=$CONTAINERD_TEST_IMAGE
"$@"
