# shellcheck shell=bash
# containerd.sh - a private containerd with CRI, beside whatever else runs on the machine. Source it; needs root.
#
# Everything lives in one folder (short: socket paths are limited to 107 bytes):
#   config.toml  root/  state/  runc/  cni/  certs.d/  containerd.sock  containerd.pid  containerd.log
#
#   containerd_configure DIR [BRIDGE SUBNET]   writes the config; the bridge gets the subnet (default 10.87.0.0/24)
#   containerd_start DIR                       returns when its socket answers
#   containerd_build_pause DIR                 compiles and imports the pause image that the config names
#   containerd_build_busybox DIR IMAGE         imports a busybox image under that name ("host/path:tag")
#   containerd_import DIR LAYOUT IMAGE         imports an OCI layout's tag "latest" under that name
#   containerd_trust_plain_http DIR HOST:PORT  pulls from that registry use HTTP (read at each pull)
#   containerd_layout WORK BUILD CONFIG...     makes an OCI layout of what the function BUILD puts into a folder
#   containerd_config ROOT STATE ...           the text of a config.toml, for a containerd that lives elsewhere
#   containerd_masquerade DIR on|off           lets pods reach the world through the host's address
#   containerd_ctr DIR ARGS...                 ctr in the namespace k8s.io
#   containerd_stop DIR                        kills its containers, then stops it and undoes mounts, netns, bridge
#
# Each answers non-zero and says why on stderr when it fails.

CONTAINERD_LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CONTAINERD_PAUSE_IMAGE=stasis.local/pause:1

containerd_say() { printf 'containerd.sh: %s\n' "$*" >&2; }

containerd_ctr()
{
    local dir=$1
    shift
    ctr --address "$dir/containerd.sock" --namespace k8s.io "$@"
}

# Debian puts the CNI plugins into /usr/lib/cni, other systems into /opt/cni/bin.
containerd_cni_bin_dir()
{
    local dir
    for dir in /usr/lib/cni /opt/cni/bin; do
        if [ -x "$dir/bridge" ] && [ -x "$dir/host-local" ] && [ -x "$dir/loopback" ]; then
            printf '%s\n' "$dir"
            return 0
        fi
    done
    containerd_say "no CNI plugins (bridge, host-local, loopback) in /usr/lib/cni or /opt/cni/bin;" \
        "install containernetworking-plugins"
    return 1
}

# The children of a process without CAP_SYS_RESOURCE cannot lower their oom_score_adj; runc then fails with
# "can't get final child's PID from pipe: EOF" unless containerd is told to restrict itself.
containerd_restrict_oom_score_adj()
{
    local effective
    effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    if (((16#$effective >> 24) & 1)); then echo false; else echo true; fi
}

containerd_write_network()
{
    local dir=$1 bridge=$2 subnet=$3

    mkdir -p "$dir/cni/conf" "$dir/cni/leases" || return 1
    cat >"$dir/cni/conf/10-stasis.conflist" <<EOF
{
  "cniVersion": "0.4.0",
  "name": "$bridge",
  "plugins": [
    {
      "type": "bridge", "bridge": "$bridge", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "$dir/cni/leases",
        "ranges": [[{"subnet": "$subnet"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
EOF
    printf '%s\n' "$bridge" >"$dir/cni/bridge" && printf '%s\n' "$subnet" >"$dir/cni/subnet"
}

# The text of a config.toml.
containerd_config()
{
    local root=$1 state=$2 socket=$3 runc=$4 cni_conf=$5 certs=$6 cni_bin_dir

    cni_bin_dir=$(containerd_cni_bin_dir) || return 1
    cat <<EOF
version = 2
root = "$root"
state = "$state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
                    "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
                    "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "$socket"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$CONTAINERD_PAUSE_IMAGE"
  restrict_oom_score_adj = $(containerd_restrict_oom_score_adj)
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$cni_bin_dir"
    conf_dir = "$cni_conf"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$certs"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "$runc"
EOF
}

containerd_configure()
{
    local dir=$1 bridge=${2:-stasis0} subnet=${3:-10.87.0.0/24}

    if [ "${#dir}" -gt 60 ] || [ "${dir#/}" = "$dir" ]; then
        containerd_say "want an absolute folder of at most 60 characters (socket paths are short), got $dir"
        return 1
    fi
    mkdir -p "$dir/certs.d" && chmod 711 "$dir" || return 1
    containerd_write_network "$dir" "$bridge" "$subnet" || return 1
    containerd_config "$dir/root" "$dir/state" "$dir/containerd.sock" "$dir/runc" "$dir/cni/conf" "$dir/certs.d" \
        >"$dir/config.toml"
}

containerd_trust_plain_http()
{
    local dir=$1 host=$2
    mkdir -p "$dir/certs.d/$host" &&
        printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$host" "$host" \
            >"$dir/certs.d/$host/hosts.toml"
}

containerd_is_running()
{
    local dir=$1 pid
    pid=$(cat "$dir/containerd.pid" 2>/dev/null) && [ -n "$pid" ] &&
        tr "\0" " " 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "--config $dir/config.toml"
}

containerd_start()
{
    local dir=$1 left=150

    if containerd_is_running "$dir"; then
        return 0
    fi
    # Its own session: a Ctrl-C at the terminal is for the caller, who stops it in order.
    setsid containerd --config "$dir/config.toml" >>"$dir/containerd.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"$dir/containerd.pid"
    # CRI may need a moment longer than the socket; until then its calls answer UNAVAILABLE, which clients retry.
    until containerd_ctr "$dir" --connect-timeout 1s version >/dev/null 2>&1; do
        left=$((left - 1))
        if [ "$left" -le 0 ] || ! containerd_is_running "$dir"; then
            containerd_say "containerd did not start; the end of $dir/containerd.log:"
            tail -n 5 "$dir/containerd.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# Without IMAGE, the names in the archive count; else its tag must be "latest".
containerd_import_archive() # DIR ARCHIVE [IMAGE]
{
    local dir=$1 archive=$2 image=${3:-}

    if [ -z "$image" ]; then
        containerd_ctr "$dir" images import "$archive" >/dev/null
        return
    fi
    containerd_ctr "$dir" images import --base-name "${image%:*}" "$archive" >/dev/null &&
        if [ "${image##*:}" != latest ]; then
            containerd_ctr "$dir" images tag --force "${image%:*}:latest" "$image" >/dev/null &&
                containerd_ctr "$dir" images rm --sync "${image%:*}:latest" >/dev/null
        fi
}

containerd_import()
{
    local dir=$1 layout=$2 image=$3 failed=0

    tar -C "$layout" -cf "$layout.tar" . && containerd_import_archive "$dir" "$layout.tar" "$image" || failed=1
    rm -f "$layout.tar"
    return "$failed"
}

# Makes the OCI layout WORK/oci (tag "latest") with one layer: what BUILD (a function that fills the folder $1) makes.
containerd_layout() # WORK BUILD CONFIG...
{
    local work=$1 build=$2
    shift 2

    {
        umoci init --layout "$work/oci" &&
            umoci new --image "$work/oci:latest" &&
            umoci unpack --image "$work/oci:latest" "$work/bundle" &&
            "$build" "$work/bundle/rootfs" &&
            umoci repack --image "$work/oci:latest" "$work/bundle" &&
            umoci config --image "$work/oci:latest" "$@" &&
            rm -rf "$work/bundle"
    } >"$work/log" 2>&1
}

# The same as an image of this containerd.
containerd_pack() # DIR IMAGE BUILD CONFIG...
{
    local dir=$1 image=$2 work failed=0
    shift 2

    work=$(mktemp -d "$dir/image.XXXXXX") || return 1
    if ! { containerd_layout "$work" "$@" && containerd_import "$dir" "$work/oci" "$image" 2>>"$work/log"; }; then
        failed=1
        containerd_say "cannot build $image: $(tail -n 3 "$work/log")"
    fi
    rm -rf "$work"
    return "$failed"
}

containerd_fill_pause()
{
    "${CC:-cc}" -O2 -static -o "$1/pause" "$CONTAINERD_LIB_DIR/pause.c" && strip "$1/pause"
}

containerd_build_pause()
{
    containerd_pack "$1" "$CONTAINERD_PAUSE_IMAGE" containerd_fill_pause --config.entrypoint /pause
}

containerd_fill_busybox()
{
    local root=$1 applet
    mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/root" "$root/proc" "$root/sys" "$root/dev" &&
        chmod 1777 "$root/tmp" &&
        cp "$(command -v busybox)" "$root/bin/busybox" &&
        printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd" &&
        printf 'root:x:0:\n' >"$root/etc/group" || return 1
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet" || return 1
    done
}

containerd_build_busybox()
{
    containerd_pack "$1" "$2" containerd_fill_busybox --config.cmd /bin/sh --config.env PATH=/bin
}

containerd_masquerade()
{
    local dir=$1 wanted=$2 subnet rule
    subnet=$(cat "$dir/cni/subnet") || return 1
    rule=(POSTROUTING -s "$subnet" ! -d "$subnet" -m comment --comment "stasis $dir" -j MASQUERADE)
    if [ "$wanted" = on ]; then
        sysctl -qw net.ipv4.ip_forward=1 || return 1
        iptables -t nat -C "${rule[@]}" 2>/dev/null || iptables -t nat -A "${rule[@]}"
    else
        while iptables -t nat -D "${rule[@]}" 2>/dev/null; do :; done
    fi
}

# Frozen processes die of SIGKILL only when thawed (cgroup v1): kill first, then thaw, so that none runs again.
containerd_kill_tasks()
{
    local dir=$1 id pid
    for id in $(containerd_ctr "$dir" tasks ls -q 2>/dev/null); do
        for pid in $(containerd_ctr "$dir" tasks ps "$id" 2>/dev/null | awk 'NR > 1 {print $1}'); do
            kill -KILL "$pid" 2>/dev/null || :
        done
        containerd_ctr "$dir" tasks resume "$id" >/dev/null 2>&1 || :
        containerd_ctr "$dir" tasks delete --force "$id" >/dev/null 2>&1 || :
    done
    return 0
}

# Shims outlive their containerd on purpose; ours are known by the socket on their command line.
containerd_shim_pids()
{
    local dir=$1 file
    for file in /proc/[0-9]*/cmdline; do
        if { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -q -- "^[^ ]*containerd-shim[^ ]* .*-address $dir/containerd.sock"; then
            file=${file%/cmdline}
            printf '%s\n' "${file#/proc/}"
        fi
    done
}

# A process that need not be our child is gone when it is a zombie without threads: until the last thread has ended, its
# files stay open and its locks are held.
containerd_has_ended()
{
    local pid=$1 tasks
    kill -0 "$pid" 2>/dev/null || return 0
    tasks=$(echo /proc/"$pid"/task/*)
    [ "$(ps -o stat= -p "$pid" | cut -c1)" = Z ] && [ "${tasks% *}" = "$tasks" ]
}

# Answers 1 when it outlives the limit.
containerd_await_exit()
{
    local pid=$1 tenths=$2
    until containerd_has_ended "$pid"; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || return 1
        sleep 0.1
    done
}

containerd_unmount_all()
{
    local dir=$1 target
    awk -v dir="$dir/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r |
        while read -r target; do
            umount -l "$(printf '%b' "${target//\\/\\0}")"
        done
}

containerd_stop()
{
    local dir=$1 pid bridge

    if containerd_is_running "$dir"; then
        containerd_kill_tasks "$dir"
        pid=$(cat "$dir/containerd.pid")
        kill -TERM "$pid" 2>/dev/null || :
        containerd_await_exit "$pid" 100 || kill -KILL "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    fi
    for pid in $(containerd_shim_pids "$dir"); do
        kill -KILL "$pid" 2>/dev/null || :
    done
    containerd_unmount_all "$dir"
    if bridge=$(cat "$dir/cni/bridge" 2>/dev/null); then
        ip link delete "$bridge" 2>/dev/null || :
        containerd_masquerade "$dir" off
    fi
    rm -f "$dir/containerd.pid" "$dir/containerd.sock" "$dir/containerd.sock.ttrpc"
    return 0
}
