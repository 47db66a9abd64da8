#!/usr/bin/env bash
# deploy/local-kubernetes: a cluster of two nodes does what its users rely on, and leaves nothing behind.
set -u
cd "$(dirname "$0")/../../.." || exit 1
# shellcheck source=../../e2e/cases.sh
. tests/e2e/cases.sh
# shellcheck source=../../../deploy/local-kubernetes/lib/common.sh
. deploy/local-kubernetes/lib/common.sh

[ "$(id -u)" = 0 ] || { echo "SKIP: running containers needs root" >&2; exit 77; }
[ -x "$KUBERNETES_BIN/kubelet" ] || { echo "SKIP: Kubernetes is not built; run: deploy/local-kubernetes/build" >&2; exit 77; }

LOCAL=$PWD/deploy/local-kubernetes
E2E_DIR=$(mktemp -d /tmp/st-local-kubernetes.XXXXXX) || exit 1
CLUSTER=$E2E_DIR/k
e2e_show_logs() { tail -n 5 "$CLUSTER"/n*/log/*.log 2>/dev/null; }
finish()
{
    local status=$?
    "$LOCAL/down" --dir "$CLUSTER" >/dev/null
    rm -rf "$E2E_DIR"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# What a cluster makes outside its folder; other clusters may come and go meanwhile.
traces()
{
    local number
    number=$(sed -n 's/^CLUSTER_NUMBER=//p' "$E2E_DIR/settings")
    ip -o link | grep -o "stk${number}[:@-][^ ]*"
    ip route | grep "^10\.$((128 + number))\."
    find /sys/fs/cgroup -maxdepth 2 -name "stasis-k$number"
    grep -hF "$CLUSTER" /proc/self/mountinfo
    printf '%s' "$CLUSTER" >"$E2E_DIR/pattern" # not an argument: grep would find itself
    grep -lsFf "$E2E_DIR/pattern" /proc/[0-9]*/cmdline
}

up_has_ready_nodes()
{
    "$LOCAL/up" --nodes 2 --dir "$CLUSTER" --registry-auth
    cp "$CLUSTER/settings" "$E2E_DIR/settings"
    eval "$("$LOCAL/env" --dir "$CLUSTER")"
    want "ready nodes" 2 "$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)"
    want_in v1.20.2 "$(kubectl get --raw /version)"
}

up_again_says_so() { want_in "up already" "$("$LOCAL/up" --dir "$CLUSTER")"; }

a_service_is_reached_by_name()
{
    kubectl apply -f - <<'YAML'
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: stasis.local/busybox:1
        command: [sh, -c, 'mkdir /www; hostname >/www/name; echo started; exec httpd -f -p 80 -h /www']
        volumeMounts: [{name: containerd, mountPath: /containerd.sock}]
      volumes: [{name: containerd, hostPath: {path: /run/containerd/containerd.sock, type: Socket}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080, targetPort: 80}]}
YAML
    kubectl rollout status daemonset/web --timeout=60s
    local pod all
    all=$(kubectl get pods -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}' | sort)
    for pod in $all; do # from either node, through the Service, both pods answer: the near and the far one
        # shellcheck disable=SC2016
        kubectl exec "$pod" -- timeout 60 sh -c 'for name in "$@"; do
            until wget -qO- http://web.default.svc.cluster.local:8080/name | grep -x "$name"; do sleep 0.1; done
            done' sh $all
    done
    want_in "$(curl -sS -m 5 "http://$(kubectl get service web -o jsonpath='{.spec.clusterIP}'):8080/name")" "$all"
}

dns_forgets()
{
    local pod
    pod=$(kubectl get pods -o jsonpath='{.items[0].metadata.name}')
    kubectl create service clusterip passing --tcp=80:80
    timeout 30 bash -c "until kubectl exec $pod -- nslookup -type=a passing.default.svc.cluster.local; do sleep 0.2; done"
    kubectl delete service passing
    timeout 30 bash -c "while kubectl exec $pod -- nslookup -type=a passing.default.svc.cluster.local; do sleep 0.2; done"
}

logs_and_exec_work()
{
    local pod status=0
    pod=$(kubectl get pods -o name | tail -n 1)
    want "the log" started "$(kubectl logs "$pod")"
    want "what went through a pod" "there and back" "$(kubectl exec -i "$pod" -- cat <<<"there and back")"
    kubectl exec "$pod" -- sh -c 'exit 7' || status=$?
    want "the exit code" 7 "$status"
}

the_registry_wants_a_user()
{
    local password
    password=$(cat "$STASIS_REGISTRY_PASSWORD_FILE")
    want "without a user" 401 "$(curl -s -o /dev/null -w '%{http_code}' "http://$STASIS_REGISTRY/v2/")"
    printf 'user = "robot:%s"\n' "$password" >"$E2E_DIR/curl"
    want "with the user" 200 "$(curl -s -K "$E2E_DIR/curl" -o /dev/null -w '%{http_code}' "http://$STASIS_REGISTRY/v2/")"
}

a_loaded_image_runs()
{
    "$LOCAL/load-image" --name stasis.local/loaded:3 "$CLUSTER/images/busybox/oci"
    kubectl run loaded --image=stasis.local/loaded:3 --restart=Never -- true
    kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/loaded --timeout=60s
}

the_api_server_comes_back()
{
    "$LOCAL/service" 1 kube-apiserver kill
    if kubectl get nodes; then echo "it still answers" >&2; return 1; fi
    "$LOCAL/service" 1 kube-apiserver start
    kubectl get nodes
}

a_node_survives_power_loss()
{
    local pod
    pod=$(kubectl get pods -l app=web --field-selector spec.nodeName=node-2 -o jsonpath='{.items[0].metadata.name}')
    "$LOCAL/service" 2 all kill
    if "$LOCAL/in-node" 2 true; then echo "the node still runs" >&2; return 1; fi
    "$LOCAL/service" 2 all start
    timeout 60 bash -c "until kubectl exec $pod -- true; do sleep 0.2; done"
    kubectl wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 "pod/$pod" --timeout=30s
}

# Killed while a container is frozen, too.
down_leaves_nothing()
{
    "$LOCAL/in-node" 1 sh -c 'ctr -n k8s.io tasks pause "$(ctr -n k8s.io tasks ls -q | head -n 1)"'
    "$LOCAL/down" --dir "$CLUSTER"
    want "what is left" "" "$(traces)"
    [ ! -e "$CLUSTER" ]
}

it "up returns with both nodes ready" up_has_ready_nodes
[ ${#E2E_FAILED[@]} -eq 0 ] || e2e_end
eval "$("$LOCAL/env" --dir "$CLUSTER")"
it "up again says that it is up" up_again_says_so
it "pods of both nodes and this machine reach a Service, pods by its name" a_service_is_reached_by_name
it "DNS knows a new Service, and forgets a deleted one" dns_forgets
it "logs and exec work" logs_and_exec_work
it "the registry wants a user" the_registry_wants_a_user
it "a loaded image runs on whichever node" a_loaded_image_runs
it "the API server can be killed and started" the_api_server_comes_back
it "a node's pods come back after a power loss" a_node_survives_power_loss
it "down leaves nothing behind, not even a frozen container" down_leaves_nothing
e2e_end
