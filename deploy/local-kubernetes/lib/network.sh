# shellcheck shell=bash
# network.sh - one /16 per cluster: which addresses are whose, the bridge, the nodes' links, the routes. Source it after
# common.sh.
#
# Cluster K (0..63) owns 10.(128+K).0.0/16:
#   .0.1            this machine, on the bridge stk<K>
#   .0.10+i         node i: an interface eth0 in its network namespace, a veth to the bridge
#   .16.0/20        Services; .16.1 is the API server
#   .64.0/18        pods: a /22 for each node
# Pods hang on their node by point-to-point links (CNI plugin ptp): all that they send is routed by the node, so that
# kube-proxy's rules see it, and no bridge needs the kernel's br_netfilter.
#
#   network_claim            takes a free K: makes its bridge; sets CLUSTER_NUMBER
#   network_connect NODE PID     gives the network namespace of PID its link
#   network_node_routes NODE     from there to the other nodes' pods; uses NODE_COUNT and NODE_PIDS
#   network_host_routes      from this machine to Services and pods
#   network_release          the opposite; links and routes go with the bridge
#   node_address NODE, host_address, service_subnet, first_service_address, pod_subnet [NODE]

NETWORK_CLUSTERS_MAX=64
NETWORK_NODES_MAX=16

network_prefix() { printf '10.%d' $((128 + CLUSTER_NUMBER)); }
network_bridge() { printf 'stk%d' "$CLUSTER_NUMBER"; }
host_address() { printf '%s.0.1' "$(network_prefix)"; }
node_address() { printf '%s.0.%d' "$(network_prefix)" $((10 + $1)); }
service_subnet() { printf '%s.16.0/20' "$(network_prefix)"; }
first_service_address() { printf '%s.16.1' "$(network_prefix)"; }

pod_subnet()
{
    if [ $# -eq 0 ]; then
        printf '%s.64.0/18' "$(network_prefix)"
    else
        printf '%s.%d.0/22' "$(network_prefix)" $((64 + 4 * ($1 - 1)))
    fi
}

# Does this machine already reach any of these addresses by something else than its default route?
network_is_foreign()
{
    local subnet
    subnet=$(network_prefix).0.0/16
    [ -n "$({ ip -4 route show root "$subnet"; ip -4 route show match "$subnet"; } | grep -v '^default')" ]
}

# A bridge can be made only once: making it is the claim.
network_claim_number()
{
    CLUSTER_NUMBER=$1
    ! network_is_foreign && ip link add name "$(network_bridge)" type bridge 2>/dev/null
}

network_claim()
{
    local first=$((RANDOM % NETWORK_CLUSTERS_MAX)) i

    if [ -n "${CLUSTER_NUMBER:-}" ]; then # the state in the folder is bound to its addresses
        network_claim_number "$CLUSTER_NUMBER" ||
            { say "the network $(network_prefix).0.0/16 or the bridge $(network_bridge) is in use"; return 1; }
    else
        for ((i = 0; i < NETWORK_CLUSTERS_MAX; i++)); do
            network_claim_number $(((first + i) % NETWORK_CLUSTERS_MAX)) && break
        done
        [ "$i" -lt "$NETWORK_CLUSTERS_MAX" ] || { say "every network from 10.128.0.0/16 to 10.191.0.0/16 is in use"; return 1; }
    fi
    ip address add "$(host_address)/24" dev "$(network_bridge)" && ip link set "$(network_bridge)" up && network_allow_bridge -A
}

# Where the kernel shows bridged frames to iptables (Docker switches that on), they must not be dropped.
network_allow_bridge() # -A or -D
{
    local bridge
    bridge=$(network_bridge)
    [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ] || return 0
    case "$1" in
    -A) iptables -I FORWARD -i "$bridge" -o "$bridge" -j ACCEPT ;;
    -D) iptables -D FORWARD -i "$bridge" -o "$bridge" -j ACCEPT 2>/dev/null || : ;;
    esac
}

network_connect()
{
    local node=$1 pid=$2 link
    link=$(network_bridge)-$node
    ip link delete "$link" 2>/dev/null || : # the kernel takes its time to clean up after a namespace
    ip link add "$link" type veth peer name eth0 netns "$pid" && ip link set "$link" master "$(network_bridge)" up &&
        nsenter --target "$pid" --net ip -batch - <<EOF
link set lo up
address add $(node_address "$node")/24 dev eth0
link set eth0 up
route add $(service_subnet) dev eth0
EOF
}

# Services are everywhere: kube-proxy of the node where a packet starts, or of node 1 for this machine's, changes their
# address on the way out; the nodes' own route to them is there only because there must be one.
network_node_routes()
{
    local node=$1 other
    for ((other = 1; other <= NODE_COUNT; other++)); do
        [ "$other" = "$node" ] || echo "route add $(pod_subnet "$other") via $(node_address "$other")"
    done | nsenter --target "${NODE_PIDS[node]}" --net ip -batch - &&
        nsenter --target "${NODE_PIDS[node]}" --net sysctl -qw net.ipv4.ip_forward=1
}

network_host_routes()
{
    local node
    ip route add "$(service_subnet)" via "$(node_address 1)" || return 1
    for ((node = 1; node <= NODE_COUNT; node++)); do
        ip route add "$(pod_subnet "$node")" via "$(node_address "$node")" || return 1
    done
}

network_release()
{
    local node
    for ((node = 1; node <= NODE_COUNT; node++)); do
        ip link delete "$(network_bridge)-$node" 2>/dev/null || :
    done
    ip link delete "$(network_bridge)" 2>/dev/null || :
    network_allow_bridge -D
}
