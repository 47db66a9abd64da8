#!/usr/bin/env bash
# cluster.sh - the cluster that the Kubernetes tests share: a real one, with Stasis installed by its chart from its images.
#
#   cluster.sh up DIR BIN [--set NAME=VALUE ...]    starts a new one, builds the images from BIN, installs
#   cluster.sh install DIR BIN [--set ...]          only the images and the chart again, and restarts the pods
#   cluster.sh down DIR                             all of it goes
set -euo pipefail
cd "$(dirname "$0")/../../.."

# shellcheck source=registry.sh
. tests/e2e/kubernetes/registry.sh

usage() { sed -n '2,6s/^# \{0,1\}//p' tests/e2e/kubernetes/cluster.sh; }
case "${1:-}" in -h | --help) usage; exit 0 ;; esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
verb=$1 dir=$2
shift 2

# The registry wants a user, for pushes and pulls alike; what the pods of Stasis and the base image of the sandboxes need is
# on the nodes already.
cluster_up()
{
    deploy/local-kubernetes/down --dir "$dir" # what an interrupted run left
    deploy/local-kubernetes/up --nodes 2 --dir "$dir" --registry-auth
}

install_stasis() # BIN [HELM OPTIONS...]
{
    local bin=$1 images=$dir/images environment
    shift
    environment=$(deploy/local-kubernetes/env --dir "$dir") # or the caller's own cluster would be taken
    eval "$environment"
    deploy/images/build.sh --bin "$bin" --out "$images" --registry stasis.local
    deploy/local-kubernetes/load-image "$images"/*.oci.tar
    helm upgrade --install stasis deploy/helm/stasis --namespace stasis-system --create-namespace --wait --timeout 3m \
        --set global.imageRegistry=stasis.local \
        --set controller.snapshot.registry="$STASIS_REGISTRY/snapshots" --set controller.snapshot.registryInsecure=true \
        --set controller.snapshot.snapshotPushSecret=registry --set controller.snapshot.resumePullSecret=registry \
        "$@"
    registry_secret opensandbox "$STASIS_REGISTRY" "$(cat "$STASIS_REGISTRY_PASSWORD_FILE")" | kubectl apply -f -
}

# Images that were built anew have the same tag.
restart_stasis()
{
    local what
    kubectl -n stasis-system rollout restart deployment,daemonset
    for what in deployment/stasis-snapshot-svc deployment/stasis-lifecycle-svc daemonset/stasis-committer-agent; do
        kubectl -n stasis-system rollout status "$what" --timeout 3m
    done
}

case "$verb" in
up)
    cluster_up
    install_stasis "$@"
    ;;
install) # one after the other: in a list with && a step that fails would not end it
    install_stasis "$@"
    restart_stasis
    ;;
down) deploy/local-kubernetes/down --dir "$dir" ;;
*) echo "cluster.sh: unknown verb '$verb' (see --help)" >&2; exit 2 ;;
esac
