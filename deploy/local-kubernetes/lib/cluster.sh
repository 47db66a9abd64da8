# shellcheck shell=bash
# cluster.sh - what runs on the nodes of a cluster, and how each program is configured and started. Source it; it sources the
# rest.
#
#   cluster_at DIR              sets CLUSTER_DIR
#   cluster_load                reads DIR/settings: CLUSTER_NUMBER, NODE_COUNT, REGISTRY_AUTH; finds running nodes
#   cluster_save
#   cluster_release             kills all, undoes all but the folder
#   parse_dir WHERE ARGS...     the option --dir that all commands have; sets CLUSTER_DIR and REST
#   node_boot NODE              an empty node with its links
#   cluster_configure           certificates, kubeconfigs, images; what is there already stays
#   cluster_programs NODE       the names of what runs on that node, in the order of their start
#   program_start NODE NAME     configures and starts one, and waits until it is ready where others depend on it
#   program_await NODE NAME     until kubelet and kube-proxy are ready, too
#   kubectl ARGS...             as the administrator
#
# Node 1 also has the control plane (etcd, kube-apiserver, kube-controller-manager, kube-scheduler), the registry and DNS.

# shellcheck source=deploy/local-kubernetes/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for part in process pki control-plane network cgroup node; do
    # shellcheck disable=SC1090
    . "$KUBERNETES_HOME/lib/$part.sh"
done

REGISTRY_PORT=5000
APISERVER_PORT=6443
BUSYBOX_IMAGE=stasis.local/busybox:1

cluster_at()
{
    case "$1" in
    /*) CLUSTER_DIR=${1%/} ;;
    *) die "want an absolute folder, got '$1'" ;;
    esac
    [ "${#CLUSTER_DIR}" -le 70 ] || die "want a folder of at most 70 characters (socket paths are short), got $CLUSTER_DIR"
}

# What is read as shell, by root, must not be another user's: the folder may be in one that everybody may write to.
cluster_must_be_ours()
{
    local path owner
    for path in "$CLUSTER_DIR" "$CLUSTER_DIR/settings"; do
        owner=$(stat -Lc %u "$path")
        [ "$owner" = 0 ] || [ "$owner" = "$(id -u)" ] || die "$path belongs to user $owner; choose another folder with --dir"
    done
}

cluster_load()
{
    local node
    [ -f "$CLUSTER_DIR/settings" ] || return 1
    cluster_must_be_ours
    # shellcheck disable=SC1091
    . "$CLUSTER_DIR/settings"
    for ((node = 1; node <= NODE_COUNT; node++)); do
        node_find "$node" || :
    done
}

# Sets CLUSTER_DIR, and REST to the arguments that are not about it. Answers --help. With "first", what follows the first
# argument that is no option is left as it is.
parse_dir() # anywhere|first ARGS...
{
    local where=$1 dir=${STASIS_KUBERNETES_DIR:-/var/tmp/stasis-kubernetes}
    shift
    REST=()
    while [ $# -gt 0 ]; do
        case "$where $1" in
        *' --dir') dir=${2:?--dir needs a folder}; shift ;;
        *' -h' | *' --help') usage; exit 0 ;;
        'first '[!-]*) REST+=("$@"); break ;;
        *) REST+=("$1") ;;
        esac
        shift
    done
    cluster_at "$dir"
}

# Sets NODE from "1" or "node-1".
parse_node()
{
    NODE=${1#node-}
    [[ "$NODE" =~ ^[0-9]+$ && "$NODE" -ge 1 && "$NODE" -le "$NODE_COUNT" ]] ||
        die "want a node from 1 to $NODE_COUNT, got '$1'"
}

needs_node()
{
    parse_node "$1"
    [ -n "${NODE_PIDS[NODE]:-}" ] || die "node $NODE is not running"
}

cluster_release()
{
    local node
    for ((node = 1; node <= NODE_COUNT; node++)); do
        node_kill "$node"
    done
    for ((node = 1; node <= NODE_COUNT; node++)); do
        node_release "$node"
    done
    cgroup_remove "stasis-k$CLUSTER_NUMBER"
    network_release
}

node_boot() { node_hold "$1" && network_connect "$1" "${NODE_PIDS[$1]}" && network_node_routes "$1"; }

cluster_save()
{
    printf 'CLUSTER_NUMBER=%d\nNODE_COUNT=%d\nREGISTRY_AUTH=%s\n' "$CLUSTER_NUMBER" "$NODE_COUNT" "$REGISTRY_AUTH" \
        >"$CLUSTER_DIR/settings"
}

kubectl() { "$KUBERNETES_TOOLS/kubectl" --kubeconfig "$CLUSTER_DIR/admin.kubeconfig" "$@"; }

# --- certificates, images -----------------------------------------------------------------------------------------------

cluster_kubeconfig() { pki_kubeconfig "$CLUSTER_DIR/pki" "$1" "https://$(node_address 1):$APISERVER_PORT" "$2"; }

cluster_certificates()
{
    local pki=$CLUSTER_DIR/pki node name

    control_plane_pki "$pki" "$(node_address 1)" "$(first_service_address)" &&
        pki_issue "$pki" kube-proxy /CN=system:kube-proxy || return 1
    for name in kube-controller-manager kube-scheduler kube-proxy; do
        cluster_kubeconfig "$name" "$pki/$name.kubeconfig" || return 1
    done
    for ((node = 1; node <= NODE_COUNT; node++)); do
        name=kubelet-$node
        pki_issue "$pki" "$name" "/O=system:nodes/CN=system:node:$(node_name "$node")" \
            "IP:$(node_address "$node"),DNS:$(node_name "$node")" &&
            cluster_kubeconfig "$name" "$pki/$name.kubeconfig" || return 1
    done
    cluster_kubeconfig admin "$CLUSTER_DIR/admin.kubeconfig"
}

# The program that holds a node is the one that holds a pod: it sleeps and reaps.
cluster_build_holder()
{
    mkdir -p "$CLUSTER_DIR/bin" && containerd_fill_pause "$CLUSTER_DIR/bin" &&
        mv "$CLUSTER_DIR/bin/pause" "$CLUSTER_DIR/bin/stasis-node"
}

cluster_build_images()
{
    local images=$CLUSTER_DIR/images
    rm -rf "$images"
    mkdir -p "$images/pause" "$images/busybox" &&
        containerd_layout "$images/pause" containerd_fill_pause --config.entrypoint /pause &&
        containerd_layout "$images/busybox" containerd_fill_busybox --config.cmd /bin/sh --config.env PATH=/bin ||
        { say "cannot build the images: $(tail -n 3 "$images"/*/log)"; return 1; }
}

cluster_import_images() # NODE
{
    containerd_import "$(node_dir "$1")" "$CLUSTER_DIR/images/pause/oci" "$CONTAINERD_PAUSE_IMAGE" &&
        containerd_import "$(node_dir "$1")" "$CLUSTER_DIR/images/busybox/oci" "$BUSYBOX_IMAGE"
}

cluster_registry_password()
{
    [ -e "$CLUSTER_DIR/registry.htpasswd" ] && return 0
    (
        umask 077
        od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$CLUSTER_DIR/registry.password" &&
            htpasswd -inB robot <"$CLUSTER_DIR/registry.password" >"$CLUSTER_DIR/registry.htpasswd" 2>/dev/null
    )
}

cluster_configure()
{
    printf '%s:%d\n' "$(node_address 1)" "$REGISTRY_PORT" >"$CLUSTER_DIR/registry.address"
    printf 'nameserver %s\n' "$(node_address 1)" >"$CLUSTER_DIR/resolv.conf"
    [ "$REGISTRY_AUTH" = no ] || cluster_registry_password || return 1
    if [ ! -e "$CLUSTER_DIR/admin.kubeconfig" ]; then
        cluster_certificates || return 1
    fi
    [ -x "$CLUSTER_DIR/bin/stasis-node" ] || cluster_build_holder
}

# --- the programs -------------------------------------------------------------------------------------------------------

cluster_programs()
{
    if [ "$1" = 1 ]; then
        echo etcd containerd docker-registry kube-apiserver dnsmasq dns-feed kube-controller-manager kube-scheduler kubelet kube-proxy
    else
        echo containerd kubelet kube-proxy
    fi
}

# The command lines name paths as the node sees them.
control_plane_start() # NAME
{
    local KUBERNETES_BIN=$NODE_BIN pki=$NODE_CLUSTER/pki
    case "$1" in
    etcd) etcd_command "$NODE_CLUSTER/etcd" 2379 ;;
    kube-apiserver)
        kube_apiserver_command "$pki" 2379 "$(node_address 1)" "$APISERVER_PORT" "$(service_subnet)" \
            --advertise-address="$(node_address 1)" --cert-dir="$pki"
        ;;
    kube-controller-manager)
        kube_controller_manager_command "$pki" "$pki/kube-controller-manager.kubeconfig" \
            --service-cluster-ip-range="$(service_subnet)" --cluster-cidr="$(pod_subnet)" \
            --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins
        ;;
    kube-scheduler) kube_scheduler_command "$pki/kube-scheduler.kubeconfig" ;;
    esac
    node_start 1 "$1" "${COMMAND[@]}"
}

containerd_program_start() # NODE
{
    local node=$1 dir here
    dir=$(node_dir "$node") here=$NODE_CLUSTER/n$node

    mkdir -p "$dir/cni" &&
        containerd_trust_plain_http "$dir" "$(cat "$CLUSTER_DIR/registry.address")" &&
        containerd_config /var/lib/containerd /run/containerd /run/containerd/containerd.sock /run/containerd/runc \
            "$here/cni" "$here/certs.d" >"$dir/config.toml" || return 1
    cat >"$dir/cni/10-stasis.conflist" <<EOF
{
  "cniVersion": "0.4.0",
  "name": "stasis",
  "plugins": [
    {
      "type": "ptp", "ipMasq": false,
      "ipam": {
        "type": "host-local", "dataDir": "/run/cni",
        "ranges": [[{"subnet": "$(pod_subnet "$node")"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
EOF
    node_start "$node" containerd containerd --config "$here/config.toml" &&
        node_await "$node" containerd 200 containerd_ctr "$dir" --connect-timeout 1s version
}

registry_start()
{
    cat >"$CLUSTER_DIR/registry.yml" <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $NODE_CLUSTER/registry}
  delete: {enabled: true}
http: {addr: "$(cat "$CLUSTER_DIR/registry.address")"}
EOF
    if [ "$REGISTRY_AUTH" = yes ]; then
        printf 'auth: {htpasswd: {realm: stasis, path: %s}}\n' "$NODE_CLUSTER/registry.htpasswd" >>"$CLUSTER_DIR/registry.yml"
    fi
    node_start 1 docker-registry docker-registry serve "$NODE_CLUSTER/registry.yml" &&
        node_await 1 docker-registry 100 curl -sS -o /dev/null -m 2 "http://$(cat "$CLUSTER_DIR/registry.address")/v2/"
}

# Knows the names of Services and nothing else: all other names do not exist.
dnsmasq_start()
{
    [ -e "$CLUSTER_DIR/dns-hosts" ] || : >"$CLUSTER_DIR/dns-hosts"
    node_start 1 dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file --user=root --log-facility=- \
        --bind-interfaces --listen-address="$(node_address 1)" --no-resolv --no-hosts --local=/#/ --local-ttl=1 \
        --addn-hosts="$NODE_CLUSTER/dns-hosts"
}

dns_feed_start()
{
    # Read by a shell that lives as long as the cluster: an edit of the script must not reach it.
    cp "$KUBERNETES_HOME/lib/dns-feed" "$CLUSTER_DIR/bin/dns-feed" &&
        node_start 1 dns-feed "$NODE_CLUSTER/bin/dns-feed" "$NODE_BIN/kubectl" "$NODE_CLUSTER/pki/kube-proxy.kubeconfig" \
            "$NODE_CLUSTER/dns-hosts" "$NODE_CLUSTER/n1/run/dnsmasq.pid"
}

# Thresholds of 0% and 100% mean never: how full this machine's disk is, is no matter of the cluster.
kubelet_start() # NODE
{
    local node=$1 name here=$NODE_CLUSTER/n$1 pki=$NODE_CLUSTER/pki
    name=$(node_name "$node")

    cat >"$(node_dir "$node")/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_address "$node")
healthzBindAddress: 127.0.0.1
tlsCertFile: $pki/kubelet-$node.crt
tlsPrivateKeyFile: $pki/kubelet-$node.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
clusterDNS: ["$(node_address 1)"]
clusterDomain: cluster.local
resolvConf: $NODE_CLUSTER/resolv.conf
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
failSwapOn: false
evictionHard: {memory.available: 100Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
maxPods: 500
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 200
kubeAPIBurst: 400
syncFrequency: 10s
nodeStatusUpdateFrequency: 2s
nodeStatusReportFrequency: 1m
runtimeRequestTimeout: 2m
volumePluginDir: /var/lib/kubelet/volume-plugins
EOF
    node_start "$node" kubelet "$NODE_BIN/kubelet" "--config=$here/kubelet.yaml" "--kubeconfig=$pki/kubelet-$node.kubeconfig" \
        --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock \
        "--hostname-override=$name" "--node-ip=$(node_address "$node")" --root-dir=/var/lib/kubelet \
        "--pod-infra-container-image=$CONTAINERD_PAUSE_IMAGE"
}

# The limits of connection tracking belong to the whole machine and cannot be set in a namespace: 0 leaves them alone.
kube_proxy_start() # NODE
{
    local node=$1
    cat >"$(node_dir "$node")/kube-proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
bindAddress: $(node_address "$node")
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
hostnameOverride: $(node_name "$node")
clientConnection: {kubeconfig: $NODE_CLUSTER/pki/kube-proxy.kubeconfig}
clusterCIDR: $(pod_subnet)
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 0s, syncPeriod: 30s}
EOF
    node_start "$node" kube-proxy "$NODE_BIN/kube-proxy" "--config=$NODE_CLUSTER/n$node/kube-proxy.yaml"
}

program_start()
{
    local node=$1 name=$2
    case "$name" in
    containerd) containerd_program_start "$node" ;;
    docker-registry) registry_start ;;
    etcd) control_plane_start etcd && node_await 1 etcd 300 node_enter 1 curl -fsS -m 2 http://127.0.0.1:2379/health ;;
    kube-apiserver)
        control_plane_start kube-apiserver &&
            node_await 1 kube-apiserver 600 kube_apiserver_is_ready "$CLUSTER_DIR/pki" "$(node_address 1)" "$APISERVER_PORT"
        ;;
    kube-controller-manager | kube-scheduler) control_plane_start "$name" ;;
    dnsmasq) dnsmasq_start ;;
    dns-feed) dns_feed_start ;;
    kubelet) kubelet_start "$node" ;;
    kube-proxy) kube_proxy_start "$node" ;;
    esac
}

# Where program_start() does not wait by itself: kubelet looks for other runtimes for some seconds before it listens.
program_await()
{
    local node=$1 name=$2
    case "$name" in
    kubelet) node_await "$node" kubelet 300 node_enter "$node" curl -fsS -m 2 http://127.0.0.1:10248/healthz ;;
    kube-proxy) node_await "$node" kube-proxy 300 node_enter "$node" curl -fsS -m 2 http://127.0.0.1:10256/healthz ;;
    esac
}

# Answers the address of a name by the cluster's DNS.
dns_answers() { busybox nslookup -type=a "$1" "$(node_address 1)" | grep "^Address: $2\$" >/dev/null; }
