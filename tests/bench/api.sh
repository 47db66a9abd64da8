#!/usr/bin/env bash
# api.sh - how fast the public API answers, and what it holds in memory, with many sandboxes present.
#
#   tests/bench/api.sh [--sandboxes N] [--rate R] [--seconds S] [--runs K] [--json] [BIN]
#
# N (10000) paused sandboxes with their snapshots in the store of the local backend, snapshot-svc and lifecycle-svc of BIN
# (build/release/bin) on this machine; the load comes from this machine, too. In each of K (3) runs, side by side:
#   get      GET /v1/sandboxes/{id}, R (2000) a second for S (10) seconds, due at fixed times (bench-http-load)
#   health   GET /health at the same rate: what HTTP alone costs, the floor
#   list     GET /v1/sandboxes, one page of 20, on 8 connections as fast as they go
#   filter   the same for one hundredth of the sandboxes, by metadata
# Prints for each: answers a second, p50 and p99 in ms (median of the runs, and their range), CPU seconds of the two services for
# a thousand answers; the resident memory of each service before, after and at most, in MB (10^6 bytes); and how long snapshot-svc
# took to look at every sandbox after its start, before anything is measured.
set -euo pipefail
cd "$(dirname "$0")/../.."

sandboxes=10000 rate=2000 seconds=10 runs=3 json='' bin=build/release/bin
while [ $# -gt 0 ]; do
    case "$1" in
    --sandboxes) sandboxes=${2:?--sandboxes needs a number}; shift ;;
    --rate) rate=${2:?--rate needs a number}; shift ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    --runs) runs=${2:?--runs needs a number}; shift ;;
    --json) json=1 ;;
    -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "api.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
    *) bin=$1 ;;
    esac
    shift
done
bin=$(realpath "$bin")

# shellcheck source=../../deploy/lib/free_port.sh
. deploy/lib/free_port.sh
dir=$(mktemp -d /tmp/stasis-bench-api-XXXXXX)
lifecycle_pid='' snapshot_pid=''
stop()
{
    for pid in $lifecycle_pid $snapshot_pid; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || :
    done
    rm -rf "$dir"
}
trap stop EXIT

await() # URL
{
    local tenths=600
    until curl -fsS -o /dev/null -m 2 "$1" 2>/dev/null; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || { echo "api.sh: $1 does not answer; the end of the logs:" >&2; tail -n 5 "$dir"/*.log >&2; exit 1; }
        sleep 0.1
    done
}
keys_waiting() { curl -fsS "http://127.0.0.1:$snapshot_metrics/metrics" | awk '/^stasis_workqueue_depth/ { sum += $2 } END { print sum + 0 }'; }
await_idle()
{
    local tenths=1200
    until [ "$(keys_waiting)" = 0 ]; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || { echo "api.sh: snapshot-svc still has $(keys_waiting) objects to look at after 120 s" >&2; exit 1; }
        sleep 0.1
    done
}
memory_mb() { awk -v member="$2" '$1 == member ":" { printf "%.1f", $2 * 1024 / 1e6 }' "/proc/$1/status"; }
memory() { echo "lifecycle-svc $(memory_mb "$lifecycle_pid" VmRSS) snapshot-svc $(memory_mb "$snapshot_pid" VmRSS)"; }
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$lifecycle_pid/stat" "/proc/$snapshot_pid/stat" | paste -sd+ | bc; }

echo "filling the store with $sandboxes sandboxes" >&2
mkdir -m 700 "$dir/snapshot" "$dir/secrets"
id=$("$bin/bench-populate" "$dir/snapshot/cluster.db" "$sandboxes")
snapshot_probe=$(free_port) snapshot_metrics=$(free_port)
started=$(date +%s%N)
"$bin/snapshot-svc" --cluster local --state-dir "$dir/snapshot" --secrets-dir "$dir/secrets" --address "unix:$dir/snapshot.sock" \
    --agent-address "unix:$dir/agent.sock" --snapshot-registry registry.example.com/snapshots --log-level warn \
    --health-probe-bind-address "127.0.0.1:$snapshot_probe" --metrics-bind-address "127.0.0.1:$snapshot_metrics" >"$dir/snapshot.log" 2>&1 &
snapshot_pid=$!
await "http://127.0.0.1:$snapshot_probe/readyz"
await_idle # at its start it looks at every sandbox once; what is measured is what comes after
settled=$((($(date +%s%N) - started) / 1000000))
port=$(free_port)
OPENSANDBOX_SERVER_API_KEY=key "$bin/lifecycle-svc" --address "127.0.0.1:$port" --grpc-address '' --log-level warn \
    --orchestrator-address "unix:$dir/snapshot.sock" >"$dir/lifecycle.log" 2>&1 &
lifecycle_pid=$!
await "http://127.0.0.1:$port/health"

load() # PATH RATE CONNECTIONS
{
    "$bin/bench-http-load" "$port" "$1" "$2" "$seconds" "$3" 'OPEN-SANDBOX-API-KEY: key'
}
measure() # NAME PATH RATE CONNECTIONS: one line of JSON
{
    local before after result
    before=$(cpu_ticks)
    result=$(load "$2" "$3" "$4")
    after=$(cpu_ticks)
    jq -c --arg name "$1" --argjson ticks "$((after - before))" --argjson hz "$(getconf CLK_TCK)" \
        '. + {name: $name, cpu_s_per_1000: (1000 * $ticks / $hz / .ok)}' <<<"$result"
}

load "/v1/sandboxes/$id" "$rate" 16 >/dev/null # warms connections and caches
before=$(memory)
for ((run = 1; run <= runs; run++)); do
    measure get "/v1/sandboxes/$id" "$rate" 16
    measure health /health "$rate" 16
    measure list /v1/sandboxes 0 8
    measure filter '/v1/sandboxes?metadata=team%3Dteam-7' 0 8
done >"$dir/results"
after=$(memory)
peak="lifecycle-svc $(memory_mb "$lifecycle_pid" VmHWM) snapshot-svc $(memory_mb "$snapshot_pid" VmHWM)"

if [ -n "$json" ]; then
    jq -c '.' "$dir/results"
    exit 0
fi
echo "$sandboxes sandboxes, $runs runs of $seconds s; $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg); get and health at $rate a second on 16 connections"
jq -rs 'def median: sort | .[(length - 1) / 2 | floor];
    "what        rps   p50 ms   p99 ms  p99 range      max ms  failed  cpu s/1000",
    (group_by(.name)[] | [.[0].name, (map(.rps) | median), (map(.p50_ms) | median), (map(.p99_ms) | median),
        (map(.p99_ms) | "\(min)..\(max)"), (map(.max_ms) | max), (map(.failed) | add), (map(.cpu_s_per_1000) | median)] | @tsv)' \
    "$dir/results" | awk -F'\t' 'NR == 1 { print; next } { printf "%-8s %6.0f %8.3f %8.3f  %-14s %6.1f %7d %11.3f\n", $1, $2, $3, $4, $5, $6, $7, $8 }'
echo "resident MB before: $before; after: $after; at most: $peak"
echo "snapshot-svc had looked at all of them $settled ms after its start"
