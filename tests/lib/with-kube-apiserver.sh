#!/usr/bin/env bash
# with-kube-apiserver.sh COMMAND ARGS... - runs COMMAND beside a private, real kube-apiserver v1.20 without nodes.
#
# The command finds:
#   KUBECONFIG                       client certificate with all rights; also STASIS_KUBE_DIR/token.kubeconfig (a token)
#   STASIS_KUBE_DIR                  see deploy/local-kubernetes/apiserver --help; has serviceaccount/{token,ca.crt,namespace}
#   STASIS_KUBE_HOST, _PORT          where it listens
#   STASIS_KUBE_APISERVER_PIDFILE
#   STASIS_KUBE_APISERVER            a program: "stop" or "kill" ends the server, "start" starts it again on the same port
#   PATH                             has kubectl
# Skips (exit 77) with the reason when Kubernetes is not built.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../../deploy/local-kubernetes/lib/common.sh
. deploy/local-kubernetes/lib/common.sh

skip() { printf 'SKIP: %s\n' "$*" >&2; exit 77; }

finish()
{
    local status=$?
    if [ "$status" != 0 ] && [ "$status" != 77 ] && [ -n "${started:-}" ]; then
        tail -n 20 "$STASIS_KUBE_DIR/log/kube-apiserver.log" >&2
    fi
    "$STASIS_ROOT/deploy/local-kubernetes/apiserver" "$STASIS_KUBE_DIR" down
    exit "$status"
}

[ $# -gt 0 ] || { usage >&2; exit 2; }
[ -x "$KUBERNETES_BIN/kube-apiserver" ] || skip "Kubernetes is not built; run: deploy/local-kubernetes/build"
for tool in etcd openssl curl; do
    command -v "$tool" >/dev/null || skip "$tool is not installed; run: deploy/install-deps.sh kubernetes"
done

STASIS_KUBE_DIR=$(mktemp -d /tmp/st-kube.XXXXXX) || exit 1
trap finish EXIT
trap 'exit 130' INT TERM
deploy/local-kubernetes/apiserver "$STASIS_KUBE_DIR" up || exit 1
started=yes
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$STASIS_ROOT/deploy/local-kubernetes/apiserver" "$STASIS_KUBE_DIR" \
    >"$STASIS_KUBE_DIR/kube-apiserver"
chmod 755 "$STASIS_KUBE_DIR/kube-apiserver"
address=$(cat "$STASIS_KUBE_DIR/address")
export STASIS_KUBE_DIR KUBECONFIG=$STASIS_KUBE_DIR/admin.kubeconfig STASIS_KUBE_HOST=${address%:*} STASIS_KUBE_PORT=${address#*:}
export STASIS_KUBE_APISERVER=$STASIS_KUBE_DIR/kube-apiserver STASIS_KUBE_APISERVER_PIDFILE=$STASIS_KUBE_DIR/run/kube-apiserver.pid
export PATH=$KUBERNETES_TOOLS:$PATH
"$@"
