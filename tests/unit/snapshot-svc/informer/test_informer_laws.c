/* Laws of the informer, under random writes and random breaks of its watch:
 *   - in the end its store equals a fresh list, and so do its indexes
 *   - what handlers hear is a story without gaps: added only what is absent, updated from the version told before,
 *     deleted only what is there; and the story ends in the fresh list too
 *   - who applies an own write never reads an older version after it */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/informer/informer.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"
#include "tests/unit/snapshot-svc/informer/moody_cluster.h"

#define NS       "test"
#define SENTINEL "zz-sentinel"
enum { WRITERS = 2, WRITES = 400, NAMES = 12 };

/* What the handlers' story amounts to; the informer thread's until the sentinel is told. */
struct story {
    json_t *objects; /* name -> object */
    atomic_int gaps;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t over;
    bool sentinel_added, sentinel_deleted;
};

static void note(struct story *story, const struct object *object, bool *what)
{
    pthread_mutex_lock(&story->lock);
    *what |= strcmp(object->name, SENTINEL) == 0;
    pthread_cond_broadcast(&story->over);
    pthread_mutex_unlock(&story->lock);
}

static void hear_added(void *self, struct object *object)
{
    struct story *story = self;

    if (json_object_get(story->objects, object->name))
        atomic_fetch_add(&story->gaps, 1);
    json_object_set(story->objects, object->name, object->json);
    note(story, object, &story->sentinel_added);
}

static void hear_updated(void *self, struct object *old, struct object *object)
{
    struct story *story = self;

    if (!json_equal(json_object_get(story->objects, object->name), old->json) ||
        old->version >= object->version)
        atomic_fetch_add(&story->gaps, 1);
    json_object_set(story->objects, object->name, object->json);
}

/* Absent is no gap here: an own write that vanished before it was told is told as deleted. */
static void hear_deleted(void *self, struct object *last)
{
    struct story *story = self;
    (void)json_object_del(story->objects, last->name);
    note(story, last, &story->sentinel_deleted);
}

/* ---- random writes ---- */

struct writer {
    struct cluster *cluster;
    struct informer *informer;
    unsigned seed;
    bool applies;
    int backward; /* reads that were older than the own write before */
};

static void apply(struct writer *writer, const json_t *written)
{
    struct error err = {0};
    const char *name = json_path_string(written, "metadata.name");

    if (!writer->applies)
        return;
    (void)informer_apply(writer->informer, written, &err);
    SCOPED(object) struct object *read = informer_get(writer->informer, NS, name);
    if (read && read->version < strtoull(json_path_string(written, "metadata.resourceVersion"), NULL, 10))
        writer->backward++;
}

static void write_one(struct writer *writer)
{
    struct error err = {0};
    SCOPED(json) json_t *written = NULL;
    char name[16];

    snprintf(name, sizeof(name), "n%d", rand_r(&writer->seed) % NAMES);
    SCOPED(json) json_t *object = snapshot_named(name, "x");
    SCOPED(json)
    json_t *body = quotedf("{'metadata': {'labels': {'team': 't%d'}}}", rand_r(&writer->seed) % 3);
    switch (rand_r(&writer->seed) % 4) {
    case 0: /* each may be refused: another writer was there first */
        (void)cluster_create(writer->cluster, KIND_SANDBOX_SNAPSHOT, NS, object, &written, &err);
        break;
    case 1:
        (void)cluster_remove(writer->cluster, KIND_SANDBOX_SNAPSHOT, NS, name, NULL, -1, &err);
        break;
    default:
        (void)cluster_patch(writer->cluster, KIND_SANDBOX_SNAPSHOT, NS, name, body, NULL, &written, &err);
    }
    if (written)
        apply(writer, written);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < WRITES; i++)
        write_one(arg);
    return NULL;
}

/* ---- the end of the story ---- */

static void wait_for(struct story *story, const bool *what)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&story->lock);
    while (!*what && waited == 0)
        waited = pthread_cond_timedwait(&story->over, &story->lock, &until);
    pthread_mutex_unlock(&story->lock);
    assert_int_equal(waited, 0);
}

/* Its addition may be told out of the middle of a list, before what is missing from that list; its deletion, which comes
 * after that, cannot. */
static void wait_for_sentinel(struct story *story, struct cluster *cluster)
{
    struct error err = {0};
    SCOPED(json) json_t *sentinel = snapshot_named(SENTINEL, "x");

    assert_ok(cluster_create(cluster, KIND_SANDBOX_SNAPSHOT, NS, sentinel, NULL, &err));
    wait_for(story, &story->sentinel_added);
    assert_ok(cluster_remove(cluster, KIND_SANDBOX_SNAPSHOT, NS, SENTINEL, NULL, -1, &err));
    wait_for(story, &story->sentinel_deleted);
}

static void assert_label_index(struct informer *informer, const json_t *items)
{
    for (int team = 0; team < 3; team++) {
        SCOPED_OBJECT_LIST struct object_list found = OBJECT_LIST_INIT;
        char label[16];
        size_t i, expected = 0;
        json_t *item;

        snprintf(label, sizeof(label), "t%d", team);
        json_array_foreach(items, i, item)
        {
            const char *has = json_path_string(item, "metadata.labels.team");
            expected += has && strcmp(has, label) == 0;
        }
        informer_by_label(informer, label, &found);
        assert_int_equal(found.count, expected);
    }
}

static void assert_equals_fresh_list(struct informer *informer, const struct story *story,
                                     struct cluster *cluster)
{
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    SCOPED_OBJECT_LIST struct object_list stored = OBJECT_LIST_INIT;
    size_t i;
    json_t *item;

    assert_ok(cluster_list(cluster, KIND_SANDBOX_SNAPSHOT, NS, NULL, &items, &version, &err));
    informer_list(informer, NULL, &stored);
    assert_int_equal(stored.count, json_array_size(items));
    assert_int_equal(json_object_size(story->objects), json_array_size(items));
    json_array_foreach(items, i, item)
    {
        const char *name = json_path_string(item, "metadata.name");
        SCOPED(object) struct object *object = informer_get(informer, NS, name);
        assert_non_null(object);
        assert_true(json_equal(object->json, item));
        assert_true(json_equal(json_object_get(story->objects, name), item));
    }
    assert_label_index(informer, items);
}

static void one_run(unsigned seed)
{
    struct error err = {0};
    struct local_kit *kit = local_kit_new();
    struct moody_cluster moody;
    struct story story = {.objects = json_object()};
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];

    pthread_mutex_init(&story.lock, NULL);
    pthread_cond_init(&story.over, NULL);
    kit->options.history_max = 64; /* some resumes find their version really gone */
    local_kit_open(kit);
    moody_init(&moody, kit->cluster);
    moody.seed = seed;
    moody.break_every = 12;
    moody.expire_every = 3;
    moody.failing_lists = seed % 3;
    struct informer *informer = informer_new(&(struct informer_options){.cluster = &moody.cluster,
                                                                        .kind = KIND_SANDBOX_SNAPSHOT,
                                                                        .ns = NS,
                                                                        .index_label = "team",
                                                                        .backoff_first_ms = 1,
                                                                        .backoff_max_ms = 4});
    informer_subscribe(informer, &(struct informer_handler){hear_added, hear_updated, hear_deleted, &story});
    assert_ok(informer_start(informer, &err));

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){kit->cluster, informer, seed * WRITERS + i, i % 2 == 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].backward, 0);
    }
    wait_for_sentinel(&story, kit->cluster);
    assert_equals_fresh_list(informer, &story, kit->cluster);
    assert_int_equal(story.gaps, 0);
    assert_true(moody.watches > 1); /* it did break; how often depends on how far the writers were ahead */

    informer_free(informer);
    json_decref(story.objects);
    pthread_cond_destroy(&story.over);
    pthread_mutex_destroy(&story.lock);
    moody_done(&moody);
    local_kit_free(kit);
}

static void under_random_breaks_the_store_ends_as_a_fresh_list(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++)
        one_run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_random_breaks_the_store_ends_as_a_fresh_list),
    };
    return cmocka_run_group_tests_name("informer laws", tests, NULL, NULL);
}
