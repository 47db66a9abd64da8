# shellcheck shell=bash
# process.sh - background programs of this machine, known by the pid in DIR/run/NAME.pid. Source it after common.sh.
#
#   process_start DIR NAME COMMAND...    in its own session; its output goes to DIR/log/NAME.log
#   process_is_running DIR NAME
#   process_stop DIR NAME [SIGNAL]       returns when it has ended; SIGKILL after 20 s
#   process_await DIR NAME TENTHS CHECK...   until the command CHECK succeeds; fails when NAME ends before

# shellcheck source=deploy/lib/containerd.sh
. "$STASIS_ROOT/deploy/lib/containerd.sh"
# shellcheck source=deploy/lib/free_port.sh
. "$STASIS_ROOT/deploy/lib/free_port.sh"

process_start()
{
    local dir=$1 name=$2
    shift 2
    mkdir -p "$dir/log" "$dir/run" || return 1
    setsid "$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"$dir/run/$name.pid"
}

# A pid may be somebody else's by now: ours has its own name.
process_is_running()
{
    local pid program
    pid=$(cat "$1/run/$2.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    program=$(cat "/proc/$pid/comm" 2>/dev/null) || return 1
    [ "$program" = "${2:0:15}" ] || [ "$program" = setsid ] || return 1
    ! containerd_has_ended "$pid"
}

process_stop()
{
    local dir=$1 name=$2 signal=${3:-TERM} pid
    process_is_running "$dir" "$name" || { rm -f "$dir/run/$name.pid"; return 0; }
    pid=$(cat "$dir/run/$name.pid")
    kill "-$signal" "$pid" 2>/dev/null || :
    containerd_await_exit "$pid" 200 || { kill -KILL "$pid" && containerd_await_exit "$pid" 50; } 2>/dev/null || :
    wait "$pid" 2>/dev/null || : # not our child, or dead by our signal
    rm -f "$dir/run/$name.pid"
}

process_await()
{
    local dir=$1 name=$2 tenths=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        tenths=$((tenths - 1))
        if [ "$tenths" -le 0 ] || ! process_is_running "$dir" "$name"; then
            say "$name did not start; the end of $dir/log/$name.log:"
            tail -n 12 "$dir/log/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}
