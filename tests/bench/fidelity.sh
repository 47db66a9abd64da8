#!/usr/bin/env bash
# tests/bench/fidelity.sh --rounds N [--seed S] [--large] [--build DIR]: many random histories of file systems, from seed S
# (1) on; for each the layer applied on its base by the rules of the OCI specification, and the image unpacked by a private
# containerd, are compared with what the container saw, attribute by attribute. What was lost must have been told, and a
# copy of the tree elsewhere must give the same bytes.
#
# --large   also a file of 9 GiB through containerd, which fills its holes, and a folder of a million entries
# --build   a build folder that is there already; else the preset "dev" is built
#
# Prints progress on a terminal and rounds per second at the end. Exit 1 at a difference, with the command that replays it;
# 2 when it cannot run: it needs root, overlayfs and containerd.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage()
{
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit "$1"
}

refuse()
{
    echo "tests/bench/fidelity.sh: $1" >&2
    exit 2
}

rounds='' seed=1 large='' build=''
while [ $# -gt 0 ]; do
    case $1 in
    --rounds | --seed | --build)
        [ $# -ge 2 ] || refuse "$1: want a value"
        declare "${1#--}=$2"
        shift 2
        ;;
    --large) large=1; shift ;;
    -h | --help) usage 0 ;;
    *) usage 2 >&2 ;;
    esac
done
[[ $rounds =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || refuse "--rounds, --seed: want whole numbers, got '$rounds', '$seed'"

if [ -z "$build" ]; then
    build=build/dev
    cmake --preset dev >/dev/null
fi
cmake --build "$build" --target test_layer_overlay test_layer_containerd test_layer_sizes >/dev/null ||
    refuse "the tests do not build in $build"
programs=$build/tests/integration/layer
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Runs a program over some rounds; its output is in $output when it fails.
compare()
{
    local status=0
    STASIS_LAYER_SEED=$2 STASIS_LAYER_ROUNDS=$3 "$programs/test_layer_$1" >"$output" 2>&1 || status=$?
    [ "$status" -ne 77 ] || refuse "$(grep -m1 '^skipped' "$output")"
    return "$status"
}

# One by one, to find the first that differs.
report()
{
    local at law
    for ((at = $1; at < $1 + $2; at++)); do
        for law in overlay containerd; do
            compare "$law" "$at" 1 && continue
            [ -t 2 ] && printf '\r\033[K' >&2
            grep -vE '^\[ +(RUN|OK) ' "$output" | cut -c1-400 | head -n 40
            echo "seed $at differs ($law). Replay: tests/bench/fidelity.sh --rounds 1 --seed $at"
            exit 1
        done
    done
    echo "seeds $1 to $(($1 + $2 - 1)) failed together and passed one by one: the reason is not in the histories" >&2
    exit 1
}

started=$(date +%s.%N)
per_second() { awk -v n="$1" -v from="$started" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f", n / (to - from) }'; }

for ((done = 0; done < rounds; done += batch)); do
    batch=$((rounds - done < 25 ? rounds - done : 25))
    for law in overlay containerd; do
        compare "$law" $((seed + done)) "$batch" || report $((seed + done)) "$batch"
    done
    [ ! -t 2 ] || printf '\r%d of %d rounds, %s per second ' $((done + batch)) "$rounds" "$(per_second $((done + batch)))" >&2
done
[ ! -t 2 ] || printf '\r\033[K' >&2
echo "$rounds rounds from seed $seed, no difference, $(per_second "$rounds") per second"

if [ -n "$large" ]; then
    STASIS_LAYER_LARGE=1 compare containerd 1 1 || { cat "$output"; exit 1; }
    STASIS_LAYER_ENTRIES=1000000 compare sizes 1 1 || { cat "$output"; exit 1; }
    grep entries: "$output"
fi
