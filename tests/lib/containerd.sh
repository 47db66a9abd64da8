# shellcheck shell=bash
# containerd.sh - a private containerd for one test: started in a folder of its own, gone when the test's shell ends.
#
#   containerd_for_test NAME   sets CONTAINERD_DIR; busybox is there as stasis.local/busybox:1
#
# Skips (exit 77) with the reason when the machine cannot run containers.

STASIS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../deploy/lib/containerd.sh
. "$STASIS_ROOT/deploy/lib/containerd.sh"

CONTAINERD_TEST_IMAGE=stasis.local/busybox:1

containerd_test_skip()
{
    printf 'SKIP: %s\n' "$*" >&2
    exit 77
}

containerd_test_needs()
{
    local tool
    [ "$(id -u)" = 0 ] || containerd_test_skip "running containers needs root"
    for tool in containerd runc ctr umoci busybox ip "${CC:-cc}"; do
        command -v "$tool" >/dev/null || containerd_test_skip "$tool is not installed (see deploy/install-deps.sh)"
    done
    containerd_cni_bin_dir >/dev/null || containerd_test_skip "the CNI plugins are not installed"
}

# Bridge and subnet are derived from the shell's pid, so that tests may run side by side.
containerd_for_test()
{
    local name=$1 number=$(($$ % 16384))

    containerd_test_needs
    CONTAINERD_DIR=$(mktemp -d "/tmp/st-$name.XXXXXX") || exit 1
    trap containerd_test_end EXIT
    trap 'exit 130' INT TERM
    containerd_configure "$CONTAINERD_DIR" "stt$number" "10.$((192 + number / 256)).$((number % 256)).0/24" &&
        containerd_start "$CONTAINERD_DIR" &&
        containerd_build_pause "$CONTAINERD_DIR" &&
        containerd_build_busybox "$CONTAINERD_DIR" "$CONTAINERD_TEST_IMAGE" || exit 1
}

containerd_test_end()
{
    local status=$?
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        grep -E 'level=(error|fatal)' "$CONTAINERD_DIR/containerd.log" | tail -n 15 >&2
    fi
    containerd_stop "$CONTAINERD_DIR"
    rm -rf "$CONTAINERD_DIR"
    exit "$status"
}
