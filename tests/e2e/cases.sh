# shellcheck shell=bash
# cases.sh - end-to-end tests as sentences. Source it; who does gives E2E_DIR, a folder for this run, and e2e_show_logs,
# which prints the ends of the logs that explain a failure.
#
#   it "sentence" function  runs the function in a subshell; what it prints is shown when it fails
#   e2e_end                 the totals, in CMocka's words, and the exit code
#
# Inside a case: want WHAT EXPECTED ACTUAL;  want_in, want_not_in;  within SECONDS COMMAND..., for what nobody announces.

E2E_PASSED=0 E2E_FAILED=()

it()
{
    local sentence=$1 body=$2 log status
    log=$E2E_DIR/case.log
    printf '[ RUN      ] %s\n' "$sentence"
    # Not as the condition of an `if`: bash would ignore "set -e" all the way down, and no case could fail.
    (set -euo pipefail; "$body") >"$log" 2>&1 </dev/null
    status=$?
    if [ "$status" -eq 0 ]; then
        printf '[       OK ] %s\n' "$sentence"
        E2E_PASSED=$((E2E_PASSED + 1))
    else
        printf '[  FAILED  ] %s\n' "$sentence"
        sed 's/^/    /' "$log"
        e2e_show_logs | sed 's/^/    /'
        E2E_FAILED+=("$sentence")
    fi
}

e2e_end()
{
    printf '[==========] %d test(s) run.\n[  PASSED  ] %d test(s).\n' \
        $((E2E_PASSED + ${#E2E_FAILED[@]})) "$E2E_PASSED"
    if [ ${#E2E_FAILED[@]} -gt 0 ]; then
        printf '[  FAILED  ] e2e: %d test(s), listed below:\n' "${#E2E_FAILED[@]}"
        printf '[  FAILED  ] %s\n' "${E2E_FAILED[@]}"
        exit 1
    fi
    exit 0
}

want() { [ "$2" = "$3" ] || { printf '%s: want "%s", got "%s"\n' "$1" "$2" "$3" >&2; return 1; }; }
want_in() { case "$2" in *"$1"*) ;; *) printf 'want "%s" in "%s"\n' "$1" "$2" >&2; return 1 ;; esac; }
want_not_in() { case "$2" in *"$1"*) printf 'want no "%s" in "%s"\n' "$1" "$2" >&2; return 1 ;; esac; }

# Asks until COMMAND succeeds; fails when it has not in that time.
within() # SECONDS COMMAND...
{
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}
