/* Image manifests and indexes: a manifest that is written reads back equal, and equal manifests give equal bytes. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/image/manifest.h"

static void check_descriptor(const struct descriptor *wrote, const struct descriptor *read)
{
    FUZZ_CHECK(media_type_to_oci(wrote->media_type) == read->media_type);
    FUZZ_CHECK(digest_equal(&wrote->digest, &read->digest) && wrote->size_bytes == read->size_bytes);
}

static void check_round_trip(const struct manifest *manifest)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT, same_bytes = STRBUF_INIT;
    SCOPED_MANIFEST struct manifest again = {0};
    struct descriptor self, same_self;
    struct error err = {0};

    if (manifest_format(manifest, &bytes, &self, &err) < 0)
        return; /* larger than a registry takes */
    FUZZ_CHECK(manifest_parse(strbuf_text(&bytes), bytes.length, "again", &again, &err) == 0);
    FUZZ_CHECK(again.layer_count == manifest->layer_count);
    check_descriptor(&manifest->config, &again.config);
    for (size_t i = 0; i < again.layer_count; i++)
        check_descriptor(&manifest->layers[i], &again.layers[i]);
    FUZZ_CHECK(manifest_format(&again, &same_bytes, &same_self, &err) == 0);
    FUZZ_CHECK(digest_equal(&self.digest, &same_self.digest));
}

static void check_index(const char *text, size_t size)
{
    SCOPED_INDEX struct index index = {0};
    struct platform want = {"linux", "amd64", ""};
    struct descriptor chosen;
    struct error err = {0};

    if (index_parse(text, size, "index", &index, &err) < 0)
        return;
    FUZZ_CHECK(index.count <= INDEX_MAX_ENTRIES);
    if (index_select(&index, &want, &chosen, &err) == 0)
        FUZZ_CHECK(media_type_is_manifest(chosen.media_type));
    else
        FUZZ_CHECK(err.code == ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_MANIFEST struct manifest manifest = {0};
    const char *text = (const char *)data;
    enum media_type type;
    struct error err = {0};

    if (manifest_media_type(text, size, &type, &err) == 0)
        FUZZ_CHECK(media_type_is_index(type) || media_type_is_manifest(type));
    if (manifest_parse(text, size, "manifest", &manifest, &err) == 0) {
        FUZZ_CHECK(manifest.layer_count <= MANIFEST_MAX_LAYERS);
        check_round_trip(&manifest);
    }
    check_index(text, size);
    return 0;
}
