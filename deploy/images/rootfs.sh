#!/usr/bin/env bash
# Lays out what every image stands on: the shared libraries of the given programs and nothing else that runs, no shell.
#
#   deploy/images/rootfs.sh FOLDER PROGRAM...
#
# Into FOLDER go the libraries that ldd finds, the CA bundle, users root and nonroot (65532), an empty /tmp, and the copyright
# files of the Debian packages that these files are from.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }
die() { echo "rootfs.sh: $*" >&2; exit 1; }

[ "${1:-}" != --help ] || { usage; exit 0; }
[ $# -ge 2 ] || { usage >&2; exit 2; }
root=$1
shift

ca_bundle=/etc/ssl/certs/ca-certificates.crt

libraries() # PROGRAM...: the paths of their libraries and of the loader
{
    local listed
    listed=$(for program in "$@"; do ldd "$program"; done) || die "ldd failed; are these programs of this machine: $*"
    ! grep 'not found' <<<"$listed" >&2 || die "these libraries are missing; run: deploy/install-deps.sh build"
    grep -o '/[^ ]*' <<<"$listed" | grep -v ':$' | sort -u
}

# The Debian packages of the files; some package lists still have the names from before /lib became a link into /usr.
packages_of() # FILE...
{
    { dpkg -S "$@" "${@/#//usr}" "${@#/usr}" 2>/dev/null || true; } | sed 's/[:,].*//' | sort -u
}

copy_into_root() # FILE
{
    mkdir -p "$root$(dirname "$1")"
    cp -L --preserve=mode "$1" "$root$1"
}

[ -e "$ca_bundle" ] || die "$ca_bundle is missing; run: deploy/install-deps.sh images"
mkdir -p "$root"/{etc,tmp,usr/lib,usr/lib64,usr/local/bin}
chmod 1777 "$root/tmp"
ln -sfn usr/lib "$root/lib"
ln -sfn usr/lib64 "$root/lib64"

found=$(libraries "$@")
mapfile -t files <<<"$found"
for file in "${files[@]}" "$ca_bundle"; do
    copy_into_root "$file"
done
for package in $(packages_of "${files[@]}") ca-certificates; do
    [ ! -e "/usr/share/doc/$package/copyright" ] || copy_into_root "/usr/share/doc/$package/copyright"
done
printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod -R u=rwX,go=rX "$root"/{etc,usr}
