#!/usr/bin/env bash
# run.sh - the public API through clients that others wrote: OpenSandbox's SDK, grpc-js, plain HTTP.
#
#   run.sh BIN [TEST...]     against a private stack of the binaries in BIN; needs root
#   run.sh - [TEST...]       against a service that runs already
#
# TEST is a *.test.mjs of this folder; without one, all. What runs already is named by the environment:
#   STASIS_API_URL           http://host:port or https://host:port of the REST door
#   STASIS_GRPC_ADDRESS      host:port of the gRPC door
#   STASIS_API_KEY           a key of both; not given: none is asked for
#   STASIS_IMAGE             an image with busybox that the service can pull
#   STASIS_CA                the certificates that sign the doors' own (PEM file); not given: the gRPC door is plaintext
#   STASIS_GRPC_SERVER_NAME  the name in the gRPC door's certificate; not given: the host of its address
# Prints CMocka's words; exit 0 only if nothing failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
case "${1:-}" in -h | --help | '') sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
bin=$1
shift
# shellcheck source=clients.sh
. "$here/clients.sh"

# Node.js looks for modules beside the tests: the folder it runs is a copy, and the modules are a link in it.
run_tests()
{
    local folder=$1 name files=()
    shift
    cp -r "$here"/lib "$here"/*.mjs "$folder/" && ln -s "$API_MODULES" "$folder/node_modules" &&
        ln -s "$(cd "$here/../.." && pwd)/proto" "$folder/proto" || return 1
    for name in "$@"; do files+=("$folder/${name##*/}"); done
    (cd "$folder" && OPENSANDBOX_DISABLE_METRICS=1 "$API_NODE" --test --test-reporter="$folder/lib/reporter.mjs" --test-concurrency=4 \
        --test-timeout=120000 "${files[@]}")
}

# A stand-in for OpenSandbox's execd: it answers to /ping, and bootstrap.sh starts it before the entrypoint.
fill_execd()
{
    containerd_fill_busybox "$1" &&
        printf '#!/bin/sh\nmkdir -p /tmp/execd && echo pong >/tmp/execd/ping && exec httpd -f -p 44772 -h /tmp/execd\n' >"$1/execd" &&
        printf '#!/bin/sh\n"$EXECD" &\nexec "$@"\n' >"$1/bootstrap.sh" && chmod 755 "$1/execd" "$1/bootstrap.sh"
}

push_execd()
{
    export STASIS_EXECD_IMAGE=$STACK_REGISTRY/base/execd:1
    containerd_pack "$E2E_DIR/cd" "$STASIS_EXECD_IMAGE" fill_execd --config.cmd /bin/sh --config.env PATH=/bin &&
        containerd_ctr "$E2E_DIR/cd" images push --plain-http "$STASIS_EXECD_IMAGE" >/dev/null
}

clients_prepare || exit 1
if [ "$bin" = - ]; then
    : "${STASIS_API_URL:?}" "${STASIS_GRPC_ADDRESS:?}" "${STASIS_IMAGE:?}"
    [ $# -gt 0 ] || set -- sdk.test.mjs grpc.test.mjs "$here"/rest-*.test.mjs
    work=$(mktemp -d /tmp/stasis-api.XXXXXX) || exit 1
    trap 'rm -rf "$work"' EXIT
    run_tests "$work" "$@"
else
    [ $# -gt 0 ] || set -- "$here"/*.test.mjs
    bin=$(realpath "$bin") || exit 1
    # shellcheck source=../e2e/lib.sh
    . "$here/../e2e/lib.sh"
    e2e_begin api "$bin"
    export STASIS_API_URL=http://127.0.0.1:$STACK_REST_PORT STASIS_GRPC_ADDRESS=127.0.0.1:$STACK_GRPC_PORT
    export STASIS_API_KEY=$STACK_KEY STASIS_IMAGE=$IMAGE STASIS_BIN=$bin STASIS_STACK=$STACK_DIR
    push_execd || exit 1
    mkdir "$E2E_DIR/clients"
    run_tests "$E2E_DIR/clients" "$@" || { e2e_show_logs; exit 1; }
fi
