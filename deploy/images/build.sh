#!/usr/bin/env bash
# Builds the container images lifecycle-svc, snapshot-svc and committer-agent: no daemon, no network, no base image to pull.
#
#   deploy/images/build.sh                      build/images/<name>.oci.tar, tagged with the version of the tree
#     --tag TAG                                 another tag
#     --registry NAME                           the images are called NAME/stasis/<name>:TAG; docker.io unless given
#     --out FOLDER                              where the archives go
#     --bin FOLDER                              take the programs from there; without it the preset "release" is built
#     --push                                    also push them to --registry (with skopeo and its logins)
#     --insecure                                --push without TLS
#     --load SOCKET                             also import them into the containerd at SOCKET, for Kubernetes
#
# An image is two layers: libraries (deploy/images/rootfs.sh), the same bytes in all three and cached outside the tree, and the
# program. The same programs on the same machine give the same digests.
set -euo pipefail

usage() { sed -n '2,15s/^# \{0,1\}//p' "$0"; }
die() { echo "build.sh: $*" >&2; exit 1; }

tree=$(cd "$(dirname "$0")/../.." && pwd)
cache=${STASIS_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/stasis}/images
images=(lifecycle-svc snapshot-svc committer-agent)
out=$tree/build/images registry=docker.io tag='' bin='' push='' insecure='' socket=''

while [ $# -gt 0 ]; do
    case "$1" in
    --tag) tag=${2:?--tag needs a tag} && shift ;;
    --registry) registry=${2:?--registry needs a host or host:port/path} && shift ;;
    --out) out=${2:?--out needs a folder} && shift ;;
    --bin) bin=${2:?--bin needs a folder} && shift ;;
    --push) push=yes ;;
    --insecure) insecure=yes ;;
    --load) socket=${2:?--load needs the path of a containerd socket} && shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "build.sh: unknown argument '$1' (see --help)" >&2; exit 2 ;;
    esac
    shift
done

for program in jq tar gzip sha256sum ldd ${push:+skopeo} ${socket:+ctr}; do
    command -v "$program" >/dev/null || die "$program is not installed; run: deploy/install-deps.sh images run"
done
[ -n "$tag" ] || tag=$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' "$tree/CMakeLists.txt")
[ -n "$tag" ] || die "no version in CMakeLists.txt; give --tag"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_programs()
{
    local launcher=()
    ! command -v ccache >/dev/null || launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    (cd "$tree" && cmake --preset release "${launcher[@]}" && cmake --build --preset release --target "${images[@]}") >"$work/log" 2>&1 ||
        { tail -n 40 "$work/log" >&2; die "the release build failed"; }
    bin=$tree/build/release/bin
}

# --- layers ------------------------------------------------------------------------------------------------------------

# FOLDER as a tar that does not tell when, where and by whom it was made.
pack() # FOLDER FILE
{
    tar --create --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --directory="$1" --file="$2" .
}

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

# Sets layer_id (of the tar, as the config names it) and layer (the compressed file), made once per content.
make_layer() # FOLDER
{
    pack "$1" "$work/layer.tar"
    layer_id=$(sha256_of "$work/layer.tar")
    layer=$cache/$layer_id.tar.gz
    if [ ! -e "$layer" ]; then
        mkdir -p "$cache"
        gzip -n -6 <"$work/layer.tar" >"$layer.$$"
        mv "$layer.$$" "$layer"
    fi
    touch "$layer" # used lately
    rm "$work/layer.tar"
}

# --- images ------------------------------------------------------------------------------------------------------------

# The descriptor of FILE, which becomes a blob of the layout.
add_blob() # LAYOUT FILE MEDIA-TYPE
{
    local digest size
    digest=$(sha256_of "$2")
    size=$(stat -c %s "$2")
    cp "$2" "$1/blobs/sha256/$digest"
    jq -cn --arg type "$3" --arg digest "sha256:$digest" --argjson size "$size" \
        '{mediaType: $type, digest: $digest, size: $size}'
}

config_of() # NAME USER LAYER-ID...
{
    local name=$1 user=$2
    shift 2
    jq -cn --arg name "$name" --arg user "$user" --arg tag "$tag" --arg arch "$(dpkg --print-architecture)" '{
        created: "1970-01-01T00:00:00Z", architecture: $arch, os: "linux",
        config: {
            User: $user, WorkingDir: "/", Entrypoint: ["/usr/local/bin/" + $name],
            Env: ["PATH=/usr/local/bin"],
            Labels: {"org.opencontainers.image.title": $name, "org.opencontainers.image.version": $tag}},
        rootfs: {type: "layers", diff_ids: [$ARGS.positional[] | "sha256:" + .]},
        history: [$ARGS.positional[] | {created: "1970-01-01T00:00:00Z", created_by: "deploy/images/build.sh"}]}' --args "$@"
}

program_folder() # NAME: what the second layer holds
{
    local folder=$work/program/$1
    mkdir -p "$folder/usr/local/bin"
    install -m 0755 "$bin/$1" "$folder/usr/local/bin/$1"
    # Commit Jobs call it by this name.
    [ "$1" != committer-agent ] || ln -s committer-agent "$folder/usr/local/bin/image-committer"
    # Who talks to the public API finds its messages and its document here.
    if [ "$1" = lifecycle-svc ]; then
        install -D -m 0644 -t "$folder/usr/share/stasis/proto/opensandbox/lifecycle/v1" "$tree"/proto/opensandbox/lifecycle/v1/*.proto
        install -D -m 0644 -t "$folder/usr/share/stasis/proto/google/rpc" "$tree"/proto/google/rpc/*.proto
        install -D -m 0644 -t "$folder/usr/share/stasis" "$tree/lifecycle-svc/rest/openapi.json"
    fi
    echo "$folder"
}

user_of() # NAME: the agent reads every file of every container
{
    [ "$1" = committer-agent ] && echo 0:0 || echo 65532:65532
}

build_image() # NAME LIBRARIES-ID LIBRARIES-FILE
{
    local name=$1 layout=$work/$1.oci full=$registry/stasis/$1:$tag config layers
    local gzip=application/vnd.oci.image.layer.v1.tar+gzip
    mkdir -p "$layout/blobs/sha256"
    make_layer "$(program_folder "$name")"
    layers=$(add_blob "$layout" "$3" "$gzip"; add_blob "$layout" "$layer" "$gzip")
    config_of "$name" "$(user_of "$name")" "$2" "$layer_id" >"$work/config.json"
    config=$(add_blob "$layout" "$work/config.json" application/vnd.oci.image.config.v1+json)
    jq -cs --argjson config "$config" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: $config, layers: .}' <<<"$layers" >"$work/manifest.json"
    add_blob "$layout" "$work/manifest.json" application/vnd.oci.image.manifest.v1+json |
        jq -c --arg name "$full" '{schemaVersion: 2, manifests: [. + {annotations:
            {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": $name}}]}' >"$layout/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
    pack "$layout" "$work/$name.oci.tar"
    mv "$work/$name.oci.tar" "$out/$name.oci.tar"
    printf '%s  sha256:%s  %s\n' "$full" "$(sha256_of "$work/manifest.json")" "$out/$name.oci.tar"
}

deliver() # NAME
{
    local archive=$out/$1.oci.tar full=$registry/stasis/$1:$tag
    [ -z "$push" ] || skopeo --insecure-policy copy --quiet ${insecure:+--dest-tls-verify=false} \
        "oci-archive:$archive:$full" "docker://$full"
    [ -z "$socket" ] || ctr --address "$socket" --namespace k8s.io images import "$archive" >/dev/null
}

[ -n "$bin" ] || build_programs
for name in "${images[@]}"; do
    [ -x "$bin/$name" ] || die "there is no program $bin/$name; build it first, or leave --bin out"
done
mkdir -p "$out"
"$tree/deploy/images/rootfs.sh" "$work/root" "${images[@]/#/$bin/}"
make_layer "$work/root"
libraries_id=$layer_id libraries=$layer
for name in "${images[@]}"; do
    build_image "$name" "$libraries_id" "$libraries"
    deliver "$name"
done
find "$cache" -name '*.tar.gz*' -mtime +30 -delete
