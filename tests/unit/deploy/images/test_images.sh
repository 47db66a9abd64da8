#!/usr/bin/env bash
# test_images.sh BIN - what deploy/images/build.sh makes of the programs in BIN, looked at as files.
# shellcheck disable=SC2016  # jq's own variables
set -euo pipefail
cd "$(dirname "$0")/../../../.."

bin=$1
for tool in jq skopeo; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed; run: deploy/install-deps.sh images" >&2; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STASIS_CACHE_DIR=$work/cache
failures=0

fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }

build() { deploy/images/build.sh --bin "$bin" --tag 9.9 --registry example.com:5000/mirror "$@" >/dev/null; }

image_of() { echo "oci-archive:$work/first/$1.oci.tar:example.com:5000/mirror/stasis/$1:9.9"; }

config_of() { skopeo --insecure-policy inspect --config "$(image_of "$1")"; }

unpack() # NAME FOLDER: its layers, one over the other
{
    skopeo --insecure-policy copy --quiet "$(image_of "$1")" "dir:$work/layers-$1"
    mkdir -p "$2"
    jq -r '.layers[].digest | ltrimstr("sha256:")' "$work/layers-$1/manifest.json" | while read -r layer; do
        tar -xzf "$work/layers-$1/$layer" -C "$2"
    done
}

the_same_programs_give_the_same_bytes()
{
    local name
    build --out "$work/first"
    rm -rf "$STASIS_CACHE_DIR"
    build --out "$work/second"
    for name in lifecycle-svc snapshot-svc committer-agent; do
        cmp "$work/first/$name.oci.tar" "$work/second/$name.oci.tar" || fail "$name differs"
    done
}

the_libraries_are_one_layer_of_all_three()
{
    local count
    count=$(for name in lifecycle-svc snapshot-svc committer-agent; do config_of "$name" | jq -r '.rootfs.diff_ids[0]'; done | sort -u | wc -l)
    [ "$count" = 1 ] || fail "want one first layer in three images, got $count"
}

an_image_runs_its_program_without_rights_and_without_a_shell()
{
    local name root folder
    for name in lifecycle-svc snapshot-svc committer-agent; do
        root=$work/root-$name
        unpack "$name" "$root"
        [ "$(config_of "$name" | jq -c .config.Entrypoint)" = "[\"/usr/local/bin/$name\"]" ] || fail "$name: another entry point"
        [ -x "$root/usr/local/bin/$name" ] || fail "$name: its program is missing"
        [ -s "$root/etc/ssl/certs/ca-certificates.crt" ] || fail "$name: no CA bundle"
        for folder in bin sbin usr/bin usr/sbin; do
            [ ! -e "$root/$folder" ] || fail "$name: programs that nobody asked for, in /$folder"
        done
    done
    [ "$(config_of lifecycle-svc | jq -r .config.User)" = 65532:65532 ] || fail "lifecycle-svc: want user 65532"
    [ "$(config_of snapshot-svc | jq -r .config.User)" = 65532:65532 ] || fail "snapshot-svc: want user 65532"
    [ "$(readlink "$work/root-committer-agent/usr/local/bin/image-committer")" = committer-agent ] || fail "committer-agent: no image-committer"
}

every_library_of_the_program_is_inside()
{
    local name missing
    for name in lifecycle-svc snapshot-svc committer-agent; do
        missing=$(ldd "$bin/$name" | grep -o '/[^ ]*' | grep -v ':$' | while read -r file; do
            [ -e "$work/root-$name/$file" ] || echo "$file"
        done)
        [ -z "$missing" ] || fail "$name lacks $missing"
    done
}

the_dockerfile_makes_the_same_images()
{
    local name
    for name in lifecycle-svc snapshot-svc committer-agent; do
        grep -q "^FROM runtime AS $name\$" deploy/images/Dockerfile || fail "Dockerfile: no target $name"
        grep -A 6 "^FROM runtime AS $name\$" deploy/images/Dockerfile | grep -q "^USER $(config_of "$name" | jq -r .config.User)\$" ||
            fail "Dockerfile: $name has another user"
    done
    grep -q 'deploy/install-deps.sh build images' deploy/images/Dockerfile || fail "Dockerfile: packages are not those of install-deps.sh"
    grep -q 'deploy/images/rootfs.sh' deploy/images/Dockerfile || fail "Dockerfile: libraries are not those of rootfs.sh"
}

for case in the_same_programs_give_the_same_bytes the_libraries_are_one_layer_of_all_three \
    an_image_runs_its_program_without_rights_and_without_a_shell every_library_of_the_program_is_inside \
    the_dockerfile_makes_the_same_images; do
    before=$failures
    "$case"
    if [ "$failures" = "$before" ]; then echo "ok      $case"; else echo "FAILED  $case"; fi
done
[ "$failures" = 0 ]
