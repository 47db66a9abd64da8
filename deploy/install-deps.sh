#!/usr/bin/env bash
# Installs what Stasis needs on Debian 12, from Debian packages only. Needs root.
#
#   deploy/install-deps.sh build     compiler and libraries
#   deploy/install-deps.sh run       containerd, runc, registry, CNI: what the one-machine stack runs on
#   deploy/install-deps.sh test      what tests need on top
#   deploy/install-deps.sh images    what deploy/images/build.sh needs on top of build
#   deploy/install-deps.sh bench     what tests/bench needs on top of build and run: the peers that we are measured against
#   deploy/install-deps.sh kubernetes    what deploy/local-kubernetes is built from and runs on
#   deploy/install-deps.sh           build and run
#
# Does nothing, and needs no network, when everything is there already.
set -euo pipefail

build=(gcc libc6-dev cmake ninja-build ccache pkg-config
       libgrpc-dev libprotobuf-c-dev protobuf-c-compiler libprotobuf-dev protobuf-compiler
       libcurl4-openssl-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev libssl-dev libzstd-dev zlib1g-dev
       libsqlite3-dev libyaml-dev uthash-dev libcmocka-dev)
run=(containerd runc containernetworking-plugins docker-registry umoci busybox-static
     curl ca-certificates jq iproute2 iptables util-linux procps)
kubernetes=(gcc libc6-dev golang-1.19-go etcd-server dnsmasq-base skopeo unzip conntrack ebtables socat ethtool kmod
            apache2-utils openssl)
images=(ca-certificates jq skopeo)
bench=(buildah podman python3 util-linux)
test=(apache2-utils openssl clang-format git libarchive-tools python3 python3-yaml shellcheck)

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; }

wanted=()
[ $# -gt 0 ] || set -- build run
for part in "$@"; do
    case "$part" in
    build) wanted+=("${build[@]}") ;;
    images) wanted+=("${images[@]}") ;;
    run) wanted+=("${run[@]}") ;;
    kubernetes)
        wanted+=("${run[@]}" "${images[@]}" "${kubernetes[@]}")
        command -v npm >/dev/null || wanted+=(npm) # machines that have another one keep it
        ;;
    bench) wanted+=("${build[@]}" "${run[@]}" "${bench[@]}") ;;
    test)
        wanted+=("${build[@]}" "${run[@]}" "${images[@]}" "${test[@]}")
        # Clients of the public API; machines that have another one keep it.
        command -v node >/dev/null || wanted+=(nodejs)
        command -v npm >/dev/null || wanted+=(npm)
        ;;
    -h | --help) usage; exit 0 ;;
    *) echo "install-deps.sh: unknown part '$part': want build, run, images, bench, kubernetes or test" >&2; exit 2 ;;
    esac
done

missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "install-deps.sh: missing packages: ${missing[*]}" >&2
    echo "install-deps.sh: run it as root to install them" >&2
    exit 1
fi

# A service that starts by itself would own the default sockets and ports; Stasis starts private ones.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=yes
fi
trap '[ -z "$made_policy" ] || rm -f "$policy"' EXIT

echo "installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
