/* The cluster's objects: one document as a BatchSandbox, a SandboxSnapshot and a Pod. A status that is written reads
 * back as what it was. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/digest.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/model/pod.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

/* Takes both. */
static void check_equal(json_t *a, json_t *b)
{
    FUZZ_CHECK(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

static void check_batchsandbox(const json_t *object)
{
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    struct batchsandbox_status copy;
    struct error err = {0};

    if (batchsandbox_read(object, &sandbox, &err) < 0)
        return;
    SCOPED(string) char *digest = batchsandbox_spec_digest(&sandbox);
    FUZZ_CHECK(strlen(digest) == DIGEST_TEXT_SIZE - 1);
    (void)sandbox_phase_name(batchsandbox_phase(&sandbox.status));
    (void)pause_cycle_parse(meta_annotation(&sandbox.meta, ANNOTATION_PAUSE_CYCLE));
    batchsandbox_status_copy(&sandbox.status, &copy);
    check_equal(batchsandbox_status_write(&sandbox.status), batchsandbox_status_write(&copy));
    condition_set(&copy.conditions, "Ready", "r", "m", sandbox.meta.created_ms);
    FUZZ_CHECK(condition_is_true(&copy.conditions, "Ready"));
    batchsandbox_status_done(&copy);
}

static void check_sandboxsnapshot(const json_t *object)
{
    SCOPED_SANDBOXSNAPSHOT struct sandboxsnapshot snapshot = {0};
    struct sandboxsnapshot_status copy;
    struct error err = {0};

    if (sandboxsnapshot_read(object, &snapshot, &err) < 0)
        return;
    (void)snapshot_phase_name(sandboxsnapshot_phase(&snapshot.status));
    (void)sandboxsnapshot_container(&snapshot.status, "main");
    (void)sandboxsnapshot_is_internal(&snapshot, "uid");
    sandboxsnapshot_status_copy(&snapshot.status, &copy);
    check_equal(sandboxsnapshot_status_write(&snapshot.status), sandboxsnapshot_status_write(&copy));
    sandboxsnapshot_status_done(&copy);
}

static void check_pod(const json_t *object)
{
    SCOPED_POD struct pod pod = {0};
    struct error err = {0};
    int32_t index = -1;

    if (pod_read(object, &pod, &err) < 0)
        return;
    if (pod_index(&pod, &index, &err) == 0)
        FUZZ_CHECK(index >= 0);
    FUZZ_CHECK(!pod_is_ready(&pod) || pod_is_running(&pod));
}

static void check_image_name(const struct json_map *labels)
{
    const char *registry = json_map_get(labels, "registry"), *name = json_map_get(labels, "name");
    SCOPED(string) char *image = NULL;
    struct error err = {0};

    if (!registry || !name)
        return;
    if (name_snapshot_image(registry, name, "main", "snap-gen1", &image, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID);
    SCOPED(string) char *value = name_label_value(name);
    FUZZ_CHECK(strlen(value) <= 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(json) json_t *object = NULL;
    struct object_meta meta = {0};
    struct error err = {0};

    if (json_parse((const char *)data, size, "object", &object, &err) < 0)
        return 0;
    check_batchsandbox(object);
    check_sandboxsnapshot(object);
    check_pod(object);
    const json_t *metadata = json_object_get(object, "metadata");
    if (json_read(metadata, object_meta_fields, "metadata", &meta, &err) == 0) {
        check_image_name(&meta.labels);
        json_free_fields(object_meta_fields, &meta);
    }
    return 0;
}
