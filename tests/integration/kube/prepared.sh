#!/usr/bin/env bash
# prepared.sh COMMAND ARGS... - inside tests/lib/with-kube-apiserver.sh: applies our CRDs, makes the namespace "port",
# starts a garbage collector, and runs COMMAND, which also finds STASIS_TEST_NAMESPACE.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
# shellcheck source=../../../deploy/local-kubernetes/lib/common.sh
. deploy/local-kubernetes/lib/common.sh
# shellcheck source=../../../deploy/local-kubernetes/lib/process.sh
. "$KUBERNETES_HOME/lib/process.sh"
# shellcheck source=../../../deploy/local-kubernetes/lib/control-plane.sh
. "$KUBERNETES_HOME/lib/control-plane.sh"

finish()
{
    local status=$?
    process_stop "$STASIS_KUBE_DIR" kube-controller-manager KILL
    exit "$status"
}
trap finish EXIT

kubectl apply -f deploy/crds >/dev/null
kubectl wait --for=condition=Established --timeout=60s -f deploy/crds >/dev/null
kubectl create namespace port >/dev/null

# Alone in its cluster: nobody to elect, no ports (they would be the same for every test that runs now).
kube_controller_manager_command "$STASIS_KUBE_DIR/pki" "$KUBECONFIG" --controllers=garbagecollector \
    --use-service-account-credentials=false --port=0 --secure-port=0
process_start "$STASIS_KUBE_DIR" kube-controller-manager "${COMMAND[@]}"

STASIS_TEST_NAMESPACE=port "$@"
