# shellcheck shell=bash
# free_port.sh - a TCP port that nobody listens on now. Source it.

# From a range that the kernel does not hand out by itself.
free_port()
{
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        [ -n "$(ss -Hltn "sport = :$port")" ] || break
    done
    printf '%s\n' "$port"
}
