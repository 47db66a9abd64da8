#!/usr/bin/env bash
# growth.sh - one sandbox, paused and resumed again and again: does its image grow, do pauses get slower?
#
#   tests/bench/growth.sh [--cycles N] [--mib M] [--json] [BIN]
#
# N (300) cycles on the local backend, everything on this machine. In each, the sandbox writes M (1) MiB of random bytes into a file of a
# new name and deletes the one before, so what is alive stays the same. BIN: the folder of the programs (build/release/bin).
# Prints a line for each tenth of the cycles: medians of pause and resume in seconds, layers and compressed MiB of the image, snapshots
# on the node. Exit 1 when files are missing at the end, when the image has more than its base and 4 layers, or when deleted bytes do not leave it.
set -euo pipefail
cd "$(dirname "$0")/../.."

cycles=300 mib=1 json='' bin=build/release/bin
while [ $# -gt 0 ]; do
    case "$1" in
    --cycles) cycles=${2:?--cycles needs a number}; shift ;;
    --mib) mib=${2:?--mib needs a number}; shift ;;
    --json) json=1 ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "growth.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
    *) bin=$1 ;;
    esac
    shift
done
[ "$cycles" -ge 10 ] || { echo "growth.sh: --cycles: want at least 10, got $cycles" >&2; exit 2; }

# shellcheck source=../e2e/lib.sh
. tests/e2e/lib.sh
e2e_begin growth "$(realpath "$bin")"

now_ms() { date +%s%3N; }
manifest_of() # REPOSITORY REFERENCE
{
    curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$STACK_REGISTRY/v2/$1/manifests/$2"
}
snapshots_on_the_node() { containerd_ctr "$E2E_DIR/cd" snapshots ls | tail -n +2 | wc -l; }

manifest=$(manifest_of base/demo 1)
base_layers=$(jq '.layers | length' <<<"$manifest") base_bytes=$(jq '[.layers[].size] | add' <<<"$manifest")
id=$(new_sandbox)
log=$E2E_DIR/cycles worst=0 largest=0
for ((i = 1; i <= cycles; i++)); do
    stasis exec "$id" -- sh -c "dd if=/dev/urandom of=/data-$i bs=1M count=$mib 2>/dev/null; rm -f /data-$((i - 1)); echo $i >>/cycles"
    t0=$(now_ms)
    stasis pause "$id" --wait >/dev/null 2>&1
    t1=$(now_ms)
    manifest=$(manifest_of "snapshots/$id-sandbox" "snap-gen$i")
    layers=$(($(jq '.layers | length' <<<"$manifest") - base_layers))
    bytes=$(jq '[.layers[].size] | add' <<<"$manifest")
    t2=$(now_ms)
    stasis resume "$id" --wait >/dev/null 2>&1
    t3=$(now_ms)
    [ "$layers" -le "$worst" ] || worst=$layers
    [ "$bytes" -le "$largest" ] || largest=$bytes
    echo "$i $((t1 - t0)) $((t3 - t2)) $layers $bytes $(snapshots_on_the_node)" >>"$log"
    [ ! -t 2 ] || printf '\r%d of %d' "$i" "$cycles" >&2
done
[ ! -t 2 ] || printf '\r\033[K' >&2
seen=$(stasis exec "$id" -- sh -c 'wc -l </cycles; ls -d /data-*' | tr -s '\n ' ' ')

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
[ -n "$json" ] || printf '%-12s %8s %8s %14s %10s %10s\n' cycles pause/s resume/s 'layers (max)' image/MiB snapshots
for ((part = 0; part < 10; part++)); do
    from=$((part * cycles / 10 + 1)) to=$(((part + 1) * cycles / 10))
    rows=$(sed -n "${from},${to}p" "$log")
    pause=$(awk '{ print $2 }' <<<"$rows" | median) resume=$(awk '{ print $3 }' <<<"$rows" | median)
    most=$(awk '{ print $4 }' <<<"$rows" | sort -n | tail -n 1)
    size=$(awk '{ print $5 }' <<<"$rows" | sort -n | tail -n 1) node=$(awk '{ print $6 }' <<<"$rows" | sort -n | tail -n 1)
    if [ -n "$json" ]; then
        jq -nc --argjson from "$from" --argjson to "$to" --argjson pause "$pause" --argjson resume "$resume" --argjson layers "$most" \
            --argjson bytes "$size" --argjson snapshots "$node" \
            '{from: $from, to: $to, pause_ms: $pause, resume_ms: $resume, layers_max: $layers, image_bytes_max: $bytes, snapshots_max: $snapshots}'
    else
        printf '%-12s %8s %8s %14s %10s %10s\n' "$from-$to" "$(awk "BEGIN { printf \"%.2f\", $pause / 1000 }")" \
            "$(awk "BEGIN { printf \"%.2f\", $resume / 1000 }")" "$most" "$(awk "BEGIN { printf \"%.1f\", $size / 1048576 }")" "$node"
    fi
done
stasis delete "$id"

if [ "$seen" != "$cycles /data-$cycles " ]; then
    echo "growth.sh: after $cycles cycles want /cycles of $cycles lines and /data-$cycles alone, found: $seen" >&2
    exit 1
fi
if [ "$worst" -gt 4 ]; then
    echo "growth.sh: an image had $worst layers above its base, want at most 4" >&2
    exit 1
fi
if [ $((largest - base_bytes)) -gt $((5 * mib << 20)) ]; then # 4 layers, and a MiB for all the rest
    echo "growth.sh: an image had $((largest - base_bytes)) bytes above its base, want at most $((5 * mib << 20)): what was deleted has not left" >&2
    exit 1
fi
