#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
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

#define NS    "test"
#define LABEL "team"

/* ---- a cluster, an informer on it, and a diary of what its handler heard ---- */

struct scene {
    struct local_kit *kit;
    struct cluster *cluster; /* for the test's own writes */
    struct moody_cluster moody;
    struct informer *informer;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t more;
    char **diary; /* "+name", "~name old>new" (values of the label), "-name" */
    size_t count;
};

static void write_down(struct scene *scene, char *line)
{
    pthread_mutex_lock(&scene->lock);
    scene->diary = xrealloc_array(scene->diary, scene->count + 1, sizeof(scene->diary[0]));
    scene->diary[scene->count++] = line;
    pthread_cond_broadcast(&scene->more);
    pthread_mutex_unlock(&scene->lock);
}

static const char *team_of(const struct object *object)
{
    const char *team = json_path_string(object->json, "metadata.labels." LABEL);
    return team ? team : "";
}

static void on_added(void *self, struct object *object)
{
    write_down(self, xasprintf("+%s", object->name));
}

static void on_updated(void *self, struct object *old, struct object *object)
{
    write_down(self, xasprintf("~%s %s>%s", object->name, team_of(old), team_of(object)));
}

static void on_deleted(void *self, struct object *last)
{
    write_down(self, xasprintf("-%s", last->name));
}

/* The line number `at` of the diary, once it is written. */
static void assert_line(struct scene *scene, size_t at, const char *expected)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&scene->lock);
    while (scene->count <= at && pthread_cond_timedwait(&scene->more, &scene->lock, &until) == 0)
        ;
    const char *line = scene->count > at ? scene->diary[at] : "(nothing)";
    pthread_mutex_unlock(&scene->lock);
    assert_string_equal(line, expected);
}

static void start(struct scene *scene)
{
    struct error err = {0};
    assert_ok(informer_start(scene->informer, &err));
    assert_ok(informer_wait_synced(scene->informer, WAIT_MS, &err));
}

/* ---- writes ---- */

static json_t *create(struct scene *scene, const char *name)
{
    struct error err = {0};
    SCOPED(json) json_t *object = snapshot_named(name, "x");
    json_t *created = NULL;
    assert_ok(cluster_create(scene->cluster, KIND_SANDBOX_SNAPSHOT, NS, object, &created, &err));
    return created;
}

static json_t *join_team(struct scene *scene, const char *name, const char *team)
{
    struct error err = {0};
    SCOPED(json) json_t *body = quotedf("{'metadata': {'labels': {'" LABEL "': '%s'}}}", team);
    json_t *patched = NULL;
    assert_ok(cluster_patch(scene->cluster, KIND_SANDBOX_SNAPSHOT, NS, name, body, NULL, &patched, &err));
    return patched;
}

static void delete (struct scene *scene, const char *name)
{
    struct error err = {0};
    assert_ok(cluster_remove(scene->cluster, KIND_SANDBOX_SNAPSHOT, NS, name, NULL, -1, &err));
}

static void assert_team(struct scene *scene, const char *name, const char *team)
{
    SCOPED(object) struct object *object = informer_get(scene->informer, NS, name);
    assert_non_null(object);
    assert_string_equal(team_of(object), team);
}

static void assert_absent(struct scene *scene, const char *name)
{
    SCOPED(object) struct object *object = informer_get(scene->informer, NS, name);
    assert_null(object);
}

/* ---- the stream ---- */

static void what_was_there_and_what_comes_is_told_once(void **state)
{
    struct scene *scene = *state;

    json_decref(create(scene, "before"));
    start(scene);
    assert_line(scene, 0, "+before");
    json_decref(create(scene, "after"));
    json_decref(join_team(scene, "after", "red"));
    json_decref(join_team(scene, "after", "blue"));
    delete (scene, "before");
    assert_line(scene, 1, "+after");
    assert_line(scene, 2, "~after >red");
    assert_line(scene, 3, "~after red>blue");
    assert_line(scene, 4, "-before");
    assert_team(scene, "after", "blue");
    assert_absent(scene, "before");
}

static void readers_find_by_owner_and_by_label(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};
    SCOPED(json) json_t *owner = create(scene, "owner");
    SCOPED(json) json_t *child = owned_by(snapshot_named("child", "x"), owner);

    assert_ok(cluster_create(scene->cluster, KIND_SANDBOX_SNAPSHOT, NS, child, NULL, &err));
    json_decref(join_team(scene, "child", "red"));
    start(scene);
    assert_line(scene, 1, "+owner");
    {
        SCOPED_OBJECT_LIST struct object_list owned = OBJECT_LIST_INIT;
        SCOPED_OBJECT_LIST struct object_list red = OBJECT_LIST_INIT;
        SCOPED_OBJECT_LIST struct object_list all = OBJECT_LIST_INIT;
        SCOPED_OBJECT_LIST struct object_list elsewhere = OBJECT_LIST_INIT;
        informer_by_owner(scene->informer, json_path_string(owner, "metadata.uid"), &owned);
        informer_by_label(scene->informer, "red", &red);
        informer_list(scene->informer, NULL, &all);
        informer_list(scene->informer, "elsewhere", &elsewhere);
        assert_int_equal(owned.count, 1);
        assert_string_equal(owned.items[0]->name, "child");
        assert_int_equal(red.count, 1);
        assert_int_equal(all.count, 2);
        assert_int_equal(elsewhere.count, 0);
    }
    json_decref(join_team(scene, "child", "blue"));
    assert_line(scene, 2, "~child red>blue");
    {
        SCOPED_OBJECT_LIST struct object_list red = OBJECT_LIST_INIT;
        SCOPED_OBJECT_LIST struct object_list blue = OBJECT_LIST_INIT;
        informer_by_label(scene->informer, "red", &red);
        informer_by_label(scene->informer, "blue", &blue);
        assert_int_equal(red.count, 0);
        assert_int_equal(blue.count, 1);
    }
}

static void what_vanishes_while_a_list_begins_again_is_told(void **state)
{
    struct scene *scene = *state;

    json_decref(create(scene, "fleeting"));
    json_decref(create(scene, "staying"));
    moody_stumble(&scene->moody, "fleeting");
    start(scene);
    assert_line(scene, 0, "+fleeting");
    assert_line(scene, 1, "+staying");
    assert_line(scene, 2, "-fleeting");
    assert_absent(scene, "fleeting");
    assert_team(scene, "staying", "");
}

static void a_list_longer_than_a_page_comes_whole(void **state)
{
    enum { MANY = 1201 }; /* 500 to a page */
    struct scene *scene = *state;
    SCOPED_PACKED_LIST struct packed_list all = PACKED_LIST_INIT;

    for (int i = 0; i < MANY; i++) {
        SCOPED(string) char *name = xasprintf("many-%d", i);
        json_decref(create(scene, name));
    }
    start(scene);
    informer_scan(scene->informer, NS, &all);
    assert_int_equal(all.count, MANY);
}

static void a_broken_watch_resumes_without_listing_again(void **state)
{
    struct scene *scene = *state;

    start(scene);
    moody_wait_watches(&scene->moody, 1);
    moody_gate(&scene->moody, true);
    json_decref(create(scene, "a"));
    moody_break(&scene->moody, false);
    moody_gate(&scene->moody, false);
    assert_line(scene, 0, "+a");
    assert_int_equal(moody_lists(&scene->moody), 1);
    assert_true(moody_watches(&scene->moody) >= 2);
}

static void a_watch_goes_on_behind_the_last_event_told(void **state)
{
    struct scene *scene = *state;

    start(scene);
    moody_wait_watches(&scene->moody, 1);
    json_decref(create(scene, "told"));
    json_decref(create(scene, "told-too"));
    SCOPED(json) json_t *last = join_team(scene, "told", "red");
    assert_line(scene, 2, "~told >red");
    moody_break(&scene->moody, false);
    moody_wait_watches(&scene->moody, 2);
    assert_string_equal(scene->moody.last_opened, json_path_string(last, "metadata.resourceVersion"));
}

static void an_expired_watch_lists_again_and_tells_only_the_differences(void **state)
{
    struct scene *scene = *state;

    json_decref(create(scene, "same"));
    json_decref(create(scene, "gone"));
    json_decref(create(scene, "changed"));
    start(scene);
    assert_line(scene, 2, "+same");
    moody_wait_watches(&scene->moody, 1);
    moody_gate(&scene->moody, true);
    delete (scene, "gone");
    json_decref(join_team(scene, "changed", "red"));
    json_decref(create(scene, "new"));
    moody_break(&scene->moody, true);
    moody_wait_watches(&scene->moody, 2);
    moody_gate(&scene->moody, false);
    assert_line(scene, 3, "~changed >red");
    assert_line(scene, 4, "+new");
    assert_line(scene, 5, "-gone");
    assert_int_equal(moody_lists(&scene->moody), 2);
    json_decref(join_team(scene, "same", "red"));
    assert_line(scene, 6, "~same >red");
}

static void a_namesake_made_while_nobody_watched_is_another_object(void **state)
{
    struct scene *scene = *state;

    json_decref(create(scene, "twin"));
    start(scene);
    moody_wait_watches(&scene->moody, 1);
    moody_gate(&scene->moody, true);
    delete (scene, "twin");
    json_decref(create(scene, "twin"));
    moody_break(&scene->moody, true);
    moody_wait_watches(&scene->moody, 2);
    moody_gate(&scene->moody, false);
    assert_line(scene, 0, "+twin");
    assert_line(scene, 1, "-twin");
    assert_line(scene, 2, "+twin");
}

static void a_failing_list_is_tried_again_and_told_to_who_waits(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};

    moody_fail_lists(&scene->moody, 1000000);
    assert_ok(informer_start(scene->informer, &err));
    /* The informer fails its first list well before this waits in vain. */
    assert_refused(informer_wait_synced(scene->informer, 200, &err), ERR_TIMEOUT);
    assert_text_has(err.text, "sandboxsnapshots");
    assert_text_has(err.text, "the list has a bad mood");
    assert_false(informer_is_synced(scene->informer));
    moody_fail_lists(&scene->moody, 0);
    assert_ok(informer_wait_synced(scene->informer, WAIT_MS, &err));
    assert_true(informer_is_synced(scene->informer));
}

/* ---- own writes ---- */

static void an_own_write_is_seen_before_the_stream_tells_it(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};

    json_decref(create(scene, "mine"));
    start(scene);
    moody_gate(&scene->moody, true);
    SCOPED(json) json_t *red = join_team(scene, "mine", "red");
    assert_team(scene, "mine", "");
    assert_ok(informer_apply(scene->informer, red, &err));
    assert_team(scene, "mine", "red");
    SCOPED(json) json_t *new = create(scene, "new");
    assert_ok(informer_apply(scene->informer, new, &err));
    assert_team(scene, "new", "");

    moody_gate(&scene->moody, false);
    json_decref(join_team(scene, "mine", "blue"));
    assert_line(scene, 1, "~mine >red");
    assert_line(scene, 2, "+new");
    assert_line(scene, 3, "~mine red>blue");
}

/* Somebody's change between what we knew and what we wrote must not be swallowed by our own answer. */
static void handlers_hear_every_step_under_an_own_write(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};

    json_decref(create(scene, "shared"));
    start(scene);
    moody_gate(&scene->moody, true);
    json_decref(join_team(scene, "shared", "theirs"));
    SCOPED(json) json_t *mine = join_team(scene, "shared", "mine");
    assert_ok(informer_apply(scene->informer, mine, &err));
    moody_gate(&scene->moody, false);
    assert_line(scene, 1, "~shared >theirs");
    assert_line(scene, 2, "~shared theirs>mine");
    assert_team(scene, "shared", "mine");
}

/* A handler that looks, and applies an answer, while it is told. */
struct probe {
    struct scene *scene;
    json_t *late_answer;
    int steps_back;
};

static void look_for_the_newest(void *self, struct object *old, struct object *object)
{
    struct probe *probe = self;
    SCOPED(object) struct object *newest = informer_get(probe->scene->informer, NS, object->name);
    (void)old;
    probe->steps_back += !newest || strcmp(team_of(newest), "mine") != 0;
}

static void apply_the_late_answer(void *self, struct object *last)
{
    struct probe *probe = self;
    struct error err = {0};
    (void)last;
    (void)informer_apply(probe->scene->informer, probe->late_answer, &err);
}

static void readers_never_step_back_behind_an_own_write(void **state)
{
    struct scene *scene = *state;
    struct probe probe = {.scene = scene};
    struct error err = {0};

    json_decref(create(scene, "shared"));
    informer_subscribe(scene->informer,
                       &(struct informer_handler){.updated = look_for_the_newest, .self = &probe});
    start(scene);
    moody_gate(&scene->moody, true);
    json_decref(join_team(scene, "shared", "theirs"));
    SCOPED(json) json_t *mine = join_team(scene, "shared", "mine");
    assert_ok(informer_apply(scene->informer, mine, &err));
    moody_gate(&scene->moody, false);
    json_decref(create(scene, "end"));
    assert_line(scene, 3, "+end");
    assert_int_equal(probe.steps_back, 0);
}

static void an_answer_that_comes_while_the_deletion_is_told_is_late(void **state)
{
    struct scene *scene = *state;
    struct probe probe = {.scene = scene};

    json_decref(create(scene, "dead"));
    informer_subscribe(scene->informer,
                       &(struct informer_handler){.deleted = apply_the_late_answer, .self = &probe});
    start(scene);
    moody_gate(&scene->moody, true);
    SCOPED(json) json_t *last_words = join_team(scene, "dead", "red");
    probe.late_answer = last_words;
    delete (scene, "dead");
    moody_gate(&scene->moody, false);
    json_decref(create(scene, "end"));
    assert_line(scene, 3, "+end");
    assert_absent(scene, "dead");
}

static void a_late_answer_neither_turns_back_nor_raises_the_dead(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};

    json_decref(create(scene, "old"));
    json_decref(create(scene, "dead"));
    start(scene);
    SCOPED(json) json_t *red = join_team(scene, "old", "red");
    json_decref(join_team(scene, "old", "blue"));
    SCOPED(json) json_t *last_words = join_team(scene, "dead", "red");
    delete (scene, "dead");
    assert_line(scene, 5, "-dead");

    assert_ok(informer_apply(scene->informer, red, &err));
    assert_ok(informer_apply(scene->informer, last_words, &err));
    assert_team(scene, "old", "blue");
    assert_absent(scene, "dead");
}

static void who_made_an_object_hears_that_it_is_gone_even_unseen(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};

    start(scene);
    moody_wait_watches(&scene->moody, 1);
    moody_gate(&scene->moody, true);
    SCOPED(json) json_t *short_lived = create(scene, "short-lived");
    assert_ok(informer_apply(scene->informer, short_lived, &err));
    delete (scene, "short-lived");
    moody_break(&scene->moody, true);
    moody_wait_watches(&scene->moody, 2);
    moody_gate(&scene->moody, false);
    assert_line(scene, 0, "-short-lived");
    assert_absent(scene, "short-lived");
}

static void what_is_no_object_cannot_be_applied(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};
    SCOPED(json) json_t *nothing = quoted("{'metadata': {'name': 'x'}}");

    assert_refused(informer_apply(scene->informer, nothing, &err), ERR_INVALID);
}

static void the_version_seen_follows_the_stream(void **state)
{
    struct scene *scene = *state;

    start(scene);
    SCOPED(json) json_t *a = create(scene, "a");
    json_decref(create(scene, "b"));
    assert_line(scene, 1, "+b"); /* so what was told before it is seen */
    assert_true(informer_seen_version(scene->informer) >=
                strtoull(json_path_string(a, "metadata.resourceVersion"), NULL, 10));
}

/* ---- the end ---- */

static void an_informer_can_be_freed_at_any_point(void **state)
{
    struct scene *scene = *state;
    struct error err = {0};

    informer_free(scene->informer); /* never started */
    for (int round = 0; round < 20; round++) {
        moody_fail_lists(&scene->moody, round % 3 == 0 ? 1000000 : 0);
        moody_gate(&scene->moody, round % 3 == 1);
        SCOPED(string) char *name = xasprintf("n%d", round);
        scene->informer = informer_new(&(struct informer_options){.cluster = &scene->moody.cluster,
                                                                  .kind = KIND_SANDBOX_SNAPSHOT,
                                                                  .ns = NS,
                                                                  .backoff_first_ms = 60000});
        assert_ok(informer_start(scene->informer, &err));
        json_decref(create(scene, name));
        informer_free(scene->informer);
    }
    scene->informer = NULL;
}

static int setup(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));

    scene->kit = local_kit_new();
    local_kit_open(scene->kit);
    scene->cluster = scene->kit->cluster;
    moody_init(&scene->moody, scene->cluster);
    pthread_mutex_init(&scene->lock, NULL);
    pthread_cond_init(&scene->more, NULL);
    scene->informer = informer_new(&(struct informer_options){.cluster = &scene->moody.cluster,
                                                              .kind = KIND_SANDBOX_SNAPSHOT,
                                                              .ns = NS,
                                                              .index_label = LABEL,
                                                              .backoff_first_ms = 1,
                                                              .backoff_max_ms = 20});
    informer_subscribe(scene->informer, &(struct informer_handler){on_added, on_updated, on_deleted, scene});
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    informer_free(scene->informer);
    moody_done(&scene->moody);
    local_kit_free(scene->kit);
    for (size_t i = 0; i < scene->count; i++)
        free(scene->diary[i]);
    free(scene->diary);
    pthread_cond_destroy(&scene->more);
    pthread_mutex_destroy(&scene->lock);
    free(scene);
    return 0;
}

#define INFORMER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        INFORMER_TEST(what_was_there_and_what_comes_is_told_once),
        INFORMER_TEST(readers_find_by_owner_and_by_label),
        INFORMER_TEST(what_vanishes_while_a_list_begins_again_is_told),
        INFORMER_TEST(a_list_longer_than_a_page_comes_whole),
        INFORMER_TEST(a_broken_watch_resumes_without_listing_again),
        INFORMER_TEST(a_watch_goes_on_behind_the_last_event_told),
        INFORMER_TEST(an_expired_watch_lists_again_and_tells_only_the_differences),
        INFORMER_TEST(a_namesake_made_while_nobody_watched_is_another_object),
        INFORMER_TEST(a_failing_list_is_tried_again_and_told_to_who_waits),
        INFORMER_TEST(an_own_write_is_seen_before_the_stream_tells_it),
        INFORMER_TEST(handlers_hear_every_step_under_an_own_write),
        INFORMER_TEST(readers_never_step_back_behind_an_own_write),
        INFORMER_TEST(an_answer_that_comes_while_the_deletion_is_told_is_late),
        INFORMER_TEST(a_late_answer_neither_turns_back_nor_raises_the_dead),
        INFORMER_TEST(who_made_an_object_hears_that_it_is_gone_even_unseen),
        INFORMER_TEST(what_is_no_object_cannot_be_applied),
        INFORMER_TEST(the_version_seen_follows_the_stream),
        INFORMER_TEST(an_informer_can_be_freed_at_any_point),
    };
    return cmocka_run_group_tests_name("informer", tests, NULL, NULL);
}
