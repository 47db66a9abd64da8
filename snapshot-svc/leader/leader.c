#include "snapshot-svc/leader/leader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/cond.h"
#include "shared/base/ids.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/metrics/metrics.h"
#include "snapshot-svc/informer/informer.h"
#include "snapshot-svc/leader/lease.h"

enum {
    LEASE_DURATION_MS = 15 * 1000,
    RENEW_DEADLINE_MS = 10 * 1000,
    RETRY_PERIOD_MS = 2 * 1000,
    CONFLICTS_MAX = 3, /* in one try; then it waits for the next */
};

enum state { FOLLOWING, LEADING, LOST };

struct leader {
    /* set before the threads start */
    struct leader_options options; /* texts are ours */
    char *identity;
    struct informer *informer;
    struct metric *gauge;
    pthread_t campaign, minder;
    bool campaigns, minds; /* those threads run */

    pthread_mutex_t lock;   /* guards everything below */
    pthread_cond_t changed; /* any of it; monotonic clock */
    struct lease lease;     /* what was last seen of it */
    enum state state;
    int64_t until_ms; /* LEADING: when it ends, unless renewed; monotonic */
    char why[256];    /* LOST */
    bool stopping;
    bool woken; /* the Lease has changed: the campaign is to look at it now */
};

static int64_t realtime_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- state; all with the lock held ---- */

static bool is_over(const struct leader *leader)
{
    return leader->stopping || leader->state == LOST;
}

static void show(const struct leader *leader)
{
    if (leader->gauge)
        metric_set(leader->gauge, leader->state == LEADING && !leader->stopping);
}

static void lose(struct leader *leader, const char *why)
{
    leader->state = LOST;
    (void)snprintf(leader->why, sizeof(leader->why), "%s", why);
    show(leader);
    pthread_cond_broadcast(&leader->changed);
}

static enum lease_standing standing(const struct leader *leader, int64_t *ret_free_at_ms)
{
    return lease_standing(&leader->lease, leader->identity, leader->options.lease_duration_ms,
                          clock_monotonic_ms(), ret_free_at_ms);
}

/* Who leads, when that is news. */
static void see(struct leader *leader, const json_t *object)
{
    SCOPED(string) char *before = leader->lease.holder ? xstrdup(leader->lease.holder) : NULL;

    lease_see(&leader->lease, object, clock_monotonic_ms());
    const char *holder = leader->lease.holder ? leader->lease.holder : "";
    if (object && (!before || strcmp(before, holder) != 0) && strcmp(holder, leader->identity) != 0)
        log_info("leader", log_str("holder", holder));
    if (leader->state == LEADING && *holder && strcmp(holder, leader->identity) != 0 &&
        leader->lease.exists) {
        SCOPED(string) char *why = xasprintf("the Lease is held by %s", holder);
        lose(leader, why);
    }
}

/* ---- the watch ---- */

static bool is_ours(const struct leader *leader, const struct object *object)
{
    return strcmp(object->name, leader->options.name) == 0 && strcmp(object->ns, leader->options.ns) == 0;
}

/* Lock held. Our own writes come by here, too, maybe before their answer: no reason to write again. */
static void wake_campaign(struct leader *leader)
{
    int64_t free_at_ms;

    if (standing(leader, &free_at_ms) == LEASE_OURS)
        return;
    leader->woken = true;
    pthread_cond_broadcast(&leader->changed);
}

/* What is older than an answer that we got, or the same, is no news. */
static void see_event(struct leader *leader, const struct object *object, bool is_there)
{
    if (!is_ours(leader, object))
        return;
    pthread_mutex_lock(&leader->lock);
    if (object->version > leader->lease.seen_version) {
        leader->lease.seen_version = object->version;
        see(leader, is_there ? object->json : NULL);
        wake_campaign(leader);
    }
    pthread_mutex_unlock(&leader->lock);
}

static void lease_added(void *self, struct object *object)
{
    see_event(self, object, true);
}

static void lease_updated(void *self, struct object *old, struct object *object)
{
    (void)old; /* we remember it ourselves */
    see_event(self, object, true);
}

static void lease_deleted(void *self, struct object *last)
{
    see_event(self, last, false);
}

/* ---- one try ---- */

struct claim {
    bool creates;
    char *version; /* the write's precondition */
    json_t *object;
};

static void claim_done(struct claim *claim)
{
    free(claim->version);
    json_decref(claim->object);
}
#define SCOPED_CLAIM __attribute__((cleanup(claim_done)))

/* Lock held. */
static void make_claim(const struct leader *leader, struct claim *ret_claim)
{
    const struct cluster_kind_info *info = cluster_kind_info(KIND_LEASE);
    json_t *spec =
        lease_claim(&leader->lease, leader->identity, leader->options.lease_duration_ms, realtime_us());

    *ret_claim = (struct claim){.creates = !leader->lease.exists};
    if (ret_claim->creates) {
        ret_claim->object = json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion", info->api_version,
                                      "kind", info->kind, "metadata", "name", leader->options.name,
                                      "namespace", leader->options.ns, "spec", spec);
        return;
    }
    ret_claim->version = xstrdup(leader->lease.version);
    ret_claim->object = json_pack("{s:o}", "spec", spec);
}

static int write_claim(const struct leader *leader, const struct claim *claim, json_t **ret_object,
                       struct error *err)
{
    const struct leader_options *options = &leader->options;

    if (claim->creates)
        return cluster_create(options->cluster, KIND_LEASE, options->ns, claim->object, ret_object, err);
    return cluster_patch(options->cluster, KIND_LEASE, options->ns, options->name, claim->object,
                         claim->version, ret_object, err);
}

/* Asks the store what is true, whatever the watch has told. */
static int look(struct leader *leader, struct error *err)
{
    const struct leader_options *options = &leader->options;
    SCOPED(json) json_t *object = NULL;

    if (cluster_get(options->cluster, KIND_LEASE, options->ns, options->name, &object, err) < 0 &&
        err->code != ERR_NOT_FOUND)
        return error_wrap(err, "reading Lease %s", options->name);
    error_clear(err);
    pthread_mutex_lock(&leader->lock);
    see(leader, object);
    pthread_mutex_unlock(&leader->lock);
    return 0;
}

/* begin_ms: before the write was sent. true: we lead only now. */
static bool take_success(struct leader *leader, const json_t *object, int64_t begin_ms)
{
    const int64_t until_ms = begin_ms + leader->options.renew_deadline_ms;

    pthread_mutex_lock(&leader->lock);
    see(leader, object);
    /* An answer that came after the deadline is good for trying again, not for leading. */
    const bool is_new = leader->state == FOLLOWING && !leader->stopping && clock_monotonic_ms() < until_ms;
    if (is_new)
        leader->state = LEADING;
    if (leader->state == LEADING)
        leader->until_ms = until_ms;
    show(leader);
    pthread_cond_broadcast(&leader->changed);
    pthread_mutex_unlock(&leader->lock);
    return is_new;
}

static void begin_leading(struct leader *leader)
{
    log_info("leading", log_str("identity", leader->identity));
    leader->options.on_started(leader->options.self);
}

/* Somebody else wrote, or deleted, what we had seen: look again, then decide again. */
static bool has_changed(const struct error *err)
{
    return err->code == ERR_CONFLICT || err->code == ERR_EXISTS || err->code == ERR_NOT_FOUND;
}

/* 0: written; 1: another holds it, until *ret_free_at_ms. */
static int try_to_write(struct leader *leader, int64_t *ret_free_at_ms, struct error *err)
{
    SCOPED_CLAIM struct claim claim = {0};
    SCOPED(json) json_t *object = NULL;

    pthread_mutex_lock(&leader->lock);
    const bool is_held = standing(leader, ret_free_at_ms) == LEASE_HELD;
    if (!is_held)
        make_claim(leader, &claim);
    pthread_mutex_unlock(&leader->lock);
    if (is_held)
        return 1;
    const int64_t begin_ms = clock_monotonic_ms();
    if (write_claim(leader, &claim, &object, err) < 0)
        return error_wrap(err, "writing Lease %s", leader->options.name);
    if (take_success(leader, object, begin_ms))
        begin_leading(leader);
    return 0;
}

static bool knows_lease(struct leader *leader)
{
    pthread_mutex_lock(&leader->lock);
    bool known = leader->lease.known;
    pthread_mutex_unlock(&leader->lock);
    return known;
}

static int try_once(struct leader *leader, int64_t *ret_free_at_ms, struct error *err)
{
    int result = knows_lease(leader) ? 0 : look(leader, err);

    for (int i = 0; result == 0; i++) {
        result = try_to_write(leader, ret_free_at_ms, err);
        if (result >= 0 || !has_changed(err) || i == CONFLICTS_MAX)
            break;
        result = look(leader, err);
    }
    return result;
}

/* ---- the campaign ---- */

/* Up to a quarter of the retry period: so that followers do not all come at once, and come early. */
static int64_t jitter_ms(const struct leader *leader)
{
    const int64_t range_ms = leader->options.retry_period_ms / 4;
    uint32_t random;

    random_bytes(&random, sizeof(random));
    return range_ms ? random % range_ms : 0;
}

/* Until a point in monotonic time, the Lease's next change, or the end. Lock held. */
static void wait_until(struct leader *leader, int64_t at_ms)
{
    while (!is_over(leader) && !leader->woken && cond_wait_until(&leader->changed, &leader->lock, at_ms))
        ;
    leader->woken = false;
}

/* Fails when we do not lead any more and others should know at once; whoever does not hear waits for the lease. */
static void give_back(struct leader *leader)
{
    const struct leader_options *options = &leader->options;
    SCOPED(json) json_t *patch = json_pack("{s:o}", "spec", lease_release(realtime_us()));
    struct error err = {0};

    int result = -1;
    for (int i = 0; i < CONFLICTS_MAX && result < 0; i++) {
        int64_t free_at_ms;
        pthread_mutex_lock(&leader->lock);
        const bool is_mine = standing(leader, &free_at_ms) == LEASE_OURS;
        SCOPED(string) char *version = is_mine ? xstrdup(leader->lease.version) : NULL;
        pthread_mutex_unlock(&leader->lock);
        if (!is_mine)
            return;
        result = cluster_patch(options->cluster, KIND_LEASE, options->ns, options->name, patch, version, NULL,
                               &err);
        if (result < 0 && (!has_changed(&err) || look(leader, &err) < 0))
            break;
    }
    if (result == 0)
        log_info("leadership given back");
    else
        log_failure(LOG_WARN, "leadership not given back: it runs out by itself", &err);
}

/* When to try again, unless something happens before. */
static int64_t campaign_once(struct leader *leader)
{
    const int64_t period_ms = leader->options.retry_period_ms, begin_ms = clock_monotonic_ms();
    int64_t free_at_ms = 0;
    struct error err = {0};

    const int result = try_once(leader, &free_at_ms, &err);
    if (result == 0)
        return begin_ms + period_ms;
    if (result > 0)
        return free_at_ms + jitter_ms(leader);
    log_failure(LOG_WARN, "leader election failed; to be tried again", &err);
    return clock_monotonic_ms() + period_ms + jitter_ms(leader);
}

static void *campaign(void *arg)
{
    struct leader *leader = arg;

    pthread_mutex_lock(&leader->lock);
    while (!is_over(leader)) {
        pthread_mutex_unlock(&leader->lock);
        const int64_t next_ms = campaign_once(leader);
        pthread_mutex_lock(&leader->lock);
        wait_until(leader, next_ms);
    }
    const bool gives_back = leader->state != LOST;
    pthread_mutex_unlock(&leader->lock);
    if (gives_back)
        give_back(leader);
    return NULL;
}

/* ---- the deadline ---- */

/* Lock held. */
static void mind_deadline(struct leader *leader)
{
    if (leader->state != LEADING)
        (void)pthread_cond_wait(&leader->changed, &leader->lock);
    else if (clock_monotonic_ms() >= leader->until_ms)
        lose(leader, "the Lease could not be renewed in time");
    else
        (void)cond_wait_until(&leader->changed, &leader->lock, leader->until_ms);
}

static void *mind(void *arg)
{
    struct leader *leader = arg;

    pthread_mutex_lock(&leader->lock);
    while (!is_over(leader))
        mind_deadline(leader);
    const bool is_lost = leader->state == LOST;
    pthread_mutex_unlock(&leader->lock);
    if (is_lost) {
        log_error("leadership lost", log_str("error", leader->why));
        leader->options.on_lost(leader->options.self, leader->why);
    }
    return NULL;
}

/* ---- life ---- */

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

static char *unique_identity(const char *name)
{
    char id[HEX_ID_SIZE];

    hex_id(id);
    return xasprintf("%s_%s", name, id);
}

static struct informer *make_informer(struct leader *leader)
{
    const struct informer_options options = {.cluster = leader->options.cluster,
                                             .kind = KIND_LEASE,
                                             .ns = leader->options.ns,
                                             .backoff_max_ms = leader->options.retry_period_ms};
    const struct informer_handler handler = {
        .added = lease_added, .updated = lease_updated, .deleted = lease_deleted, .self = leader};
    struct informer *informer = informer_new(&options);

    informer_subscribe(informer, &handler);
    return informer;
}

struct leader *leader_new(const struct leader_options *options)
{
    struct leader *leader = xcalloc(1, sizeof(*leader));

    leader->options = *options;
    leader->options.ns = xstrdup(options->ns);
    leader->options.name = xstrdup(options->name ? options->name : LEADER_LEASE_NAME);
    leader->options.lease_duration_ms = or_default(options->lease_duration_ms, LEASE_DURATION_MS);
    leader->options.renew_deadline_ms = or_default(options->renew_deadline_ms, RENEW_DEADLINE_MS);
    leader->options.retry_period_ms = or_default(options->retry_period_ms, RETRY_PERIOD_MS);
    leader->identity = unique_identity(options->identity);
    if (options->metrics)
        leader->gauge = metrics_gauge(options->metrics, "stasis_leader", "1: this process leads.", NULL);
    pthread_mutex_init(&leader->lock, NULL);
    cond_init(&leader->changed);
    leader->informer = make_informer(leader);
    show(leader);
    return leader;
}

static int check_durations(const struct leader_options *options, struct error *err)
{
    if (options->retry_period_ms > 0 && options->retry_period_ms < options->renew_deadline_ms &&
        options->renew_deadline_ms < options->lease_duration_ms &&
        options->lease_duration_ms <= (int64_t)INT32_MAX)
        return 0;
    return error_set(
        err, ERR_INVALID,
        "leader election: want retry period < renew deadline < lease duration, got %lld, %lld and "
        "%lld ms",
        (long long)options->retry_period_ms, (long long)options->renew_deadline_ms,
        (long long)options->lease_duration_ms);
}

int leader_start(struct leader *leader, struct error *err)
{
    if (check_durations(&leader->options, err) < 0 || informer_start(leader->informer, err) < 0)
        return -1;
    int failed = pthread_create(&leader->minder, NULL, mind, leader);
    leader->minds = failed == 0;
    if (!failed)
        failed = pthread_create(&leader->campaign, NULL, campaign, leader);
    leader->campaigns = leader->minds && failed == 0;
    return failed ? error_sys(err, failed, "starting the leader election") : 0;
}

void leader_stop(struct leader *leader)
{
    pthread_mutex_lock(&leader->lock);
    leader->stopping = true;
    show(leader);
    pthread_cond_broadcast(&leader->changed);
    pthread_mutex_unlock(&leader->lock);
    if (leader->campaigns)
        pthread_join(leader->campaign, NULL);
    if (leader->minds)
        pthread_join(leader->minder, NULL);
    leader->campaigns = leader->minds = false;
    informer_free(TAKE(leader->informer));
}

void leader_free(struct leader *leader)
{
    if (!leader)
        return;
    informer_free(leader->informer);
    lease_done(&leader->lease);
    pthread_cond_destroy(&leader->changed);
    pthread_mutex_destroy(&leader->lock);
    free(leader->identity);
    free((char *)leader->options.ns);
    free((char *)leader->options.name);
    free(leader);
}

bool leader_is(struct leader *leader)
{
    pthread_mutex_lock(&leader->lock);
    bool leads = leader->state == LEADING && !leader->stopping && clock_monotonic_ms() < leader->until_ms;
    pthread_mutex_unlock(&leader->lock);
    return leads;
}

const char *leader_identity(const struct leader *leader)
{
    return leader->identity;
}
