# shellcheck shell=bash
# lib.sh - end-to-end tests on the Kubernetes cluster that cluster.sh brought up. Source it.
#
#   kube_begin NAME DIR     a namespace of its own with push and pull Secrets; deleted when the shell ends
#   it, want, ...           cases.sh
#
# After kube_begin: NS, REGISTRY (host:port), E2E_DIR, IMAGE; kubectl and helm of the cluster are in PATH.

E2E_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=../cases.sh
. "$E2E_ROOT/tests/e2e/cases.sh"
# shellcheck source=../witness.sh
. "$E2E_ROOT/tests/e2e/witness.sh"
# shellcheck source=registry.sh
. "$E2E_ROOT/tests/e2e/kubernetes/registry.sh"

SYSTEM=stasis-system
LOCAL_KUBERNETES=$E2E_ROOT/deploy/local-kubernetes

kube_begin()
{
    local name=$1 environment
    environment=$("$LOCAL_KUBERNETES/env" --dir "$2") || exit 1 # or the caller's own cluster would be taken
    eval "$environment"
    REGISTRY=$STASIS_REGISTRY IMAGE=$KUBE_IMAGE NS=e2e-$name-$$ # an earlier one may still be going
    E2E_DIR=$(mktemp -d "/tmp/e2e-$name.XXXXXX") || exit 1
    trap kube_end EXIT
    trap 'exit 130' INT TERM
    kubectl create namespace "$NS" >/dev/null && put_secret "$(registry_password)" || exit 1
}

KUBE_IMAGE=stasis.local/busybox:1 # cluster.sh puts it on every node

kube_end() # [STATUS]
{
    local status=${1:-$?}
    # shellcheck disable=SC2046  # several
    kill $(jobs -p) 2>/dev/null
    kubectl delete namespace "$NS" --wait=false >/dev/null 2>&1
    rm -rf "$E2E_DIR"
    exit "$status"
}

e2e_show_logs()
{
    echo "--- objects in $NS"
    kubectl -n "$NS" get bsbx,sbxsnap,jobs,pods -o wide 2>&1
    kubectl -n "$NS" get events --sort-by=.lastTimestamp 2>&1 | tail -n 25
    complaints_of snapshot-svc
    complaints_of committer-agent
    complaints_of lifecycle-svc
}

complaints_of() # COMPONENT
{
    echo "--- $1, warnings and errors"
    kubectl -n "$SYSTEM" logs -l "app.kubernetes.io/component=$1" --tail=1000 --prefix 2>&1 | grep -vF '"level":"info"' | tail -n 12
}

# ---- registry ----

registry_password() { cat "$STASIS_REGISTRY_PASSWORD_FILE"; }

# The Secret that pushes and pulls use, with this password.
put_secret() { registry_secret "$NS" "$REGISTRY" "$1" | kubectl apply -f - >/dev/null; }

registry_get() { curl -fsS -K <(printf 'user = "robot:%s"\n' "$(registry_password)") "$@"; }

registry_digest() # REPOSITORY TAG
{
    registry_get -o /dev/null -D - -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/$1/manifests/$2" |
        tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }'
}
registry_tags() { registry_get "http://$REGISTRY/v2/$1/tags/list" | jq -r '.tags // [] | sort | join(" ")'; } # REPOSITORY
repository_of() { printf 'snapshots/%s-sandbox\n' "$1"; } # SANDBOX

# ---- sandboxes ----

# A sandbox that does nothing, and ends at once when it is told to.
sandbox_yaml() # NAME [REPLICAS]
{
    cat <<YAML
apiVersion: sandbox.opensandbox.io/v1alpha1
kind: BatchSandbox
metadata: {name: $1, namespace: $NS}
spec:
  replicas: ${2:-1}
  template:
    spec:
      containers:
      - name: sandbox
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "trap exit TERM; sleep infinity & wait"]
        env: [{name: GREETING, value: hello}]
YAML
}

new_sandbox() # NAME: returns when it runs
{
    sandbox_yaml "$1" | kubectl apply -f - >/dev/null
    until_phase "$1" Succeed
}

until_phase() # SANDBOX PHASE [SECONDS]
{
    kubectl -n "$NS" wait "bsbx/$1" --for="jsonpath={.status.phase}=$2" --timeout="${3:-90}s" >/dev/null ||
        { echo "$1 is $(phase_of "$1"), want $2: $(kubectl -n "$NS" get bsbx "$1" -o jsonpath='{.status.conditions}')" >&2; return 1; }
}
phase_of() { kubectl -n "$NS" get bsbx "$1" -o jsonpath='{.status.phase}'; }
uid_of() { kubectl -n "$NS" get bsbx "$1" -o jsonpath='{.metadata.uid}'; }
condition_of() { kubectl -n "$NS" get bsbx "$1" -o jsonpath="{.status.conditions[?(@.type==\"$2\")].$3}"; } # SANDBOX TYPE FIELD

until_condition() # SANDBOX TYPE [SECONDS]
{
    kubectl -n "$NS" wait "bsbx/$1" --for="condition=$2" --timeout="${3:-60}s" >/dev/null
}

set_pause() # SANDBOX true|false|null
{
    kubectl -n "$NS" patch bsbx "$1" --type=merge -p "{\"spec\":{\"pause\":$2}}" >/dev/null
}
pause() { set_pause "$1" true && until_phase "$1" Paused; }
resume() { set_pause "$1" false && until_phase "$1" Succeed; }

inside() # SANDBOX COMMAND...
{
    local pod
    pod=$(pods_of "$1" | head -n 1)
    shift
    kubectl -n "$NS" exec "$pod" -c sandbox -- "$@"
}

# By owner: labels can be wrong.
pods_of() # SANDBOX
{
    kubectl -n "$NS" get pods -o json |
        jq -r --arg uid "$(uid_of "$1")" '.items[] | select(any(.metadata.ownerReferences[]?; .uid == $uid)) | .metadata.name'
}

snapshot_of() { kubectl -n "$NS" get sbxsnap "$1-pause" -o jsonpath="$2"; } # SANDBOX JSONPATH

# ---- the public doors: REST on port 8080, gRPC with TLS on 8090 ----

SERVICE_NAME=stasis-lifecycle-svc.$SYSTEM.svc
service_address() { kubectl -n "$SYSTEM" get service stasis-lifecycle-svc -o jsonpath='{.spec.clusterIP}'; }
service_ca() { kubectl -n "$SYSTEM" get secret stasis-lifecycle-svc-tls -o jsonpath='{.data.ca\.crt}' | base64 -d; }
api_key() { kubectl -n "$SYSTEM" get secret stasis-api-key -o jsonpath='{.data.api-key}' | base64 -d; }

# ---- nodes ----

in_node() { "$LOCAL_KUBERNETES/in-node" "$@"; }      # NODE COMMAND...
node_service() { "$LOCAL_KUBERNETES/service" "$@"; } # NODE SERVICE start|stop|kill|restart

# What must hold whenever nothing is under way: nobody is frozen, and the agent owes nothing.
nothing_is_left()
{
    local node nodes frozen spool # each by itself: a question that fails must not look like a good answer
    nodes=$(kubectl get nodes -o jsonpath='{.items[*].metadata.name}')
    for node in $nodes; do
        frozen=$(in_node "$node" ctr -n k8s.io tasks ls | awk '$3 == "PAUSED" { print $1 }')
        want "frozen containers on $node" "" "$frozen"
        spool=$(in_node "$node" find /var/lib/stasis -path '*/spool/*' -type f)
        want "spool files on $node" "" "$spool"
    done
}

# The address of this machine that sandboxes can reach.
outside_address()
{
    ip -o route get "$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')" |
        sed -n 's/.* src \([^ ]*\).*/\1/p'
}
