# shellcheck shell=bash
# clients.sh - the Node.js clients of the tests, in a cache outside the tree. Source it.
#
#   clients_prepare     sets API_NODE (a node that is new enough) and API_MODULES (a node_modules folder)
#
# Both are what the lock files say, byte for byte. A repeated run finds them in the cache and needs no network.

API_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

clients_prepare()
{
    API_MODULES=$(clients_install "$API_TESTS")/node_modules || return 1
    API_NODE=$(clients_node) || return 1
}

# OpenSandbox's SDK wants a node that Debian 12 does not have.
clients_node()
{
    local own folder
    if own=$(command -v node) && "$own" -e '
        const [major, minor] = process.versions.node.split(".").map(Number)
        process.exit(major > 20 || (major === 20 && minor >= 18) ? 0 : 1)'; then
        printf '%s\n' "$own"
        return
    fi
    folder=$(clients_install "$API_TESTS/node") || return 1
    printf '%s\n' "$folder"/node_modules/node-linux-*/bin/node
}

# Prints the folder that has what FOLDER/package-lock.json lists. It appears whole or not at all.
clients_install() # FOLDER
{
    local cache hash folder work
    cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/stasis
    hash=$(sha256sum <"$1/package-lock.json" | cut -c1-16)
    folder=$cache/api-tests-$hash
    if [ ! -d "$folder" ]; then
        mkdir -p "$cache" && work=$(mktemp -d "$cache/api-tests.XXXXXX") && cp "$1"/package*.json "$work/" || return 1
        if ! npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund >"$work/npm.log" 2>&1; then
            echo "clients.sh: npm ci in $1 failed: $(tail -n 5 "$work/npm.log")" >&2
            rm -rf "$work"
            return 1
        fi
        mv -T "$work" "$folder" 2>/dev/null || rm -rf "$work" # another run was faster
    fi
    printf '%s\n' "$folder"
}
