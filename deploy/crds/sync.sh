#!/usr/bin/env bash
# Copies the custom resource definitions of this folder into the Helm chart, which cannot reach outside itself.
#
#   deploy/crds/sync.sh            copy
#   deploy/crds/sync.sh --check    compare only; fails when the chart's copy differs
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
chart=$here/../helm/stasis/files/crds

case "${1:-}" in
"")
    mkdir -p "$chart"
    rm -f "$chart"/*.yaml
    cp "$here"/*.yaml "$chart/"
    ;;
--check)
    if ! difference=$(diff -r --exclude='*.sh' "$here" "$chart"); then
        echo "the chart's copy of the CRDs differs; run deploy/crds/sync.sh:" >&2
        echo "$difference" >&2
        exit 1
    fi
    ;;
-h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0" ;;
*) echo "sync.sh: unknown argument '$1': want --check or nothing" >&2; exit 2 ;;
esac
