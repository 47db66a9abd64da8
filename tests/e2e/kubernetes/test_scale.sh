#!/usr/bin/env bash
# test_scale.sh DIR - two hundred sandboxes are created, paused and resumed at once; the table tells how long that takes.
set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=200

two_hundred_sandboxes_pause_and_resume_at_once()
{
    "$E2E_ROOT/tests/bench/kubernetes.py" --namespace "$NS" --image "$IMAGE" --count "$COUNT" --keep >"$TABLE"
    want "sandboxes that run" $((COUNT + 5)) "$(kubectl -n "$NS" get bsbx -o json | jq '[.items[] | select(.status.phase == "Succeed" and .status.ready == 1)] | length')"
    want "snapshots that are left" "" "$(kubectl -n "$NS" get sbxsnap -o name)"
    want "their files" kept "$(inside crowd-0 cat /kept)"
    nothing_is_left
}

kube_begin scale "$1"
TABLE=$E2E_DIR/table
it "200 sandboxes pause and resume at once, and none is stuck" two_hundred_sandboxes_pause_and_resume_at_once
cat "$TABLE" 2>/dev/null
e2e_end
