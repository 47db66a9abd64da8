#!/usr/bin/env bash
# lint.sh [--fix] - what a machine can say about style: clang-format, calls that have no place here, and shellcheck.
#
# Exit 0: clean; 1: not, with the lines; 77: clang-format or shellcheck is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in clang-format shellcheck; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed; run: deploy/install-deps.sh test" >&2; exit 77; }
done

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

# Shell scripts are known by their first line, whatever they are called. Warnings, and of the notes the one about commands that
# cannot fail a script ("! command"). Variables are looked for in files that source others, so an unused one is no warning.
mapfile -d '' -t scripts < <(git grep -lzE '^(#!/usr/bin/env bash|#!/bin/sh|# shellcheck shell=bash)$')
shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning --exclude=SC1007,SC2034,SC2054 "${scripts[@]}" || status=1
shellcheck --external-sources --source-path=SCRIPTDIR --include=SC2251 "${scripts[@]}" || status=1
exit "$status"
