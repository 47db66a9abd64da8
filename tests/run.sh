#!/usr/bin/env bash
# Runs the tests. On a fresh Debian 12 machine it installs what they need first.
#
#   tests/run.sh                     everything
#   tests/run.sh unit                planners, parsers, modules: no services
#   tests/run.sh integration         modules against a real containerd, registry and SQLite
#   tests/run.sh api                 the public API through OpenSandbox's SDK, grpc-js and plain HTTP
#   tests/run.sh e2e                 the whole product through its public doors, faults included
#   tests/run.sh kubernetes          the same on a real cluster, installed by the chart from its images; release build only
#   tests/run.sh --preset release    with another build than "check" (ASan, UBSan, -Werror); may be repeated
#   tests/run.sh --only REGEX        only the tests whose name matches
#
# Every case is counted; the last line is "N passed, N failed, N skipped". Exit 0 only if none failed.
set -euo pipefail
cd "$(dirname "$0")/.."

presets=() parts=() only=
while [ $# -gt 0 ]; do
    case "$1" in
    unit | integration | api | e2e | kubernetes) parts+=("$1") ;;
    --preset) presets+=("${2:?--preset needs a name: dev, check, tsan or release}"); shift ;;
    --only) only=${2:?--only needs a regular expression}; shift ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "tests/run.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
    esac
    shift
done
[ ${#parts[@]} -gt 0 ] || parts=(unit integration api e2e kubernetes)
if [ ${#presets[@]} -eq 0 ]; then
    presets=(check release)
    [ "${parts[*]}" != kubernetes ] || presets=(release)
elif [ "${parts[*]}" = kubernetes ] && [[ " ${presets[*]} " != *" release "* ]]; then
    echo "tests/run.sh: the part kubernetes runs with the preset release only: its images are made of that" >&2
    exit 2
fi

deploy/install-deps.sh test
case " ${parts[*]} " in
*" integration "* | *" kubernetes "*) # a real kube-apiserver; once per machine
    deploy/install-deps.sh kubernetes
    deploy/local-kubernetes/build
    ;;
esac

passed=0 failed=0 skipped=0 failures=

# Which programs failed and, of those, which cases: for the end of the run, where it is read first.
name_failures() { # log
    awk '
        { sub(/\r$/, "") }
        /^[0-9]+: \[  FAILED  \] / && !/test\(s\), listed below/ {
            test = $1 + 0
            sub(/^[0-9]+: \[  FAILED  \] /, "")
            if (!seen[test, $0]++) cases[test] = cases[test] "\n    " $0
        }
        /^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ && !/   Passed / && !/\*\*\*Skipped/ {
            match($0, /#[0-9]+/)
            print "  " $4 cases[substr($0, RSTART + 1, RLENGTH - 1) + 0]
        }' "$1"
}

# Reads `ctest -V` output: CMocka's totals where a program prints them, else one case per program. Several may run at once: every
# line of a program begins with the number of its test.
count_cases() {
    awk '
        { sub(/\r$/, "") }
        /^[0-9]+: / { test = $1 + 0 }
        /^[0-9]+: / && match($0, /\[  PASSED  \] [0-9]+ test/)  { split(substr($0, RSTART), w, " "); p += w[4]; seen[test] = 1 }
        /^[0-9]+: / && match($0, /\[  FAILED  \].*: [0-9]+ test\(s\), listed below/) { n = $0; sub(/ test\(s\), listed below.*/, "", n); sub(/.*: /, "", n); f += n; seen[test] = 1; own_failure[test] = 1 }
        /^[0-9]+: / && match($0, /\[  SKIPPED \].*: [0-9]+ test\(s\), listed below/) { n = $0; sub(/ test\(s\), listed below.*/, "", n); sub(/.*: /, "", n); s += n; seen[test] = 1 }
        /^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ {
            match($0, /#[0-9]+/)
            test = substr($0, RSTART + 1, RLENGTH - 1) + 0
            if (/   Passed /) { if (!seen[test]) p++ }
            else if (/\*\*\*Skipped/) { if (!seen[test]) s++ }
            else if (!own_failure[test]) f++
        }
        END { printf "%d %d %d\n", p, f, s }' "$1"
}

run_part() { # preset, label
    local log status=0 p f s started jobs=1
    # Each has a containerd and a registry of its own, and waits for them most of the time.
    [ "$2" != integration ] || jobs=2
    log="build/$1/test-$2.log"
    started=$(date +%s)
    ctest --preset "$1" -j "$jobs" -L "^$2\$" ${only:+-R "$only"} -V >"$log" 2>&1 || status=$?
    read -r p f s < <(count_cases "$log")
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%-8s %-12s %5d passed %3d failed %3d skipped  %4ds\n' "$1" "$2" "$p" "$f" "$s" $(($(date +%s) - started))
    if [ "$f" -ne 0 ] && ! awk -f tests/show-failures.awk "$log"; then
        echo "--- no program failed; the end of $log:"
        tail -n 60 "$log"
    fi
    [ "$f" -eq 0 ] || failures+="$1 $2:"$'\n'"$(name_failures "$log")"$'\n'
}

# What was compiled once, in whichever clone, is not compiled again.
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ccache} CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=true
for preset in "${presets[@]}"; do
    mkdir -p "build/$preset"
    log="build/$preset/build.log"
    echo "building $preset"
    if ! { cmake --preset "$preset" -DCMAKE_C_COMPILER_LAUNCHER=ccache && cmake --build --preset "$preset"; } >"$log" 2>&1; then
        grep -E -A8 'error|FAILED' "$log" | head -80 || tail -n 40 "$log"
        echo "tests/run.sh: the build '$preset' failed, see $log" >&2
        failed=$((failed + 1))
        continue
    fi
    for part in "${parts[@]}"; do
        [ "$part" != kubernetes ] || [ "$preset" = release ] || continue # the images are made of that one
        run_part "$preset" "$part"
    done
done

[ -z "$failures" ] || printf '\nfailed:\n%s' "$failures"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
