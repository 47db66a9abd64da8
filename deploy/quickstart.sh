#!/usr/bin/env bash
# Pauses and resumes a real sandbox on this machine, visibly, in a few minutes. Needs root on Debian 12.
#
#   deploy/quickstart.sh          install, build, run the main job, check every file, stop everything
#   deploy/quickstart.sh --keep   leave the stack running afterwards and say what to try next
#   deploy/quickstart.sh --stop   stop what --keep left running
#
# Everything that runs lives in one folder (STASIS_DIR, default /var/tmp/stasis). Exit code 0 only if every check held;
# then the last line is "pause/resume: OK".
set -euo pipefail
cd "$(dirname "$0")/.."

keep= stop=
for argument in "$@"; do
    case "$argument" in
    --keep) keep=yes ;;
    --stop) stop=yes ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart.sh: unknown argument '$argument' (see --help)" >&2; exit 2 ;;
    esac
done
if [ "$(id -u)" -ne 0 ]; then
    echo "quickstart.sh: run it as root: it starts containers" >&2
    exit 1
fi
dir=${STASIS_DIR:-/var/tmp/stasis}

# shellcheck source=deploy/lib/stack.sh
. deploy/lib/stack.sh

if [ -n "$stop" ]; then
    STACK_DIR=$dir
    stack_stop
    echo "stopped; the files stay in $dir"
    exit 0
fi

# --- what is shown -------------------------------------------------------------------------------------------------

bold= plain=
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
fail() { printf 'quickstart.sh: FAILED: %s\n' "$*" >&2; exit 1; }

timings=()
# Runs a command, and remembers how long it took under a name.
timed()
{
    local name=$1 from=$EPOCHREALTIME
    shift
    "$@"
    timings+=("$(printf '%-28s %7.2f s' "$name" "$(awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')")")
}

# --- install, build, start ------------------------------------------------------------------------------------------

step "Install what is missing (Debian packages)"
deploy/install-deps.sh build run
step "Build"
# What was compiled once, in whichever clone, is not compiled again.
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ccache} CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true
mkdir -p build
if ! { cmake --preset release -DCMAKE_C_COMPILER_LAUNCHER=ccache && cmake --build --preset release --target committer-agent snapshot-svc lifecycle-svc stasisctl; } >build/quickstart.log 2>&1; then
    tail -n 30 build/quickstart.log >&2
    fail "the build, see build/quickstart.log"
fi

step "Start a private containerd, a registry and the three services in $dir"
if [ -e "$dir/run" ]; then # what an earlier, interrupted run left
    STACK_DIR=$dir
    stack_stop
    rm -rf "$dir"
fi
port_or_any() { if [ -n "$(ss -Hltn "sport = :$1")" ]; then free_port; else printf '%s\n' "$1"; fi; }
STACK_REST_PORT=$(port_or_any 8080)
STACK_GRPC_PORT=$(port_or_any 8090)
STACK_REGISTRY_PORT=$(port_or_any 5000)
stack_configure "$dir" "$PWD/build/release/bin"
finish()
{
    local status=$?
    if [ -n "$keep" ] && [ "$status" -eq 0 ]; then
        return
    fi
    if [ "$status" -ne 0 ]; then
        for log in "$dir"/log/*.log; do
            printf -- '--- the end of %s\n' "$log" >&2
            tail -n 12 "$log" >&2
        done
    fi
    stack_stop
}
trap finish EXIT
stack_start
note "REST http://127.0.0.1:$STACK_REST_PORT   gRPC 127.0.0.1:$STACK_GRPC_PORT   registry $STACK_REGISTRY"

step "Make a small base image and push it to the registry"
image=$STACK_REGISTRY/base/demo:1
containerd_build_busybox "$dir/cd" "$image"
containerd_ctr "$dir/cd" images push --plain-http "$image" >/dev/null
note "$image"

# --- the main job ---------------------------------------------------------------------------------------------------

in_sandbox() { stasis exec "$id" -- sh -c "$1"; }

# Every file of the sandbox's own root: type, mode, owner, size, time, name, and the checksum of its content. The three
# that the runtime mounts over are not the sandbox's.
inventory()
{
    in_sandbox 'find / -xdev ! -path /etc/hosts ! -path /etc/hostname ! -path /etc/resolv.conf ! -path "/proc*" \
                    ! -path "/sys*" ! -path "/dev*" ! -path / -exec stat -c "%f %u %g %Y %N" {} + | sort
                find / -xdev -type f ! -path /etc/hosts ! -path /etc/hostname ! -path /etc/resolv.conf -exec sha256sum {} + | sort'
}
same_files() # BEFORE AFTER WHEN
{
    if ! diff -u "$1" "$2" >"$dir/diff"; then
        head -n 20 "$dir/diff" >&2
        fail "the files differ $3"
    fi
    note "$(wc -l <"$2") lines of inventory are equal $3"
}
has_container() { [ -n "$(containerd_ctr "$dir/cd" containers ls -q "labels.\"io.kubernetes.pod.name\"==$id-0")" ]; }
container_is_gone()
{
    if has_container; then
        fail "a container of the sandbox is still there"
    fi
    note "no container of the sandbox is left on this machine"
}
delete_sandbox()
{
    local deadline=$((SECONDS + 60))
    stasis delete "$id" --wait >/dev/null
    while has_container && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done # its processes get their grace period
}
image_is_pushed() # TAG
{
    local digest
    digest=$(curl -fsS -o /dev/null -D - -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "http://$STACK_REGISTRY/v2/snapshots/$id-sandbox/manifests/$1" | tr -d '\r' |
        awk 'tolower($1) == "docker-content-digest:" { print $2 }')
    [ -n "$digest" ] || fail "the registry has no snapshots/$id-sandbox:$1"
    note "in the registry: snapshots/$id-sandbox:$1 = $digest"
}
cycle() # N
{
    local n=$1
    step "Pause ($n)"
    inventory >"$dir/before-$n"
    timed "pause $n" stasis pause "$id" --wait
    container_is_gone
    image_is_pushed "snap-gen$n"
    step "Resume ($n)"
    timed "resume $n" stasis resume "$id" --wait
    inventory >"$dir/after-$n"
    same_files "$dir/before-$n" "$dir/after-$n" "after resume $n"
    [ "$(in_sandbox 'echo $GREETING')" = hello ] || fail "the environment was not kept"
}

step "Create a sandbox"
create() { id=$(stasis create --image "$image" --env GREETING=hello --metadata project=quickstart -o name -- sh -c 'trap exit TERM; sleep infinity & wait'); }
timed "create" create
note "$id"
stasis get "$id"

step "Write files in it: new, changed, deleted"
in_sandbox 'mkdir -p /work/deep/er && echo "new file" >/work/new && ln /work/new /work/hard-link && ln -s new /work/soft-link &&
    head -c 33554432 /dev/urandom >/work/big && i=0 && while [ $i -lt 500 ]; do echo $i >/work/deep/er/$i; i=$((i + 1)); done &&
    echo "changed:x:1:1::/:/bin/sh" >>/etc/passwd && rm /etc/group && rm -r /root && mkdir /root && chmod 2750 /work/deep'
note "32 MiB in /work/big, 500 small files, links, a changed /etc/passwd, a deleted /etc/group, a replaced /root"

cycle 1
step "Change something again"
in_sandbox 'echo "second life" >>/work/new && rm -r /work/deep && echo root >/etc/group && chmod 600 /work/big'
cycle 2
[ "$(in_sandbox 'tail -n 1 /work/new; test -e /work/deep || echo gone')" = "second life"$'\n'"gone" ] ||
    fail "the second life's changes are not there"

if [ -n "$keep" ]; then
    step "The stack keeps running. Try:"
    note "export OPEN_SANDBOX_API_KEY=$STACK_KEY STASIS_ADDRESS=127.0.0.1:$STACK_GRPC_PORT PATH=\$PATH:$PWD/build/release/bin"
    note "stasisctl list"
    note "stasisctl exec $id -- ls -la /work"
    note "curl -X POST -H \"OPEN-SANDBOX-API-KEY: \$OPEN_SANDBOX_API_KEY\" http://localhost:$STACK_REST_PORT/v1/sandboxes/$id/pause"
    note "curl -X POST -H \"OPEN-SANDBOX-API-KEY: \$OPEN_SANDBOX_API_KEY\" http://localhost:$STACK_REST_PORT/v1/sandboxes/$id/resume"
    note "tail -f $dir/log/*.log"
    note "STASIS_DIR=$dir deploy/quickstart.sh --stop"
else
    step "Delete the sandbox"
    timed "delete" delete_sandbox
    container_is_gone
fi

step "Timings"
printf '   %s\n' "${timings[@]}"
echo "pause/resume: OK"
