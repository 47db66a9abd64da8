/* The informer on a real kube-apiserver that goes away and comes back. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/informer/informer.h"
#include "tests/integration/kube/kube_place.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

/* What the handlers have been told, in order: "+a ~a -a". */
struct diary {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t more;
    struct strbuf text;
};

static void write_down(struct diary *diary, char mark, const struct object *object)
{
    pthread_mutex_lock(&diary->lock);
    strbuf_addf(&diary->text, "%c%s ", mark, object->name);
    pthread_cond_broadcast(&diary->more);
    pthread_mutex_unlock(&diary->lock);
}

static void on_added(void *self, struct object *object)
{
    write_down(self, '+', object);
}

static void on_updated(void *self, struct object *old, struct object *object)
{
    (void)old;
    write_down(self, '~', object);
}

static void on_deleted(void *self, struct object *last)
{
    write_down(self, '-', last);
}

/* Waits until the diary is this. */
static void assert_diary(struct diary *diary, const char *expected)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&diary->lock);
    while (strcmp(strbuf_text(&diary->text), expected) != 0 &&
           pthread_cond_timedwait(&diary->more, &diary->lock, &until) == 0)
        ;
    SCOPED(string) char *text = xstrdup(strbuf_text(&diary->text));
    pthread_mutex_unlock(&diary->lock);
    assert_string_equal(text, expected);
}

static void create_sandbox(struct cluster *cluster, const char *name)
{
    SCOPED(json) json_t *object = sandbox_named(name);
    struct error err = {0};
    assert_ok(cluster_create(cluster, KIND_BATCH_SANDBOX, place_ns(), object, NULL, &err));
}

static void remove_sandbox(struct cluster *cluster, const char *name)
{
    struct error err = {0};
    assert_ok(cluster_remove(cluster, KIND_BATCH_SANDBOX, place_ns(), name, NULL, -1, &err));
}

static struct informer *inform(struct cluster *cluster, struct diary *diary)
{
    const struct informer_options options = {.cluster = cluster,
                                             .kind = KIND_BATCH_SANDBOX,
                                             .ns = place_ns(),
                                             .backoff_first_ms = 50,
                                             .backoff_max_ms = 500};
    const struct informer_handler handler = {on_added, on_updated, on_deleted, diary};
    struct informer *informer = informer_new(&options);
    struct error err = {0};

    informer_subscribe(informer, &handler);
    assert_ok(informer_start(informer, &err));
    assert_ok(informer_wait_synced(informer, WAIT_MS, &err));
    return informer;
}

static void an_informer_misses_nothing_while_the_server_comes_and_goes(void **state)
{
    struct cluster *cluster = place_open();
    struct diary diary = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

    (void)state;
    create_sandbox(cluster, "a");
    SCOPED(informer) struct informer *informer = inform(cluster, &diary);
    create_sandbox(cluster, "b");
    assert_diary(&diary, "+a +b ");

    place_apiserver("stop");
    place_apiserver("start");
    remove_sandbox(cluster, "a");
    create_sandbox(cluster, "c");
    assert_diary(&diary, "+a +b -a +c ");

    /* Where the watch stands is older than what etcd remembers: another list, and only the differences are told. */
    create_sandbox(cluster, "d");
    assert_diary(&diary, "+a +b -a +c +d ");
    place_run("kubectl -n %s create configmap other >/dev/null", place_ns());
    place_apiserver("kill");
    place_compact_etcd();
    place_apiserver("start");
    remove_sandbox(cluster, "d");
    assert_diary(&diary, "+a +b -a +c +d -d ");

    informer_free(TAKE(informer));
    cluster_free(cluster);
    strbuf_done(&diary.text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_informer_misses_nothing_while_the_server_comes_and_goes),
    };
    place_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
