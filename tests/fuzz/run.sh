#!/usr/bin/env bash
# tests/fuzz/run.sh [SECONDS per target, default 10] [TARGET...]: builds the preset "fuzz" and fuzzes each target so long.
#
# Starts from tests/fuzz/corpus/<target>/ and from what earlier runs found in build/fuzz/found/<target>/. Exit 1 when a
# target failed: the input is in build/fuzz/failures/<target>/; once fixed, it joins the corpus as a regression test.
# Needs clang and its libFuzzer (Debian: clang, libclang-rt-14-dev).
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=10
case "${1:-}" in
-h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
[0-9]*) seconds=$1; shift ;;
esac
[[ $seconds =~ ^[0-9]+$ ]] || { echo "tests/fuzz/run.sh: want a whole number of seconds, got '$seconds'" >&2; exit 2; }

probe='int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n ? 0 : 0; }'
if ! clang -x c - -fsanitize=fuzzer,address,undefined -o /dev/null <<<"$probe" 2>/dev/null; then
    echo "tests/fuzz/run.sh: no clang with libFuzzer here: apt-get install clang libclang-rt-14-dev" >&2
    exit 2
fi

export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache} CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true
cmake --preset fuzz -DCMAKE_C_COMPILER_LAUNCHER=ccache >/dev/null
cmake --build --preset fuzz ${JOBS:+-j "$JOBS"}

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi

failed=0
for target in "${targets[@]}"; do
    found=build/fuzz/found/$target failures=build/fuzz/failures/$target log=build/fuzz/$target.log
    mkdir -p "$found" "$failures"
    if "build/fuzz/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$failures/" "$found" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
        printf '%-16s %9d inputs, nothing found\n' "$target" "$(awk '/number_of_executed_units/ { print $2 }' "$log")"
    else
        failed=$((failed + 1))
        printf '%-16s FAILED, see %s and %s\n' "$target" "$log" "$failures"
        grep -m5 -E 'broken law|runtime error|ERROR: |SUMMARY: ' "$log" || true
    fi
done
[ "$failed" -eq 0 ]
