#include "shared/rpc/health_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "shared/base/alloc.h"

#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

struct service {
    char *name;
    serving_status status;
    struct service *next;
};

struct rpc_health {
    pthread_mutex_t lock;   /* guards everything below */
    pthread_cond_t changed; /* a status, or a watcher was cancelled */
    struct service *services;
};

/* Under the lock. */
static struct service *service_find(const struct rpc_health *health, const char *name)
{
    struct service *service = health->services;

    while (service && strcmp(service->name, name) != 0)
        service = service->next;
    return service;
}

static serving_status status_of(const struct rpc_health *health, const char *name)
{
    const struct service *service = service_find(health, name);

    return service ? service->status : SERVICE_UNKNOWN;
}

struct rpc_health *rpc_health_new(void)
{
    struct rpc_health *health = xcalloc(1, sizeof(*health));

    pthread_mutex_init(&health->lock, NULL);
    pthread_cond_init(&health->changed, NULL);
    rpc_health_note(health, "", true);
    return health;
}

void rpc_health_free(struct rpc_health *health)
{
    if (!health)
        return;
    while (health->services) {
        struct service *service = health->services;
        health->services = service->next;
        free(service->name);
        free(service);
    }
    pthread_cond_destroy(&health->changed);
    pthread_mutex_destroy(&health->lock);
    free(health);
}

void rpc_health_note(struct rpc_health *health, const char *name, bool serving)
{
    pthread_mutex_lock(&health->lock);
    struct service *service = service_find(health, name);
    if (!service) {
        service = xcalloc(1, sizeof(*service));
        service->name = xstrdup(name);
        service->next = health->services;
        health->services = service;
    }
    service->status = serving ? SERVING : NOT_SERVING;
    pthread_cond_broadcast(&health->changed);
    pthread_mutex_unlock(&health->lock);
}

static int check(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Grpc__Health__V1__HealthCheckRequest *question = request;
    Grpc__Health__V1__HealthCheckResponse *answer = response;
    struct rpc_health *health = rpc_self(call);

    pthread_mutex_lock(&health->lock);
    answer->status = status_of(health, question->service);
    pthread_mutex_unlock(&health->lock);
    if (answer->status == SERVICE_UNKNOWN)
        return error_set(err, ERR_NOT_FOUND, "no service \"%s\" reports its health here", question->service);
    return 0;
}

static void wake_watchers(void *self)
{
    struct rpc_health *health = self;

    pthread_mutex_lock(&health->lock);
    pthread_cond_broadcast(&health->changed);
    pthread_mutex_unlock(&health->lock);
}

/* false: cancelled while waiting for another status than *status. */
static bool await_change(struct rpc_health *health, const char *name, const struct rpc_call *call,
                         serving_status *status)
{
    pthread_mutex_lock(&health->lock);
    while (status_of(health, name) == *status && !rpc_cancelled(call))
        pthread_cond_wait(&health->changed, &health->lock);
    *status = status_of(health, name);
    pthread_mutex_unlock(&health->lock);
    return !rpc_cancelled(call);
}

/* The first answer comes at once, the next ones when the status changes; a service may still become known. */
static int watch(struct rpc_call *call, const void *request, struct error *err)
{
    const Grpc__Health__V1__HealthCheckRequest *question = request;
    Grpc__Health__V1__HealthCheckResponse answer = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct rpc_health *health = rpc_self(call);
    serving_status status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN;

    rpc_on_cancel(call, wake_watchers, health);
    while (await_change(health, question->service, call, &status)) {
        answer.status = status;
        if (rpc_send(call, &answer.base, err) < 0)
            return -1;
    }
    return error_set(err, ERR_CANCELLED, "the watch was cancelled");
}

const struct rpc_method rpc_health_methods[] = {
    {.name = "Check", .unary = check},
    {.name = "Watch", .stream = watch, .endless = true},
    {.name = NULL},
};
