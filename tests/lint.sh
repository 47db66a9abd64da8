#!/usr/bin/env bash
# lint.sh [--fix] - what a machine can say about style: clang-format, and calls that have no place here.
#
# Exit 0: clean; 1: not, with the lines; 77: clang-format is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null || { echo "SKIP: clang-format is not installed" >&2; exit 77; }

if [ "${1:-}" = --fix ]; then
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
    exit 0
fi
status=0
git ls-files -z '*.c' '*.h' | xargs -0 -n 40 -P 2 clang-format --dry-run -Werror || status=1

forbidden() { # REGEX WHY PATHS...
    local regex=$1 why=$2
    shift 2
    if git grep -nE "$regex" -- "$@"; then
        echo "lint.sh: $why" >&2
        status=1
    fi
}
services=(shared lifecycle-svc snapshot-svc committer-agent)
forbidden '\b(strtok|sprintf|strcpy|strcat|gets|atoi)\(' 'use a bounded function that can fail' "${services[@]}"
forbidden '\b(usleep|sleep)\(' 'wait for a condition, a descriptor or a deadline' "${services[@]}"
forbidden '\bsystem\(' 'no shell in a service' "${services[@]}"
exit "$status"
