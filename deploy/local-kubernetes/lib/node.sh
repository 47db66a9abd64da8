# shellcheck shell=bash
# node.sh - a node: a process that holds namespaces of its own for everything (mounts, processes, network, name, control
# groups), and the programs in them. Source it after common.sh, network.sh and cgroup.sh; uses CLUSTER_DIR and CLUSTER_NUMBER.
#
# A node looks like an ordinary machine: containerd at /run/containerd/containerd.sock, kubelet's /var/lib/kubelet,
# /var/log/pods, /var/lib/stasis. /run is a memory file system; /var/lib and /var/log are folders of CLUSTER_DIR/nI; the rest
# is this machine's. When the holder dies, the kernel kills all in it, and mounts and links go with the namespaces.
# CLUSTER_DIR/nI:  init.pid (as this machine sees it)  run/NAME.pid (as the node sees it)  log/NAME.log
#                  containerd.sock (a link, for ctr on this machine)
#
#   node_hold NODE                   makes it; sets NODE_PIDS[NODE]
#   node_find NODE                   sets NODE_PIDS[NODE] when it is running
#   node_enter NODE COMMAND...       runs COMMAND in it
#   node_start NODE NAME COMMAND...  in the background, with no variables of the caller's
#   node_runs NODE NAME
#   node_await NODE NAME TENTHS CHECK...
#   node_stop NODE NAME [SIGNAL]     returns when it has ended
#   node_kill NODE                   kills everything in it
#   node_release NODE                also waits for that, and undoes the rest

NODE_PIDS=()

node_dir() { printf '%s/n%d' "$CLUSTER_DIR" "$1"; }
node_name() { printf 'node-%d' "$1"; }
node_group() { printf 'stasis-k%d/%d' "$CLUSTER_NUMBER" "$1"; }

# A holder that died may have left its number to another process.
node_find()
{
    local pid
    pid=$(cat "$(node_dir "$1")/init.pid" 2>/dev/null) && [ -n "$pid" ] &&
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = stasis-node ] && ! containerd_has_ended "$pid" && NODE_PIDS[$1]=$pid
}

node_hold()
{
    local node=$1 dir left=100
    dir=$(node_dir "$node")

    mkdir -p "$dir/run" "$dir/log" "$dir/var-lib/stasis" "$dir/var-lib/kubelet" "$dir/var-lib/containerd" "$dir/var-lib/cni" \
        "$dir/var-log" && chmod 711 "$dir" && rm -f "$dir"/run/*.pid "$dir/init.pid" || return 1
    cgroup_create "$(node_group "$node")" || return 1
    (
        cgroup_join "$(node_group "$node")"
        exec setsid unshare --mount --pid --fork --net --uts --ipc --cgroup \
            "$KUBERNETES_HOME/lib/node-init" "$CLUSTER_DIR" "$node" "$KUBERNETES_BIN" "$(node_name "$node")" \
            >"$dir/log/init.log" 2>&1 </dev/null
    ) &
    until node_find "$node"; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            say "node $node did not start: $(tail -n 3 "$dir/log/init.log")"
            return 1
        fi
        sleep 0.05
    done
    ln -sfn "/proc/${NODE_PIDS[node]}/root/run/containerd/containerd.sock" "$dir/containerd.sock"
}

node_enter()
{
    local node=$1
    shift
    (
        cgroup_join "$(node_group "$node")"
        exec nsenter --target "${NODE_PIDS[node]}" --mount --pid --net --uts --ipc --cgroup -- "$@"
    )
}

node_start()
{
    local node=$1 name=$2
    shift 2
    # shellcheck disable=SC2016  # expanded in the node
    node_enter "$node" bash -c 'here=$1 name=$2; shift 2
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            setsid "$@" >>"$here/log/$name.log" 2>&1 </dev/null &
        printf "%s\n" "$!" >"$here/run/$name.pid"' node_start "$NODE_CLUSTER/n$node" "$name" "$@"
}

# What the node calls its process, if it is running.
node_pid()
{
    local node=$1 name=$2 pid comm
    pid=$(cat "$(node_dir "$node")/run/$name.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    comm=$(cat "/proc/${NODE_PIDS[node]}/root/proc/$pid/comm" 2>/dev/null) || return 1
    case "$comm" in
    "${name:0:15}" | setsid | env | bash) printf '%s\n' "$pid" ;;
    *) return 1 ;;
    esac
}

node_runs() { node_pid "$@" >/dev/null; }

node_await()
{
    local node=$1 name=$2 left=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        if [ "$left" -le 0 ] || ! node_runs "$node" "$name"; then
            say "$name of node $node did not start; the end of $(node_dir "$node")/log/$name.log:"
            tail -n 12 "$(node_dir "$node")/log/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

node_stop()
{
    local node=$1 name=$2 signal=${3:-TERM} pid left=200
    pid=$(node_pid "$node" "$name") || return 0
    node_enter "$node" kill "-$signal" "$pid" || :
    while node_runs "$node" "$name"; do
        left=$((left - 1))
        [ "$left" != 0 ] || node_enter "$node" kill -KILL "$pid" || :
        [ "$left" -gt -200 ] || { say "$name of node $node (pid $pid there) does not end"; return 1; }
        sleep 0.1
    done
    rm -f "$(node_dir "$node")/run/$name.pid"
}

# A process that is frozen (v1) does not die of SIGKILL until it is thawed. One that was killed before may end between our look and our signal.
node_kill()
{
    if node_find "$1"; then
        kill -KILL "${NODE_PIDS[$1]}" 2>/dev/null || :
        cgroup_thaw "$(node_group "$1")"
    fi
}

node_release()
{
    local node=$1
    node_kill "$node"
    if [ -n "${NODE_PIDS[node]:-}" ]; then
        containerd_await_exit "${NODE_PIDS[node]}" 600 || say "node $node (pid ${NODE_PIDS[node]}) does not end"
    fi
    unset "NODE_PIDS[node]"
    cgroup_remove "$(node_group "$node")"
    rm -f "$(node_dir "$node")/init.pid" "$(node_dir "$node")"/run/*.pid "$(node_dir "$node")/containerd.sock"
}
